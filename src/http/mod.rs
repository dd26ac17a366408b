//! The HTTP client: one agent for the process, with kept connections, timeouts on every step, and caps on what it
//! accepts. The only user of ureq and rustls.
//!
//! It never follows a redirect, takes a proxy only as [`Proxies`] say, and hands out any status as an answer: what a
//! status means is the caller's business.

mod dial;
mod error;
mod interrupt;
mod lookup;
mod proxy;
mod tls;
mod trust;

use std::net::ToSocketAddrs as _;
use std::sync::Arc;
use std::time::Duration;

use ureq::Agent;
use ureq::config::Config;
use ureq::http;
use ureq::unversioned::transport::{ConnectProxyConnector, Connector as _};

pub use ureq::http::Method;

pub use error::{Certificate, Error, ErrorKind};
pub use proxy::{Proxies, ProxyError};
pub use trust::{CaFile, RootError, Roots, Trust};

use dial::{Dial, LaterResolver};
use interrupt::{InterruptibleConnector, Scope};
use lookup::{Lookup, Query};

use crate::clock::SystemClock;
use crate::limits;
use crate::metrics::Metrics;
use crate::secret::Secret;
use crate::sync::Cancellation;

/// A pooled HTTP/1.1 client. Cheap to clone; clones share the pool.
#[derive(Clone)]
pub struct Client {
    agent: Agent,
    proxies: Arc<Proxies>,
}

/// One request.
#[derive(Clone)]
pub struct Request<'a> {
    /// The verb.
    pub method: Method,
    /// Absolute `http` or `https` URL, its query already encoded.
    pub url: &'a str,
    /// Headers, `host` included where it is signed.
    pub headers: &'a [(&'a str, &'a str)],
    /// The body; empty for none.
    pub body: &'a [u8],
    /// How long each step may take.
    pub timeouts: Timeouts,
}

/// How long the steps of a request may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// TCP and TLS together.
    pub connect: Duration,
    /// From the request sent to the end of the response headers.
    pub response: Duration,
    /// The whole of it, name resolution and body included.
    pub total: Duration,
}

impl Timeouts {
    /// Each step, and the whole of it, within the same time.
    pub const fn all(time: Duration) -> Self {
        Self {
            connect: time,
            response: time,
            total: time,
        }
    }
}

/// One answer.
pub struct Response {
    /// The status code.
    pub status: u16,
    /// The body.
    pub body: Secret,
    headers: http::HeaderMap,
}

impl Response {
    /// The first value of a header, if it is text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }
}

impl Client {
    /// A client that keeps at most `idle_per_host` unused connections to each host.
    pub fn new(trust: Trust, proxies: Proxies, idle_per_host: usize, metrics: Metrics) -> Self {
        let system: Query = |host, port| Ok((host, port).to_socket_addrs()?.collect());
        let lookup = Lookup::new(system, Arc::new(SystemClock), metrics);
        Self::with(lookup, trust, proxies, idle_per_host)
    }

    fn with(lookup: Lookup, trust: Trust, proxies: Proxies, idle_per_host: usize) -> Self {
        let config = Config::builder()
            .proxy(None)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .http_status_as_error(false)
            .user_agent(concat!(env!("CARGO_PKG_NAME"), "/", env!("CARGO_PKG_VERSION")))
            .accept_encoding("identity")
            .max_response_header_size(limits::HTTP_RESPONSE_HEADER_BYTES)
            .max_idle_connections(idle_per_host.saturating_add(limits::HTTP_SPARE_CONNECTIONS))
            .max_idle_connections_per_host(idle_per_host)
            .max_idle_age(limits::HTTP_IDLE_AGE)
            .input_buffer_size(limits::HTTP_BUFFER_BYTES)
            .output_buffer_size(limits::HTTP_BUFFER_BYTES)
            .build();
        let inner =
            ().chain(ConnectProxyConnector::default())
                .chain(InterruptibleConnector)
                .chain(tls::TlsConnector { trust });
        Self {
            agent: Agent::with_parts(config, Dial { lookup, inner }, LaterResolver),
            proxies: Arc::new(proxies),
        }
    }

    /// Sends a request and reads the whole answer.
    ///
    /// # Errors
    /// Whatever kept an answer from arriving complete; a status of 400 or 500 is an answer.
    pub fn send(&self, request: &Request<'_>) -> Result<Response, Error> {
        let proxy = self.proxy(request.url).cloned();
        let failed = |error: &ureq::Error| Error::from_ureq(error, request.url, proxy.as_ref());
        let mut message = http::Request::builder().method(&request.method).uri(request.url);
        for (name, value) in request.headers {
            message = message.header(*name, *value);
        }
        let message = message
            .body(request.body)
            .map_err(|error| failed(&ureq::Error::Http(error)))?;
        let message = self
            .agent
            .configure_request(message)
            .proxy(proxy.clone())
            .timeout_connect(Some(request.timeouts.connect))
            .timeout_recv_response(Some(request.timeouts.response))
            .timeout_global(Some(request.timeouts.total))
            .build();
        let mut response = self.agent.run(message).map_err(|error| failed(&error))?;
        let status = response.status().as_u16();
        let headers = std::mem::take(response.headers_mut());
        let body = response
            .body_mut()
            .with_config()
            .limit(limits::HTTP_RESPONSE_BODY_BYTES)
            .read_to_vec()
            .map_err(|error| failed(&error))?;
        Ok(Response {
            status,
            body: Secret::new(body),
            headers,
        })
    }

