//! A whole connection of HTTP/2: a client that sends any frames, right or wrong, and a server above that answers in
//! any order. Whatever happens, what leaves is HTTP/2, within the client's windows, and ours never freeze.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use super::Input;
use crate::clock::{Clock, SystemClock};
use crate::h2::frame::{self, Frame, Head, Kind, Setting, flag};
use crate::h2::{Connection, Event, Reason, StreamId};
use crate::hpack;
use crate::limits;
use crate::secret::Secret;

/// The input is a list of operations.
pub(super) fn connection(data: &[u8]) {
    let mut input = Input::new(data);
    let mut pair = Pair::new();
    if input.flag() {
        pair.send_raw(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
        pair.send_settings(&[]);
    } else {
        pair.is_exact = false;
    }
    while !input.is_empty() {
        pair.step(&mut input);
    }
    pair.end();
}

/// The connection, and what a client knows about it.
struct Pair {
    h2: Connection,
    now: Instant,
    decoder: hpack::Decoder,
    output: Vec<u8>,
    frames_seen: usize,
    is_ended: bool,
    next_stream: u32,
    /// Streams whose request the server has seen, and how far the client lets it send.
    windows: BTreeMap<u32, i64>,
    window: i64,
    initial: i64,
    /// Streams whose answer is complete, or that were reset.
    over: BTreeSet<u32>,
    /// Octets of DATA sent, less those that the server has let us send again.
    unreturned: i64,
    /// Octets of body that the server above holds.
    held: Vec<(StreamId, usize)>,
    /// Whether this client still knows what the server has made of its octets.
    is_exact: bool,
}

const SIZES: [usize; 8] = [0, 1, 5, 100, 4_096, 16_384, 70_000, 200_000];

impl Pair {
    fn new() -> Self {
        let now = SystemClock.now();
        Self {
            h2: Connection::new(now),
            now,
            decoder: hpack::Decoder::new(4096),
            output: Vec::new(),
            frames_seen: 0,
            is_ended: false,
            next_stream: 1,
            windows: BTreeMap::new(),
            window: 65_535,
            initial: 65_535,
            over: BTreeSet::new(),
            unreturned: 0,
            held: Vec::new(),
            is_exact: true,
        }
    }

    fn step(&mut self, input: &mut Input<'_>) {
        match input.octet() % 22 {
            0 => self.request(input),
            1 => {
                let flags =
                    input.octet() & (flag::END_STREAM | flag::END_HEADERS | flag::PADDED | flag::PRIORITY);
                let stream = self.stream(input);
                self.send_frame(Kind::HEADERS, flags, stream, input.piece());
            }
            2 => {
                let (flags, stream) = (input.octet() & flag::END_HEADERS, self.stream(input));
                self.send_frame(Kind::CONTINUATION, flags, stream, input.piece());
            }
            3 => {
                let (flags, stream) = (
                    input.octet() & (flag::END_STREAM | flag::PADDED),
                    self.stream(input),
                );
                let fill = input.octet();
                let payload = vec![fill; input.choose(&SIZES[..6])];
                // Enough of them to use up the connection's window.
                for _ in 0..if fill < 240 { 1 } else { 150 } {
                    self.send_frame(Kind::DATA, flags, stream, &payload);
                }
            }
            4 => {
                let id = input.octet() % 8;
                let value = match id {
                    4 => u32::from(input.short()) * input.choose(&[1, 2, 1 << 15]),
                    _ => input.word(),
                };
                self.send_settings(&[Setting { id: id.into(), value }]);
            }
            5 => self.send_frame(Kind::SETTINGS, flag::ACK, 0, &[]),
            6 => {
                let flags = input.octet() & flag::ACK;
                let payload = if input.flag() { *b"shutdown" } else { [1; 8] };
                self.send_frame(Kind::PING, flags, 0, &payload);
            }
            7 => self.window_update(input),
            8 => {
                let stream = self.stream(input);
                self.send_frame(
                    Kind::RST_STREAM,
                    0,
                    stream,
                    &u32::from(input.octet()).to_be_bytes(),
                );
                self.over.insert(stream);
            }
            9 => self.send_frame(Kind::GOAWAY, 0, 0, input.take(8)),
            10 => {
                let stream = self.stream(input);
                self.send_frame(Kind::PRIORITY, 0, stream, input.take(5));
            }
            11 => {
                let kind = Kind(0x20 | input.octet());
                let (flags, stream) = (input.octet(), self.stream(input));
                self.send_frame(kind, flags, stream, input.piece());
            }
            12 => {
                self.is_exact = false;
                self.send_raw(input.piece());
            }
            13 => {
                self.is_exact = false;
                let kind = Kind(input.octet());
                let (flags, stream) = (input.octet(), self.stream(input));
                self.send_frame(kind, flags, stream, input.piece());
            }
            14 => {
                let (stream, is_end) = (StreamId::new(self.stream(input)), input.flag());
                self.h2
                    .send_headers(stream, &[(":status", "200"), ("a", "b")], is_end);
            }
            15 => {
                let (stream, size) = (StreamId::new(self.stream(input)), input.choose(&SIZES));
                self.h2
                    .send_data(stream, Secret::new(vec![7; size]), input.flag());
            }
            16 => {
                let stream = StreamId::new(self.stream(input));
                self.h2.reset(stream, Reason::INTERNAL_ERROR);
            }
            17 => self.release(),
            18 => {
                let stream = StreamId::new(self.stream(input));
                self.h2.grow_window(stream, input.word());
            }
            19 => {
                if input.flag() {
                    self.h2.shut_down(self.now);
                } else {
                    self.h2.finish_shut_down();
                }
            }
            20 => {
                self.now += Duration::from_millis(input.short().into());
                if input.flag() {
                    self.h2.recv_timeout(self.now);
                }
            }
            _ => self.poll(input.short().into()),
        }
        self.events();
    }

    fn stream(&self, input: &mut Input<'_>) -> u32 {
        match input.octet() {
            octet @ 0..200 => u32::from(octet % 16),
            octet => self.next_stream.saturating_add_signed(i32::from(octet) - 220),
        }
    }

    fn request(&mut self, input: &mut Input<'_>) {
        let mut fields = vec![(":method", "POST"), (":scheme", "http"), (":path", "/")];
        let flags = input.octet();
        if flags & 0x40 != 0 {
            fields.push(("content-length", "5"));
        }
        let mut block = Vec::new();
        hpack::encode(fields, &mut block);
        let stream = self.next_stream;
        self.next_stream += 2;
        let flags = flag::END_HEADERS | (flags & flag::END_STREAM);
        self.send_frame(Kind::HEADERS, flags, stream, &block);
    }

    fn window_update(&mut self, input: &mut Input<'_>) {
        let stream = self.stream(input);
        let increment = u32::from(input.short()) * input.choose(&[1, 100, 1 << 15]);
        self.send_frame(Kind::WINDOW_UPDATE, 0, stream, &increment.to_be_bytes());
        if stream == 0 {
            self.window += i64::from(increment);
        } else if let Some(window) = self.windows.get_mut(&stream) {
            *window += i64::from(increment);
        }
    }

    fn send_settings(&mut self, settings: &[Setting]) {
        let mut out = Vec::new();
        frame::encode_settings(&mut out, settings);
        self.send_raw(&out);
        for setting in settings
            .iter()
            .filter(|setting| setting.id == Setting::INITIAL_WINDOW_SIZE)
        {
            let delta = i64::from(setting.value) - self.initial;
            self.initial += delta;
            self.windows.values_mut().for_each(|window| *window += delta);
        }
    }

    fn send_frame(&mut self, kind: Kind, flags: u8, stream: u32, payload: &[u8]) {
        let mut out = Vec::new();
        let (length, stream) = (payload.len(), StreamId::new(stream));
        Head {
            length,
            kind,
            flags,
            stream,
        }
        .encode(&mut out);
        out.extend_from_slice(payload);
        if kind == Kind::DATA {
            self.unreturned += i64::try_from(length).unwrap();
        }
        self.send_raw(&out);
    }

    fn send_raw(&mut self, octets: &[u8]) {
        self.h2.recv(self.now, octets);
        self.events();
    }

    fn events(&mut self) {
        while let Some(event) = self.h2.poll_event() {
            match event {
                Event::Request { stream, .. } => {
                    let twice = self.windows.insert(stream.number(), self.initial);
                    assert!(twice.is_none(), "stream {stream} opened twice");
                    assert!(self.h2.open_streams() <= limits::STREAMS_BEFORE_ACK);
                }
                Event::Data { stream, payload, .. } => self.held.push((stream, payload.len())),
                Event::Reset { .. } | Event::Answered { .. } => {}
            }
        }
    }

    fn release(&mut self) {
        for (stream, octets) in std::mem::take(&mut self.held) {
            self.h2.release(stream, octets);
        }
    }

    /// Takes output, and checks it as a strict client would.
    fn poll(&mut self, room: usize) {
        self.h2.poll_output(&mut self.output, room);
        self.events();
        let output = std::mem::take(&mut self.output);
        let mut rest = output.as_slice();
        while !rest.is_empty() {
            let split = frame::split(rest).unwrap().expect("whole frames only");
            rest = split.rest;
            self.check(&split.head, split.payload);
            self.frames_seen += 1;
        }
    }

    fn check(&mut self, head: &Head, payload: &[u8]) {
        assert!(
            !self.is_ended,
            "a frame after the last GOAWAY of a failed connection"
        );
        let stream = head.stream.number();
        let frame = Frame::parse(head, payload).unwrap();
        if self.frames_seen == 0 {
            assert!(matches!(&frame, Frame::Settings(_)));
        }
        match frame {
            Frame::Headers(headers) => {
                assert!(headers.end_headers);
                self.assert_open(stream);
                let decoded = self
                    .decoder
                    .decode(headers.fragment, |_, _| ControlFlow::Continue(()));
                assert_eq!(decoded, Ok(()));
                if headers.end_stream {
                    self.over.insert(stream);
                }
            }
            Frame::Data(data) => {
                self.assert_open(stream);
                let octets = i64::try_from(data.flow_length).unwrap();
                if self.is_exact {
                    self.window -= octets;
                    let window = self
                        .windows
                        .get_mut(&stream)
                        .expect("DATA on a stream without request");
                    *window -= octets;
                    assert!(
                        octets == 0 || (*window >= 0 && self.window >= 0),
                        "beyond a window"
                    );
                }
                if data.end_stream {
                    self.over.insert(stream);
                }
            }
            Frame::Reset { .. } => {
                self.over.insert(stream);
            }
            Frame::WindowUpdate { increment, .. } if stream == 0 => self.unreturned -= i64::from(increment),
            Frame::GoAway { reason, .. } => self.is_ended = reason != Reason::NO_ERROR,
            Frame::WindowUpdate { .. } | Frame::Settings(_) | Frame::SettingsAck | Frame::Ping { .. } => {}
            Frame::Priority { .. } | Frame::Continuation { .. } | Frame::Unknown => unreachable!("{head:?}"),
        }
    }

    fn assert_open(&self, stream: u32) {
        let is_over = self.is_exact && self.over.contains(&stream) && self.windows.contains_key(&stream);
        assert!(!is_over, "stream {stream} was over");
    }

    /// With all bodies released, the client may send nearly as much as at first.
    fn end(&mut self) {
        self.release();
        self.poll(usize::MAX);
        if self.is_exact && self.h2.failure().is_none() {
            // The first update grew the window from the protocol's size to ours.
            let grown = i64::from(limits::CONNECTION_WINDOW) - 65_535;
            let unreturned = self.unreturned + grown;
            assert!(unreturned >= 0, "more returned than was sent");
            assert!(
                unreturned < i64::from(limits::CONNECTION_WINDOW) / 2,
                "the window freezes"
            );
        }
        if self.h2.failure().is_some() {
            assert!(self.h2.is_finished() && self.is_ended);
        }
    }
}
