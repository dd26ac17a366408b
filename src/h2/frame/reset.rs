//! RST_STREAM (RFC 9113, section 6.4).

use super::head::{Head, Kind, require_stream};
use crate::h2::error::{Error, Reason, frame_size};
use crate::h2::stream_id::StreamId;

/// The end of a stream, from one side.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reset {
    /// The stream.
    pub stream: StreamId,
    /// Why.
    pub reason: Reason,
}

impl Reset {
    pub(super) fn parse(head: &Head, payload: &[u8]) -> Result<Self, Error> {
        require_stream(head, "RST_STREAM on stream 0")?;
        let code = payload
            .try_into()
            .map_err(|_| frame_size("RST_STREAM is not 4 octets long"))?;
        Ok(Self {
            stream: head.stream,
            reason: Reason(u32::from_be_bytes(code)),
        })
    }

    /// Appends the frame.
    pub fn encode(&self, out: &mut Vec<u8>) {
        Head::new(Kind::RST_STREAM, 0, self.stream, 4).encode(out);
        out.extend_from_slice(&self.reason.0.to_be_bytes());
    }
}
