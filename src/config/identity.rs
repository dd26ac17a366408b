//! The provider's own identity, from the official provider's environment variables, each checked at start.

use std::path::PathBuf;
use std::sync::Arc;

use super::environment::Variables;
use super::error::ConfigError;
use super::flag::Flag;
use crate::auth::{AccessKey, KeyFiles, Pair, TokenFile, is_plausible};
use crate::limits;
use crate::params::RoleArn;
use crate::secret::Secret;

/// The provider's own identity, from flags and environment.
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
    /// Whether the node's role may be used if nothing else is configured.
    pub worker_role: bool,
    /// `ALIBABA_CLOUD_ECS_METADATA`: name of the node's role.
    pub worker_role_name: Option<String>,
    /// `--allow-identity-fallback`
    pub fallback: bool,
}

impl Identity {
    pub(super) fn new(variables: &mut Variables<'_>, credentials_dir: &Flag) -> Result<Self, ConfigError> {
        let access_key = match (access_key(variables)?, credentials_dir.filled()) {
            (pair, None) => pair.map(Pair::Fixed),
            (None, Some(directory)) => {
                let files = KeyFiles::open(directory);
                let files = files.map_err(|error| ConfigError::new(format!("--credentials-dir: {error}")))?;
                Some(Pair::Files(Arc::new(files)))
            }
            (Some(_), Some(_)) => {
                return Err(ConfigError::new(
                    "--credentials-dir and ACCESS_KEY_ID are both set; remove one",
                ));
            }
        };
        let token = token(variables)?;
        let no_other = access_key.is_none() && token.is_none();
        Ok(Self {
            role_arn: role_arn(variables, no_other)?,
            access_key,
            session_name: session_name(variables)?,
            duration_seconds: duration_seconds(variables)?,
            token,
            worker_role: worker_role(variables, no_other)?,
            worker_role_name: worker_role_name(variables)?,
            fallback: variables.fallback,
        })
    }
}

fn access_key(variables: &mut Variables<'_>) -> Result<Option<AccessKey>, ConfigError> {
    let Some((id, secret)) = variables.pair("ACCESS_KEY_ID", "SECRET_ACCESS_KEY")? else {
        return Ok(None);
    };
    let secret = Secret::from(secret);
    for (name, what, text) in [
        ("ACCESS_KEY_ID", "AccessKey ID", Some(&*id)),
        ("SECRET_ACCESS_KEY", "AccessKey secret", secret.expose_str()),
    ] {
        if !text.is_some_and(is_plausible) {
            let remedy = "remove blanks, commas and other invalid bytes";
            return Err(ConfigError::new(format!("{name}: expected an {what}; {remedy}")));
        }
    }
    Ok(Some(AccessKey::new(id, secret)))
}

fn role_arn(variables: &mut Variables<'_>, nothing_assumes_it: bool) -> Result<Option<String>, ConfigError> {
    let role_arn = variables.trimmed("ALICLOUD_ROLE_ARN")?;
    match role_arn {
        Some(_) if nothing_assumes_it => variables.missing(
            "ALICLOUD_ROLE_ARN is set without credentials to assume it; set ALICLOUD_OIDC_PROVIDER_ARN (RRSA), or ACCESS_KEY_ID and SECRET_ACCESS_KEY, or --credentials-dir",
        ),
        Some(role_arn) if RoleArn::new(&role_arn).is_none() => Err(ConfigError::new(
            "ALICLOUD_ROLE_ARN: expected acs:ram::<account id>:role/<name>",
        )),
        role_arn => Ok(role_arn),
    }
}

fn token(variables: &mut Variables<'_>) -> Result<Option<TokenFile>, ConfigError> {
    let (provider_arn, expected) = match variables.trimmed("ALICLOUD_OIDC_PROVIDER_ARN")? {
        Some(arn) => (
            arn,
            "ALICLOUD_OIDC_PROVIDER_ARN: expected acs:ram::<account id>:oidc-provider/<name>",
        ),
        None => match variables.pair("ALICLOUD_ACCOUNT_ID", "ALICLOUD_CLUSTER_ID")? {
            Some((account, cluster)) => (
                format!("acs:ram::{account}:oidc-provider/ack-rrsa-{cluster}"),
                "ALICLOUD_ACCOUNT_ID and ALICLOUD_CLUSTER_ID: expected the account's number and the cluster's id",
            ),
            None => return Ok(None),
        },
    };
    if !is_oidc_provider(&provider_arn) {
        return Err(ConfigError::new(expected));
    }
    let path = variables.text("ALICLOUD_OIDC_TOKEN_FILE")?;
    let path = path.map_or_else(|| TOKEN_FILE.into(), PathBuf::from);
    Ok(Some(TokenFile { provider_arn, path }))
}

