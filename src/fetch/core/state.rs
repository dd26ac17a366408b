//! The state of the engine.

use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::time::{Duration, Instant};

use super::exchange::{Counts, Domain, FlightId, LaneSettings, PartyId, Settings, Settled};
use super::feedback::Feedback;
use super::flight::{Flight, Open};
use crate::fetch::copies::Copies;
use crate::fetch::lane::Lane;
use crate::fetch::pace::Pace;
use crate::fetch::volumes::{Volume, Volumes};
use crate::params::Service;

/// The engine's state.
pub struct Core<D: Domain> {
    pub(super) lanes: [Lane; 2],
    pub(super) first_lane: usize,
    pub(super) flights: HashMap<FlightId, Flight<D>>,
    /// The calls that have been sent.
    pub(super) under_way: BTreeSet<FlightId>,
    pub(super) open: HashMap<D::Key, Open>,
    pub(super) parties: HashMap<PartyId, Party<D>>,
    pub(super) complete: Vec<PartyId>,
    pub(super) copies: Option<Copies<D::Key, D::Value>>,
    /// Values kept for outages.
    pub(super) stale: Option<Copies<D::Key, D::Value>>,
    pub(super) volumes: Volumes,
    pub(super) feedback: Feedback<D>,
    pub(super) counts: Counts,
    pub(super) last_id: u64,
}

/// A mount.
pub(super) struct Party<D: Domain> {
    pub(super) entered: Instant,
    pub(super) deadline: Instant,
    /// Whether it fills a pod's volume. Other clients get what the cloud holds now, or an error.
    pub(super) is_volume: bool,
    pub(super) keys: Vec<D::Key>,
    pub(super) slots: Vec<Slot<D>>,
    pub(super) pending: usize,
    /// Size of the values from calls, in bytes.
    pub(super) bytes: usize,
    /// A value failed because of an outage: no further calls are started.
    pub(super) is_outage: bool,
}

pub(super) enum Slot<D: Domain> {
    Pending(FlightId),
    Settled(Settled<D>),
    /// Not read, or not requested, because of an outage.
    Lost(Option<D::Error>),
}

impl<D: Domain> From<Settled<D>> for Slot<D> {
    fn from(settled: Settled<D>) -> Self {
        Self::Settled(settled)
    }
}

impl<D: Domain> Core<D> {
    /// An engine without calls or copies.
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
            volumes: Volumes::new(),
            feedback: Feedback::new(),
            counts: Counts::default(),
            last_id: 0,
        }
    }

    /// Marks a volume as mounted; later mounts of it may use cached values.
    pub fn mounted(&mut self, volume: &Volume, now: Instant) {
        self.volumes.mounted(volume, now);
    }

    /// Drops expired copies.
    pub fn sweep(&mut self, now: Instant) {
        for copies in [&mut self.copies, &mut self.stale].into_iter().flatten() {
            copies.sweep(now);
        }
    }

    /// When to call [`Self::sweep`] next.
    pub fn expiry(&self) -> Option<Instant> {
        let all = [&self.copies, &self.stale].into_iter().flatten();
        all.filter_map(Copies::expiry).min()
    }

    /// How many calls could start if the pace allowed: more threads are of no use.
    pub fn startable(&self) -> usize {
        self.lanes.iter().map(Lane::startable).sum()
    }

    /// The counters.
    pub const fn counts(&self) -> Counts {
        self.counts
    }

    /// Number of shared copies, and their bytes.
    pub fn copies(&self) -> (usize, usize) {
        self.copies.as_ref().map(Copies::size).unwrap_or_default()
    }

    /// Number of waiting calls of a service, and of calls under way.
    pub fn load(&self, service: Service) -> (usize, usize) {
        self.lanes
            .get(lane_of(service))
            .map(Lane::load)
            .unwrap_or_default()
    }

    pub(super) fn lane(&mut self, service: Service) -> &mut Lane {
        let [kms, oos] = &mut self.lanes;
        match service {
            Service::Kms => kms,
            Service::Oos => oos,
        }
    }

    pub(super) fn id(&mut self) -> u64 {
        self.last_id += 1;
        self.last_id
    }
}

pub(super) const fn lane_of(service: Service) -> usize {
    match service {
        Service::Kms => 0,
        Service::Oos => 1,
    }
}

/// The latest deadline of the mounts that wait for a call.
pub(super) fn deadline<D: Domain>(
    parties: &HashMap<PartyId, Party<D>>,
    flight: &Flight<D>,
    now: Instant,
) -> Instant {
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
