//! HTTP/1.1 as far as a cloud API needs it: messages, percent-encoding, the server's sockets and its TLS.

pub mod message;
pub mod percent;
pub mod server;
pub mod tls;
