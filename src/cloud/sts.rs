//! STS, API version 2015-04-01: temporary credentials for a role, and who one is.
//!
//! Calls travel as the official SDK sends them: common parameters in the query, the operation's own in a form.
//! AssumeRole is signed by RPC signature 1.0, AssumeRoleWithOIDC is anonymous: the token is the proof.

use std::time::Duration;

use jiff::Timestamp;
use serde::Deserialize;

use super::api::{Api, Credentials, Target};
use super::{Endpoint, Error};
use crate::secret::Secret;
use crate::sign::Parameter;

/// Credentials that end.
#[derive(Debug)]
pub struct Temporary {
    /// What signs requests until then.
    pub credentials: Credentials,
    /// When they end, by the cloud's clock.
    pub expires: Timestamp,
}

/// A role, assumed with credentials.
#[derive(Clone, Copy, Debug)]
pub struct AssumeRole<'a> {
    /// `acs:ram::<account>:role/<name>`
    pub role_arn: &'a str,
    /// Name in the audit trail, 2 to 64 characters.
    pub session_name: &'a str,
    /// How long the credentials shall live, 900 seconds at least.
    pub duration_seconds: u32,
    /// What the role's trust policy may ask for.
    pub external_id: Option<&'a str>,
}

impl AssumeRole<'_> {
    /// Asks STS.
    ///
    /// # Errors
    /// See [`Error`]; also an answer without complete credentials.
    pub fn call(&self, api: &Api, target: &Target<'_>) -> Result<Temporary, Error> {
        let mut form = vec![
            parameter("DurationSeconds", &self.duration_seconds.to_string()),
            parameter("RoleArn", self.role_arn),
            parameter("RoleSessionName", self.session_name),
        ];
        form.extend(self.external_id.map(|id| parameter("ExternalId", id)));
        let body = api.call_rpc(target, "AssumeRole", VERSION, &form)?;
        temporary(&body, target.endpoint)
    }
}

/// A role, assumed with a token of a cluster's OIDC provider.
#[derive(Clone, Copy, Debug)]
pub struct AssumeRoleWithOidc<'a> {
    /// `acs:ram::<account>:oidc-provider/<name>`
    pub provider_arn: &'a str,
    /// `acs:ram::<account>:role/<name>`
    pub role_arn: &'a str,
    /// The ServiceAccount token.
    pub token: &'a Secret,
    /// Name in the audit trail, 2 to 64 characters.
    pub session_name: &'a str,
    /// How long the credentials shall live, 900 seconds at least.
    pub duration_seconds: u32,
}

impl AssumeRoleWithOidc<'_> {
    /// Asks STS.
    ///
    /// # Errors
    /// See [`Error`]; also an answer without complete credentials.
    pub fn call(&self, api: &Api, endpoint: &Endpoint, remaining: Duration) -> Result<Temporary, Error> {
        let form = [
            parameter("DurationSeconds", &self.duration_seconds.to_string()),
            parameter("OIDCProviderArn", self.provider_arn),
            parameter("OIDCToken", self.token.expose_str().unwrap_or_default()),
            parameter("RoleArn", self.role_arn),
            parameter("RoleSessionName", self.session_name),
        ];
        let body = api.call_anonymous(endpoint, "AssumeRoleWithOIDC", VERSION, &form, remaining)?;
        temporary(&body, endpoint)
    }
}

/// Who one is, as the cloud sees it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct CallerIdentity {
    /// The account's id.
    #[serde(rename = "AccountId")]
    pub account_id: String,
    /// The user or the assumed role.
    #[serde(rename = "Arn")]
    pub arn: String,
    /// `Account`, `RAMUser`, `AssumedRoleUser`
    #[serde(rename = "IdentityType")]
    pub identity_type: String,
}

/// Asks STS who signs.
///
/// # Errors
/// See [`Error`]; also an answer that does not say.
pub fn caller_identity(api: &Api, target: &Target<'_>) -> Result<CallerIdentity, Error> {
    let body = api.call_rpc(target, "GetCallerIdentity", VERSION, &[])?;
    serde_json::from_slice(body.expose())
        .map_err(|_| unusable(target.endpoint, "it does not say who the caller is"))
}

const VERSION: &str = "2015-04-01";

fn parameter(name: &str, value: &str) -> Parameter {
    (name.to_owned(), value.to_owned())
}

#[derive(Deserialize)]
struct Answer {
    #[serde(rename = "Credentials")]
    credentials: Option<Parts>,
}

#[derive(Deserialize)]
struct Parts {
    #[serde(rename = "AccessKeyId")]
    access_key_id: Option<String>,
    #[serde(rename = "AccessKeySecret")]
    access_key_secret: Option<String>,
    #[serde(rename = "SecurityToken")]
    security_token: Option<String>,
    #[serde(rename = "Expiration")]
    expiration: Option<String>,
}

fn temporary(body: &Secret, endpoint: &Endpoint) -> Result<Temporary, Error> {
    let answer: Answer = serde_json::from_slice(body.expose())
        .map_err(|_| unusable(endpoint, "it is not the JSON object of STS"))?;
    let parts = answer
        .credentials
        .ok_or_else(|| unusable(endpoint, "it has no Credentials"))?;
    complete(
        parts.access_key_id,
        parts.access_key_secret,
        parts.security_token,
        parts.expiration.as_deref(),
    )
    .map_err(|problem| unusable(endpoint, problem))
}

/// Credentials of which nothing is missing; STS and the instance metadata service use the same four fields.
pub(super) fn complete(
    access_key_id: Option<String>,
    access_key_secret: Option<String>,
    security_token: Option<String>,
    expiration: Option<&str>,
) -> Result<Temporary, &'static str> {
    let present = |text: Option<String>| text.filter(|text| !text.is_empty());
    let access_key_secret = present(access_key_secret).map(Secret::from);
    let security_token = present(security_token).map(Secret::from);
    let access_key_id = present(access_key_id).ok_or("its credentials have no AccessKeyId")?;
    let access_key_secret = access_key_secret.ok_or("its credentials have no AccessKeySecret")?;
    let security_token = security_token.ok_or("its credentials have no SecurityToken")?;
    let expires = expiration
        .ok_or("its credentials have no Expiration")?
        .parse()
        .map_err(|_| "the Expiration of its credentials is not a time")?;
    Ok(Temporary {
        credentials: Credentials {
            access_key_id,
            access_key_secret,
            security_token: Some(security_token),
        },
        expires,
    })
}

fn unusable(endpoint: &Endpoint, problem: &str) -> Error {
    Error::Answer {
        host: endpoint.authority().to_owned(),
        status: 200,
        problem: problem.to_owned(),
    }
}
