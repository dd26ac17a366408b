//! HPACK (RFC 7541): header compression, as a server needs it.
//!
//! The [`Decoder`] is complete: static and dynamic table, eviction, size updates, Huffman strings. The encoder
//! ([`encode`]) writes indexed static fields and literals without indexing, which every decoder accepts and
//! which needs no state; it neither compresses strings nor fills the peer's dynamic table.
//!
//! Malformed input ends in an [`Error`], never in a panic. HTTP's own rules for fields (RFC 9113, section 8)
//! are checked in `h2`.

#![deny(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::as_conversions,
    clippy::panic
)]

mod decoder;
mod encoder;
mod error;
mod huffman;
mod integer;
mod table;
#[cfg(test)]
mod tests;

pub use decoder::Decoder;
pub use encoder::{NO_DYNAMIC_TABLE, encode};
pub use error::Error;
