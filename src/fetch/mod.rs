//! How values are obtained: the objects of all Mounts side by side, as many at once and as fast as each service may
//! be asked, shared where they are the same, tried again where that helps, never past the caller's deadline.
//!
//! [`core`] decides, without threads or sockets; this file makes the calls it asks for, on a few threads that all
//! Mounts share, and lets Mounts wait.

mod awake;
mod copies;
pub mod core;
mod lane;
mod pace;
pub mod retry;
mod threads;
mod volumes;

use std::fmt;
use std::sync::{Arc, Condvar, PoisonError};
use std::time::Duration;

use self::core::{Core, Domain, Entered, Outcome, PartyId, Settled, Source, Want};
pub use self::core::{LaneSettings, Settings};
use retry::Class;
use threads::Threads;
pub use volumes::Volume;

use crate::auth::{self, IdentityKey, Resolved};
use crate::clock::Clock;
use crate::cloud::api::Entropy;
use crate::cloud::error::Kind;
use crate::cloud::kms::{GetSecretValue, bare_name};
use crate::cloud::oos::GetSecretParameter;
use crate::cloud::{self, Api, Credentials, Endpoint, Target, Value};
use crate::grpc::Call;
use crate::limits;
use crate::metrics::{self, Metrics, SharedCopy};
use crate::params::Service;

/// Fetches values for the whole process.
pub struct Engine(Arc<Threads>);

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
    pub identity: &'a Resolved,
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

/// What the provider's own engine moves about.
struct Cloud;

impl Domain for Cloud {
    type Key = Arc<Key>;
    type Job = Job;
    type Value = Arc<Value>;
    type Error = Error;

    fn is_same_secret(one: &Arc<Key>, other: &Arc<Key>) -> bool {
        bare_name(&one.name) == bare_name(&other.name)
            && one.service == other.service
            && one.endpoint == other.endpoint
    }
}

/// Everything that a request says, and as whom: whoever asks for the same may have the same answer. The region is
/// in the endpoint.
#[derive(PartialEq, Eq, Hash)]
struct Key {
    identity: IdentityKey,
    endpoint: Endpoint,
    service: Service,
    name: String,
    version: Option<String>,
    stage: Option<String>,
}

/// A call as it can be made.
#[derive(Clone)]
struct Job {
    key: Arc<Key>,
    identity: Resolved,
    credentials: Arc<Credentials>,
    is_class_endpoint: bool,
    /// Fresh credentials have been tried; there are no fresher ones.
    is_renewed: bool,
}

impl Job {
    /// The call, if the identity has credentials for it.
    fn new(key: Arc<Key>, identity: Resolved, is_class_endpoint: bool) -> Result<Self, Error> {
        let credentials = identity.credentials.clone().map_err(Error::Auth)?;
        Ok(Self {
            key,
            identity,
            credentials,
            is_class_endpoint,
            is_renewed: false,
        })
    }

    /// The same with fresh credentials.
    fn renewed(&self, identity: Resolved) -> Result<Self, Error> {
        let fresh = Self::new(Arc::clone(&self.key), identity, self.is_class_endpoint)?;
        Ok(Self {
            is_renewed: true,
            ..fresh
        })
    }
}

impl Engine {
    /// An engine within `settings`.
    pub fn new(api: Api, clock: Arc<dyn Clock>, entropy: Arc<dyn Entropy>, settings: &Settings) -> Self {
        let core = Core::new(settings, clock.now());
        let most_threads = settings.kms.pulls.saturating_add(settings.oos.pulls);
        Self(Threads::new(api, clock, entropy, core, most_threads))
    }

