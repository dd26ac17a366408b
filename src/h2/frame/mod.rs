//! Frames (RFC 9113, sections 4.1 and 6): octets to values and back.
//!
//! This module checks what a frame shows by itself: its size, its padding, whether it belongs on a stream or on
//! the connection. What depends on the state of a stream or of the connection is checked there.

mod encode;
mod head;
mod parse;
#[cfg(test)]
mod tests;

pub use encode::{
    encode_data, encode_goaway, encode_header_block, encode_ping, encode_reset, encode_settings,
    encode_settings_ack, encode_window_update,
};
pub use head::{Head, Kind, MAX_FRAME_SIZE, PREFACE, Split, flag, missing, split};
pub use parse::{Data, Frame, Headers, Setting, Settings};
