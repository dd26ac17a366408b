//! The engine's decisions, without threads, sockets or clocks: Mounts come in, calls to make come out, their
//! outcomes come back, and Mounts are complete.
//!
//! In order: [`Core::mount`] enters a Mount; [`Core::next`] gives one call after another to make; [`Core::finish`]
//! takes each outcome; [`Core::complete`] tells which Mounts have all they can get; [`Core::leave`] takes a Mount's
//! results, complete or not. The simulation runs this very code.

mod flight;
#[cfg(test)]
mod properties;
mod stale;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::fmt;
use std::hash::Hash;
use std::time::{Duration, Instant};

use flight::{Flight, Open, State};

use super::copies::Copies;
use super::lane::{Lane, Turn};
use super::pace::Pace;
use super::retry::{self, Budget, Class, Failure};
use super::volumes::{Volume, Volumes};
use crate::params::Service;

/// What the engine moves about. The provider's own is about cloud calls; a simulation has a smaller one.
pub trait Domain {
    /// What is asked for, and as whom: requests of one key may share one answer.
    type Key: Clone + Eq + Hash;
    /// What it takes to make the call.
    type Job: Clone;
    /// What a call brings.
    type Value: Clone;
    /// Why it brings nothing.
    type Error: Clone;

    /// Whether both are about one secret, whatever the version, the stage and the identity.
    fn is_same_secret(one: &Self::Key, other: &Self::Key) -> bool {
        one == other
    }
}

/// How much at once, how fast, and how long copies are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// For KMS.
    pub kms: LaneSettings,
    /// For OOS.
    pub oos: LaneSettings,
    /// Volumes that ask again may get what was read so recently; nothing switches that off.
    pub refresh_interval: Duration,
    /// Most bytes of such copies.
    pub copies_bytes: usize,
    /// When the cloud is out of reach or throttles, what was read so recently may serve; nothing switches that off.
    pub serve_stale_for: Duration,
    /// Most bytes of what is kept for that.
    pub stale_bytes: usize,
}

/// Limits of one service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LaneSettings {
    /// Calls under way at once.
    pub pulls: usize,
    /// Calls started per second, with a burst of twice as many; 0 for no limit.
    pub per_second: u32,
}

/// A Mount that waits, or has not taken its results yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PartyId(pub(super) u64);

/// A call, through all of its tries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FlightId(pub(super) u64);

/// One value that a Mount wants.
pub struct Want<D: Domain> {
    /// The lane.
    pub service: Service,
    /// What and as whom.
    pub key: D::Key,
    /// How to get it, if a call is needed; or why no call can be made at present, as credentials are out of reach.
    pub job: Result<D::Job, D::Error>,
}

/// A Mount that has entered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entered {
    /// Its name from now on.
    pub party: PartyId,
    /// Whether its volume is known to have been mounted.
    pub is_repeated: bool,
    /// Where each value comes from, in the order of the wants.
    pub sources: Vec<Source>,
}

/// Where a value comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// A call of its own.
    Call,
    /// A shared copy.
    Copy,
    /// A call that somebody else has asked for.
    Joined,
    /// No call can be made.
    Nobody,
}

/// What to do now.
pub enum Next<D: Domain> {
    /// Make this call, on a thread of its own, and [`Core::finish`] it.
    Call(Attempt<D>),
    /// Ask again at that time, or when something changed.
    At(Instant),
    /// Ask again when something changed.
    Nothing,
}

/// One try of a call.
pub struct Attempt<D: Domain> {
    /// Which call.
    pub flight: FlightId,
    /// Which service.
    pub service: Service,
    /// Which try it is, from 1.
    pub number: u32,
    /// How to make it.
    pub job: D::Job,
    /// When the last of those who wait gives up.
    pub deadline: Instant,
}

