//! The sockets: a thread accepts, a thread serves each connection, one request after the other.
//!
//! The server owns its sockets instead of using a library so that an answer can be cut at any byte, stalled, or
//! sent in crumbs. It reads requests with `Content-Length` or without a body; a chunked body is refused.

use std::collections::HashMap;
use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rustls::{HandshakeKind, StreamOwned};

use super::message::{Delivery, Request, Response};
use super::percent;
use super::tls::Tls;
use crate::service::Service;

/// What stands behind the sockets.
pub trait Handler: Send + Sync + 'static {
    /// Answers one request; may take its time.
    fn handle(&self, request: Request) -> (Response, Delivery);

    /// The time for the `Date` header.
    fn date(&self) -> String;
}

/// How many connections there have been.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ConnectionCounts {
    /// TCP connections accepted, over TLS or not.
    pub accepted: u64,
    /// TLS handshakes that were completed.
    pub handshakes: u64,
    /// Those of them that resumed an earlier session.
    pub resumed: u64,
}

/// A running server; it stops when dropped.
pub struct Server {
    shared: Arc<Shared>,
    listeners: Vec<(SocketAddr, JoinHandle<()>)>,
}

struct Shared {
    handler: Arc<dyn Handler>,
    stopping: AtomicBool,
    connections: Arc<Connections>,
}

/// The connections of a server, open and past.
#[derive(Debug, Default)]
pub struct Connections {
    accepted: AtomicU64,
    handshakes: AtomicU64,
    resumed: AtomicU64,
    open: Mutex<HashMap<u64, TcpStream>>,
}

impl Connections {
    /// How many there have been so far.
    pub fn counts(&self) -> ConnectionCounts {
        ConnectionCounts {
            accepted: self.accepted.load(Ordering::Relaxed),
            handshakes: self.handshakes.load(Ordering::Relaxed),
            resumed: self.resumed.load(Ordering::Relaxed),
        }
    }

    /// Closes every open connection but the one with this number; listening goes on.
    pub fn close_all_but(&self, kept: Option<u64>) {
        for (number, stream) in self.open().iter() {
            if Some(*number) != kept {
                let _ = stream.shutdown(Shutdown::Both);
            }
        }
    }

    fn open(&self) -> MutexGuard<'_, HashMap<u64, TcpStream>> {
        self.open
            .lock()
            .expect("no code panics while it holds the sockets")
    }
}

impl Server {
    /// A server that listens nowhere yet.
    pub fn new(handler: Arc<dyn Handler>, connections: Arc<Connections>) -> Self {
        let shared = Shared {
            handler,
            stopping: AtomicBool::new(false),
            connections,
        };
        Self {
            shared: Arc::new(shared),
            listeners: Vec::new(),
        }
    }

    /// Listens on one more address, over TLS if it is given and for one service only if it is named, and returns the
    /// address bound.
    pub fn listen(
        &mut self,
        address: SocketAddr,
        tls: Option<Arc<Tls>>,
        service: Option<Service>,
    ) -> io::Result<SocketAddr> {
        let listener = TcpListener::bind(address)?;
        let address = listener.local_addr()?;
        let shared = Arc::clone(&self.shared);
        let name = if tls.is_some() {
            "fake-cloud-https"
        } else {
            "fake-cloud-http"
        };
        let thread = thread::Builder::new()
            .name(name.into())
            .spawn(move || accept(&listener, tls.as_ref(), service, &shared))?;
        self.listeners.push((address, thread));
        Ok(address)
    }

    /// Its connections.
    pub fn connections(&self) -> &Connections {
        &self.shared.connections
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.shared.stopping.store(true, Ordering::SeqCst);
        for (address, thread) in self.listeners.drain(..) {
            // accept() has no timeout: a connection of our own wakes it up.
            let _ = TcpStream::connect_timeout(&address, WAKE_TIMEOUT);
            let _ = thread.join();
        }
        self.shared.connections.close_all_but(None);
    }
}

