//! HEADERS (RFC 9113, section 6.2), and how a header block is cut into frames.

use super::head::{Head, Kind, MAX_FRAME_SIZE, flag, require_stream, strip_padding};
use crate::h2::error::{Error, frame_size};
use crate::h2::stream_id::StreamId;

/// The start of a header block.
#[derive(Clone, PartialEq, Eq)]
#[cfg_attr(any(test, fuzzing), derive(Debug))]
pub struct Headers<'a> {
    /// The stream that it opens, or whose trailers it brings.
    pub stream: StreamId,
    /// The block's first fragment.
    pub fragment: &'a [u8],
    /// Whether no body follows.
    pub end_stream: bool,
    /// Whether the block is complete.
    pub end_headers: bool,
    /// The stream that this one says it depends on. Priorities are ignored, except that no stream may depend
    /// on itself (RFC 7540, section 5.3.1).
    pub dependency: Option<StreamId>,
}

impl<'a> Headers<'a> {
    pub(super) fn parse(head: &Head, payload: &'a [u8]) -> Result<Self, Error> {
        require_stream(head, "HEADERS on stream 0")?;
        let mut fragment = strip_padding(head, payload)?;
        let mut dependency = None;
        if head.has(flag::PRIORITY) {
            let (priority, rest) = fragment
                .split_first_chunk::<5>()
                .ok_or(frame_size("HEADERS too short for its priority"))?;
            let [s0, s1, s2, s3, _weight] = *priority;
            dependency = Some(StreamId::new(u32::from_be_bytes([s0, s1, s2, s3])));
            fragment = rest;
        }
        Ok(Self {
            stream: head.stream,
            fragment,
            end_stream: head.has(flag::END_STREAM),
            end_headers: head.has(flag::END_HEADERS),
            dependency,
        })
    }
}

/// Appends a complete header block as one HEADERS frame and as many CONTINUATION frames as it takes.
pub fn put_header_block(stream: StreamId, block: &[u8], end_stream: bool, out: &mut Vec<u8>) {
    let (mut fragment, mut rest) = block.split_at_checked(MAX_FRAME_SIZE).unwrap_or((block, &[]));
    let mut kind = Kind::HEADERS;
    let mut flags = if end_stream { flag::END_STREAM } else { 0 };
    loop {
        if rest.is_empty() {
            flags |= flag::END_HEADERS;
        }
        Head::new(kind, flags, stream, fragment.len()).encode(out);
        out.extend_from_slice(fragment);
        if rest.is_empty() {
            return;
        }
        (fragment, rest) = rest.split_at_checked(MAX_FRAME_SIZE).unwrap_or((rest, &[]));
        (kind, flags) = (Kind::CONTINUATION, 0);
    }
}
