//! The queue of one service: which call goes next, and when. It limits the calls under way and the calls started per
//! second. Retries whose pause is over come first.
//!
//! Among mounts, the one with the fewest calls goes first, and pods that start go before running ones: a large mount
//! does not delay small ones, and if there is not enough for all, some are complete instead of none. Every fourth
//! call goes to the mount that has waited longest, so that no mount waits forever.
//!
//! After a call that found the service unavailable, each mount makes one call first, and the others after its answer.
//! So the load on an unavailable service depends on the number of mounts, not of objects.
//!
//! Pure: time is an argument.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Instant;

use super::core::{FlightId, PartyId};
use super::pace::Pace;

/// The queue of one service.
#[derive(Debug)]
pub(super) struct Lane {
    pub(super) pace: Pace,
    most: usize,
    under_way: usize,
    /// Mounts with waiting calls, the oldest first.
    queued: BTreeMap<PartyId, Line>,
    /// The same, by rank.
    ranks: BTreeSet<Rank>,
    /// Calls taken from the queue so far.
    taken: u64,
    /// Paused retries, by the end of their pause.
    paused: BTreeSet<(Instant, FlightId)>,
    waiting: usize,
    /// Mounts whose first call has not been answered since the service became unavailable, with that call.
    held: BTreeMap<PartyId, (FlightId, Line)>,
    /// Their calls, which wait as well.
    held_calls: usize,
    /// The last call found the service unavailable.
    is_in_doubt: bool,
}

/// The waiting calls of a mount.
#[derive(Debug)]
struct Line {
    is_repeated: bool,
    calls: VecDeque<FlightId>,
}

/// Lower is earlier: starting pods before running ones, few calls before many, older mounts before newer ones.
type Rank = (bool, usize, PartyId);

impl Line {
    fn rank(&self, party: PartyId) -> Rank {
        (self.is_repeated, self.calls.len(), party)
    }
}

/// The next thing that a lane allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Turn {
    /// This call, now.
    Call(FlightId),
    /// Ask again at that time, if nothing changes before.
    At(Instant),
    /// Ask again after a change.
    Nothing,
}

impl Lane {
    pub(super) fn new(most: usize, pace: Pace) -> Self {
        Self {
            pace,
            most,
            under_way: 0,
            queued: BTreeMap::new(),
            ranks: BTreeSet::new(),
            taken: 0,
            paused: BTreeSet::new(),
            waiting: 0,
            held: BTreeMap::new(),
            held_calls: 0,
            is_in_doubt: false,
        }
    }

    /// Adds a call to its mount's queue.
    pub(super) fn queue(&mut self, party: PartyId, is_repeated: bool, flight: FlightId) {
        self.change(party, is_repeated, |calls| calls.push_back(flight));
        self.waiting += 1;
    }

    /// Changes a mount's queue, and its rank with it.
    fn change<T>(
        &mut self,
        party: PartyId,
        is_repeated: bool,
        change: impl FnOnce(&mut VecDeque<FlightId>) -> T,
    ) -> T {
        let mut line = self.queued.remove(&party).unwrap_or_else(|| Line {
            is_repeated,
            calls: VecDeque::new(),
        });
        self.ranks.remove(&line.rank(party));
        let result = change(&mut line.calls);
        if !line.calls.is_empty() {
            self.ranks.insert(line.rank(party));
            self.queued.insert(party, line);
        }
        result
    }

    /// A call waits for its next attempt.
    pub(super) fn pause(&mut self, until: Instant, flight: FlightId) {
        self.paused.insert((until, flight));
        self.waiting += 1;
    }

    /// Removes a call that no mount waits for.
    pub(super) fn leave(&mut self, party: PartyId, paused: Option<Instant>, flight: FlightId) {
        if let Some((first, line)) = self.held.get_mut(&party) {
            if *first == flight {
                self.release(party);
            } else if take(&mut line.calls, flight) {
                self.held_calls -= 1;
                return;
            }
        }
        let left = match paused {
            Some(until) => self.paused.remove(&(until, flight)),
            None => self.change(party, false, |calls| take(calls, flight)),
        };
        self.waiting -= usize::from(left);
    }

