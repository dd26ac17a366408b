//! How calls and connections end before their time.

use super::*;

#[test]
fn a_reset_or_a_lost_connection_stops_the_work_of_that_call_only() {
    let mut stage = Stage::new();
    for stream in [1, 3, 5] {
        stage.call(stream, MOUNT, b"");
    }
    assert_eq!(stage.send(&reset(3, Reason::CANCEL)), []);
    let cancelled: Vec<_> = stage
        .mounts
        .iter()
        .map(|mount| mount.call.cancellation.is_cancelled())
        .collect();
    assert_eq!(cancelled, [false, true, false]);
    assert_eq!(stage.server.counters.mounts_cancelled.value(), 1);
    assert_eq!(success(&stage.finish(Ok(b"5".to_vec()))), b"5");
    stage.session.close();
    stage.settle();
    assert_eq!(stage.cancelled, 2);
    assert!(stage.session.is_finished());
}

#[test]
fn a_protocol_error_cancels_every_call() {
    let mut stage = Stage::new();
    stage.call(1, MOUNT, b"");
    let seen = stage.send(&data(0, b"", true));
    assert!(matches!(
        seen[..],
        [Seen::GoAway {
            reason: Reason::PROTOCOL_ERROR,
            ..
        }]
    ));
    assert_eq!(stage.cancelled, 1);
}

#[test]
fn the_end_of_the_grace_period_answers_the_rest() {
    let mut stage = Stage::new();
    stage.call(1, MOUNT, b"");
    let start = call_head(3, MOUNT, &[LONG]);
    stage.send(&start);
    stage.session.shut_down(stage.now);
    stage.settle();
    assert_eq!(
        stage.call(5, MOUNT, b""),
        [],
        "until the client knows, calls are taken"
    );
    assert_eq!(stage.mounts.len(), 2);
    stage.session.answer_the_rest(stage.now);
    let seen = stage.settle();
    let codes: Vec<_> = seen
        .iter()
        .filter_map(|seen| {
            if let Seen::Headers { fields, .. } = seen {
                Some(fields[2].1.as_str())
            } else {
                None
            }
        })
        .collect();
    assert_eq!(codes, ["13", "13", "13"]);
    assert_eq!(stage.cancelled, 2);
    assert!(stage.session.is_finished());
}
