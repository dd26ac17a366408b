//! The engine's decisions, without threads, sockets or clocks: Mounts come in, calls to make come out, their
//! outcomes come back, and Mounts are complete.
//!
//! In order: [`Core::mount`] enters a Mount; [`Core::next`] gives one call after another to make; [`Core::finish`]
//! takes each outcome; [`Core::complete`] tells which Mounts have all they can get; [`Core::leave`] takes a Mount's
//! results, complete or not. The simulation runs this very code.
//!
//! A file for each of these ways: `enter.rs`, `send.rs`, `finish.rs`, `leave.rs`. `exchange.rs` has what is given and
//! taken on them, `flight.rs` a call, `stale.rs` what stands in during an outage. The state they share is here.

mod enter;
mod exchange;
mod finish;
mod flight;
mod leave;
mod send;
mod stale;
#[cfg(test)]
mod tests;

use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::hash::Hash;
use std::time::{Duration, Instant};

pub use exchange::{
    Attempt, Counts, Entered, FlightId, LaneSettings, Next, Outcome, PartyId, Settings, Settled, Source, Want,
};
use flight::{Flight, Open};

use super::copies::Copies;
use super::lane::Lane;
use super::pace::Pace;
use super::retry::Budget;
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

    /// The secret that a key is about, whatever the version, the stage and the identity.
    fn secret(key: &Self::Key) -> impl Eq + Hash {
        key
    }
}

/// The engine's state.
pub struct Core<D: Domain> {
    lanes: [Lane; 2],
    first_lane: usize,
    flights: HashMap<FlightId, Flight<D>>,
    /// Those of them that have been sent.
    under_way: BTreeSet<FlightId>,
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
    /// Whether it fills a volume of a pod. Other clients read what the cloud holds now, or fail.
    is_volume: bool,
    keys: Vec<D::Key>,
    slots: Vec<Slot<D>>,
    pending: usize,
    /// What the values take that it has got from calls.
    bytes: usize,
    /// One of its values failed for the state of the cloud: what has not started is not started any more.
    is_outage: bool,
}

enum Slot<D: Domain> {
    Pending(FlightId),
    Settled(Settled<D>),
    /// Not read, or not even asked for, for the state of the cloud.
    Lost(Option<D::Error>),
}

impl<D: Domain> From<Settled<D>> for Slot<D> {
    fn from(settled: Settled<D>) -> Self {
        Self::Settled(settled)
    }
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
            under_way: BTreeSet::new(),
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
