//! The frame head (RFC 9113, section 4.1).

use crate::h2::error::{Error, frame_size};
use crate::h2::stream_id::StreamId;

/// A frame's type. Types that the RFC does not name belong to extensions and are ignored (section 5.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kind(pub u8);

impl Kind {
    /// Section 6.1.
    pub const DATA: Self = Self(0x0);
    /// Section 6.2.
    pub const HEADERS: Self = Self(0x1);
    /// Section 6.3.
    pub const PRIORITY: Self = Self(0x2);
    /// Section 6.4.
    pub const RST_STREAM: Self = Self(0x3);
    /// Section 6.5.
    pub const SETTINGS: Self = Self(0x4);
    /// Section 6.6.
    pub const PUSH_PROMISE: Self = Self(0x5);
    /// Section 6.7.
    pub const PING: Self = Self(0x6);
    /// Section 6.8.
    pub const GOAWAY: Self = Self(0x7);
    /// Section 6.9.
    pub const WINDOW_UPDATE: Self = Self(0x8);
    /// Section 6.10.
    pub const CONTINUATION: Self = Self(0x9);
}

/// The nine octets before every payload (section 4.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// Octets of payload.
    pub length: usize,
    /// The frame's type.
    pub kind: Kind,
    /// Their meaning depends on the type.
    pub flags: u8,
    /// The stream.
    pub stream: StreamId,
}

impl Head {
    /// Octets of an encoded head.
    pub const LENGTH: usize = 9;

    /// A head.
    pub const fn new(kind: Kind, flags: u8, stream: StreamId, length: usize) -> Self {
        Self {
            length,
            kind,
            flags,
            stream,
        }
    }

    /// The head at the start of `bytes`, as soon as it is there.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let [l0, l1, l2, kind, flags, s0, s1, s2, s3] = *bytes.first_chunk()?;
        Some(Self {
            length: usize::try_from(u32::from_be_bytes([0, l0, l1, l2])).ok()?,
            kind: Kind(kind),
            flags,
            stream: StreamId::from_wire([s0, s1, s2, s3]),
        })
    }

    /// Appends the head.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let [_, l0, l1, l2] = u32::try_from(self.length).unwrap_or(u32::MAX).to_be_bytes();
        out.extend_from_slice(&[l0, l1, l2, self.kind.0, self.flags]);
        out.extend_from_slice(&self.stream.number().to_be_bytes());
    }

    pub(super) fn has(&self, flag: u8) -> bool {
        self.flags & flag != 0
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

/// How many octets `bytes`, the start of a frame, lacks to the end of its head, or else to the frame's end.
pub fn missing(bytes: &[u8]) -> usize {
    let known = Head::parse(bytes).map_or(Head::LENGTH, |head| Head::LENGTH + head.length);
    known.saturating_sub(bytes.len())
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

/// The client's first octets (section 3.4).
pub const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
