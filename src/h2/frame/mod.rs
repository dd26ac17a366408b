//! Frames (RFC 9113, sections 4.1 and 6): octets to values and back, one file per family.
//!
//! Here is checked what a frame shows by itself: its size, its padding, whether it belongs on a stream or on
//! the connection. What depends on the state of a stream or of the connection is checked there.

mod continuation;
mod data;
mod goaway;
mod headers;
mod ping;
mod priority;
mod reset;
mod settings;
#[cfg(test)]
mod tests;
mod window_update;

pub use continuation::Continuation;
pub use data::Data;
pub use goaway::GoAway;
pub use headers::{Headers, put_header_block};
pub use ping::Ping;
pub use priority::Priority;
pub use reset::Reset;
pub use settings::{Setting, Settings};
pub use window_update::WindowUpdate;

use std::fmt;

use super::error::{Error, frame_size, protocol};

/// A stream's number (section 5.1.1): 31 bits; 0 means the connection as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct StreamId(u32);

impl StreamId {
    /// The connection.
    pub const ZERO: Self = Self(0);
    /// The highest number there is.
    pub const MAX: Self = Self(0x7fff_ffff);

    /// The stream of this number; the reserved highest bit is ignored.
    pub const fn new(number: u32) -> Self {
        Self(number & Self::MAX.0)
    }

    /// The number.
    pub const fn number(self) -> u32 {
        self.0
    }

    /// Whether this is the connection rather than a stream.
    pub const fn is_zero(self) -> bool {
        self.0 == 0
    }

    /// Whether a client may open a stream of this number: they are odd.
    pub const fn is_client_initiated(self) -> bool {
        self.0 & 1 == 1
    }
}

impl fmt::Display for StreamId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A frame's type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// 0x0
    Data,
    /// 0x1
    Headers,
    /// 0x2
    Priority,
    /// 0x3
    Reset,
    /// 0x4
    Settings,
    /// 0x5
    PushPromise,
    /// 0x6
    Ping,
    /// 0x7
    GoAway,
    /// 0x8
    WindowUpdate,
    /// 0x9
    Continuation,
    /// A type that some extension defines; ignored (section 5.5).
    Unknown(u8),
}

impl From<u8> for Kind {
    fn from(octet: u8) -> Self {
        match octet {
            0x0 => Self::Data,
            0x1 => Self::Headers,
            0x2 => Self::Priority,
            0x3 => Self::Reset,
            0x4 => Self::Settings,
            0x5 => Self::PushPromise,
            0x6 => Self::Ping,
            0x7 => Self::GoAway,
            0x8 => Self::WindowUpdate,
            0x9 => Self::Continuation,
            other => Self::Unknown(other),
        }
    }
}

impl From<Kind> for u8 {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::Data => 0x0,
            Kind::Headers => 0x1,
            Kind::Priority => 0x2,
            Kind::Reset => 0x3,
            Kind::Settings => 0x4,
            Kind::PushPromise => 0x5,
            Kind::Ping => 0x6,
            Kind::GoAway => 0x7,
            Kind::WindowUpdate => 0x8,
            Kind::Continuation => 0x9,
            Kind::Unknown(other) => other,
        }
    }
}

/// The nine octets before every payload (section 4.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// Octets of payload.
    pub length: usize,
    /// The frame's type.
    pub kind: Kind,
    /// What they mean depends on the type.
    pub flags: u8,
    /// The stream.
    pub stream: StreamId,
}

impl Head {
    /// Octets of an encoded head.
    pub const LENGTH: usize = 9;

    /// The head at the start of `bytes`, as soon as it is there.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let [l0, l1, l2, kind, flags, s0, s1, s2, s3] = *bytes.first_chunk()?;
        Some(Self {
            length: usize::try_from(u32::from_be_bytes([0, l0, l1, l2])).ok()?,
            kind: Kind::from(kind),
            flags,
            stream: StreamId::new(u32::from_be_bytes([s0, s1, s2, s3])),
        })
    }

    /// Appends the head.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let [_, l0, l1, l2] = u32::try_from(self.length).unwrap_or(u32::MAX).to_be_bytes();
        out.extend_from_slice(&[l0, l1, l2, u8::from(self.kind), self.flags]);
        out.extend_from_slice(&self.stream.number().to_be_bytes());
    }

    fn has(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }
}

