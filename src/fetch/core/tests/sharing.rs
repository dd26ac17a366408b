//! Which mount gets its values from which call: side by side, joined where allowed, and never across keys.

use super::*;

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

/// Its value may have been read before the pod was created.
#[test]
fn a_first_mount_does_not_join_a_call_under_way_and_a_repeated_one_does() {
    let mut bench = Bench::wide();
    let known = bench.known("u");
    let early = bench.mount(&["a"], None);
    let old = bench.call();
    bench.pass(1);
    let first = bench.mount(&["a"], Some(&volume("new")));
    let repeated = bench.mount(&["a"], Some(&known));
    let new = bench.call();
    bench.answer(new, 2);
    assert_eq!(bench.results(first), [Ok(2)]);
    // The repeated one joined the call that had not been sent, which is newer than the one under way.
    assert_eq!(bench.results(repeated), [Ok(2)]);
    assert!(!bench.core.is_complete(early));
    bench.answer(old, 1);
    assert_eq!(bench.results(early), [Ok(1)]);

    // The older answer arrived last, and replaces nothing.
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
fn a_first_mount_may_join_a_call_between_two_tries() {
    let mut bench = Bench::wide();
    let early = bench.mount(&["a"], None);
    let call = bench.call();
    let pause = Outcome::Failed {
        error: "throttled",
        class: FailureClass::Unavailable,
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
fn a_retry_joins_a_newer_call_of_the_same_key() {
    let mut bench = Bench::wide();
    let early = bench.mount(&["a"], None);
    let old = bench.call();
    let late = bench.mount(&["a"], None);
    bench.fail(old, "out of order", FailureClass::Unavailable);
    let call = bench.call();
    bench.answer(call, 1);
    assert_eq!(bench.results(early), [Ok(1)]);
    assert_eq!(bench.results(late), [Ok(1)]);
    bench.assert_empty();
}

#[test]
fn errors_are_shared_with_those_who_waited_and_not_remembered() {
    let mut bench = Bench::wide();
    let known = bench.known("u");
    let first = bench.mount(&["a"], None);
    let second = bench.mount(&["a"], Some(&known));
    let call = bench.call();
    bench.fail(call, "denied", FailureClass::Definite);
    assert_eq!(bench.results(first), [Err("denied")]);
    assert_eq!(bench.results(second), [Err("denied")]);
    let third = bench.mount(&["a"], Some(&known));
    let call = bench.call();
    bench.answer(call, 1);
    assert_eq!(bench.results(third), [Ok(1)]);
    bench.assert_empty();
}

/// Two keys, whether they differ in identity or in name, share nothing.
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
    bench.fail(calls[1].flight, "denied", FailureClass::Definite);
    assert_eq!(bench.results(ours), [Ok(1)]);
    assert_eq!(bench.results(theirs), [Err("denied")]);
    let theirs = bench.mount(&["bob/secret"], Some(&known));
    assert_eq!(bench.calls().len(), 1, "the copy of the other is not theirs");
    assert!(!bench.core.is_complete(theirs));
}
