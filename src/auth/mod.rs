//! Which identity reads the secrets: the credential sources in their order, one file each.

mod access_key;
mod kept;
mod key;
mod publish_secret;
mod role;
mod worker;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

pub use access_key::AccessKey;
pub use key::{IdentityKey, SecretHasher};
pub use publish_secret::{brings_pair, is_plausible};
pub use role::{AssumedRole, OidcRole, RoleSettings, TokenFile};
pub use worker::WorkerRole;

use kept::{Kept, Lent};

use crate::cloud::metadata;
use crate::cloud::{self, Credentials};

/// The identities of the provider itself, asked in this order; the first that is configured counts. The pod's own
/// `nodePublishSecretRef` comes before all of them.
#[derive(Debug)]
pub struct Chain {
    /// Tells AccessKey pairs apart.
    pub hasher: SecretHasher,
    /// RRSA of the DaemonSet: `ALICLOUD_OIDC_PROVIDER_ARN` with `ALICLOUD_ROLE_ARN`.
    pub oidc_role: Option<Arc<OidcRole>>,
    /// `ACCESS_KEY_ID`, `SECRET_ACCESS_KEY` and `ALICLOUD_ROLE_ARN`.
    pub assumed_role: Option<Arc<AssumedRole>>,
    /// `ACCESS_KEY_ID` and `SECRET_ACCESS_KEY`.
    pub access_key: Option<AccessKey>,
    /// The worker RAM role, unless `ALIBABA_CLOUD_ECS_METADATA_DISABLED` is true.
    pub worker_role: Option<Arc<WorkerRole>>,
}

/// Credentials, and who they are.
#[derive(Clone)]
pub struct Resolved {
    /// Which source gave them.
    pub source: Source,
    /// What signs the requests.
    pub credentials: Arc<Credentials>,
    /// Whose they are: the key of whatever is shared between Mounts.
    pub identity: IdentityKey,
    lender: Option<Arc<dyn Lender>>,
}

/// Gives temporary credentials, and keeps them.
trait Lender: Send + Sync {
    /// Where they are kept.
    fn kept(&self) -> &Kept;

    /// Those that are kept, or new ones.
    fn lend(&self, remaining: Duration) -> Result<Lent, Error>;
}

/// Where credentials come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// A long-lived AccessKey pair.
    AccessKey,
    /// A role, assumed with the AccessKey pair.
    AssumedRole,
    /// The AccessKey pair of the pod's `nodePublishSecretRef`.
    NodePublishSecret,
    /// A role, assumed with the provider's own ServiceAccount token.
    OidcRole,
    /// The role of the node.
    WorkerRole,
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::AccessKey => "AccessKey pair of the provider",
            Self::AssumedRole => "role of the provider, assumed with its AccessKey pair",
            Self::NodePublishSecret => "AccessKey pair of the pod's nodePublishSecretRef",
            Self::OidcRole => "role of the provider, assumed with its ServiceAccount token (RRSA)",
            Self::WorkerRole => "worker RAM role of the node",
        })
    }
}

/// No identity: what was looked for, and what to configure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Error {
    /// The object asks for a role of another account.
    CrossAccountUnsupported {
        /// The object, as messages name it.
        object: String,
    },
    /// The node's role is not to be had.
    Metadata(metadata::Error),
    /// No source has what it needs.
    NoSource,
    /// The SecretProviderClass asks for the pod's identity.
    PodIdentityUnsupported,
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
        /// The role.
        role_arn: String,
        /// What STS said, or why it could not be asked.
        error: Box<cloud::Error>,
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
            Self::CrossAccountUnsupported { object } => write!(
                f,
                "{object}: crossAccountRoleArn is not supported by this version of the provider; remove it"
            ),
            Self::Metadata(error) => write!(
                f,
                "the provider has no credentials of its own (ACCESS_KEY_ID, ALICLOUD_ROLE_ARN), and the node's cannot be had: {error}"
            ),
            Self::NoSource => f.write_str(
                "the provider has no Alibaba Cloud credentials; set ACCESS_KEY_ID and SECRET_ACCESS_KEY or ALICLOUD_ROLE_ARN in its environment",
            ),
            Self::PodIdentityUnsupported => f.write_str(
                "usePodServiceAccountToken is not supported by this version of the provider; remove it to read with the provider's own identity",
            ),
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
            Self::Role { role_arn, error } => write!(
                f,
                "role {role_arn} cannot be assumed: {error}; check the role's trust policy, and --sts-endpoint if STS is out of reach"
            ),
            Self::TokenFile { path, problem } => write!(
                f,
                "the provider's ServiceAccount token {path} cannot be read: {problem}; mount it as a projected volume of audience sts.aliyuncs.com"
            ),
        }
    }
}

impl std::error::Error for Error {}

impl Error {
    /// Whether the cloud could not be asked, as opposed to having refused.
    pub fn is_outage(&self) -> bool {
        match self {
            Self::Role { error, .. } => error.is_transient(),
            _ => false,
        }
    }
}

impl Chain {
    /// The identity of one Mount. What the pod brings comes before what the provider has; half of it is an error
    /// rather than a reason to read as somebody else, and so is a configured source that fails.
    ///
    /// # Errors
    /// There is none, or it cannot be had.
    pub fn resolve(&self, secrets: &str, remaining: Duration) -> Result<Resolved, Error> {
        let pair = |source, pair: &AccessKey| Resolved {
            source,
            credentials: pair.credentials(),
            identity: pair.identity(&self.hasher),
            lender: None,
        };
        if let Some(found) = publish_secret::read(secrets)? {
            Ok(pair(Source::NodePublishSecret, &found))
        } else if let Some(role) = &self.oidc_role {
            Resolved::lent(Source::OidcRole, Arc::clone(role) as _, remaining)
        } else if let Some(role) = &self.assumed_role {
            Resolved::lent(Source::AssumedRole, Arc::clone(role) as _, remaining)
        } else if let Some(found) = &self.access_key {
            Ok(pair(Source::AccessKey, found))
        } else if let Some(role) = &self.worker_role {
            Resolved::lent(Source::WorkerRole, Arc::clone(role) as _, remaining)
        } else {
            Err(Error::NoSource)
        }
    }
}

impl Resolved {
    fn lent(source: Source, lender: Arc<dyn Lender>, remaining: Duration) -> Result<Self, Error> {
        let Lent {
            credentials,
            identity,
            ..
        } = lender.lend(remaining)?;
        Ok(Self {
            source,
            credentials,
            identity,
            lender: Some(lender),
        })
    }

    /// Fresh credentials of the same source, if `error` says that the cloud no longer knows these; `None` if it
    /// says anything else, or if they are a pair that cannot be renewed. The refused ones are forgotten for all,
    /// and asked for anew once, however many Mounts hold them. To be called once for a call.
    ///
    /// # Errors
    /// There are none to be had.
    pub fn renewed_after(&self, error: &cloud::Error, remaining: Duration) -> Option<Result<Self, Error>> {
        let lender = self.lender.as_ref()?;
        if !error.is_about_ended(&self.credentials) {
            return None;
        }
        log::info!(
            "{}: temporary credentials are refused, and renewed: {error}",
            self.source
        );
        lender.kept().forget(&self.credentials);
        Some(Self::lent(self.source, Arc::clone(lender), remaining))
    }
}

impl fmt::Debug for Resolved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Resolved")
            .field("source", &self.source)
            .field("credentials", &self.credentials)
            .finish_non_exhaustive()
    }
}
