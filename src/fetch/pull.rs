//! What is fetched, and what comes of it.

use std::sync::Arc;
use std::time::Duration;

use crate::auth::{self, ResolvedIdentity};
use crate::cloud::{self, Endpoint, Value};
use crate::metrics;
use crate::params::Service;

/// One value to fetch.
#[derive(Clone, Debug)]
pub struct Pull<'a> {
    /// Which service holds it.
    pub service: Service,
    /// Secret or parameter name.
    pub name: &'a str,
    /// A pinned version: KMS `VersionId`, OOS `ParameterVersion`.
    pub version: Option<String>,
    /// KMS `VersionStage`.
    pub stage: Option<&'a str>,
    /// Whom to ask.
    pub endpoint: &'a Endpoint,
    /// Whether the class says so, rather than the provider's configuration.
    pub is_class_endpoint: bool,
    /// As whom.
    pub identity: &'a ResolvedIdentity,
}

/// One value for a Mount.
#[derive(Clone, Debug)]
pub struct Fetched {
    /// The value.
    pub value: Arc<Value>,
    /// If it was read a while ago, as the cloud is out of reach or throttles.
    pub stale: Option<Stale>,
}

/// What is known of an old value.
#[derive(Clone, Debug)]
pub struct Stale {
    /// How long ago it was read, at most.
    pub age: Duration,
    /// Why there is nothing newer; unknown if nobody was asked, or there was no answer in time.
    pub error: Option<Error>,
}

/// Why a value was not obtained.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Error {
    /// Refused credentials could not be renewed.
    Auth(auth::Error),
    /// The call broke down: a defect of ours, told in the log.
    Broken,
    /// The caller has gone; nobody will read this.
    Cancelled,
    /// The cloud's last word.
    Cloud(cloud::Error),
    /// Not asked for: others of the same Mount found the cloud out of reach.
    Skipped,
    /// Too many bytes, together with the others of the same Mount.
    TooMuch,
    /// The caller's time ran out before there was an outcome.
    Waited,
}

/// How metrics call a service.
pub(super) const fn label(service: Service) -> metrics::Service {
    match service {
        Service::Kms => metrics::Service::Kms,
        Service::Oos => metrics::Service::Oos,
    }
}
