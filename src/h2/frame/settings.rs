//! SETTINGS (RFC 9113, section 6.5).

use super::head::{Head, Kind, flag, require_connection};
use crate::h2::error::{Error, frame_size};
use crate::h2::stream_id::StreamId;

/// Parameters of the sender, or the acknowledgement of the receiver's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings<'a> {
    /// Whether this acknowledges the other side's SETTINGS.
    pub ack: bool,
    pairs: &'a [u8],
}

impl<'a> Settings<'a> {
    pub(super) fn parse(head: &Head, payload: &'a [u8]) -> Result<Self, Error> {
        require_connection(head, "SETTINGS on a stream")?;
        let ack = head.has(flag::ACK);
        if ack && !payload.is_empty() {
            return Err(frame_size("SETTINGS acknowledgement with a payload"));
        }
        if !payload.len().is_multiple_of(6) {
            return Err(frame_size("SETTINGS whose length is no multiple of 6"));
        }
        Ok(Self { ack, pairs: payload })
    }

    /// The parameters, in their order.
    pub fn iter(&self) -> impl Iterator<Item = Setting> + use<'a> {
        let (pairs, _) = self.pairs.as_chunks::<6>();
        pairs.iter().map(|&[i0, i1, v0, v1, v2, v3]| Setting {
            id: u16::from_be_bytes([i0, i1]),
            value: u32::from_be_bytes([v0, v1, v2, v3]),
        })
    }

    /// Appends an acknowledgement.
    pub fn encode_ack(out: &mut Vec<u8>) {
        Head::new(Kind::SETTINGS, flag::ACK, StreamId::ZERO, 0).encode(out);
    }

    /// Appends a frame with `settings`.
    pub fn encode(settings: &[Setting], out: &mut Vec<u8>) {
        Head::new(Kind::SETTINGS, 0, StreamId::ZERO, settings.len() * 6).encode(out);
        for setting in settings {
            out.extend_from_slice(&setting.id.to_be_bytes());
            out.extend_from_slice(&setting.value.to_be_bytes());
        }
    }
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
