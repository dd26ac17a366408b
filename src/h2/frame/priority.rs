//! PRIORITY (RFC 9113, section 6.3): deprecated, checked, otherwise ignored.

use super::head::{Head, require_stream};
use crate::h2::error::{Error, Reason};
use crate::h2::stream_id::StreamId;

/// A wish about a stream's weight.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Priority {
    /// The stream, in any state.
    pub stream: StreamId,
    /// The stream that it shall depend on.
    pub dependency: StreamId,
}

impl Priority {
    pub(super) fn parse(head: &Head, payload: &[u8]) -> Result<Self, Error> {
        require_stream(head, "PRIORITY on stream 0")?;
        let [s0, s1, s2, s3, _weight] = *payload else {
            return Err(Error::Stream(
                head.stream,
                Reason::FRAME_SIZE_ERROR,
                "PRIORITY is not 5 octets long",
            ));
        };
        Ok(Self {
            stream: head.stream,
            dependency: StreamId::new(u32::from_be_bytes([s0, s1, s2, s3])),
        })
    }
}
