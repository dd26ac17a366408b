//! A connection from its start to its end, and what time does to it.

use std::time::Duration;

use crate::h2::frame::{Kind, Setting, flag};
use crate::h2::testing::{GET, Pair, Seen, data, headers, hello, ping, raw, reset, settings};
use crate::h2::{Error, Event, Reason, StreamId};
use crate::limits;
use crate::secret::Secret;

fn goaways(seen: &[Seen]) -> Vec<u32> {
    let last = |seen: &Seen| match seen {
        Seen::GoAway {
            last,
            reason: Reason::NO_ERROR,
        } => Some(*last),
        _ => None,
    };
    seen.iter().filter_map(last).collect()
}

#[test]
fn settings_come_first_and_unprompted() {
    let mut pair = Pair::silent();
    let seen = pair.output();
    let [Seen::Settings(ours), Seen::WindowUpdate(0, _)] = &seen[..] else {
        panic!("{seen:?}")
    };
    assert!(ours.contains(&(Setting::MAX_CONCURRENT_STREAMS, limits::CONCURRENT_STREAMS)));
    assert_eq!(pair.send(&hello()), [Seen::SettingsAck]);
}

#[test]
fn an_answer_is_headers_data_trailers() {
    let mut pair = Pair::new();
    let stream = pair.open(1);
    pair.h2.send_headers(stream, &[(":status", "200")], false);
    pair.h2.send_data(stream, Secret::new(b"body".to_vec()), false);
    pair.h2.send_headers(stream, &[("grpc-status", "0")], true);
    let field = |name: &str, value: &str| vec![(name.to_owned(), value.to_owned())];
    assert_eq!(
        pair.output(),
        [
            Seen::Headers {
                stream: 1,
                fields: field(":status", "200"),
                end: false
            },
            Seen::Data {
                stream: 1,
                octets: b"body".to_vec(),
                end: false
            },
            Seen::Headers {
                stream: 1,
                fields: field("grpc-status", "0"),
                end: true
            },
        ]
    );
    assert!(matches!(pair.events()[..], [Event::Answered { .. }]));
    // What comes after the end goes nowhere.
    pair.h2.send_data(stream, Secret::new(b"more".to_vec()), true);
    assert_eq!(pair.output(), []);
}

#[test]
fn an_answer_before_the_end_of_its_request_tells_the_client_to_stop() {
    let mut pair = Pair::new();
    pair.send(&headers(1, &GET, false));
    pair.h2
        .send_headers(StreamId::new(1), &[(":status", "200")], true);
    let seen = pair.output();
    assert!(matches!(
        seen[..],
        [Seen::Headers { end: true, .. }, Seen::Reset(1, Reason::NO_ERROR)]
    ));
    assert_eq!(pair.send(&data(1, b"late", true)), []);
}

#[test]
fn a_reset_is_an_event_and_takes_the_answer_back() {
    let mut pair = Pair::new();
    let stream = pair.open(1);
    pair.h2.send_headers(stream, &[(":status", "200")], false);
    assert_eq!(pair.send(&reset(1, Reason::CANCEL)), []);
    assert!(matches!(
        pair.events()[..],
        [Event::Reset {
            reason: Reason::CANCEL,
            ..
        }]
    ));
}

#[test]
fn pings_and_unknown_frames_and_padding() {
    let mut pair = Pair::new();
    assert_eq!(pair.send(&raw(Kind(0xfa), 0xff, 77, b"extension")), []);
    assert_eq!(
        pair.send(&ping([1; 8])),
        [Seen::Ping {
            ack: true,
            payload: [1; 8]
        }]
    );
    pair.send(&headers(1, &GET, false));
    pair.events();
    pair.send(&raw(
        Kind::DATA,
        flag::PADDED | flag::END_STREAM,
        1,
        b"\x02ab\0\0",
    ));
    let events = pair.events();
    let [
        Event::Data {
            payload,
            end_stream: true,
            ..
        },
    ] = &events[..]
    else {
        panic!("{events:?}")
    };
    assert_eq!(payload.expose(), b"ab");
}

#[test]
fn a_graceful_end_takes_two_steps() {
    let mut pair = Pair::new();
    let first = pair.open(1);
    pair.h2.shut_down(pair.now);
    let seen = pair.output();
    assert_eq!(goaways(&seen), [0x7fff_ffff]);
    let Some(Seen::Ping { ack: false, payload }) = seen.last() else {
        panic!("{seen:?}")
    };
    // A stream that the client opened before it heard of the end is served.
    let second = pair.open(3);
    assert_eq!(goaways(&pair.send(&raw(Kind::PING, flag::ACK, 0, payload))), [3]);
    // One that it opens later is ignored, and is not an error.
    assert_eq!(
        pair.send(&[headers(5, &GET, false), data(5, b"x", true)].concat()),
        []
    );
    assert!(pair.events().is_empty());
    for stream in [first, second] {
        assert!(!pair.h2.is_finished());
        pair.h2.send_headers(stream, &[(":status", "200")], true);
        pair.output();
    }
    assert!(pair.h2.is_finished());
    assert_eq!(pair.h2.failure(), None);
}

#[test]
fn a_graceful_end_does_not_wait_for_a_client_that_does_not_ping_back() {
    let mut pair = Pair::new();
    pair.h2.shut_down(pair.now);
    pair.output();
    pair.now += limits::GOAWAY_ROUND_TRIP;
    assert_eq!(pair.h2.poll_timeout(), Some(pair.now));
    pair.h2.recv_timeout(pair.now);
    assert_eq!(goaways(&pair.output()), [0]);
    assert!(pair.h2.is_finished());
}

