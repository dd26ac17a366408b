//! An attempt ends: with a value for all waiting mounts, with a retry, or with an error.

use std::collections::BTreeSet;
use std::time::Instant;

use super::exchange::{Domain, FlightId, Outcome, PartyId, Settled};
use super::flight::{Flight, State};
use super::state::{Core, Slot, deadline};
use crate::fetch::retry::{self, Failure, FailureClass};
use crate::limits;

impl<D: Domain> Core<D> {
    /// An attempt has ended. `fraction`, a random number from 0 to 1, spreads retries.
    pub fn finish(&mut self, id: FlightId, outcome: Outcome<D>, fraction: f64, now: Instant) {
        let Some(mut flight) = self.flights.remove(&id) else {
            return;
        };
        self.under_way.remove(&id);
        let State::Sent {
            at: sent,
            until,
            is_overruled,
            is_deserted,
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
                class: FailureClass::Interrupted | FailureClass::Unavailable,
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
                // Otherwise pods that start together on many nodes, and nodes that recover from an outage together,
                // would call at the same time in each interval.
                let spreads =
                    flight.is_first || self.feedback.is_recovering(flight.service, &flight.key, now);
                // Even if this answer cannot be kept, an older one that arrives later must not be.
                self.overrule(|key, at| *key == flight.key && at < sent);
                if let (Some(copies), false) = (&mut self.copies, is_overruled) {
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
                self.settle(&flight, bytes, || Settled::Value(value.clone()).into());
            }
            Outcome::Renewed(job) => {
                flight.job = job;
                self.again(id, flight, now);
            }
            Outcome::Failed { class, .. } if is_deserted && class.is_outage() => {
                self.lane(flight.service).release(flight.home);
            }
            // The attempt had only the time of the mounts that waited when it was sent. Mounts that have joined since
            // have more.
            Outcome::Failed { class, .. }
                if class.is_outage() && until <= now && deadline(&self.parties, &flight, now) > now =>
            {
                flight.attempts = flight.attempts.saturating_sub(1);
                self.again(id, flight, now);
            }
            Outcome::Failed { error, class, hint } => {
                if class == FailureClass::Throttled {
                    self.counts.throttled += 1;
                    self.lane(flight.service).pace.throttled(sent, hint, now);
                }
                if class == FailureClass::Unavailable {
                    self.lane(flight.service).unavailable();
                    self.feedback.unavailable(flight.service, &flight.key, now);
                }
                if class == FailureClass::Definite {
                    if let Some(copies) = &mut self.copies {
                        copies.refused(&flight.key, sent);
                    }
                    if let Some(stale) = &mut self.stale {
                        stale.refused(&flight.key, now);
                    }
                    self.overrule(|key, _| *key == flight.key);
                }
                let failure = Failure {
                    class,
                    hint,
                    attempt: flight.attempts,
                    remaining: deadline(&self.parties, &flight, now).saturating_duration_since(now),
                };
                match retry::pause(&failure, fraction) {
                    Some(pause) if self.affords(&flight, class, now) => {
                        flight.last_error = Some(error);
                        self.again(id, flight, now + pause);
                    }
                    _ => self.fail(&flight, &error, class),
                }
            }
        }
    }

    /// Whether the retry budget allows a retry. Throttled calls are limited by the pace instead.
    fn affords(&mut self, flight: &Flight<D>, class: FailureClass, now: Instant) -> bool {
        let affords = class == FailureClass::Throttled
            || self
                .feedback
                .change_budget(flight.service, &flight.key, now, |budget| budget.spend(now));
        self.counts.unaffordable += u64::from(!affords);
        affords
    }

    /// Schedules another attempt at `due`, together with a call of the same key that waits anyway.
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

    /// Waiters whose mount has failed because of an outage do not wait for another attempt.
    fn abandon_outages(&mut self, waiters: Vec<(PartyId, usize)>) {
        for (party, _) in waiters {
            if self.parties.get(&party).is_some_and(|party| party.is_outage) {
                self.abandon(party);
            }
        }
    }

    fn fail(&mut self, flight: &Flight<D>, error: &D::Error, class: FailureClass) {
        self.settle(flight, 0, || match class.is_outage() {
            true => Slot::Lost(Some(error.clone())),
            false => Settled::Failed(error.clone()).into(),
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

    /// Gives the result to the waiting mounts, if `bytes` more still fit. A value counts once, however often a mount
    /// names it.
    fn settle(&mut self, flight: &Flight<D>, bytes: usize, result: impl Fn() -> Slot<D>) {
        let mut counted = BTreeSet::new();
        for (id, slot) in &flight.waiters {
            let Some(party) = self.parties.get_mut(id) else {
                continue;
            };
            if counted.insert(*id) {
                party.bytes = party.bytes.saturating_add(bytes);
            }
            if let Some(slot) = party.slots.get_mut(*slot) {
                *slot = if bytes > 0 && party.bytes > limits::VALUES_BYTES {
                    Settled::TooMuch.into()
                } else {
                    result()
                };
                party.pending -= 1;
                if party.pending == 0 {
                    self.complete.push(*id);
                }
            }
        }
    }
}
