//! How values are obtained: the objects of all Mounts side by side, as many at once and as fast as each service may
//! be asked, shared where they are the same, tried again where that helps, never past the caller's deadline.
//!
//! [`core`] decides, without threads or sockets; `threads.rs` makes the calls it asks for, on a few threads that all
//! Mounts share; `call.rs` is one such call; this file lets Mounts wait.

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

    /// Fetches all of `pulls` for a volume and gives one result for each, in their order. One refusal does not keep
    /// the others from being tried, so that a Mount can name all of its refusals. What has no credentials can only
    /// be served by what is kept for an outage, which is for volumes of pods only.
    pub fn fetch(
        &self,
        pulls: &[Pull<'_>],
        volume: Option<&Volume>,
        call: &CallContext,
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

/// Tells the metrics what came from where, and what a running pod could not be given anew.
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
