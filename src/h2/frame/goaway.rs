//! GOAWAY (RFC 9113, section 6.8).

use super::head::{Head, Kind, require_connection};
use crate::h2::error::{Error, Reason, frame_size};
use crate::h2::stream_id::StreamId;

/// No new streams, please. Debug data of the peer is not kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GoAway {
    /// The last stream that the sender may still act on.
    pub last_stream: StreamId,
    /// Why.
    pub reason: Reason,
}

impl GoAway {
    pub(super) fn parse(head: &Head, payload: &[u8]) -> Result<Self, Error> {
        require_connection(head, "GOAWAY on a stream")?;
        let (fixed, _debug_data) = payload
            .split_first_chunk::<8>()
            .ok_or(frame_size("GOAWAY shorter than 8 octets"))?;
        let [s0, s1, s2, s3, r0, r1, r2, r3] = *fixed;
        Ok(Self {
            last_stream: StreamId::new(u32::from_be_bytes([s0, s1, s2, s3])),
            reason: Reason(u32::from_be_bytes([r0, r1, r2, r3])),
        })
    }

    /// Appends the frame; `debug_data` is the reason, for people.
    pub fn encode(&self, debug_data: &str, out: &mut Vec<u8>) {
        let length = 8 + debug_data.len();
        Head::new(Kind::GOAWAY, 0, StreamId::ZERO, length).encode(out);
        out.extend_from_slice(&self.last_stream.number().to_be_bytes());
        out.extend_from_slice(&self.reason.0.to_be_bytes());
        out.extend_from_slice(debug_data.as_bytes());
    }
}
