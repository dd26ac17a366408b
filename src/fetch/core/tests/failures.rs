//! What a refusal, an outage, throttling and expired credentials do to a mount and to later calls.

use super::*;

/// A mount is limited in bytes; a value that it names several times counts once, and a value too large for one mount
/// still serves others.
#[test]
fn too_much_for_one_mount() {
    let half = limits::VALUES_BYTES / 2;
    let mut bench = Bench::wide();
    let large = bench.mount(&["a", "b", "a", "c", "d"], None);
    let small = bench.mount(&["c"], None);
    let calls = bench.calls();
    for (call, bytes) in calls.iter().zip([half, half, 1, 0]) {
        let value = Outcome::Value(7, bytes);
        bench.core.finish(call.flight, value, 0.0, bench.now);
    }
    assert!(bench.core.is_complete(large) && bench.core.is_complete(small));
    let settled = bench.core.leave(large, bench.now);
    let is_value = settled.iter().map(|it| matches!(it, Settled::Value(7)));
    assert_eq!(is_value.collect::<Vec<_>>(), [true, true, true, false, true]);
    assert!(matches!(settled[3], Settled::TooMuch));
    assert_eq!(bench.results(small), [Ok(7)]);
    bench.assert_empty();
}

#[test]
fn a_refusal_cancels_nobody_and_all_refusals_are_told() {
    let mut bench = Bench::narrow(1);
    let party = bench.mount(&["a", "b", "c"], None);
    for outcome in [Err("denied"), Ok(1), Err("missing")] {
        let call = bench.call();
        match outcome {
            Ok(value) => bench.answer(call, value),
            Err(error) => bench.fail(call, error, FailureClass::Definite),
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
        bench.fail(failing, "out of order", FailureClass::Unavailable);
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
        "no mount waits for c any more"
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
        bench.fail(call, "503", FailureClass::Unavailable);
        bench.pass(1);
    }
    assert_eq!(bench.results(first), [Err("503")]);

    let failing = bench.mount(&["b", "c", "d"], None);
    let waiting = bench.mount(&["e", "c", "d"], None);
    let calls = bench.calls();
    assert_eq!(calls.len(), 2, "one of each mount, e and b");
    bench.core.leave(failing, bench.now);
    assert_eq!(bench.calls().len(), 0, "what has been sent was not answered yet");
    bench.fail(calls[1].flight, "503", FailureClass::Unavailable);
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
        bench.fail(failing, "out of order", FailureClass::Unavailable);
        failing = bench.call();
    }
    bench.fail(failing, "out of order", FailureClass::Unavailable);
    bench.fail(slow, "timed out", FailureClass::Unavailable);
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
            bench.fail(call, "out of order", FailureClass::Unavailable);
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
        bench.fail(call.flight, "throttled", FailureClass::Throttled);
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
            Next::Nothing => panic!("expected another call"),
        }
    }
    assert!(
        (0.75..0.82).contains(&seconds),
        "five a second and recovering: {seconds} s for four"
    );
    assert_eq!(bench.results(party), [Ok(1); 4]);
}

/// Neither an endpoint that is down nor an identity whose calls fail uses up the retries of others.
#[test]
fn retries_are_paid_by_whom_they_are_for() {
    for (failing, other) in [("far:a/x", "near:a/x"), ("a/x", "b/x")] {
        let mut bench = Bench::narrow(512);
        let mut attempts = |key| {
            let party = bench.mount(&[key], None);
            let mut attempts = 0;
            while !bench.core.is_complete(party) {
                let call = bench.call();
                attempts += 1;
                bench.fail(call, "out of order", FailureClass::Unavailable);
            }
            bench.leave(party);
            attempts
        };
        let all: u32 = (0..1000).map(|_| attempts(failing)).sum();
        assert!(all < 1500, "{failing}: {all}");
        assert_eq!(attempts(other), limits::FETCH_ATTEMPTS, "{other}");
    }
}
