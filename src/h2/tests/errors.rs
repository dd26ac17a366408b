//! Every rule of RFC 9113 that a client can break, with the resulting error.

use crate::h2::frame::{Kind, MAX_FRAME_SIZE, flag};
use crate::h2::testing::{
    GET, Pair, Seen, block, data, headers, ping, raw, reset, settings, settings_ack, window_update,
};
use crate::h2::{Event, Reason};

/// The connection ends with GOAWAY of this reason, and nothing that follows is heard.
#[track_caller]
fn ends(octets: &[u8], reason: Reason) {
    ends_after(&[], octets, reason);
}

#[track_caller]
fn ends_after(before: &[u8], octets: &[u8], reason: Reason) {
    let mut pair = Pair::new();
    pair.send(before);
    let seen = pair.send(octets);
    assert!(
        matches!(seen.last(), Some(Seen::GoAway { reason: found, .. }) if *found == reason),
        "expected GOAWAY with {reason}, found {seen:?}"
    );
    assert!(pair.h2.is_finished());
    assert_eq!(pair.send(&ping([0; 8])), []);
}

/// Stream 1 ends with RST_STREAM of this reason; the connection stays open.
#[track_caller]
fn resets(octets: &[u8], reason: Reason) {
    let mut pair = Pair::new();
    assert_eq!(pair.send(octets).last(), Some(&Seen::Reset(1, reason)));
    assert_eq!(pair.h2.open_streams(), 0);
    assert!(matches!(
        pair.send(&ping([7; 8]))[..],
        [Seen::Ping {
            ack: true,
            payload: [7, ..]
        }]
    ));
}

#[track_caller]
fn is_ignored(before: &[u8], octets: &[u8]) {
    let mut pair = Pair::new();
    pair.send(before);
    assert_eq!(pair.send(octets), []);
    assert_eq!(pair.h2.failure(), None);
}

fn request() -> Vec<u8> {
    headers(1, &GET, true)
}

fn open() -> Vec<u8> {
    headers(1, &GET, false)
}

/// A stream that both sides have ended.
fn closed() -> Pair {
    let mut pair = Pair::new();
    let stream = pair.open(1);
    pair.h2.send_headers(stream, &[(":status", "200")], true);
    assert!(matches!(pair.output()[..], [Seen::Headers { end: true, .. }]));
    pair
}