fn accept(listener: &TcpListener, tls: Option<&Arc<Tls>>, service: Option<Service>, shared: &Arc<Shared>) {
    for stream in listener.incoming() {
        if shared.stopping.load(Ordering::SeqCst) {
            return;
        }
        // A connection that failed before it was accepted concerns nobody but its client.
        let Ok(stream) = stream else { continue };
        let connections = &shared.connections;
        let number = connections.accepted.fetch_add(1, Ordering::Relaxed) + 1;
        let Ok(copy) = stream.try_clone() else { continue };
        connections.open().insert(number, copy);
        let connection = Connection {
            number,
            tls: tls.is_some(),
            service,
            shared: Arc::clone(shared),
        };
        let tls = tls.cloned();
        let spawned = thread::Builder::new()
            .name(format!("fake-cloud-{number}"))
            .spawn(move || {
                // What goes wrong on a connection is the client's to notice; the request log has the rest.
                let _ = connection.run(stream, tls);
            });
        if spawned.is_err() {
            connections.open().remove(&number);
        }
    }
}

struct Connection {
    number: u64,
    tls: bool,
    service: Option<Service>,
    shared: Arc<Shared>,
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.shared.connections.open().remove(&self.number);
    }
}

impl Connection {
    fn run(&self, mut stream: TcpStream, tls: Option<Arc<Tls>>) -> io::Result<()> {
        stream.set_nodelay(true)?;
        let Some(tls) = tls else {
            return self.serve(&mut stream);
        };
        let session = tls.accept(&mut stream, self.service)?;
        self.shared.connections.handshakes.fetch_add(1, Ordering::Relaxed);
        let resumed = session.handshake_kind() == Some(HandshakeKind::Resumed);
        self.shared
            .connections
            .resumed
            .fetch_add(u64::from(resumed), Ordering::Relaxed);
        let mut stream = StreamOwned::new(session, stream);
        self.serve(&mut stream)?;
        stream.conn.send_close_notify();
        stream.flush()
    }

    /// Serves requests until either side has had enough. An error means that the connection breaks off.
    fn serve(&self, stream: &mut (impl Read + Write)) -> io::Result<()> {
        let mut buffer = Vec::new();
        loop {
            let (mut request, keep) = match read_request(stream, &mut buffer)? {
                Received::Request { request, keep } => (request, keep),
                Received::Closed => return Ok(()),
                Received::Malformed { status, reason } => {
                    let response = Response::text(status, reason);
                    return stream.write_all(&encode(&response, &self.shared.handler.date(), false, false).0);
                }
            };
            request.tls = self.tls;
            request.connection = self.number;
            request.service = self.service;
            let is_head = request.method == "HEAD";
            let (response, delivery) = self.shared.handler.handle(request);
            let (bytes, head) = encode(&response, &self.shared.handler.date(), keep, is_head);
            self.deliver(stream, &bytes, head, delivery)?;
            if !keep {
                return Ok(());
            }
        }
    }

    fn deliver(
        &self,
        stream: &mut impl Write,
        bytes: &[u8],
        head: usize,
        delivery: Delivery,
    ) -> io::Result<()> {
        let cut_at = match delivery {
            Delivery::Whole => return stream.write_all(bytes).and_then(|()| stream.flush()),
            Delivery::CutBeforeHead => 0,
            Delivery::CutBeforeBody => head,
            Delivery::CutInsideBody(count) => bytes.len().min(head + count),
            Delivery::CutAfterBody => bytes.len(),
            Delivery::Slow {
                bytes: size,
                pause_ms,
            } => {
                for (index, piece) in bytes.chunks(size.max(1)).enumerate() {
                    if index > 0 {
                        thread::sleep(Duration::from_millis(pause_ms));
                    }
                    if self.shared.stopping.load(Ordering::SeqCst) {
                        return Err(io::ErrorKind::ConnectionAborted.into());
                    }
                    stream.write_all(piece)?;
                    stream.flush()?;
                }
                return Ok(());
            }
        };
        stream.write_all(&bytes[..cut_at])?;
        stream.flush()?;
        Err(io::ErrorKind::ConnectionAborted.into())
    }
}

