//! The provider's own identity, from the environment: the official provider's variables, each checked at start.

use std::path::PathBuf;
use std::sync::Arc;

use super::ConfigError;
use super::environment::Environment;
use crate::auth::{AccessKey, KeyFiles, Pair, TokenFile, is_plausible};
use crate::limits;
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
        let token = token(environment, &mut missing)?;
        let role_arn = match environment.variable("ALICLOUD_ROLE_ARN")? {
            Some(_) if token.is_none() && access_key.is_none() => {
                missing(
                    "ALICLOUD_ROLE_ARN is set, and nothing to assume it with: set ALICLOUD_OIDC_PROVIDER_ARN (RRSA), or ACCESS_KEY_ID and SECRET_ACCESS_KEY, or --credentials-dir".to_owned(),
                )?;
                None
            }
            role_arn => role_arn.as_deref().map(checked_role).transpose()?,
        };
        let no_other = access_key.is_none() && token.is_none();
        Ok(Self {
            access_key,
            role_arn,
            session_name: session_name(environment, warnings)?,
            duration_seconds: duration_seconds(environment, warnings)?,
            token,
            worker_role: worker_role(environment, no_other, warnings)?,
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

fn checked_role(role_arn: &str) -> Result<String, ConfigError> {
    let role_arn = role_arn.trim();
    if RoleArn::new(role_arn).is_none() {
        return Err(ConfigError::new(
            "ALICLOUD_ROLE_ARN: expected acs:ram::<account id>:role/<name>",
        ));
    }
    Ok(role_arn.to_owned())
}

/// A name that STS refuses becomes one that it takes. No policy can depend on the refused one, and a name is no identity.
fn session_name(
    environment: &dyn Environment,
    warnings: &mut Vec<String>,
) -> Result<Option<String>, ConfigError> {
    const EXPECTED: &str = "ALICLOUD_ROLE_SESSION_NAME: expected 2 to 64 letters, digits and any of . @ - _";
    let Some(given) = environment.variable("ALICLOUD_ROLE_SESSION_NAME")? else {
        return Ok(None);
    };
    let given = given.trim();
    let is_plain = |c: char| c.is_ascii_alphanumeric() || ".@-_".contains(c);
    let name: String = given
        .chars()
        .map(|c| if is_plain(c) { c } else { '-' })
        .take(limits::SESSION_NAME_BYTES)
        .collect();
    if name.len() < 2 {
        warnings.push(format!("{EXPECTED}; using the default names"));
        return Ok(None);
    }
    if name != given {
        warnings.push(format!(
            "{EXPECTED}; other characters become - and the name ends after 64, so the audit trail shows another name"
        ));
    }
    Ok(Some(name))
}

fn duration_seconds(environment: &dyn Environment, warnings: &mut Vec<String>) -> Result<u32, ConfigError> {
    const DEFAULT: u32 = 3600;
    const LONGEST: u32 = 43_200;
    let Some(given) = environment.variable("ALICLOUD_ROLE_SESSION_EXPIRATION")? else {
        return Ok(DEFAULT);
    };
    let seconds = match given.trim().parse::<i64>() {
        // As the official provider and its SDK read them.
        Err(_) | Ok(0) => DEFAULT,
        Ok(seconds) => u32::try_from(seconds.max(0))
            .unwrap_or(u32::MAX)
            .clamp(900, LONGEST),
    };
    if given.trim().parse() != Ok(seconds) {
        warnings.push(format!(
            "ALICLOUD_ROLE_SESSION_EXPIRATION: expected seconds from 900 to {LONGEST}, using {seconds}"
        ));
    }
    Ok(seconds)
}

/// Whether the node's role may be used. The official provider uses it unless the variable is the word true; where there
/// is no other identity, another word for yes may stand where the node's role reads.
fn worker_role(
    environment: &dyn Environment,
    no_other: bool,
    warnings: &mut Vec<String>,
) -> Result<bool, ConfigError> {
    const DISABLED: &str = "ALIBABA_CLOUD_ECS_METADATA_DISABLED";
    let is_disabled = switch(environment, DISABLED, warnings)?;
    let text = environment.variable(DISABLED)?.unwrap_or_default();
    if is_disabled && no_other && !text.eq_ignore_ascii_case("true") {
        return Err(ConfigError::new(
            "ALIBABA_CLOUD_ECS_METADATA_DISABLED: expected true or false; the official provider reads this value as false, and no other identity is configured; remove the variable if the nodes' role reads your secrets, else write true",
        ));
    }
    Ok(!is_disabled)
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

fn token(
    environment: &dyn Environment,
    missing: &mut impl FnMut(String) -> Result<(), ConfigError>,
) -> Result<Option<TokenFile>, ConfigError> {
    const ACCOUNT: &str = "ALICLOUD_ACCOUNT_ID";
    const CLUSTER: &str = "ALICLOUD_CLUSTER_ID";
    let pair = (environment.variable(ACCOUNT)?, environment.variable(CLUSTER)?);
    let (provider_arn, wrong) = match (environment.variable("ALICLOUD_OIDC_PROVIDER_ARN")?, pair) {
        (Some(arn), _) => (
            arn.trim().to_owned(),
            "ALICLOUD_OIDC_PROVIDER_ARN: expected acs:ram::<account id>:oidc-provider/<name>",
        ),
        (None, (Some(account), Some(cluster))) => (
            format!(
                "acs:ram::{}:oidc-provider/ack-rrsa-{}",
                account.trim(),
                cluster.trim()
            ),
            "ALICLOUD_ACCOUNT_ID and ALICLOUD_CLUSTER_ID: expected the account's number and the cluster's id",
        ),
        (None, (Some(_), None)) => return missing(half(ACCOUNT, CLUSTER)).map(|()| None),
        (None, (None, Some(_))) => return missing(half(CLUSTER, ACCOUNT)).map(|()| None),
        (None, (None, None)) => return Ok(None),
    };
    if !is_oidc_provider(&provider_arn) {
        return Err(ConfigError::new(wrong));
    }
    let path = environment.variable("ALICLOUD_OIDC_TOKEN_FILE")?;
    let path =
        path.unwrap_or_else(|| "/var/run/secrets/tokens/csi-secrets-store-provider-alibabacloud".to_owned());
    Ok(Some(TokenFile {
        provider_arn,
        path: PathBuf::from(path),
    }))
}

fn is_oidc_provider(arn: &str) -> bool {
    let parts = arn
        .strip_prefix("acs:ram::")
        .and_then(|rest| rest.split_once(":oidc-provider/"));
    parts.is_some_and(|(account, name)| {
        !account.is_empty()
            && account.bytes().all(|byte| byte.is_ascii_digit())
            && !name.is_empty()
            && name.bytes().all(|byte| byte.is_ascii_graphic())
            && !name.ends_with("ack-rrsa-")
    })
}

/// A variable that is true or false, and false when unset.
pub(super) fn switch(
    environment: &dyn Environment,
    name: &'static str,
    warnings: &mut Vec<String>,
) -> Result<bool, ConfigError> {
    let Some(text) = environment.variable(name)? else {
        return Ok(false);
    };
    yes_or_no(name, &text, warnings)
        .ok_or_else(|| ConfigError::new(format!("{name}: expected true or false")))
}

/// What a switch says; `None` if it is neither yes nor no. The official provider's SDK takes one word for yes, and
/// every other text for no.
pub(super) fn yes_or_no(name: &str, text: &str, warnings: &mut Vec<String>) -> Option<bool> {
    match text.trim().to_ascii_lowercase().as_str() {
        "true" | "1" | "t" | "yes" | "y" | "on" => {
            if !text.eq_ignore_ascii_case("true") {
                warnings.push(format!(
                    "{name} is read as true; the official provider reads only the word true so"
                ));
            }
            Some(true)
        }
        "false" | "0" | "f" | "no" | "n" | "off" | "" => Some(false),
        _ => None,
    }
}

fn half(there: &str, missing: &str) -> String {
    format!("{there} is set and {missing} is not; set both, or neither")
}
