//! From the payload of each type of frame to a value (RFC 9113, section 6).

use super::head::{Head, Kind, flag};
use crate::h2::error::{Error, Reason, frame_size, protocol};
use crate::h2::stream_id::StreamId;

/// A frame of a known type. In the shipped binary, frames with octets of the client print nothing.
#[derive(Clone, PartialEq, Eq)]
#[cfg_attr(any(test, fuzzing), derive(Debug))]
pub enum Frame<'a> {
    /// Section 6.1.
    Data(Data<'a>),
    /// Section 6.2.
    Headers(Headers<'a>),
    /// Section 6.3: deprecated, checked, otherwise ignored.
    Priority {
        /// The stream, in any state.
        stream: StreamId,
        /// The stream that it depends on.
        dependency: StreamId,
    },
    /// Section 6.4.
    Reset {
        /// Which stream ends.
        stream: StreamId,
        /// Why.
        reason: Reason,
    },
    /// Section 6.5.
    Settings(Settings<'a>),
    /// Section 6.5, with ACK.
    SettingsAck,
    /// Section 6.7.
    Ping {
        /// Whether this is an acknowledgement.
        ack: bool,
        /// Repeated by the acknowledgement.
        payload: [u8; 8],
    },
    /// Section 6.8. Debug data of the peer is not kept.
    GoAway {
        /// The last stream that the sender may still act on.
        last_stream: StreamId,
        /// Why.
        reason: Reason,
    },
    /// Section 6.9.
    WindowUpdate {
        /// The stream, or 0 for the connection.
        stream: StreamId,
        /// In octets: 1 to 2³¹−1.
        increment: u32,
    },
    /// Section 6.10.
    Continuation {
        /// The next piece of the header block.
        fragment: &'a [u8],
        /// Whether the block is complete.
        end_headers: bool,
    },
    /// Section 5.5.
    Unknown,
}

/// A piece of a body.
#[derive(Clone, PartialEq, Eq)]
#[cfg_attr(any(test, fuzzing), derive(Debug))]
pub struct Data<'a> {
    /// Whose body.
    pub stream: StreamId,
    /// The piece, without padding.
    pub payload: &'a [u8],
    /// What the frame counts in flow control: the payload, the padding and the padding's length.
    pub flow_length: usize,
    /// Whether it is the last piece.
    pub end_stream: bool,
}

/// The start of a header block.
#[derive(Clone, PartialEq, Eq)]
#[cfg_attr(any(test, fuzzing), derive(Debug))]
pub struct Headers<'a> {
    /// The stream that it opens, or whose trailers it brings.
    pub stream: StreamId,
    /// The block's first fragment.
    pub fragment: &'a [u8],
    /// Whether no body follows.
    pub end_stream: bool,
    /// Whether the block is complete.
    pub end_headers: bool,
    /// The stream that this one says it depends on. Priorities are ignored, except that no stream may depend
    /// on itself (RFC 7540, section 5.3.1).
    pub dependency: Option<StreamId>,
}

/// Parameters of the sender, each an identifier and a value.
#[derive(Clone, PartialEq, Eq)]
#[cfg_attr(any(test, fuzzing), derive(Debug))]
pub struct Settings<'a>(&'a [[u8; 6]]);

