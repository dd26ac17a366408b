//! Verification of request signatures: ACS3-HMAC-SHA256 ([`v3`]) and RPC 1.0 HMAC-SHA1 ([`rpc`]), and the checks
//! that both share: known key, matching token, clock, nonce.
//!
//! Written from the published description and held against the vectors in `testdata/`; it shares no code with
//! the signer that it checks.

pub mod nonce;
pub mod rpc;
pub mod v3;

use jiff::{SignedDuration, Timestamp};

use crate::clock;
use crate::error::ApiError;
use crate::state::identity::{Credential, Identity};

/// A signed request's claims, whatever the signature's version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claims {
    /// The AccessKey id that the client names.
    pub key_id: String,
    /// The security token it shows, if any.
    pub token: Option<String>,
    /// The request's time as written.
    pub time: String,
    /// The nonce.
    pub nonce: String,
    /// The signature as written.
    pub signature: String,
    /// The server's own string to sign.
    pub string_to_sign: String,
}

/// Checks a request's claims against what the cloud knows. `signature` computes the right signature from the secret
/// and the string to sign.
pub fn verify(
    claims: &Claims,
    credential: Option<&Credential>,
    nonces: &mut nonce::Nonces,
    now: Timestamp,
    signature: impl Fn(&str, &str) -> String,
) -> Result<Identity, ApiError> {
    let credential = credential.ok_or_else(|| {
        ApiError::gateway(
            404,
            "InvalidAccessKeyId.NotFound",
            "Specified access key is not found.",
        )
    })?;
    if !credential.active {
        let message = "Specified access key is disabled.";
        return Err(ApiError::gateway(400, "InvalidAccessKeyId.Inactive", message));
    }
    check_token(claims, credential, now)?;
    check_time(&claims.time, now)?;
    if claims.signature != signature(&credential.secret, &claims.string_to_sign) {
        let message = format!(
            "Specified signature is not matched with our calculation. server string to sign is:{}",
            claims.string_to_sign
        );
        return Err(ApiError::gateway(400, "SignatureDoesNotMatch", message));
    }
    if !nonces.spend(&claims.key_id, &claims.nonce, now) {
        let message = "Specified signature nonce was used already.";
        return Err(ApiError::gateway(400, "SignatureNonceUsed", message));
    }
    Ok(credential.identity.clone())
}

fn check_token(claims: &Claims, credential: &Credential, now: Timestamp) -> Result<(), ApiError> {
    let Some(session) = &credential.session else {
        return match claims.token {
            None => Ok(()),
            Some(_) => Err(token_mismatch()),
        };
    };
    match &claims.token {
        None => Err(ApiError::gateway(
            400,
            "MissingSecurityToken",
            "SecurityToken is mandatory for this action.",
        )),
        Some(token) if *token != session.token => Err(token_mismatch()),
        Some(_) if now >= session.expires => Err(ApiError::gateway(
            400,
            "InvalidSecurityToken.Expired",
            "Specified SecurityToken is expired.",
        )),
        Some(_) => Ok(()),
    }
}

fn token_mismatch() -> ApiError {
    let message = "Specified SecurityToken mismatch with the AccessKey.";
    ApiError::gateway(400, "InvalidSecurityToken.MismatchWithAccessKey", message)
}

/// Dates may be off by [`CLOCK_WINDOW`] in either direction.
pub fn check_time(written: &str, now: Timestamp) -> Result<(), ApiError> {
    let Some(time) = clock::parse(written) else {
        let message = "Specified time stamp or date value is not well formatted.";
        return Err(ApiError::gateway(400, "InvalidTimeStamp.Format", message));
    };
    if now.duration_since(time).abs() > CLOCK_WINDOW {
        let message = "Specified time stamp or date value is expired.";
        return Err(ApiError::gateway(400, "InvalidTimeStamp.Expired", message));
    }
    Ok(())
}

/// A parameter that every signed request carries is missing.
pub fn missing(parameter: &str) -> ApiError {
    ApiError::gateway(
        400,
        format!("Missing{parameter}"),
        format!("{parameter} is mandatory for this action."),
    )
}

/// How far a request's time may be from the server's. Published as 15 minutes; RPC pages also say 31.
pub const CLOCK_WINDOW: SignedDuration = SignedDuration::from_mins(15);
