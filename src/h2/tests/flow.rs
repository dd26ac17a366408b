//! Flow control in both directions.

use crate::h2::frame::{Kind, MAX_FRAME_SIZE, flag};
use crate::h2::testing::{GET, Pair, Seen, data, headers, raw, reset, settings, window_update};
use crate::h2::{Event, Reason, StreamId};
use crate::limits;
use crate::secret::Secret;

/// A response of so many octets on each of these streams, in order.
fn answer(pair: &mut Pair, streams: &[u32], octets: usize) {
    for stream in streams {
        let stream = pair.open(*stream);
        pair.h2.send_headers(stream, &[(":status", "200")], false);
        pair.h2.send_data(stream, Secret::new(vec![7; octets]), true);
    }
}

/// Octets of DATA per stream, and the largest frame.
fn octets(seen: &[Seen], wanted: u32) -> usize {
    let octets = |seen: &Seen| match seen {
        Seen::Data { stream, octets, .. } if *stream == wanted => octets.len(),
        _ => 0,
    };
    seen.iter().map(octets).sum()
}

fn increments(seen: &[Seen], wanted: u32) -> u32 {
    let increment = |seen: &Seen| match seen {
        Seen::WindowUpdate(stream, increment) if *stream == wanted => *increment,
        _ => 0,
    };
    seen.iter().map(increment).sum()
}

#[test]
fn no_frame_exceeds_16384_octets() {
    let mut pair = Pair::new();
    pair.send(
        &[
            settings(&[(5, 16_777_215), (4, 1 << 20)]),
            window_update(0, 1 << 20),
        ]
        .concat(),
    );
    answer(&mut pair, &[1], 100_000);
    let seen = pair.output();
    assert_eq!(octets(&seen, 1), 100_000);
    let largest = seen.iter().map(|seen| {
        if let Seen::Data { octets, .. } = seen {
            octets.len()
        } else {
            0
        }
    });
    assert_eq!(largest.max(), Some(MAX_FRAME_SIZE));
}

#[test]
fn both_windows_bind_and_either_opens_again() {
    let mut pair = Pair::new();
    answer(&mut pair, &[1, 3], 100_000);
    let seen = pair.output();
    assert_eq!(
        octets(&seen, 1) + octets(&seen, 3),
        65_535,
        "the connection's window"
    );
    assert!(!pair.h2.has_output());
    let more = pair.send(&window_update(0, 1_000_000));
    assert_eq!(
        (
            octets(&seen, 1) + octets(&more, 1),
            octets(&seen, 3) + octets(&more, 3)
        ),
        (65_535, 65_535)
    );
    let last = pair.send(&window_update(3, 50_000));
    assert_eq!((octets(&last, 1), octets(&last, 3)), (0, 34_465));
    assert!(matches!(
        last.last(),
        Some(Seen::Data {
            stream: 3,
            end: true,
            ..
        })
    ));
}

#[test]
fn streams_take_turns() {
    let mut pair = Pair::new();
    pair.send(&[settings(&[(4, 1 << 20)]), window_update(0, 1 << 20)].concat());
    answer(&mut pair, &[1, 3, 5], 3 * MAX_FRAME_SIZE);
    let seen = pair.output();
    let turns: Vec<_> = seen
        .iter()
        .filter_map(|seen| {
            if let Seen::Data { stream, .. } = seen {
                Some(*stream)
            } else {
                None
            }
        })
        .collect();
    assert_eq!(turns, [1, 3, 5, 1, 3, 5, 1, 3, 5]);
}

#[test]
fn initial_window_changes_are_deltas_and_may_make_windows_negative() {
    let mut pair = Pair::new();
    pair.send(&settings(&[(4, 10)]));
    answer(&mut pair, &[1], 100);
    assert_eq!(octets(&pair.output(), 1), 10);
    assert_eq!(octets(&pair.send(&settings(&[(4, 4)])), 1), 0); // 6 below zero
    assert_eq!(octets(&pair.send(&window_update(1, 6)), 1), 0);
    assert_eq!(octets(&pair.send(&window_update(1, 1)), 1), 1);
    assert_eq!(
        octets(&pair.send(&settings(&[(4, 1000), (4, 24)])), 1),
        20,
        "the last value counts"
    );
    assert_eq!(octets(&pair.send(&settings(&[(4, 1000)])), 1), 69);
}

#[test]
fn headers_and_an_empty_end_need_no_window() {
    let mut pair = Pair::new();
    pair.send(&settings(&[(4, 0)]));
    answer(&mut pair, &[1], 0);
    assert!(matches!(
        pair.output()[..],
        [Seen::Headers { .. }, Seen::Data { end: true, .. }]
    ));
}

