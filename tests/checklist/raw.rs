//! A client that speaks HTTP/2 frame by frame over the real socket, and believes nothing that it does not see.

use std::io::{ErrorKind, Read as _, Write as _};
use std::ops::ControlFlow;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use csi_provider::grpc::message;
use csi_provider::h2::frame::{self, Frame, Head, Kind, Setting, Settings, Split, flag};
use csi_provider::h2::{Reason, StreamId};
use csi_provider::hpack;

pub(crate) const MOUNT: &str = "/v1alpha1.CSIDriverProvider/Mount";
pub(crate) const VERSION: &str = "/v1alpha1.CSIDriverProvider/Version";
pub(crate) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// A frame of the server.
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
        fields
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.as_str())
    }
}

pub(crate) struct Raw {
    stream: UnixStream,
    decoder: hpack::Decoder,
    read: Vec<u8>,
}

impl Raw {
    /// Connects and says nothing.
    pub(crate) fn silent(path: &Path) -> Self {
        let stream = UnixStream::connect(path).unwrap();
        // So that a test that waits in vain fails instead of hanging.
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        Self {
            stream,
            decoder: hpack::Decoder::new(4096),
            read: Vec::new(),
        }
    }

    /// Connects, and exchanges settings.
    pub(crate) fn connect(path: &Path) -> Self {
        let mut client = Self::silent(path);
        client.send(&[PREFACE, &settings(&[]), &settings_ack()].concat());
        client.until(|seen| *seen == Seen::SettingsAck);
        client
    }

    pub(crate) fn send(&mut self, octets: &[u8]) {
        self.stream.write_all(octets).unwrap();
    }

    /// The next frame; `None` once the server has closed.
    pub(crate) fn next(&mut self) -> Option<Seen> {
        loop {
            if let Some(Split { head, payload, rest }) =
                frame::split(&self.read).expect("at most 16,384 octets")
            {
                let (payload, rest) = (payload.to_vec(), rest.to_vec());
                self.read = rest;
                return Some(self.see(&head, &payload));
            }
            let mut buffer = vec![0; 65_536];
            match self.stream.read(&mut buffer) {
                Ok(0) => return None,
                Ok(octets) => self.read.extend_from_slice(&buffer[..octets]),
                Err(error) if error.kind() == ErrorKind::ConnectionReset => return None,
                Err(error) => panic!("no frame: {error}"),
            }
        }
    }

    /// All frames up to and with the first that `is_it` accepts.
    pub(crate) fn until(&mut self, is_it: impl Fn(&Seen) -> bool) -> Vec<Seen> {
        let mut seen = Vec::new();
        loop {
            let next = self.next().unwrap_or_else(|| panic!("closed after {seen:?}"));
            let is_last = is_it(&next);
            seen.push(next);
            if is_last {
                return seen;
            }
        }
    }

    /// Sends a PING and returns what arrives before its echo.
    pub(crate) fn ping(&mut self) -> Vec<Seen> {
        let echo = Seen::Ping {
            ack: true,
            payload: *b"are you?",
        };
        self.send(&ping(*b"are you?"));
        let mut seen = self.until(|next| *next == echo);
        seen.pop();
        seen
    }

    /// Sends a call with one message, and returns the frames of its answer.
    pub(crate) fn call(
        &mut self,
        stream: u32,
        path: &str,
        fields: &[(&str, &str)],
        message: &[u8],
    ) -> Vec<Seen> {
        self.send(&call(stream, path, fields, message));
        self.answer(stream)
    }

    /// The frames of the stream's answer.
    pub(crate) fn answer(&mut self, stream: u32) -> Vec<Seen> {
        let mut seen = self.until(|next| next.ends(stream));
        seen.retain(|next| match next {
            Seen::Headers { stream: of, .. } | Seen::Data { stream: of, .. } => *of == stream,
            _ => false,
        });
        seen
    }

