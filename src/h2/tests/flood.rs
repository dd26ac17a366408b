//! Hostile clients: each known flood is stopped by its limit, and a busy normal client is not.

use std::time::Duration;

use crate::h2::frame::{Kind, flag};
use crate::h2::testing::{GET, Pair, Seen, block, data, headers, ping, raw, reset, settings, window_update};
use crate::h2::{Error, Event, Reason, StreamId};
use crate::limits;
use crate::secret::Secret;

/// Sends `frame(0)`, `frame(1)`, … while reading the answers, until the connection ends. Returns how many it took.
#[track_caller]
fn flood(pair: &mut Pair, most: u32, frame: impl Fn(u32) -> Vec<u8>) -> u32 {
    let mut sent = 0;
    while pair.h2.failure().is_none() {
        assert!(sent <= most, "still alive after {sent}");
        pair.send(&frame(sent));
        pair.events();
        sent += 1;
    }
    assert!(matches!(
        pair.h2.failure(),
        Some(Error::Connection(Reason::ENHANCE_YOUR_CALM, _))
    ));
    sent
}

#[test]
fn frames_without_progress_are_bounded() {
    type Frame = fn(u32) -> Vec<u8>;
    let frames: [(&str, Frame); 8] = [
        ("PING", |_| ping([0; 8])),
        ("PING acknowledgement", |_| raw(Kind::PING, flag::ACK, 0, &[0; 8])),
        ("SETTINGS", |_| settings(&[])),
        ("PRIORITY", |_| raw(Kind::PRIORITY, 0, 1, &[0, 0, 0, 3, 0])),
        ("WINDOW_UPDATE", |_| window_update(1, 1)),
        ("empty DATA", |_| data(1, &[], false)),
        ("GOAWAY", |_| raw(Kind::GOAWAY, 0, 0, &[0; 8])),
        ("unknown", |_| raw(Kind(0x55), 0, 0, &[])),
    ];
    for (name, frame) in frames {
        let mut pair = Pair::new();
        pair.send(&headers(1, &GET, false));
        let sent = flood(&mut pair, limits::CONTROL_FRAMES_BURST, frame);
        assert!(
            sent > limits::CONTROL_FRAMES_BURST - 10,
            "{name} ended after {sent}"
        );
    }
}

#[test]
fn a_quiet_connection_has_one_burst_and_no_more() {
    let mut pair = Pair::new();
    pair.now += Duration::from_secs(60);
    let burst = limits::CONTROL_FRAMES_BURST;
    assert_eq!(flood(&mut pair, burst, |_| ping([0; 8])), burst + 1);
}

#[test]
fn a_client_that_does_not_read_its_answers_is_cut_off_early() {
    let mut pair = Pair::new();
    let backlog = u32::try_from(limits::CONTROL_BACKLOG).unwrap();
    let mut sent = 0;
    while pair.h2.failure().is_none() {
        pair.h2.recv(pair.now, &ping([0; 8]));
        sent += 1;
    }
    assert_eq!(sent, backlog + 1);
    // Queued events are dropped: only the end is reported.
    assert!(matches!(
        pair.output()[..],
        [Seen::GoAway {
            reason: Reason::ENHANCE_YOUR_CALM,
            ..
        }]
    ));
}

#[test]
fn rapid_resets_are_bounded() {
    let open_and_reset = |number| {
        let stream = 2 * number + 1;
        [headers(stream, &GET, true), reset(stream, Reason::CANCEL)].concat()
    };
    assert_eq!(
        flood(&mut Pair::new(), limits::RESETS_BURST, open_and_reset),
        limits::RESETS_BURST + 1
    );
}

#[test]
fn resets_that_the_client_makes_us_send_are_bounded_too() {
    let open_and_break = |number| {
        let stream = 2 * number + 1;
        [headers(stream, &GET, true), data(stream, b"x", true)].concat()
    };
    assert_eq!(
        flood(&mut Pair::new(), limits::RESETS_BURST, open_and_break),
        limits::RESETS_BURST + 1
    );
}

#[test]
fn refused_header_lists_are_bounded_too() {
    let long = "x".repeat(16_300);
    let fields = [&GET[..], &[("a", &long)]].concat();
    let oversized = |number| headers(2 * number + 1, &fields, true);
    assert_eq!(
        flood(&mut Pair::new(), limits::RESETS_BURST, oversized),
        limits::RESETS_BURST + 1
    );
}

#[test]
fn cancelling_every_call_at_a_fast_pace_is_allowed() {
    let mut pair = Pair::new();
    for number in 0..20 * limits::RESETS_BURST {
        pair.now += Duration::from_secs(1) / limits::RESETS_PER_SECOND;
        let stream = 2 * number + 1;
        pair.send(&[headers(stream, &GET, true), reset(stream, Reason::CANCEL)].concat());
        pair.events();
    }
    assert_eq!(pair.h2.failure(), None);
}