#[test]
fn the_connection_window_is_replenished_for_every_octet() {
    let mut pair = Pair::new();
    // A stream that is read, one with padding, one that we reset, one that the client reset.
    let window = usize::try_from(limits::CONNECTION_WINDOW).unwrap();
    let (mut sent, mut replenished) = (0, 0);
    for number in 0..200 {
        let stream = 8 * number + 1;
        let mut octets = headers(stream, &GET, false);
        octets.extend(raw(
            Kind::DATA,
            flag::PADDED,
            stream,
            &[vec![99], vec![0; 4_000]].concat(),
        ));
        octets.extend(headers(stream + 2, &GET, true));
        octets.extend(data(stream + 2, &[0; 3_000], true)); // after END_STREAM
        octets.extend(data(stream + 2, &[0; 2_000], true)); // after our RST_STREAM
        octets.extend(headers(stream + 4, &GET, false));
        octets.extend(reset(stream + 4, Reason::CANCEL));
        octets.extend(data(stream + 4, &[0; 1_000], true));
        sent += 4_001 + 3_000 + 2_000 + 1_000;
        replenished += increments(&pair.send(&octets), 0);
        for event in pair.events() {
            if let Event::Data { stream, payload, .. } = event {
                pair.h2.release(stream, payload.len());
                pair.h2.reset(stream, Reason::INTERNAL_ERROR);
            }
        }
        replenished += increments(&pair.output(), 0);
    }
    assert_eq!(pair.h2.failure(), None);
    let open = sent - usize::try_from(replenished).unwrap();
    assert!(open <= window / 2, "{open} octets are lost");
}

#[test]
fn what_is_not_released_keeps_the_windows_shut() {
    let mut pair = Pair::new();
    let piece = vec![0; MAX_FRAME_SIZE];
    assert_eq!(
        pair.send(&[headers(1, &GET, false), data(1, &piece, false)].concat()),
        []
    );
    assert_eq!(
        pair.send(&data(1, b"x", false)),
        [Seen::Reset(1, Reason::FLOW_CONTROL_ERROR)]
    );
    let streams = limits::CONNECTION_WINDOW / limits::STREAM_WINDOW - 2; // one frame and one octet have been used above
    for number in 1..=streams {
        let stream = 2 * number + 1;
        assert_eq!(
            pair.send(&[headers(stream, &GET, false), data(stream, &piece, false)].concat()),
            []
        );
    }
    let stream = 2 * streams + 3;
    let seen = pair.send(&[headers(stream, &GET, false), data(stream, &piece, false)].concat());
    assert!(
        matches!(
            seen[..],
            [Seen::GoAway {
                reason: Reason::FLOW_CONTROL_ERROR,
                ..
            }]
        ),
        "{seen:?}"
    );
}

#[test]
fn a_stream_can_be_let_in_whole_and_is_replenished() {
    let mut pair = Pair::new();
    pair.send(&headers(1, &GET, false));
    pair.h2.grow_window(StreamId::new(1), 1 << 20);
    assert_eq!(pair.output(), [Seen::WindowUpdate(1, 1 << 20)]);
    let (mut announced, half) = (0, limits::CONNECTION_WINDOW / 2);
    for _ in 0..usize::try_from(half).unwrap() / MAX_FRAME_SIZE {
        announced += increments(&pair.send(&data(1, &vec![0; MAX_FRAME_SIZE], false)), 0);
        pair.events();
        pair.h2.release(StreamId::new(1), MAX_FRAME_SIZE);
        announced += increments(&pair.output(), 0);
    }
    assert_eq!((pair.h2.failure(), announced), (None, half));
}

#[test]
fn a_client_that_has_not_seen_our_settings_may_use_the_protocol_s_window() {
    let mut pair = Pair::silent();
    pair.send(&[b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".as_slice(), &settings(&[])].concat());
    pair.send(&headers(1, &GET, false));
    for octets in [MAX_FRAME_SIZE, MAX_FRAME_SIZE, MAX_FRAME_SIZE, 16_383] {
        assert_eq!(pair.send(&data(1, &vec![0; octets], false)), []);
    }
    // Now it has, and the window is 49,151 below zero until the octets are released.
    assert_eq!(pair.send(&crate::h2::testing::settings_ack()), []);
    pair.h2.release(StreamId::new(1), 65_535);
    assert_eq!(pair.output(), [Seen::WindowUpdate(1, 65_535)]);
    assert_eq!(pair.send(&data(1, &[0; MAX_FRAME_SIZE], false)), []);
    assert_eq!(
        pair.send(&data(1, b"x", false)),
        [Seen::Reset(1, Reason::FLOW_CONTROL_ERROR)]
    );
}
