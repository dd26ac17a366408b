//! The health endpoint: HTTP on a port of its own, for kubelet's probes.
//!
//! A request is answered by asking our own socket for `Version`, as the driver would: 200 if it answers in time,
//! 503 if not. So the probe sees what the driver would see.

use std::io::{self, Read as _, Write as _};
use std::net::{Ipv6Addr, SocketAddr, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use crate::cli::Health;
use crate::limits;

/// A bound health port.
pub struct HealthServer {
    listener: TcpListener,
    health: Health,
    socket: PathBuf,
}

impl HealthServer {
    /// Takes the port. A port that is taken is an error now rather than a probe that somebody else answers.
    ///
    /// # Errors
    /// The port is not to be had.
    pub fn bind(health: &Health, socket: &Path) -> io::Result<Self> {
        let any_v6 = SocketAddr::from((Ipv6Addr::UNSPECIFIED, health.port));
        let any_v4 = SocketAddr::from(([0, 0, 0, 0], health.port));
        // One IPv6 socket serves both families where the kernel has IPv6 at all.
        let listener = match TcpListener::bind(any_v6) {
            Err(error) if error.kind() != io::ErrorKind::AddrInUse => TcpListener::bind(any_v4)?,
            other => other?,
        };
        Ok(Self {
            listener,
            health: health.clone(),
            socket: socket.to_owned(),
        })
    }

    /// The port that was taken.
    ///
    /// # Errors
    /// The operating system does not say.
    pub fn port(&self) -> io::Result<u16> {
        Ok(self.listener.local_addr()?.port())
    }

    /// Answers probes for as long as the process lives, on a thread of its own.
    ///
    /// # Errors
    /// No thread is to be had.
    pub fn spawn(self) -> io::Result<()> {
        std::thread::Builder::new()
            .name("health".to_owned())
            .stack_size(STACK_BYTES)
            .spawn(move || self.run())?;
        Ok(())
    }

    fn run(self) {
        let server = Arc::new(self);
        let open = Arc::new(AtomicUsize::new(0));
        loop {
            let Ok((stream, _)) = server.listener.accept() else {
                // Out of descriptors, most likely: give others time to close theirs.
                std::thread::sleep(Duration::from_millis(100));
                continue;
            };
            if open.fetch_add(1, Ordering::SeqCst) >= limits::HEALTH_CONNECTIONS {
                open.fetch_sub(1, Ordering::SeqCst);
                continue;
            }
            let (server, open) = (Arc::clone(&server), Arc::clone(&open));
            let release = Arc::clone(&open);
            let spawned = std::thread::Builder::new()
                .name("probe".to_owned())
                .stack_size(STACK_BYTES)
                .spawn(move || {
                    // Whoever asked has gone if this fails.
                    let _ = server.answer(stream);
                    open.fetch_sub(1, Ordering::SeqCst);
                });
            if spawned.is_err() {
                release.fetch_sub(1, Ordering::SeqCst);
            }
        }
    }

    fn answer(&self, mut stream: TcpStream) -> io::Result<()> {
        stream.set_read_timeout(Some(limits::HEALTH_REQUEST_TIMEOUT))?;
        stream.set_write_timeout(Some(limits::HEALTH_REQUEST_TIMEOUT))?;
        let (status, body) = match request_path(&mut stream)? {
            Some(path) if path == self.health.path => match probe(&self.socket, self.health.timeout) {
                Ok(()) => ("200 OK", "ok".to_owned()),
                Err(error) => (
                    "503 Service Unavailable",
                    format!("the socket does not answer: {error}"),
                ),
            },
            Some(_) => (
                "404 Not Found",
                format!("the health endpoint is {}", self.health.path),
            ),
            None => ("400 Bad Request", "not an HTTP GET".to_owned()),
        };
        write!(
            stream,
            "HTTP/1.1 {status}\r\ncontent-type: text/plain; charset=utf-8\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
            body.len()
        )
    }
}

/// Reads a request up to the end of its head; `None` if it is not a GET or HEAD with a path.
fn request_path(stream: &mut TcpStream) -> io::Result<Option<String>> {
    let mut head = Vec::new();
    let mut buffer = [0; 512];
    while !head.windows(4).any(|window| window == b"\r\n\r\n") {
        let read = stream.read(&mut buffer)?;
        if read == 0 || head.len() + read > limits::HEALTH_REQUEST_BYTES {
            return Ok(None);
        }
        head.extend_from_slice(buffer.get(..read).unwrap_or_default());
    }
    let line = head.split(|byte| *byte == b'\r').next().unwrap_or_default();
    let mut words = std::str::from_utf8(line).unwrap_or_default().split(' ');
    let (method, target) = (words.next(), words.next());
    let is_get = matches!(method, Some("GET" | "HEAD"));
    Ok(target
        .filter(|_| is_get)
        .map(|target| target.split('?').next().unwrap_or(target).to_owned()))
}

/// Asks our own socket for `Version`: connection preface, SETTINGS, one request, and waits for the first bytes of
/// its answer's HEADERS frame.
fn probe(socket: &Path, timeout: Duration) -> io::Result<()> {
    let mut stream = UnixStream::connect(socket)?;
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

const FRAME_DATA: u8 = 0;
const FRAME_HEADERS: u8 = 1;
const FRAME_SETTINGS: u8 = 4;
const FLAG_END_STREAM: u8 = 1;
const FLAG_END_HEADERS: u8 = 4;

/// A thread that reads a few bytes needs little.
const STACK_BYTES: usize = 64 * 1024;
