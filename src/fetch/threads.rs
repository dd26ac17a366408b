//! The threads that make calls: shared by all mounts, never more than the allowed concurrent calls, ended when idle.

use std::collections::HashMap;
use std::panic::{self, AssertUnwindSafe};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

use super::awake::Awake;
use super::call::{Cloud, Key, Refusal, attempt, failed};
use super::core::{Attempt, Core, FlightId, Next, PartyId};
use super::pull::{Error, label};
use super::retry::FailureClass;
use crate::auth::IdentityKey;
use crate::clock::Clock;
use crate::cloud::Api;
use crate::entropy::Entropy;
use crate::limits;
use crate::sync::Cancellation;

/// State shared by the threads and the waiting mounts.
pub(super) struct Threads {
    pub(super) clock: Arc<dyn Clock>,
    pub(super) api: Api,
    entropy: Arc<dyn Entropy>,
    state: Mutex<State>,
    work: Condvar,
    most: usize,
}

/// State behind the lock.
pub(super) struct State {
    pub(super) core: Core<Cloud>,
    /// Notified when a mount is complete.
    pub(super) bells: HashMap<PartyId, Arc<Condvar>>,
    /// The calls under way, to be ended early.
    calls: HashMap<FlightId, Cancellation>,
    running: usize,
    idle: usize,
    calling: usize,
    is_closed: bool,
    awake: Awake,
}

impl State {
    /// The cloud has refused an identity: values read as it, or as a role that it assumed, must not be served in an
    /// outage.
    pub(super) fn refused(&mut self, identity: &IdentityKey) {
        self.core.forget(|key| key.identity.rests_on(identity));
    }

    /// Ends the calls under way that no mount waits for. To be cancelled without the lock, because that closes sockets.
    pub(super) fn desert(&mut self) -> Vec<Cancellation> {
        let deserted = self.core.desert().into_iter();
        deserted
            .filter_map(|flight| self.calls.get(&flight).cloned())
            .collect()
    }

    /// The cloud has refused a call; `refusal` says how far that reaches.
    fn refused_call(&mut self, refusal: Refusal, call: &Key) {
        match refusal {
            Refusal::Everywhere => self.refused(&call.identity),
            Refusal::Endpoint => self
                .core
                .forget(|key| key.endpoint == call.endpoint && key.identity.rests_on(&call.identity)),
        }
    }
}

impl Threads {
    pub(super) fn new(
        api: Api,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
        core: Core<Cloud>,
        most: usize,
    ) -> Arc<Self> {
        let awake = Awake::new(clock.now(), clock.wall());
        Arc::new(Self {
            clock,
            api,
            entropy,
            state: Mutex::new(State {
                core,
                bells: HashMap::new(),
                calls: HashMap::new(),
                running: 0,
                idle: 0,
                calling: 0,
                is_closed: false,
                awake,
            }),
            work: Condvar::new(),
            most,
        })
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Drops all copies if the machine was suspended.
    pub(super) fn look(&self, state: &mut State) {
        if state.awake.has_slept(self.clock.now(), self.clock.wall()) {
            log::info!("the machine was suspended, or its clock was set forward: cached values are dropped");
            state.core.forget_copies();
        }
    }

    /// Lets the threads end once they are idle.
    pub(super) fn close(&self) {
        self.lock().is_closed = true;
        self.work.notify_all();
    }

    /// Ensures that a thread is awake for each call that could start: wakes idle ones and starts missing ones.
    pub(super) fn wake(self: &Arc<Self>, state: &mut State) {
        // A thread that is neither idle nor making a call looks for one.
        let looking = state.running.saturating_sub(state.idle + state.calling);
        let mut wanted = state.core.startable().saturating_sub(looking);
        for _ in 0..wanted.min(state.idle) {
            self.work.notify_one();
        }
        wanted = wanted.saturating_sub(state.idle);
        while wanted > 0 && state.running < self.most {
            let threads = Arc::clone(self);
            let builder = thread::Builder::new()
                .name("pull".to_owned())
                .stack_size(limits::PULLER_STACK);
            match builder.spawn(move || threads.run()) {
                Ok(_detached) => state.running += 1,
                Err(error) => {
                    // The existing threads make the calls, one after the other; without any, mounts end at their
                    // deadlines.
                    log::error!("cannot start a thread: {error}; raise the process limit (podPidsLimit)");
                    return;
                }
            }
            wanted -= 1;
        }
    }

    fn run(self: Arc<Self>) {
        let mut state = self.lock();
        loop {
            let now = self.clock.now();
            state.core.sweep(now);
            let wait = match state.core.next(now) {
                Next::Call(attempt) => {
                    state.calling += 1;
                    let cancellation = Cancellation::new();
                    state.calls.insert(attempt.flight, cancellation.clone());
                    self.wake(&mut state); // another thread for the next call
                    drop(state);
                    state = self.make(&attempt, &cancellation);
                    state.calling -= 1;
                    continue;
                }
                Next::At(time) => time.saturating_duration_since(now),
                Next::Nothing if state.is_closed => break,
                Next::Nothing => limits::PULLER_IDLE,
            };
            state.idle += 1;
            let (woken, outcome) = self
                .work
                .wait_timeout(state, wait)
                .unwrap_or_else(PoisonError::into_inner);
            state = woken;
            state.idle -= 1;
            if outcome.timed_out() && wait == limits::PULLER_IDLE && !self.is_needed(&mut state) {
                break;
            }
        }
        state.running -= 1;
    }

    /// Whether an idle thread must stay: there is work, or it is the last one and copies still have to be dropped.
    fn is_needed(&self, state: &mut State) -> bool {
        state.core.sweep(self.clock.now());
        state.core.startable() > 0 || (state.running == 1 && state.core.expiry().is_some())
    }

    /// Makes a call and wakes the mounts that it completes.
    fn make(&self, call: &Attempt<Cloud>, cancellation: &Cancellation) -> MutexGuard<'_, State> {
        let remaining = call.deadline.saturating_duration_since(self.clock.now());
        if call.number > 1 {
            self.api.metrics().retry(label(call.service));
        }
        // A panicking call leaves no broken state: what it shares is behind locks that tolerate it.
        let outcome = panic::catch_unwind(AssertUnwindSafe(|| {
            attempt(&self.api, &call.job, remaining, cancellation)
        }));
        let outcome = outcome.unwrap_or_else(|_payload| {
            log::error!("defect: a call to the cloud panicked");
            failed(Error::Broken, FailureClass::Definite)
        });
        let refusal = Refusal::of(&outcome, &call.job);
        let fraction = self.fraction();
        let mut state = self.lock();
        state.calls.remove(&call.flight);
        state
            .core
            .finish(call.flight, outcome, fraction, self.clock.now());
        if let Some(refusal) = refusal {
            state.refused_call(refusal, &call.job.key);
        }
        for party in state.core.complete() {
            if let Some(bell) = state.bells.get(&party) {
                bell.notify_all();
            }
        }
        state
    }

    /// A random number from 0 up to but not including 1.
    fn fraction(&self) -> f64 {
        let mut bytes = [0; 4];
        self.entropy.fill(&mut bytes);
        f64::from(u32::from_be_bytes(bytes)) / (f64::from(u32::MAX) + 1.0)
    }
}
