//! Serving cached values in an outage.
//!
//! The rules. A cached value is served only for the same key, and so the same identity; only if the cloud is
//! unavailable or throttles; only within the configured time, counted from when its call was sent; never after a
//! refusal; never for a secret that the mount names in several ways, because parts of different age may not match;
//! and only to volumes of pods.

use std::time::{Duration, Instant};

use super::exchange::{Domain, PartyId, Settled};
use super::flight::{Flight, State};
use super::state::{Core, Party, Slot, lane_of};
use crate::fetch::copies::Copies;
use crate::limits;

/// Why a mount has no fresh value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lack {
    /// It has one.
    Nothing,
    /// The cloud's answer is final.
    Refused,
    /// The cloud was unavailable, timed out or throttled.
    OutOfReach,
    /// Its call was sent this long ago and has not been answered.
    Unanswered(Duration),
    /// Its call has not been sent.
    Unsent {
        /// Its endpoint was unavailable, or its service throttled, a short while ago; otherwise the call only waits for our own
        /// limits.
        is_troubled: bool,
    },
}

/// Whether a cached value may be served.
pub(super) fn may_stand_in(lack: Lack) -> bool {
    match lack {
        Lack::Nothing | Lack::Refused => false,
        Lack::OutOfReach => true,
        Lack::Unanswered(waited) => waited >= limits::STALE_UNANSWERED,
        Lack::Unsent { is_troubled } => is_troubled,
    }
}

/// A mount's result for a value: its own or, if there is one, the cached value with the time when it was read.
pub(super) fn replace<D: Domain>(settled: Settled<D>, stand_in: Option<(D::Value, Instant)>) -> Settled<D> {
    match (stand_in, settled) {
        (Some((value, read)), Settled::Failed(error)) => Settled::Stale {
            value,
            read,
            error: Some(error),
        },
        (Some((value, read)), Settled::Skipped | Settled::Unfinished) => Settled::Stale {
            value,
            read,
            error: None,
        },
        (_, settled) => settled,
    }
}

impl<D: Domain> Core<D> {
    /// When a waiting mount checks again; `None` if it stops waiting: it has all it can get, its deadline has passed,
    /// or it has waited long enough for an unavailable cloud and cached values can be served.
    pub fn wait(&self, id: PartyId, now: Instant) -> Option<Instant> {
        let party = self.parties.get(&id)?;
        if party.pending == 0 || now >= party.deadline {
            return None;
        }
        if self.stale.is_none() || !party.is_volume {
            return Some(party.deadline);
        }
        let patience = party.entered + limits::STALE_PATIENCE;
        if now < patience {
            return Some(patience.min(party.deadline));
        }
        let pending = party.slots.iter().enumerate();
        let mut pending = pending.filter(|(_, slot)| matches!(slot, Slot::Pending(_)));
        if pending.all(|(at, _)| self.stand_in(party, at, now).is_some()) {
            return None;
        }
        Some((now + limits::STALE_LOOK).min(party.deadline))
    }

    /// Whether values are kept for outages.
    pub const fn serves_stale(&self) -> bool {
        self.stale.is_some()
    }

    /// The cloud has refused all keys that `is_meant`: cached values of them are no longer served in an outage, not
    /// even from calls under way. Shared copies are not affected.
    pub fn forget(&mut self, is_meant: impl Fn(&D::Key) -> bool) {
        if let Some(stale) = &mut self.stale {
            stale.forget(&is_meant);
        }
        self.overrule(|key, _| is_meant(key));
    }

    /// Results of calls under way that `is_meant`, by key and by the time of sending, go to the waiting mounts only
    /// and are not kept.
    pub(super) fn overrule(&mut self, is_meant: impl Fn(&D::Key, Instant) -> bool) {
        for id in &self.under_way {
            if let Some(flight) = self.flights.get_mut(id)
                && let State::Sent { at, is_overruled, .. } = &mut flight.state
                && is_meant(&flight.key, *at)
            {
                *is_overruled = true;
            }
        }
    }

    /// Drops all cached values, shared or kept for outages, because their age is unknown.
    pub fn forget_copies(&mut self) {
        if let Some(copies) = &mut self.copies {
            copies.forget(|_| true);
        }
        self.forget(|_| true);
    }

    /// Number of values kept for outages, and their bytes.
    pub fn stale(&self) -> (usize, usize) {
        self.stale.as_ref().map(Copies::size).unwrap_or_default()
    }

    /// The cached value for each value of a mount, with the time when it was read.
    pub(super) fn stand_ins(&self, id: PartyId, now: Instant) -> Vec<Option<(D::Value, Instant)>> {
        let Some(party) = self.parties.get(&id) else {
            return Vec::new();
        };
        let slots = 0..party.slots.len();
        slots.map(|at| self.stand_in(party, at, now)).collect()
    }

    fn stand_in(&self, party: &Party<D>, at: usize, now: Instant) -> Option<(D::Value, Instant)> {
        let stale = self.stale.as_ref()?;
        let (slot, key) = (party.slots.get(at)?, party.keys.get(at)?);
        if !party.is_volume || !may_stand_in(self.lack(slot, now)) {
            return None;
        }
        let stand_in = stale.get(key, now)?;
        let otherwise = |other: &D::Key| D::secret(other) == D::secret(key) && other != key;
        (!party.keys.iter().any(otherwise)).then_some(stand_in)
    }

    fn lack(&self, slot: &Slot<D>, now: Instant) -> Lack {
        let flight = match slot {
            Slot::Settled(Settled::Value(_)) => return Lack::Nothing,
            Slot::Settled(_) => return Lack::Refused,
            Slot::Lost(_) => return Lack::OutOfReach,
            Slot::Pending(id) => self.flights.get(id),
        };
        let Some(flight) = flight else {
            return Lack::Refused;
        };
        match (&flight.last_error, flight.state) {
            // Only errors worth a retry are stored.
            (Some(_), _) => Lack::OutOfReach,
            (None, State::Sent { at, .. }) => Lack::Unanswered(now.saturating_duration_since(at)),
            (None, State::Queued | State::Paused { .. }) => Lack::Unsent {
                is_troubled: self.is_troubled(flight, now),
            },
        }
    }

    fn is_troubled(&self, flight: &Flight<D>, now: Instant) -> bool {
        let lane = self.lanes.get(lane_of(flight.service));
        self.feedback.is_recovering(flight.service, &flight.key, now)
            || lane.is_some_and(|lane| lane.pace.is_held_back(now))
    }
}
