//! Calls through the OpenAPI gateway: signed with `ACS3-HMAC-SHA256` and everything in the query, as KMS and OOS
//! take them, or in the RPC style with a form, as STS does.

use std::sync::Arc;
use std::time::Duration;

use super::counted::counted;
use super::credentials::Credentials;
use super::endpoint::Endpoint;
use super::error::{ApiError, Error};
use super::hint::{clock_gap, retry_after};
use crate::clock::Clock;
use crate::entropy::Entropy;
use crate::http::{Client, ErrorKind, Method, Request, Timeouts};
use crate::limits;
use crate::metrics::{Metrics, Outcome};
use crate::secret::Secret;
use crate::sign::{Parameter, canonical_query, parameter, rpc, v3};
use crate::sync::Cancellation;

/// One operation of one product: its action, such as `GetSecretValue`, and the API's version.
pub(super) type Operation = (&'static str, &'static str);

/// Endpoint, credentials and timeout of a call.
#[derive(Clone, Copy, Debug)]
pub struct Target<'a> {
    /// The service.
    pub endpoint: &'a Endpoint,
    /// The identity.
    pub credentials: &'a Credentials,
    /// What is left of the caller's time.
    pub remaining: Duration,
    /// Ends the call early.
    pub cancellation: Option<&'a Cancellation>,
}

/// What is left of the caller's time, and what ends the call early.
type Time<'a> = (Duration, Option<&'a Cancellation>);

impl<'a> Target<'a> {
    fn time(&self) -> Time<'a> {
        (self.remaining, self.cancellation)
    }
}

/// Signs and sends.
#[derive(Clone)]
pub struct Api {
    client: Client,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    metrics: Metrics,
}

impl Api {
    /// An API client over an HTTP client, a clock and a source of nonces, counting into `metrics`.
    pub fn new(client: Client, clock: Arc<dyn Clock>, entropy: Arc<dyn Entropy>, metrics: Metrics) -> Self {
        Self {
            client,
            clock,
            entropy,
            metrics,
        }
    }

    /// Where calls are counted.
    pub fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// One call, one try. Each call has its own date, nonce and signature.
    ///
    /// # Errors
    /// No answer, an error answer, or a status that is neither.
    pub(super) fn call(
        &self,
        target: &Target<'_>,
        (action, version): Operation,
        parameters: &[Parameter],
    ) -> Result<Secret, Error> {
        let credentials = target.credentials;
        let (date, nonce) = (self.date(), self.nonce());
        let mut headers = vec![
            ("host", target.endpoint.authority()),
            ("x-acs-action", action),
            ("x-acs-version", version),
            ("x-acs-date", &date),
            ("x-acs-signature-nonce", &nonce),
        ];
        if let Some(token) = credentials.token() {
            headers.push(("x-acs-security-token", token));
            headers.push(("x-acs-accesskey-id", &credentials.access_key_id));
        }
        let request = v3::Request {
            method: "POST",
            path: "/",
            query: parameters,
            headers: &headers,
            body: b"",
        };
        let signed = v3::sign(
            &request,
            &credentials.access_key_id,
            &credentials.access_key_secret,
        );
        headers.push((v3::CONTENT_SHA256, &signed.content_sha256));
        headers.push(("authorization", &signed.authorization));
        headers.push(("accept", "application/json"));
        self.post(action, target.endpoint, parameters, &headers, b"", target.time())
    }

