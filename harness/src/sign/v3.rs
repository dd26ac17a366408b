//! ACS3-HMAC-SHA256: what the server computes from a request as received.
//!
//! The query is decoded and encoded again, since clients write it in their own way; the header list is the one that
//! the client names. ACS3-HMAC-SM3, ACS3-RSA-SHA256 and ACS4 are out of scope.

use ring::{digest, hmac};

use super::{Claims, missing};
use crate::error::ApiError;
use crate::http::message::Request;
use crate::http::percent;

/// The parts of an `Authorization` header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Authorization {
    /// The AccessKey id.
    pub key_id: String,
    /// The names of the signed headers, in the order given.
    pub signed_headers: Vec<String>,
    /// The signature, as written.
    pub signature: String,
}

impl Authorization {
    /// Reads `ACS3-HMAC-SHA256 Credential=…,SignedHeaders=…,Signature=…`; blanks after the commas are tolerated.
    pub fn parse(text: &str) -> Result<Self, ApiError> {
        let (algorithm, fields) = text.split_once(' ').unwrap_or((text, ""));
        if algorithm != ALGORITHM {
            let message = format!("Specified signature method {algorithm:?} is not supported.");
            return Err(ApiError::gateway(400, "InvalidSignatureMethod", message));
        }
        let field = |wanted: &str| {
            fields
                .split(',')
                .filter_map(|field| field.trim().split_once('='))
                .find(|(name, _)| *name == wanted)
                .map(|(_, value)| value.to_owned())
                .filter(|value| !value.is_empty())
                .ok_or_else(|| incomplete(&format!("Authorization has no {wanted}")))
        };
        Ok(Self {
            key_id: field("Credential")?,
            signed_headers: field("SignedHeaders")?
                .split(';')
                .map(str::to_ascii_lowercase)
                .collect(),
            signature: field("Signature")?,
        })
    }
}

/// Takes a request's claims, after the checks that need no key: all that must be signed is signed, and the declared
/// payload hash is that of the body.
pub fn claims(request: &Request) -> Result<Claims, ApiError> {
    let authorization = Authorization::parse(request.header("authorization").unwrap_or_default())?;
    for (name, _) in &request.headers {
        let name = name.to_ascii_lowercase();
        let must_be_signed = name == "host" || name.starts_with("x-acs-");
        if must_be_signed && !authorization.signed_headers.contains(&name) {
            return Err(incomplete(&format!("header {name} is not signed")));
        }
    }
    let header = |name: &str, parameter: &str| {
        request
            .header(name)
            .filter(|value| !value.is_empty())
            .map(String::from)
            .ok_or_else(|| missing(parameter))
    };
    let declared = header("x-acs-content-sha256", "ContentSha256")?;
    let string_to_sign = string_to_sign(&canonical_request(
        request,
        &authorization.signed_headers,
        &declared,
    ));
    if !declared.eq_ignore_ascii_case(&payload_hash(&request.body)) {
        let message = "The x-acs-content-sha256 header is not the SHA-256 of the request body.";
        return Err(ApiError::gateway(400, "SignatureDoesNotMatch", message));
    }
    Ok(Claims {
        key_id: authorization.key_id,
        token: request.header("x-acs-security-token").map(String::from),
        time: header("x-acs-date", "Timestamp")?,
        nonce: header("x-acs-signature-nonce", "SignatureNonce")?,
        signature: authorization.signature,
        string_to_sign,
    })
}

/// Lower-case hex SHA-256 of the body.
pub fn payload_hash(body: &[u8]) -> String {
    hex(digest::digest(&digest::SHA256, body).as_ref())
}

/// Name and value of each signed header, in the order of the names, each line ending in LF.
pub fn canonical_headers(request: &Request, signed_headers: &[String]) -> String {
    let mut lines: Vec<_> = request
        .headers
        .iter()
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim()))
        .filter(|(name, _)| signed_headers.contains(name))
        .collect();
    lines.sort();
    lines
        .into_iter()
        .map(|(name, value)| format!("{name}:{value}\n"))
        .collect()
}

/// The canonical request over the headers that the client says it signed.
pub fn canonical_request(request: &Request, signed_headers: &[String], payload_hash: &str) -> String {
    [
        request.method.as_str(),
        &request.path,
        &percent::canonical_query(&request.query),
        &canonical_headers(request, signed_headers),
        &signed_headers.join(";"),
        payload_hash,
    ]
    .join("\n")
}

/// The algorithm and the canonical request's hash.
pub fn string_to_sign(canonical_request: &str) -> String {
    format!("{ALGORITHM}\n{}", payload_hash(canonical_request.as_bytes()))
}

/// Lower-case hex HMAC-SHA256; the key is the secret as it is.
pub fn signature(secret: &str, string_to_sign: &str) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    hex(hmac::sign(&key, string_to_sign.as_bytes()).as_ref())
}

fn incomplete(reason: &str) -> ApiError {
    let message = format!("The request signature does not conform to Alibaba Cloud standards: {reason}.");
    ApiError::gateway(400, "IncompleteSignature", message)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

const ALGORITHM: &str = "ACS3-HMAC-SHA256";
