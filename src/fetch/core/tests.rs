//! The engine's decisions on a clock that stands still until a test moves it.

mod stale;
mod stale_properties;

use super::*;
use crate::clock::{Clock as _, SystemClock};
use crate::limits;

/// Keys and errors are words, values are numbers, a job is the number of its credentials.
#[derive(Debug)]
pub(super) struct Words;

impl Domain for Words {
    type Key = &'static str;
    type Job = u32;
    type Value = u32;
    type Error = &'static str;

    /// `identity/secret@version`
    fn is_same_secret(one: &&'static str, other: &&'static str) -> bool {
        let secret = |key: &&'static str| -> &'static str {
            let named = key.rsplit('/').next().unwrap_or_default();
            named.split('@').next().unwrap_or_default()
        };
        secret(one) == secret(other)
    }
}

pub(super) struct Bench {
    pub(super) core: Core<Words>,
    pub(super) now: Instant,
}

const INTERVAL: Duration = Duration::from_secs(60);
const OLD_JOB: u32 = 1;

pub(super) fn settings(pulls: usize, per_second: u32, refresh_interval: Duration) -> Settings {
    let lane = LaneSettings { pulls, per_second };
    Settings {
        kms: lane,
        oos: lane,
        refresh_interval,
        copies_bytes: 1 << 20,
        serve_stale_for: Duration::ZERO,
        stale_bytes: 1 << 20,
    }
}

impl Bench {
    pub(super) fn new(settings: &Settings) -> Self {
        let now = SystemClock.now();
        Self {
            core: Core::new(settings, now),
            now,
        }
    }

    fn wide() -> Self {
        Self::new(&settings(100, 0, INTERVAL))
    }

    fn narrow(pulls: usize) -> Self {
        Self::new(&settings(pulls, 0, INTERVAL))
    }

    fn pass(&mut self, seconds: u64) {
        self.now += Duration::from_secs(seconds);
    }

    pub(super) fn mount(&mut self, keys: &[&'static str], volume: Option<&Volume>) -> PartyId {
        self.mount_within(keys, volume, 100)
    }

    fn mount_within(&mut self, keys: &[&'static str], volume: Option<&Volume>, seconds: u64) -> PartyId {
        let wants = keys.iter().map(|key| Want {
            service: Service::Kms,
            key: *key,
            job: Ok(OLD_JOB),
        });
        let deadline = self.now + Duration::from_secs(seconds);
        self.core.mount(wants.collect(), volume, deadline, self.now).party
    }

    /// A volume that has been mounted.
    pub(super) fn known(&mut self, uid: &str) -> Volume {
        let volume = Volume::new(uid, "path").expect("a volume");
        self.core.mounted(&volume, self.now);
        volume
    }

    /// Every call that may be made now.
    fn calls(&mut self) -> Vec<Attempt<Words>> {
        let mut calls = Vec::new();
        while let Next::Call(call) = self.core.next(self.now) {
            calls.push(call);
        }
        calls
    }

    fn call(&mut self) -> FlightId {
        let calls = self.calls();
        assert_eq!(calls.len(), 1, "exactly one call");
        calls[0].flight
    }

    fn answer(&mut self, flight: FlightId, value: u32) {
        self.core.finish(flight, Outcome::Value(value, 10), 0.0, self.now);
    }

    fn fail(&mut self, flight: FlightId, error: &'static str, class: Class) {
        let outcome = Outcome::Failed {
            error,
            class,
            hint: None,
        };
        self.core.finish(flight, outcome, 0.0, self.now);
    }

    /// The results of a Mount that is complete.
    pub(super) fn results(&mut self, party: PartyId) -> Vec<Result<u32, &'static str>> {
        assert!(self.core.is_complete(party), "the Mount still waits");
        self.leave(party)
    }

    pub(super) fn leave(&mut self, party: PartyId) -> Vec<Result<u32, &'static str>> {
        let settled = self.core.leave(party, self.now);
        let result = |settled| match settled {
            Settled::Value(value) | Settled::Stale { value, .. } => Ok(value),
            Settled::Failed(error) => Err(error),
            Settled::Skipped => Err("skipped"),
            Settled::Unfinished => Err("unfinished"),
        };
        settled.into_iter().map(result).collect()
    }

