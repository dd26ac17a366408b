//! Calls as a scripted client sees them, on a clock that moves when it is told to.

use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::Duration;

use super::answer::encode_health;
use super::*;
use crate::clock::{Clock, SystemClock};
use crate::grpc::message;
use crate::grpc::proto::{MountRequest, VersionResponse};
use crate::h2::testing::{Client, Seen, data, headers, hello, reset, settings, window_update};
use crate::limits;
use crate::server::{Service, Settings};

/// Time that stands still.
struct Stopped(Mutex<Instant>);

impl Clock for Stopped {
    fn now(&self) -> Instant {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wall(&self) -> jiff::Timestamp {
        jiff::Timestamp::UNIX_EPOCH
    }
}

/// Knows its version; Mounts are answered by the tests.
struct Versioned;

impl Service for Versioned {
    fn version(&self) -> VersionResponse {
        VersionResponse {
            version: "v1alpha1".to_owned(),
            ..VersionResponse::default()
        }
    }

    fn mount(&self, _: MountRequest, _: &Call) -> Result<Secret, Status> {
        unreachable!("no worker runs here")
    }
}

struct Stage {
    session: Session,
    server: Arc<Server>,
    client: Client,
    now: Instant,
    mounts: Vec<Mount>,
    cancelled: usize,
}

const MOUNT: &str = "/v1alpha1.CSIDriverProvider/Mount";
const VERSION: &str = "/v1alpha1.CSIDriverProvider/Version";
const CHECK: &str = "/grpc.health.v1.Health/Check";
const WATCH: &str = "/grpc.health.v1.Health/Watch";

impl Stage {
    fn new() -> Self {
        Self::with_budget(limits::MEMORY_BUDGET_BYTES)
    }

    fn with_budget(memory_budget: usize) -> Self {
        let now = SystemClock.now();
        let settings = Settings {
            memory_budget,
            ..Settings::default()
        };
        let server = Server::new(Arc::new(Versioned), Arc::new(Stopped(Mutex::new(now))), settings);
        let session = Session::new(Connection::new(now), Arc::clone(&server), Arc::default());
        let mut stage = Self {
            session,
            server,
            client: Client::new(),
            now,
            mounts: Vec::new(),
            cancelled: 0,
        };
        stage.send(&hello());
        stage
    }

    fn send(&mut self, octets: &[u8]) -> Vec<Seen> {
        let effects = self.session.recv(self.now, octets);
        self.settle(effects)
    }

    /// Lets time pass, and the session notice.
    fn pass(&mut self, time: Duration) -> Vec<Seen> {
        self.now += time;
        let effects = self.session.wake(self.now);
        self.settle(effects)
    }

    fn settle(&mut self, mut effects: Effects) -> Vec<Seen> {
        let mut out = Vec::new();
        self.session.h2.poll_output(&mut out, usize::MAX);
        self.session.note_sent(self.now, &mut effects);
        self.mounts.append(&mut effects.mounts);
        self.cancelled += effects.cancelled.len();
        effects.cancelled.iter().for_each(Cancellation::cancel);
        self.client.read(&out)
    }

    /// A call with one message.
    fn call(&mut self, stream: u32, path: &str, message: &[u8]) -> Vec<Seen> {
        let call = [self.head(stream, path), data(stream, &framed(message), true)].concat();
        self.send(&call)
    }

    fn head(&self, stream: u32, path: &str) -> Vec<u8> {
        head(stream, path, &[("grpc-timeout", "100S")])
    }