    /// Like [`Client::send`], but returns at once when `cancellation` is set, and closes the connection. Only a TCP
    /// connection that is being opened is waited for, within `timeouts.connect`.
    ///
    /// # Errors
    /// Also [`ErrorKind::Cancelled`].
    pub fn send_unless(&self, cancellation: &Cancellation, request: &Request<'_>) -> Result<Response, Error> {
        let scope = Scope::enter(cancellation);
        self.send(request).map_err(|error| {
            let kind = if scope.is_interrupted() {
                ErrorKind::Cancelled
            } else {
                error.kind
            };
            Error { kind, ..error }
        })
    }

    fn proxy(&self, url: &str) -> Option<&ureq::Proxy> {
        let uri: http::Uri = url.parse().ok()?;
        let (is_tls, port) = dial::port_of(&uri);
        self.proxies.of(is_tls, uri.host()?, port)
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::net::{Ipv4Addr, TcpListener, TcpStream};
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::{Condvar, Mutex};
    use std::{io, thread};

    use super::*;
    use crate::clock::Clock as _;

    fn client(query: Query) -> Client {
        let lookup = Lookup::new(query, Arc::new(SystemClock), Metrics::new());
        Client::with(lookup, Trust::roots(&Roots::built_in()), Proxies::default(), 4)
    }

    fn request(url: &str) -> Request<'_> {
        Request {
            method: Method::GET,
            url,
            headers: &[],
            body: b"",
            timeouts: Timeouts::all(Duration::from_secs(20)),
        }
    }

    fn get(client: &Client, url: &str) -> Result<u16, Error> {
        client.send(&request(url)).map(|response| response.status)
    }

