//! The HTTP client: one agent for the process, with kept connections, timeouts on every step, and caps on what it
//! accepts. The only user of ureq and rustls.
//!
//! It never follows a redirect, takes a proxy only as [`Proxies`] say, and hands out any status as an answer: what a
//! status means is the caller's business.

mod error;
mod lookup;
mod proxy;
mod tls;
mod trust;

use std::sync::Arc;
use std::time::Duration;

use ureq::Agent;
use ureq::config::Config;
use ureq::http;
use ureq::unversioned::transport::{ConnectProxyConnector, Connector as _, TcpConnector};

pub use ureq::http::Method;

pub use error::{Certificate, Error, ErrorKind};
pub use proxy::{Proxies, ProxyError};
pub use trust::{CaFile, RootError, Roots, Trust};

use crate::limits;
use crate::secret::Secret;

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
    pub fn new(trust: Trust, proxies: Proxies, idle_per_host: usize) -> Self {
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
        let connector =
            ().chain(ConnectProxyConnector::default())
                .chain(TcpConnector::default())
                .chain(tls::TlsConnector { trust });
        Self {
            agent: Agent::with_parts(config, connector, lookup::Lookup::default()),
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

    fn proxy(&self, url: &str) -> Option<&ureq::Proxy> {
        let uri: http::Uri = url.parse().ok()?;
        let (is_tls, port) = lookup::port_of(&uri);
        self.proxies.of(is_tls, uri.host()?, port)
    }
}