/// How a try ended.
pub enum Outcome<D: Domain> {
    /// With a value that takes so many bytes.
    Value(D::Value, usize),
    /// With an error.
    Failed {
        /// The error, for those who wait.
        error: D::Error,
        /// What it says about another try.
        class: Class,
        /// How long the gateway said to wait.
        hint: Option<Duration>,
    },
    /// The credentials had ended; here is the call with fresh ones, to be tried at once.
    Renewed(D::Job),
}

/// What became of one value that a Mount wanted.
pub enum Settled<D: Domain> {
    /// It has been read.
    Value(D::Value),
    /// The cloud is out of reach or throttles, and this was read a while ago.
    Stale {
        /// What was read.
        value: D::Value,
        /// When, at the earliest.
        read: Instant,
        /// Why there is nothing newer, if a call has failed.
        error: Option<D::Error>,
    },
    /// It has not, and will not be.
    Failed(D::Error),
    /// The Mount left before the outcome.
    Unfinished,
    /// Not asked for, as the cloud is out of reach for others of the same Mount.
    Skipped,
}

/// What has been counted since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Calls made, every try counted.
    pub calls: u64,
    /// Those of them that were tries after the first.
    pub retries: u64,
    /// Answers that said too many calls.
    pub throttled: u64,
    /// Values that came from a call somebody else had asked for.
    pub joined: u64,
    /// Values that came from a shared copy.
    pub copies: u64,
    /// Values that were read before and served in an outage.
    pub stale: u64,
    /// Retries that were not made for want of budget.
    pub unaffordable: u64,
}

/// The engine's state.
pub struct Core<D: Domain> {
    lanes: [Lane; 2],
    first_lane: usize,
    flights: HashMap<FlightId, Flight<D>>,
    open: HashMap<D::Key, Open>,
    parties: HashMap<PartyId, Party<D>>,
    complete: Vec<PartyId>,
    copies: Option<Copies<D::Key, D::Value>>,
    /// What is kept for outages.
    stale: Option<Copies<D::Key, D::Value>>,
    volumes: Volumes,
    budget: Budget,
    counts: Counts,
    last_id: u64,
}

/// A Mount.
struct Party<D: Domain> {
    entered: Instant,
    deadline: Instant,
    keys: Vec<D::Key>,
    slots: Vec<Slot<D>>,
    pending: usize,
    /// One of its values failed for the state of the cloud: what has not started is not started any more.
    is_outage: bool,
}

enum Slot<D: Domain> {
    Pending(FlightId),
    Settled(Settled<D>),
    /// Not read, or not even asked for, for the state of the cloud.
    Lost(Option<D::Error>),
}

impl<D: Domain> Core<D> {
    /// Nothing under way, nothing kept.
    pub fn new(settings: &Settings, now: Instant) -> Self {
        let lane = |lane: LaneSettings| Lane::new(lane.pulls, Pace::new(lane.per_second, now));
        let copies = |life: Duration, bytes| (!life.is_zero()).then(|| Copies::new(life, bytes));
        Self {
            lanes: [lane(settings.kms), lane(settings.oos)],
            first_lane: 0,
            flights: HashMap::new(),
            open: HashMap::new(),
            parties: HashMap::new(),
            complete: Vec::new(),
            copies: copies(settings.refresh_interval, settings.copies_bytes),
            stale: copies(settings.serve_stale_for, settings.stale_bytes),
            volumes: Volumes::default(),
            budget: Budget::new(now),
            counts: Counts::default(),
            last_id: 0,
        }
    }

