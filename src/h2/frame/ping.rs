//! PING (RFC 9113, section 6.7).

use super::head::{Head, Kind, flag, require_connection};
use crate::h2::error::{Error, frame_size};
use crate::h2::stream_id::StreamId;

/// Are you there?
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ping {
    /// Whether this is the answer.
    pub ack: bool,
    /// What the answer repeats.
    pub payload: [u8; 8],
}

impl Ping {
    pub(super) fn parse(head: &Head, payload: &[u8]) -> Result<Self, Error> {
        require_connection(head, "PING on a stream")?;
        let payload = payload
            .try_into()
            .map_err(|_| frame_size("PING is not 8 octets long"))?;
        Ok(Self {
            ack: head.has(flag::ACK),
            payload,
        })
    }

    /// Appends the frame.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let flags = if self.ack { flag::ACK } else { 0 };
        Head::new(Kind::PING, flags, StreamId::ZERO, 8).encode(out);
        out.extend_from_slice(&self.payload);
    }
}
