//! A call to the cloud: what it requests and with which identity, one attempt, and what its outcome means.

use std::hash::Hash;
use std::sync::Arc;
use std::time::Duration;

use super::core::{Domain, Outcome, Want};
use super::pull::{Error, Pull};
use super::retry::FailureClass;
use crate::auth::{IdentityKey, ResolvedIdentity};
use crate::cloud::error::Kind;
use crate::cloud::kms::{GetSecretValue, bare_name};
use crate::cloud::oos::GetSecretParameter;
use crate::cloud::{self, Api, Credentials, Endpoint, Target, Value};
use crate::params::Service;
use crate::sync::Cancellation;

/// The provider's own [`Domain`].
pub(super) struct Cloud;

impl Domain for Cloud {
    type Key = Arc<Key>;
    type Job = Job;
    type Value = Arc<Value>;
    type Error = Error;
    type Endpoint = Endpoint;
    type Identity = IdentityKey;

    fn endpoint(key: &Arc<Key>) -> Endpoint {
        key.endpoint.clone()
    }

    fn identity(key: &Arc<Key>) -> IdentityKey {
        key.identity.clone()
    }

    fn secret(key: &Arc<Key>) -> impl Eq + Hash {
        (key.service, &key.endpoint, bare_name(&key.name))
    }
}

/// The whole request, with the identity: equal keys may share one answer. The region is in the endpoint.
#[derive(PartialEq, Eq, Hash)]
pub(super) struct Key {
    pub(super) identity: IdentityKey,
    pub(super) endpoint: Endpoint,
    service: Service,
    name: String,
    version: Option<String>,
    stage: Option<String>,
}

/// A call that can be made.
#[derive(Clone)]
pub(super) struct Job {
    pub(super) key: Arc<Key>,
    identity: ResolvedIdentity,
    credentials: Arc<Credentials>,
    is_class_endpoint: bool,
    /// Fresh credentials have been tried; there are no newer ones.
    is_renewed: bool,
}

impl Job {
    /// The call, if the identity has credentials for it.
    fn new(key: Arc<Key>, identity: ResolvedIdentity, is_class_endpoint: bool) -> Result<Self, Error> {
        let credentials = identity.credentials.clone().map_err(Error::Auth)?;
        Ok(Self {
            key,
            identity,
            credentials,
            is_class_endpoint,
            is_renewed: false,
        })
    }

    /// The same call with fresh credentials.
    fn renewed(&self, identity: ResolvedIdentity) -> Result<Self, Error> {
        let fresh = Self::new(Arc::clone(&self.key), identity, self.is_class_endpoint)?;
        Ok(Self {
            is_renewed: true,
            ..fresh
        })
    }
}

impl From<&Pull<'_>> for Want<Cloud> {
    fn from(pull: &Pull<'_>) -> Self {
        let key = Arc::new(Key {
            identity: pull.identity.identity.clone(),
            endpoint: pull.endpoint.clone(),
            service: pull.service,
            name: pull.name.to_owned(),
            version: pull.version.clone(),
            stage: pull.stage.map(str::to_owned),
        });
        let job = Job::new(Arc::clone(&key), pull.identity.clone(), pull.is_class_endpoint);
        Self {
            service: pull.service,
            key,
            job,
        }
    }
}

/// One attempt of a call, within the remaining time.
pub(super) fn attempt(
    api: &Api,
    job: &Job,
    remaining: Duration,
    cancellation: &Cancellation,
) -> Outcome<Cloud> {
    if remaining.is_zero() {
        return failed(Error::Waited, FailureClass::Unavailable);
    }
    let error = match call(api, job, remaining, cancellation) {
        Ok(value) => {
            let bytes = value.contents.len() + value.version.len();
            return Outcome::Value(Arc::new(value), bytes);
        }
        // It says nothing about the service.
        Err(_) if cancellation.is_cancelled() => return failed(Error::Cancelled, FailureClass::Interrupted),
        Err(error) => error,
    };
    if !job.is_renewed
        && let Some(renewed) = job.identity.renewed_after(&error, remaining)
    {
        let job = renewed
            .map_err(Error::Auth)
            .and_then(|identity| job.renewed(identity));
        return match job {
            Ok(job) => Outcome::Renewed(job),
            Err(Error::Auth(why)) if why.is_outage() => failed(Error::Auth(why), FailureClass::Unavailable),
            Err(error) => failed(error, FailureClass::Definite),
        };
    }
    log::debug!("{} pull: {error}", job.key.service);
    let hint = match &error {
        cloud::Error::Api(error) => error.retry_after,
        cloud::Error::Answer { .. } | cloud::Error::Http(_) => None,
    };
    Outcome::Failed {
        class: FailureClass::of(&error),
        hint,
        error: Error::Cloud(error),
    }
}

/// How far a refusal reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// It concerns every value of the identity.
    Everywhere,
    /// It concerns only values of the identity at this endpoint. The class has chosen the endpoint, so its author may
    /// control the answer, which must not end access to values read elsewhere with a shared identity.
    Endpoint,
}

impl Refusal {
    pub(super) fn of(outcome: &Outcome<Cloud>, job: &Job) -> Option<Self> {
        let Outcome::Failed {
            error,
            class: FailureClass::Definite,
            ..
        } = outcome
        else {
            return None;
        };
        match error {
            Error::Auth(_) => Some(Self::Everywhere),
            Error::Cloud(error) if error.kind() != Kind::Credentials => None,
            Error::Cloud(_) if job.is_class_endpoint => Some(Self::Endpoint),
            Error::Cloud(_) => Some(Self::Everywhere),
            _ => None,
        }
    }
}

pub(super) fn failed(error: Error, class: FailureClass) -> Outcome<Cloud> {
    Outcome::Failed {
        error,
        class,
        hint: None,
    }
}

fn call(
    api: &Api,
    job: &Job,
    remaining: Duration,
    cancellation: &Cancellation,
) -> Result<Value, cloud::Error> {
    let Key {
        endpoint,
        service,
        name,
        version,
        stage,
        ..
    } = &*job.key;
    let target = Target {
        endpoint,
        credentials: &job.credentials,
        remaining,
        cancellation: Some(cancellation),
    };
    match service {
        Service::Kms => GetSecretValue {
            secret_name: name,
            version_id: version.as_deref(),
            version_stage: stage.as_deref(),
        }
        .call(api, &target),
        Service::Oos => GetSecretParameter {
            name,
            parameter_version: version.as_deref(),
        }
        .call(api, &target),
    }
}
