//! Why no answer arrived.

use std::{fmt, io};

use rustls::pki_types::UnixTime;

use super::lookup::LookupError;
use super::proxy;
use super::trust::RootError;
use crate::metrics::Outcome;

/// A request that got no complete answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    /// What kind of failure.
    pub kind: ErrorKind,
    /// The host that was asked, with its port.
    pub host: String,
    /// The proxy it was asked through.
    pub proxy: Option<String>,
    /// The library's own words, without the URL.
    pub detail: String,
}

/// What kind of failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// The caller cancelled the request.
    Cancelled,
    /// The certificate.
    Certificate(Certificate),
    /// The connection could not be made.
    Connect,
    /// The answer broke off, or the connection was closed before it.
    Interrupted,
    /// Not HTTP, or not the HTTP that was promised.
    Protocol,
    /// The request itself cannot be sent.
    Request,
    /// The host name does not resolve.
    Resolve,
    /// Out of time.
    Timeout,
    /// The handshake, or our own authorities.
    Tls,
    /// More bytes than an answer may have.
    TooLarge,
}

/// Why a certificate is not trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Certificate {
    /// No trusted CA has signed it.
    Authority,
    /// It is of another name.
    Name,
    /// Anything else.
    Other,
    /// It has ended, or has not begun.
    Time,
}

impl Error {
    pub(super) fn from_ureq(error: &ureq::Error, url: &str, proxy: Option<&ureq::Proxy>) -> Self {
        let (kind, detail) = classify(error);
        Self {
            kind,
            host: host_of(url).to_owned(),
            proxy: proxy.map(proxy::name),
            detail,
        }
    }

    /// As metrics count it.
    pub const fn outcome(&self) -> Outcome {
        if self.is_transient() {
            Outcome::Unavailable
        } else {
            Outcome::Broken
        }
    }

    /// Whether another try may succeed: the failure lies in the network or in the moment.
    pub const fn is_transient(&self) -> bool {
        match self.kind {
            ErrorKind::Connect
            | ErrorKind::Interrupted
            | ErrorKind::Protocol
            | ErrorKind::Resolve
            | ErrorKind::Timeout => true,
            ErrorKind::Cancelled
            | ErrorKind::Certificate(_)
            | ErrorKind::Request
            | ErrorKind::Tls
            | ErrorKind::TooLarge => false,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            kind,
            host,
            proxy,
            detail,
        } = self;
        let host = match proxy {
            Some(proxy) => &format!("{host} (through the proxy {proxy})"),
            None => host,
        };
        match kind {
            ErrorKind::Cancelled => write!(f, "the request to {host} was cancelled"),
            ErrorKind::Connect => write!(f, "cannot connect to {host}: {detail}"),
            ErrorKind::Interrupted => write!(f, "the connection to {host} broke off: {detail}"),
            ErrorKind::Protocol => write!(f, "{host} did not answer in HTTP: {detail}"),
            ErrorKind::Request => write!(f, "the request to {host} cannot be sent: {detail}"),
            ErrorKind::Resolve => write!(f, "cannot resolve {host}: {detail}"),
            ErrorKind::Timeout => write!(f, "no answer from {host} in time: {detail}"),
            ErrorKind::Certificate(_) | ErrorKind::Tls => {
                write!(f, "no trusted TLS connection to {host}: {detail}")
            }
            ErrorKind::TooLarge => write!(f, "the answer of {host} is too large: {detail}"),
        }
    }
}

impl std::error::Error for Error {}

fn classify(error: &ureq::Error) -> (ErrorKind, String) {
    match error {
        ureq::Error::Timeout(phase) => (ErrorKind::Timeout, format!("timeout of step \"{phase}\"")),
        ureq::Error::HostNotFound => (ErrorKind::Resolve, "host name not found".to_owned()),
        ureq::Error::ConnectionFailed => (ErrorKind::Connect, "connection failed".to_owned()),
        ureq::Error::ConnectProxyFailed(reason) => (ErrorKind::Connect, reason.clone()),
        ureq::Error::BodyExceedsLimit(limit) => (ErrorKind::TooLarge, format!("over {limit} bytes")),
        ureq::Error::Io(error) => classify_io(error),
        ureq::Error::Http(_) | ureq::Error::BadUri(_) => {
            // The library would quote the URL, and a URL's query names objects.
            (
                ErrorKind::Request,
                "a header or the address is malformed".to_owned(),
            )
        }
        other => (ErrorKind::Protocol, other.to_string()),
    }
}

fn classify_io(error: &io::Error) -> (ErrorKind, String) {
    if let Some(tls) = inner(error) {
        return classify_tls(tls);
    }
    if let Some(roots) = inner::<RootError>(error) {
        return (ErrorKind::Tls, roots.to_string());
    }
    if let Some(lookup) = inner::<LookupError>(error) {
        return (ErrorKind::Resolve, lookup.to_string());
    }
    let kind = match error.kind() {
        io::ErrorKind::ConnectionRefused
        | io::ErrorKind::HostUnreachable
        | io::ErrorKind::NetworkUnreachable
        | io::ErrorKind::NetworkDown
        | io::ErrorKind::AddrNotAvailable => ErrorKind::Connect,
        io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock => ErrorKind::Timeout,
        io::ErrorKind::ConnectionReset
        | io::ErrorKind::ConnectionAborted
        | io::ErrorKind::BrokenPipe
        | io::ErrorKind::UnexpectedEof
        | io::ErrorKind::NotConnected => ErrorKind::Interrupted,
        _ => ErrorKind::Interrupted,
    };
    (kind, error.to_string())
}

fn inner<T: std::error::Error + 'static>(error: &io::Error) -> Option<&T> {
    error.get_ref()?.downcast_ref()
}

fn classify_tls(error: &rustls::Error) -> (ErrorKind, String) {
    use rustls::CertificateError as Refused;
    let rustls::Error::InvalidCertificate(refused) = error else {
        return (ErrorKind::Tls, error.to_string());
    };
    let why = match refused {
        Refused::Expired | Refused::ExpiredContext { .. } => Certificate::Time,
        Refused::NotValidYet | Refused::NotValidYetContext { .. } => Certificate::Time,
        Refused::NotValidForName | Refused::NotValidForNameContext { .. } => Certificate::Name,
        Refused::UnknownIssuer => Certificate::Authority,
        _ => Certificate::Other,
    };
    // To the day, so that the same trouble is the same text.
    let day = |time: &UnixTime| {
        let seconds = i64::try_from(time.as_secs()).unwrap_or(i64::MAX);
        let day = jiff::Timestamp::from_second(seconds).unwrap_or(jiff::Timestamp::MAX);
        day.strftime("%F").to_string()
    };
    let bound = match refused {
        Refused::ExpiredContext { time, not_after } => Some(("ended", not_after, time)),
        Refused::NotValidYetContext { time, not_before } => Some(("begins", not_before, time)),
        _ => None,
    };
    let detail = match bound {
        Some((what, bound, now)) => {
            let (bound, now) = (day(bound), day(now));
            format!("its certificate {what} on {bound}, and this node's clock says {now}")
        }
        None => error.to_string(),
    };
    (ErrorKind::Certificate(why), detail)
}

/// The authority of a URL: never its path or query.
fn host_of(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    rest.split(['/', '?', '#']).next().unwrap_or(rest)
}
