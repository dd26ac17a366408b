//! Header blocks as they travel (RFC 9113, section 4.3): in several frames, and with our table size ahead of the first.

use super::error::{Error, excessive_load};
use super::frame::{self, Headers};
use super::stream_id::StreamId;
use crate::hpack;
use crate::limits;

/// A header block that arrives in one frame or more.
pub(super) struct HeaderBlock {
    pub(super) stream: StreamId,
    pub(super) end_stream: bool,
    pub(super) is_self_dependent: bool,
    pub(super) fragments: Vec<u8>,
    continuations: u32,
}

impl HeaderBlock {
    /// The block that `headers` begins.
    pub(super) fn new(headers: &Headers<'_>) -> Self {
        Self {
            stream: headers.stream,
            end_stream: headers.end_stream,
            is_self_dependent: headers.dependency == Some(headers.stream),
            fragments: headers.fragment.to_vec(),
            continuations: 0,
        }
    }

    /// Adds a further frame.
    pub(super) fn push(&mut self, fragment: &[u8]) -> Result<(), Error> {
        self.continuations += 1;
        if self.continuations > limits::CONTINUATION_FRAMES {
            return Err(excessive_load("header block has too many frames"));
        }
        if self.fragments.len() + fragment.len() > limits::HEADER_BLOCK_BYTES {
            return Err(excessive_load("header block is too long"));
        }
        self.fragments.extend_from_slice(fragment);
        Ok(())
    }
}

/// Writes header blocks. The first one says that our encoder keeps no table.
#[derive(Default)]
pub(super) struct HeaderWriter {
    is_table_announced: bool,
}

impl HeaderWriter {
    pub(super) fn put(&mut self, stream: StreamId, mut block: Vec<u8>, end_stream: bool, out: &mut Vec<u8>) {
        if !self.is_table_announced {
            self.is_table_announced = true;
            block.insert(0, hpack::NO_DYNAMIC_TABLE);
        }
        frame::encode_header_block(out, stream, &block, end_stream);
    }
}