    /// Nothing is left of anything, shared copies aside.
    pub(super) fn assert_empty(&mut self) {
        let core = &self.core;
        assert!(core.flights.is_empty() && core.open.is_empty() && core.parties.is_empty());
        assert_eq!(
            (core.load(Service::Kms), core.load(Service::Oos)),
            ((0, 0), (0, 0))
        );
    }
}

#[test]
fn objects_go_side_by_side_and_come_back_in_order() {
    let mut bench = Bench::wide();
    let party = bench.mount(&["a", "b", "c"], None);
    let calls = bench.calls();
    assert_eq!(calls.len(), 3);
    for (value, call) in calls.iter().enumerate().rev() {
        assert!(!bench.core.is_complete(party));
        bench.answer(call.flight, u32::try_from(value).expect("small"));
    }
    assert_eq!(bench.core.complete(), [party]);
    assert_eq!(bench.results(party), [Ok(0), Ok(1), Ok(2)]);
    bench.assert_empty();
}

#[test]
fn the_limits_of_the_services_are_their_own() {
    let mut bench = Bench::narrow(2);
    let service = |service| {
        move |key| Want {
            service,
            key,
            job: Ok(OLD_JOB),
        }
    };
    let wants = ["a", "b", "c"].map(service(Service::Kms));
    let others = ["d", "e", "f"].map(service(Service::Oos));
    let deadline = bench.now + INTERVAL;
    bench.core.mount(
        wants.into_iter().chain(others).collect(),
        None,
        deadline,
        bench.now,
    );
    assert_eq!(bench.calls().len(), 4);
    assert_eq!(bench.core.load(Service::Kms), (1, 2));
    assert_eq!(bench.core.load(Service::Oos), (1, 2));
}

#[test]
fn overlapping_requests_share_a_call_that_has_not_been_sent() {
    let mut bench = Bench::wide();
    let first = bench.mount(&["a", "a"], None);
    let second = bench.mount(&["a"], None);
    let call = bench.call();
    bench.answer(call, 7);
    assert_eq!(bench.results(first), [Ok(7), Ok(7)]);
    assert_eq!(bench.results(second), [Ok(7)]);
    assert_eq!(bench.core.counts().joined, 2);
    bench.assert_empty();
}

/// What had no more time than a hasty Mount says nothing to a patient one that joined it.
#[test]
fn the_end_of_one_mounts_time_is_not_the_end_of_anothers() {
    let mut bench = Bench::wide();
    let (known, also_known) = (bench.known("u"), bench.known("v"));
    let hasty = bench.mount_within(&["a", "b"], Some(&known), 1);
    let calls = bench.calls();
    let patient = bench.mount_within(&["a", "b"], Some(&also_known), 100);
    bench.pass(1);
    assert_eq!(bench.leave(hasty), [Err("unfinished"), Err("unfinished")]);
    for call in calls {
        bench.fail(call.flight, "late", Class::Unavailable);
    }
    let calls = bench.calls();
    assert_eq!(calls.iter().map(|call| call.number).collect::<Vec<_>>(), [1, 1]);
    for (value, call) in (1..).zip(calls) {
        bench.answer(call.flight, value);
    }
    assert_eq!(bench.results(patient), [Ok(1), Ok(2)]);
    assert_eq!(bench.core.counts().retries, 0);
    bench.assert_empty();
}