    /// One signed call in the RPC style, one try: common parameters in the query, the operation's own in a form.
    ///
    /// # Errors
    /// No answer, an error answer, or a status that is neither.
    pub(super) fn call_rpc(
        &self,
        target: &Target<'_>,
        operation: Operation,
        form: &[Parameter],
    ) -> Result<Secret, Error> {
        let credentials = target.credentials;
        let mut query = self.common(operation);
        query.extend([
            parameter("AccessKeyId", &credentials.access_key_id),
            parameter("SignatureMethod", "HMAC-SHA1"),
            parameter("SignatureNonce", &self.nonce()),
            parameter("SignatureVersion", "1.0"),
        ]);
        query.extend(credentials.token().map(|token| parameter("SecurityToken", token)));
        let signed: Vec<Parameter> = query.iter().chain(form).cloned().collect();
        let signature = rpc::StringToSign::new("POST", &signed).signature(&credentials.access_key_secret);
        query.push(("Signature".to_owned(), signature));
        self.post_form(operation, target.endpoint, &query, form, target.time())
    }

    /// One unsigned call in the RPC style.
    ///
    /// # Errors
    /// No answer, an error answer, or a status that is neither.
    pub(super) fn call_anonymous(
        &self,
        endpoint: &Endpoint,
        operation: Operation,
        form: &[Parameter],
        remaining: Duration,
    ) -> Result<Secret, Error> {
        self.post_form(
            operation,
            endpoint,
            &self.common(operation),
            form,
            (remaining, None),
        )
    }

    fn common(&self, (action, version): Operation) -> Vec<Parameter> {
        vec![
            parameter("Action", action),
            parameter("Format", "JSON"),
            parameter("Timestamp", &self.date()),
            parameter("Version", version),
        ]
    }

    fn post_form(
        &self,
        (action, _): Operation,
        endpoint: &Endpoint,
        query: &[Parameter],
        form: &[Parameter],
        time: Time<'_>,
    ) -> Result<Secret, Error> {
        let body = Secret::from(canonical_query(form));
        let headers = [
            ("host", endpoint.authority()),
            ("content-type", "application/x-www-form-urlencoded"),
            ("accept", "application/json"),
        ];
        self.post(action, endpoint, query, &headers, body.expose(), time)
    }

    fn post(
        &self,
        action: &str,
        endpoint: &Endpoint,
        query: &[Parameter],
        headers: &[(&str, &str)],
        body: &[u8],
        (remaining, cancellation): Time<'_>,
    ) -> Result<Secret, Error> {
        // The canonical query is also sent: what is signed is what travels.
        let url = format!("{}/?{}", endpoint.url(), canonical_query(query));
        let request = Request {
            method: Method::POST,
            url: &url,
            headers,
            body,
            timeouts: Timeouts {
                connect: limits::HTTP_CONNECT_TIMEOUT.min(remaining),
                response: limits::HTTP_RESPONSE_TIMEOUT.min(remaining),
                total: limits::HTTP_TOTAL_TIMEOUT.min(remaining),
            },
        };
        let outcome = |result: &Result<Secret, Error>| match result {
            Ok(_) => Some(Outcome::Ok),
            Err(Error::Http(error)) if error.kind == ErrorKind::Cancelled => None,
            Err(error) => Some(error.kind().outcome()),
        };
        counted(&self.metrics, &*self.clock, action, outcome, || {
            let response = match cancellation {
                Some(cancellation) => self.client.send_unless(cancellation, &request)?,
                None => self.client.send(&request)?,
            };
            if response.status == 200 {
                return Ok(response.body);
            }
            let retry_after = retry_after(|name| response.header(name));
            let mut error =
                ApiError::parse(response.status, &response.body, endpoint.authority(), retry_after);
            if error.is_about_time() {
                let date = response.header("date");
                let gap = date.and_then(|date| clock_gap(date, self.clock.wall()));
                error.message.push_str(&gap.unwrap_or_default());
            }
            Err(Error::Api(error))
        })
    }

    /// Now, as both signatures write it.
    fn date(&self) -> String {
        self.clock.wall().strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
    }

    /// 32 hexadecimal digits that were never used before.
    fn nonce(&self) -> String {
        let mut bytes = [0; 16];
        self.entropy.fill(&mut bytes);
        format!("{:032x}", u128::from_be_bytes(bytes))
    }
}