    /// Fetches all of `pulls` for a volume and gives one result for each, in their order. One refusal does not keep
    /// the others from being tried, so that a Mount can name all of its refusals. What has no credentials can only
    /// be served by what is kept for an outage.
    pub fn fetch(
        &self,
        pulls: &[Pull<'_>],
        volume: Option<&Volume>,
        call: &Call,
    ) -> Vec<Result<Fetched, Error>> {
        let wants: Vec<Want<Cloud>> = pulls.iter().map(Want::from).collect();
        // What is left of the caller's time, less what it takes to say what happened.
        let clock = &*self.0.clock;
        let now = clock.now();
        let deadline = call.deadline.checked_sub(limits::FETCH_MARGIN).unwrap_or(now);
        let bell = Arc::new(Condvar::new());

        let mut state = self.0.lock();
        self.0.look(&mut state);
        let entered = state.core.mount(wants, volume, deadline, now);
        let party = entered.party;
        state.bells.insert(party, Arc::clone(&bell));
        self.0.wake(&mut state);
        if !state.core.is_complete(party) {
            drop(state);
            let (threads, waker) = (Arc::clone(&self.0), Arc::clone(&bell));
            call.cancellation.on_cancel(move || {
                // Taking the lock makes sure that the Mount is not between its check and its wait.
                drop(threads.lock());
                waker.notify_all();
            });
            state = self.0.lock();
        }
        let (settled, now, unfinished) = loop {
            self.0.look(&mut state);
            let now = clock.now();
            if call.cancellation.is_cancelled() {
                break (state.core.cancel(party), now, Error::Cancelled);
            }
            let Some(until) = state.core.wait(party, now) else {
                break (state.core.leave(party, now), now, Error::Waited);
            };
            state = bell
                .wait_timeout(state, until.saturating_duration_since(now))
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        };
        state.bells.remove(&party);
        self.0.wake(&mut state); // what others wait for may have been waiting for a call of this one
        let (copies, _) = state.core.copies();
        let (kept, _) = state.core.stale();
        drop(state);
        let result = |settled| match settled {
            Settled::Value(value) => Ok(Fetched { value, stale: None }),
            Settled::Stale { value, read, error } => {
                let age = now.saturating_duration_since(read);
                let stale = Some(Stale { age, error });
                Ok(Fetched { value, stale })
            }
            Settled::Failed(error) => Err(error),
            Settled::Skipped => Err(Error::Skipped),
            Settled::TooMuch => Err(Error::TooMuch),
            Settled::Unfinished => Err(unfinished.clone()),
        };
        let results: Vec<_> = settled.into_iter().map(result).collect();
        count(self.0.api.metrics(), pulls, &entered, &results);
        self.0.api.metrics().objects_under_refresh(copies);
        self.0.api.metrics().stale_values_kept(kept);
        results
    }

    /// A Mount of this volume was answered with success: its next may be served by a shared copy.
    pub fn mounted(&self, volume: &Volume) {
        let now = self.0.clock.now();
        self.0.lock().core.mounted(volume, now);
    }

    /// Whether values are kept for outages.
    pub fn serves_stale(&self) -> bool {
        self.0.lock().core.serves_stale()
    }

    /// The cloud has refused an identity: nothing that was read as it, or as a role that it assumed, is kept for an
    /// outage.
    pub fn refused(&self, identity: &IdentityKey) {
        self.0.lock().refused(identity);
    }

    /// A pod has been given an old value of `service`.
    pub fn served_stale(&self, service: Service) {
        self.0.api.metrics().stale_value_served(label(service));
    }

    /// Values that are kept for outages: how many, and their bytes.
    pub fn stale(&self) -> (usize, usize) {
        self.0.lock().core.stale()
    }

    /// Shared copies that are kept: how many, and their bytes.
    pub fn copies(&self) -> (usize, usize) {
        self.0.lock().core.copies()
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.0.close();
    }
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Engine")
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

/// Tells the metrics what came from where, and what a running pod could not be given anew.
fn count(metrics: &Metrics, pulls: &[Pull<'_>], entered: &Entered, results: &[Result<Fetched, Error>]) {
    for ((pull, source), result) in pulls.iter().zip(&entered.sources).zip(results) {
        let service = label(pull.service);
        match source {
            Source::Call | Source::Nobody => {}
            Source::Copy => metrics.shared_copy(service, SharedCopy::Cached),
            Source::Joined => metrics.shared_copy(service, SharedCopy::Coalesced),
        }
        let stale = result.as_ref().ok().and_then(|fetched| fetched.stale.as_ref());
        let error = match result {
            Ok(_) => stale.and_then(|stale| stale.error.as_ref()),
            Err(error) => Some(error),
        };
        if let (true, Some(Error::Cloud(error))) = (entered.is_repeated, error) {
            metrics.refresh_failed(service, error.kind().outcome());
        }
    }
}

const fn label(service: Service) -> metrics::Service {
    match service {
        Service::Kms => metrics::Service::Kms,
        Service::Oos => metrics::Service::Oos,
    }
}

/// One try.
fn attempt(api: &Api, job: &Job, remaining: Duration) -> Outcome<Cloud> {
    if remaining.is_zero() {
        return Outcome::Failed {
            error: Error::Waited,
            class: Class::Unavailable,
            hint: None,
        };
    }
    let error = match call(api, job, remaining) {
        Ok(value) => {
            let bytes = value.contents.len() + value.version.len();
            return Outcome::Value(Arc::new(value), bytes);
        }
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
            Err(error) => Outcome::Failed {
                class: match &error {
                    Error::Auth(why) if why.is_outage() => Class::Unavailable,
                    _ => Class::Definite,
                },
                error,
                hint: None,
            },
        };
    }
    log::debug!("{} pull: {error}", job.key.service);
    let hint = match &error {
        cloud::Error::Api(error) => error.retry_after,
        cloud::Error::Answer { .. } | cloud::Error::Http(_) => None,
    };
    Outcome::Failed {
        class: Class::of(&error),
        hint,
        error: Error::Cloud(error),
    }
}

/// How far it reaches that a call failed for whoever made it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Refusal {
    /// Nothing else may be had as the same identity.
    Everywhere,
    /// Nothing else may be had there as the same identity. The class has chosen the endpoint, and its author may be
    /// answering: what others who share the identity have read elsewhere is not for such an answer to end.
    Endpoint,
}

impl Refusal {
    fn of(outcome: &Outcome<Cloud>, job: &Job) -> Option<Self> {
        let Outcome::Failed {
            error,
            class: Class::Definite,
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

fn failed(error: Error) -> Outcome<Cloud> {
    Outcome::Failed {
        error,
        class: Class::Definite,
        hint: None,
    }
}

fn call(api: &Api, job: &Job, remaining: Duration) -> Result<Value, cloud::Error> {
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
