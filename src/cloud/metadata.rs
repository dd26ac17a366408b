//! The ECS instance metadata service: the node's region, and the credentials of its worker RAM role.
//!
//! Plain HTTP on a link-local address, never through a proxy. In hardened mode every question carries a session
//! token, which is kept for as long as it lives; where no token is given the question is put without one (normal
//! mode), unless that is switched off.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use super::counted::counted;
use super::endpoint::Endpoint;
use super::sts::{Parts, Temporary};
use crate::clock::Clock;
use crate::http::{self, Client, Method, Request, Response, Timeouts};
use crate::limits;
use crate::metrics::{Metrics, Outcome};
use crate::secret::Secret;

/// A client of the service.
pub struct Metadata {
    client: Client,
    endpoint: Endpoint,
    clock: Arc<dyn Clock>,
    hardened_only: bool,
    tokens: Mutex<Tokens>,
    metrics: Metrics,
}

#[derive(Default)]
struct Tokens {
    kept: Option<Token>,
    /// When a question for one last went without an answer.
    silent: Option<Instant>,
}

struct Token {
    text: Secret,
    renew: Instant,
}

/// Why the service gave no answer that can be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Error {
    /// The service is out of reach.
    Http(http::Error),
    /// The instance has no RAM role.
    NoRole,
    /// The service answered something else.
    Status {
        /// What was asked for.
        what: &'static str,
        /// Its status.
        status: u16,
    },
    /// No session token, and normal mode is switched off.
    TokenRefused,
    /// The answer cannot be used.
    Unusable {
        /// What was asked for.
        what: &'static str,
        /// What is wrong with the answer.
        problem: &'static str,
    },
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Http(error) => write!(f, "instance metadata: {error}"),
            Self::NoRole => {
                f.write_str("instance metadata: the instance has no RAM role; attach a worker RAM role to the node")
            }
            Self::Status { what, status } => write!(f, "instance metadata: the {what} was answered with status {status}"),
            Self::TokenRefused => f.write_str(
                "instance metadata: no session token was given, and ALIBABA_CLOUD_IMDSV1_DISABLED forbids requests without one",
            ),
            Self::Unusable { what, problem } => write!(f, "instance metadata: the answer for the {what} cannot be used: {problem}"),
        }
    }
}

impl std::error::Error for Error {}

impl Metadata {
    /// A client that asks `endpoint` and counts into `metrics`; `hardened_only` forbids questions without a session
    /// token.
    pub fn new(
        client: Client,
        endpoint: Endpoint,
        clock: Arc<dyn Clock>,
        hardened_only: bool,
        metrics: Metrics,
    ) -> Self {
        Self {
            client,
            endpoint,
            clock,
            hardened_only,
            tokens: Mutex::default(),
            metrics,
        }
    }

    /// The region the node is in, as the service writes it.
    ///
    /// # Errors
    /// See [`Error`].
    pub fn region(&self) -> Result<String, Error> {
        self.text("region", "/latest/meta-data/region-id", |_| true)
    }

    /// The name of the instance's RAM role.
    ///
    /// # Errors
    /// See [`Error`].
    pub fn role(&self) -> Result<String, Error> {
        self.text("role", ROLES, |role| {
            role.bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
        })
    }

    /// The role's credentials.
    ///
    /// # Errors
    /// See [`Error`].
    pub fn credentials(&self, role: &str) -> Result<Temporary, Error> {
        let what = "credentials of the role";
        let body = self.read(what, &format!("{ROLES}{role}"))?;
        serde_json::from_slice(body.expose())
            .map_err(|_| "it is not a JSON object")
            .and_then(|parts: Parts| match parts.code.as_deref() {
                Some("Success") => parts.complete(),
                _ => Err("its Code is not Success"),
            })
            .map_err(|problem| Error::Unusable { what, problem })
    }

    fn text(&self, what: &'static str, path: &str, is_one: impl Fn(&str) -> bool) -> Result<String, Error> {
        let body = self.read(what, path)?;
        let problem = match body.expose_str().map(str::trim) {
            Some(text) if !text.is_empty() && is_one(text) => return Ok(text.to_owned()),
            Some(text) if !text.is_empty() => "it is not the name of one role",
            _ => "it is empty or not text",
        };
        Err(Error::Unusable { what, problem })
    }

