//! Fetches values: the objects of all mounts concurrently, within each service's limits, shared where they are the
//! same, retried where that helps, never past the caller's deadline.
//!
//! [`core`] decides, without threads or sockets; `threads.rs` makes the calls, on a few threads that all mounts
//! share; `call.rs` is one call; here mounts wait.

mod awake;
mod call;
mod copies;
pub mod core;
mod lane;
mod pace;
mod pull;
pub mod retry;
mod threads;
mod volumes;

use std::fmt;
use std::sync::{Arc, Condvar, PoisonError};

use self::core::{Core, Entered, Origin, Settled, Want};
pub use self::core::{LaneSettings, Settings};
use call::Cloud;
use pull::label;
pub use pull::{Error, Fetched, Pull, Stale};
use threads::Threads;
pub use volumes::Volume;

use crate::auth::IdentityKey;
use crate::clock::Clock;
use crate::cloud::Api;
use crate::entropy::Entropy;
use crate::limits;
use crate::metrics::{Metrics, SharedCopy};
use crate::params::Service;
use crate::sync::CallContext;

/// Fetches values for the whole process.
pub struct Engine(Arc<Threads>);

impl Engine {
    /// An engine within `settings`.
    pub fn new(api: Api, clock: Arc<dyn Clock>, entropy: Arc<dyn Entropy>, settings: &Settings) -> Self {
        let core = Core::new(settings, clock.now());
        let most_threads = settings.kms.pulls.saturating_add(settings.oos.pulls);
        Self(Threads::new(api, clock, entropy, core, most_threads))
    }

    /// Fetches all of `pulls` for a volume and returns one result for each, in their order. A refusal does not stop
    /// the others, so that a mount can report all refusals. Objects without credentials can only be served from the
    /// values kept for outages, which only pods' volumes get.
    pub fn fetch(
        &self,
        pulls: &[Pull<'_>],
        volume: Option<&Volume>,
        call: &CallContext,
    ) -> Vec<Result<Fetched, Error>> {
        let wants: Vec<Want<Cloud>> = pulls.iter().map(Want::from).collect();
        // Leaves a margin of the caller's time for the answer.
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
                // Taking the lock ensures that the mount is not between its check and its wait.
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
        self.0.wake(&mut state); // calls of other mounts may have been waiting behind a call of this one
        let deserted = match unfinished {
            Error::Cancelled => state.desert(),
            _ => Vec::new(),
        };
        let (copies, _) = state.core.copies();
        let (kept, _) = state.core.stale();
        drop(state);
        for call in deserted {
            call.cancel();
        }
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

    /// Marks a volume as mounted; later mounts of it may use shared copies.
    pub fn mounted(&self, volume: &Volume) {
        let now = self.0.clock.now();
        self.0.lock().core.mounted(volume, now);
    }

    /// Whether values are kept for outages.
    pub fn serves_stale(&self) -> bool {
        self.0.lock().core.serves_stale()
    }

    /// The cloud has refused an identity: values read as it, or as a role that it assumed, are no longer kept for
    /// outages.
    pub fn refused(&self, identity: &IdentityKey) {
        self.0.lock().refused(identity);
    }

    /// Counts a cached value of `service` served in an outage.
    pub fn served_stale(&self, service: Service) {
        self.0.api.metrics().stale_value_served(label(service));
    }

    /// Number of values kept for outages, and their bytes.
    pub fn stale(&self) -> (usize, usize) {
        self.0.lock().core.stale()
    }

    /// Number of shared copies, and their bytes.
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

/// Counts where values came from, and failed refreshes of running pods.
fn count(metrics: &Metrics, pulls: &[Pull<'_>], entered: &Entered, results: &[Result<Fetched, Error>]) {
    for ((pull, origin), result) in pulls.iter().zip(&entered.origins).zip(results) {
        let service = label(pull.service);
        match origin {
            Origin::Call | Origin::Nobody => {}
            Origin::Copy => metrics.shared_copy(service, SharedCopy::Cached),
            Origin::Joined => metrics.shared_copy(service, SharedCopy::Coalesced),
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
