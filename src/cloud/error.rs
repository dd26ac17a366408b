//! What the cloud says when it says no, in both of its dialects, and what kind of trouble that is.
//!
//! The gateway answers `{"RequestId","HostId","Code","Message","Recommend"}`, the KMS backend
//! `{"HttpStatus","Code","Message","RequestId"}`; both are read by one parser, keys in PascalCase or camelCase.

use std::fmt;
use std::time::Duration;

use serde::Deserialize;

use super::credentials::Credentials;
use super::endpoint::Endpoint;
use crate::http;
use crate::metrics::Outcome;
use crate::secret::Secret;

/// A failed call to an API.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Error {
    /// The API answered with an error.
    Api(ApiError),
    /// The answer is a success by its status, and not one by its body.
    Answer {
        /// Host that answered.
        host: String,
        /// What is wrong with it.
        problem: String,
    },
    /// No answer.
    Http(http::Error),
}

/// An error in the API's own words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiError {
    /// HTTP status.
    pub status: u16,
    /// `Forbidden.ResourceNotFound`, `Throttling.User`; empty when the body names none.
    pub code: String,
    /// The API's message, shortened and on one line.
    pub message: String,
    /// For support tickets; empty when the body names none.
    pub request_id: String,
    /// Host that answered.
    pub host: String,
    /// How long the gateway says to wait before another call.
    pub retry_after: Option<Duration>,
}

/// What kind of trouble an error is, which decides status code, retry and advice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The credentials are refused: unknown, expired, wrong secret.
    Credentials,
    /// The identity may not do this.
    Denied,
    /// Neither an answer nor a refusal that makes sense.
    Broken,
    /// What was asked for does not exist.
    NotFound,
    /// The request is refused for what it says.
    Refused,
    /// Too many calls.
    Throttled,
    /// Out of reach, out of order or out of time.
    Unavailable,
}

impl Kind {
    /// As metrics count it.
    pub const fn outcome(self) -> Outcome {
        match self {
            Self::Credentials => Outcome::Credentials,
            Self::Denied => Outcome::Denied,
            Self::Broken => Outcome::Broken,
            Self::NotFound => Outcome::NotFound,
            Self::Refused => Outcome::Refused,
            Self::Throttled => Outcome::Throttled,
            Self::Unavailable => Outcome::Unavailable,
        }
    }
}

impl Error {
    /// What a success by its status is that lacks what was asked for: an error by its body, if that names a code.
    pub(super) fn unusable(endpoint: &Endpoint, body: &Secret, problem: &str) -> Self {
        let host = endpoint.authority();
        let error = ApiError::parse(200, body, host, None);
        if error.code.is_empty() {
            Self::Answer {
                host: host.to_owned(),
                problem: problem.to_owned(),
            }
        } else {
            Self::Api(error)
        }
    }

    /// What kind of trouble this is.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Api(error) => error.kind(),
            Self::Answer { .. } => Kind::Broken,
            Self::Http(error) if error.is_transient() => Kind::Unavailable,
            Self::Http(_) => Kind::Broken,
        }
    }

    /// Whether there is nothing of the name that was asked for. A secret whose key is gone exists.
    pub fn is_about_absence(&self) -> bool {
        self.kind() == Kind::NotFound
            && matches!(self, Self::Api(error) if error.code != "Forbidden.KeyNotFound")
    }

    /// Whether the machine's clock is wrong, so that the service refuses what is signed by it.
    pub fn is_about_time(&self) -> bool {
        matches!(self, Self::Api(error) if error.is_about_time())
    }

    /// Whether the same call may succeed a moment later, with a new nonce and signature.
    pub fn is_transient(&self) -> bool {
        match self.kind() {
            Kind::Throttled | Kind::Unavailable => true,
            Kind::Credentials => matches!(self, Self::Api(error) if error.code == "SignatureNonceUsed"),
            Kind::Denied | Kind::Broken | Kind::NotFound | Kind::Refused => false,
        }
    }

    /// Whether these are temporary credentials that the cloud no longer knows, so that new ones may pass. An
    /// unknown id is such a case too: some services say so of those that have ended.
    pub fn is_about_ended(&self, credentials: &Credentials) -> bool {
        let Self::Api(error) = self else { return false };
        match error.code.as_str() {
            "InvalidSecurityToken.Expired" => credentials.security_token.is_some(),
            "InvalidAccessKeyId.NotFound" => credentials.access_key_id.starts_with("STS."),
            _ => false,
        }
    }
}