/// A frame of a known type. What holds octets of the client prints nothing in what ships.
#[derive(Clone, PartialEq, Eq)]
#[cfg_attr(any(test, fuzzing), derive(Debug))]
pub enum Frame<'a> {
    /// Section 6.1.
    Data(Data<'a>),
    /// Section 6.2.
    Headers(Headers<'a>),
    /// Section 6.3.
    Priority(Priority),
    /// Section 6.4.
    Reset(Reset),
    /// Section 6.5.
    Settings(Settings<'a>),
    /// Section 6.7.
    Ping(Ping),
    /// Section 6.8.
    GoAway(GoAway),
    /// Section 6.9.
    WindowUpdate(WindowUpdate),
    /// Section 6.10.
    Continuation(Continuation<'a>),
    /// Section 5.5.
    Unknown,
}

impl<'a> Frame<'a> {
    /// The frame that `head` announces, from its complete `payload`.
    pub fn parse(head: &Head, payload: &'a [u8]) -> Result<Self, Error> {
        Ok(match head.kind {
            Kind::Data => Self::Data(Data::parse(head, payload)?),
            Kind::Headers => Self::Headers(Headers::parse(head, payload)?),
            Kind::Priority => Self::Priority(Priority::parse(head, payload)?),
            Kind::Reset => Self::Reset(Reset::parse(head, payload)?),
            Kind::Settings => Self::Settings(Settings::parse(head, payload)?),
            Kind::PushPromise => return Err(protocol("PUSH_PROMISE from a client")),
            Kind::Ping => Self::Ping(Ping::parse(head, payload)?),
            Kind::GoAway => Self::GoAway(GoAway::parse(head, payload)?),
            Kind::WindowUpdate => Self::WindowUpdate(WindowUpdate::parse(head, payload)?),
            Kind::Continuation => Self::Continuation(Continuation::parse(head, payload)?),
            Kind::Unknown(_) => Self::Unknown,
        })
    }
}

/// A complete frame at the start of some octets.
#[derive(Clone, Copy, PartialEq, Eq)]
#[cfg_attr(any(test, fuzzing), derive(Debug))]
pub struct Split<'a> {
    /// Its head.
    pub head: Head,
    /// Its payload.
    pub payload: &'a [u8],
    /// What follows it.
    pub rest: &'a [u8],
}

/// Splits the first complete frame off `bytes`. `None` if more must come.
pub fn split(bytes: &[u8]) -> Result<Option<Split<'_>>, Error> {
    let Some(head) = Head::parse(bytes) else {
        return Ok(None);
    };
    if head.length > MAX_FRAME_SIZE {
        return Err(frame_size("frame larger than SETTINGS_MAX_FRAME_SIZE"));
    }
    let frame = bytes
        .get(Head::LENGTH..)
        .and_then(|rest| rest.split_at_checked(head.length));
    Ok(frame.map(|(payload, rest)| Split { head, payload, rest }))
}

/// How many octets `bytes`, the start of a frame, lacks of the next point where more is known: the end of
/// its head, or else its own end.
pub fn missing(bytes: &[u8]) -> usize {
    let known = Head::parse(bytes).map_or(Head::LENGTH, |head| Head::LENGTH + head.length);
    known.saturating_sub(bytes.len())
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

fn require_stream(head: &Head, what: &'static str) -> Result<(), Error> {
    if head.stream.is_zero() {
        Err(protocol(what))
    } else {
        Ok(())
    }
}

fn require_connection(head: &Head, what: &'static str) -> Result<(), Error> {
    if head.stream.is_zero() {
        Ok(())
    } else {
        Err(protocol(what))
    }
}

/// Flag bits.
pub mod flag {
    /// On DATA and HEADERS: the sender's last on this stream.
    pub const END_STREAM: u8 = 0x1;
    /// On SETTINGS and PING: an acknowledgement.
    pub const ACK: u8 = 0x1;
    /// On HEADERS and CONTINUATION: the header block ends here.
    pub const END_HEADERS: u8 = 0x4;
    /// On DATA and HEADERS: there is padding.
    pub const PADDED: u8 = 0x8;
    /// On HEADERS: there are priority fields.
    pub const PRIORITY: u8 = 0x20;
}

/// The largest payload, received or sent: the protocol's initial SETTINGS_MAX_FRAME_SIZE, which we never
/// raise. grpc-go drops a connection on which it sees a larger frame.
pub const MAX_FRAME_SIZE: usize = 16_384;
