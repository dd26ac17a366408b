//! Why there is no identity: what was looked for, and what to configure.

use std::fmt;

use super::key_files::KeyFilesError;
use super::pod_error::PodError;
use super::publish_secret::PublishSecretError;
use super::role_session::{Federated, RoleSession};
use super::source::{AUDIENCE, Skipped, Source};
use crate::cloud::metadata;
use crate::cloud::{self, error::Kind};

/// No identity for a mount: why not, which source it was, and which were skipped before it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// Why not.
    pub error: Error,
    /// The source that was to give it; none if no source has what it needs.
    pub source: Option<Source>,
    /// The sources before it.
    pub skipped: Vec<Skipped>,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (error, skips) = (&self.error, Skips(&self.skipped).to_string());
        match self.source {
            Some(source) => write!(f, "{error} (source: {source}{skips})"),
            None => write!(f, "{error} ({})", skips.trim_start_matches("; ")),
        }
    }
}

impl std::error::Error for Failure {}

/// The skipped sources as a part of a sentence; nothing for none.
pub(super) struct Skips<'a>(pub(super) &'a [Skipped]);

impl fmt::Display for Skips<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, Skipped { what, why }) in self.0.iter().enumerate() {
            write!(f, "{} {what}: {why}", if at == 0 { "; skipped" } else { "," })?;
        }
        Ok(())
    }
}

/// What is missing or wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Error {
    /// The files of `--credentials-dir` hold no pair.
    KeyFiles(KeyFilesError),
    /// Cannot get the node's role.
    Metadata(metadata::Error),
    /// No source has what it needs.
    NoSource,
    /// The identity of the pod was asked for.
    Pod(PodError),
    /// The pod's Secret is there and is not a pair.
    PublishSecret(PublishSecretError),
    /// STS does not give the role.
    Role {
        /// The role and its session.
        session: RoleSession,
        /// What STS said, or why it could not be asked.
        error: Box<cloud::Error>,
        /// What decided for this STS endpoint.
        sts: String,
        /// Who asked, if it was by a token.
        federated: Option<Box<Federated>>,
    },
    /// The provider's own ServiceAccount token cannot be read.
    TokenFile {
        /// The file.
        path: String,
        /// Why not.
        problem: String,
    },
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::KeyFiles(error) => error.fmt(f),
            Self::Metadata(error) => {
                write!(f, "the provider has no credentials of its own, and cannot get the node's: {error}")?;
                match error {
                    metadata::Error::Http(_) => f.write_str(
                        "; configure another identity (docs/install.md), or let the provider's pod use the node's network (chart: linux.hostNetwork)",
                    ),
                    _ => Ok(()),
                }
            }
            Self::NoSource => f.write_str(
                "found no Alibaba Cloud credentials; configure one source in the SecretProviderClass or in the provider's environment",
            ),
            Self::Pod(error) => error.fmt(f),
            Self::PublishSecret(error) => error.fmt(f),
            Self::Role {
                session,
                error,
                sts,
                federated,
            } => {
                write!(f, "{session} cannot be assumed: {error}")?;
                role_advice(f, error, sts, federated.as_deref())
            }
            Self::TokenFile { path, problem } => write!(
                f,
                "the provider's ServiceAccount token {path} cannot be read: {problem}; mount it as a projected volume of audience sts.aliyuncs.com"
            ),
        }
    }
}

fn role_advice(
    f: &mut fmt::Formatter<'_>,
    error: &cloud::Error,
    sts: &str,
    federated: Option<&Federated>,
) -> fmt::Result {
    let code = match error {
        cloud::Error::Api(error) => error.code.as_str(),
        _ => "",
    };
    match (error.kind(), federated) {
        _ if error.is_about_time() => f.write_str("; set the node's clock (NTP); kubelet retries"),
        (Kind::Unavailable | Kind::Broken, _) if matches!(error, cloud::Error::Http(_)) => write!(
            f,
            "; this STS endpoint is {sts}: choose another with --sts-endpoint, or with ALIBABA_CLOUD_STS_REGION with ALIBABA_CLOUD_VPC_ENDPOINT_ENABLED"
        ),
        (Kind::Unavailable, _) => f.write_str("; STS is unavailable; kubelet retries"),
        (Kind::Throttled, _) => f.write_str("; the account's STS quota is used up; kubelet retries"),
        (Kind::NotFound, _) => f.write_str("; check the ARN of the role"),
        (_, Some(federated)) if code.starts_with("AuthenticationFail.OIDCToken") => {
            token_advice(f, code, &federated.provider_arn)
        }
        (kind, Some(Federated { provider_arn, subject }))
            if kind == Kind::Denied || code == "AuthenticationFail.NoPermission" =>
        {
            write!(
                f,
                "; its trust policy must allow Federated {provider_arn}, which must exist, with oidc:aud {AUDIENCE} and oidc:sub {}",
                subject.as_deref().unwrap_or("system:serviceaccount:<namespace>:<name>")
            )
        }
        (Kind::Credentials, _) => f.write_str("; check the AccessKey pair used to assume it"),
        (Kind::Denied, None) => f.write_str(
            "; the role's trust policy must name the caller (and sts:ExternalId, if it has that condition), and the caller needs sts:AssumeRole on the role",
        ),
        _ => Ok(()),
    }
}

/// STS has looked at a token and does not take it.
fn token_advice(f: &mut fmt::Formatter<'_>, code: &str, provider_arn: &str) -> fmt::Result {
    match code.rsplit('.').next().unwrap_or_default() {
        "Expired" => f.write_str("; kubelet renews the token before it expires: check the node's clock"),
        "AudienceNotMatch" => write!(
            f,
            "; the token must have audience {AUDIENCE}, and {provider_arn} must list it as a client id"
        ),
        "PublicKeyFingerprintMismatch" => {
            write!(f, "; renew the fingerprint of {provider_arn} in the RAM console")
        }
        _ => write!(
            f,
            "; check that {provider_arn} is this cluster's OIDC provider, and that RRSA is enabled"
        ),
    }
}

impl std::error::Error for Error {}

impl Error {
    /// Whether the cloud or the cluster could not be asked, as opposed to having refused.
    pub fn is_outage(&self) -> bool {
        match self {
            Self::Role { error, .. } => error.is_transient(),
            Self::Pod(error) => error.is_outage(),
            Self::Metadata(metadata::Error::Http(error)) => error.is_transient(),
            Self::Metadata(metadata::Error::Status { status, .. }) => *status >= 500 || *status == 429,
            _ => false,
        }
    }
}
