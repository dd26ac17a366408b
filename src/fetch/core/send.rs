//! Sends calls, one after another, as the lanes allow.

use std::time::Instant;

use super::exchange::{Attempt, Domain, FlightId, Next};
use super::flight::State;
use super::state::{Core, deadline};
use crate::fetch::lane::Turn;
use crate::fetch::retry::RetryBudget;

impl<D: Domain> Core<D> {
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
            is_deserted: false,
        };
        self.under_way.insert(id);
        self.counts.calls += 1;
        if flight.attempts == 1 {
            let budget = RetryBudget::earn;
            self.feedback
                .change_budget(flight.service, &flight.key, now, budget);
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
}
