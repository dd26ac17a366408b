//! The provider's own identity, from the environment: the official provider's variables, each checked at start.

use std::path::PathBuf;

use super::ConfigError;
use super::environment::Environment;
use crate::auth::{AccessKey, RoleSettings, TokenFile, is_plausible};
use crate::params::RoleArn;
use crate::secret::Secret;

/// What the environment says about who the provider is.
#[derive(Debug)]
pub struct Identity {
    /// `ACCESS_KEY_ID` and `SECRET_ACCESS_KEY`.
    pub access_key: Option<AccessKey>,
    /// `ALICLOUD_ROLE_ARN` with its session name and duration.
    pub role: Option<RoleSettings>,
    /// The OIDC provider and the projected token.
    pub token: Option<TokenFile>,
    /// Whether the node's role may be used where nothing else is configured.
    pub worker_role: bool,
    /// `ALIBABA_CLOUD_ECS_METADATA`: the node's role by name.
    pub worker_role_name: Option<String>,
}

impl Identity {
    pub(super) fn new(environment: &dyn Environment) -> Result<Self, ConfigError> {
        let identity = Self {
            access_key: access_key(environment)?,
            role: role(environment)?,
            token: token(environment)?,
            worker_role: !switch(environment, "ALIBABA_CLOUD_ECS_METADATA_DISABLED")?,
            worker_role_name: environment.variable("ALIBABA_CLOUD_ECS_METADATA")?,
        };
        if identity.role.is_some() && identity.token.is_none() && identity.access_key.is_none() {
            return Err(ConfigError::new(
                "ALICLOUD_ROLE_ARN is set, and nothing to assume it with: set ALICLOUD_OIDC_PROVIDER_ARN (RRSA) or ACCESS_KEY_ID and SECRET_ACCESS_KEY",
            ));
        }
        Ok(identity)
    }
}

fn access_key(environment: &dyn Environment) -> Result<Option<AccessKey>, ConfigError> {
    let id = environment.variable("ACCESS_KEY_ID")?;
    let secret = environment.variable("SECRET_ACCESS_KEY")?.map(Secret::from);
    match (id, secret) {
        (None, None) => Ok(None),
        (Some(id), Some(secret)) => {
            let id = id.trim().to_owned();
            let secret = secret
                .expose_str()
                .map(|text| Secret::from(text.trim().to_owned()))
                .unwrap_or_default();
            if !is_plausible(&id) {
                return Err(ConfigError::new(
                    "ACCESS_KEY_ID is no AccessKey ID; it has blanks, commas or other bytes that none has",
                ));
            }
            if !secret.expose_str().is_some_and(is_plausible) {
                return Err(ConfigError::new(
                    "SECRET_ACCESS_KEY is no AccessKey secret; it has blanks, commas or other bytes that none has",
                ));
            }
            Ok(Some(AccessKey::new(id, secret)))
        }
        (Some(_), None) => Err(half("ACCESS_KEY_ID", "SECRET_ACCESS_KEY")),
        (None, Some(_)) => Err(half("SECRET_ACCESS_KEY", "ACCESS_KEY_ID")),
    }
}

fn role(environment: &dyn Environment) -> Result<Option<RoleSettings>, ConfigError> {
    let Some(role_arn) = environment.variable("ALICLOUD_ROLE_ARN")? else {
        return Ok(None);
    };
    let role_arn = role_arn.trim().to_owned();
    if RoleArn::new(&role_arn).is_none() {
        return Err(ConfigError::new(
            "ALICLOUD_ROLE_ARN: expected acs:ram::<account id>:role/<name>",
        ));
    }
    let session_name = environment.variable("ALICLOUD_ROLE_SESSION_NAME")?;
    let session_name = session_name.unwrap_or_else(|| env!("CARGO_PKG_NAME").to_owned());
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || b".@-_".contains(&byte);
    if !(2..=64).contains(&session_name.len()) || !session_name.bytes().all(is_name) {
        return Err(ConfigError::new(
            "ALICLOUD_ROLE_SESSION_NAME: expected 2 to 64 letters, digits and any of . @ - _",
        ));
    }
    let duration = environment.variable("ALICLOUD_ROLE_SESSION_EXPIRATION")?;
    let duration_seconds = duration
        .as_deref()
        .unwrap_or("3600")
        .trim()
        .parse()
        .unwrap_or_default();
    if !(900..=43_200).contains(&duration_seconds) {
        return Err(ConfigError::new(
            "ALICLOUD_ROLE_SESSION_EXPIRATION: expected seconds from 900 to 43200",
        ));
    }
    Ok(Some(RoleSettings {
        role_arn,
        session_name,
        duration_seconds,
    }))
}

fn token(environment: &dyn Environment) -> Result<Option<TokenFile>, ConfigError> {
    let account = environment.variable("ALICLOUD_ACCOUNT_ID")?;
    let cluster = environment.variable("ALICLOUD_CLUSTER_ID")?;
    let provider_arn = match (
        environment.variable("ALICLOUD_OIDC_PROVIDER_ARN")?,
        account,
        cluster,
    ) {
        (Some(arn), _, _) => arn.trim().to_owned(),
        (None, Some(account), Some(cluster)) => {
            format!(
                "acs:ram::{}:oidc-provider/ack-rrsa-{}",
                account.trim(),
                cluster.trim()
            )
        }
        (None, _, _) => return Ok(None),
    };
    if !provider_arn.starts_with("acs:ram::") || !provider_arn.contains(":oidc-provider/") {
        return Err(ConfigError::new(
            "ALICLOUD_OIDC_PROVIDER_ARN: expected acs:ram::<account id>:oidc-provider/<name>",
        ));
    }
    let path = environment.variable("ALICLOUD_OIDC_TOKEN_FILE")?;
    let path =
        path.unwrap_or_else(|| "/var/run/secrets/tokens/csi-secrets-store-provider-alibabacloud".to_owned());
    Ok(Some(TokenFile {
        provider_arn,
        path: PathBuf::from(path),
    }))
}

/// A variable that is true or false, and false when unset.
pub(super) fn switch(environment: &dyn Environment, name: &'static str) -> Result<bool, ConfigError> {
    match environment.variable(name)?.as_deref() {
        None => Ok(false),
        Some(text) if text.eq_ignore_ascii_case("true") || text == "1" => Ok(true),
        Some(text) if text.eq_ignore_ascii_case("false") || text == "0" => Ok(false),
        Some(_) => Err(ConfigError::new(format!("{name}: expected true or false"))),
    }
}

fn half(there: &str, missing: &str) -> ConfigError {
    ConfigError::new(format!(
        "{there} is set and {missing} is not; set both, or neither"
    ))
}
