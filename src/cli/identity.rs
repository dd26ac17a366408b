//! The provider's own identity, from the environment: the official provider's variables, each checked at start.

use std::path::PathBuf;
use std::sync::Arc;

use super::ConfigError;
use super::environment::Environment;
use crate::auth::{AccessKey, KeyFiles, Pair, TokenFile, is_plausible};
use crate::params::RoleArn;
use crate::secret::Secret;

/// What flags and environment say about who the provider is.
#[derive(Debug)]
pub struct Identity {
    /// `ACCESS_KEY_ID` and `SECRET_ACCESS_KEY`, or the files of `--credentials-dir`.
    pub access_key: Option<Pair>,
    /// `ALICLOUD_ROLE_ARN`
    pub role_arn: Option<String>,
    /// `ALICLOUD_ROLE_SESSION_NAME`
    pub session_name: Option<String>,
    /// `ALICLOUD_ROLE_SESSION_EXPIRATION`
    pub duration_seconds: u32,
    /// The cluster's OIDC provider, and the provider's own projected token.
    pub token: Option<TokenFile>,
    /// Whether the node's role may be used where nothing else is configured.
    pub worker_role: bool,
    /// `ALIBABA_CLOUD_ECS_METADATA`: the node's role by name.
    pub worker_role_name: Option<String>,
    /// `--allow-identity-fallback`
    pub fallback: bool,
}

impl Identity {
    pub(super) fn new(
        environment: &dyn Environment,
        credentials_dir: &str,
        fallback: bool,
        warnings: &mut Vec<String>,
    ) -> Result<Self, ConfigError> {
        // What the official provider passes over in silence is told, and passed over only if the flag says so.
        let mut missing = |message: String| {
            if fallback {
                warnings.push(format!(
                    "{message} (passed over, as --allow-identity-fallback says)"
                ));
                Ok(())
            } else {
                Err(ConfigError::new(message))
            }
        };
        let access_key = match (access_key(environment, &mut missing)?, credentials_dir) {
            (pair, "") => pair.map(Pair::Fixed),
            (None, directory) => {
                let files = KeyFiles::open(directory);
                let files = files.map_err(|error| ConfigError::new(format!("--credentials-dir: {error}")))?;
                Some(Pair::Files(Arc::new(files)))
            }
            (Some(_), _) => {
                return Err(ConfigError::new(
                    "--credentials-dir and ACCESS_KEY_ID are both set; remove one, so that it is plain which pair counts",
                ));
            }
        };
        let mut role_arn = role_arn(environment)?;
        let token = token(environment)?;
        if role_arn.is_some() && token.is_none() && access_key.is_none() {
            missing(
                "ALICLOUD_ROLE_ARN is set, and nothing to assume it with: set ALICLOUD_OIDC_PROVIDER_ARN (RRSA), or ACCESS_KEY_ID and SECRET_ACCESS_KEY, or --credentials-dir".to_owned(),
            )?;
            role_arn = None;
        }
        Ok(Self {
            access_key,
            role_arn,
            session_name: session_name(environment)?,
            duration_seconds: duration_seconds(environment)?,
            token,
            worker_role: !switch(environment, "ALIBABA_CLOUD_ECS_METADATA_DISABLED")?,
            worker_role_name: worker_role_name(environment)?,
            fallback,
        })
    }
}

fn access_key(
    environment: &dyn Environment,
    missing: &mut impl FnMut(String) -> Result<(), ConfigError>,
) -> Result<Option<AccessKey>, ConfigError> {
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
        (Some(_), None) => missing(half("ACCESS_KEY_ID", "SECRET_ACCESS_KEY")).map(|()| None),
        (None, Some(_)) => missing(half("SECRET_ACCESS_KEY", "ACCESS_KEY_ID")).map(|()| None),
    }
}

fn role_arn(environment: &dyn Environment) -> Result<Option<String>, ConfigError> {
    let Some(role_arn) = environment.variable("ALICLOUD_ROLE_ARN")? else {
        return Ok(None);
    };
    let role_arn = role_arn.trim().to_owned();
    if RoleArn::new(&role_arn).is_none() {
        return Err(ConfigError::new(
            "ALICLOUD_ROLE_ARN: expected acs:ram::<account id>:role/<name>",
        ));
    }
    Ok(Some(role_arn))
}

fn session_name(environment: &dyn Environment) -> Result<Option<String>, ConfigError> {
    let Some(name) = environment.variable("ALICLOUD_ROLE_SESSION_NAME")? else {
        return Ok(None);
    };
    let name = name.trim().to_owned();
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || b".@-_".contains(&byte);
    if (2..=64).contains(&name.len()) && name.bytes().all(is_name) {
        Ok(Some(name))
    } else {
        Err(ConfigError::new(
            "ALICLOUD_ROLE_SESSION_NAME: expected 2 to 64 letters, digits and any of . @ - _",
        ))
    }
}

fn duration_seconds(environment: &dyn Environment) -> Result<u32, ConfigError> {
    let duration = environment.variable("ALICLOUD_ROLE_SESSION_EXPIRATION")?;
    let seconds = duration
        .as_deref()
        .unwrap_or("3600")
        .trim()
        .parse()
        .unwrap_or_default();
    if (900..=43_200).contains(&seconds) {
        Ok(seconds)
    } else {
        Err(ConfigError::new(
            "ALICLOUD_ROLE_SESSION_EXPIRATION: expected seconds from 900 to 43200",
        ))
    }
}

/// A role's name becomes part of a path.
fn worker_role_name(environment: &dyn Environment) -> Result<Option<String>, ConfigError> {
    let Some(name) = environment.variable("ALIBABA_CLOUD_ECS_METADATA")? else {
        return Ok(None);
    };
    let name = name.trim().to_owned();
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || b".-_".contains(&byte);
    if (1..=64).contains(&name.len()) && name.bytes().all(is_name) {
        Ok(Some(name))
    } else {
        Err(ConfigError::new(
            "ALIBABA_CLOUD_ECS_METADATA: expected the name of the node's RAM role, without its ARN",
        ))
    }
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
    optional_switch(environment, name).map(Option::unwrap_or_default)
}

/// A variable that is true or false or unset.
pub(super) fn optional_switch(
    environment: &dyn Environment,
    name: &'static str,
) -> Result<Option<bool>, ConfigError> {
    match environment.variable(name)?.as_deref().map(str::trim) {
        None => Ok(None),
        Some(text) if text.eq_ignore_ascii_case("true") || text == "1" => Ok(Some(true)),
        Some(text) if text.eq_ignore_ascii_case("false") || text == "0" => Ok(Some(false)),
        Some(_) => Err(ConfigError::new(format!("{name}: expected true or false"))),
    }
}

fn half(there: &str, missing: &str) -> String {
    format!("{there} is set and {missing} is not; set both, or neither")
}