impl<'a> Frame<'a> {
    /// The frame that `head` announces, from its complete `payload`.
    pub fn parse(head: &Head, payload: &'a [u8]) -> Result<Self, Error> {
        let stream = head.stream;
        let stream_error = |reason, what| Err(Error::Stream(stream, reason, what));
        match head.kind {
            Kind::DATA | Kind::HEADERS | Kind::PRIORITY | Kind::RST_STREAM | Kind::CONTINUATION
                if stream.is_zero() =>
            {
                return Err(protocol("stream frame on stream 0"));
            }
            Kind::SETTINGS | Kind::PING | Kind::GOAWAY if !stream.is_zero() => {
                return Err(protocol("connection frame on a stream"));
            }
            _ => {}
        }
        Ok(match head.kind {
            Kind::DATA => Self::Data(Data {
                stream,
                payload: strip_padding(head, payload)?,
                flow_length: payload.len(),
                end_stream: head.has(flag::END_STREAM),
            }),
            Kind::HEADERS => Self::Headers(Headers::parse(head, payload)?),
            Kind::PRIORITY => {
                let Some((dependency, [_weight])) = payload.split_first_chunk() else {
                    return stream_error(Reason::FRAME_SIZE_ERROR, "PRIORITY is not 5 octets long");
                };
                let dependency = StreamId::from_wire(*dependency);
                Self::Priority { stream, dependency }
            }
            Kind::RST_STREAM => {
                let code = fixed(payload, "RST_STREAM is not 4 octets long")?;
                let reason = Reason(u32::from_be_bytes(code));
                Self::Reset { stream, reason }
            }
            Kind::SETTINGS if head.has(flag::ACK) => {
                let [] = fixed(payload, "SETTINGS acknowledgement with a payload")?;
                Self::SettingsAck
            }
            Kind::SETTINGS => match payload.as_chunks() {
                (settings, []) => Self::Settings(Settings(settings)),
                _ => return Err(frame_size("SETTINGS length is not a multiple of 6")),
            },
            Kind::PUSH_PROMISE => return Err(protocol("PUSH_PROMISE from a client")),
            Kind::PING => Self::Ping {
                ack: head.has(flag::ACK),
                payload: fixed(payload, "PING is not 8 octets long")?,
            },
            Kind::GOAWAY => {
                let Some(([s0, s1, s2, s3, reason @ ..], _debug_data)) = payload.split_first_chunk::<8>()
                else {
                    return Err(frame_size("GOAWAY shorter than 8 octets"));
                };
                Self::GoAway {
                    last_stream: StreamId::from_wire([*s0, *s1, *s2, *s3]),
                    reason: Reason(u32::from_be_bytes(*reason)),
                }
            }
            Kind::WINDOW_UPDATE => {
                let octets = fixed(payload, "WINDOW_UPDATE is not 4 octets long")?;
                match u32::from_be_bytes(octets) & 0x7fff_ffff {
                    0 if stream.is_zero() => return Err(protocol("WINDOW_UPDATE by 0")),
                    0 => return stream_error(Reason::PROTOCOL_ERROR, "WINDOW_UPDATE by 0"),
                    increment => Self::WindowUpdate { stream, increment },
                }
            }
            Kind::CONTINUATION => Self::Continuation {
                fragment: payload,
                end_headers: head.has(flag::END_HEADERS),
            },
            _ => Self::Unknown,
        })
    }
}

impl<'a> Headers<'a> {
    fn parse(head: &Head, payload: &'a [u8]) -> Result<Self, Error> {
        let mut fragment = strip_padding(head, payload)?;
        let mut dependency = None;
        if head.has(flag::PRIORITY) {
            let Some(([s0, s1, s2, s3, _weight], rest)) = fragment.split_first_chunk() else {
                return Err(frame_size("HEADERS too short for its priority"));
            };
            dependency = Some(StreamId::from_wire([*s0, *s1, *s2, *s3]));
            fragment = rest;
        }
        Ok(Self {
            stream: head.stream,
            fragment,
            end_stream: head.has(flag::END_STREAM),
            end_headers: head.has(flag::END_HEADERS),
            dependency,
        })
    }
}

impl<'a> Settings<'a> {
    /// The parameters, in their order.
    pub fn iter(&self) -> impl Iterator<Item = Setting> + use<'a> {
        self.0.iter().map(|&[i0, i1, v0, v1, v2, v3]| Setting {
            id: u16::from_be_bytes([i0, i1]),
            value: u32::from_be_bytes([v0, v1, v2, v3]),
        })
    }
}

/// A payload of `N` octets.
fn fixed<const N: usize>(payload: &[u8], what: &'static str) -> Result<[u8; N], Error> {
    payload.try_into().map_err(|_| frame_size(what))
}

/// Takes the padding off (sections 6.1 and 6.2): a length octet first, that many octets last.
fn strip_padding<'a>(head: &Head, payload: &'a [u8]) -> Result<&'a [u8], Error> {
    if !head.has(flag::PADDED) {
        return Ok(payload);
    }
    let (length, rest) = payload
        .split_first()
        .ok_or(frame_size("padded frame without a padding length"))?;
    let content = rest.len().checked_sub(usize::from(*length));
    content
        .and_then(|content| rest.get(..content))
        .ok_or(protocol("padding as long as the frame or longer"))
}

/// One parameter (section 6.5.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Setting {
    /// Which one; unknown ones are ignored.
    pub id: u16,
    /// Its value.
    pub value: u32,
}

impl Setting {
    /// Size of the sender's decoding table.
    pub const HEADER_TABLE_SIZE: u16 = 0x1;
    /// Whether the sender accepts pushes.
    pub const ENABLE_PUSH: u16 = 0x2;
    /// How many streams the other side may have open.
    pub const MAX_CONCURRENT_STREAMS: u16 = 0x3;
    /// The flow-control window that streams start with.
    pub const INITIAL_WINDOW_SIZE: u16 = 0x4;
    /// The largest frame payload that the sender takes.
    pub const MAX_FRAME_SIZE: u16 = 0x5;
    /// The largest header list that the sender takes.
    pub const MAX_HEADER_LIST_SIZE: u16 = 0x6;
}
