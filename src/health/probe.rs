//! Calls `Version` on our own socket, as the driver would.

use std::io::{self, Read as _, Write as _};
use std::time::Duration;

use crate::grpc::message;
use crate::h2::StreamId;
use crate::h2::frame::{self, Head, Kind, flag};
use crate::hpack;
use crate::server::Observer;

/// Calls `Version` on our own socket. Like the driver it connects again when its connection is closed before the
/// answer, which happens where many connect at once.
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

/// One attempt: sends connection preface, SETTINGS and one request, and waits for the first bytes of its answer's
/// HEADERS frame.
fn ask(server: &Observer, timeout: Duration) -> io::Result<()> {
    let mut stream = server.connect()?;
    stream.set_read_timeout(Some(timeout))?;
    stream.set_write_timeout(Some(timeout))?;
    stream.write_all(&version_request())?;
    loop {
        let mut octets = [0; Head::LENGTH];
        stream.read_exact(&mut octets)?;
        let head = Head::parse(&octets).ok_or(io::ErrorKind::UnexpectedEof)?;
        if head.kind == Kind::HEADERS && head.stream == STREAM {
            // An error is Trailers-Only, which ends the stream.
            let failed = head.flags & flag::END_STREAM != 0;
            return if failed {
                Err(io::Error::other("Version failed"))
            } else {
                Ok(())
            };
        }
        let length = u64::try_from(head.length).unwrap_or(u64::MAX);
        io::copy(&mut (&mut stream).take(length), &mut io::sink())?;
    }
}

/// What a client sends to call `Version`.
fn version_request() -> Vec<u8> {
    let fields = [
        (":method", "POST"),
        (":scheme", "http"),
        (":path", "/v1alpha1.CSIDriverProvider/Version"),
        (":authority", "localhost"),
        ("content-type", "application/grpc"),
        ("te", "trailers"),
    ];
    let mut block = Vec::new();
    hpack::encode(fields, &mut block);
    let mut request = frame::PREFACE.to_vec();
    frame::encode_settings(&mut request, &[]);
    frame::encode_header_block(&mut request, STREAM, &block, false);
    let empty = message::prefix(0).unwrap_or_default();
    frame::encode_data(&mut request, STREAM, &empty, true);
    request
}

/// The driver's number of attempts for a call.
const TRIES: usize = 3;

const STREAM: StreamId = StreamId::new(1);
