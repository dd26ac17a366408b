//! gRPC over HTTP/2, the server's half: messages, framing, status, deadlines.
//!
//! Pure: no socket, no clock, no thread. The specification is "gRPC over HTTP2" (grpc/grpc,
//! `doc/PROTOCOL-HTTP2.md`) and what grpc-go really does.

pub mod call;
pub mod proto;
pub mod status;

pub use call::{Call, Cancellation};
pub use status::{Code, Status};
