//! CONTINUATION (RFC 9113, section 6.10).

use super::head::{Head, flag, require_stream};
use crate::h2::error::Error;
use crate::h2::stream_id::StreamId;

/// A further piece of a header block.
#[derive(Clone, PartialEq, Eq)]
#[cfg_attr(any(test, fuzzing), derive(Debug))]
pub struct Continuation<'a> {
    /// The stream of the HEADERS before it.
    pub stream: StreamId,
    /// The piece.
    pub fragment: &'a [u8],
    /// Whether the block is complete.
    pub end_headers: bool,
}

impl<'a> Continuation<'a> {
    pub(super) fn parse(head: &Head, payload: &'a [u8]) -> Result<Self, Error> {
        require_stream(head, "CONTINUATION on stream 0")?;
        Ok(Self {
            stream: head.stream,
            fragment: payload,
            end_headers: head.has(flag::END_HEADERS),
        })
    }
}
