//! The answer of each call, and of requests for other methods.

use super::*;

#[test]
fn version_is_answered_on_the_spot() {
    let mut stage = Stage::new();
    assert_eq!(success(&stage.call(1, VERSION, b"")), b"\x0a\x08v1alpha1");
    assert_eq!(failure(&stage.call(3, VERSION, b"\xff")).0, "13");
}

#[test]
fn a_mount_succeeds_with_headers_message_trailers() {
    let mut stage = Stage::new();
    assert_eq!(stage.call(1, MOUNT, b"request"), []);
    assert_eq!(stage.mounts[0].request.expose(), b"request");
    assert_eq!(stage.server.budget.used(), 7);
    assert_eq!(success(&stage.finish(Ok(b"response".to_vec()))), b"response");
    assert_eq!(stage.server.budget.used(), 0);
    assert_eq!(stage.call(3, MOUNT, b""), []);
    assert_eq!(
        success(&stage.finish(Ok(vec![]))),
        b"",
        "an empty message is one message"
    );
    assert_eq!(stage.call(5, MOUNT, b""), []);
    let status = Status::new(Code::NotFound, "no ä");
    assert_eq!(failure(&stage.finish(Err(status))), ("5", "no %C3%A4"));
}

#[test]
fn no_code_leaves_that_kubelet_does_not_take_for_final() {
    let mut stage = Stage::new();
    let codes = [
        Code::Ok,
        Code::Cancelled,
        Code::DeadlineExceeded,
        Code::ResourceExhausted,
        Code::Aborted,
        Code::Unavailable,
    ];
    for (number, code) in codes.into_iter().enumerate() {
        stage.call(2 * u32::try_from(number).unwrap() + 1, MOUNT, b"");
        assert_eq!(failure(&stage.finish(Err(Status::new(code, "x")))), ("13", "x"));
    }
    assert_eq!(stage.server.counters.codes_replaced.value(), 6);
    stage.call(99, MOUNT, b"");
    assert_eq!(
        failure(&stage.finish(Err(Status::new(Code::PermissionDenied, "x")))).0,
        "7"
    );
}

#[test]
fn what_is_no_call_of_ours_has_its_status() {
    let mut stage = Stage::new();
    assert_eq!(
        failure(&stage.call(1, "/v1alpha1.CSIDriverProvider/Unmount", b"")).0,
        "12"
    );
    let compressed = [call_head(3, MOUNT, &[LONG]), data(3, b"\x01\0\0\0\0", true)].concat();
    assert_eq!(failure(&stage.send(&compressed)).0, "12");
    let two = [
        call_head(5, MOUNT, &[LONG]),
        data(5, &[framed(b"a"), framed(b"b")].concat(), true),
    ]
    .concat();
    assert_eq!(failure(&stage.send(&two)).0, "13");
    let short = [call_head(7, MOUNT, &[LONG]), data(7, b"\0\0\0\0\x09abc", true)].concat();
    assert_eq!(failure(&stage.send(&short)).0, "13");
    let none = [call_head(9, MOUNT, &[LONG]), data(9, b"", true)].concat();
    assert_eq!(failure(&stage.send(&none)).0, "13");
    assert!(stage.mounts.is_empty());
    assert_eq!(stage.server.budget.used(), 0);
}

#[test]
fn who_does_not_speak_grpc_gets_plain_http() {
    let mut stage = Stage::new();
    for (stream, method, status, length) in [(1, "GET", "415", 61), (3, "HEAD", "415", 0)] {
        let fields = [(":method", method), (":scheme", "http"), (":path", "/")];
        let seen = stage.send(&headers(stream, &fields, true));
        let Seen::Headers { fields, .. } = &seen[0] else {
            panic!("{seen:?}")
        };
        assert_eq!(fields[0].1, status);
        let body = if let Some(Seen::Data {
            octets, end: true, ..
        }) = seen.get(1)
        {
            octets.len()
        } else {
            0
        };
        assert_eq!(body, length);
    }
    let mut put = vec![(":method", "PUT"), (":scheme", "http"), (":path", MOUNT)];
    put.push(("content-type", "application/grpc"));
    let seen = stage.send(&headers(5, &put, true));
    assert!(matches!(&seen[..], [Seen::Headers { fields, .. }, Seen::Data { .. }] if fields[0].1 == "405"));
}

#[test]
fn health_is_checked_and_watched() {
    let mut stage = Stage::new();
    assert_eq!(
        success(&stage.call(1, CHECK, b"")),
        health(ServingStatus::Serving)
    );
    assert_eq!(
        failure(&stage.call(3, CHECK, b"\x0a\x01x")),
        ("5", "unknown service \"x\"")
    );
    for (stream, message, status) in [
        (5, &b""[..], ServingStatus::Serving),
        (7, b"\x0a\x01x", ServingStatus::ServiceUnknown),
    ] {
        let seen = stage.call(stream, WATCH, message);
        let [
            Seen::Headers { end: false, .. },
            Seen::Data {
                octets, end: false, ..
            },
        ] = &seen[..]
        else {
            panic!("{seen:?}")
        };
        assert_eq!(octets, &framed(&health(status)));
    }
    assert_eq!(
        stage.pass(Duration::from_secs(200)),
        [],
        "watches have no server deadline"
    );
    stage.session.shut_down(stage.now);
    let seen = stage.settle();
    let ended: Vec<_> = seen
        .iter()
        .filter_map(|seen| match seen {
            Seen::Data { octets, .. } => Some((String::new(), octets[6])),
            Seen::Headers {
                fields, end: true, ..
            } => Some((fields[0].1.clone(), 0)),
            _ => None,
        })
        .collect();
    let not_serving = (String::new(), 2);
    let unavailable = ("14".to_owned(), 0);
    assert_eq!(
        ended,
        [not_serving.clone(), not_serving, unavailable.clone(), unavailable]
    );
}
