//! A request's header section: whether it is gRPC, its method and its timeout.

use std::time::Duration;

use super::status::{Code, Status};
use super::timeout;
use crate::h2::RequestHead;

/// The server's methods.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// `v1alpha1.CSIDriverProvider/Mount`
    Mount,
    /// `v1alpha1.CSIDriverProvider/Version`
    Version,
    /// `grpc.health.v1.Health/Check`
    HealthCheck,
    /// `grpc.health.v1.Health/Watch`
    HealthWatch,
}

impl Method {
    /// The method of this `:path`.
    pub fn from_path(path: &str) -> Option<Self> {
        match path {
            "/v1alpha1.CSIDriverProvider/Mount" => Some(Self::Mount),
            "/v1alpha1.CSIDriverProvider/Version" => Some(Self::Version),
            "/grpc.health.v1.Health/Check" => Some(Self::HealthCheck),
            "/grpc.health.v1.Health/Watch" => Some(Self::HealthWatch),
            _ => None,
        }
    }
}

/// Services with a health status; the empty name means the whole server.
pub const SERVICES: [&str; 3] = ["", "v1alpha1.CSIDriverProvider", "grpc.health.v1.Health"];

/// An acceptable header section.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Request {
    /// The method.
    pub method: Method,
    /// The caller's timeout; `None` without one.
    pub timeout: Option<Duration>,
}

/// Why a header section is not acceptable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Not a gRPC request: answered in plain HTTP.
    Http(HttpRefusal),
    /// A gRPC request that cannot be served: answered with Trailers-Only.
    Status(Status),
}

/// An answer for a client that does not speak gRPC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HttpRefusal {
    /// The answer's header section.
    pub fields: &'static [(&'static str, &'static str)],
    /// The answer's body.
    pub body: &'static str,
}

impl HttpRefusal {
    const METHOD_NOT_ALLOWED: Self = Self {
        fields: &[
            (":status", "405"),
            ("allow", "POST"),
            ("content-type", "text/plain"),
        ],
        body: "this is a gRPC server: the method must be POST\n",
    };

    const UNSUPPORTED_MEDIA_TYPE: Self = Self {
        fields: &[(":status", "415"), ("content-type", "text/plain")],
        body: "this is a gRPC server: content-type must be application/grpc\n",
    };
}

impl Request {
    /// Checks `head` in the order in which grpc-go does.
    pub fn parse(head: &RequestHead) -> Result<Self, Refusal> {
        if !head.field("content-type").is_some_and(is_grpc) {
            return Err(Refusal::Http(HttpRefusal::UNSUPPORTED_MEDIA_TYPE));
        }
        if head.method != "POST" {
            return Err(Refusal::Http(HttpRefusal::METHOD_NOT_ALLOWED));
        }
        let refusal = |code, message: String| Refusal::Status(Status::new(code, message));
        let timeout = match head.field("grpc-timeout") {
            None => None,
            Some(value) => Some(timeout::parse(value).ok_or_else(|| {
                let message = "malformed grpc-timeout: expected 1 to 8 digits and one of HMSmun";
                refusal(Code::Internal, message.to_owned())
            })?),
        };
        let encoding = head.field("grpc-encoding").unwrap_or(b"identity");
        if encoding != b"identity" {
            let encoding = String::from_utf8_lossy(encoding);
            let message = format!("expected grpc-encoding identity, found {encoding:.20?}");
            return Err(refusal(Code::Unimplemented, message));
        }
        let method = Method::from_path(&head.path)
            .ok_or_else(|| refusal(Code::Unimplemented, format!("unknown method {:.100?}", head.path)))?;
        Ok(Self { method, timeout })
    }
}

/// `application/grpc`, alone or continued by a message format or a parameter.
fn is_grpc(content_type: &[u8]) -> bool {
    let lower = content_type.to_ascii_lowercase();
    matches!(
        lower.strip_prefix(b"application/grpc"),
        Some([] | [b'+' | b';', ..])
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(path: &str, fields: &[(&str, &str)]) -> RequestHead {
        RequestHead {
            method: "POST".to_owned(),
            scheme: "http".to_owned(),
            path: path.to_owned(),
            fields: fields
                .iter()
                .map(|(n, v)| ((*n).to_owned(), v.as_bytes().to_vec()))
                .collect(),
            ..RequestHead::default()
        }
    }

    const GRPC: (&str, &str) = ("content-type", "application/grpc");
    const MOUNT: &str = "/v1alpha1.CSIDriverProvider/Mount";

    #[test]
    fn methods_and_timeouts_are_found() {
        for (path, method) in [
            (MOUNT, Method::Mount),
            ("/v1alpha1.CSIDriverProvider/Version", Method::Version),
            ("/grpc.health.v1.Health/Check", Method::HealthCheck),
            ("/grpc.health.v1.Health/Watch", Method::HealthWatch),
        ] {
            assert_eq!(
                Request::parse(&head(path, &[GRPC])),
                Ok(Request {
                    method,
                    timeout: None
                })
            );
        }
        let timed = Request::parse(&head(MOUNT, &[GRPC, ("grpc-timeout", "119999m")])).unwrap();
        assert_eq!(timed.timeout, Some(Duration::from_millis(119_999)));
    }

    #[test]
    fn content_types_of_grpc_are_accepted_and_no_other() {
        for good in [
            "application/grpc",
            "application/grpc+proto",
            "application/grpc;charset=utf-8",
            "Application/gRPC",
        ] {
            assert!(
                Request::parse(&head(MOUNT, &[("content-type", good)])).is_ok(),
                "{good}"
            );
        }
        let refused = Err(Refusal::Http(HttpRefusal::UNSUPPORTED_MEDIA_TYPE));
        for bad in [
            "",
            "text/plain",
            "application/grpcx",
            "application/grpc-web",
            "application/json",
        ] {
            assert_eq!(
                Request::parse(&head(MOUNT, &[("content-type", bad)])),
                refused,
                "{bad}"
            );
        }
        assert_eq!(Request::parse(&head(MOUNT, &[])), refused);
    }

    #[test]
    fn other_requests_are_refused_with_the_right_status() {
        let mut get = head(MOUNT, &[GRPC]);
        get.method = "GET".to_owned();
        assert_eq!(
            Request::parse(&get),
            Err(Refusal::Http(HttpRefusal::METHOD_NOT_ALLOWED))
        );
        for (head, code) in [
            (
                head("/v1alpha1.CSIDriverProvider/Unmount", &[GRPC]),
                Code::Unimplemented,
            ),
            (head("*", &[GRPC]), Code::Unimplemented),
            (
                head(MOUNT, &[GRPC, ("grpc-encoding", "gzip")]),
                Code::Unimplemented,
            ),
            (head(MOUNT, &[GRPC, ("grpc-timeout", "1 s")]), Code::Internal),
        ] {
            let Err(Refusal::Status(status)) = Request::parse(&head) else {
                unreachable!("{head:?}")
            };
            assert_eq!(status.code, code);
        }
        assert!(Request::parse(&head(MOUNT, &[GRPC, ("grpc-encoding", "identity")])).is_ok());
    }
}