/// Its value may have been read before the pod came to be.
#[test]
fn a_first_mount_does_not_join_a_call_under_way_and_a_repeated_one_does() {
    let mut bench = Bench::wide();
    let known = bench.known("u");
    let early = bench.mount(&["a"], None);
    let old = bench.call();
    bench.pass(1);
    let first = bench.mount(&["a"], Volume::new("new", "path").as_ref());
    let repeated = bench.mount(&["a"], Some(&known));
    let new = bench.call();
    bench.answer(new, 2);
    assert_eq!(bench.results(first), [Ok(2)]);
    // The repeated one joined what there was to be sent, which is newer than what was under way.
    assert_eq!(bench.results(repeated), [Ok(2)]);
    assert!(!bench.core.is_complete(early));
    bench.answer(old, 1);
    assert_eq!(bench.results(early), [Ok(1)]);

    // The older answer came last, and replaces nothing.
    let repeated = bench.mount(&["a"], Some(&known));
    assert_eq!(bench.results(repeated), [Ok(2)]);
    bench.assert_empty();

    bench.pass(60);
    let other = bench.known("v");
    let leader = bench.mount(&["a"], Some(&known));
    let call = bench.call();
    let joining = bench.mount(&["a"], Some(&other));
    bench.answer(call, 3);
    assert_eq!(bench.results(leader), [Ok(3)]);
    assert_eq!(bench.results(joining), [Ok(3)]);
    bench.assert_empty();
}

#[test]
fn errors_are_shared_with_those_who_waited_and_not_remembered() {
    let mut bench = Bench::wide();
    let known = bench.known("u");
    let first = bench.mount(&["a"], None);
    let second = bench.mount(&["a"], Some(&known));
    let call = bench.call();
    bench.fail(call, "denied", Class::Definite);
    assert_eq!(bench.results(first), [Err("denied")]);
    assert_eq!(bench.results(second), [Err("denied")]);
    let third = bench.mount(&["a"], Some(&known));
    let call = bench.call();
    bench.answer(call, 1);
    assert_eq!(bench.results(third), [Ok(1)]);
    bench.assert_empty();
}

#[test]
fn a_waiter_does_not_lose_by_a_leader_that_leaves() {
    let mut bench = Bench::narrow(1);
    let blocker = bench.mount(&["x"], None);
    let blocking = bench.call();
    let leader = bench.mount_within(&["a", "b"], None, 5);
    let waiter = bench.mount_within(&["a"], None, 100);
    assert_eq!(bench.leave(leader), [Err("unfinished"), Err("unfinished")]);
    assert_eq!(
        bench.core.load(Service::Kms),
        (1, 1),
        "what only the leader wanted is gone"
    );
    bench.answer(blocking, 0);
    bench.leave(blocker);
    let calls = bench.calls();
    assert_eq!(calls.len(), 1);
    assert_eq!(
        calls[0].deadline,
        bench.now + Duration::from_secs(100),
        "the waiter's own"
    );
    bench.answer(calls[0].flight, 7);
    assert_eq!(bench.results(waiter), [Ok(7)]);
    bench.assert_empty();
}

#[test]
fn a_leader_that_leaves_during_the_call_and_its_retry() {
    let mut bench = Bench::wide();
    let leader = bench.mount_within(&["a"], None, 1);
    let waiter = bench.mount_within(&["a"], None, 100);
    let call = bench.call();
    bench.leave(leader);
    bench.pass(2);
    bench.fail(call, "out of order", Class::Unavailable);
    assert!(!bench.core.is_complete(waiter), "there is time for a retry");
    let call = bench.call();
    bench.answer(call, 7);
    assert_eq!(bench.results(waiter), [Ok(7)]);
    bench.assert_empty();
}

#[test]
fn a_call_that_nobody_waits_for_any_more() {
    let mut bench = Bench::wide();
    let party = bench.mount(&["a"], None);
    let call = bench.call();
    bench.leave(party);
    bench.fail(call, "out of order", Class::Unavailable);
    assert!(bench.calls().is_empty(), "no retry for nobody");
    bench.assert_empty();

    let party = bench.mount(&["a"], None);
    let call = bench.call();
    bench.leave(party);
    bench.answer(call, 1);
    let known = bench.known("u");
    let repeated = bench.mount(&["a"], Some(&known));
    assert_eq!(bench.results(repeated), [Ok(1)], "what it brought is still good");
    bench.assert_empty();
}

