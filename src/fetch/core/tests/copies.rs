//! How long copies serve repeated mounts.

use super::*;

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

    let fresh = bench.mount(&["a"], Some(&volume("other")));
    let call = bench.call();
    bench.answer(call, 2);
    bench.leave(fresh);
    let repeated = bench.mount(&["a"], Some(&known));
    assert_eq!(
        bench.results(repeated),
        [Ok(2)],
        "a first mount refreshes the copy for all"
    );

    bench.pass(60);
    let repeated = bench.mount(&["a"], Some(&known));
    let call = bench.call();
    bench.answer(call, 3);
    assert_eq!(bench.results(repeated), [Ok(3)]);
    bench.assert_empty();
}

/// The sync controller sends one uid and one path for everything, so its volume is never known.
#[test]
fn whoever_is_not_kubelet_never_mounts_again() {
    let mut bench = Bench::wide();
    let known = bench.known("u");
    for value in 1..5 {
        let earlier = bench.mount(&["a"], None);
        let under_way = bench.call();
        let party = bench.mount(&["a"], None);
        let own = bench.call();
        bench.answer(under_way, 10 * value);
        bench.answer(own, 10 * value + 1);
        assert_eq!(bench.results(earlier), [Ok(10 * value)]);
        assert_eq!(
            bench.results(party),
            [Ok(10 * value + 1)],
            "not the call under way"
        );
        let repeated = bench.mount(&["a"], Some(&known));
        assert_eq!(
            bench.results(repeated),
            [Ok(10 * value + 1)],
            "a copy for running pods"
        );
    }
    bench.assert_empty();
}

/// A class that is changed in place gives its pods another volume, which is mounted for the first time.
#[test]
fn other_parameters_are_a_first_mount() {
    let mut bench = Bench::wide();
    let known = bench.known("u");
    let first = bench.mount(&["a"], Some(&known));
    let call = bench.call();
    bench.answer(call, 1);
    bench.leave(first);
    let changed = volume_of("u", 1);
    let party = bench.mount(&["a"], Some(&changed));
    let call = bench.call();
    bench.answer(call, 2);
    assert_eq!(bench.results(party), [Ok(2)]);
    bench.core.mounted(&changed, bench.now);
    for volume in [&changed, &known] {
        let party = bench.mount(&["a"], Some(volume));
        assert_eq!(bench.results(party), [Ok(2)]);
    }
    bench.assert_empty();
}

/// A volume with the current and the previous version of one secret gets both from copies that were read together, or
/// reads both: a new current version with an older previous one is a combination that never existed.
#[test]
fn versions_of_one_secret_are_of_one_age() {
    let mut bench = Bench::wide();
    let known = bench.known("u");
    let both = ["i/s@current", "i/s@previous", "i/t"];
    let first = bench.mount(&both, None);
    for (call, value) in bench.calls().into_iter().zip([2, 1, 7]) {
        bench.answer(call.flight, value);
    }
    bench.leave(first);
    bench.pass(1);
    let repeated = bench.mount(&both, Some(&known));
    assert_eq!(bench.results(repeated), [Ok(2), Ok(1), Ok(7)], "from copies");

    // Another pod reads only the current version, after a rotation.
    bench.pass(9);
    let first = bench.mount(&["i/s@current"], None);
    let call = bench.call();
    bench.answer(call, 3);
    bench.leave(first);
    let alone = bench.mount(&["i/s@current"], Some(&known));
    assert_eq!(bench.results(alone), [Ok(3)], "alone it is as good as any");
    let repeated = bench.mount(&both, Some(&known));
    let calls = bench.calls();
    assert_eq!(calls.len(), 2, "both are read again, and the other secret is not");
    for (call, value) in calls.into_iter().zip([3, 2]) {
        bench.answer(call.flight, value);
    }
    assert_eq!(bench.results(repeated), [Ok(3), Ok(2), Ok(7)]);
    let repeated = bench.mount(&both, Some(&known));
    assert_eq!(bench.results(repeated), [Ok(3), Ok(2), Ok(7)]);
    bench.assert_empty();
}

/// Pods of many nodes that start together must not keep calling at the same time: the result of a first mount is
/// shared for a random part of the interval, that of a repeated one for all of it.
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
    bench.fail(call, "out of order", FailureClass::Unavailable);
    let call = bench.call();
    bench.core.finish(call, Outcome::Value(3, 10), 0.5, bench.now);
    bench.pass(30);
    bench.mount(&["a"], Some(&known));
    assert_eq!(bench.calls().len(), 1);
}

/// The age counts from when the call was sent, not from when it was answered.
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

/// A refusal ends sharing, also of calls sent before it that are answered later.
#[test]
fn what_was_under_way_when_the_cloud_refused_is_not_shared() {
    let mut bench = Bench::wide();
    let known = bench.known("u");
    let early = bench.mount(&["a"], None);
    let slow = bench.call();
    bench.pass(1);
    let late = bench.mount(&["a"], None);
    let refused = bench.call();
    bench.fail(refused, "denied", FailureClass::Definite);
    bench.answer(slow, 1);
    assert_eq!(
        (bench.results(early), bench.results(late)),
        (vec![Ok(1)], vec![Err("denied")])
    );
    bench.mount(&["a"], Some(&known));
    assert_eq!(bench.calls().len(), 1);
}

/// After a suspend the age of an answer requested earlier is unknown.
#[test]
fn what_was_under_way_when_copies_are_forgotten_is_not_shared() {
    let mut bench = Bench::wide();
    let known = bench.known("u");
    let party = bench.mount(&["a"], None);
    let call = bench.call();
    bench.core.forget_copies();
    bench.answer(call, 1);
    assert_eq!(bench.results(party), [Ok(1)]);
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
    bench.fail(call, "denied", FailureClass::Definite);
    bench.mount(&["a"], Some(&known));
    assert_eq!(bench.calls().len(), 1, "it asks the cloud again");
}

/// The figure that SPECIFICATION.md promises: a node of 110 pods that share 5 values, republished for ten minutes.
#[test]
fn a_node_reads_each_value_once_per_interval() {
    const KEYS: [&str; 5] = ["a", "b", "c", "d", "e"];
    let mut bench = Bench::new(&settings(10, 50, INTERVAL));
    let volumes: Vec<Volume> = (0..110).map(|pod| volume(&format!("pod-{pod}"))).collect();
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
    // A node that starts: every pod reads for itself, because values may have changed since the pod before.
    round(&mut bench, Duration::ZERO);
    let after_start = bench.core.counts().calls;
    let republished = bench.now;
    // kubelet mounts every volume again each 75 s, at different times.
    while bench.now < republished + Duration::from_secs(600) {
        round(&mut bench, Duration::from_secs(75) / 110);
    }
    let calls = bench.core.counts().calls - after_start;
    let seconds = (bench.now - start).as_secs();
    assert!(seconds >= 600);
    assert!(calls <= 5 * (600 / 60 + 1), "{calls} calls");
    assert!(calls >= 5 * 8, "{calls} calls: values are refreshed at all");
    let (copies, bytes) = bench.core.copies();
    assert!(
        copies == 5 && bytes < 5 * 1024,
        "{copies} copies of {bytes} bytes"
    );
}