    /// A server at `port` that answers everything and counts its connections.
    fn serve(listener: TcpListener) -> Arc<AtomicUsize> {
        let accepted = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&accepted);
        thread::spawn(move || {
            for stream in listener.incoming() {
                count.fetch_add(1, Ordering::SeqCst);
                let stream = stream.expect("connection");
                thread::spawn(move || answer(stream));
            }
        });
        accepted
    }

    fn answer(mut stream: TcpStream) {
        let mut octets = [0; 4096];
        while stream.read(&mut octets).is_ok_and(|read| read > 0) {
            // The client may be gone.
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
        }
    }

    fn listen(address: Ipv4Addr, port: u16) -> (TcpListener, u16) {
        let listener = TcpListener::bind((address, port)).expect("port");
        let port = listener.local_addr().expect("address").port();
        (listener, port)
    }

    /// The name server answers once and then fails, without an effect on calls.
    #[test]
    fn calls_on_a_kept_connection_look_nothing_up() {
        static ASKED: AtomicUsize = AtomicUsize::new(0);
        let client = client(|_, port| match ASKED.fetch_add(1, Ordering::SeqCst) {
            0 => Ok(vec![(Ipv4Addr::LOCALHOST, port).into()]),
            _ => Err(io::Error::other(
                "failed to lookup address information: Try again",
            )),
        });
        let (listener, port) = listen(Ipv4Addr::LOCALHOST, 0);
        let accepted = serve(listener);
        let url = format!("http://kept.example:{port}/");
        for call in 0..200 {
            assert_eq!(get(&client, &url), Ok(200), "call {call}");
        }
        // A lookup has a thread of its own, so this counts threads as well.
        assert_eq!(ASKED.load(Ordering::SeqCst), 1);
        assert_eq!(accepted.load(Ordering::SeqCst), 1);
    }

    #[test]
    fn a_refused_connection_tries_the_next_address_then_looks_up_again() {
        static ASKED: AtomicUsize = AtomicUsize::new(0);
        const MOVED: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 3);
        let client = client(|_, port| {
            let addresses = match ASKED.fetch_add(1, Ordering::SeqCst) {
                0 => vec![Ipv4Addr::new(127, 0, 0, 9), Ipv4Addr::new(127, 0, 0, 2)],
                _ => vec![MOVED],
            };
            Ok(addresses
                .into_iter()
                .map(|address| (address, port).into())
                .collect())
        });
        let (listener, port) = listen(Ipv4Addr::new(127, 0, 0, 2), 0);
        let url = format!("http://moved.example:{port}/");
        let server = thread::spawn(move || {
            let (mut stream, _) = listener.accept().expect("connection");
            let mut octets = [0; 4096];
            let _ = stream.read(&mut octets).expect("request");
            let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
            stream.write_all(answer).expect("answer");
        });
        assert_eq!(get(&client, &url), Ok(200), "the second address");
        server.join().expect("server");
        assert_eq!(ASKED.load(Ordering::SeqCst), 1);
        serve(listen(MOVED, port).0);
        assert_eq!(get(&client, &url), Ok(200), "the new address");
        assert_eq!(ASKED.load(Ordering::SeqCst), 2);
    }

    #[test]
    fn a_failed_lookup_says_so() {
        let client = client(|_, _| {
            Err(io::Error::other(
                "failed to lookup address information: Try again",
            ))
        });
        let error = get(&client, "http://unknown.example/").expect_err("no addresses");
        assert_eq!(error.kind, ErrorKind::Resolve);
        assert!(error.detail.contains("Try again"), "{error}");
    }

    /// Sends a request on a thread of its own, cancels it when `is_waiting` says so, and gives the kind of its error.
    fn cancelled(client: &Client, url: &str, is_waiting: impl FnOnce()) -> Option<ErrorKind> {
        let cancellation = Cancellation::new();
        thread::scope(|scope| {
            let sender = scope.spawn(|| client.send_unless(&cancellation, &request(url)));
            is_waiting();
            let start = SystemClock.now();
            cancellation.cancel();
            let kind = sender.join().expect("sender").err().map(|error| error.kind);
            let elapsed = SystemClock.now() - start;
            assert!(elapsed < Duration::from_secs(5), "{url}: {elapsed:?}");
            kind
        })
    }

    #[test]
    fn a_cancelled_request_closes_its_connection_at_once() {
        for (scheme, sent) in [
            ("https", ""),
            ("http", ""),
            ("http", "HTTP/1.1 200 OK\r\ncontent-le"),
            ("http", "HTTP/1.1 200 OK\r\ncontent-length: 20\r\n\r\nfirst half"),
            ("http", "HTTP/1.1 200 OK\r\nconnection: close\r\n\r\nfirst half"),
        ] {
            let client = client(|_, port| Ok(vec![(Ipv4Addr::LOCALHOST, port).into()]));
            let (listener, port) = listen(Ipv4Addr::LOCALHOST, 0);
            let url = format!("{scheme}://slow.example:{port}/");
            let kind = cancelled(&client, &url, || {
                let (mut stream, _) = listener.accept().expect("connection");
                let mut octets = [0; 4096];
                let _ = stream.read(&mut octets).expect("request");
                stream
                    .write_all(sent.as_bytes())
                    .expect("the beginning of an answer");
                thread::spawn(move || while stream.read(&mut octets).is_ok_and(|read| read > 0) {});
            });
            assert_eq!(kind, Some(ErrorKind::Cancelled), "{scheme} {sent:?}");
            let accepted = serve(listener);
            assert_eq!(get(&client, &format!("http://slow.example:{port}/")), Ok(200));
            assert_eq!(accepted.load(Ordering::SeqCst), 1, "a new connection");
        }
    }

    #[test]
    fn cancelling_too_late_leaves_the_connection_alone() {
        let client = client(|_, port| Ok(vec![(Ipv4Addr::LOCALHOST, port).into()]));
        let (listener, port) = listen(Ipv4Addr::LOCALHOST, 0);
        let accepted = serve(listener);
        let url = format!("http://kept.example:{port}/");
        for _ in 0..3 {
            let cancellation = Cancellation::new();
            let response = client.send_unless(&cancellation, &request(&url));
            assert_eq!(response.map(|response| response.status), Ok(200));
            cancellation.cancel();
        }
        assert_eq!(accepted.load(Ordering::SeqCst), 1);
        let cancellation = Cancellation::new();
        cancellation.cancel();
        let error = client.send_unless(&cancellation, &request(&url)).err();
        assert_eq!(
            error.map(|error| error.kind),
            Some(ErrorKind::Cancelled),
            "before it was sent"
        );
        assert_eq!(get(&client, &url), Ok(200));
    }

    #[test]
    fn a_cancelled_request_waits_for_no_name_server() {
        static STATE: (Mutex<(bool, bool)>, Condvar) = (Mutex::new((false, false)), Condvar::new());
        let client = client(|_, port| {
            let mut state = STATE.0.lock().expect("lock");
            state.0 = true;
            STATE.1.notify_all();
            drop(STATE.1.wait_while(state, |(_, is_over)| !*is_over).expect("lock"));
            Ok(vec![(Ipv4Addr::LOCALHOST, port).into()])
        });
        let kind = cancelled(&client, "http://silent.example/", || {
            let state = STATE.0.lock().expect("lock");
            drop(
                STATE
                    .1
                    .wait_while(state, |(is_asked, _)| !*is_asked)
                    .expect("lock"),
            );
        });
        assert_eq!(kind, Some(ErrorKind::Cancelled));
        STATE.0.lock().expect("lock").1 = true;
        STATE.1.notify_all();
    }
}
