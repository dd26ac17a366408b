//! HTTP/2 as a client writes and reads it, right or wrong. Only names are the library's; octets are put together and
//! taken apart here, and header sections by another HPACK, so that one mistake cannot hide on both sides.

use csi_provider::h2::Reason;
use csi_provider::h2::frame::{Kind, flag};

pub(super) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// What a server sent, as a client sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Seen {
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
    pub(super) fn ends(&self, wanted: u32) -> bool {
        matches!(self, Self::Headers { stream, end: true, .. } | Self::Data { stream, end: true, .. } if *stream == wanted)
    }

    /// A header field's value, if this is a header section that has it.
    pub(super) fn field(&self, name: &str) -> Option<&str> {
        let Self::Headers { fields, .. } = self else {
            return None;
        };
        let field = fields.iter().find(|(known, _)| known == name);
        field.map(|(_, value)| value.as_str())
    }
}

/// The client's end of a connection, without the connection.
pub(super) struct Client {
    decoder: fluke_hpack::Decoder<'static>,
    read: Vec<u8>,
}

impl Client {
    pub(super) fn new() -> Self {
        Self {
            decoder: fluke_hpack::Decoder::new(),
            read: Vec::new(),
        }
    }

    /// Takes octets from the server and shows the frames that are complete.
    pub(super) fn read(&mut self, octets: &[u8]) -> Vec<Seen> {
        self.read.extend_from_slice(octets);
        let mut seen = Vec::new();
        while let Some(head) = self.read.first_chunk::<9>().copied() {
            let [a, b, c, kind, flags, s, t, u, v] = head;
            let length = usize::try_from(u32::from_be_bytes([0, a, b, c])).unwrap();
            if self.read.len() < 9 + length {
                break;
            }
            let frame: Vec<u8> = self.read.drain(..9 + length).collect();
            let stream = u32::from_be_bytes([s & 0x7f, t, u, v]);
            seen.push(self.see(Kind(kind), flags, stream, &frame[9..]));
        }
        seen
    }

    fn see(&mut self, kind: Kind, flags: u8, stream: u32, payload: &[u8]) -> Seen {
        let has = |flag: u8| flags & flag != 0;
        assert!(!has(flag::PADDED) || kind == Kind::PING, "no frame is padded");
        match kind {
            Kind::DATA => Seen::Data {
                stream,
                octets: payload.to_vec(),
                end: has(flag::END_STREAM),
            },
            Kind::HEADERS => {
                assert!(has(flag::END_HEADERS), "no header section needs CONTINUATION");
                let text = |octets: Vec<u8>| String::from_utf8(octets).unwrap();
                let fields = self.decoder.decode(payload).unwrap().into_iter();
                Seen::Headers {
                    stream,
                    fields: fields.map(|(name, value)| (text(name), text(value))).collect(),
                    end: has(flag::END_STREAM),
                }
            }
            Kind::RST_STREAM => Seen::Reset(stream, Reason(number(payload, 0))),
            Kind::SETTINGS if has(flag::ACK) => Seen::SettingsAck,
            Kind::SETTINGS => {
                let (pairs, []) = payload.as_chunks::<6>() else {
                    panic!("settings of {} octets", payload.len());
                };
                let pair = |pair: &[u8; 6]| (u16::from_be_bytes([pair[0], pair[1]]), number(pair, 2));
                Seen::Settings(pairs.iter().map(pair).collect())
            }
            Kind::PING => Seen::Ping {
                ack: has(flag::ACK),
                payload: payload.try_into().unwrap(),
            },
            Kind::GOAWAY => Seen::GoAway {
                last: number(payload, 0),
                reason: Reason(number(payload, 4)),
            },
            Kind::WINDOW_UPDATE => Seen::WindowUpdate(stream, number(payload, 0)),
            other => panic!("a frame of kind {}", other.0),
        }
    }
}

fn number(payload: &[u8], at: usize) -> u32 {
    u32::from_be_bytes(payload[at..at + 4].try_into().unwrap())
}

/// A frame of any kind, right or wrong.
pub(super) fn raw(kind: Kind, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let stream = stream.to_be_bytes();
    [&length[1..], &[kind.0, flags], &stream, payload].concat()
}

/// A header section, each field spelt out: RFC 7541, section 6.2.2.
pub(super) fn headers(stream: u32, fields: &[(&str, &str)], end: bool) -> Vec<u8> {
    let mut block = Vec::new();
    for (name, value) in fields {
        block.push(0);
        for text in [name, value] {
            match text.len().checked_sub(127) {
                None => block.push(u8::try_from(text.len()).unwrap()),
                Some(mut rest) => {
                    block.push(127);
                    while rest >= 128 {
                        block.push(u8::try_from(rest % 128 + 128).unwrap());
                        rest /= 128;
                    }
                    block.push(u8::try_from(rest).unwrap());
                }
            }
            block.extend_from_slice(text.as_bytes());
        }
    }
    let flags = flag::END_HEADERS | if end { flag::END_STREAM } else { 0 };
    raw(Kind::HEADERS, flags, stream, &block)
}

pub(super) fn data(stream: u32, octets: &[u8], end: bool) -> Vec<u8> {
    raw(Kind::DATA, if end { flag::END_STREAM } else { 0 }, stream, octets)
}

pub(super) fn reset(stream: u32, reason: Reason) -> Vec<u8> {
    raw(Kind::RST_STREAM, 0, stream, &reason.0.to_be_bytes())
}

pub(super) fn settings(pairs: &[(u16, u32)]) -> Vec<u8> {
    let pair = |(id, value): &(u16, u32)| [&id.to_be_bytes()[..], &value.to_be_bytes()].concat();
    let payload: Vec<u8> = pairs.iter().flat_map(pair).collect();
    raw(Kind::SETTINGS, 0, 0, &payload)
}

pub(super) fn settings_ack() -> Vec<u8> {
    raw(Kind::SETTINGS, flag::ACK, 0, &[])
}

pub(super) fn ping(payload: [u8; 8]) -> Vec<u8> {
    raw(Kind::PING, 0, 0, &payload)
}

pub(super) fn window_update(stream: u32, increment: u32) -> Vec<u8> {
    raw(Kind::WINDOW_UPDATE, 0, stream, &increment.to_be_bytes())
}

/// The header section of a gRPC call; `fields` come last.
pub(super) fn call_head(stream: u32, path: &str, fields: &[(&str, &str)]) -> Vec<u8> {
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
pub(super) fn framed(message: &[u8]) -> Vec<u8> {
    let length = u32::try_from(message.len()).unwrap().to_be_bytes();
    [&[0], &length[..], message].concat()
}

/// A gRPC call with one short message; `fields` come last in its header section.
pub(super) fn call(stream: u32, path: &str, fields: &[(&str, &str)], message: &[u8]) -> Vec<u8> {
    [
        call_head(stream, path, fields),
        data(stream, &framed(message), true),
    ]
    .concat()
}

/// Preface, empty SETTINGS, acknowledgement of the server's.
pub(super) fn hello() -> Vec<u8> {
    [PREFACE, &settings(&[]), &settings_ack()].concat()
}
