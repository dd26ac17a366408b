//! A whole HTTP answer.

/// A whole answer.
pub(super) struct Reply {
    pub(super) octets: Vec<u8>,
    /// How much of it is the head.
    pub(super) head: usize,
}

impl Reply {
    pub(super) fn new(status: &str, kind: &str, body: &str) -> Self {
        let length = body.len();
        let head = format!(
            "HTTP/1.1 {status}\r\ncontent-type: {kind}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n"
        );
        Self {
            head: head.len(),
            octets: [head.as_bytes(), body.as_bytes()].concat(),
        }
    }

    pub(super) fn text(status: &str, body: &str) -> Self {
        Self::new(status, "text/plain; charset=utf-8", body)
    }

    pub(super) fn verdict(result: Result<(), String>) -> Self {
        match result {
            Ok(()) => Self::text("200 OK", "ok"),
            Err(reasons) => Self::text("503 Service Unavailable", &reasons),
        }
    }
}
