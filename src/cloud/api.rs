//! Calls through the OpenAPI gateway: signed with `ACS3-HMAC-SHA256` and everything in the query, as KMS and OOS
//! take them, or in the RPC style with a form, as STS does.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::hint::{clock_gap, retry_after};
use super::{ApiError, Endpoint, Error};
use crate::clock::Clock;
use crate::entropy::Entropy;
use crate::http::{Client, Method, Request, Timeouts};
use crate::limits;
use crate::metrics::{Metrics, Outcome};
use crate::secret::Secret;
use crate::sign::{Parameter, canonical_query, rpc, v3};

/// What signs a request.
pub struct Credentials {
    /// `LTAI…`, or `STS.…` for temporary ones.
    pub access_key_id: String,
    /// The key of the signature.
    pub access_key_secret: Secret,
    /// Goes with temporary credentials; always text.
    pub security_token: Option<Secret>,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials")
            .field("access_key_id", &self.access_key_id)
            .finish_non_exhaustive()
    }
}

/// One operation of one product.
#[derive(Clone, Copy, Debug)]
pub struct Operation {
    /// `GetSecretValue`
    pub action: &'static str,
    /// `2016-01-20`
    pub version: &'static str,
}

/// Whom to ask, as whom, and for how long to wait.
#[derive(Clone, Copy, Debug)]
pub struct Target<'a> {
    /// The service.
    pub endpoint: &'a Endpoint,
    /// The identity.
    pub credentials: &'a Credentials,
    /// What is left of the caller's time.
    pub remaining: Duration,
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
    /// An API client over an HTTP client, a clock and a source of nonces.
    pub fn new(client: Client, clock: Arc<dyn Clock>, entropy: Arc<dyn Entropy>) -> Self {
        Self {
            client,
            clock,
            entropy,
            metrics: Metrics::new(),
        }
    }

    /// The same, counting into `metrics`.
    #[must_use]
    pub fn counting(self, metrics: Metrics) -> Self {
        Self { metrics, ..self }
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
        operation: Operation,
        parameters: &[Parameter],
    ) -> Result<Secret, Error> {
        let host = target.endpoint.authority();
        let date = self.date();
        let nonce = self.nonce();
        let mut headers = vec![
            ("host", host),
            ("x-acs-action", operation.action),
            ("x-acs-version", operation.version),
            ("x-acs-date", &date),
            ("x-acs-signature-nonce", &nonce),
        ];
        if let Some(token) = target
            .credentials
            .security_token
            .as_ref()
            .and_then(Secret::expose_str)
        {
            headers.push(("x-acs-security-token", token));
            headers.push(("x-acs-accesskey-id", &target.credentials.access_key_id));
        }
        let signed = v3::sign(
            &v3::Request {
                method: "POST",
                path: "/",
                query: parameters,
                headers: &headers,
                body: b"",
            },
            &target.credentials.access_key_id,
            &target.credentials.access_key_secret,
        );
        headers.push((v3::CONTENT_SHA256, &signed.content_sha256));
        headers.push(("authorization", &signed.authorization));
        headers.push(("accept", "application/json"));

        // The canonical query is also sent: what is signed is what travels.
        let url = format!("{}/?{}", target.endpoint.url(), canonical_query(parameters));
        self.post(
            operation.action,
            target.endpoint,
            &url,
            &headers,
            b"",
            target.remaining,
        )
    }

    /// One signed call in the RPC style, one try: common parameters in the query, the operation's own in a form.
    ///
    /// # Errors
    /// No answer, an error answer, or a status that is neither.
    pub(super) fn call_rpc(
        &self,
        target: &Target<'_>,
        action: &str,
        version: &str,
        form: &[Parameter],
    ) -> Result<Secret, Error> {
        let credentials = target.credentials;
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let mut query = self.common(action, version);
        query.extend([
            pair("AccessKeyId", &credentials.access_key_id),
            pair("SignatureMethod", "HMAC-SHA1"),
            pair("SignatureNonce", &self.nonce()),
            pair("SignatureVersion", "1.0"),
        ]);
        let token = credentials.security_token.as_ref().and_then(Secret::expose_str);
        query.extend(token.map(|token| pair("SecurityToken", token)));
        let signed: Vec<Parameter> = query.iter().chain(form).cloned().collect();
        let signature = rpc::StringToSign::new("POST", &signed).signature(&credentials.access_key_secret);
        query.push(("Signature".to_owned(), signature));
        self.post_form(action, target.endpoint, &query, form, target.remaining)
    }

    /// One call in the RPC style that nobody signs.
    ///
    /// # Errors
    /// No answer, an error answer, or a status that is neither.
    pub(super) fn call_anonymous(
        &self,
        endpoint: &Endpoint,
        action: &str,
        version: &str,
        form: &[Parameter],
        remaining: Duration,
    ) -> Result<Secret, Error> {
        self.post_form(action, endpoint, &self.common(action, version), form, remaining)
    }

    fn common(&self, action: &str, version: &str) -> Vec<Parameter> {
        [
            ("Action", action),
            ("Format", "JSON"),
            ("Timestamp", &self.date()),
            ("Version", version),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into()
    }

    fn post_form(
        &self,
        action: &str,
        endpoint: &Endpoint,
        query: &[Parameter],
        form: &[Parameter],
        remaining: Duration,
    ) -> Result<Secret, Error> {
        let body = Secret::from(canonical_query(form));
        let url = format!("{}/?{}", endpoint.url(), canonical_query(query));
        let headers = [
            ("host", endpoint.authority()),
            ("content-type", "application/x-www-form-urlencoded"),
            ("accept", "application/json"),
        ];
        self.post(action, endpoint, &url, &headers, body.expose(), remaining)
    }

    fn post(
        &self,
        action: &str,
        endpoint: &Endpoint,
        url: &str,
        headers: &[(&str, &str)],
        body: &[u8],
        remaining: Duration,
    ) -> Result<Secret, Error> {
        let began = self.clock.now();
        let result = self.exchange(endpoint, url, headers, body, remaining);
        let outcome = match &result {
            Ok(_) => Outcome::Ok,
            Err(error) => error.kind().outcome(),
        };
        let elapsed = self.clock.now().saturating_duration_since(began);
        let now = self.clock.wall().as_second();
        self.metrics.backend_call(action, outcome, elapsed, now);
        result
    }

    fn exchange(
        &self,
        endpoint: &Endpoint,
        url: &str,
        headers: &[(&str, &str)],
        body: &[u8],
        remaining: Duration,
    ) -> Result<Secret, Error> {
        let response = self.client.send(&Request {
            method: Method::Post,
            url,
            headers,
            body,
            timeouts: Timeouts {
                connect: limits::HTTP_CONNECT_TIMEOUT.min(remaining),
                response: limits::HTTP_RESPONSE_TIMEOUT.min(remaining),
                total: limits::HTTP_TOTAL_TIMEOUT.min(remaining),
            },
        })?;
        match response.status {
            200 => Ok(response.body),
            status => {
                let retry_after = retry_after(|name| response.header(name));
                let mut error = ApiError::parse(status, &response.body, endpoint.authority(), retry_after);
                if error.is_about_time()
                    && let Some(gap) = response
                        .header("date")
                        .and_then(|date| clock_gap(date, self.clock.wall()))
                {
                    error.message.push_str(&gap);
                }
                Err(Error::Api(error))
            }
        }
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