    /// One question; a second time with a new token if the kept one is refused.
    fn read(&self, what: &'static str, path: &str) -> Result<Secret, Error> {
        let response = self.answer(path)?;
        match response.status {
            200 => Ok(response.body),
            404 if path.starts_with(ROLES) => Err(Error::NoRole),
            status => Err(Error::Status { what, status }),
        }
    }

    fn answer(&self, path: &str) -> Result<Response, Error> {
        let mut tokens = self.tokens.lock().unwrap_or_else(PoisonError::into_inner);
        let kept = tokens.kept.take_if(|token| self.clock.now() < token.renew);
        if let Some(kept) = kept {
            let response = self.ask(path, Some(&kept.text))?;
            if !matches!(response.status, 401 | 403) {
                tokens.kept = Some(kept);
                return Ok(response);
            }
        }
        let fresh = self.new_token(&mut tokens.silent)?;
        let response = self.ask(path, fresh.as_ref().map(|token| &token.text))?;
        if fresh.is_none() && matches!(response.status, 401 | 403) {
            // It takes no question without a token, so the silence was not for good.
            tokens.silent = None;
        }
        // Only one that could be used is kept: what came as a token may be anything.
        tokens.kept = fresh;
        Ok(response)
    }

    fn new_token(&self, silent: &mut Option<Instant>) -> Result<Option<Token>, Error> {
        let now = self.clock.now();
        let is_silent =
            silent.is_some_and(|since| now.saturating_duration_since(since) < limits::METADATA_TOKEN_PAUSE);
        if is_silent {
            return Ok(None);
        }
        let seconds = limits::METADATA_TOKEN_TTL.as_secs().to_string();
        let headers = [("X-aliyun-ecs-metadata-token-ttl-seconds", seconds.as_str())];
        let is_filled = |body: &Secret| body.expose_str().is_some_and(|text| !text.trim().is_empty());
        match self.send("Token", Method::PUT, "/latest/api/token", &headers) {
            Ok(response) if response.status == 200 && is_filled(&response.body) => {
                let renew = now + limits::METADATA_TOKEN_TTL.saturating_sub(limits::METADATA_TOKEN_MARGIN);
                let text = response.body;
                Ok(Some(Token { text, renew }))
            }
            Ok(_) if self.hardened_only => Err(Error::TokenRefused),
            Ok(_) => Ok(None),
            // The token's answer may have one network hop at the most, and a container is one hop further away:
            // it never arrives, while answers without a token do.
            Err(error) if error.kind == http::ErrorKind::Timeout && !self.hardened_only => {
                *silent = Some(self.clock.now());
                Ok(None)
            }
            Err(error) => Err(Error::Http(error)),
        }
    }

    fn ask(&self, path: &str, token: Option<&Secret>) -> Result<Response, Error> {
        let token = token
            .and_then(Secret::expose_str)
            .map(|token| ("X-aliyun-ecs-metadata-token", token.trim()));
        let action = match path.strip_prefix(ROLES) {
            None => "Region",
            Some("") => "Role",
            Some(_) => "RoleCredentials",
        };
        self.send(action, Method::GET, path, token.as_slice())
            .map_err(Error::Http)
    }

    fn send(
        &self,
        action: &str,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
    ) -> Result<Response, http::Error> {
        let request = Request {
            method,
            url: &format!("{}{path}", self.endpoint.url()),
            headers,
            body: b"",
            timeouts: Timeouts::all(limits::METADATA_TIMEOUT),
        };
        let outcome = |result: &Result<Response, http::Error>| {
            Some(match result {
                Ok(response) => match response.status {
                    200 => Outcome::Ok,
                    401 | 403 => Outcome::Denied,
                    404 => Outcome::NotFound,
                    500.. => Outcome::Unavailable,
                    _ => Outcome::Broken,
                },
                Err(error) => error.outcome(),
            })
        };
        let ask = || {
            counted(&self.metrics, &*self.clock, action, outcome, || {
                self.client.send(&request)
            })
        };
        match ask() {
            // The service may close a kept connection just when it is used again.
            Err(error) if error.kind == http::ErrorKind::Interrupted => ask(),
            answer => answer,
        }
    }
}

const ROLES: &str = "/latest/meta-data/ram/security-credentials/";
