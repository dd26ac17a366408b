//! What goes wrong with a call: the columns of the table.

use harness::{CertificateFault, CutPoint, Fault, HandshakeFault};
use serde_json::{Value, json};

use crate::call::Call;

/// A column: a fault, how often it strikes, and what happens meanwhile.
#[derive(Clone, Debug)]
pub(crate) struct Column {
    pub(crate) name: &'static str,
    pub(crate) fault: Fault,
    /// Strikes only once.
    pub(crate) once: bool,
    /// The values are rotated once the fault has struck, and then it is lifted.
    pub(crate) rotated: bool,
}

impl Column {
    /// Whether the fault is in the handshake, so that only a new connection meets it.
    pub(crate) fn is_handshake(&self) -> bool {
        matches!(self.fault, Fault::Certificate(_) | Fault::Handshake(_))
    }
}

/// The columns for a call: every fault of the fake cloud.
pub(crate) fn columns(call: &Call) -> Vec<Column> {
    let mut columns: Vec<Column> = answers(call)
        .into_iter()
        .chain(deliveries())
        .map(always)
        .collect();
    if call.is_over_tls() {
        columns.extend(handshakes().into_iter().map(always));
    }
    for (name, fault) in [
        ("503 once", Fault::error(503, "ServiceUnavailable", "")),
        ("throttled once", Fault::Throttle),
        ("cut once", Fault::Cut(CutPoint::BeforeHead)),
    ] {
        columns.push(Column {
            once: true,
            ..always((name, fault))
        });
    }
    for (name, fault) in [
        ("rotated while held", Fault::Hold),
        (
            "rotated before a retry",
            Fault::error(503, "ServiceUnavailable", ""),
        ),
    ] {
        columns.push(Column {
            rotated: true,
            ..always((name, fault))
        });
    }
    columns
}

fn always((name, fault): (&'static str, Fault)) -> Column {
    Column {
        name,
        fault,
        once: false,
        rotated: false,
    }
}

/// Answers that are not what they should be.
fn answers(call: &Call) -> Vec<(&'static str, Fault)> {
    let error = |status, code: &str| Fault::error(status, code, "as the matrix wants it");
    let answer = |status, body: &str| Fault::Answer {
        status,
        content_type: "application/json".to_owned(),
        body: body.to_owned(),
    };
    let field = || call.field.to_owned();
    let set = |value: Value| Fault::SetField {
        field: field(),
        value,
    };
    let redirect = |status, location: Option<&str>| Fault::Redirect {
        status,
        location: location.map(str::to_owned),
    };
    vec![
        ("500", error(500, "InternalError")),
        ("503", error(503, "ServiceUnavailable")),
        ("504 html", Fault::Html { status: 504 }),
        ("200 html", Fault::Html { status: 200 }),
        ("401", error(401, "Unauthorized")),
        ("403 denied", error(403, "Forbidden.RAM")),
        ("400 unknown code", error(400, "Something.New")),
        ("404 of a proxy", Fault::Html { status: 404 }),
        ("throttled", Fault::Throttle),
        ("throttled by the gateway", Fault::ThrottleByGateway),
        ("token ended", error(400, "InvalidSecurityToken.Expired")),
        ("redirect", redirect(302, Some("http://127.0.0.1:1/"))),
        ("redirect to nowhere", redirect(301, None)),
        ("empty body", Fault::EmptyBody),
        ("truncated body", Fault::TruncatedBody),
        ("empty object", answer(200, "{}")),
        ("null", answer(200, "null")),
        ("nested", answer(200, &"[".repeat(50_000))),
        (
            "large",
            answer(200, &format!("{{\"x\":\"{}\"}}", "x".repeat(2_000_000))),
        ),
        ("not text", answer(200, "\u{0}\u{1}")),
        ("field of another type", set(json!(17))),
        ("field that is null", set(Value::Null)),
        ("field missing", Fault::RemoveField { field: field() }),
        ("gzip", Fault::Gzip),
        ("clock an hour ahead", Fault::ClockOffset { seconds: 3600 }),
        ("clock an hour behind", Fault::ClockOffset { seconds: -3600 }),
    ]
}

/// Answers that come late, in pieces, or not to the end.
fn deliveries() -> Vec<(&'static str, Fault)> {
    let delay = Fault::Delay {
        ms: 300,
        jitter_ms: 200,
    };
    let crumbs = |bytes, pause_ms| Fault::Slow { bytes, pause_ms };
    vec![
        ("delay", delay),
        ("never answers", Fault::Hold),
        ("cut before the head", Fault::Cut(CutPoint::BeforeHead)),
        ("cut before the body", Fault::Cut(CutPoint::BeforeBody)),
        ("cut inside the body", Fault::Cut(CutPoint::InsideBody)),
        ("cut after the body", Fault::Cut(CutPoint::AfterBody)),
        ("crumbs", crumbs(40, 5)),
        ("crumbs for ever", crumbs(1, 400)),
    ]
}

/// Connections that do not come about.
fn handshakes() -> Vec<(&'static str, Fault)> {
    vec![
        (
            "certificate expired",
            Fault::Certificate(CertificateFault::Expired),
        ),
        (
            "certificate of another host",
            Fault::Certificate(CertificateFault::WrongHost),
        ),
        (
            "certificate of a stranger",
            Fault::Certificate(CertificateFault::UnknownAuthority),
        ),
        ("handshake closed", Fault::Handshake(HandshakeFault::Closed)),
        ("handshake cut", Fault::Handshake(HandshakeFault::Cut)),
        ("handshake stalls", Fault::Handshake(HandshakeFault::Hold)),
        ("handshake refused", Fault::Handshake(HandshakeFault::Refused)),
        ("no TLS on the port", Fault::Handshake(HandshakeFault::PlainHttp)),
    ]
}
