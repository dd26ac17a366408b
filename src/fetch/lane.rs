//! One service's lane: which call goes next, and when. At most so many are under way, at most so many start per
//! second, Mounts take turns, and tries that waited for their pause come first.
//!
//! Pure: time is an argument.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::time::Instant;

use super::core::{FlightId, PartyId};
use super::pace::Pace;

/// A lane.
#[derive(Debug)]
pub(super) struct Lane {
    pub(super) pace: Pace,
    most: usize,
    under_way: usize,
    /// Mounts with calls that wait, in the order of their turns. Each takes one and goes to the end.
    turns: VecDeque<PartyId>,
    queued: HashMap<PartyId, VecDeque<FlightId>>,
    /// Tries that pause, by the end of their pause.
    paused: BTreeSet<(Instant, FlightId)>,
    waiting: usize,
}

/// What a lane has to offer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Turn {
    /// This call, now.
    Call(FlightId),
    /// Something at that time, if nothing changes before.
    At(Instant),
    /// Nothing until something changes.
    Nothing,
}

impl Lane {
    pub(super) fn new(most: usize, pace: Pace) -> Self {
        Self {
            pace,
            most,
            under_way: 0,
            turns: VecDeque::new(),
            queued: HashMap::new(),
            paused: BTreeSet::new(),
            waiting: 0,
        }
    }

    /// A call waits for its turn among those of its Mount.
    pub(super) fn queue(&mut self, party: PartyId, flight: FlightId) {
        let queue = self.queued.entry(party).or_default();
        if queue.is_empty() {
            self.turns.push_back(party);
        }
        queue.push_back(flight);
        self.waiting += 1;
    }

    /// A call waits for its next try.
    pub(super) fn pause(&mut self, until: Instant, flight: FlightId) {
        self.paused.insert((until, flight));
        self.waiting += 1;
    }

    /// A call that nobody waits for any more leaves the line.
    pub(super) fn leave(&mut self, party: PartyId, paused: Option<Instant>, flight: FlightId) {
        let left = if let Some(until) = paused {
            self.paused.remove(&(until, flight))
        } else if let Some(queue) = self.queued.get_mut(&party) {
            let before = queue.len();
            queue.retain(|queued| *queued != flight);
            let left = queue.len() < before;
            if queue.is_empty() {
                self.queued.remove(&party);
                self.turns.retain(|turn| *turn != party);
            }
            left
        } else {
            false
        };
        self.waiting -= usize::from(left);
    }

    /// The call whose turn it is; it is under way from now on.
    pub(super) fn next(&mut self, now: Instant) -> Turn {
        if self.under_way >= self.most {
            return Turn::Nothing;
        }
        let due = self.paused.first().map(|(until, _)| *until);
        let is_due = due.is_some_and(|due| due <= now);
        if !is_due && self.turns.is_empty() {
            return due.map_or(Turn::Nothing, Turn::At);
        }
        if let Err(at) = self.pace.take(now) {
            return Turn::At(at);
        }
        let next = if is_due {
            self.paused.pop_first().map(|(_, flight)| flight)
        } else {
            self.take_turn()
        };
        match next {
            Some(flight) => {
                self.waiting -= 1;
                self.under_way += 1;
                Turn::Call(flight)
            }
            None => Turn::Nothing,
        }
    }

    fn take_turn(&mut self) -> Option<FlightId> {
        let party = self.turns.pop_front()?;
        let queue = self.queued.get_mut(&party)?;
        let flight = queue.pop_front();
        if queue.is_empty() {
            self.queued.remove(&party);
        } else {
            self.turns.push_back(party);
        }
        flight
    }

    /// A call has come to an end.
    pub(super) fn done(&mut self) {
        self.under_way -= 1;
    }

    /// How many calls could start if the pace let them.
    pub(super) fn startable(&self) -> usize {
        self.waiting.min(self.most - self.under_way)
    }

    /// How many calls wait, and how many are under way.
    pub(super) fn load(&self) -> (usize, usize) {
        (self.waiting, self.under_way)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::clock::{Clock as _, SystemClock};

    fn lane(most: usize, now: Instant) -> Lane {
        Lane::new(most, Pace::new(0, now))
    }

    fn calls(lane: &mut Lane, now: Instant) -> Vec<u64> {
        let mut calls = Vec::new();
        while let Turn::Call(FlightId(flight)) = lane.next(now) {
            calls.push(flight);
        }
        calls
    }

    #[test]
    fn at_most_so_many_are_under_way() {
        let now = SystemClock.now();
        let mut lane = lane(2, now);
        for flight in 0..3 {
            lane.queue(PartyId(1), FlightId(flight));
        }
        assert_eq!(calls(&mut lane, now), [0, 1]);
        assert_eq!(lane.next(now), Turn::Nothing);
        lane.done();
        assert_eq!(calls(&mut lane, now), [2]);
        assert_eq!(lane.load(), (0, 2));
    }

    #[test]
    fn a_huge_mount_and_small_ones_take_turns() {
        let now = SystemClock.now();
        let mut lane = lane(100, now);
        for flight in 0..5 {
            lane.queue(PartyId(1), FlightId(flight));
        }
        lane.queue(PartyId(2), FlightId(20));
        lane.queue(PartyId(3), FlightId(30));
        lane.queue(PartyId(3), FlightId(31));
        assert_eq!(calls(&mut lane, now), [0, 20, 30, 1, 31, 2, 3, 4]);
    }

    #[test]
    fn due_tries_come_first_and_others_say_when() {
        let now = SystemClock.now();
        let soon = now + Duration::from_millis(100);
        let mut lane = lane(100, now);
        lane.pause(soon, FlightId(7));
        assert_eq!(lane.next(now), Turn::At(soon));
        lane.queue(PartyId(1), FlightId(1));
        assert_eq!(calls(&mut lane, now), [1], "a pause holds up nobody else");
        lane.queue(PartyId(1), FlightId(2));
        assert_eq!(calls(&mut lane, soon), [7, 2]);
    }

    #[test]
    fn whoever_leaves_takes_no_turn() {
        let now = SystemClock.now();
        let mut lane = lane(100, now);
        lane.queue(PartyId(1), FlightId(1));
        lane.queue(PartyId(1), FlightId(2));
        lane.queue(PartyId(2), FlightId(3));
        lane.pause(now, FlightId(4));
        lane.leave(PartyId(1), None, FlightId(1));
        lane.leave(PartyId(2), None, FlightId(3));
        lane.leave(PartyId(9), Some(now), FlightId(4));
        lane.leave(PartyId(9), None, FlightId(9));
        assert_eq!(lane.load(), (1, 0));
        assert_eq!(calls(&mut lane, now), [2]);
        assert!(lane.queued.is_empty() && lane.turns.is_empty());
    }

    #[test]
    fn the_pace_says_when() {
        let now = SystemClock.now();
        let mut lane = Lane::new(100, Pace::new(1, now));
        for flight in 0..3 {
            lane.queue(PartyId(1), FlightId(flight));
        }
        assert_eq!(calls(&mut lane, now), [0, 1]);
        let Turn::At(at) = lane.next(now) else {
            panic!("the burst is used up")
        };
        assert_eq!(calls(&mut lane, at), [2]);
    }
}
