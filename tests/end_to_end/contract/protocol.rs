//! Items 6 to 10: header compression, windows, frame sizes, PING.

use std::time::Duration;

use csi_provider::h2::frame::MAX_FRAME_SIZE;
use csi_provider::limits;
use csi_provider::server::Settings;
use prost::Message as _;

use super::actor::{mount, mount_request, mount_response, mount_within, stage};
use super::raw::{MOUNT, Raw, Seen, call, call_head, data, framed, ping, settings, window_update};

/// tonic adds each `grpc-timeout` to its table, which overflows several times.
#[test]
fn three_hundred_requests_survive_hpack_eviction() {
    let stage = stage(Settings::default());
    let driver = stage.driver();
    for number in 0..300 {
        let timeout = Duration::from_micros(100_000_000 + number);
        let contents = mount_within(&driver, &format!("echo:{number}"), Some(timeout)).unwrap();
        assert_eq!(contents, number.to_string().as_bytes());
    }
    assert_eq!(stage.handle.counters().connections.value(), 1);
}

/// At least 1,000, and more than the window holds that nobody refills.
#[test]
fn the_connection_window_is_refilled_over_a_thousand_requests() {
    const REQUEST: usize = 4_096;
    let stage = stage(Settings::default());
    let driver = stage.driver();
    let text = format!("echo:{}", "y".repeat(REQUEST));
    let windows = 2 * usize::try_from(limits::CONNECTION_WINDOW).unwrap();
    for _ in 0..1_000.max(windows / REQUEST) {
        assert_eq!(mount(&driver, &text).unwrap().len(), REQUEST);
    }
    assert_eq!(stage.handle.counters().connections.value(), 1);
}

/// The windows of a client, each counted down by what arrives and up by what it grants.
struct Granted {
    connection: i64,
    stream: i64,
    initial: i64,
}

/// 1 MiB up and 3.9 MiB down, on one stream, with PINGs and changed settings on the way.
#[test]
fn a_large_request_and_a_large_response_pass_both_windows() {
    const SIZE: usize = 3_900 * 1_024;
    let stage = stage(Settings::default());
    let mut client = Raw::silent(&stage.path);
    client.send(
        &[
            super::raw::PREFACE,
            &settings(&[(4, 0)]),
            &super::raw::settings_ack(),
        ]
        .concat(),
    );

    let body = framed(&mount_request(&format!("size:{SIZE};{}", "x".repeat(1 << 20))));
    let (mut sent, mut connection, mut on_stream) = (0, 65_535, 16_384);
    client.send(&call_head(1, MOUNT, &[("grpc-timeout", "100S")]));
    let mut frames = 0;
    while sent < body.len() {
        let room = connection.min(on_stream).min(MAX_FRAME_SIZE);
        if room == 0 {
            match client.next().unwrap() {
                Seen::WindowUpdate(0, more) => connection += usize::try_from(more).unwrap(),
                Seen::WindowUpdate(1, more) => on_stream += usize::try_from(more).unwrap(),
                Seen::Settings(_) | Seen::SettingsAck | Seen::Ping { ack: true, .. } => {}
                other => panic!("{other:?}"),
            }
            continue;
        }
        let piece = &body[sent..(sent + room).min(body.len())];
        sent += piece.len();
        (connection, on_stream) = (connection - piece.len(), on_stream - piece.len());
        client.send(&data(1, piece, sent == body.len()));
        frames += 1;
        if frames % 8 == 0 {
            client.send(&[ping([8; 8]), settings(&[(4, 0)])].concat());
        }
    }

    // Nothing but the head may come while the stream's window is closed.
    let mut granted = Granted {
        connection: 65_535,
        stream: 0,
        initial: 0,
    };
    let mut received = Vec::new();
    client.until(|seen| {
        matches!(
            seen,
            Seen::Headers {
                stream: 1,
                end: false,
                ..
            }
        )
    });
    assert!(
        client
            .ping()
            .iter()
            .all(|seen| !matches!(seen, Seen::Data { .. }))
    );
    let sizes = [1, 131_070, 16_384, 262_144, 65_535, 1_048_576];
    for step in 0.. {
        // The initial size moves the window of the open stream up and down; updates come on top.
        let initial = i64::from(sizes[step % sizes.len()]);
        granted.stream += initial - granted.initial;
        granted.initial = initial;
        client.send(&settings(&[(4, sizes[step % sizes.len()])]));
        granted.connection += 60_000;
        client.send(&window_update(0, 60_000));
        granted.stream += 30_000;
        client.send(&window_update(1, 30_000));
        let mut is_over = false;
        for seen in client.ping() {
            match seen {
                Seen::Data {
                    stream: 1,
                    octets,
                    end,
                } => {
                    assert!(!end);
                    granted.connection -= i64::try_from(octets.len()).unwrap();
                    granted.stream -= i64::try_from(octets.len()).unwrap();
                    // A frame may have left before a change that shrinks the window.
                    assert!(granted.connection >= 0);
                    assert!(granted.stream >= i64::from(sizes[0]) - 1_048_576);
                    received.extend(octets);
                }
                seen @ Seen::Headers { .. } => {
                    assert_eq!(seen.field("grpc-status"), Some("0"));
                    is_over = true;
                }
                Seen::SettingsAck => {}
                other => panic!("{other:?}"),
            }
        }
        if is_over {
            break;
        }
    }
    assert!(received == framed(&mount_response(vec![7; SIZE]).encode_to_vec()));
    stage.wait_until(|stage| stage.handle.budget().used() == 0);
}

/// Not even to a client that would take larger ones. `Raw` fails on any frame above 16,384 octets.
#[test]
fn no_frame_exceeds_16384_octets() {
    let stage = stage(Settings::default());
    let mut client = Raw::connect(&stage.path);
    client.send(&settings(&[(5, 1 << 20), (4, 1 << 30)]));
    client.send(&window_update(0, 1 << 30));
    client.send(&call(1, MOUNT, &[], &mount_request("size:1000000")));
    let answer = client.answer(1);
    let sizes: Vec<usize> = answer
        .iter()
        .filter_map(|seen| match seen {
            Seen::Data { octets, .. } => Some(octets.len()),
            _ => None,
        })
        .collect();
    assert_eq!(
        sizes.iter().max(),
        Some(&MAX_FRAME_SIZE),
        "it does use what is allowed"
    );
    assert!(sizes.iter().sum::<usize>() > 1_000_000);
}

#[test]
fn ping_is_answered_while_all_mounts_are_busy() {
    let stage = stage(Settings {
        workers: 4,
        queue: 4,
        ..Settings::default()
    });
    let mut client = Raw::connect(&stage.path);
    for at in 0..8 {
        client.send(&call(
            2 * at + 1,
            MOUNT,
            &[("grpc-timeout", "100S")],
            &mount_request("hang"),
        ));
    }
    stage
        .wait_until(|stage| stage.handle.counters().mounts.value() == 8 && stage.handle.queued_mounts() == 4);
    for _ in 0..100 {
        let seen = client.ping();
        assert!(
            seen.iter().all(|seen| matches!(seen, Seen::WindowUpdate(..))),
            "{seen:?}"
        );
    }
    assert_eq!(
        stage.handle.queued_mounts(),
        4,
        "no Mount has ended before the echoes"
    );
}
