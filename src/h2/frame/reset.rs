//! RST_STREAM (RFC 9113, section 6.4).

use super::{Error, Head, Kind, StreamId, frame_size, require_stream};
use crate::h2::Reason;

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
        Head {
            length: 4,
            kind: Kind::Reset,
            flags: 0,
            stream: self.stream,
        }
        .encode(out);
        out.extend_from_slice(&self.reason.0.to_be_bytes());
    }
}
