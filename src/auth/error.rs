//! Why there is no identity: what was looked for, and what to configure.

use std::fmt;

use super::key_files::KeyFilesError;
use super::pod::PodError;
use super::sessions::RoleSession;
use super::{Skipped, Source};
use crate::cloud::metadata;
use crate::cloud::{self, error::Kind};

/// No identity for a Mount: why not, which source it was, and which were skipped before it.
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
        self.error.fmt(f)?;
        match self.source {
            Some(source) => write!(f, " (source: {source}{})", Skips(&self.skipped)),
            None => write!(f, " ({})", Skips(&self.skipped).alone()),
        }
    }
}

impl std::error::Error for Failure {}

/// The skipped sources as a part of a sentence; nothing for none.
pub(super) struct Skips<'a>(pub(super) &'a [Skipped]);

impl Skips<'_> {
    fn alone(&self) -> String {
        self.to_string().trim_start_matches("; ").to_owned()
    }
}

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
    /// The node's role is not to be had.
    Metadata(metadata::Error),
    /// No source has what it needs.
    NoSource,
    /// The identity of the pod was asked for.
    Pod(PodError),
    /// The pod's Secret holds one half of a pair.
    PublishSecretHalf {
        /// The key of the other half.
        missing: &'static str,
    },
    /// The pod's Secret holds a pair that cannot be one.
    PublishSecretMalformed,
    /// The driver handed over something else than a Secret's data.
    PublishSecretUnreadable,
    /// STS does not give the role.
    Role {
        /// The role and its session.
        session: RoleSession,
        /// What STS said, or why it could not be asked.
        error: Box<cloud::Error>,
        /// What decided for this STS endpoint.
        sts: String,
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
            Self::Metadata(error) => write!(
                f,
                "the provider has no credentials of its own, and the node's cannot be had: {error}"
            ),
            Self::NoSource => f.write_str(
                "nothing gives Alibaba Cloud credentials; configure one source in the SecretProviderClass or in the provider's environment",
            ),
            Self::Pod(error) => error.fmt(f),
            Self::PublishSecretHalf { missing } => write!(
                f,
                "the pod's nodePublishSecretRef has no {missing}; it needs access_key and access_secret"
            ),
            Self::PublishSecretMalformed => f.write_str(
                "access_key or access_secret of the pod's nodePublishSecretRef is empty or has bytes that no AccessKey has",
            ),
            Self::PublishSecretUnreadable => {
                f.write_str("the driver's secrets are not a JSON object of texts; check the pod's nodePublishSecretRef")
            }
            Self::Role { session, error, sts } => {
                write!(f, "{session} cannot be assumed: {error}")?;
                role_advice(f, error, sts)
            }
            Self::TokenFile { path, problem } => write!(
                f,
                "the provider's ServiceAccount token {path} cannot be read: {problem}; mount it as a projected volume of audience sts.aliyuncs.com"
            ),
        }
    }
}

fn role_advice(f: &mut fmt::Formatter<'_>, error: &cloud::Error, sts: &str) -> fmt::Result {
    let code = match error {
        cloud::Error::Api(error) => error.code.as_str(),
        _ => "",
    };
    match error.kind() {
        _ if error.is_about_time() => f.write_str("; set the node's clock (NTP); the driver will try again"),
        Kind::Unavailable | Kind::Broken if matches!(error, cloud::Error::Http(_)) => write!(
            f,
            "; this STS endpoint is {sts}: choose another by --sts-endpoint, or by ALIBABA_CLOUD_STS_REGION with ALIBABA_CLOUD_VPC_ENDPOINT_ENABLED"
        ),
        Kind::NotFound => f.write_str("; check the ARN of the role"),
        Kind::Denied => f.write_str(
            "; the role's trust policy must name who asks (sts:ExternalId included, if it has that condition), and who asks by AssumeRole needs sts:AssumeRole on the role",
        ),
        _ if code == "AuthenticationFail.NoPermission" => f.write_str(
            "; check that the role's trust policy names this OIDC provider, oidc:aud sts.aliyuncs.com and oidc:sub system:serviceaccount:<namespace>:<name>",
        ),
        _ if code.starts_with("AuthenticationFail.OIDCToken") => {
            f.write_str("; check the OIDC provider's ARN, and that RRSA is enabled for this cluster")
        }
        _ if code == "InvalidParameter.DurationSeconds" => f.write_str(
            "; ALICLOUD_ROLE_SESSION_EXPIRATION is longer than the role's MaxSessionDuration",
        ),
        _ => Ok(()),
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
