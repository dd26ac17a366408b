//! The health endpoint: HTTP on a port of its own, for kubelet's probes and for Prometheus.
//!
//! `/healthz` is answered by asking our own socket for `Version`, as the driver would: 200 if it answers in time,
//! 503 if not, or if only a restart helps. `/readyz` asks more and says what it misses; `/metrics` shows the numbers.

mod exposition;
mod probe;
mod readiness;

use std::io::{self, Read as _, Write as _};
use std::net::{Ipv6Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

pub use readiness::{Check, Readiness};

use crate::limits;
use crate::metrics::{Metrics, Text};
use crate::server::Observer;

/// Where readiness is asked for.
pub const READY_PATH: &str = "/readyz";

/// Where the numbers are.
pub const METRICS_PATH: &str = "/metrics";

/// What the endpoint tells about.
#[derive(Debug)]
pub struct Observed {
    /// The gRPC server.
    pub server: Observer,
    /// The numbers.
    pub metrics: Metrics,
    /// What the configuration names and the provider needs.
    pub readiness: Readiness,
}

/// Where the health endpoint is, and how patient.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// TCP port on all addresses; 0 takes any.
    pub port: u16,
    /// Path, with its slash.
    pub path: String,
    /// How long the socket may take to answer.
    pub timeout: Duration,
}

/// A bound health port.
pub struct HealthServer {
    listener: TcpListener,
    health: Settings,
}

impl HealthServer {
    /// Takes the port. A port that is taken is an error now rather than a probe that somebody else answers.
    ///
    /// # Errors
    /// The port is not to be had.
    pub fn bind(health: &Settings) -> io::Result<Self> {
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
        })
    }

    /// Answers probes for as long as the process lives, on a thread of its own.
    ///
    /// # Errors
    /// No thread is to be had.
    pub fn spawn(self, observed: Observed) -> io::Result<()> {
        std::thread::Builder::new()
            .name("health".to_owned())
            .stack_size(STACK_BYTES)
            .spawn(move || self.run(observed))?;
        Ok(())
    }

    fn run(self, observed: Observed) {
        let server = Arc::new((self, observed));
        let open = Arc::new(AtomicUsize::new(0));
        loop {
            let Ok((stream, _)) = server.0.listener.accept() else {
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
                    let (server, observed) = &*server;
                    let _ = server.answer(stream, observed);
                    open.fetch_sub(1, Ordering::SeqCst);
                });
            if spawned.is_err() {
                release.fetch_sub(1, Ordering::SeqCst);
            }
        }
    }

    fn answer(&self, mut stream: TcpStream, observed: &Observed) -> io::Result<()> {
        stream.set_read_timeout(Some(limits::HEALTH_REQUEST_TIMEOUT))?;
        stream.set_write_timeout(Some(limits::HEALTH_REQUEST_TIMEOUT))?;
        let request = read_request(&mut stream)?;
        let (status, kind, body) = match &request {
            None => ("400 Bad Request", PLAIN, "not an HTTP GET".to_owned()),
            Some(request) if request.path == self.health.path => {
                plain(readiness::alive(&observed.server, self.health.timeout))
            }
            Some(request) if request.path == READY_PATH => {
                plain(observed.readiness.verdict(&observed.server, self.health.timeout))
            }
            Some(request) if request.path == METRICS_PATH => {
                let mut text = Text::default();
                exposition::write(&mut text, &observed.server);
                observed.metrics.write(&mut text);
                ("200 OK", Text::CONTENT_TYPE, text.into_string())
            }
            Some(_) => {
                let known = format!("there is {}, {READY_PATH}, {METRICS_PATH}", self.health.path);
                ("404 Not Found", PLAIN, known)
            }
        };
        let is_head = request.is_some_and(|request| request.is_head);
        write!(
            stream,
            "HTTP/1.1 {status}\r\ncontent-type: {kind}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{}",
            body.len(),
            if is_head { "" } else { &body }
        )
    }
}

fn plain(result: Result<(), String>) -> (&'static str, &'static str, String) {
    match result {
        Ok(()) => ("200 OK", PLAIN, "ok".to_owned()),
        Err(reasons) => ("503 Service Unavailable", PLAIN, reasons),
    }
}

const PLAIN: &str = "text/plain; charset=utf-8";

/// A GET or HEAD.
struct Request {
    path: String,
    is_head: bool,
}

/// Reads a request up to the end of its head; `None` if it is not a GET or HEAD with a path.
fn read_request(stream: &mut TcpStream) -> io::Result<Option<Request>> {
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
    let is_head = match method {
        Some("GET") => false,
        Some("HEAD") => true,
        _ => return Ok(None),
    };
    Ok(target.map(|target| Request {
        path: target.split('?').next().unwrap_or(target).to_owned(),
        is_head,
    }))
}

/// A thread that reads a few bytes needs little.
const STACK_BYTES: usize = 64 * 1024;