/// Where the chart projects the provider's own token.
const TOKEN_FILE: &str = "/var/run/secrets/tokens/csi-secrets-store-provider-alibabacloud";

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

/// Replaces a name that STS rejects by one that it accepts. No policy can depend on the rejected name.
fn session_name(variables: &mut Variables<'_>) -> Result<Option<String>, ConfigError> {
    const EXPECTED: &str = "ALICLOUD_ROLE_SESSION_NAME: expected 2 to 64 letters, digits and any of . @ - _";
    let Some(given) = variables.trimmed("ALICLOUD_ROLE_SESSION_NAME")? else {
        return Ok(None);
    };
    let is_plain = |c: char| c.is_ascii_alphanumeric() || ".@-_".contains(c);
    let name = given.chars().map(|c| if is_plain(c) { c } else { '-' });
    let name: String = name.take(limits::SESSION_NAME_BYTES).collect();
    if name.len() < 2 {
        variables.warn(format!("{EXPECTED}; using the default names"));
        return Ok(None);
    }
    if name != given {
        variables.warn(format!(
            "{EXPECTED}; other characters become - and the name is cut at 64, so the audit trail shows another name"
        ));
    }
    Ok(Some(name))
}

fn duration_seconds(variables: &mut Variables<'_>) -> Result<u32, ConfigError> {
    const NAME: &str = "ALICLOUD_ROLE_SESSION_EXPIRATION";
    const DEFAULT: u32 = 3600;
    const LONGEST: u32 = 43_200;
    let Some(given) = variables.trimmed(NAME)? else {
        return Ok(DEFAULT);
    };
    let seconds = match given.parse::<i64>() {
        // As the official provider and its SDK read them.
        Err(_) | Ok(0) => DEFAULT,
        Ok(seconds) => u32::try_from(seconds.max(0))
            .unwrap_or(u32::MAX)
            .clamp(900, LONGEST),
    };
    if given.parse() != Ok(seconds) {
        let expected = format!("expected 900 to {LONGEST} seconds");
        variables.warn(format!("{NAME}: {expected}, using {seconds}"));
    }
    Ok(seconds)
}

/// Whether the node's role may be used. The official provider disables it only for the word `true`. Without another
/// identity, another word for yes is an error, because the node's role may read secrets there.
fn worker_role(variables: &mut Variables<'_>, no_other: bool) -> Result<bool, ConfigError> {
    const DISABLED: &str = "ALIBABA_CLOUD_ECS_METADATA_DISABLED";
    let is_disabled = variables.switch(DISABLED)?;
    let text = variables.text(DISABLED)?.unwrap_or_default();
    if is_disabled && no_other && !text.eq_ignore_ascii_case("true") {
        return Err(ConfigError::new(
            "ALIBABA_CLOUD_ECS_METADATA_DISABLED: expected true or false; the official provider reads this value as false, and no other identity is configured; remove the variable if the nodes' role reads your secrets, else write true",
        ));
    }
    Ok(!is_disabled)
}

/// Checks the role's name, because it becomes part of a URL path.
fn worker_role_name(variables: &Variables<'_>) -> Result<Option<String>, ConfigError> {
    let name = variables.trimmed("ALIBABA_CLOUD_ECS_METADATA")?;
    let is_part = |byte: u8| byte.is_ascii_alphanumeric() || b".-_".contains(&byte);
    let is_name = |name: &String| (1..=64).contains(&name.len()) && name.bytes().all(is_part);
    if name.as_ref().is_none_or(is_name) {
        return Ok(name);
    }
    Err(ConfigError::new(
        "ALIBABA_CLOUD_ECS_METADATA: expected the name of the node's RAM role, without its ARN",
    ))
}
