//! A scripted client for tests: it writes what it is told, right or wrong, and shows what it reads.

use std::ops::ControlFlow;
use std::time::Instant;

use super::connection::PREFACE;
use super::frame::{self, Frame, Head, Kind, Setting, Split, StreamId, flag};
use super::{Connection, Event, Reason};
use crate::clock::{Clock, SystemClock};
use crate::hpack;

/// What a server sent, as a client sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Seen {
    Settings(Vec<(u16, u32)>),
    SettingsAck,
    Headers {
        stream: u32,
        fields: Vec<(String, String)>,
        end: bool,
    },
    Data {
        stream: u32,
        octets: Vec<u8>,
        end: bool,
    },
    Reset(u32, Reason),
    Ping {
        ack: bool,
        payload: [u8; 8],
    },
    GoAway {
        last: u32,
        reason: Reason,
    },
    WindowUpdate(u32, u32),
}

/// The client's end of a connection in memory.
pub(crate) struct Client {
    decoder: hpack::Decoder,
    read: Vec<u8>,
}

impl Client {
    pub(crate) fn new() -> Self {
        Self {
            decoder: hpack::Decoder::new(4096),
            read: Vec::new(),
        }
    }

    /// Takes octets from the server and shows the frames that are complete.
    pub(crate) fn read(&mut self, octets: &[u8]) -> Vec<Seen> {
        self.read.extend_from_slice(octets);
        let read = std::mem::take(&mut self.read);
        let (mut rest, mut seen) = (read.as_slice(), Vec::new());
        while let Some(Split {
            head,
            payload,
            rest: after,
        }) = frame::split(rest).unwrap()
        {
            rest = after;
            seen.push(self.see(&head, payload));
        }
        self.read = rest.to_vec();
        seen
    }

    fn see(&mut self, head: &Head, payload: &[u8]) -> Seen {
        let stream = head.stream.number();
        match Frame::parse(head, payload).unwrap() {
            Frame::Data(data) => Seen::Data {
                stream,
                octets: data.payload.to_vec(),
                end: data.end_stream,
            },
            Frame::Headers(headers) => {
                assert!(
                    headers.end_headers,
                    "no header section of ours needs CONTINUATION"
                );
                let mut fields = Vec::new();
                let field = |name: &[u8], value: &[u8]| {
                    let text = |octets: &[u8]| String::from_utf8(octets.to_vec()).unwrap();
                    fields.push((text(name), text(value)));
                    ControlFlow::Continue(())
                };
                self.decoder.decode(headers.fragment, field).unwrap();
                Seen::Headers {
                    stream,
                    fields,
                    end: headers.end_stream,
                }
            }
            Frame::Reset(reset) => Seen::Reset(stream, reset.reason),
            Frame::Settings(settings) if settings.ack => Seen::SettingsAck,
            Frame::Settings(settings) => Seen::Settings(
                settings
                    .iter()
                    .map(|setting| (setting.id, setting.value))
                    .collect(),
            ),
            Frame::Ping(ping) => Seen::Ping {
                ack: ping.ack,
                payload: ping.payload,
            },
            Frame::GoAway(goaway) => Seen::GoAway {
                last: goaway.last_stream.number(),
                reason: goaway.reason,
            },
            Frame::WindowUpdate(update) => Seen::WindowUpdate(stream, update.increment),
            Frame::Priority(_) | Frame::Continuation(_) | Frame::Unknown => unreachable!("{head:?}"),
        }
    }
}

/// A frame of any kind, right or wrong.
pub(crate) fn raw(kind: Kind, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    Head {
        length: payload.len(),
        kind,
        flags,
        stream: StreamId::new(stream),
    }
    .encode(&mut out);
    out.extend_from_slice(payload);
    out
}

pub(crate) fn block(fields: &[(&str, &str)]) -> Vec<u8> {
    let mut block = Vec::new();
    hpack::encode(fields.iter().copied(), &mut block);
    block
}

pub(crate) fn headers(stream: u32, fields: &[(&str, &str)], end: bool) -> Vec<u8> {
    let flags = flag::END_HEADERS | if end { flag::END_STREAM } else { 0 };
    raw(Kind::Headers, flags, stream, &block(fields))
}

pub(crate) fn data(stream: u32, octets: &[u8], end: bool) -> Vec<u8> {
    raw(Kind::Data, if end { flag::END_STREAM } else { 0 }, stream, octets)
}

pub(crate) fn reset(stream: u32, reason: Reason) -> Vec<u8> {
    raw(Kind::Reset, 0, stream, &reason.0.to_be_bytes())
}

pub(crate) fn settings(pairs: &[(u16, u32)]) -> Vec<u8> {
    let mut out = Vec::new();
    let pairs: Vec<_> = pairs.iter().map(|&(id, value)| Setting { id, value }).collect();
    frame::Settings::encode(&pairs, &mut out);
    out
}

pub(crate) fn settings_ack() -> Vec<u8> {
    raw(Kind::Settings, flag::ACK, 0, &[])
}

pub(crate) fn ping(payload: [u8; 8]) -> Vec<u8> {
    raw(Kind::Ping, 0, 0, &payload)
}

pub(crate) fn window_update(stream: u32, increment: u32) -> Vec<u8> {
    raw(Kind::WindowUpdate, 0, stream, &increment.to_be_bytes())
}

/// Preface, empty SETTINGS, acknowledgement of the server's.
pub(crate) fn hello() -> Vec<u8> {
    [&PREFACE[..], &settings(&[]), &settings_ack()].concat()
}

/// The least that a request can say.
pub(crate) const GET: [(&str, &str); 3] = [(":method", "GET"), (":scheme", "http"), (":path", "/")];

/// A server and a client joined in memory, at a time that stands still unless it is moved.
pub(crate) struct Pair {
    pub(crate) h2: Connection,
    pub(crate) now: Instant,
    client: Client,
}

impl Pair {
    /// Before the first octet.
    pub(crate) fn silent() -> Self {
        let now = SystemClock.now();
        Self {
            h2: Connection::new(now),
            now,
            client: Client::new(),
        }
    }

    /// After both sides' settings are exchanged.
    pub(crate) fn new() -> Self {
        let mut pair = Self::silent();
        pair.send(&hello());
        pair
    }

    /// The client sends `octets`; returns what the server answers by itself.
    pub(crate) fn send(&mut self, octets: &[u8]) -> Vec<Seen> {
        self.h2.recv(self.now, octets);
        self.output()
    }

    /// What the server has to say.
    pub(crate) fn output(&mut self) -> Vec<Seen> {
        let mut out = Vec::new();
        self.h2.poll_output(&mut out, usize::MAX);
        self.client.read(&out)
    }

    pub(crate) fn events(&mut self) -> Vec<Event> {
        std::iter::from_fn(|| self.h2.poll_event()).collect()
    }

    /// The client opens a stream with a complete request. Output is left where it is.
    pub(crate) fn open(&mut self, stream: u32) -> StreamId {
        self.h2.recv(self.now, &headers(stream, &GET, true));
        assert!(matches!(
            self.events()[..],
            [Event::Request { end_stream: true, .. }]
        ));
        StreamId::new(stream)
    }
}