    /// The next call, which counts as under way from now on.
    pub(super) fn next(&mut self, now: Instant) -> Turn {
        if self.under_way >= self.most {
            return Turn::Nothing;
        }
        let due = self.paused.first().map(|(until, _)| *until);
        let is_due = due.is_some_and(|due| due <= now);
        if !is_due && self.queued.is_empty() {
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
        self.taken += 1;
        let party = if self.taken.is_multiple_of(OLDEST_EACH) {
            *self.queued.first_key_value()?.0
        } else {
            self.ranks.first()?.2
        };
        let call = self.change(party, false, VecDeque::pop_front)?;
        if self.is_in_doubt {
            self.hold(party, call);
        }
        Some(call)
    }

    /// Sets the rest of a mount's queue aside until its `first` call is answered.
    fn hold(&mut self, party: PartyId, first: FlightId) {
        let Some(line) = self.queued.remove(&party) else {
            return;
        };
        self.ranks.remove(&line.rank(party));
        self.waiting -= line.calls.len();
        self.held_calls += line.calls.len();
        self.held.insert(party, (first, line));
    }

    /// Ends the wait of a mount for its first call, which was answered or has ended.
    pub(super) fn release(&mut self, party: PartyId) {
        let Some((_, line)) = self.held.remove(&party) else {
            return;
        };
        self.held_calls -= line.calls.len();
        self.waiting += line.calls.len();
        if !line.calls.is_empty() {
            self.ranks.insert(line.rank(party));
            self.queued.insert(party, line);
        }
    }

    /// A call has ended.
    pub(super) fn done(&mut self) {
        self.under_way -= 1;
    }

    /// A call of this mount was answered, even if by a refusal: the service is available.
    pub(super) fn answered(&mut self, party: PartyId) {
        self.is_in_doubt = false;
        self.release(party);
    }

    /// The service was found unavailable.
    pub(super) fn unavailable(&mut self) {
        self.is_in_doubt = true;
    }

    /// How many calls could start if the pace allowed.
    pub(super) fn startable(&self) -> usize {
        self.waiting.min(self.most - self.under_way)
    }

    /// Number of waiting calls, and of calls under way.
    pub(super) fn load(&self) -> (usize, usize) {
        (self.waiting + self.held_calls, self.under_way)
    }
}

/// Removes a call; false if it is not there.
fn take(calls: &mut VecDeque<FlightId>, flight: FlightId) -> bool {
    let before = calls.len();
    calls.retain(|call| *call != flight);
    calls.len() < before
}

/// Every fourth call goes to the oldest mount.
const OLDEST_EACH: u64 = 4;

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
            lane.queue(PartyId(1), false, FlightId(flight));
        }
        assert_eq!(calls(&mut lane, now), [0, 1]);
        assert_eq!(lane.next(now), Turn::Nothing);
        lane.done();
        assert_eq!(calls(&mut lane, now), [2]);
        assert_eq!(lane.load(), (0, 2));
    }

    #[test]
    fn small_mounts_pass_a_huge_one_which_still_moves_on() {
        let now = SystemClock.now();
        let mut lane = lane(100, now);
        for flight in 10..16 {
            lane.queue(PartyId(1), false, FlightId(flight));
        }
        for flight in 20..23 {
            lane.queue(PartyId(2), false, FlightId(flight));
        }
        lane.queue(PartyId(3), false, FlightId(30));
        // The single one first, then the three, and every fourth from the oldest.
        assert_eq!(calls(&mut lane, now), [30, 20, 21, 10, 22, 11, 12, 13, 14, 15]);
        assert!(lane.queued.is_empty() && lane.ranks.is_empty());
    }

    #[test]
    fn a_mount_that_has_begun_is_completed_before_its_equals_begin() {
        let now = SystemClock.now();
        let mut lane = lane(100, now);
        for flight in 0..3 {
            lane.queue(PartyId(1), false, FlightId(10 + flight));
            lane.queue(PartyId(2), false, FlightId(20 + flight));
        }
        assert_eq!(calls(&mut lane, now), [10, 11, 12, 20, 21, 22]);
    }

    #[test]
    fn pods_that_start_come_before_those_that_run() {
        let now = SystemClock.now();
        let mut lane = lane(100, now);
        lane.queue(PartyId(1), true, FlightId(10));
        for flight in 20..23 {
            lane.queue(PartyId(2), false, FlightId(flight));
        }
        assert_eq!(calls(&mut lane, now), [20, 21, 22, 10]);
    }

    #[test]
    fn due_tries_come_first_and_others_say_when() {
        let now = SystemClock.now();
        let soon = now + Duration::from_millis(100);
        let mut lane = lane(100, now);
        lane.pause(soon, FlightId(7));
        assert_eq!(lane.next(now), Turn::At(soon));
        lane.queue(PartyId(1), false, FlightId(1));
        assert_eq!(calls(&mut lane, now), [1], "a pause delays no other call");
        lane.queue(PartyId(1), false, FlightId(2));
        assert_eq!(calls(&mut lane, soon), [7, 2]);
    }

    #[test]
    fn whoever_leaves_takes_no_turn() {
        let now = SystemClock.now();
        let mut lane = lane(100, now);
        lane.queue(PartyId(1), false, FlightId(1));
        lane.queue(PartyId(1), false, FlightId(2));
        lane.queue(PartyId(2), false, FlightId(3));
        lane.pause(now, FlightId(4));
        lane.leave(PartyId(1), None, FlightId(1));
        lane.leave(PartyId(2), None, FlightId(3));
        lane.leave(PartyId(9), Some(now), FlightId(4));
        lane.leave(PartyId(9), None, FlightId(9));
        assert_eq!(lane.load(), (1, 0));
        assert_eq!(calls(&mut lane, now), [2]);
        assert!(lane.queued.is_empty() && lane.ranks.is_empty());
    }

    #[test]
    fn a_service_in_doubt_is_asked_for_one_value_of_each_mount() {
        let now = SystemClock.now();
        let mut lane = lane(100, now);
        lane.unavailable();
        for flight in 10..13 {
            lane.queue(PartyId(1), false, FlightId(flight));
        }
        for flight in 20..23 {
            lane.queue(PartyId(2), false, FlightId(flight));
        }
        assert_eq!(calls(&mut lane, now), [10, 20]);
        assert_eq!((lane.startable(), lane.load()), (0, (4, 2)), "the others wait");
        lane.leave(PartyId(2), None, FlightId(21));
        lane.done();
        lane.answered(PartyId(1));
        assert_eq!(
            calls(&mut lane, now),
            [11, 12],
            "one has an answer, the other goes on waiting"
        );
        lane.done();
        lane.release(PartyId(2));
        assert_eq!(calls(&mut lane, now), [22]);
        assert!(lane.queued.is_empty() && lane.ranks.is_empty() && lane.held.is_empty());
        assert_eq!((lane.startable(), lane.load()), (0, (0, 3)));
    }

    #[test]
    fn a_mount_whose_first_call_nobody_waits_for_makes_another() {
        let now = SystemClock.now();
        let mut lane = lane(100, now);
        lane.unavailable();
        for flight in 10..13 {
            lane.queue(PartyId(1), false, FlightId(flight));
        }
        assert_eq!(calls(&mut lane, now), [10]);
        lane.done();
        lane.pause(now + Duration::from_secs(1), FlightId(10));
        lane.leave(PartyId(1), Some(now + Duration::from_secs(1)), FlightId(10));
        assert_eq!(calls(&mut lane, now), [11]);
        assert_eq!(lane.load(), (1, 1));
    }

    #[test]
    fn the_pace_says_when() {
        let now = SystemClock.now();
        let mut lane = Lane::new(100, Pace::new(1, now));
        for flight in 0..3 {
            lane.queue(PartyId(1), false, FlightId(flight));
        }
        assert_eq!(calls(&mut lane, now), [0, 1]);
        let Turn::At(at) = lane.next(now) else {
            panic!("the burst is used up")
        };
        assert_eq!(calls(&mut lane, at), [2]);
    }
}
