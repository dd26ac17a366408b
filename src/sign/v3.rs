//! `ACS3-HMAC-SHA256`, signature version 3 of the Alibaba Cloud OpenAPI gateway.
//!
//! Three steps, each its own type so that each can be held against a vector: the [`CanonicalRequest`], the
//! [`StringToSign`], the signature. Source: "V3 request structure and signature" in the Alibaba Cloud SDK
//! documentation.

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::{Digest as _, Sha256};

use super::canonical::{Parameter, canonical_query, hex};
use crate::secret::Secret;

/// The algorithm's name, first word of the `Authorization` header.
pub const ALGORITHM: &str = "ACS3-HMAC-SHA256";

/// The header that carries the hash of the body.
pub const CONTENT_SHA256: &str = "x-acs-content-sha256";

/// What is signed.
#[derive(Clone, Copy)]
pub struct Request<'a> {
    /// `POST`, `GET`.
    pub method: &'a str,
    /// The path, `/` for RPC-style products.
    pub path: &'a str,
    /// The query's parameters, decoded, in any order.
    pub query: &'a [Parameter],
    /// The headers that will be sent, in any order and case. `host`, `content-type` and `x-acs-*` are signed;
    /// [`CONTENT_SHA256`] is added here and must be sent with [`Signed::content_sha256`].
    pub headers: &'a [(&'a str, &'a str)],
    /// The body; it is covered by its hash.
    pub body: &'a [u8],
}

/// What to add to the request.
#[derive(Clone, PartialEq, Eq)]
pub struct Signed {
    /// Value of the [`CONTENT_SHA256`] header.
    pub content_sha256: String,
    /// Value of the `Authorization` header.
    pub authorization: String,
}

/// Signs a request.
pub fn sign(request: &Request<'_>, access_key_id: &str, access_key_secret: &Secret) -> Signed {
    let canonical = CanonicalRequest::new(request);
    let signature = StringToSign::new(&canonical).signature(access_key_secret);
    let signed_headers = &canonical.signed_headers;
    Signed {
        authorization: format!(
            "{ALGORITHM} Credential={access_key_id},SignedHeaders={signed_headers},Signature={signature}"
        ),
        content_sha256: canonical.hashed_payload,
    }
}

/// The request in the one form that both sides hash.
#[derive(Clone, PartialEq, Eq)]
pub struct CanonicalRequest {
    /// The text that is hashed.
    pub text: String,
    /// Names of the signed headers, joined by `;`.
    pub signed_headers: String,
    /// SHA-256 of the body in lower-case hexadecimal.
    pub hashed_payload: String,
}

impl CanonicalRequest {
    /// Brings a request into canonical form.
    pub fn new(request: &Request<'_>) -> Self {
        let hashed_payload = hex(&Sha256::digest(request.body));
        let mut headers: Vec<(String, &str)> = request
            .headers
            .iter()
            .map(|(name, value)| (name.to_ascii_lowercase(), value.trim_matches([' ', '\t'])))
            .filter(|(name, _)| name != CONTENT_SHA256 && is_signed(name))
            .collect();
        headers.push((CONTENT_SHA256.to_owned(), &hashed_payload));
        headers.sort();

        let mut lines = String::new();
        let mut names = Vec::with_capacity(headers.len());
        for (name, value) in &headers {
            lines.push_str(name);
            lines.push(':');
            lines.push_str(value);
            lines.push('\n');
            names.push(name.as_str());
        }
        let signed_headers = names.join(";");
        // The header block ends in a line feed of its own, hence the empty line before the names.
        let text = format!(
            "{}\n{}\n{}\n{lines}\n{signed_headers}\n{hashed_payload}",
            request.method,
            request.path,
            canonical_query(request.query),
        );
        Self {
            text,
            signed_headers,
            hashed_payload,
        }
    }
}

fn is_signed(lower_case_name: &str) -> bool {
    lower_case_name == "host" || lower_case_name == "content-type" || lower_case_name.starts_with("x-acs-")
}

/// The algorithm's name and the hash of the canonical request.
#[derive(Clone, PartialEq, Eq)]
pub struct StringToSign(pub String);

impl StringToSign {
    /// Hashes a canonical request.
    pub fn new(canonical: &CanonicalRequest) -> Self {
        Self(format!(
            "{ALGORITHM}\n{}",
            hex(&Sha256::digest(canonical.text.as_bytes()))
        ))
    }

    /// The signature in lower-case hexadecimal. The AccessKey secret is the HMAC key as it is.
    pub fn signature(&self, access_key_secret: &Secret) -> String {
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(access_key_secret.expose()) else {
            unreachable!("HMAC takes a key of any length")
        };
        mac.update(self.0.as_bytes());
        hex(&mac.finalize().into_bytes())
    }
}
