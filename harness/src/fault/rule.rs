//! The rules: filters, counts, and the faults themselves, in the form that state files and the control API use too.

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

use super::Subject;
use crate::error::Dialect;
use crate::http::tls::{CertificateFault, HandshakeFault};
use crate::service::Service;
use crate::state::policy::matches;

/// A rule. It applies to a request if all its filters do; an absent filter lets everything through.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct FaultRule {
    /// Only this service.
    #[serde(default)]
    pub service: Option<Service>,
    /// Only this operation, or for path-like services this path. `*` and `?` are wildcards here and below.
    #[serde(default)]
    pub action: Option<String>,
    /// Only this secret, parameter or role.
    #[serde(default)]
    pub name: Option<String>,
    /// Only callers with this ARN.
    #[serde(default)]
    pub identity: Option<String>,
    /// Lets that many matching requests pass first.
    #[serde(default)]
    pub skip: u64,
    /// Applies to that many requests, then no more.
    #[serde(default)]
    pub times: Option<u64>,
    /// Applies to each request with this probability, 0 to 1.
    #[serde(default = "always")]
    pub probability: f64,
    /// Chooses the sequence of chances and jitters.
    #[serde(default)]
    pub seed: u64,
    /// What happens.
    pub then: Fault,
}

/// What goes wrong.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields, remote = "Self")]
pub enum Fault {
    /// An API error; the operation is not performed.
    Error {
        /// The HTTP status.
        status: u16,
        /// The API's code.
        code: String,
        /// The text.
        #[serde(default)]
        message: String,
        /// The body's shape; the service's own if absent.
        #[serde(default)]
        dialect: Option<Dialect>,
    },
    /// Throttling as the service itself words it: KMS with 429, the gateway with 400 and a header.
    Throttle,
    /// Throttling by the gateway, whatever the service.
    ThrottleByGateway,
    /// A given answer instead of the real one; the operation is not performed.
    Answer {
        /// The HTTP status.
        #[serde(default = "ok")]
        status: u16,
        /// The content type.
        #[serde(default = "json")]
        content_type: String,
        /// The body.
        body: String,
    },
    /// An HTML page as a proxy in between might send it; the operation is not performed.
    Html {
        /// The HTTP status.
        status: u16,
    },
    /// A redirection; the operation is not performed.
    Redirect {
        /// The HTTP status.
        status: u16,
        /// The `Location` header.
        #[serde(default)]
        location: Option<String>,
    },
    /// The real answer without its body.
    EmptyBody,
    /// The real answer's body, cut in half; its length fits, so the connection stays good.
    TruncatedBody,
    /// The real answer with one field set to another value, of another type perhaps.
    SetField {
        /// A JSON pointer (RFC 6901), such as `/Parameter/Value`.
        field: String,
        /// The value.
        value: Value,
    },
    /// The real answer without one field.
    RemoveField {
        /// A JSON pointer (RFC 6901).
        field: String,
    },
    /// The real answer, compressed although nobody may have asked for it.
    Gzip,
    /// A wait before the answer.
    Delay {
        /// Milliseconds.
        ms: u64,
        /// Up to so many milliseconds more.
        #[serde(default)]
        jitter_ms: u64,
    },
    /// A wait until the rule is released or cleared.
    Hold,
    /// The connection is closed.
    Cut(CutPoint),
    /// The answer leaves in crumbs.
    Slow {
        /// Bytes in each piece.
        bytes: usize,
        /// Milliseconds between pieces.
        pause_ms: u64,
    },
    /// Something is wrong with the certificate. Filters see the service, nothing else: the port's own, or that of the
    /// host name asked for. No session is resumed meanwhile, so that each new connection sees it.
    Certificate(CertificateFault),
    /// The TLS handshake fails, or waits. Filters as for certificates.
    Handshake(HandshakeFault),
    /// The cloud's clock is off by so many seconds when it checks the request; positive: ahead.
    ClockOffset {
        /// Seconds.
        seconds: i64,
    },
}

impl Serialize for Fault {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Self::serialize(self, serializer)
    }
}

impl<'de> Deserialize<'de> for Fault {
    /// As derived, but a fault of the wrong form is told what to write.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(deserializer)?;
        let name = match &value {
            Value::String(name) => Some(name.as_str()),
            Value::Object(map) => map.keys().next().map(String::as_str),
            _ => None,
        };
        let form = FORMS.iter().find(|(known, _)| Some(*known) == name);
        Self::deserialize(&value).map_err(|error| {
            let hint = form.map(|(_, form)| format!("; expected a form such as then: {form}"));
            D::Error::custom(format!("{error}{}", hint.unwrap_or_default()))
        })
    }
}

/// Each fault as it is written.
const FORMS: [(&str, &str); 18] = [
    ("error", "{error: {status: 500, code: InternalError}}"),
    ("throttle", "throttle"),
    ("throttle_by_gateway", "throttle_by_gateway"),
    ("answer", "{answer: {status: 200, body: \"{}\"}}"),
    ("html", "{html: {status: 502}}"),
    (
        "redirect",
        "{redirect: {status: 302, location: \"https://example.com/\"}}",
    ),
    ("empty_body", "empty_body"),
    ("truncated_body", "truncated_body"),
    ("set_field", "{set_field: {field: /SecretData, value: 1}}"),
    ("remove_field", "{remove_field: {field: /SecretData}}"),
    ("gzip", "gzip"),
    ("delay", "{delay: {ms: 100}}"),
    ("hold", "hold"),
    ("cut", "{cut: inside_body}"),
    ("slow", "{slow: {bytes: 10, pause_ms: 50}}"),
    ("certificate", "{certificate: expired}"),
    ("handshake", "{handshake: closed}"),
    ("clock_offset", "{clock_offset: {seconds: 900}}"),
];

