//! One HTTP request as it was received, and one response as it shall be sent.

use super::percent;
use crate::service::Service;

/// A complete request.
#[derive(Clone, Debug, Default)]
pub struct Request {
    /// The verb as written.
    pub method: String,
    /// The target up to the first `?`.
    pub path: String,
    /// The target's query, decoded, in the order of arrival.
    pub query: Vec<(String, String)>,
    /// Header names and values as written.
    pub headers: Vec<(String, String)>,
    /// The body, complete.
    pub body: Vec<u8>,
    /// Whether it came over TLS.
    pub tls: bool,
    /// The number of the connection it came on, counted from 1.
    pub connection: u64,
    /// The service whose own port it came on; none on a port that all services share.
    pub service: Option<Service>,
}

impl Request {
    /// The first header of that name, in any case, without blanks around its value.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(other, _)| other.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.trim())
    }

    /// The host without its port, in lower case; empty if there is no `Host`.
    pub fn host(&self) -> String {
        let host = self.header("host").unwrap_or_default();
        let name = match host.rsplit_once(':') {
            Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
            _ => host,
        };
        name.to_ascii_lowercase()
    }

    /// The fields of a form body; none if the body is of another type.
    pub fn form(&self) -> Vec<(String, String)> {
        let is_form = self.header("content-type").is_some_and(|value| {
            value
                .to_ascii_lowercase()
                .starts_with("application/x-www-form-urlencoded")
        });
        match std::str::from_utf8(&self.body) {
            Ok(text) if is_form => percent::decode_pairs(text),
            _ => Vec::new(),
        }
    }
}

/// A response before it is written. The server adds `Date`, `Content-Length` and `Connection`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    /// The status code.
    pub status: u16,
    /// Headers in the order they are written.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

impl Response {
    /// A response with one content type.
    pub fn new(status: u16, content_type: &str, body: impl Into<Vec<u8>>) -> Self {
        Self {
            status,
            headers: vec![("Content-Type".into(), content_type.into())],
            body: body.into(),
        }
    }

    /// JSON, with the content type that the modelled services use.
    pub fn json(status: u16, body: &serde_json::Value) -> Self {
        Self::new(status, JSON, body.to_string())
    }

    /// Plain text.
    pub fn text(status: u16, body: impl Into<Vec<u8>>) -> Self {
        Self::new(status, "text/plain", body)
    }

    /// The same response with one more header.
    pub fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }
}

/// How the bytes of a response leave.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Delivery {
    /// At once and complete.
    #[default]
    Whole,
    /// Not at all: the connection is closed instead.
    CutBeforeHead,
    /// The head, then the connection is closed.
    CutBeforeBody,
    /// The head and that many bytes of the body, then the connection is closed.
    CutInsideBody(usize),
    /// Everything, then the connection is closed although the head promised to keep it.
    CutAfterBody,
    /// In pieces of so many bytes with a pause of so many milliseconds between them.
    Slow {
        /// Bytes in each piece, at least 1.
        bytes: usize,
        /// The pause before each piece but the first.
        pause_ms: u64,
    },
}

const JSON: &str = "application/json;charset=utf-8";