    /// A Mount enters. It joins calls that have not been sent; if its volume is known, it also joins those that
    /// have, and takes shared copies. Everything else becomes a call of its own.
    pub fn mount(
        &mut self,
        wants: Vec<Want<D>>,
        volume: Option<&Volume>,
        deadline: Instant,
        now: Instant,
    ) -> Entered {
        self.sweep(now);
        let is_repeated = volume.is_some_and(|volume| self.volumes.knows(volume, now));
        let may_share = is_repeated && self.copies.is_some();
        let party = PartyId(self.id());
        let keys = wants.iter().map(|want| want.key.clone()).collect();
        let mut slots = Vec::with_capacity(wants.len());
        let mut sources = Vec::with_capacity(wants.len());
        for Want { service, key, job } in wants {
            let copy = match &self.copies {
                Some(copies) if may_share => copies.get(&key, now),
                _ => None,
            };
            let (slot, source) = match (copy, job) {
                (Some((value, _)), _) => (Slot::Settled(Settled::Value(value)), Source::Copy),
                (None, Err(error)) => (Slot::Lost(Some(error)), Source::Nobody),
                (None, Ok(job)) => {
                    let waiter = (party, slots.len());
                    let (flight, source) =
                        self.join_or_start(service, key, job, waiter, is_repeated, may_share);
                    (Slot::Pending(flight), source)
                }
            };
            slots.push(slot);
            sources.push(source);
        }
        let count = |wanted| sources.iter().filter(|source| **source == wanted).count();
        self.counts.copies += count(Source::Copy) as u64;
        self.counts.joined += count(Source::Joined) as u64;
        let pending = count(Source::Call) + count(Source::Joined);
        if pending == 0 {
            self.complete.push(party);
        }
        let entry = Party {
            entered: now,
            deadline,
            keys,
            slots,
            pending,
            is_outage: false,
        };
        self.parties.insert(party, entry);
        Entered {
            party,
            is_repeated,
            sources,
        }
    }

    fn join_or_start(
        &mut self,
        service: Service,
        key: D::Key,
        job: D::Job,
        waiter: (PartyId, usize),
        is_repeated: bool,
        may_share: bool,
    ) -> (FlightId, Source) {
        let open = self.open.get(&key).copied().unwrap_or_default();
        let joined = open.unsent.or(if may_share { open.sent } else { None });
        if let Some(id) = joined
            && let Some(flight) = self.flights.get_mut(&id)
        {
            flight.waiters.push(waiter);
            flight.is_first |= !is_repeated;
            return (id, Source::Joined);
        }
        let id = FlightId(self.id());
        let (home, _) = waiter;
        self.lane(service).queue(home, is_repeated, id);
        self.open.entry(key.clone()).or_default().unsent = Some(id);
        let flight = Flight {
            service,
            key,
            job,
            home,
            waiters: vec![waiter],
            is_first: !is_repeated,
            attempts: 0,
            state: State::Queued,
            last_error: None,
        };
        self.flights.insert(id, flight);
        (id, Source::Call)
    }

    /// The next call to make, if one may be made now. The lanes take turns.
    pub fn next(&mut self, now: Instant) -> Next<D> {
        let mut earliest: Option<Instant> = None;
        self.first_lane ^= 1;
        for at in [self.first_lane, self.first_lane ^ 1] {
            let Some(lane) = self.lanes.get_mut(at) else {
                continue;
            };
            match lane.next(now) {
                Turn::Call(flight) => match self.send(flight, now) {
                    Some(attempt) => return Next::Call(attempt),
                    None => unreachable!("a call leaves its lane when it ends"),
                },
                Turn::At(time) => earliest = Some(earliest.map_or(time, |earliest| earliest.min(time))),
                Turn::Nothing => {}
            }
        }
        earliest.map_or(Next::Nothing, Next::At)
    }

    fn send(&mut self, id: FlightId, now: Instant) -> Option<Attempt<D>> {
        let flight = self.flights.get_mut(&id)?;
        flight.attempts += 1;
        let until = deadline(&self.parties, flight, now);
        flight.state = State::Sent {
            at: now,
            until,
            is_overruled: false,
        };
        self.counts.calls += 1;
        if flight.attempts == 1 {
            self.budget.earn();
        } else {
            self.counts.retries += 1;
        }
        if let Some(open) = self.open.get_mut(&flight.key) {
            open.sent(id);
        }
        Some(Attempt {
            flight: id,
            service: flight.service,
            number: flight.attempts,
            job: flight.job.clone(),
            deadline: until,
        })
    }

