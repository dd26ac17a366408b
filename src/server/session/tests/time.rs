//! Nothing is waited for beyond its time: neither a request, a handler nor a caller that takes its answer.

use super::*;

#[test]
fn a_malformed_timeout_is_refused_and_all_units_work() {
    let mut stage = Stage::new();
    let bad = call(1, VERSION, &[("grpc-timeout", "soon")], b"");
    assert_eq!(failure(&stage.send(&bad)).0, "13");
    for (number, timeout) in ["1H", "2M", "3S", "4000m", "5000000u", "99999999n"]
        .iter()
        .enumerate()
    {
        let stream = 2 * u32::try_from(number).unwrap() + 3;
        let call = call(stream, MOUNT, &[("grpc-timeout", timeout)], b"");
        assert_eq!(stage.send(&call), []);
    }
    let left: Vec<_> = stage
        .mounts
        .iter()
        .map(|mount| mount.call.deadline - stage.now)
        .collect();
    assert_eq!(
        left[..3],
        [
            limits::CALL_TIMEOUT,
            limits::CALL_TIMEOUT,
            Duration::from_millis(2700)
        ]
    );
    assert_eq!(
        left[3..5],
        [Duration::from_millis(3600), Duration::from_millis(4500)]
    );
}

#[test]
fn the_answer_leaves_before_the_deadline_in_the_handler_s_place() {
    let mut stage = Stage::new();
    stage.call(1, MOUNT, b"");
    let due = stage.session.next_timeout().unwrap();
    assert!(due < stage.now + Duration::from_secs(100));
    assert!(due > stage.mounts[0].call.deadline);
    assert_eq!(stage.pass(due - stage.now - Duration::from_millis(1)), []);
    let seen = stage.pass(Duration::from_millis(1));
    let (code, message) = failure(&seen);
    assert!(code == "13" && message.contains("timed out"), "{message}");
    assert!(stage.mounts[0].call.cancellation.is_cancelled());
    assert_eq!(stage.server.counters.mounts_timed_out.value(), 1);
    // The handler comes back too late.
    assert_eq!(stage.finish(Ok(b"late".to_vec())), []);
}

#[test]
fn a_request_that_never_ends_is_answered_at_its_deadline() {
    let mut stage = Stage::new();
    let start = [call_head(1, MOUNT, &[LONG]), data(1, b"\0\0\0", false)].concat();
    assert_eq!(stage.send(&start), []);
    let seen = stage.pass(Duration::from_secs(99));
    assert_eq!(failure(&seen).0, "13");
    assert_eq!(seen.last(), Some(&Seen::Reset(1, Reason::NO_ERROR)));
}

#[test]
fn a_call_whose_deadline_is_over_on_arrival_is_not_run() {
    let mut stage = Stage::new();
    let call = call(1, MOUNT, &[("grpc-timeout", "0n")], b"");
    assert_eq!(failure(&stage.send(&call)).0, "13");
    assert!(stage.mounts.is_empty());
}

#[test]
fn a_refused_request_that_does_not_end_is_answered_in_time() {
    let mut stage = Stage::new();
    let start = call_head(1, "/unknown/method", &[LONG]);
    assert_eq!(stage.send(&start), []);
    assert_eq!(failure(&stage.pass(limits::REFUSED_BODY_TIME)).0, "12");
}

#[test]
fn a_caller_that_never_takes_its_answer_is_given_up() {
    let mut stage = Stage::new();
    stage.send(&settings(&[(4, 0)]));
    stage.call(1, MOUNT, b"");
    let seen = stage.finish(Ok(vec![7; 100_000]));
    assert!(matches!(seen[..], [Seen::Headers { .. }]));
    assert_eq!(stage.server.budget.used(), 100_000);
    stage.send(&window_update(1, 1)); // a trickle does not help
    let seen = stage.pass(Duration::from_secs(100) + limits::ANSWER_TIMEOUT);
    assert_eq!(seen, [Seen::Reset(1, Reason::INTERNAL_ERROR)]);
    assert_eq!(stage.server.budget.used(), 0);
}