#[test]
fn copies_serve_known_volumes_for_the_interval_and_no_others() {
    let mut bench = Bench::wide();
    let known = bench.known("u");
    let first = bench.mount(&["a"], None);
    let call = bench.call();
    bench.pass(1);
    bench.answer(call, 1);
    bench.leave(first);

    bench.pass(58);
    let repeated = bench.mount(&["a"], Some(&known));
    assert_eq!(bench.results(repeated), [Ok(1)]);
    assert_eq!(bench.core.counts().copies, 1);

    let fresh = bench.mount(&["a"], Volume::new("other", "path").as_ref());
    let call = bench.call();
    bench.answer(call, 2);
    bench.leave(fresh);
    let repeated = bench.mount(&["a"], Some(&known));
    assert_eq!(
        bench.results(repeated),
        [Ok(2)],
        "a first Mount refreshes the copy for all"
    );

    bench.pass(60);
    let repeated = bench.mount(&["a"], Some(&known));
    let call = bench.call();
    bench.answer(call, 3);
    assert_eq!(bench.results(repeated), [Ok(3)]);
    bench.assert_empty();
}

/// Pods of many nodes that start together do not ask together from then on: what a first Mount reads is shared for a
/// random part of the interval, what a repeated one reads for all of it.
#[test]
fn what_starts_together_spreads() {
    let mut bench = Bench::wide();
    let known = bench.known("u");
    bench.mount(&["a"], None);
    let call = bench.call();
    bench.core.finish(call, Outcome::Value(1, 10), 0.75, bench.now);
    bench.pass(14);
    let repeated = bench.mount(&["a"], Some(&known));
    assert_eq!(bench.results(repeated), [Ok(1)]);
    bench.pass(1);
    bench.mount(&["a"], Some(&known));
    let call = bench.call();
    bench.core.finish(call, Outcome::Value(2, 10), 0.75, bench.now);
    bench.pass(59);
    let repeated = bench.mount(&["a"], Some(&known));
    assert_eq!(bench.results(repeated), [Ok(2)]);
    bench.pass(1);
    bench.mount(&["a"], Some(&known));
    // The same after an outage.
    let call = bench.call();
    bench.fail(call, "out of order", Class::Unavailable);
    let call = bench.call();
    bench.core.finish(call, Outcome::Value(3, 10), 0.5, bench.now);
    bench.pass(30);
    bench.mount(&["a"], Some(&known));
    assert_eq!(bench.calls().len(), 1);
}

/// Its age counts from when the call was sent, not from when it was answered.
#[test]
fn a_slow_answer_is_old_when_it_arrives() {
    let mut bench = Bench::wide();
    let known = bench.known("u");
    bench.mount(&["a"], None);
    let call = bench.call();
    bench.pass(60);
    bench.answer(call, 1);
    bench.mount(&["a"], Some(&known));
    assert_eq!(bench.calls().len(), 1);
}

#[test]
fn without_an_interval_every_mount_reads() {
    let mut bench = Bench::new(&settings(100, 0, Duration::ZERO));
    let known = bench.known("u");
    for value in 0..3 {
        let party = bench.mount(&["a"], Some(&known));
        let call = bench.call();
        bench.answer(call, value);
        assert_eq!(bench.results(party), [Ok(value)]);
    }
    let under_way = bench.mount(&["a"], Some(&known));
    let call = bench.call();
    let later = bench.mount(&["a"], Some(&known));
    let later_call = bench.call();
    bench.answer(later_call, 9);
    bench.answer(call, 8);
    assert_eq!(
        (bench.results(under_way), bench.results(later)),
        (vec![Ok(8)], vec![Ok(9)])
    );
    assert_eq!(bench.core.copies(), (0, 0));
    bench.assert_empty();
}

