//! gRPC over HTTP/2, the server's half: requests, framing, status, deadlines.
//!
//! Pure: no socket, no clock, no thread. The specification is "gRPC over HTTP2" (grpc/grpc,
//! `doc/PROTOCOL-HTTP2.md`) and the behaviour of grpc-go. Compression is neither used nor accepted.

#![deny(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::as_conversions,
    clippy::panic
)]

pub mod message;
pub mod proto;
pub mod request;
pub mod response;
pub mod status;
pub mod timeout;

pub use status::{Code, Status};
