//! Asking our own socket for `Version`, as the driver would.

use std::io::{self, Read as _, Write as _};
use std::time::Duration;

use crate::server::Observer;

/// Asks our own socket for `Version`. Like the driver it connects again when its connection is closed before the answer,
/// which happens where many connect at once.
pub(super) fn probe(server: &Observer, timeout: Duration) -> io::Result<()> {
    let mut tries = TRIES;
    loop {
        tries -= 1;
        match ask(server, timeout) {
            Err(error) if tries > 0 && is_closed(&error) => {}
            other => return other,
        }
    }
}

fn is_closed(error: &io::Error) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionReset, UnexpectedEof};
    matches!(error.kind(), BrokenPipe | ConnectionReset | UnexpectedEof)
}

/// Asks once: connection preface, SETTINGS, one request, and waits for the first bytes of
/// its answer's HEADERS frame.
fn ask(server: &Observer, timeout: Duration) -> io::Result<()> {
    let mut stream = server.connect()?;
    stream.set_read_timeout(Some(timeout))?;
    stream.set_write_timeout(Some(timeout))?;
    stream.write_all(&version_request())?;
    loop {
        let mut head = [0; 9];
        stream.read_exact(&mut head)?;
        let [a, b, c, kind, flags, _, _, _, stream_id] = head;
        if kind == FRAME_HEADERS && stream_id == 1 {
            // An error would come as trailers alone, which end the stream.
            let failed = flags & FLAG_END_STREAM != 0;
            return if failed {
                Err(io::Error::other("Version failed"))
            } else {
                Ok(())
            };
        }
        let length = u32::from_be_bytes([0, a, b, c]);
        io::copy(&mut (&mut stream).take(u64::from(length)), &mut io::sink())?;
    }
}

/// The bytes of one client connection that asks for `Version` (RFC 9113 sections 3.4 and 6, RFC 7541 section 6).
fn version_request() -> Vec<u8> {
    let mut block = vec![0x83, 0x86]; // :method POST, :scheme http
    for (name, value) in [
        (&b"\x04"[..], "/v1alpha1.CSIDriverProvider/Version"), // :path
        (b"\x01", "localhost"),                                // :authority
        (b"\x0f\x10", "application/grpc"),                     // content-type
        (b"\x00\x02te", "trailers"),
    ] {
        block.extend_from_slice(name);
        block.extend(u8::try_from(value.len()));
        block.extend_from_slice(value.as_bytes());
    }
    let mut request = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
    request.extend_from_slice(&[0, 0, 0, FRAME_SETTINGS, 0, 0, 0, 0, 0]);
    request.extend([0, 0]);
    request.extend(u8::try_from(block.len()));
    request.extend_from_slice(&[FRAME_HEADERS, FLAG_END_HEADERS, 0, 0, 0, 1]);
    request.extend_from_slice(&block);
    // One empty message: not compressed, no bytes.
    request.extend_from_slice(&[0, 0, 5, FRAME_DATA, FLAG_END_STREAM, 0, 0, 0, 1, 0, 0, 0, 0, 0]);
    request
}

/// As many as the driver has for a call.
const TRIES: usize = 3;

const FRAME_DATA: u8 = 0;
const FRAME_HEADERS: u8 = 1;
const FRAME_SETTINGS: u8 = 4;
const FLAG_END_STREAM: u8 = 1;
const FLAG_END_HEADERS: u8 = 4;
