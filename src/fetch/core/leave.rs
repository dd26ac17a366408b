//! A mount leaves with the results so far. Giving up a call does not cancel it for other mounts.

use std::time::Instant;

use super::exchange::{Domain, FlightId, PartyId, Settled};
use super::flight::State;
use super::stale;
use super::state::{Core, Slot};

impl<D: Domain> Core<D> {
    /// The mounts that became complete since the last time.
    pub fn complete(&mut self) -> Vec<PartyId> {
        std::mem::take(&mut self.complete)
    }

    /// Whether a mount has all it can get.
    pub fn is_complete(&self, id: PartyId) -> bool {
        self.parties.get(&id).is_none_or(|party| party.pending == 0)
    }

    /// A mount takes its results, in the order of its requests, and is removed. Other mounts keep waiting for its
    /// unfinished calls. Cached values replace what the cloud could not give.
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

    /// The same for a cancelled mount, without cached values.
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

    /// The calls under way that no mount waits for. No mount joins them from now on, and what they fail with says nothing
    /// about the service.
    pub fn desert(&mut self) -> Vec<FlightId> {
        let mut deserted = Vec::new();
        for id in &self.under_way {
            if let Some(flight) = self.flights.get_mut(id)
                && flight.waiters.is_empty()
                && let State::Sent { is_deserted, .. } = &mut flight.state
            {
                *is_deserted = true;
                deserted.push(*id);
                if let Some(open) = self.open.get_mut(&flight.key)
                    && open.ended(*id)
                {
                    self.open.remove(&flight.key);
                }
            }
        }
        deserted
    }

    /// Removes a mount from all calls that are not under way.
    pub(super) fn abandon(&mut self, id: PartyId) {
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

    /// A mount stops waiting for a value. A call without waiters is not made. Calls under way are left only if
    /// `even_sent`. Returns the call's last error, or `None` if it was not left.
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
}