/// When in a request's life a fault takes effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// During the TLS handshake.
    Handshake,
    /// When the request has arrived, before it is authenticated.
    Arrival,
    /// Once it is known who asks.
    Answer,
}

/// Where a connection is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum CutPoint {
    /// Nothing is sent.
    BeforeHead,
    /// The head is sent.
    BeforeBody,
    /// The head and half the body are sent.
    InsideBody,
    /// Everything is sent, with a promise to keep the connection.
    AfterBody,
}

impl FaultRule {
    /// A rule for every request, for good.
    pub fn new(then: Fault) -> Self {
        Self {
            service: None,
            action: None,
            name: None,
            identity: None,
            skip: 0,
            times: None,
            probability: 1.0,
            seed: 0,
            then,
        }
    }

    /// Only this service.
    pub fn service(mut self, service: Service) -> Self {
        self.service = Some(service);
        self
    }

    /// Only this operation or path; may hold wildcards.
    pub fn action(mut self, action: &str) -> Self {
        self.action = Some(action.into());
        self
    }

    /// Only this secret, parameter or role; may hold wildcards.
    pub fn name(mut self, name: &str) -> Self {
        self.name = Some(name.into());
        self
    }

    /// Only callers with this ARN; may hold wildcards.
    pub fn identity(mut self, arn: &str) -> Self {
        self.identity = Some(arn.into());
        self
    }

    /// Only after that many matching requests.
    pub fn skip(mut self, count: u64) -> Self {
        self.skip = count;
        self
    }

    /// Only that many times.
    pub fn times(mut self, count: u64) -> Self {
        self.times = Some(count);
        self
    }

    /// Only with this probability, 0 to 1; the seed makes it repeatable.
    pub fn probability(mut self, probability: f64, seed: u64) -> Self {
        (self.probability, self.seed) = (probability, seed);
        self
    }

    /// What is wrong with the rule, though it has the right form.
    pub fn problem(&self) -> Option<&'static str> {
        match &self.then {
            _ if !(0.0..=1.0).contains(&self.probability) => Some("probability is from 0 to 1"),
            Fault::Error { status, .. }
            | Fault::Answer { status, .. }
            | Fault::Html { status }
            | Fault::Redirect { status, .. }
                if !(200..=999).contains(status) =>
            {
                Some("status is from 200 to 999")
            }
            Fault::SetField { field, .. } | Fault::RemoveField { field } if !field.starts_with('/') => {
                Some("field is a JSON pointer such as /Parameter/Value")
            }
            _ => None,
        }
    }

    pub(super) fn applies_to(&self, subject: &Subject<'_>) -> bool {
        let fits = |filter: &Option<String>, value: Option<&str>| {
            filter
                .as_deref()
                .is_none_or(|pattern| value.is_some_and(|value| matches(pattern, value)))
        };
        self.service.is_none_or(|service| service == subject.service)
            && fits(&self.action, subject.action)
            && fits(&self.name, subject.name)
            && fits(&self.identity, subject.identity)
    }
}

impl Fault {
    /// When it takes effect.
    pub(super) fn phase(&self) -> Phase {
        match self {
            Self::Certificate(_) | Self::Handshake(_) => Phase::Handshake,
            Self::ClockOffset { .. } => Phase::Arrival,
            _ => Phase::Answer,
        }
    }

    /// An API error in the service's own dialect.
    pub fn error(status: u16, code: &str, message: &str) -> Self {
        Self::Error {
            status,
            code: code.into(),
            message: message.into(),
            dialect: None,
        }
    }
}

fn always() -> f64 {
    1.0
}

fn ok() -> u16 {
    200
}

fn json() -> String {
    "application/json;charset=utf-8".into()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a message says to write is accepted, and every fault has such a form.
    #[test]
    fn each_form_is_accepted_and_told_where_it_is_missed() {
        for (name, form) in FORMS {
            let fault: Fault = serde_saphyr::from_str(form).unwrap_or_else(|error| panic!("{form}: {error}"));
            let written = serde_json::to_value(&fault).expect("JSON");
            assert_eq!(
                serde_json::from_value::<Fault>(written.clone()).expect("JSON"),
                fault,
                "{form}"
            );
            let own_name = written
                .as_str()
                .map(str::to_owned)
                .or_else(|| written.as_object()?.keys().next().cloned());
            assert_eq!(own_name.as_deref(), Some(name));
            let wrong = match written {
                Value::String(name) => format!("{{{name}: {{x: 1}}}}"),
                _ => name.to_owned(),
            };
            let error = serde_saphyr::from_str::<FaultRule>(&format!("{{then: {wrong}}}")).expect_err(&wrong);
            assert!(
                error
                    .to_string()
                    .contains(&format!("expected a form such as then: {form}")),
                "{wrong}: {error}"
            );
        }
    }

    #[test]
    fn an_unknown_fault_is_told_which_there_are() {
        let error = serde_saphyr::from_str::<FaultRule>("{then: explode}").expect_err("unknown");
        let text = error.to_string();
        assert!(text.contains("explode") && text.contains("throttle"), "{text}");
    }
}