#[test]
fn a_client_that_sends_nothing_is_let_go() {
    for start in [&b""[..], b"PRI * HTTP", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"] {
        let mut pair = Pair::silent();
        pair.send(start);
        pair.h2
            .recv_timeout(pair.now + limits::PREFACE_TIMEOUT - Duration::from_millis(1));
        assert_eq!(pair.h2.failure(), None);
        pair.h2.recv_timeout(pair.now + limits::PREFACE_TIMEOUT);
        assert!(matches!(
            pair.h2.failure(),
            Some(Error::Connection(Reason::PROTOCOL_ERROR, _))
        ));
    }
}

#[test]
fn a_frame_or_header_block_that_never_ends_is_given_up() {
    for start in [&ping([0; 8])[..9], &[0, 0], &raw(Kind::HEADERS, 0, 1, &[])] {
        let mut pair = Pair::new();
        pair.send(start);
        pair.now += limits::FRAME_TIMEOUT;
        pair.h2.recv_timeout(pair.now);
        assert!(pair.h2.failure().is_some(), "{start:?}");
    }
    let mut pair = Pair::new();
    pair.send(&ping([0; 8])[..9]);
    pair.send(&[0; 8]);
    pair.h2.recv_timeout(pair.now + limits::FRAME_TIMEOUT);
    assert_eq!(pair.h2.failure(), None);
}

#[test]
fn an_idle_connection_outlives_the_driver_s_30_minutes_and_ends_politely() {
    let mut pair = Pair::new();
    pair.h2.recv_timeout(pair.now + Duration::from_secs(31 * 60));
    assert_eq!(pair.output(), []);
    let stream = pair.open(1);
    pair.h2.recv_timeout(pair.now + limits::IDLE_TIMEOUT);
    assert_eq!(pair.output(), [], "a connection with a call on it is not idle");
    pair.h2.send_headers(stream, &[(":status", "200")], true);
    pair.output();
    pair.h2.recv_timeout(pair.now + limits::IDLE_TIMEOUT);
    assert_eq!(goaways(&pair.output()), [1]);
    assert!(pair.h2.is_finished());
}

#[test]
fn a_header_list_past_our_limit_is_answered_not_reset() {
    let mut pair = Pair::new();
    let long = "x".repeat(8_200);
    let fields = [&GET[..], &[("a", &long), ("b", &long), ("c", "d")]].concat();
    let seen = pair.send(&large_headers(1, &fields));
    let [
        Seen::Headers {
            fields, end: true, ..
        },
        Seen::Reset(1, Reason::NO_ERROR),
    ] = &seen[..]
    else {
        panic!("{seen:?}")
    };
    assert_eq!(fields[0].1, "431");
    pair.open(3);
}

fn large_headers(stream: u32, fields: &[(&str, &str)]) -> Vec<u8> {
    let mut out = Vec::new();
    let block = crate::h2::testing::block(fields);
    crate::h2::frame::encode_header_block(&mut out, StreamId::new(stream), &block, true);
    out
}

#[test]
fn a_client_that_cannot_know_our_limits_yet_is_never_refused_a_stream() {
    let mut pair = Pair::silent();
    pair.send(&[b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".as_slice(), &settings(&[])].concat());
    let streams = u32::try_from(limits::STREAMS_BEFORE_ACK).unwrap();
    for number in 0..streams {
        pair.open(2 * number + 1);
    }
    let seen = pair.send(&headers(2 * streams + 1, &GET, true));
    assert!(
        matches!(
            seen[..],
            [Seen::Headers { end: true, .. }, Seen::Reset(_, Reason::NO_ERROR)]
        ),
        "{seen:?}"
    );
}

/// A client that always has more to send than one read takes.
#[test]
fn each_frame_has_a_time_of_its_own() {
    let mut pair = Pair::new();
    let (frame, second) = (ping([7; 8]), Duration::from_secs(1));
    pair.send(&frame[..5]);
    for _ in 0..2 * limits::FRAME_TIMEOUT.as_secs() {
        pair.now += second;
        pair.send(&[&frame[5..], &frame[..5]].concat());
        pair.h2.recv_timeout(pair.now);
        assert_eq!(pair.h2.failure(), None);
    }
    pair.h2.recv_timeout(pair.now + limits::FRAME_TIMEOUT);
    assert!(pair.h2.failure().is_some());
}

#[test]
fn nothing_follows_the_goaway_of_a_failure() {
    let mut pair = Pair::new();
    pair.send(&headers(1, &GET, false));
    pair.h2.grow_window(StreamId::new(1), limits::CONNECTION_WINDOW);
    let frames = usize::try_from(limits::CONNECTION_WINDOW / 2 / 16_384).unwrap() + 1;
    for _ in 0..frames {
        pair.send(&data(1, &[7; 16_384], false));
    }
    let seen = pair.send(&raw(Kind::PUSH_PROMISE, 0, 1, &[0; 4]));
    assert!(matches!(seen[..], [Seen::GoAway { .. }]), "{seen:?}");
    pair.h2.release(StreamId::new(1), frames * 16_384);
    assert_eq!(pair.output(), []);
    assert!(pair.h2.is_finished());
}
