//! HTTP/2 (RFC 9113), the server's half, over a connection whose client speaks it by prior knowledge.
//!
//! [`Connection`] takes bytes and gives events and bytes; it knows no socket, no clock and no thread. All of
//! the protocol that such a server needs is here: every frame type with its errors, stream states, flow
//! control in both directions, header compression and validation, graceful shutdown, and limits against a
//! hostile peer.
//!
//! Out of scope: TLS and ALPN, `Upgrade`, server push, priorities (read, checked, ignored), CONNECT.

#![deny(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::as_conversions,
    clippy::panic
)]

mod connection;
mod error;
mod event;
mod flood;
mod flow_control;
pub mod frame;
mod frame_reader;
mod header_block;
mod request_head;
mod settings;
mod stream;
mod stream_id;
mod streams;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;

pub use connection::Connection;
pub use error::{Error, Reason};
pub use event::Event;
pub use request_head::RequestHead;
pub use stream_id::StreamId;
