//! STS, API version 2015-04-01: temporary credentials for a role, and who one is.
//!
//! Calls travel as the official SDK sends them: common parameters in the query, the operation's own in a form.
//! AssumeRole is signed by RPC signature 1.0, AssumeRoleWithOIDC is anonymous: the token is the proof.

use std::time::Duration;

use jiff::Timestamp;
use serde::Deserialize;

use super::api::{Api, Target};
use super::credentials::Credentials;
use super::endpoint::Endpoint;
use super::error::Error;
use crate::secret::Secret;
use crate::sign::{Parameter, parameter};

/// Credentials that end.
#[derive(Debug)]
pub struct Temporary {
    /// What signs requests until then.
    pub credentials: Credentials,
    /// When they end, by the cloud's clock.
    pub expires: Timestamp,
}

/// A session of a role.
#[derive(Clone, Copy, Debug)]
pub struct AssumeRole<'a> {
    /// `acs:ram::<account>:role/<name>`
    pub role_arn: &'a str,
    /// Name in the audit trail, 2 to 64 characters.
    pub session_name: &'a str,
    /// Lifetime of the credentials, at least 900 seconds.
    pub duration_seconds: u32,
}

impl AssumeRole<'_> {
    /// Asks STS with credentials; the role's trust policy may ask for an external id.
    ///
    /// # Errors
    /// See [`Error`]; also an answer without complete credentials.
    pub fn with_credentials(
        &self,
        api: &Api,
        target: &Target<'_>,
        external_id: Option<&str>,
    ) -> Result<Temporary, Error> {
        let mut form = self.form();
        form.extend(external_id.map(|id| parameter("ExternalId", id)));
        let body = api.call_rpc(target, ("AssumeRole", VERSION), &form)?;
        temporary(&body, target.endpoint)
    }

    /// Asks STS with a ServiceAccount token of a cluster's OIDC provider, `acs:ram::<account>:oidc-provider/<name>`.
    ///
    /// # Errors
    /// See [`Error`]; also an answer without complete credentials.
    pub fn with_token(
        &self,
        api: &Api,
        endpoint: &Endpoint,
        provider_arn: &str,
        token: &Secret,
        remaining: Duration,
    ) -> Result<Temporary, Error> {
        let mut form = self.form();
        form.push(parameter("OIDCProviderArn", provider_arn));
        form.push(parameter("OIDCToken", token.expose_str().unwrap_or_default()));
        let body = api.call_anonymous(endpoint, ("AssumeRoleWithOIDC", VERSION), &form, remaining)?;
        temporary(&body, endpoint)
    }

    fn form(&self) -> Vec<Parameter> {
        vec![
            parameter("DurationSeconds", &self.duration_seconds.to_string()),
            parameter("RoleArn", self.role_arn),
            parameter("RoleSessionName", self.session_name),
        ]
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
    let body = api.call_rpc(target, ("GetCallerIdentity", VERSION), &[])?;
    serde_json::from_slice(body.expose())
        .map_err(|_| Error::unusable(target.endpoint, &body, "it does not say who the caller is"))
}

const VERSION: &str = "2015-04-01";

#[derive(Deserialize)]
struct Answer {
    #[serde(rename = "Credentials")]
    credentials: Option<Parts>,
}

/// Credentials as STS and the instance metadata service write them.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Parts {
    /// `Success`; of the metadata service only.
    pub(super) code: Option<String>,
    access_key_id: Option<String>,
    access_key_secret: Option<String>,
    security_token: Option<String>,
    expiration: Option<String>,
}

fn temporary(body: &Secret, endpoint: &Endpoint) -> Result<Temporary, Error> {
    serde_json::from_slice(body.expose())
        .map_err(|_| "it is not the JSON object of STS")
        .and_then(|answer: Answer| answer.credentials.ok_or("it has no Credentials"))
        .and_then(Parts::complete)
        .map_err(|problem| Error::unusable(endpoint, body, problem))
}

impl Parts {
    /// Credentials of which nothing is missing.
    pub(super) fn complete(self) -> Result<Temporary, &'static str> {
        let present = |text: Option<String>| text.filter(|text| !text.is_empty());
        // Wiped, whatever is missing.
        let secret = present(self.access_key_secret).map(Secret::from);
        let token = present(self.security_token).map(Secret::from);
        let credentials = Credentials {
            access_key_id: present(self.access_key_id).ok_or("its credentials have no AccessKeyId")?,
            access_key_secret: secret.ok_or("its credentials have no AccessKeySecret")?,
            security_token: Some(token.ok_or("its credentials have no SecurityToken")?),
        };
        let expires = self.expiration.ok_or("its credentials have no Expiration")?;
        let expires = expires
            .parse()
            .map_err(|_| "the Expiration of its credentials is not a timestamp")?;
        Ok(Temporary { credentials, expires })
    }
}
