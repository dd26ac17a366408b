//! The frames that a server sends (RFC 9113, section 6). Each function appends one to `out`, without padding.

use super::head::{Head, Kind, MAX_FRAME_SIZE, flag};
use super::parse::Setting;
use crate::h2::error::Reason;
use crate::h2::stream_id::StreamId;

fn encode(out: &mut Vec<u8>, kind: Kind, flags: u8, stream: StreamId, payload: &[&[u8]]) {
    let length = payload.iter().map(|part| part.len()).sum();
    Head::new(kind, flags, stream, length).encode(out);
    payload.iter().for_each(|part| out.extend_from_slice(part));
}

/// A piece of a body.
pub fn encode_data(out: &mut Vec<u8>, stream: StreamId, payload: &[u8], end_stream: bool) {
    let flags = if end_stream { flag::END_STREAM } else { 0 };
    encode(out, Kind::DATA, flags, stream, &[payload]);
}

/// A complete header block: one HEADERS frame and as many CONTINUATION frames as it takes.
pub fn encode_header_block(out: &mut Vec<u8>, stream: StreamId, mut block: &[u8], end_stream: bool) {
    let mut kind = Kind::HEADERS;
    let mut flags = if end_stream { flag::END_STREAM } else { 0 };
    while let Some((fragment, rest)) = block.split_at_checked(MAX_FRAME_SIZE)
        && !rest.is_empty()
    {
        encode(out, kind, flags, stream, &[fragment]);
        (block, kind, flags) = (rest, Kind::CONTINUATION, 0);
    }
    encode(out, kind, flags | flag::END_HEADERS, stream, &[block]);
}

/// Resets a stream.
pub fn encode_reset(out: &mut Vec<u8>, stream: StreamId, reason: Reason) {
    encode(out, Kind::RST_STREAM, 0, stream, &[&reason.0.to_be_bytes()]);
}

/// The server's SETTINGS.
pub fn encode_settings(out: &mut Vec<u8>, settings: &[Setting]) {
    Head::new(Kind::SETTINGS, 0, StreamId::ZERO, settings.len() * 6).encode(out);
    for setting in settings {
        out.extend_from_slice(&setting.id.to_be_bytes());
        out.extend_from_slice(&setting.value.to_be_bytes());
    }
}

/// Acknowledges the client's SETTINGS.
pub fn encode_settings_ack(out: &mut Vec<u8>) {
    encode(out, Kind::SETTINGS, flag::ACK, StreamId::ZERO, &[]);
}

/// A PING, or its acknowledgement.
pub fn encode_ping(out: &mut Vec<u8>, ack: bool, payload: [u8; 8]) {
    let flags = if ack { flag::ACK } else { 0 };
    encode(out, Kind::PING, flags, StreamId::ZERO, &[&payload]);
}

/// GOAWAY; `debug_data` is the reason, for people.
pub fn encode_goaway(out: &mut Vec<u8>, last_stream: StreamId, reason: Reason, debug_data: &str) {
    let (last, reason) = (last_stream.number().to_be_bytes(), reason.0.to_be_bytes());
    let payload = [&last[..], &reason, debug_data.as_bytes()];
    encode(out, Kind::GOAWAY, 0, StreamId::ZERO, &payload);
}

/// Grows the client's send window.
pub fn encode_window_update(out: &mut Vec<u8>, stream: StreamId, increment: u32) {
    encode(out, Kind::WINDOW_UPDATE, 0, stream, &[&increment.to_be_bytes()]);
}