#[test]
fn section_3_4_the_preface() {
    for start in [
        &b"GET / HTTP/1.1\r\n\r\n"[..],
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r!",
        b"\0",
    ] {
        let mut pair = Pair::silent();
        let seen = pair.send(start);
        assert!(matches!(
            seen[..],
            [
                Seen::Settings(_),
                ..,
                Seen::GoAway {
                    reason: Reason::PROTOCOL_ERROR,
                    ..
                }
            ]
        ));
        assert!(pair.h2.is_finished());
    }
    let mut pair = Pair::silent();
    let first = [&b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"[..], &ping([0; 8])].concat();
    assert!(matches!(
        pair.send(&first).last(),
        Some(Seen::GoAway {
            reason: Reason::PROTOCOL_ERROR,
            ..
        })
    ));
}

#[test]
fn section_4_2_frame_sizes() {
    let large = vec![0; MAX_FRAME_SIZE + 1];
    for kind in [Kind::DATA, Kind::HEADERS, Kind::SETTINGS, Kind(0x7f)] {
        ends_after(&open(), &raw(kind, 0, 1, &large), Reason::FRAME_SIZE_ERROR);
    }
    // The head alone is enough: the server does not wait for 16 MiB.
    ends(&[0xff, 0xff, 0xff, 0, 0, 0, 0, 0, 1], Reason::FRAME_SIZE_ERROR);
}

#[test]
fn section_4_3_header_blocks() {
    ends(
        &raw(Kind::HEADERS, flag::END_HEADERS, 1, &[0x80]),
        Reason::COMPRESSION_ERROR,
    );
    let start = raw(Kind::HEADERS, 0, 1, &block(&GET));
    for between in [
        ping([0; 8]),
        settings(&[]),
        data(1, b"x", false),
        raw(Kind(0x7f), 0, 1, &[]),
    ] {
        ends_after(&start, &between, Reason::PROTOCOL_ERROR);
    }
    let elsewhere = raw(Kind::CONTINUATION, flag::END_HEADERS, 3, &[]);
    ends_after(&start, &elsewhere, Reason::PROTOCOL_ERROR);
}

#[test]
fn section_5_1_idle_streams() {
    ends(&data(1, b"x", true), Reason::PROTOCOL_ERROR);
    ends(&reset(1, Reason::CANCEL), Reason::PROTOCOL_ERROR);
    ends(&window_update(1, 1), Reason::PROTOCOL_ERROR);
    ends(
        &raw(Kind::CONTINUATION, flag::END_HEADERS, 1, &[]),
        Reason::PROTOCOL_ERROR,
    );
}

#[test]
fn section_5_1_half_closed_streams() {
    resets(&[request(), data(1, b"x", false)].concat(), Reason::STREAM_CLOSED);
    resets(
        &[request(), headers(1, &[("a", "b")], true)].concat(),
        Reason::STREAM_CLOSED,
    );
    ends_after(
        &request(),
        &raw(Kind::CONTINUATION, flag::END_HEADERS, 1, &[]),
        Reason::PROTOCOL_ERROR,
    );
    is_ignored(&request(), &window_update(1, 1));
    is_ignored(&request(), &reset(1, Reason::CANCEL));
}

#[test]
fn section_5_1_streams_that_the_client_reset() {
    let gone = [open(), reset(1, Reason::CANCEL)].concat();
    resets(
        &[&gone[..], &data(1, b"x", false)].concat(),
        Reason::STREAM_CLOSED,
    );
    resets(&[&gone[..], &request()].concat(), Reason::STREAM_CLOSED);
    is_ignored(&gone, &window_update(1, 1));
    is_ignored(&gone, &reset(1, Reason::CANCEL));
}

#[test]
fn section_5_1_streams_that_we_reset() {
    // What was under way when we did is no error, again and again.
    let late = [
        data(1, b"late", false),
        data(1, b"later", true),
        window_update(1, 1),
    ]
    .concat();
    let again = [&late[..], &request(), &reset(1, Reason::CANCEL)].concat();
    is_ignored(&[request(), data(1, b"x", false)].concat(), &again);
}

#[test]
fn section_5_1_streams_that_both_ended() {
    for octets in [data(1, b"x", true), request()] {
        let mut pair = closed();
        let seen = pair.send(&octets);
        assert!(
            matches!(
                seen[..],
                [Seen::GoAway {
                    reason: Reason::STREAM_CLOSED,
                    ..
                }]
            ),
            "{seen:?}"
        );
    }
    for octets in [
        window_update(1, 1),
        reset(1, Reason::NO_ERROR),
        raw(Kind::PRIORITY, 0, 1, &[0; 5]),
    ] {
        assert_eq!(closed().send(&octets), []);
    }
}

#[test]
fn section_5_1_1_stream_numbers() {
    ends(&headers(2, &GET, true), Reason::PROTOCOL_ERROR);
    ends_after(
        &headers(5, &GET, true),
        &headers(3, &GET, true),
        Reason::PROTOCOL_ERROR,
    );
}

#[test]
fn section_5_1_2_concurrency() {
    let mut pair = Pair::new();
    for stream in (1..=511).step_by(2) {
        pair.open(stream);
    }
    assert_eq!(
        pair.send(&headers(513, &GET, true)),
        [Seen::Reset(513, Reason::REFUSED_STREAM)]
    );
    assert!(pair.events().is_empty());
}

#[test]
fn section_6_1_data() {
    ends(&data(0, b"x", true), Reason::PROTOCOL_ERROR);
    ends_after(
        &open(),
        &raw(Kind::DATA, flag::PADDED, 1, &[5, 0, 0, 0, 0]),
        Reason::PROTOCOL_ERROR,
    );
    ends_after(
        &open(),
        &raw(Kind::DATA, flag::PADDED, 1, &[]),
        Reason::FRAME_SIZE_ERROR,
    );
}

#[test]
fn section_6_2_headers() {
    ends(&headers(0, &GET, true), Reason::PROTOCOL_ERROR);
    ends(
        &raw(Kind::HEADERS, flag::END_HEADERS | flag::PADDED, 1, &[9, 0x82]),
        Reason::PROTOCOL_ERROR,
    );
    ends(
        &raw(Kind::HEADERS, flag::END_HEADERS | flag::PRIORITY, 1, &[0; 4]),
        Reason::FRAME_SIZE_ERROR,
    );
    let itself = [&[0, 0, 0, 1, 0][..], &block(&GET)].concat();
    resets(
        &raw(Kind::HEADERS, flag::END_HEADERS | flag::PRIORITY, 1, &itself),
        Reason::PROTOCOL_ERROR,
    );
}

#[test]
fn section_6_3_priority() {
    ends(&raw(Kind::PRIORITY, 0, 0, &[0; 5]), Reason::PROTOCOL_ERROR);
    resets(
        &[open(), raw(Kind::PRIORITY, 0, 1, &[0; 4])].concat(),
        Reason::FRAME_SIZE_ERROR,
    );
    resets(
        &[open(), raw(Kind::PRIORITY, 0, 1, &[0, 0, 0, 1, 9])].concat(),
        Reason::PROTOCOL_ERROR,
    );
    // RST_STREAM may not be sent on an idle stream.
    ends(
        &raw(Kind::PRIORITY, 0, 1, &[0, 0, 0, 1, 9]),
        Reason::PROTOCOL_ERROR,
    );
    is_ignored(&[], &raw(Kind::PRIORITY, 0, 9, &[0, 0, 0, 1, 9]));
}

#[test]
fn section_6_4_rst_stream() {
    ends(&reset(0, Reason::CANCEL), Reason::PROTOCOL_ERROR);
    ends_after(
        &open(),
        &raw(Kind::RST_STREAM, 0, 1, &[0; 3]),
        Reason::FRAME_SIZE_ERROR,
    );
    let mut pair = Pair::new();
    pair.open(1);
    pair.send(&reset(1, Reason(0xdead)));
    assert!(matches!(
        pair.events()[..],
        [Event::Reset {
            reason: Reason(0xdead),
            ..
        }]
    ));
}

#[test]
fn section_6_5_settings() {
    ends(&raw(Kind::SETTINGS, 0, 1, &[]), Reason::PROTOCOL_ERROR);
    ends(&raw(Kind::SETTINGS, 0, 0, &[0; 5]), Reason::FRAME_SIZE_ERROR);
    ends(
        &raw(Kind::SETTINGS, flag::ACK, 0, &[0; 6]),
        Reason::FRAME_SIZE_ERROR,
    );
    ends(&settings(&[(2, 2)]), Reason::PROTOCOL_ERROR);
    ends(&settings(&[(4, 1 << 31)]), Reason::FLOW_CONTROL_ERROR);
    ends(&settings(&[(5, 16_383)]), Reason::PROTOCOL_ERROR);
    ends(&settings(&[(5, 1 << 24)]), Reason::PROTOCOL_ERROR);
    let mut pair = Pair::new();
    let fine = settings(&[(1, 0), (2, 0), (3, 0), (4, 0), (5, 16_384), (6, 0), (0xff, 7)]);
    assert_eq!(pair.send(&fine), [Seen::SettingsAck]);
    assert_eq!(pair.send(&settings_ack()), []);
}

#[test]
fn section_6_6_push_promise() {
    ends_after(
        &open(),
        &raw(Kind::PUSH_PROMISE, flag::END_HEADERS, 1, &[0, 0, 0, 2]),
        Reason::PROTOCOL_ERROR,
    );
}

#[test]
fn section_6_7_ping() {
    ends(&raw(Kind::PING, 0, 1, &[0; 8]), Reason::PROTOCOL_ERROR);
    ends(&raw(Kind::PING, 0, 0, &[0; 7]), Reason::FRAME_SIZE_ERROR);
    is_ignored(&[], &raw(Kind::PING, flag::ACK, 0, &[0; 8]));
}

#[test]
fn section_6_8_goaway() {
    ends(&raw(Kind::GOAWAY, 0, 1, &[0; 8]), Reason::PROTOCOL_ERROR);
    ends(&raw(Kind::GOAWAY, 0, 0, &[0; 7]), Reason::FRAME_SIZE_ERROR);
    // The client sends GOAWAY: its requests are still answered.
    let mut pair = Pair::new();
    let stream = pair.open(1);
    assert_eq!(pair.send(&raw(Kind::GOAWAY, 0, 0, &[0; 8])), []);
    pair.h2.send_headers(stream, &[(":status", "200")], true);
    assert!(matches!(pair.output()[..], [Seen::Headers { end: true, .. }]));
}

#[test]
fn section_6_9_window_update() {
    ends(&window_update(0, 0), Reason::PROTOCOL_ERROR);
    resets(&[open(), window_update(1, 0)].concat(), Reason::PROTOCOL_ERROR);
    ends(&raw(Kind::WINDOW_UPDATE, 0, 0, &[0; 3]), Reason::FRAME_SIZE_ERROR);
    ends(&window_update(0, 0x7fff_ffff), Reason::FLOW_CONTROL_ERROR);
    resets(
        &[open(), window_update(1, 0x7fff_ffff)].concat(),
        Reason::FLOW_CONTROL_ERROR,
    );
    let widened = [request(), window_update(1, 1)].concat();
    ends_after(
        &widened,
        &settings(&[(4, 0x7fff_ffff)]),
        Reason::FLOW_CONTROL_ERROR,
    );
}

#[test]
fn section_6_10_continuation() {
    ends(
        &raw(Kind::CONTINUATION, flag::END_HEADERS, 0, &[]),
        Reason::PROTOCOL_ERROR,
    );
    let pieces: Vec<_> = block(&GET).into_iter().map(|octet| vec![octet]).collect();
    let mut pair = Pair::new();
    pair.send(&raw(Kind::HEADERS, flag::END_STREAM, 1, &[]));
    for piece in &pieces {
        pair.send(&raw(Kind::CONTINUATION, 0, 1, piece));
    }
    pair.send(&raw(Kind::CONTINUATION, flag::END_HEADERS, 1, &[]));
    assert!(matches!(
        &pair.events()[..],
        [Event::Request { end_stream: true, .. }]
    ));
}

#[test]
fn section_8_1_messages() {
    resets(
        &[open(), headers(1, &[("a", "b")], false)].concat(),
        Reason::PROTOCOL_ERROR,
    );
    resets(
        &[open(), headers(1, &[(":path", "/")], true)].concat(),
        Reason::PROTOCOL_ERROR,
    );
    let promising = headers(1, &[&GET[..], &[("content-length", "4")]].concat(), false);
    resets(
        &[&promising[..], &data(1, b"abc", true)].concat(),
        Reason::PROTOCOL_ERROR,
    );
    resets(
        &[&promising[..], &data(1, b"abcde", false)].concat(),
        Reason::PROTOCOL_ERROR,
    );
    let trailers = headers(1, &[("a", "b")], true);
    resets(
        &[&promising[..], &data(1, b"ab", false), &trailers].concat(),
        Reason::PROTOCOL_ERROR,
    );
    let empty = headers(1, &[&GET[..], &[("content-length", "4")]].concat(), true);
    resets(&empty, Reason::PROTOCOL_ERROR);
    is_ignored(
        &promising,
        &[data(1, b"ab", false), data(1, b"cd", false), trailers].concat(),
    );
}

#[test]
fn section_8_2_fields() {
    for field in [
        ("Upper", "x"),
        ("connection", "close"),
        ("te", "gzip"),
        (":status", "200"),
        ("x", "a\r\nb"),
    ] {
        resets(
            &headers(1, &[&GET[..], &[field]].concat(), true),
            Reason::PROTOCOL_ERROR,
        );
    }
    resets(&headers(1, &GET[1..], true), Reason::PROTOCOL_ERROR);
}
