//! A mount that gives up takes nothing from others, and leaves nothing behind.

use super::*;

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
    bench.fail(call, "out of order", FailureClass::Unavailable);
    assert!(!bench.core.is_complete(waiter), "there is time for a retry");
    let call = bench.call();
    bench.answer(call, 7);
    assert_eq!(bench.results(waiter), [Ok(7)]);
    bench.assert_empty();
}

/// A call without the time that a patient mount has says nothing about the outcome for it.
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
        bench.fail(call.flight, "late", FailureClass::Unavailable);
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

#[test]
fn a_call_that_nobody_waits_for_any_more() {
    let mut bench = Bench::wide();
    let party = bench.mount(&["a"], None);
    let call = bench.call();
    bench.leave(party);
    bench.fail(call, "out of order", FailureClass::Unavailable);
    assert!(bench.calls().is_empty(), "no retry without waiters");
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
fn whoever_leaves_between_two_tries_learns_of_the_last_one() {
    let mut bench = Bench::wide();
    let party = bench.mount(&["a"], None);
    let call = bench.call();
    let outcome = Outcome::Failed {
        error: "throttled",
        class: FailureClass::Throttled,
        hint: Some(Duration::from_secs(5)),
    };
    bench.core.finish(call, outcome, 0.0, bench.now);
    assert_eq!(bench.leave(party), [Err("throttled")]);
    bench.pass(10);
    assert!(bench.calls().is_empty());
    bench.assert_empty();
}
