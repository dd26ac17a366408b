//! Serving cached values in an outage: one test for each rule.

use super::super::stale::{Lack, may_stand_in};
use super::*;

const HOUR: Duration = Duration::from_secs(3_600);

impl Bench {
    /// Values are kept for an hour, and never shared.
    fn keeping() -> Self {
        Self::keeping_for(HOUR, settings(100, 0, Duration::ZERO))
    }

    pub(super) fn keeping_for(serve_stale_for: Duration, settings: Settings) -> Self {
        Self::new(&Settings {
            serve_stale_for,
            ..settings
        })
    }

    /// A mount has read `value` for `key`.
    fn has_read(&mut self, key: &'static str, value: u32) {
        let party = self.mount(&[key], None);
        let call = self.call();
        self.answer(call, value);
        assert_eq!(self.results(party), [Ok(value)]);
    }

    /// Fails every call there is now, and the retries.
    fn fail_all(&mut self, class: FailureClass) {
        loop {
            let calls = self.calls();
            if calls.is_empty() {
                break;
            }
            for call in calls {
                self.fail(call.flight, "out of order", class);
            }
        }
    }

    /// A mount's results: a value read now, one read so many seconds ago, or an error.
    fn takes(&mut self, party: PartyId) -> Vec<Taken> {
        let settled = self.core.leave(party, self.now);
        let taken = |settled| match settled {
            Settled::Value(value) => New(value),
            Settled::Stale { value, read, .. } => Old(value, (self.now - read).as_secs()),
            Settled::Failed(error) => Nothing(error),
            Settled::Skipped => Nothing("skipped"),
            Settled::TooMuch => Nothing("too much"),
            Settled::Unfinished => Nothing("unfinished"),
        };
        settled.into_iter().map(taken).collect()
    }