    /// The number in `grpc-status` of an answer, and its message as it was sent.
    pub(crate) fn status(answer: &[Seen]) -> (u8, String) {
        let last = answer.last().unwrap();
        let number = last.field("grpc-status").unwrap_or_else(|| panic!("{answer:?}"));
        let message = last.field("grpc-message").unwrap_or_default().to_owned();
        (number.parse().unwrap(), message)
    }

    fn see(&mut self, head: &Head, payload: &[u8]) -> Seen {
        let stream = head.stream.number();
        match Frame::parse(head, payload).unwrap() {
            Frame::Settings(settings) if settings.ack => Seen::SettingsAck,
            Frame::Settings(settings) => {
                Seen::Settings(settings.iter().map(|one| (one.id, one.value)).collect())
            }
            Frame::Headers(headers) => {
                assert!(headers.end_headers);
                let mut fields = Vec::new();
                let field = |name: &[u8], value: &[u8]| {
                    let text = |octets: &[u8]| String::from_utf8(octets.to_vec()).unwrap();
                    fields.push((text(name), text(value)));
                    ControlFlow::Continue(())
                };
                self.decoder.decode(headers.fragment, field).unwrap();
                let end = headers.end_stream;
                Seen::Headers { stream, fields, end }
            }
            Frame::Data(data) => Seen::Data {
                stream,
                octets: data.payload.to_vec(),
                end: data.end_stream,
            },
            Frame::Reset(reset) => Seen::Reset(stream, reset.reason),
            Frame::Ping(ping) => Seen::Ping {
                ack: ping.ack,
                payload: ping.payload,
            },
            Frame::GoAway(goaway) => Seen::GoAway {
                last: goaway.last_stream.number(),
                reason: goaway.reason,
            },
            Frame::WindowUpdate(update) => Seen::WindowUpdate(stream, update.increment),
            _ => panic!("a server never sends {:?}", head.kind),
        }
    }
}

pub(crate) fn raw(kind: Kind, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let (length, stream) = (payload.len(), StreamId::new(stream));
    let mut out = Vec::new();
    Head {
        length,
        kind,
        flags,
        stream,
    }
    .encode(&mut out);
    out.extend_from_slice(payload);
    out
}

pub(crate) fn settings(pairs: &[(u16, u32)]) -> Vec<u8> {
    let pairs: Vec<_> = pairs.iter().map(|&(id, value)| Setting { id, value }).collect();
    let mut out = Vec::new();
    Settings::encode(&pairs, &mut out);
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

pub(crate) fn cancel(stream: u32) -> Vec<u8> {
    raw(Kind::Reset, 0, stream, &Reason::CANCEL.0.to_be_bytes())
}

pub(crate) fn data(stream: u32, octets: &[u8], end: bool) -> Vec<u8> {
    raw(Kind::Data, if end { flag::END_STREAM } else { 0 }, stream, octets)
}

/// A header section of exactly these fields.
pub(crate) fn section(stream: u32, fields: &[(&str, &str)]) -> Vec<u8> {
    let mut block = Vec::new();
    hpack::encode(fields.iter().copied(), &mut block);
    raw(Kind::Headers, flag::END_HEADERS, stream, &block)
}

/// The header section of a gRPC call; `fields` come last.
pub(crate) fn head(stream: u32, path: &str, fields: &[(&str, &str)]) -> Vec<u8> {
    let common = [
        (":method", "POST"),
        (":scheme", "http"),
        (":path", path),
        (":authority", "localhost"),
        ("content-type", "application/grpc"),
        ("te", "trailers"),
    ];
    section(stream, &[&common, fields].concat())
}

pub(crate) fn framed(message: &[u8]) -> Vec<u8> {
    [&message::prefix(message.len()).unwrap()[..], message].concat()
}

/// A call with one short message.
pub(crate) fn call(stream: u32, path: &str, fields: &[(&str, &str)], message: &[u8]) -> Vec<u8> {
    [head(stream, path, fields), data(stream, &framed(message), true)].concat()
}
