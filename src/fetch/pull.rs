//! A value to fetch, and its result.

use std::sync::Arc;
use std::time::Duration;

use crate::auth::{self, ResolvedIdentity};
use crate::cloud::{self, Endpoint, Value};
use crate::metrics;
use crate::params::Service;

/// One value to fetch.
#[derive(Clone, Debug)]
pub struct Pull<'a> {
    /// The service that holds it.
    pub service: Service,
    /// Secret or parameter name.
    pub name: &'a str,
    /// A pinned version: KMS `VersionId`, OOS `ParameterVersion`.
    pub version: Option<String>,
    /// KMS `VersionStage`.
    pub stage: Option<&'a str>,
    /// The endpoint to call.
    pub endpoint: &'a Endpoint,
    /// Whether the class chose the endpoint, by its host or by a region, and not the provider's configuration.
    pub is_class_endpoint: bool,
    /// The identity to read with.
    pub identity: &'a ResolvedIdentity,
}

/// One value for a mount.
#[derive(Clone, Debug)]
pub struct Fetched {
    /// The value.
    pub value: Arc<Value>,
    /// Set if it was read earlier and is served because the cloud is unavailable or throttles.
    pub stale: Option<Stale>,
}

/// Details of a cached value.
#[derive(Clone, Debug)]
pub struct Stale {
    /// Time since it was read, at most.
    pub age: Duration,
    /// Why there is no newer value; `None` if no call was made or answered in time.
    pub error: Option<Error>,
}

/// Why a value could not be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Error {
    /// Rejected credentials could not be renewed.
    Auth(auth::Error),
    /// The call panicked; the log has details.
    Broken,
    /// The caller has cancelled the call.
    Cancelled,
    /// The cloud's final error.
    Cloud(cloud::Error),
    /// Not requested, because the cloud was unavailable for others of the same mount.
    Skipped,
    /// Too large, together with the others of the same mount.
    TooMuch,
    /// The caller's deadline passed before there was an outcome.
    Waited,
}

/// The service's label in metrics.
pub(super) const fn label(service: Service) -> metrics::Service {
    match service {
        Service::Kms => metrics::Service::Kms,
        Service::Oos => metrics::Service::Oos,
    }
}