enum Received {
    Request { request: Request, keep: bool },
    Closed,
    Malformed { status: u16, reason: &'static str },
}

fn read_request(stream: &mut (impl Read + Write), buffer: &mut Vec<u8>) -> io::Result<Received> {
    let malformed = |status, reason| Ok(Received::Malformed { status, reason });
    let (mut request, head, keep) = loop {
        let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
        let mut parsed = httparse::Request::new(&mut headers);
        match parsed.parse(buffer) {
            Ok(httparse::Status::Complete(head)) => {
                let request = request(&parsed);
                let close = request
                    .header("connection")
                    .is_some_and(|value| value.eq_ignore_ascii_case("close"));
                break (request, head, parsed.version == Some(1) && !close);
            }
            Ok(httparse::Status::Partial) if buffer.len() > MAX_HEAD => {
                return malformed(431, "head too large");
            }
            Ok(httparse::Status::Partial) => {}
            Err(_) => return malformed(400, "not an HTTP/1.1 request"),
        }
        if read_some(stream, buffer)? == 0 {
            return Ok(Received::Closed);
        }
    };
    if request.header("transfer-encoding").is_some() {
        return malformed(411, "a Content-Length is required");
    }
    let length = match request.header("content-length").map(str::parse::<usize>) {
        None => 0,
        Some(Ok(length)) if length <= MAX_BODY => length,
        Some(Ok(_)) => return malformed(413, "body too large"),
        Some(Err(_)) => return malformed(400, "bad Content-Length"),
    };
    if request
        .header("expect")
        .is_some_and(|value| value.eq_ignore_ascii_case("100-continue"))
    {
        stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n")?;
        stream.flush()?;
    }
    while buffer.len() < head + length {
        if read_some(stream, buffer)? == 0 {
            return Ok(Received::Closed);
        }
    }
    request.body = buffer[head..head + length].to_vec();
    buffer.drain(..head + length);
    Ok(Received::Request { request, keep })
}

fn read_some(stream: &mut impl Read, buffer: &mut Vec<u8>) -> io::Result<usize> {
    let mut piece = [0; 16 * 1024];
    let count = stream.read(&mut piece)?;
    buffer.extend_from_slice(&piece[..count]);
    Ok(count)
}

fn request(parsed: &httparse::Request<'_, '_>) -> Request {
    let target = parsed.path.unwrap_or("/");
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let headers = parsed.headers.iter().map(|header| {
        (
            header.name.to_owned(),
            String::from_utf8_lossy(header.value).into_owned(),
        )
    });
    Request {
        method: parsed.method.unwrap_or_default().to_owned(),
        path: path.to_owned(),
        query: percent::decode_pairs(query),
        headers: headers.collect(),
        ..Request::default()
    }
}

/// The response's bytes, and how many of them are its head.
fn encode(response: &Response, date: &str, keep: bool, is_head: bool) -> (Vec<u8>, usize) {
    let mut head = format!(
        "HTTP/1.1 {} {}\r\nDate: {date}\r\n",
        response.status,
        reason(response.status)
    );
    for (name, value) in &response.headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    let connection = if keep { "keep-alive" } else { "close" };
    head.push_str(&format!(
        "Content-Length: {}\r\nConnection: {connection}\r\n\r\n",
        response.body.len()
    ));
    let mut bytes = head.into_bytes();
    let length = bytes.len();
    if !is_head {
        bytes.extend_from_slice(&response.body);
    }
    (bytes, length)
}

fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        204 => "No Content",
        301 => "Moved Permanently",
        302 => "Found",
        307 => "Temporary Redirect",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        409 => "Conflict",
        411 => "Length Required",
        413 => "Content Too Large",
        429 => "Too Many Requests",
        431 => "Request Header Fields Too Large",
        500 => "Internal Server Error",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        _ => "Status",
    }
}

/// Twice what the SDKs send.
const MAX_HEADERS: usize = 64;
/// Security tokens travel in the head and have no maximum length; this is ample.
const MAX_HEAD: usize = 256 * 1024;
/// The documented limit of a POST.
const MAX_BODY: usize = 10 * 1024 * 1024;
/// Loopback answers at once or not at all.
const WAKE_TIMEOUT: Duration = Duration::from_secs(1);
