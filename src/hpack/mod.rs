//! HPACK (RFC 7541): header compression, as a server needs it.
//!
//! The [`Decoder`] is complete: static and dynamic table, eviction, size updates, Huffman strings. The encoder
//! ([`encode`]) writes indexed static fields and literals without indexing, which every decoder takes and
//! which needs no state; it neither compresses strings nor fills the peer's dynamic table.
//!
//! Malformed input ends in an [`Error`], never in a panic. HTTP's own rules for fields (RFC 9113, section 8)
//! are the business of `h2`.

#![deny(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::as_conversions,
    clippy::panic
)]

mod decoder;
mod encoder;
#[cfg(test)]
mod encoders;
mod huffman;
mod integer;
#[cfg(test)]
mod properties;
mod table;
#[cfg(test)]
mod tests;

pub use decoder::Decoder;
pub use encoder::{NO_DYNAMIC_TABLE, encode};

use std::fmt;

/// Why a header block cannot be decoded. Each one is a connection error of type COMPRESSION_ERROR, for the
/// table is out of step from here on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Error {
    /// A Huffman-coded string holds the EOS symbol (section 5.2).
    HuffmanEos,
    /// The padding of a Huffman-coded string is too long or not all ones (section 5.2).
    HuffmanPadding,
    /// An integer is larger than any this decoder accepts (section 5.1).
    IntegerTooLarge,
    /// An index points at no table entry (section 2.3.3).
    InvalidIndex(u32),
    /// A table size update stands after a field of the same block (section 4.2).
    LateSizeUpdate,
    /// A table size update exceeds what our settings allow (section 6.3).
    SizeUpdateTooLarge(u32),
    /// The block ends inside an integer or a string.
    Truncated,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::HuffmanEos => f.write_str("header block: Huffman string contains EOS"),
            Self::HuffmanPadding => f.write_str("header block: wrong padding of a Huffman string"),
            Self::IntegerTooLarge => f.write_str("header block: integer too large"),
            Self::InvalidIndex(index) => write!(f, "header block: no table entry {index}"),
            Self::LateSizeUpdate => f.write_str("header block: table size update after a field"),
            Self::SizeUpdateTooLarge(size) => {
                write!(
                    f,
                    "header block: table size update to {size} is above our setting"
                )
            }
            Self::Truncated => f.write_str("header block: truncated"),
        }
    }
}

impl std::error::Error for Error {}
