//! Dialogues with the connection, a rule each, and what holds for any input.

use std::ops::ControlFlow;
use std::time::Instant;

use proptest::collection::vec;
use proptest::prelude::*;

use super::frame::{self, Head, Kind, Ping, Setting, StreamId, WindowUpdate, put_header_block};
use super::{Connection, Error, Reason};
use crate::clock::{Clock as _, SystemClock};
use crate::hpack;
use crate::secret::Secret;

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const END_STREAM: u8 = 0x1;
const END_HEADERS: u8 = 0x4;
const ACK: u8 = 0x1;

/// A client's bytes, frame by frame.
#[derive(Clone, Default)]
struct Script(Vec<u8>);

impl Script {
    /// Preface and empty SETTINGS, as every client begins.
    fn start() -> Self {
        Self(PREFACE.to_vec()).frame(Kind::Settings, 0, 0, &[])
    }

    fn frame(mut self, kind: Kind, flags: u8, stream: u32, payload: &[u8]) -> Self {
        Head {
            length: payload.len(),
            kind,
            flags,
            stream: StreamId::new(stream),
        }
        .encode(&mut self.0);
        self.0.extend_from_slice(payload);
        self
    }

    fn headers(mut self, stream: u32, fields: &[(&str, &str)], end_stream: bool) -> Self {
        let mut block = Vec::new();
        hpack::encode(fields.iter().copied(), &mut block);
        put_header_block(StreamId::new(stream), &block, end_stream, &mut self.0);
        self
    }

    fn request(self, stream: u32, end_stream: bool) -> Self {
        self.headers(stream, REQUEST, end_stream)
    }

    /// Everything at once.
    fn play(&self) -> Connection {
        let now = SystemClock.now();
        let mut connection = Connection::new(now);
        connection.recv(now, &self.0);
        connection
    }
}

const REQUEST: &[(&str, &str)] = &[
    (":method", "POST"),
    (":scheme", "http"),
    (":path", "/a/B"),
    (":authority", "localhost"),
    ("te", "trailers"),
];

fn events(connection: &mut Connection) -> Vec<String> {
    std::iter::from_fn(|| connection.poll_event())
        .map(|event| format!("{event:?}"))
        .collect()
}

fn output(connection: &mut Connection) -> Vec<u8> {
    let mut out = Vec::new();
    while connection.has_output() {
        let before = out.len();
        connection.poll_output(&mut out, 1 << 20);
        if out.len() == before {
            break;
        }
    }
    out
}

/// Kind, flags, stream and payload of each frame in what the server sent.
fn frames(mut bytes: &[u8]) -> Vec<(Kind, u8, u32, Vec<u8>)> {
    let mut frames = Vec::new();
    while let Some(head) = Head::parse(bytes) {
        let end = Head::LENGTH + head.length;
        frames.push((
            head.kind,
            head.flags,
            head.stream.number(),
            bytes[Head::LENGTH..end].to_vec(),
        ));
        bytes = &bytes[end..];
    }
    assert!(bytes.is_empty(), "a frame in pieces");
    frames
}

fn reason_of(connection: &Connection) -> Option<Reason> {
    match connection.failure() {
        Some(Error::Connection(reason, _)) => Some(reason),
        _ => None,
    }
}

#[test]
fn settings_come_first_and_unprompted() {
    let mut connection = Connection::new(SystemClock.now());
    let sent = frames(&output(&mut connection));
    assert_eq!((sent[0].0, sent[0].1), (Kind::Settings, 0));
}

#[test]
fn settings_are_acknowledged_and_pings_echoed() {
    let mut connection = Script::start().frame(Kind::Ping, 0, 0, b"12345678").play();
    let sent = frames(&output(&mut connection));
    assert!(sent.contains(&(Kind::Settings, ACK, 0, vec![])), "{sent:?}");
    assert!(
        sent.contains(&(Kind::Ping, ACK, 0, b"12345678".to_vec())),
        "{sent:?}"
    );
}

