//! RPC signature 1.0 (`HMAC-SHA1`): what the server computes from the merged parameters of query and form.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::hmac;

use super::{Claims, missing};
use crate::api::Params;
use crate::error::ApiError;
use crate::http::percent;

/// Takes a request's claims. `method` is the verb that was really used.
pub fn claims(method: &str, params: &Params) -> Result<Claims, ApiError> {
    let required = |name: &str| params.filled(name).map(String::from).ok_or_else(|| missing(name));
    let key_id = required("AccessKeyId")?;
    if params
        .filled("SignatureMethod")
        .is_some_and(|name| name != "HMAC-SHA1")
        || params
            .filled("SignatureVersion")
            .is_some_and(|version| version != "1.0")
    {
        let message = "Specified signature method is not supported.";
        return Err(ApiError::gateway(400, "InvalidSignatureMethod", message));
    }
    Ok(Claims {
        key_id,
        token: params.filled("SecurityToken").map(String::from),
        time: required("Timestamp")?,
        nonce: required("SignatureNonce")?,
        signature: required("Signature")?,
        string_to_sign: string_to_sign(method, params),
    })
}

/// Every parameter but the signature itself, sorted and encoded.
pub fn canonical_query(params: &Params) -> String {
    percent::canonical_query(params.0.iter().filter(|(name, _)| name != "Signature"))
}

/// `METHOD&%2F&` and the canonical query, encoded once more.
pub fn string_to_sign(method: &str, params: &Params) -> String {
    format!("{method}&%2F&{}", percent::encode(&canonical_query(params)))
}

/// Padded base64 of HMAC-SHA1; the key is the secret followed by `&`.
pub fn signature(secret: &str, string_to_sign: &str) -> String {
    let key = hmac::Key::new(
        hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY,
        format!("{secret}&").as_bytes(),
    );
    STANDARD.encode(hmac::sign(&key, string_to_sign.as_bytes()))
}