#[test]
fn a_definite_refusal_ends_the_copy() {
    let mut bench = Bench::wide();
    let known = bench.known("u");
    bench.mount(&["a"], None);
    let call = bench.call();
    bench.answer(call, 1);
    bench.pass(1);
    bench.mount(&["a"], None);
    let call = bench.call();
    bench.fail(call, "denied", Class::Definite);
    bench.mount(&["a"], Some(&known));
    assert_eq!(bench.calls().len(), 1, "it asks the cloud again");
}

/// Two keys, whether they differ in identity or in name, have nothing in common.
#[test]
fn keys_share_nothing() {
    let mut bench = Bench::wide();
    let known = bench.known("u");
    let ours = bench.mount(&["alice/secret"], Some(&known));
    let theirs = bench.mount(&["bob/secret"], Some(&known));
    let calls = bench.calls();
    assert_eq!(calls.len(), 2);
    bench.answer(calls[0].flight, 1);
    assert!(!bench.core.is_complete(theirs));
    bench.fail(calls[1].flight, "denied", Class::Definite);
    assert_eq!(bench.results(ours), [Ok(1)]);
    assert_eq!(bench.results(theirs), [Err("denied")]);
    let theirs = bench.mount(&["bob/secret"], Some(&known));
    assert_eq!(bench.calls().len(), 1, "the copy of the other is not theirs");
    assert!(!bench.core.is_complete(theirs));
}

#[test]
fn a_refusal_cancels_nobody_and_all_refusals_are_told() {
    let mut bench = Bench::narrow(1);
    let party = bench.mount(&["a", "b", "c"], None);
    for outcome in [Err("denied"), Ok(1), Err("missing")] {
        let call = bench.call();
        match outcome {
            Ok(value) => bench.answer(call, value),
            Err(error) => bench.fail(call, error, Class::Definite),
        }
    }
    assert_eq!(bench.results(party), [Err("denied"), Ok(1), Err("missing")]);
    bench.assert_empty();
}

#[test]
fn an_outage_cancels_what_has_not_started() {
    let mut bench = Bench::narrow(2);
    let party = bench.mount(&["a", "b", "c", "d"], None);
    let other = bench.mount(&["d"], None);
    let calls = bench.calls();
    assert_eq!(calls.len(), 2);
    let (failing, running) = (calls[0].flight, calls[1].flight);
    let mut failing = failing;
    for attempt in 1..=limits::FETCH_ATTEMPTS {
        bench.fail(failing, "out of order", Class::Unavailable);
        if attempt < limits::FETCH_ATTEMPTS {
            failing = bench.call();
        }
    }
    assert!(!bench.core.is_complete(party), "what is under way is waited for");
    let shared = bench.call();
    bench.answer(running, 2);
    assert_eq!(
        bench.results(party),
        [Err("out of order"), Ok(2), Err("skipped"), Err("skipped")]
    );
    assert_eq!(
        bench.core.load(Service::Kms),
        (0, 1),
        "nobody asks for c any more"
    );
    bench.answer(shared, 4);
    assert_eq!(bench.results(other), [Ok(4)], "others do not give up for it");
    bench.assert_empty();
}

