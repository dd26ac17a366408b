//! A mount enters: each requested value comes from a copy, from a call that it joins, or from a new call.

use std::collections::HashMap;
use std::time::Instant;

use super::exchange::{Domain, Entered, FlightId, Origin, PartyId, Settled, Want};
use super::flight::{Flight, State};
use super::state::{Core, Party, Slot};
use crate::fetch::volumes::Volume;
use crate::limits;
use crate::params::Service;

impl<D: Domain> Core<D> {
    /// A mount enters. It joins calls that have not been sent. If its volume is known, it also joins calls under way
    /// and takes shared copies. Everything else becomes a new call. Without a volume, every mount is a first one, and
    /// no cached value is served during an outage.
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
        let keys: Vec<D::Key> = wants.iter().map(|want| want.key.clone()).collect();
        let mut copies = if may_share {
            self.copies_of(&keys, now)
        } else {
            Vec::new()
        };
        let mut slots = Vec::with_capacity(wants.len());
        let mut origins = Vec::with_capacity(wants.len());
        for Want { service, key, job } in wants {
            let copy = copies.get_mut(slots.len()).and_then(Option::take);
            let (slot, origin) = match (copy, job) {
                (Some(value), _) => (Slot::Settled(Settled::Value(value)), Origin::Copy),
                (None, Err(error)) => (Slot::Lost(Some(error)), Origin::Nobody),
                (None, Ok(job)) => {
                    let waiter = (party, slots.len());
                    let (flight, origin) =
                        self.join_or_start(service, key, job, waiter, is_repeated, may_share);
                    (Slot::Pending(flight), origin)
                }
            };
            slots.push(slot);
            origins.push(origin);
        }
        let count = |wanted| origins.iter().filter(|origin| **origin == wanted).count();
        self.counts.copies += count(Origin::Copy) as u64;
        self.counts.joined += count(Origin::Joined) as u64;
        let pending = count(Origin::Call) + count(Origin::Joined);
        if pending == 0 {
            self.complete.push(party);
        }
        let entry = Party {
            entered: now,
            deadline,
            is_volume: volume.is_some(),
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
            origins,
        }
    }

    /// The copies that a mount of these keys may use. A secret that it names in several ways comes from copies only
    /// if all of them were read together: a new current version with an older previous one is a combination that
    /// never existed.
    fn copies_of(&self, keys: &[D::Key], now: Instant) -> Vec<Option<D::Value>> {
        let Some(copies) = &self.copies else {
            return Vec::new();
        };
        let found: Vec<_> = keys.iter().map(|key| copies.get(key, now)).collect();
        // For each secret, when the first and the last of its requested copies were read, if all exist.
        let mut reads: HashMap<_, Option<(Instant, Instant)>> = HashMap::with_capacity(keys.len());
        for (key, copy) in keys.iter().zip(&found) {
            let read = copy.as_ref().map(|(_, read)| *read);
            let span = reads
                .entry(D::secret(key))
                .or_insert_with(|| read.map(|read| (read, read)));
            *span = span
                .zip(read)
                .map(|((first, last), read)| (first.min(read), last.max(read)));
        }
        let is_together = |key| {
            let span = reads.get(&D::secret(key)).copied().flatten();
            span.is_some_and(|(first, last)| last.duration_since(first) <= limits::READ_TOGETHER)
        };
        let fitting = keys.iter().zip(&found);
        let fitting = fitting.map(|(key, copy)| copy.as_ref().filter(|_| is_together(key)));
        fitting.map(|copy| copy.map(|(value, _)| value.clone())).collect()
    }

    fn join_or_start(
        &mut self,
        service: Service,
        key: D::Key,
        job: D::Job,
        waiter: (PartyId, usize),
        is_repeated: bool,
        may_share: bool,
    ) -> (FlightId, Origin) {
        let open = self.open.get(&key).copied().unwrap_or_default();
        let joined = open.unsent.or(if may_share { open.sent } else { None });
        if let Some(id) = joined
            && let Some(flight) = self.flights.get_mut(&id)
        {
            flight.waiters.push(waiter);
            flight.is_first |= !is_repeated;
            return (id, Origin::Joined);
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
        (id, Origin::Call)
    }
}
