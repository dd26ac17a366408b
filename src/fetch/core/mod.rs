//! The engine's decisions, without threads, sockets or clocks: Mounts come in, calls to make come out, their
//! outcomes come back, and Mounts are complete.
//!
//! In order: [`Core::mount`] enters a Mount; [`Core::next`] gives one call after another to make; [`Core::finish`]
//! takes each outcome; [`Core::complete`] tells which Mounts have all they can get; [`Core::leave`] takes a Mount's
//! results, complete or not. The simulation runs this very code.

mod flight;
#[cfg(test)]
mod properties;
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
    /// How to get it, if a call is needed.
    pub job: D::Job,
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
    volumes: Volumes,
    budget: Budget,
    counts: Counts,
    last_id: u64,
}

/// A Mount.
struct Party<D: Domain> {
    deadline: Instant,
    slots: Vec<Slot<D>>,
    pending: usize,
    /// One of its values failed for the state of the cloud: what has not started is not started any more.
    is_outage: bool,
}

enum Slot<D: Domain> {
    Pending(FlightId),
    Settled(Settled<D>),
}

impl<D: Domain> Core<D> {
    /// Nothing under way, nothing kept.
    pub fn new(settings: &Settings, now: Instant) -> Self {
        let lane = |lane: LaneSettings| Lane::new(lane.pulls, Pace::new(lane.per_second, now));
        let shares = !settings.refresh_interval.is_zero();
        Self {
            lanes: [lane(settings.kms), lane(settings.oos)],
            first_lane: 0,
            flights: HashMap::new(),
            open: HashMap::new(),
            parties: HashMap::new(),
            complete: Vec::new(),
            copies: shares.then(|| Copies::new(settings.refresh_interval, settings.copies_bytes)),
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
        let mut slots = Vec::with_capacity(wants.len());
        let mut sources = Vec::with_capacity(wants.len());
        for want in wants {
            let copy = match &self.copies {
                Some(copies) if may_share => copies.get(&want.key, now),
                _ => None,
            };
            let (slot, source) = if let Some(value) = copy {
                (Slot::Settled(Settled::Value(value)), Source::Copy)
            } else {
                let waiter = (party, slots.len());
                let (flight, source) = self.join_or_start(want, waiter, is_repeated, may_share);
                (Slot::Pending(flight), source)
            };
            slots.push(slot);
            sources.push(source);
        }
        let count = |wanted| sources.iter().filter(|source| **source == wanted).count();
        let copies = count(Source::Copy);
        self.counts.copies += copies as u64;
        self.counts.joined += count(Source::Joined) as u64;
        let pending = slots.len() - copies;
        if pending == 0 {
            self.complete.push(party);
        }
        let entry = Party {
            deadline,
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
        want: Want<D>,
        waiter: (PartyId, usize),
        is_repeated: bool,
        may_share: bool,
    ) -> (FlightId, Source) {
        let open = self.open.get(&want.key).copied().unwrap_or_default();
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
        self.lane(want.service).queue(home, is_repeated, id);
        self.open.entry(want.key.clone()).or_default().unsent = Some(id);
        let flight = Flight {
            service: want.service,
            key: want.key,
            job: want.job,
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
        flight.state = State::Sent { at: now, until };
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
        let State::Sent { at: sent, until } = flight.state else {
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
                self.settle(&flight, || Settled::Value(value.clone()));
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
                if let (Class::Definite, Some(copies)) = (class, &mut self.copies) {
                    copies.refused(&flight.key, sent);
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
        self.settle(flight, || Settled::Failed(error.clone()));
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

    fn settle(&mut self, flight: &Flight<D>, result: impl Fn() -> Settled<D>) {
        for (id, slot) in &flight.waiters {
            let Some(party) = self.parties.get_mut(id) else {
                continue;
            };
            if let Some(slot) = party.slots.get_mut(*slot) {
                *slot = Slot::Settled(result());
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
            *slot = Slot::Settled(last_error.map_or(Settled::Skipped, Settled::Failed));
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
    pub fn leave(&mut self, id: PartyId) -> Vec<Settled<D>> {
        let Some(party) = self.parties.remove(&id) else {
            return Vec::new();
        };
        let settle = |(at, slot)| match slot {
            Slot::Settled(settled) => settled,
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
        if let Some(copies) = &mut self.copies {
            copies.sweep(now);
        }
    }

    /// When to [`Self::sweep`] next.
    pub fn expiry(&self) -> Option<Instant> {
        self.copies.as_ref().and_then(Copies::expiry)
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