#[test]
fn after_an_outage_a_mount_asks_for_one_value_and_then_for_the_rest() {
    let mut bench = Bench::wide();
    let first = bench.mount(&["a"], None);
    for _ in 0..limits::FETCH_ATTEMPTS {
        let call = bench.call();
        bench.fail(call, "503", Class::Unavailable);
        bench.pass(1);
    }
    assert_eq!(bench.results(first), [Err("503")]);

    let failing = bench.mount(&["b", "c", "d"], None);
    let waiting = bench.mount(&["e", "c", "d"], None);
    let calls = bench.calls();
    assert_eq!(calls.len(), 2, "one of each Mount, e and b");
    bench.core.leave(failing, bench.now);
    assert_eq!(bench.calls().len(), 0, "what has been sent was not answered yet");
    bench.fail(calls[1].flight, "503", Class::Unavailable);
    let next = bench.calls();
    assert_eq!(next.len(), 1, "what the other has joined goes on, one at a time");
    bench.answer(next[0].flight, 3);
    bench.answer(calls[0].flight, 5);
    let last = bench.call();
    bench.answer(last, 4);
    assert_eq!(bench.results(waiting), [Ok(5), Ok(3), Ok(4)]);

    bench.mount(&["f", "g", "h"], None);
    assert_eq!(bench.calls().len(), 3, "the service is in reach again");
}

#[test]
fn under_an_outage_a_try_that_fails_is_the_last() {
    let mut bench = Bench::narrow(2);
    let party = bench.mount(&["a", "b"], None);
    let calls = bench.calls();
    let (mut failing, slow) = (calls[0].flight, calls[1].flight);
    for _ in 1..limits::FETCH_ATTEMPTS {
        bench.fail(failing, "out of order", Class::Unavailable);
        failing = bench.call();
    }
    bench.fail(failing, "out of order", Class::Unavailable);
    bench.fail(slow, "timed out", Class::Unavailable);
    assert_eq!(bench.results(party), [Err("out of order"), Err("timed out")]);
    assert!(bench.calls().is_empty());
    bench.assert_empty();
}

#[test]
fn ended_credentials_are_replaced_at_once_and_without_budget() {
    let mut bench = Bench::wide();
    let party = bench.mount(&["a"], None);
    let call = bench.call();
    bench.core.finish(call, Outcome::Renewed(2), 1.0, bench.now);
    let calls = bench.calls();
    assert_eq!(
        (calls.len(), calls[0].job),
        (1, 2),
        "the same call with fresh credentials"
    );
    bench.answer(calls[0].flight, 5);
    assert_eq!(bench.results(party), [Ok(5)]);
    bench.assert_empty();
}

#[test]
fn an_outage_is_not_amplified() {
    let mut bench = Bench::narrow(512);
    let mut calls = 0;
    let keys: Vec<&'static str> = (0..1000).map(|key| &*key.to_string().leak()).collect();
    for key in &keys {
        let party = bench.mount(&[key], None);
        while !bench.core.is_complete(party) {
            let call = bench.call();
            calls += 1;
            bench.fail(call, "out of order", Class::Unavailable);
        }
        bench.leave(party);
    }
    let most = 1000.0 * (1.0 + limits::RETRIES_PER_TRY) + limits::RETRY_BUDGET + 1.0;
    assert!(f64::from(calls) <= most, "{calls} calls for 1000 requests");
    assert!(
        f64::from(calls) >= 1000.0 + limits::RETRY_BUDGET,
        "{calls}: there are retries"
    );
    assert!(bench.core.counts().unaffordable > 0);
    bench.assert_empty();
}

#[test]
fn throttles_slow_the_service_down_and_leave_the_other_alone() {
    let mut bench = Bench::wide();
    let party = bench.mount(&["a", "b", "c", "d"], None);
    for call in bench.calls() {
        bench.fail(call.flight, "throttled", Class::Throttled);
    }
    assert!(!bench.core.is_complete(party));
    assert!(bench.calls().is_empty(), "four at once were too many");
    let other = Want {
        service: Service::Oos,
        key: "e",
        job: Ok(OLD_JOB),
    };
    let deadline = bench.now + INTERVAL;
    bench.core.mount(vec![other], None, deadline, bench.now);
    bench.call();
    let mut seconds = 0.0;
    let mut made = 0;
    while made < 4 {
        match bench.core.next(bench.now) {
            Next::Call(call) => {
                made += 1;
                bench.answer(call.flight, 1);
            }
            Next::At(time) => {
                seconds += (time - bench.now).as_secs_f64();
                bench.now = time;
            }
            Next::Nothing => panic!("calls are due"),
        }
    }
    assert!(
        (0.75..0.82).contains(&seconds),
        "five a second and recovering: {seconds} s for four"
    );
    assert_eq!(bench.results(party), [Ok(1); 4]);
}

