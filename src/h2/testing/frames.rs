//! Frames as a client writes them, right or wrong, and as it reads them.

#![allow(dead_code, reason = "each of those who share it uses its own part")]

use std::ops::ControlFlow;

use crate::grpc::message;
use crate::h2::frame::{self, Frame, Head, Kind, Setting, Split, flag};
use crate::h2::{Reason, StreamId};
use crate::hpack;

pub(crate) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

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

impl Seen {
    /// Whether this is the last frame of the stream's answer.
    pub(crate) fn ends(&self, wanted: u32) -> bool {
        matches!(self, Self::Headers { stream, end: true, .. } | Self::Data { stream, end: true, .. } if *stream == wanted)
    }

    /// A header field's value, if this is a header section that has it.
    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        let Self::Headers { fields, .. } = self else {
            return None;
        };
        let field = fields.iter().find(|(known, _)| known == name);
        field.map(|(_, value)| value.as_str())
    }
}

/// The client's end of a connection, without the connection.
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
                    "the server's header sections need no CONTINUATION"
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
            Frame::Reset { reason, .. } => Seen::Reset(stream, reason),
            Frame::SettingsAck => Seen::SettingsAck,
            Frame::Settings(settings) => Seen::Settings(
                settings
                    .iter()
                    .map(|setting| (setting.id, setting.value))
                    .collect(),
            ),
            Frame::Ping { ack, payload } => Seen::Ping { ack, payload },
            Frame::GoAway { last_stream, reason } => Seen::GoAway {
                last: last_stream.number(),
                reason,
            },
            Frame::WindowUpdate { increment, .. } => Seen::WindowUpdate(stream, increment),
            Frame::Priority { .. } | Frame::Continuation { .. } | Frame::Unknown => unreachable!("{head:?}"),
        }
    }
}

/// A frame of any kind, right or wrong.
pub(crate) fn raw(kind: Kind, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    Head::new(kind, flags, StreamId::new(stream), payload.len()).encode(&mut out);
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
    raw(Kind::HEADERS, flags, stream, &block(fields))
}

pub(crate) fn data(stream: u32, octets: &[u8], end: bool) -> Vec<u8> {
    raw(Kind::DATA, if end { flag::END_STREAM } else { 0 }, stream, octets)
}

pub(crate) fn reset(stream: u32, reason: Reason) -> Vec<u8> {
    raw(Kind::RST_STREAM, 0, stream, &reason.0.to_be_bytes())
}

pub(crate) fn settings(pairs: &[(u16, u32)]) -> Vec<u8> {
    let mut out = Vec::new();
    let pairs: Vec<_> = pairs.iter().map(|&(id, value)| Setting { id, value }).collect();
    frame::encode_settings(&mut out, &pairs);
    out
}

pub(crate) fn settings_ack() -> Vec<u8> {
    raw(Kind::SETTINGS, flag::ACK, 0, &[])
}

pub(crate) fn ping(payload: [u8; 8]) -> Vec<u8> {
    raw(Kind::PING, 0, 0, &payload)
}

pub(crate) fn window_update(stream: u32, increment: u32) -> Vec<u8> {
    raw(Kind::WINDOW_UPDATE, 0, stream, &increment.to_be_bytes())
}

/// The header section of a gRPC call; `fields` come last.
pub(crate) fn call_head(stream: u32, path: &str, fields: &[(&str, &str)]) -> Vec<u8> {
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

/// A gRPC message behind its prefix.
pub(crate) fn framed(message: &[u8]) -> Vec<u8> {
    [&message::prefix(message.len()).unwrap()[..], message].concat()
}

/// A gRPC call with one short message; `fields` come last in its header section.
pub(crate) fn call(stream: u32, path: &str, fields: &[(&str, &str)], message: &[u8]) -> Vec<u8> {
    [
        call_head(stream, path, fields),
        data(stream, &framed(message), true),
    ]
    .concat()
}

/// Preface, empty SETTINGS, acknowledgement of the server's.
pub(crate) fn hello() -> Vec<u8> {
    [PREFACE, &settings(&[]), &settings_ack()].concat()
}