impl ApiError {
    /// Whether the request was refused for the time that it was signed at: the machine's clock is wrong.
    pub fn is_about_time(&self) -> bool {
        self.code.starts_with("InvalidTimeStamp") || self.code == "IllegalTimestamp"
    }

    /// What kind of trouble this is. Codes decide before the status does: the gateway throttles with 400, and
    /// KMS calls a missing secret `Forbidden`.
    pub fn kind(&self) -> Kind {
        let code = self.code.as_str();
        if code.starts_with("Throttling") || code == "Rejected.Throttling" {
            return Kind::Throttled;
        }
        if matches!(code, "Forbidden.ResourceNotFound" | "Forbidden.KeyNotFound")
            || code.starts_with("EntityNotExist")
        {
            return Kind::NotFound;
        }
        if code.starts_with("InvalidAccessKeyId")
            || code.starts_with("InvalidSecurityToken")
            || self.is_about_time()
            || matches!(
                code,
                "SignatureDoesNotMatch"
                    | "IncompleteSignature"
                    | "SignatureNonceUsed"
                    | "MissingSecurityToken"
            )
        {
            return Kind::Credentials;
        }
        if code.starts_with("Forbidden") || code.starts_with("NoPermission") {
            return Kind::Denied;
        }
        match self.status {
            401 => Kind::Credentials,
            403 => Kind::Denied,
            // A 404 without a code is some web server, not the API speaking of our object.
            404 if code.is_empty() => Kind::Broken,
            429 => Kind::Throttled,
            500..=599 => Kind::Unavailable,
            400..=499 if !code.is_empty() => Kind::Refused,
            _ => Kind::Broken,
        }
    }

    /// Reads an error answer; anything that is not one of the documented shapes becomes an error without a code.
    pub(super) fn parse(status: u16, body: &Secret, host: &str, retry_after: Option<Duration>) -> Self {
        #[derive(Deserialize, Default)]
        struct Body {
            #[serde(rename = "Code", alias = "code")]
            code: Option<serde_json::Value>,
            #[serde(rename = "Message", alias = "message")]
            message: Option<String>,
            #[serde(rename = "RequestId", alias = "requestId")]
            request_id: Option<String>,
        }
        let parsed: Result<Body, _> = serde_json::from_slice(body.expose());
        let missing = match &parsed {
            Ok(_) => "the answer holds no message",
            Err(_) => "the answer is not JSON",
        };
        let body = parsed.unwrap_or_default();
        let code = body.code.as_ref().and_then(serde_json::Value::as_str);
        let message = body.message.as_deref().unwrap_or(missing);
        // The gateway quotes the server's own string to sign here, which is of no use in a pod event.
        let message = message
            .split(" server string to sign is:")
            .next()
            .unwrap_or_default();
        Self {
            status,
            code: one_line(code.unwrap_or_default(), 128),
            message: one_line(message, 300),
            request_id: one_line(&body.request_id.unwrap_or_default(), 64),
            host: host.to_owned(),
            retry_after,
        }
    }
}

/// At most `limit` characters, control characters as blanks, without invisible ones, trimmed.
fn one_line(text: &str, limit: usize) -> String {
    let plain = |c: char| if c.is_control() { ' ' } else { c };
    let mut visible = text.chars().filter(|c| !is_invisible(*c)).map(plain);
    let mut line: String = visible.by_ref().take(limit).collect();
    if visible.next().is_some() {
        line.push('…');
    }
    line.trim().to_owned()
}

/// Characters that turn the direction of a line or take no room, so that an event would read as something else
/// (Unicode Technical Report 36, section 2.5): formatting characters and tags.
fn is_invisible(c: char) -> bool {
    matches!(
        c,
        '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}'
    )
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Api(error) => error.fmt(f),
            Self::Answer { host, problem } => {
                write!(
                    f,
                    "{host} answered 200 with a body that cannot be used: {problem}"
                )
            }
            Self::Http(error) => error.fmt(f),
        }
    }
}

impl fmt::Display for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            status,
            code,
            message,
            request_id,
            host,
            retry_after: _,
        } = self;
        let code = if code.is_empty() {
            code
        } else {
            &format!(" {code}")
        };
        write!(f, "{host} answered {status}{code}: {message}")?;
        if !request_id.is_empty() {
            write!(f, " (request id {request_id})")?;
        }
        Ok(())
    }
}

impl std::error::Error for Error {}