    /// A try has ended. `fraction`, a random number from 0 to 1, spreads retries.
    pub fn finish(&mut self, id: FlightId, outcome: Outcome<D>, fraction: f64, now: Instant) {
        let Some(mut flight) = self.flights.remove(&id) else {
            return;
        };
        let State::Sent {
            at: sent,
            until,
            is_overruled,
        } = flight.state
        else {
            self.flights.insert(id, flight);
            return;
        };
        if let Some(open) = self.open.get_mut(&flight.key)
            && open.ended(id)
        {
            self.open.remove(&flight.key);
        }
        let is_answered = !matches!(
            outcome,
            Outcome::Failed {
                class: Class::Interrupted | Class::Unavailable,
                ..
            }
        );
        let lane = self.lane(flight.service);
        lane.done();
        if is_answered {
            lane.answered(flight.home);
        }
        match outcome {
            Outcome::Value(value, bytes) => {
                // Pods that start together on many nodes, and nodes that come out of an outage together, would
                // otherwise ask again together, each interval.
                let spreads = flight.is_first || self.lane(flight.service).is_recovering(now);
                if let Some(copies) = &mut self.copies {
                    let life = copies.interval().mul_f64(if spreads {
                        1.0 - fraction.clamp(0.0, 1.0)
                    } else {
                        1.0
                    });
                    copies.put(&flight.key, value.clone(), bytes, sent, life, now);
                }
                if let (Some(stale), false) = (&mut self.stale, is_overruled) {
                    let life = stale.interval();
                    stale.put(&flight.key, value.clone(), bytes, sent, life, now);
                }
                self.settle(&flight, || Slot::Settled(Settled::Value(value.clone())));
            }
            Outcome::Renewed(job) => {
                flight.job = job;
                self.again(id, flight, now);
            }
            // It had no more time than those who waited when it was sent. Others have come since, who have.
            Outcome::Failed { class, .. }
                if class.is_outage() && until <= now && deadline(&self.parties, &flight, now) > now =>
            {
                flight.attempts = flight.attempts.saturating_sub(1);
                self.again(id, flight, now);
            }
            Outcome::Failed { error, class, hint } => {
                if class == Class::Throttled {
                    self.counts.throttled += 1;
                    self.lane(flight.service).pace.throttled(sent, hint, now);
                }
                if class == Class::Unavailable {
                    self.lane(flight.service).unavailable(now);
                }
                if class == Class::Definite {
                    if let Some(copies) = &mut self.copies {
                        copies.refused(&flight.key, sent);
                    }
                    self.forget(|key| *key == flight.key);
                }
                let failure = Failure {
                    class,
                    hint,
                    attempt: flight.attempts,
                    remaining: deadline(&self.parties, &flight, now).saturating_duration_since(now),
                };
                match retry::pause(&failure, fraction) {
                    Some(pause) if self.affords(class, now) => {
                        flight.last_error = Some(error);
                        self.again(id, flight, now + pause);
                    }
                    _ => self.fail(&flight, &error, class),
                }
            }
        }
    }

    /// Whether the process can afford a retry. Throttled calls are held back by the pace instead.
    fn affords(&mut self, class: Class, now: Instant) -> bool {
        let affords = class == Class::Throttled || self.budget.spend(now);
        self.counts.unaffordable += u64::from(!affords);
        affords
    }

    /// Another try at `due`, together with a call of the same key that waits anyway.
    fn again(&mut self, id: FlightId, mut flight: Flight<D>, due: Instant) {
        if flight.waiters.is_empty() {
            self.lane(flight.service).release(flight.home);
            return;
        }
        if let Some(open) = self.open.get(&flight.key)
            && let Some(unsent) = open.unsent
            && let Some(other) = self.flights.get_mut(&unsent)
        {
            for (party, slot) in &flight.waiters {
                if let Some(party) = self.parties.get_mut(party)
                    && let Some(slot) = party.slots.get_mut(*slot)
                {
                    *slot = Slot::Pending(unsent);
                }
            }
            other.is_first |= flight.is_first;
            other.attempts = other.attempts.max(flight.attempts);
            other.last_error = flight.last_error.take().or_else(|| other.last_error.take());
            let moved = std::mem::take(&mut flight.waiters);
            other.waiters.extend(moved.iter().copied());
            self.lane(flight.service).release(flight.home);
            self.abandon_outages(moved);
            return;
        }
        flight.state = State::Paused { until: due };
        self.lane(flight.service).pause(due, id);
        self.open.entry(flight.key.clone()).or_default().unsent = Some(id);
        let waiters = flight.waiters.clone();
        self.flights.insert(id, flight);
        self.abandon_outages(waiters);
    }

