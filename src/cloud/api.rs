//! A signed call through the OpenAPI gateway: everything in the query, empty body, `ACS3-HMAC-SHA256`.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::{ApiError, Endpoint, Error};
use crate::clock::Clock;
use crate::http::{Client, Method, Request, Timeouts};
use crate::limits;
use crate::secret::Secret;
use crate::sign::{Parameter, canonical_query, v3};

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

/// Where random bytes come from.
pub trait Entropy: Send + Sync + 'static {
    /// Fills `bytes` with random ones.
    fn fill(&self, bytes: &mut [u8]);
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
}

impl Api {
    /// An API client over an HTTP client, a clock and a source of nonces.
    pub fn new(client: Client, clock: Arc<dyn Clock>, entropy: Arc<dyn Entropy>) -> Self {
        Self {
            client,
            clock,
            entropy,
        }
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
        let date = self.clock.wall().strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
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
        let response = self.client.send(&Request {
            method: Method::Post,
            url: &url,
            headers: &headers,
            body: b"",
            timeouts: Timeouts {
                connect: limits::HTTP_CONNECT_TIMEOUT.min(target.remaining),
                response: limits::HTTP_RESPONSE_TIMEOUT.min(target.remaining),
                total: limits::HTTP_TOTAL_TIMEOUT.min(target.remaining),
            },
        })?;
        match response.status {
            200 => Ok(response.body),
            status => Err(Error::Api(ApiError::parse(status, &response.body, host))),
        }
    }

    /// 32 hexadecimal digits that were never used before.
    fn nonce(&self) -> String {
        let mut bytes = [0; 16];
        self.entropy.fill(&mut bytes);
        format!("{:032x}", u128::from_be_bytes(bytes))
    }
}