    /// Answers the Mount that came last.
    fn finish(&mut self, result: Result<Vec<u8>, Status>) -> Vec<Seen> {
        let Mount { stream, call, .. } = self.mounts.pop().unwrap();
        let result = result.map(|message| {
            let share = call.settle(message.len()).unwrap();
            (Secret::new(message), share)
        });
        self.session.finish_mount(stream, result);
        self.settle(Effects::default())
    }
}

fn head(stream: u32, path: &str, fields: &[(&str, &str)]) -> Vec<u8> {
    let common = [
        (":method", "POST"),
        (":scheme", "http"),
        (":path", path),
        (":authority", "localhost"),
        ("content-type", "application/grpc"),
        ("te", "trailers"),
    ];
    headers(stream, &[&common, fields].concat(), false)
}

fn framed(message: &[u8]) -> Vec<u8> {
    [&message::prefix(message.len()).unwrap()[..], message].concat()
}

/// The status of a Trailers-Only answer, its message, and what follows it.
#[track_caller]
fn failure(seen: &[Seen]) -> (&str, &str) {
    let [
        Seen::Headers {
            fields, end: true, ..
        },
        rest @ ..,
    ] = seen
    else {
        panic!("{seen:?}")
    };
    assert!(
        matches!(rest, [] | [Seen::Reset(_, Reason::NO_ERROR)]),
        "{seen:?}"
    );
    let [(_, http), (_, content_type), (status, code), (_, message)] = &fields[..] else {
        panic!("{fields:?}")
    };
    assert_eq!(
        (http.as_str(), content_type.as_str(), status.as_str()),
        ("200", "application/grpc", "grpc-status")
    );
    (code, message)
}

/// The message of a successful unary answer: HEADERS, DATA, trailers.
#[track_caller]
fn success(seen: &[Seen]) -> Vec<u8> {
    let [
        Seen::Headers { end: false, .. },
        body @ ..,
        Seen::Headers {
            fields, end: true, ..
        },
    ] = seen
    else {
        panic!("{seen:?}")
    };
    assert_eq!(fields[..], [("grpc-status".to_owned(), "0".to_owned())]);
    let octets = |seen: &Seen| {
        let Seen::Data {
            octets, end: false, ..
        } = seen
        else {
            panic!("{seen:?}")
        };
        octets.clone()
    };
    let body = body.iter().flat_map(octets).collect::<Vec<_>>();
    assert_eq!(body[..5], message::prefix(body.len() - 5).unwrap());
    body[5..].to_vec()
}

fn health(status: ServingStatus) -> Vec<u8> {
    encode_health(status).expose().to_vec()
}

#[test]
fn contract_item_36_version_is_answered_on_the_spot() {
    let mut stage = Stage::new();
    assert_eq!(success(&stage.call(1, VERSION, b"")), b"\x0a\x08v1alpha1");
    assert_eq!(failure(&stage.call(3, VERSION, b"\xff")).0, "13");
}

#[test]
fn contract_item_17_what_is_no_call_of_ours_has_its_status() {
    let mut stage = Stage::new();
    assert_eq!(
        failure(&stage.call(1, "/v1alpha1.CSIDriverProvider/Unmount", b"")).0,
        "12"
    );
    let compressed = [stage.head(3, MOUNT), data(3, b"\x01\0\0\0\0", true)].concat();
    assert_eq!(failure(&stage.send(&compressed)).0, "12");
    let two = [
        stage.head(5, MOUNT),
        data(5, &[framed(b"a"), framed(b"b")].concat(), true),
    ]
    .concat();
    assert_eq!(failure(&stage.send(&two)).0, "13");
    let short = [stage.head(7, MOUNT), data(7, b"\0\0\0\0\x09abc", true)].concat();
    assert_eq!(failure(&stage.send(&short)).0, "13");
    let none = [stage.head(9, MOUNT), data(9, b"", true)].concat();
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
fn contract_item_13_a_malformed_timeout_is_refused_and_all_units_work() {
    let mut stage = Stage::new();
    let bad = [
        head(1, VERSION, &[("grpc-timeout", "soon")]),
        data(1, &framed(b""), true),
    ]
    .concat();
    assert_eq!(failure(&stage.send(&bad)).0, "13");
    for (number, timeout) in ["1H", "2M", "3S", "4000m", "5000000u", "99999999n"]
        .iter()
        .enumerate()
    {
        let stream = 2 * u32::try_from(number).unwrap() + 3;
        let call = [
            head(stream, MOUNT, &[("grpc-timeout", timeout)]),
            data(stream, &framed(b""), true),
        ]
        .concat();
        assert_eq!(stage.send(&call), []);
    }
    let left: Vec<_> = stage
        .mounts
        .iter()
        .map(|mount| mount.call.deadline - stage.now)
        .collect();
    assert_eq!(
        left[..3],
        [limits::CALL_TIME, limits::CALL_TIME, Duration::from_millis(2700)]
    );
    assert_eq!(
        left[3..5],
        [Duration::from_millis(3600), Duration::from_millis(4500)]
    );
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
        "watches have no deadline of ours"
    );
    stage.session.shut_down(stage.now);
    let seen = stage.settle(Effects::default());
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

#[test]
fn contract_item_15_a_mount_succeeds_with_headers_message_trailers() {
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
fn contract_item_18_no_code_leaves_that_kubelet_does_not_take_for_final() {
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
fn contract_item_14_the_answer_leaves_before_the_deadline_in_the_handler_s_place() {
    let mut stage = Stage::new();
    stage.call(1, MOUNT, b"");
    let due = stage.session.next_timeout().unwrap();
    assert!(due < stage.now + Duration::from_secs(100));
    assert!(due > stage.mounts[0].call.deadline);
    assert_eq!(stage.pass(due - stage.now - Duration::from_millis(1)), []);
    let seen = stage.pass(Duration::from_millis(1));
    let (code, message) = failure(&seen);
    assert!(code == "13" && message.contains("ran out of time"), "{message}");
    assert!(stage.mounts[0].call.cancellation.is_cancelled());
    assert_eq!(stage.server.counters.mounts_timed_out.value(), 1);
    // The handler comes back too late.
    assert_eq!(stage.finish(Ok(b"late".to_vec())), []);
}

#[test]
fn a_request_that_never_ends_is_answered_at_its_deadline() {
    let mut stage = Stage::new();
    let start = [stage.head(1, MOUNT), data(1, b"\0\0\0", false)].concat();
    assert_eq!(stage.send(&start), []);
    let seen = stage.pass(Duration::from_secs(99));
    assert_eq!(failure(&seen).0, "13");
    assert_eq!(seen.last(), Some(&Seen::Reset(1, Reason::NO_ERROR)));
}

#[test]
fn a_call_whose_deadline_is_over_on_arrival_is_not_run() {
    let mut stage = Stage::new();
    let call = [
        head(1, MOUNT, &[("grpc-timeout", "0n")]),
        data(1, &framed(b""), true),
    ]
    .concat();
    assert_eq!(failure(&stage.send(&call)).0, "13");
    assert!(stage.mounts.is_empty());
}

#[test]
fn contract_item_12_a_reset_or_a_lost_connection_stops_the_work_of_that_call_only() {
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
    let mut effects = Effects::default();
    stage.session.close(&mut effects);
    stage.settle(effects);
    assert_eq!(stage.cancelled, 2);
    assert!(stage.session.is_finished());
}

#[test]
fn contract_item_8_a_large_request_is_let_in_whole() {
    let mut stage = Stage::new();
    let message = vec![7; 1 << 20];
    let body = framed(&message);
    let (first, mut rest) = body.split_at(16_384);
    let start = [stage.head(1, MOUNT), data(1, first, false)].concat();
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
    let start = [stage.head(1, MOUNT), data(1, b"\0\xff\xff\xff\xff", false)].concat();
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
        let begun = stage.send(&[stage.head(stream, path), data(stream, &prefix, false)].concat());
        assert!(
            !begun.iter().any(|seen| matches!(seen, Seen::Headers { .. })),
            "{path}: {begun:?}"
        );
        let prefix = message::prefix(most + 1).unwrap();
        let mut seen = stage.send(&[stage.head(stream + 2, path), data(stream + 2, &prefix, true)].concat());
        seen.retain(|seen| !matches!(seen, Seen::WindowUpdate(..)));
        let (code, message) = failure(&seen);
        assert_eq!(code, "3", "{path}");
        assert!(message.contains(&most.to_string()), "{path}: {message}");
    }
}

#[test]
fn a_refused_request_that_does_not_end_is_answered_in_time() {
    let mut stage = Stage::new();
    let start = stage.head(1, "/nobody/knows");
    assert_eq!(stage.send(&start), []);
    assert_eq!(failure(&stage.pass(limits::REFUSED_BODY_TIME)).0, "12");
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
    stage.call(5, MOUNT, &[0; 900]); // takes it before the waiting one is looked at, or not: first come, first served
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
    // More than the whole budget is told at once.
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
    let mut effects = Effects::default();
    stage.session.close(&mut effects);
    assert_eq!((stage.session.uncovered, stage.session.waiting), (0, 0));
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
    let seen = stage.pass(Duration::from_secs(100) + limits::ANSWER_TAKING);
    assert_eq!(seen, [Seen::Reset(1, Reason::INTERNAL_ERROR)]);
    assert_eq!(stage.server.budget.used(), 0);
}

#[test]
fn contract_item_38_the_end_of_the_grace_period_answers_the_rest() {
    let mut stage = Stage::new();
    stage.call(1, MOUNT, b"");
    let start = stage.head(3, MOUNT);
    stage.send(&start);
    stage.session.shut_down(stage.now);
    stage.settle(Effects::default());
    assert_eq!(
        stage.call(5, MOUNT, b""),
        [],
        "until the client knows, calls are taken"
    );
    assert_eq!(stage.mounts.len(), 2);
    let effects = stage.session.answer_the_rest(stage.now);
    let seen = stage.settle(effects);
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