    /// Waiters whose Mount has failed for the state of the cloud do not wait for another try.
    fn abandon_outages(&mut self, waiters: Vec<(PartyId, usize)>) {
        for (party, _) in waiters {
            if self.parties.get(&party).is_some_and(|party| party.is_outage) {
                self.abandon(party);
            }
        }
    }

    fn fail(&mut self, flight: &Flight<D>, error: &D::Error, class: Class) {
        self.settle(flight, || match class.is_outage() {
            true => Slot::Lost(Some(error.clone())),
            false => Slot::Settled(Settled::Failed(error.clone())),
        });
        if class.is_outage() {
            for (party, _) in &flight.waiters {
                if let Some(party) = self.parties.get_mut(party) {
                    party.is_outage = true;
                }
                self.abandon(*party);
            }
        }
        self.lane(flight.service).release(flight.home);
    }

    fn settle(&mut self, flight: &Flight<D>, result: impl Fn() -> Slot<D>) {
        for (id, slot) in &flight.waiters {
            let Some(party) = self.parties.get_mut(id) else {
                continue;
            };
            if let Some(slot) = party.slots.get_mut(*slot) {
                *slot = result();
                party.pending -= 1;
                if party.pending == 0 {
                    self.complete.push(*id);
                }
            }
        }
    }

    /// Takes a Mount out of all calls that are not under way.
    fn abandon(&mut self, id: PartyId) {
        let Some(mut party) = self.parties.remove(&id) else {
            return;
        };
        let was_pending = party.pending;
        for (at, slot) in party.slots.iter_mut().enumerate() {
            let Slot::Pending(flight) = *slot else { continue };
            let Some(last_error) = self.unwait(id, at, flight, false) else {
                continue;
            };
            *slot = Slot::Lost(last_error);
            party.pending -= 1;
        }
        if was_pending > 0 && party.pending == 0 {
            self.complete.push(id);
        }
        self.parties.insert(id, party);
    }

    /// A value is no longer waited for. A call that nobody waits for is not made. Calls under way are only left if
    /// `even_sent`. Gives the last error of the call, or nothing if it was not left.
    fn unwait(
        &mut self,
        party: PartyId,
        slot: usize,
        id: FlightId,
        even_sent: bool,
    ) -> Option<Option<D::Error>> {
        let flight = self.flights.get_mut(&id)?;
        let paused = match flight.state {
            State::Sent { .. } if !even_sent => return None,
            State::Sent { .. } => {
                flight.waiters.retain(|waiter| *waiter != (party, slot));
                return Some(flight.last_error.clone());
            }
            State::Queued => None,
            State::Paused { until } => Some(until),
        };
        flight.waiters.retain(|waiter| *waiter != (party, slot));
        let last_error = flight.last_error.clone();
        if flight.waiters.is_empty()
            && let Some(flight) = self.flights.remove(&id)
        {
            self.lane(flight.service).leave(flight.home, paused, id);
            if let Some(open) = self.open.get_mut(&flight.key)
                && open.ended(id)
            {
                self.open.remove(&flight.key);
            }
        }
        Some(last_error)
    }

    /// The Mounts that became complete since the last time.
    pub fn complete(&mut self) -> Vec<PartyId> {
        std::mem::take(&mut self.complete)
    }

    /// Whether a Mount has all it can get.
    pub fn is_complete(&self, id: PartyId) -> bool {
        self.parties.get(&id).is_none_or(|party| party.pending == 0)
    }

