//! How values are obtained: the objects of a Mount side by side, as many pulls at once as each service may have,
//! tried again where that helps, never past the caller's deadline.

mod permits;
pub mod retry;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use permits::Permits;

use crate::auth::{self, Resolved};
use crate::clock::Clock;
use crate::cloud::api::Entropy;
use crate::cloud::kms::GetSecretValue;
use crate::cloud::oos::GetSecretParameter;
use crate::cloud::{self, Api, Endpoint, Target, Value};
use crate::grpc::Call;
use crate::limits;
use crate::metrics;
use crate::params::Service;

/// Fetches values for the whole process.
pub struct Engine {
    api: Api,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    kms: Arc<Permits>,
    oos: Arc<Permits>,
    helpers: AtomicUsize,
    most_helpers: usize,
}

/// A thread that helps a Mount's own; counted, so that there are never more than pulls that may be under way.
struct Helper<'a>(&'a AtomicUsize);

impl<'a> Helper<'a> {
    fn claim(count: &'a AtomicUsize, most: usize) -> Option<Self> {
        let more = |now: usize| (now < most).then_some(now + 1);
        count
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, more)
            .ok()
            .map(|_| Self(count))
    }
}

impl Drop for Helper<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

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
    /// As whom.
    pub identity: &'a Resolved,
}

/// Why a value was not obtained.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Error {
    /// Refused credentials could not be renewed.
    Auth(auth::Error),
    /// The caller has gone; nobody will read this.
    Cancelled,
    /// The cloud's last word.
    Cloud(cloud::Error),
    /// The caller's time ran out before a call could be made.
    Waited {
        /// What the pull waited for.
        what: &'static str,
    },
}

impl Engine {
    /// An engine that pulls at most so many secrets and parameters at once.
    pub fn new(
        api: Api,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
        kms_pulls: usize,
        oos_pulls: usize,
    ) -> Self {
        let permits = |count| Arc::new(Permits::new(count));
        Self {
            api,
            clock,
            entropy,
            kms: permits(kms_pulls),
            oos: permits(oos_pulls),
            helpers: AtomicUsize::new(0),
            most_helpers: kms_pulls.saturating_add(oos_pulls),
        }
    }

    /// Fetches all of `pulls` and gives one result for each, in their order. One failure does not keep the
    /// others from being tried, so that a Mount can name all of its failures.
    pub fn fetch(&self, pulls: &[Pull<'_>], call: &Call) -> Vec<Result<Value, Error>> {
        let results: Vec<OnceLock<Result<Value, Error>>> = pulls.iter().map(|_| OnceLock::new()).collect();
        let next = AtomicUsize::new(0);
        let work = || {
            loop {
                let at = next.fetch_add(1, Ordering::Relaxed);
                let (Some(pull), Some(result)) = (pulls.get(at), results.get(at)) else {
                    break;
                };
                let _ = result.set(self.pull(pull, call));
            }
        };
        std::thread::scope(|scope| {
            // The caller's own thread works too: a Mount of one object needs no other, and a Mount that gets no
            // helper is slow rather than stuck.
            for _ in 1..pulls.len() {
                let Some(helper) = Helper::claim(&self.helpers, self.most_helpers) else {
                    break;
                };
                let thread = std::thread::Builder::new()
                    .name("pull".to_owned())
                    .stack_size(HELPER_STACK_BYTES);
                let spawned = thread.spawn_scoped(scope, || {
                    let _helper = helper;
                    work();
                });
                if spawned.is_err() {
                    break;
                }
            }
            work();
        });
        let abandoned = || {
            Err(Error::Waited {
                what: "a pull that broke down",
            })
        };
        results
            .into_iter()
            .map(|result| result.into_inner().unwrap_or_else(abandoned))
            .collect()
    }

    fn pull(&self, pull: &Pull<'_>, call: &Call) -> Result<Value, Error> {
        let permits = match pull.service {
            Service::Kms => &self.kms,
            Service::Oos => &self.oos,
        };
        let mut renewed: Option<Resolved> = None;
        for attempt in 1.. {
            let identity = renewed.as_ref().unwrap_or(pull.identity);
            let result = {
                let _permit = permits.acquire(call, &*self.clock)?;
                let remaining = self.remaining(call).ok_or(Error::Waited { what: "its turn" })?;
                self.call(pull, identity, remaining)
            };
            let error = match result {
                Ok(value) => return Ok(value),
                Err(error) => error,
            };
            let remaining = self.remaining(call).unwrap_or_default();
            if renewed.is_none()
                && let Some(fresh) = identity.renewed_after(&error, remaining)
            {
                renewed = Some(fresh.map_err(Error::Auth)?);
                continue;
            }
            let pause = retry::pause(
                &error,
                attempt,
                self.fraction(),
                self.remaining(call).unwrap_or_default(),
            );
            let Some(pause) = pause else {
                return Err(Error::Cloud(error));
            };
            self.api.metrics().retry(match pull.service {
                Service::Kms => metrics::Service::Kms,
                Service::Oos => metrics::Service::Oos,
            });
            log::debug!(
                "{} pull, try {attempt}: {error}; next try in {} ms",
                pull.service,
                pause.as_millis()
            );
            permits::sleep(call, &*self.clock, pause)?;
        }
        unreachable!("retry::pause ends after a number of attempts")
    }

    fn call(&self, pull: &Pull<'_>, identity: &Resolved, remaining: Duration) -> Result<Value, cloud::Error> {
        let target = Target {
            endpoint: pull.endpoint,
            credentials: &identity.credentials,
            remaining,
        };
        match pull.service {
            Service::Kms => GetSecretValue {
                secret_name: pull.name,
                version_id: pull.version.as_deref(),
                version_stage: pull.stage,
            }
            .call(&self.api, &target),
            Service::Oos => GetSecretParameter {
                name: pull.name,
                parameter_version: pull.version.as_deref(),
            }
            .call(&self.api, &target),
        }
    }

    /// What is left of the caller's time, less what it takes to say what happened; nothing once it is over.
    fn remaining(&self, call: &Call) -> Option<Duration> {
        let left = call.deadline.saturating_duration_since(self.clock.now());
        left.checked_sub(limits::FETCH_MARGIN)
            .filter(|left| !left.is_zero())
    }

    /// A random number from 0 up to but not including 1.
    fn fraction(&self) -> f64 {
        let mut bytes = [0; 4];
        self.entropy.fill(&mut bytes);
        f64::from(u32::from_be_bytes(bytes)) / (f64::from(u32::MAX) + 1.0)
    }
}

/// Stack of a helper: TLS handshakes are its deepest point.
const HELPER_STACK_BYTES: usize = 256 * 1024;
