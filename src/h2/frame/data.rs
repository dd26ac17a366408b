//! DATA (RFC 9113, section 6.1).

use super::head::{Head, Kind, flag, require_stream, strip_padding};
use crate::h2::error::Error;
use crate::h2::stream_id::StreamId;

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

impl<'a> Data<'a> {
    pub(super) fn parse(head: &Head, payload: &'a [u8]) -> Result<Self, Error> {
        require_stream(head, "DATA on stream 0")?;
        Ok(Self {
            stream: head.stream,
            payload: strip_padding(head, payload)?,
            flow_length: payload.len(),
            end_stream: head.has(flag::END_STREAM),
        })
    }

    /// Appends the frame, without padding.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let flags = if self.end_stream { flag::END_STREAM } else { 0 };
        Head::new(Kind::DATA, flags, self.stream, self.payload.len()).encode(out);
        out.extend_from_slice(self.payload);
    }
}