#[test]
fn a_request_with_body_and_its_answer() {
    let script = Script::start()
        .request(1, false)
        .frame(Kind::Data, END_STREAM, 1, b"hello");
    let mut connection = script.play();
    let seen = events(&mut connection);
    assert!(
        seen[0].starts_with("Request") && seen[0].contains("/a/B"),
        "{seen:?}"
    );
    assert!(
        seen[1].starts_with("Data") && seen[1].contains("end_stream: true"),
        "{seen:?}"
    );
    let stream = StreamId::new(1);
    connection.send_headers(stream, &[(":status", "200")], false);
    connection.send_data(stream, Secret::new(vec![b'x'; 40_000]), false);
    connection.send_headers(stream, &[("grpc-status", "0")], true);
    let sent = frames(&output(&mut connection));
    let data: Vec<usize> = sent
        .iter()
        .filter(|(kind, ..)| *kind == Kind::Data)
        .map(|(.., payload)| payload.len())
        .collect();
    assert_eq!(data.iter().sum::<usize>(), 40_000);
    assert!(data.iter().all(|length| *length <= 16_384), "{data:?}");
    let last = sent.last().expect("trailers");
    assert_eq!((last.0, last.1 & END_STREAM), (Kind::Headers, END_STREAM));
}

/// What the windows do not admit waits, and leaves as they open; a SETTINGS change counts for open streams.
#[test]
fn both_send_windows_are_respected() {
    let now = SystemClock.now();
    let mut connection = Script::start().request(1, true).play();
    let stream = StreamId::new(1);
    connection.send_headers(stream, &[(":status", "200")], false);
    connection.send_data(stream, Secret::new(vec![0; 200_000]), true);
    let data = |connection: &mut Connection| -> usize {
        frames(&output(connection))
            .iter()
            .filter(|(kind, ..)| *kind == Kind::Data)
            .map(|(.., it)| it.len())
            .sum()
    };
    assert_eq!(data(&mut connection), 65_535);
    let mut more = Vec::new();
    WindowUpdate {
        stream,
        increment: 100_000,
    }
    .encode(&mut more);
    connection.recv(now, &more);
    assert_eq!(
        data(&mut connection),
        0,
        "the connection's window is still closed"
    );
    let mut more = Vec::new();
    WindowUpdate {
        stream: StreamId::new(0),
        increment: 50_000,
    }
    .encode(&mut more);
    connection.recv(now, &more);
    assert_eq!(data(&mut connection), 50_000);
    let mut more = Vec::new();
    WindowUpdate {
        stream: StreamId::new(0),
        increment: 1_000_000,
    }
    .encode(&mut more);
    connection.recv(now, &more);
    assert_eq!(
        data(&mut connection),
        50_000,
        "the stream's window has room for that much"
    );
    let settings = Script::default().frame(Kind::Settings, 0, 0, &[0, 4, 0, 4, 0, 0]);
    connection.recv(now, &settings.0);
    assert_eq!(
        data(&mut connection),
        200_000 - 165_535,
        "a larger initial window counts for open streams too"
    );
}