#[test]
fn continuation_floods_are_bounded() {
    let start = raw(Kind::HEADERS, 0, 1, &block(&GET));
    for (piece, frames) in [(vec![], limits::CONTINUATION_FRAMES + 1), (vec![0; 16_384], 4)] {
        let mut pair = Pair::new();
        pair.send(&start);
        let sent = flood(&mut pair, frames, |_| raw(Kind::CONTINUATION, 0, 1, &piece));
        assert_eq!(sent, frames);
    }
}

#[test]
fn a_header_bomb_costs_nothing() {
    // One large entry in the dynamic table, named by each of 16,000 octets.
    let long = "x".repeat(4_000);
    let mut bomb = vec![0x40, 1, b'a', 0x7f, 0xa1, 0x1e];
    bomb.extend(long.as_bytes());
    bomb.extend(vec![0xbe; 12_000]);
    let mut pair = Pair::new();
    let seen = pair.send(&raw(
        Kind::HEADERS,
        flag::END_HEADERS | flag::END_STREAM,
        1,
        &bomb,
    ));
    assert!(
        matches!(&seen[..], [Seen::Headers { fields, .. }, _] if fields[0].1 == "431"),
        "{seen:?}"
    );
    assert!(pair.events().is_empty());
}

#[test]
fn a_busy_honest_client_is_not_a_flood() {
    // A call with a PING, two window updates and an empty last DATA frame each, at one instant.
    let mut pair = Pair::new();
    for number in 0..50_000 {
        let stream = 2 * number + 1;
        let call = [
            headers(stream, &GET, false),
            data(stream, b"abc", false),
            data(stream, &[], true),
            ping([0; 8]),
            window_update(0, 5),
            window_update(stream, 5),
        ];
        pair.send(&call.concat());
        for event in pair.events() {
            if let Event::Data { stream, payload, .. } = event {
                pair.h2.release(stream, payload.len());
            }
        }
        pair.h2
            .send_headers(StreamId::new(stream), &[(":status", "200")], false);
        pair.h2
            .send_data(StreamId::new(stream), Secret::new(b"hello".to_vec()), false);
        pair.h2
            .send_headers(StreamId::new(stream), &[("grpc-status", "0")], true);
        pair.output();
    }
    assert_eq!(pair.h2.failure(), None);
}

#[test]
fn frames_without_progress_at_a_steady_pace_are_no_flood() {
    let mut pair = Pair::new();
    for _ in 0..100 {
        for _ in 0..limits::CONTROL_FRAMES_PER_SECOND {
            pair.send(&ping([0; 8]));
        }
        pair.now += Duration::from_secs(1);
    }
    assert_eq!(pair.h2.failure(), None);
    // Twice the pace is one, once the burst is used up.
    for _ in 0..100 {
        for _ in 0..2 * limits::CONTROL_FRAMES_PER_SECOND {
            pair.send(&ping([0; 8]));
        }
        pair.now += Duration::from_secs(1);
    }
    assert!(pair.h2.failure().is_some());
}

#[test]
fn the_header_table_is_bounded() {
    let sections = |update: &[u8]| {
        raw(
            Kind::HEADERS,
            flag::END_HEADERS,
            1,
            &[update, &block(&GET)].concat(),
        )
    };
    let mut pair = Pair::new();
    pair.send(&sections(&[0x3f, 0xe1, 0x1f])); // 4,096
    assert_eq!(pair.h2.failure(), None);
    let mut pair = Pair::new();
    pair.send(&sections(&[0x3f, 0xe2, 0x1f])); // 4,097
    assert!(matches!(
        pair.h2.failure(),
        Some(Error::Connection(Reason::COMPRESSION_ERROR, _))
    ));
}

#[test]
fn the_memory_of_closed_streams_is_bounded() {
    // A frame on a stream that the client reset is an error of that stream; so is one on a stream that is forgotten.
    let streams = u32::try_from(limits::CLOSED_STREAMS).unwrap();
    let mut pair = Pair::new();
    pair.send(&headers(1, &GET, false));
    pair.h2.reset(StreamId::new(1), Reason::INTERNAL_ERROR);
    assert_eq!(
        pair.send(&data(1, b"late", true)).len(),
        1,
        "ours: ignored, behind our RST_STREAM"
    );
    for number in 1..streams {
        pair.send(
            &[
                headers(2 * number + 1, &GET, true),
                reset(2 * number + 1, Reason::CANCEL),
            ]
            .concat(),
        );
    }
    assert_eq!(pair.send(&data(1, b"late", true)), [], "still remembered");
    pair.send(
        &[
            headers(2 * streams + 1, &GET, true),
            reset(2 * streams + 1, Reason::CANCEL),
        ]
        .concat(),
    );
    assert_eq!(
        pair.send(&data(1, b"late", true)),
        [Seen::Reset(1, Reason::STREAM_CLOSED)],
        "forgotten"
    );
    assert_eq!(pair.h2.failure(), None);
}
