//! How large a request may be, and who waits for memory.

use super::*;

#[test]
fn a_large_request_is_let_in_whole() {
    let mut stage = Stage::new();
    let message = vec![7; 1 << 20];
    let body = framed(&message);
    let (first, mut rest) = body.split_at(16_384);
    let start = [call_head(1, MOUNT, &[LONG]), data(1, first, false)].concat();
    let seen = stage.send(&start);
    let opened = 1 + u32::try_from(message.len()).unwrap() - 16_384 + 5;
    let Some(Seen::WindowUpdate(1, increment)) = seen.last() else {
        panic!("{seen:?}")
    };
    assert!(*increment >= opened - 1, "{increment}");
    while !rest.is_empty() {
        let (piece, after) = rest.split_at(rest.len().min(16_384));
        rest = after;
        stage.send(&data(1, piece, rest.is_empty()));
    }
    assert_eq!(stage.mounts[0].request.len(), message.len());
}

#[test]
fn a_request_past_the_limit_is_refused_from_its_prefix() {
    let mut stage = Stage::new();
    let start = [
        call_head(1, MOUNT, &[LONG]),
        data(1, b"\0\xff\xff\xff\xff", false),
    ]
    .concat();
    assert_eq!(
        stage.send(&start),
        [],
        "the client is given the chance to end its request"
    );
    let mut seen = Vec::new();
    for _ in 0..9 {
        seen.extend(stage.send(&data(1, &[0; 8_000], false)));
    }
    seen.retain(|seen| !matches!(seen, Seen::WindowUpdate(..)));
    assert_eq!(failure(&seen).0, "3");
    assert_eq!(stage.session.h2.failure(), None);
}

#[test]
fn the_largest_message_of_each_method_is_taken_and_one_octet_more_is_not() {
    let mut stage = Stage::new();
    for (stream, path, most) in [
        (1, MOUNT, limits::REQUEST_MESSAGE_BYTES),
        (5, VERSION, limits::SMALL_MESSAGE_BYTES),
        (9, CHECK, limits::SMALL_MESSAGE_BYTES),
        (13, WATCH, limits::SMALL_MESSAGE_BYTES),
    ] {
        let prefix = message::prefix(most).unwrap();
        let begun = stage.send(&[call_head(stream, path, &[LONG]), data(stream, &prefix, false)].concat());
        assert!(
            !begun.iter().any(|seen| matches!(seen, Seen::Headers { .. })),
            "{path}: {begun:?}"
        );
        let prefix = message::prefix(most + 1).unwrap();
        let mut seen = stage.send(
            &[
                call_head(stream + 2, path, &[LONG]),
                data(stream + 2, &prefix, true),
            ]
            .concat(),
        );
        seen.retain(|seen| !matches!(seen, Seen::WindowUpdate(..)));
        let (code, message) = failure(&seen);
        assert_eq!(code, "3", "{path}");
        assert!(message.contains(&most.to_string()), "{path}: {message}");
    }
}

#[test]
fn a_mount_waits_for_memory_and_goes_on() {
    let mut stage = Stage::with_budget(1_000);
    stage.call(1, MOUNT, &[0; 900]);
    assert_eq!(stage.call(3, MOUNT, &[0; 500]), []);
    assert_eq!(stage.mounts.len(), 1);
    // Others do not wait for it.
    assert_eq!(success(&stage.call(5, VERSION, b"")), b"\x0a\x08v1alpha1");
    success(&stage.finish(Ok(vec![])));
    stage.pass(Duration::ZERO);
    assert_eq!(stage.mounts[0].request.len(), 500);
    assert_eq!(stage.server.budget.used(), 500);
}

#[test]
fn a_mount_that_gets_no_memory_is_answered_with_a_final_status() {
    let mut stage = Stage::with_budget(1_000);
    stage.call(1, MOUNT, &[0; 900]);
    stage.call(3, MOUNT, &[0; 500]);
    assert_eq!(stage.mounts.len(), 1);
    stage.finish(Err(Status::new(Code::Internal, "")));
    stage.call(5, MOUNT, &[0; 900]); // only one of the two waiting mounts gets the memory
    let seen = stage.pass(Duration::ZERO);
    assert_eq!((seen, stage.mounts.len()), (vec![], 1));
    let seen = stage.pass(Duration::from_secs(99));
    let messages: Vec<_> = seen
        .iter()
        .filter(|seen| matches!(seen, Seen::Headers { .. }))
        .collect();
    assert_eq!(messages.len(), 2, "{seen:?}");
    assert!(seen.iter().any(|seen| matches!(seen, Seen::Headers { fields, .. }
        if fields[2].1 == "13" && fields[3].1.contains("--memory-budget"))));
    // More than the whole budget is rejected at once.
    assert_eq!(failure(&stage.call(7, MOUNT, &[0; 2_000])).0, "13");
}

#[test]
fn octets_outside_of_the_budget_are_bounded_and_leave_room_for_others() {
    let mut stage = Stage::with_budget(16_100);
    stage.call(1, MOUNT, &[0; 16_100]);
    let mut refused = 0;
    for number in 1..100 {
        let seen = stage.call(2 * number + 1, MOUNT, &[0; 16_000]);
        refused += usize::from(
            seen.iter()
                .any(|seen| matches!(seen, Seen::Headers { end: true, .. })),
        );
        assert!(stage.session.uncovered <= limits::UNCOVERED_BYTES);
    }
    assert_eq!(refused, 99 - limits::UNCOVERED_BYTES / 16_005);
    assert_eq!(success(&stage.call(201, VERSION, b"")), b"\x0a\x08v1alpha1");
    assert_eq!(stage.session.h2.failure(), None);
    // All is given back in the end.
    stage.finish(Ok(vec![]));
    stage.session.close();
    assert_eq!((stage.session.uncovered, stage.session.waiting), (0, 0));
}