impl From<http::Error> for Error {
    fn from(error: http::Error) -> Self {
        Self::Http(error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(status: u16, body: &str) -> ApiError {
        ApiError::parse(status, &Secret::from(body.to_owned()), "kms.example", None)
    }

    #[test]
    fn both_dialects_are_read() {
        let gateway = r#"{"RequestId":"R1","HostId":"kms","Code":"SignatureDoesNotMatch","Message":"Specified signature is not matched with our calculation. server string to sign is:ACS3-HMAC-SHA256\nabc","Recommend":"https://x"}"#;
        let error = parse(400, gateway);
        assert_eq!(error.kind(), Kind::Credentials);
        assert_eq!(
            error.to_string(),
            "kms.example answered 400 SignatureDoesNotMatch: Specified signature is not matched with our calculation. (request id R1)"
        );
        let backend = r#"{"HttpStatus":404,"Code":"Forbidden.ResourceNotFound","Message":"Resource not found.","RequestId":"R2"}"#;
        let error = parse(404, backend);
        assert_eq!(error.kind(), Kind::NotFound);
        assert_eq!(
            error.to_string(),
            "kms.example answered 404 Forbidden.ResourceNotFound: Resource not found. (request id R2)"
        );
    }

    #[test]
    fn codes_decide_before_the_status() {
        let cases = [
            (400, "Throttling.User", Kind::Throttled),
            (429, "Rejected.Throttling", Kind::Throttled),
            (429, "", Kind::Throttled),
            (403, "Forbidden.NoPermission", Kind::Denied),
            (400, "Forbidden.RAM", Kind::Denied),
            (403, "NoPermission", Kind::Denied),
            (404, "EntityNotExists.Parameter", Kind::NotFound),
            (404, "EntityNotExist.Role", Kind::NotFound),
            (404, "InvalidAccessKeyId.NotFound", Kind::Credentials),
            (400, "InvalidSecurityToken.Expired", Kind::Credentials),
            (400, "InvalidTimeStamp.Expired", Kind::Credentials),
            (400, "InvalidParameter", Kind::Refused),
            (409, "Rejected.Disabled", Kind::Refused),
            (404, "InvalidAction.NotFound", Kind::Refused),
            (404, "", Kind::Broken),
            (302, "", Kind::Broken),
            (500, "InternalFailure", Kind::Unavailable),
            (503, "SerivceUnvailableTemporary", Kind::Unavailable),
            (503, "", Kind::Unavailable),
        ];
        for (status, code, kind) in cases {
            let error = parse(status, &format!(r#"{{"Code":"{code}","Message":"m"}}"#));
            assert_eq!(error.kind(), kind, "{status} {code}");
        }
    }

    #[test]
    fn a_secret_whose_key_is_gone_is_not_absent() {
        let is_absent = |status, code: &str| {
            let error = Error::Api(parse(status, &format!(r#"{{"Code":"{code}"}}"#)));
            (error.kind() == Kind::NotFound, error.is_about_absence())
        };
        assert_eq!(is_absent(404, "Forbidden.ResourceNotFound"), (true, true));
        assert_eq!(is_absent(404, "EntityNotExists.Parameter"), (true, true));
        assert_eq!(is_absent(404, "Forbidden.KeyNotFound"), (true, false));
        assert_eq!(is_absent(404, ""), (false, false));
    }

    #[test]
    fn a_body_of_another_kind_is_told_without_being_quoted() {
        let error = parse(502, "<html>secret-canary</html>");
        assert_eq!(
            error.to_string(),
            "kms.example answered 502: the answer is not JSON"
        );
        let error = parse(400, r#"{"Code":42}"#);
        assert_eq!(
            error.to_string(),
            "kms.example answered 400: the answer holds no message"
        );
    }

    #[test]
    fn what_turns_or_hides_text_is_left_out() {
        let text = "\u{202e}deined\u{202c}\u{2066}\u{200b}: \u{feff}a\u{ad}b\u{e0041}\u{2028}c";
        assert_eq!(one_line(text, 300), "deined: abc");
        assert_eq!(one_line("无权限 é", 300), "无权限 é");
        assert_eq!(one_line("\u{200b}\u{200b}abc", 2), "ab…");
    }

    #[test]
    fn long_and_multi_line_messages_are_tamed() {
        let error = parse(
            400,
            &format!(r#"{{"Code":"A","Message":"one\ntwo{}"}}"#, "x".repeat(1000)),
        );
        assert!(error.message.starts_with("one two"));
        assert_eq!(error.message.chars().count(), 301);
    }
}