#[test]
fn a_retry_joins_a_newer_call_of_the_same_key() {
    let mut bench = Bench::wide();
    let early = bench.mount(&["a"], None);
    let old = bench.call();
    let late = bench.mount(&["a"], None);
    bench.fail(old, "out of order", Class::Unavailable);
    let call = bench.call();
    bench.answer(call, 1);
    assert_eq!(bench.results(early), [Ok(1)]);
    assert_eq!(bench.results(late), [Ok(1)]);
    bench.assert_empty();
}

#[test]
fn a_first_mount_may_join_a_call_between_two_tries() {
    let mut bench = Bench::wide();
    let early = bench.mount(&["a"], None);
    let call = bench.call();
    let pause = Outcome::Failed {
        error: "throttled",
        class: Class::Unavailable,
        hint: None,
    };
    bench.core.finish(call, pause, 1.0, bench.now);
    let late = bench.mount(&["a"], None);
    assert!(bench.calls().is_empty());
    bench.pass(1);
    let call = bench.call();
    bench.answer(call, 1);
    assert_eq!(bench.results(early), [Ok(1)]);
    assert_eq!(bench.results(late), [Ok(1)]);
    bench.assert_empty();
}

#[test]
fn whoever_leaves_between_two_tries_learns_of_the_last_one() {
    let mut bench = Bench::wide();
    let party = bench.mount(&["a"], None);
    let call = bench.call();
    let outcome = Outcome::Failed {
        error: "throttled",
        class: Class::Throttled,
        hint: Some(Duration::from_secs(5)),
    };
    bench.core.finish(call, outcome, 0.0, bench.now);
    assert_eq!(bench.leave(party), [Err("throttled")]);
    bench.pass(10);
    assert!(bench.calls().is_empty());
    bench.assert_empty();
}

/// The figure that SPECIFICATION.md promises: a node of 110 pods that share 5 values, republished for ten minutes.
#[test]
fn a_node_reads_each_value_once_per_interval() {
    const KEYS: [&str; 5] = ["a", "b", "c", "d", "e"];
    let mut bench = Bench::new(&settings(10, 50, INTERVAL));
    let volumes: Vec<Volume> = (0..110)
        .map(|pod| Volume::new(&format!("pod-{pod}"), "path").expect("a volume"))
        .collect();
    let start = bench.now;
    let round = |bench: &mut Bench, apart: Duration| {
        for volume in &volumes {
            bench.now += apart;
            let party = bench.mount(&KEYS, Some(volume));
            while !bench.core.is_complete(party) {
                for call in bench.calls() {
                    bench.now += Duration::from_millis(20);
                    bench.answer(call.flight, 1);
                }
            }
            assert_eq!(bench.results(party), [Ok(1); 5]);
            bench.core.mounted(volume, bench.now);
        }
    };
    // A node that starts: every pod reads for itself, as the values may have changed since the pod before.
    round(&mut bench, Duration::ZERO);
    let after_start = bench.core.counts().calls;
    let republished = bench.now;
    // kubelet asks about every volume each 75 s, at different times.
    while bench.now < republished + Duration::from_secs(600) {
        round(&mut bench, Duration::from_secs(75) / 110);
    }
    let calls = bench.core.counts().calls - after_start;
    let seconds = (bench.now - start).as_secs();
    assert!(seconds >= 600);
    assert!(calls <= 5 * (600 / 60 + 1), "{calls} calls");
    assert!(calls >= 5 * 8, "{calls} calls: values are read anew at all");
    let (copies, bytes) = bench.core.copies();
    assert!(
        copies == 5 && bytes < 5 * 1024,
        "{copies} copies of {bytes} bytes"
    );
}