    /// The results of a mount of `keys` while the cloud is unavailable.
    fn takes_in_an_outage(&mut self, keys: &[&'static str], volume: Option<&Volume>) -> Vec<Taken> {
        let party = self.mount(keys, volume);
        self.fail_all(FailureClass::Unavailable);
        assert!(self.core.is_complete(party));
        let taken = self.takes(party);
        self.assert_empty();
        taken
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Taken {
    New(u32),
    Old(u32, u64),
    Nothing(&'static str),
}
use Taken::{New, Nothing, Old};

#[test]
fn what_may_stand_in_for_what() {
    let long = limits::STALE_UNANSWERED;
    let short = long - Duration::from_millis(1);
    for (lack, may) in [
        (Lack::Nothing, false),
        (Lack::Refused, false),
        (Lack::OutOfReach, true),
        (Lack::Unanswered(Duration::ZERO), false),
        (Lack::Unanswered(short), false),
        (Lack::Unanswered(long), true),
        (Lack::Unsent { is_troubled: false }, false),
        (Lack::Unsent { is_troubled: true }, true),
    ] {
        assert_eq!(may_stand_in(lack), may, "{lack:?}");
    }
}

#[test]
fn an_outage_serves_what_was_read_before_to_pods_that_start_and_to_those_that_run() {
    let mut bench = Bench::keeping();
    let known = bench.known("u");
    bench.has_read("a", 1);
    bench.pass(60);
    for volume in [&volume("new"), &known] {
        assert_eq!(bench.takes_in_an_outage(&["a"], Some(volume)), [Old(1, 60)]);
    }
    assert_eq!(bench.core.counts().stale, 2);
    // A value that is read again replaces the cached one.
    bench.has_read("a", 2);
    bench.pass(1);
    assert_eq!(
        bench.takes_in_an_outage(&["a"], Some(&volume("new"))),
        [Old(2, 1)]
    );
}

#[test]
fn every_kind_of_outage_and_nothing_else() {
    for (class, taken) in [
        (FailureClass::Unavailable, Old(1, 1)),
        (FailureClass::Interrupted, Old(1, 1)),
        (FailureClass::Throttled, Old(1, 1)),
        (FailureClass::Definite, Nothing("out of order")),
    ] {
        let mut bench = Bench::keeping();
        bench.has_read("a", 1);
        bench.pass(1);
        let party = bench.mount_within(&["a"], Some(&volume("new")), 1000);
        for _ in 0..100 {
            bench.fail_all(class);
            if bench.core.is_complete(party) {
                break;
            }
            bench.now += Duration::from_millis(10);
        }
        let taken_now = bench.takes(party);
        let is_as_expected = match (taken_now.as_slice(), taken) {
            ([Old(1, _)], Old(..)) => true,
            (now, taken) => now == [taken],
        };
        assert!(is_as_expected, "{class:?}: {taken_now:?}");
    }
}

/// Retries beyond the budget count as an outage, and so do calls that were not made.
#[test]
fn without_budget_and_without_being_asked() {
    let mut bench = Bench::keeping_for(HOUR, settings(1, 0, Duration::ZERO));
    for (value, key) in (1..).zip(["a", "b", "c"]) {
        bench.has_read(key, value);
    }
    // The last of these spends the retry that five of them earn together.
    for _ in 0..21 {
        bench.takes_in_an_outage(&["x"], Some(&volume("new")));
    }
    let before = bench.core.counts();
    assert!(before.unaffordable > 0);
    assert_eq!(
        bench.takes_in_an_outage(&["a", "b", "c"], Some(&volume("new"))),
        [Old(1, 0), Old(2, 0), Old(3, 0)]
    );
    assert_eq!(bench.core.counts().calls, before.calls + 1, "one try, no retry");
}

#[test]
fn a_refusal_is_never_covered_and_takes_the_value_along() {
    let mut bench = Bench::keeping();
    bench.has_read("a", 1);
    let party = bench.mount(&["a"], Some(&volume("new")));
    let call = bench.call();
    bench.fail(call, "denied", FailureClass::Definite);
    assert_eq!(bench.takes(party), [Nothing("denied")]);
    assert_eq!(bench.core.stale(), (0, 0));
    assert_eq!(
        bench.takes_in_an_outage(&["a"], Some(&volume("new"))),
        [Nothing("out of order")]
    );
}

/// It may have been read before or after the refusal.
#[test]
fn what_was_under_way_when_the_cloud_refused_is_not_kept() {
    let mut bench = Bench::keeping();
    let early = bench.mount(&["a"], Some(&volume("new")));
    let slow = bench.call();
    let late = bench.mount(&["a"], Some(&volume("new")));
    let refused = bench.call();
    bench.fail(refused, "denied", FailureClass::Definite);
    bench.answer(slow, 1);
    assert_eq!(
        (bench.takes(early), bench.takes(late)),
        (vec![New(1)], vec![Nothing("denied")])
    );
    assert_eq!(
        bench.takes_in_an_outage(&["a"], Some(&volume("new"))),
        [Nothing("out of order")]
    );
    bench.has_read("a", 2);
    assert_eq!(
        bench.takes_in_an_outage(&["a"], Some(&volume("new"))),
        [Old(2, 0)]
    );
}

/// Counted from when the call was sent, which is never later than the cloud's answer.
#[test]
fn never_past_the_duration() {
    let mut bench = Bench::keeping();
    let party = bench.mount(&["a"], Some(&volume("new")));
    let call = bench.call();
    bench.pass(10);
    bench.answer(call, 1);
    bench.leave(party);
    bench.pass(3_589);
    assert_eq!(
        bench.takes_in_an_outage(&["a"], Some(&volume("new"))),
        [Old(1, 3_599)]
    );
    // The mount came in time, and leaves too late.
    let party = bench.mount(&["a"], Some(&volume("new")));
    bench.fail_all(FailureClass::Unavailable);
    bench.pass(1);
    assert_eq!(bench.takes(party), [Nothing("out of order")]);
    assert_eq!(bench.core.expiry(), Some(bench.now));
    bench.core.sweep(bench.now);
    assert_eq!(bench.core.stale(), (0, 0));
}

#[test]
fn never_to_another_identity() {
    let mut bench = Bench::keeping();
    bench.has_read("alice/secret", 1);
    let theirs = bench.takes_in_an_outage(&["bob/secret"], Some(&volume("new")));
    assert_eq!(theirs, [Nothing("out of order")]);
    bench.has_read("bob/secret", 2);
    bench.core.forget(|key| key.starts_with("alice/"));
    let ours = bench.takes_in_an_outage(&["alice/secret"], Some(&volume("new")));
    assert_eq!(ours, [Nothing("out of order")]);
    assert_eq!(
        bench.takes_in_an_outage(&["bob/secret"], Some(&volume("new"))),
        [Old(2, 0)]
    );
}

/// Parts of different age may not match: the current version with the one before it, or what two identities may read
/// of one secret. One object in several files is one value.
#[test]
fn never_a_secret_that_is_named_in_several_ways() {
    let mut bench = Bench::keeping();
    for (value, key) in (1..).zip(["s", "s@previous", "alice/s", "t"]) {
        bench.has_read(key, value);
    }
    for together in [["s", "s@previous"], ["s", "alice/s"]] {
        let taken = bench.takes_in_an_outage(&together, Some(&volume("new")));
        let served = taken.iter().any(|taken| !matches!(taken, Nothing(_)));
        assert!(!served, "{together:?}: {taken:?}");
    }
    let taken = bench.takes_in_an_outage(&["s", "t", "s"], Some(&volume("new")));
    assert_eq!(taken, [Old(1, 0), Old(4, 0), Old(1, 0)]);
    // One old and one new part must not be combined either.
    let mut bench = Bench::keeping();
    bench.has_read("s@previous", 2);
    let party = bench.mount(&["s", "s@previous"], Some(&volume("new")));
    let calls = bench.calls();
    bench.answer(calls[0].flight, 5);
    bench.fail(calls[1].flight, "out of order", FailureClass::Unavailable);
    bench.fail_all(FailureClass::Unavailable);
    assert_eq!(bench.takes(party), [New(5), Nothing("out of order")]);
}

/// Clients other than kubelet, such as the sync controller, get what the cloud holds now or an error, and wait for
/// the cloud until their deadline.
#[test]
fn never_to_whoever_fills_no_volume() {
    let mut bench = Bench::keeping();
    bench.has_read("a", 1);
    assert_eq!(bench.takes_in_an_outage(&["a"], None), [Nothing("out of order")]);
    let silent = bench.mount(&["a"], None);
    let beside = bench.mount(&["a"], Some(&volume("new")));
    let under_way = bench.call();
    let deadline = bench.now + Duration::from_secs(100);
    bench.now += limits::STALE_PATIENCE;
    assert_eq!(bench.core.wait(silent, bench.now), Some(deadline));
    assert_eq!(bench.core.wait(beside, bench.now), None);
    assert_eq!(bench.takes(beside), [Old(1, 10)]);
    bench.now = deadline;
    assert_eq!(bench.core.wait(silent, bench.now), None);
    assert_eq!(bench.takes(silent), [Nothing("unfinished")]);
    let want = Want {
        service: Service::Kms,
        key: "a",
        job: Err("STS is out of reach"),
    };
    bench.fail(under_way, "out of order", FailureClass::Unavailable);
    let entered = bench.core.mount(vec![want], None, deadline, bench.now);
    assert_eq!(bench.takes(entered.party), [Nothing("STS is out of reach")]);
    assert_eq!(bench.core.counts().stale, 1);
    assert_eq!(
        bench.takes_in_an_outage(&["a"], Some(&volume("new"))),
        [Old(1, 100)]
    );
}

/// Different secrets may be of different age; a missing one fails the mount.
#[test]
fn old_values_beside_new_ones_and_beside_none() {
    let mut bench = Bench::keeping();
    bench.has_read("a", 1);
    let party = bench.mount(&["a", "b", "c"], Some(&volume("new")));
    let calls = bench.calls();
    bench.answer(calls[1].flight, 2);
    bench.fail(calls[0].flight, "out of order", FailureClass::Unavailable);
    bench.fail(calls[2].flight, "out of order", FailureClass::Unavailable);
    bench.fail_all(FailureClass::Unavailable);
    let taken = bench.takes(party);
    assert_eq!(taken, [Old(1, 0), New(2), Nothing("out of order")]);
}

#[test]
fn whoever_has_no_credentials_gets_old_values_only() {
    let mut bench = Bench::keeping();
    bench.has_read("a", 1);
    let wants = ["a", "b"].map(|key| Want {
        service: Service::Kms,
        key,
        job: Err("STS is out of reach"),
    });
    let deadline = bench.now + INTERVAL;
    let entered = bench
        .core
        .mount(wants.into(), Some(&volume("new")), deadline, bench.now);
    assert_eq!(entered.origins, [Origin::Nobody; 2]);
    assert!(bench.calls().is_empty() && bench.core.is_complete(entered.party));
    assert_eq!(
        bench.takes(entered.party),
        [Old(1, 0), Nothing("STS is out of reach")]
    );
    bench.assert_empty();
}

#[test]
fn nobody_is_served_so_by_default() {
    let mut bench = Bench::wide();
    bench.has_read("a", 1);
    assert!(!bench.core.serves_stale());
    assert_eq!(
        bench.takes_in_an_outage(&["a"], Some(&volume("new"))),
        [Nothing("out of order")]
    );
    let party = bench.mount(&["a"], Some(&volume("new")));
    assert_eq!(
        bench.core.wait(party, bench.now + limits::STALE_PATIENCE),
        Some(bench.now + Duration::from_secs(100)),
        "until its deadline"
    );
}

/// How long a mount waits: first for the patience, then until cached values are available for all unsettled ones.
#[test]
fn a_mount_waits_for_a_silent_cloud_and_not_for_ever() {
    let mut bench = Bench::keeping();
    bench.has_read("a", 1);
    let (served, not_served) = (
        bench.mount(&["a"], Some(&volume("new"))),
        bench.mount(&["b"], Some(&volume("new"))),
    );
    assert_eq!(bench.calls().len(), 2);
    let entered = bench.now;
    let patience = entered + limits::STALE_PATIENCE;
    assert_eq!(bench.core.wait(served, bench.now), Some(patience));
    bench.now = patience;
    assert_eq!(bench.core.wait(served, bench.now), None);
    assert_eq!(bench.takes(served), [Old(1, 10)]);
    assert_eq!(
        bench.core.wait(not_served, bench.now),
        Some(patience + limits::STALE_LOOK),
        "nothing stands in"
    );
    bench.now = entered + Duration::from_secs(100);
    assert_eq!(bench.core.wait(not_served, bench.now), None);
    assert_eq!(bench.takes(not_served), [Nothing("unfinished")]);
}

#[test]
fn a_deadline_before_the_patience_is_over() {
    let mut bench = Bench::keeping();
    bench.has_read("a", 1);
    let party = bench.mount_within(&["a"], Some(&volume("new")), 2);
    bench.call();
    assert_eq!(
        bench.core.wait(party, bench.now),
        Some(bench.now + Duration::from_secs(2))
    );
    bench.pass(2);
    assert_eq!(bench.core.wait(party, bench.now), None);
    assert_eq!(bench.takes(party), [Old(1, 2)]);
}

/// A call that only waits for our own limits is not in an outage, unless other calls have met one.
#[test]
fn what_waits_for_its_turn() {
    let mut bench = Bench::keeping_for(HOUR, settings(1, 0, Duration::ZERO));
    bench.has_read("a", 1);
    let first = bench.mount(&["x"], Some(&volume("new")));
    let blocking = bench.call();
    let party = bench.mount(&["a"], Some(&volume("new")));
    bench.now += limits::STALE_PATIENCE;
    let next_look = bench.now + limits::STALE_LOOK;
    assert_eq!(bench.core.wait(party, bench.now), Some(next_look));
    bench.fail(blocking, "out of order", FailureClass::Unavailable);
    bench.call();
    assert_eq!(bench.core.wait(party, bench.now), None);
    assert_eq!(bench.takes(party), [Old(1, 10)]);
    bench.leave(first);
}

/// That another endpoint is down is no reason to serve an old value of a healthy one.
#[test]
fn what_waits_while_another_endpoint_is_down() {
    let mut bench = Bench::keeping_for(HOUR, settings(1, 0, Duration::ZERO));
    bench.has_read("near:a", 1);
    let first = bench.mount(&["far:x"], Some(&volume("new")));
    let blocking = bench.call();
    let party = bench.mount(&["near:a"], Some(&volume("new")));
    bench.now += limits::STALE_PATIENCE;
    bench.fail(blocking, "out of order", FailureClass::Unavailable);
    bench.call();
    let next_look = bench.now + limits::STALE_LOOK;
    assert_eq!(bench.core.wait(party, bench.now), Some(next_look));
    assert_eq!(bench.takes(party), [Nothing("unfinished")]);
    bench.leave(first);
}

#[test]
fn a_slow_down_after_throttles_is_an_outage_for_those_in_line() {
    let mut bench = Bench::keeping_for(HOUR, settings(100, 0, Duration::ZERO));
    bench.has_read("a", 1);
    bench.mount(&["x"], Some(&volume("new")));
    let call = bench.call();
    let held = Outcome::Failed {
        error: "throttled",
        class: FailureClass::Throttled,
        hint: Some(limits::THROTTLE_HINT_CAP),
    };
    bench.core.finish(call, held, 0.0, bench.now);
    let party = bench.mount_within(&["a"], Some(&volume("new")), 5);
    assert!(bench.calls().is_empty());
    bench.pass(5);
    assert_eq!(bench.takes(party), [Old(1, 5)]);
}

#[test]
fn a_mount_that_was_taken_back_takes_nothing() {
    let mut bench = Bench::keeping();
    bench.has_read("a", 1);
    let party = bench.mount(&["a"], Some(&volume("new")));
    bench.fail_all(FailureClass::Unavailable);
    assert!(matches!(
        bench.core.cancel(party)[..],
        [Settled::Failed("out of order")]
    ));
    assert_eq!(bench.core.counts().stale, 0);
    bench.assert_empty();
}

/// If a new value cannot be kept, the one before it is not served either.
#[test]
fn what_is_too_large_to_keep_ends_what_was_kept() {
    let mut bench = Bench::keeping();
    bench.has_read("a", 1);
    let party = bench.mount(&["a"], Some(&volume("new")));
    let call = bench.call();
    bench
        .core
        .finish(call, Outcome::Value(2, 1 << 21), 0.0, bench.now);
    bench.leave(party);
    assert_eq!(
        bench.takes_in_an_outage(&["a"], Some(&volume("new"))),
        [Nothing("out of order")]
    );
    assert_eq!(bench.core.stale(), (0, 0));
}

/// The same holds for a value that was requested earlier and arrives later.
#[test]
fn what_is_too_large_to_keep_keeps_out_what_is_older() {
    let mut bench = Bench::keeping_for(HOUR, settings(100, 0, INTERVAL));
    let known = bench.known("u");
    let early = bench.mount(&["a"], Some(&volume("new")));
    let slow = bench.call();
    bench.pass(1);
    let late = bench.mount(&["a"], Some(&volume("new")));
    let call = bench.call();
    bench
        .core
        .finish(call, Outcome::Value(2, 1 << 21), 0.0, bench.now);
    bench.answer(slow, 1);
    assert_eq!(
        (bench.takes(early), bench.takes(late)),
        (vec![New(1)], vec![New(2)])
    );
    assert_eq!((bench.core.copies(), bench.core.stale()), ((0, 0), (0, 0)));
    let taken = bench.takes_in_an_outage(&["a"], Some(&known));
    assert_eq!(taken, [Nothing("out of order")]);
}

/// Copies for sharing and copies for outages are independent.
#[test]
fn beside_a_refresh_interval() {
    let mut bench = Bench::keeping_for(HOUR, settings(100, 0, INTERVAL));
    let known = bench.known("u");
    bench.has_read("a", 1);
    let repeated = bench.mount(&["a"], Some(&known));
    assert_eq!(bench.takes(repeated), [New(1)], "shared, and young enough for it");
    bench.pass(INTERVAL.as_secs());
    bench.core.sweep(bench.now);
    assert_eq!((bench.core.copies().0, bench.core.stale().0), (0, 1));
    assert_eq!(bench.takes_in_an_outage(&["a"], Some(&known)), [Old(1, 60)]);
}