#[test]
fn connection_errors_have_the_reason_that_the_rfc_names() {
    let start = Script::start;
    for (what, script, reason) in [
        (
            "no preface",
            Script(b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n".to_vec()),
            Reason::PROTOCOL_ERROR,
        ),
        (
            "first frame is not SETTINGS",
            Script(PREFACE.to_vec()).request(1, true),
            Reason::PROTOCOL_ERROR,
        ),
        ("even stream", start().request(2, true), Reason::PROTOCOL_ERROR),
        ("stream 0", start().request(0, true), Reason::PROTOCOL_ERROR),
        (
            "DATA on stream 0",
            start().frame(Kind::Data, 0, 0, b"x"),
            Reason::PROTOCOL_ERROR,
        ),
        (
            "DATA on an idle stream",
            start().frame(Kind::Data, 0, 1, b"x"),
            Reason::PROTOCOL_ERROR,
        ),
        (
            "too large",
            start().frame(Kind::Ping, 0, 0, &[0; 16_385]),
            Reason::FRAME_SIZE_ERROR,
        ),
        (
            "short PING",
            start().frame(Kind::Ping, 0, 0, b"1234567"),
            Reason::FRAME_SIZE_ERROR,
        ),
        (
            "PING on a stream",
            start().frame(Kind::Ping, 0, 1, b"12345678"),
            Reason::PROTOCOL_ERROR,
        ),
        (
            "odd SETTINGS",
            start().frame(Kind::Settings, 0, 0, &[0; 5]),
            Reason::FRAME_SIZE_ERROR,
        ),
        (
            "SETTINGS ACK with payload",
            start().frame(Kind::Settings, ACK, 0, &[0; 6]),
            Reason::FRAME_SIZE_ERROR,
        ),
        (
            "window over 2^31-1 by SETTINGS",
            start().frame(Kind::Settings, 0, 0, &[0, 4, 0x80, 0, 0, 0]),
            Reason::FLOW_CONTROL_ERROR,
        ),
        (
            "frame size below the least",
            start().frame(Kind::Settings, 0, 0, &[0, 5, 0, 0, 0, 1]),
            Reason::PROTOCOL_ERROR,
        ),
        (
            "push from a client",
            start().frame(Kind::PushPromise, 0, 1, &[0, 0, 0, 2]),
            Reason::PROTOCOL_ERROR,
        ),
        (
            "CONTINUATION without HEADERS",
            start().frame(Kind::Continuation, 0, 1, b""),
            Reason::PROTOCOL_ERROR,
        ),
        (
            "a frame inside a header block",
            start()
                .frame(Kind::Headers, END_STREAM, 1, b"\x83")
                .frame(Kind::Ping, 0, 0, b"12345678"),
            Reason::PROTOCOL_ERROR,
        ),
        (
            "broken header compression",
            start().frame(
                Kind::Headers,
                END_STREAM | END_HEADERS,
                1,
                b"\xff\xff\xff\xff\xff\xff",
            ),
            Reason::COMPRESSION_ERROR,
        ),
        (
            "window update of nothing for the connection",
            start().frame(Kind::WindowUpdate, 0, 0, &[0; 4]),
            Reason::PROTOCOL_ERROR,
        ),
        (
            "connection window over 2^31-1",
            start().frame(Kind::WindowUpdate, 0, 0, &[0x7f, 0xff, 0xff, 0xff]),
            Reason::FLOW_CONTROL_ERROR,
        ),
        (
            "RST_STREAM of an idle stream",
            start().frame(Kind::Reset, 0, 1, &[0; 4]),
            Reason::PROTOCOL_ERROR,
        ),
        (
            "a lower stream than the last",
            start().request(3, true).request(1, true),
            Reason::PROTOCOL_ERROR,
        ),
    ] {
        let mut connection = script.play();
        assert_eq!(reason_of(&connection), Some(reason), "{what}");
        // Whoever did not speak HTTP/2 need not be told in it.
        if what != "no preface" {
            let sent = frames(&output(&mut connection));
            let (_, _, _, goaway) = sent.iter().find(|(kind, ..)| *kind == Kind::GoAway).expect(what);
            assert_eq!(goaway[4..8], reason.0.to_be_bytes(), "{what}");
        }
    }
}

#[test]
fn stream_errors_leave_the_connection_alone() {
    let bad = |fields: &[(&str, &str)]| Script::start().headers(1, fields, true);
    for (what, script) in [
        ("no path", bad(&[(":method", "GET"), (":scheme", "http")])),
        (
            "path twice",
            bad(&[
                (":method", "GET"),
                (":scheme", "http"),
                (":path", "/"),
                (":path", "/"),
            ]),
        ),
        (
            "unknown pseudo-header",
            bad(&[
                (":method", "GET"),
                (":scheme", "http"),
                (":path", "/"),
                (":status", "200"),
            ]),
        ),
        (
            "upper case",
            bad(&[
                (":method", "GET"),
                (":scheme", "http"),
                (":path", "/"),
                ("X-Upper", "1"),
            ]),
        ),
        (
            "connection header",
            bad(&[
                (":method", "GET"),
                (":scheme", "http"),
                (":path", "/"),
                ("connection", "close"),
            ]),
        ),
        (
            "te",
            bad(&[
                (":method", "GET"),
                (":scheme", "http"),
                (":path", "/"),
                ("te", "gzip"),
            ]),
        ),
        (
            "late pseudo-header",
            bad(&[
                (":method", "GET"),
                (":scheme", "http"),
                ("a", "b"),
                (":path", "/"),
            ]),
        ),
        (
            "window update of nothing",
            Script::start()
                .request(1, false)
                .frame(Kind::WindowUpdate, 0, 1, &[0; 4]),
        ),
        (
            "stream window over 2^31-1",
            Script::start()
                .request(1, false)
                .frame(Kind::WindowUpdate, 0, 1, &[0x7f, 0xff, 0xff, 0xff]),
        ),
    ] {
        let mut connection = script.request(3, true).play();
        assert_eq!(connection.failure(), None, "{what}");
        let sent = frames(&output(&mut connection));
        assert!(
            sent.iter()
                .any(|(kind, _, stream, _)| (*kind, *stream) == (Kind::Reset, 1)),
            "{what}: {sent:?}"
        );
        assert!(
            events(&mut connection)
                .iter()
                .any(|event| event.contains("StreamId(3)")),
            "{what}"
        );
    }
}

/// A persistent connection freezes if not every octet of DATA is given back to its window.
#[test]
fn the_connection_window_is_refilled_for_all_data() {
    let now: Instant = SystemClock.now();
    let mut connection = Script::start().play();
    let mut granted = 0u64;
    for at in 0..100 {
        let stream = 1 + 2 * at;
        let body = vec![0; 8_192];
        let script = Script::default()
            .request(stream, false)
            .frame(Kind::Data, END_STREAM, stream, &body);
        connection.recv(now, &script.0);
        while let Some(event) = connection.poll_event() {
            if let super::Event::Data { stream, payload, .. } = event {
                connection.release(stream, payload.len());
            }
        }
        connection.send_headers(StreamId::new(stream), &[(":status", "200")], true);
        for (kind, _, on, payload) in frames(&output(&mut connection)) {
            if (kind, on) == (Kind::WindowUpdate, 0) {
                granted += u64::from(u32::from_be_bytes(payload.try_into().expect("four octets")));
            }
        }
        assert_eq!(connection.failure(), None);
    }
    assert!(granted + 262_144 >= 100 * 8_192, "{granted}");
}

fn fields() -> impl Strategy<Value = Vec<(String, String)>> {
    vec(("[a-z][a-z0-9-]{0,20}", "[ -~]{0,40}"), 0..12)
}

/// Some frames of a client, valid and not.
fn script() -> impl Strategy<Value = Vec<u8>> {
    let frame = (0u8..12, any::<u8>(), 0u32..8, vec(any::<u8>(), 0..40));
    vec(
        prop_oneof![
            3 => (0u32..4, any::<bool>()).prop_map(|(at, end)| Script::default().request(1 + 2 * at, end).0),
            2 => (0u32..4, vec(any::<u8>(), 0..100), any::<bool>()).prop_map(|(at, body, end)| {
                Script::default().frame(Kind::Data, u8::from(end), 1 + 2 * at, &body).0
            }),
            1 => frame.prop_map(|(kind, flags, stream, payload)| {
                Script::default().frame(Kind::from(kind), flags, stream, &payload).0
            }),
        ],
        0..12,
    )
    .prop_map(|pieces| pieces.concat())
}

proptest! {
    /// However the bytes are cut on their way, the same comes of them.
    #[test]
    fn any_split_gives_the_same_events(script in script(), cuts in vec(any::<prop::sample::Index>(), 0..8)) {
        let bytes = [Script::start().0, script].concat();
        let now = SystemClock.now();
        let mut whole = Connection::new(now);
        whole.recv(now, &bytes);

        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len())).collect();
        cuts.sort_unstable();
        let mut split = Connection::new(now);
        let mut from = 0;
        for to in cuts.into_iter().chain([bytes.len()]) {
            split.recv(now, &bytes[from..to]);
            from = to;
        }
        prop_assert_eq!(whole.failure(), split.failure());
        prop_assert_eq!(events(&mut whole).concat().matches("end_stream: true").count(),
                        events(&mut split).concat().matches("end_stream: true").count());
        prop_assert_eq!(output(&mut whole), output(&mut split));
    }

    /// No bytes make it panic, and what it answers is whole frames of permitted size.
    #[test]
    fn hostile_bytes_are_answered_in_whole_frames(bytes in vec(any::<u8>(), 0..400), with_preface: bool) {
        let start = if with_preface { Script::start().0 } else { Vec::new() };
        let mut connection = Script([start, bytes].concat()).play();
        let _ = events(&mut connection);
        for (_, _, _, payload) in frames(&output(&mut connection)) {
            prop_assert!(payload.len() <= 16_384);
        }
    }

    #[test]
    fn headers_survive_encoding_and_decoding(fields in fields()) {
        let mut block = Vec::new();
        hpack::encode(fields.iter().map(|(name, value)| (name.as_str(), value.as_str())), &mut block);
        let mut decoded = Vec::new();
        hpack::Decoder::new(4096)
            .decode(&block, |name, value| {
                decoded.push((String::from_utf8_lossy(name).into_owned(), String::from_utf8_lossy(value).into_owned()));
                ControlFlow::Continue(())
            })
            .map_err(|error| TestCaseError::fail(error.to_string()))?;
        prop_assert_eq!(decoded, fields);
    }

    #[test]
    fn header_decoding_never_panics(blocks in vec(vec(any::<u8>(), 0..100), 1..5)) {
        let mut decoder = hpack::Decoder::new(4096);
        for block in blocks {
            let _ = decoder.decode(&block, |_, _| ControlFlow::Continue(()));
        }
    }

    #[test]
    fn frames_survive_encoding_and_parsing(
        increment in 1u32..=0x7fff_ffff,
        stream in 0u32..=0x7fff_ffff,
        opaque: [u8; 8],
        settings in vec((any::<u16>(), any::<u32>()), 0..6),
    ) {
        let parse = |bytes: &[u8]| {
            let head = Head::parse(bytes).expect("a head");
            format!("{:?}", frame::Frame::parse(&head, &bytes[Head::LENGTH..]))
        };
        let mut bytes = Vec::new();
        let update = WindowUpdate { stream: StreamId::new(stream), increment };
        update.encode(&mut bytes);
        prop_assert_eq!(parse(&bytes), format!("{:?}", Ok::<_, Error>(frame::Frame::WindowUpdate(update))));

        let mut bytes = Vec::new();
        let ping = Ping { ack: false, payload: opaque };
        ping.encode(&mut bytes);
        prop_assert_eq!(parse(&bytes), format!("{:?}", Ok::<_, Error>(frame::Frame::Ping(ping))));

        let settings: Vec<Setting> = settings.into_iter().map(|(id, value)| Setting { id, value }).collect();
        let mut bytes = Vec::new();
        frame::Settings::encode(&settings, &mut bytes);
        let head = Head::parse(&bytes).expect("a head");
        let Ok(frame::Frame::Settings(parsed)) = frame::Frame::parse(&head, &bytes[Head::LENGTH..]) else {
            return Err(TestCaseError::fail("not SETTINGS"));
        };
        prop_assert_eq!(parsed.iter().collect::<Vec<_>>(), settings);
    }
}
