//! A Mount enters: each value that it wants comes from a copy, from a call that can be joined, or from a call of its
//! own.

use std::time::Instant;

use super::flight::{Flight, State};
use super::{Core, Domain, Entered, FlightId, Party, PartyId, Settled, Slot, Source, Want};
use crate::fetch::volumes::Volume;
use crate::params::Service;

impl<D: Domain> Core<D> {
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
            bytes: 0,
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
}
