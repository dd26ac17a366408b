//! WINDOW_UPDATE (RFC 9113, section 6.9).

use super::head::{Head, Kind};
use crate::h2::error::{Error, Reason, frame_size, protocol};
use crate::h2::stream_id::StreamId;

/// More may be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WindowUpdate {
    /// The stream, or 0 for the connection.
    pub stream: StreamId,
    /// By how many octets: 1 to 2³¹−1.
    pub increment: u32,
}

impl WindowUpdate {
    pub(super) fn parse(head: &Head, payload: &[u8]) -> Result<Self, Error> {
        let octets = payload
            .try_into()
            .map_err(|_| frame_size("WINDOW_UPDATE is not 4 octets long"))?;
        let increment = u32::from_be_bytes(octets) & 0x7fff_ffff;
        match increment {
            0 if head.stream.is_zero() => Err(protocol("WINDOW_UPDATE by 0")),
            0 => Err(Error::Stream(
                head.stream,
                Reason::PROTOCOL_ERROR,
                "WINDOW_UPDATE by 0",
            )),
            _ => Ok(Self {
                stream: head.stream,
                increment,
            }),
        }
    }

    /// Appends the frame.
    pub fn encode(&self, out: &mut Vec<u8>) {
        Head::new(Kind::WINDOW_UPDATE, 0, self.stream, 4).encode(out);
        out.extend_from_slice(&self.increment.to_be_bytes());
    }
}
