//! What goes wrong with a call: the columns of the table.

use harness::{CertificateFault, CutPoint, Fault, HandshakeFault, Service};
use serde_json::{Value, json};

use crate::call::{Call, NO_FIELD};

/// A column: a fault, how often it strikes, and what happens meanwhile.
#[derive(Clone, Debug)]
pub(crate) struct Column {
    pub(crate) name: &'static str,
    pub(crate) fault: Fault,
    /// Strikes only once.
    pub(crate) once: bool,
    /// The values are rotated once the fault has struck, and then it is lifted.
    pub(crate) rotated: bool,
    pub(crate) meaning: Meaning,
}

/// What a fault is to somebody who may fall back on older values, by docs/refresh.md, "Through an outage".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Meaning {
    /// Nothing: an answer arrives, if late or after another try.
    Harmless,
    /// Out of reach (no connection, a timeout, statuses of 500 and above, tries used up) or throttling.
    Outage,
    /// Something definite: refused, or an answer that makes no sense, or a certificate that is not trusted.
    Definite,
}

use Meaning::{Definite, Harmless, Outage};

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
    for struck in [
        ("503 once", Fault::error(503, "ServiceUnavailable", ""), Harmless),
        ("throttled once", Fault::Throttle, Harmless),
        ("cut once", Fault::Cut(CutPoint::BeforeHead), Harmless),
    ] {
        columns.push(Column {
            once: true,
            ..always(struck)
        });
    }
    for struck in [
        ("rotated while held", Fault::Hold, Harmless),
        (
            "rotated before a retry",
            Fault::error(503, "ServiceUnavailable", ""),
            Harmless,
        ),
    ] {
        columns.push(Column {
            rotated: true,
            ..always(struck)
        });
    }
    for column in &mut columns {
        column.meaning = meaning(call, column);
    }
    columns
}

/// What a fault of this call is, where it is another thing than a fault of KMS or OOS.
fn meaning(call: &Call, column: &Column) -> Meaning {
    let is_signed = matches!(call.service, Service::Kms | Service::Oos | Service::Sts);
    match column.fault {
        // Texts have no fields, and it is nothing to others what the cloud takes for the time.
        Fault::SetField { .. } | Fault::RemoveField { .. } if call.field == NO_FIELD => Harmless,
        Fault::ClockOffset { .. } if !is_signed => Harmless,
        // There is no gateway before them.
        Fault::ThrottleByGateway if !is_signed => Definite,
        // They are asked once.
        Fault::Error { .. } | Fault::Throttle | Fault::Cut(_)
            if (column.once || column.rotated) && !matches!(call.service, Service::Kms | Service::Oos) =>
        {
            Outage
        }
        _ => column.meaning,
    }
}

type Struck = (&'static str, Fault, Meaning);

fn always((name, fault, meaning): Struck) -> Column {
    Column {
        name,
        fault,
        once: false,
        rotated: false,
        meaning,
    }
}

/// Answers that are not what they should be.
fn answers(call: &Call) -> Vec<Struck> {
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
        ("500", error(500, "InternalError"), Outage),
        ("503", error(503, "ServiceUnavailable"), Outage),
        ("504 html", Fault::Html { status: 504 }, Outage),
        ("200 html", Fault::Html { status: 200 }, Definite),
        ("401", error(401, "Unauthorized"), Definite),
        ("403 denied", error(403, "Forbidden.RAM"), Definite),
        ("400 unknown code", error(400, "Something.New"), Definite),
        ("404 of a proxy", Fault::Html { status: 404 }, Definite),
        ("throttled", Fault::Throttle, Outage),
        ("throttled by the gateway", Fault::ThrottleByGateway, Outage),
        (
            "token ended",
            error(400, "InvalidSecurityToken.Expired"),
            Definite,
        ),
        ("redirect", redirect(302, Some("http://127.0.0.1:1/")), Definite),
        ("redirect to nowhere", redirect(301, None), Definite),
        ("empty body", Fault::EmptyBody, Definite),
        ("truncated body", Fault::TruncatedBody, Definite),
        ("empty object", answer(200, "{}"), Definite),
        ("null", answer(200, "null"), Definite),
        ("nested", answer(200, &"[".repeat(50_000)), Definite),
        (
            "large",
            answer(200, &format!("{{\"x\":\"{}\"}}", "x".repeat(2_000_000))),
            Definite,
        ),
        ("not text", answer(200, "\u{0}\u{1}"), Definite),
        ("field of another type", set(json!(17)), Definite),
        ("field that is null", set(Value::Null), Definite),
        ("field missing", Fault::RemoveField { field: field() }, Definite),
        ("gzip", Fault::Gzip, Definite),
        (
            "clock an hour ahead",
            Fault::ClockOffset { seconds: 3600 },
            Definite,
        ),
        (
            "clock an hour behind",
            Fault::ClockOffset { seconds: -3600 },
            Definite,
        ),
    ]
}

/// Answers that come late, in pieces, or not to the end.
fn deliveries() -> Vec<Struck> {
    let delay = Fault::Delay {
        ms: 300,
        jitter_ms: 200,
    };
    let crumbs = |bytes, pause_ms| Fault::Slow { bytes, pause_ms };
    vec![
        ("delay", delay, Harmless),
        ("never answers", Fault::Hold, Outage),
        ("cut before the head", Fault::Cut(CutPoint::BeforeHead), Outage),
        ("cut before the body", Fault::Cut(CutPoint::BeforeBody), Outage),
        ("cut inside the body", Fault::Cut(CutPoint::InsideBody), Outage),
        ("cut after the body", Fault::Cut(CutPoint::AfterBody), Harmless),
        ("crumbs", crumbs(40, 5), Harmless),
        ("crumbs for ever", crumbs(1, 400), Outage),
    ]
}

/// Connections that do not come about.
fn handshakes() -> Vec<Struck> {
    vec![
        (
            "certificate expired",
            Fault::Certificate(CertificateFault::Expired),
            Definite,
        ),
        (
            "certificate of another host",
            Fault::Certificate(CertificateFault::WrongHost),
            Definite,
        ),
        (
            "certificate of a stranger",
            Fault::Certificate(CertificateFault::UnknownAuthority),
            Definite,
        ),
        (
            "handshake closed",
            Fault::Handshake(HandshakeFault::Closed),
            Outage,
        ),
        ("handshake cut", Fault::Handshake(HandshakeFault::Cut), Outage),
        ("handshake stalls", Fault::Handshake(HandshakeFault::Hold), Outage),
        (
            "handshake refused",
            Fault::Handshake(HandshakeFault::Refused),
            Definite,
        ),
        (
            "no TLS on the port",
            Fault::Handshake(HandshakeFault::PlainHttp),
            Definite,
        ),
    ]
}
