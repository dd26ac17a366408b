//! Serving through an outage: what was read before may stand in for what the cloud does not give.
//!
//! The rules, each by itself: only of the same key, and so of the same identity; only where the cloud is out of reach
//! or throttles; never older than the duration, counted from when the call was sent; never after a refusal; never for
//! a secret that the Mount names in several ways, as parts of different age would not fit together; only for volumes of
//! pods.

use std::time::{Duration, Instant};

use super::exchange::{Domain, PartyId, Settled};
use super::flight::State;
use super::state::{Core, Party, Slot, lane_of};
use crate::fetch::copies::Copies;
use crate::limits;
use crate::params::Service;

/// What a Mount lacks of one value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lack {
    /// Nothing: here it is.
    Nothing,
    /// The cloud has given an answer that will not change.
    Refused,
    /// The cloud was found out of reach, out of order, out of time or throttling.
    OutOfReach,
    /// Its call was sent so long ago, and nothing has come back.
    Unanswered(Duration),
    /// Its call has not been sent; whether the service was out of reach or throttled a short while ago.
    Unsent {
        /// Else it is only our own limits that it waits for.
        is_troubled: bool,
    },
}

/// Whether an older value may stand in.
pub(super) fn may_stand_in(lack: Lack) -> bool {
    match lack {
        Lack::Nothing | Lack::Refused => false,
        Lack::OutOfReach => true,
        Lack::Unanswered(waited) => waited >= limits::STALE_UNANSWERED,
        Lack::Unsent { is_troubled } => is_troubled,
    }
}

/// What a Mount takes for a value: what became of it or, if there is one, what stands in with when it was read.
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
    /// Until when a Mount waits before it looks again; `None` if it waits no longer. It has all it can get, or its
    /// time is over, or it has waited long enough for a cloud that does not answer, and older values stand in.
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

    /// The cloud has refused all keys that `is_meant`: nothing of them stands in from now on, not even what is under
    /// way. Shared copies are another matter.
    pub fn forget(&mut self, is_meant: impl Fn(&D::Key) -> bool) {
        if let Some(stale) = &mut self.stale {
            stale.forget(&is_meant);
        }
        self.overrule(|key, _| is_meant(key));
    }

    /// Whatever calls bring that are under way and `is_meant`, by key and by when they were sent, is kept for nobody
    /// but those who wait for it.
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

    /// Nothing that was read before serves from now on, as nobody knows how old it is: neither in an outage nor shared.
    pub fn forget_copies(&mut self) {
        if let Some(copies) = &mut self.copies {
            copies.forget(|_| true);
        }
        self.forget(|_| true);
    }

    /// Values that are kept for outages: how many, and their bytes.
    pub fn stale(&self) -> (usize, usize) {
        self.stale.as_ref().map(Copies::size).unwrap_or_default()
    }

    /// What stands in for each value of a Mount, with when it was read.
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
        match flight.map(|flight| (&flight.last_error, flight.state, flight.service)) {
            None => Lack::Refused,
            // Only what is tried again leaves its error behind.
            Some((Some(_), ..)) => Lack::OutOfReach,
            Some((None, State::Sent { at, .. }, _)) => Lack::Unanswered(now.saturating_duration_since(at)),
            Some((None, State::Queued | State::Paused { .. }, service)) => Lack::Unsent {
                is_troubled: self.is_troubled(service, now),
            },
        }
    }

    fn is_troubled(&self, service: Service, now: Instant) -> bool {
        let lane = self.lanes.get(lane_of(service));
        lane.is_some_and(|lane| lane.is_recovering(now) || lane.pace.is_held_back(now))
    }
}