    /// A Mount takes what there is, in the order of its wants, and is gone. Others go on waiting for what it leaves.
    /// Where the cloud gives nothing, what is kept for that stands in.
    pub fn leave(&mut self, id: PartyId, now: Instant) -> Vec<Settled<D>> {
        let stand_ins = self.stand_ins(id, now);
        let settled = self.cancel(id).into_iter().zip(stand_ins);
        let settled: Vec<_> = settled
            .map(|(settled, old)| stale::replace(settled, old))
            .collect();
        let stale = settled.iter().filter(|it| matches!(it, Settled::Stale { .. }));
        self.counts.stale += stale.count() as u64;
        settled
    }

    /// The same for a Mount that nobody waits for any more, so that nothing stands in.
    pub fn cancel(&mut self, id: PartyId) -> Vec<Settled<D>> {
        let Some(party) = self.parties.remove(&id) else {
            return Vec::new();
        };
        let settle = |(at, slot)| match slot {
            Slot::Settled(settled) => settled,
            Slot::Lost(error) => error.map_or(Settled::Skipped, Settled::Failed),
            Slot::Pending(flight) => match self.unwait(id, at, flight, true) {
                Some(Some(error)) => Settled::Failed(error),
                _ => Settled::Unfinished,
            },
        };
        party.slots.into_iter().enumerate().map(settle).collect()
    }

    /// A Mount of this volume was answered with success: from now on its Mounts are repeated ones.
    pub fn mounted(&mut self, volume: &Volume, now: Instant) {
        self.volumes.mounted(volume, now);
    }

    /// Drops copies whose time is over.
    pub fn sweep(&mut self, now: Instant) {
        for copies in [&mut self.copies, &mut self.stale].into_iter().flatten() {
            copies.sweep(now);
        }
    }

    /// When to [`Self::sweep`] next.
    pub fn expiry(&self) -> Option<Instant> {
        let all = [&self.copies, &self.stale].into_iter().flatten();
        all.filter_map(Copies::expiry).min()
    }

    /// How many calls could start if the pace let them: so many threads are of use.
    pub fn startable(&self) -> usize {
        self.lanes.iter().map(Lane::startable).sum()
    }

    /// What has been counted.
    pub const fn counts(&self) -> Counts {
        self.counts
    }

    /// Shared copies: how many, and their bytes.
    pub fn copies(&self) -> (usize, usize) {
        self.copies.as_ref().map(Copies::size).unwrap_or_default()
    }

    /// How many calls of a service wait, and how many are under way.
    pub fn load(&self, service: Service) -> (usize, usize) {
        self.lanes
            .get(lane_of(service))
            .map(Lane::load)
            .unwrap_or_default()
    }

    /// Whether a service has throttled and is asked more slowly than configured.
    pub fn is_slow(&self, service: Service, now: Instant) -> bool {
        self.lanes
            .get(lane_of(service))
            .is_some_and(|lane| lane.pace.is_slow(now))
    }

    fn lane(&mut self, service: Service) -> &mut Lane {
        let [kms, oos] = &mut self.lanes;
        match service {
            Service::Kms => kms,
            Service::Oos => oos,
        }
    }

    fn id(&mut self) -> u64 {
        self.last_id += 1;
        self.last_id
    }
}

const fn lane_of(service: Service) -> usize {
    match service {
        Service::Kms => 0,
        Service::Oos => 1,
    }
}

/// When the last of those who wait for a call gives up.
fn deadline<D: Domain>(parties: &HashMap<PartyId, Party<D>>, flight: &Flight<D>, now: Instant) -> Instant {
    let waiting = flight.waiters.iter();
    let deadlines = waiting.filter_map(|(party, _)| parties.get(party).map(|party| party.deadline));
    deadlines.max().unwrap_or(now)
}

impl<D: Domain> fmt::Debug for Core<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Core")
            .field("lanes", &self.lanes)
            .field("counts", &self.counts)
            .finish_non_exhaustive()
    }
}
