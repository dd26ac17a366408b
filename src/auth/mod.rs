//! Which identity reads the secrets: the credential sources in their order, one file each.

mod access_key;
mod publish_secret;

use std::fmt;
use std::sync::Arc;

pub use access_key::AccessKey;
pub use publish_secret::is_plausible;

use crate::cloud::Credentials;

/// The credential sources that the provider's own configuration gives, asked in this order.
#[derive(Debug)]
pub struct Chain {
    /// `ACCESS_KEY_ID` and `SECRET_ACCESS_KEY`.
    pub access_key: Option<AccessKey>,
}

/// Credentials, and who they are.
#[derive(Clone, Debug)]
pub struct Resolved {
    /// Which source gave them.
    pub source: Source,
    /// What signs the requests.
    pub credentials: Arc<Credentials>,
}

/// Where credentials come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// A long-lived AccessKey pair.
    AccessKey,
    /// The AccessKey pair of the pod's `nodePublishSecretRef`.
    NodePublishSecret,
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AccessKey => f.write_str("AccessKey pair of the provider"),
            Self::NodePublishSecret => f.write_str("AccessKey pair of the pod's nodePublishSecretRef"),
        }
    }
}

/// No identity: what was looked for, and what to configure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Error {
    /// No source has what it needs.
    NoSource,
    /// The pod's Secret holds one half of a pair.
    PublishSecretHalf {
        /// The key of the other half.
        missing: &'static str,
    },
    /// The pod's Secret holds a pair that cannot be one.
    PublishSecretMalformed,
    /// The driver handed over something else than a Secret's data.
    PublishSecretUnreadable,
    /// The SecretProviderClass asks for the pod's identity.
    PodIdentityUnsupported,
    /// The object asks for a role of another account.
    CrossAccountUnsupported {
        /// The object, as messages name it.
        object: String,
    },
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoSource => f.write_str(
                "the provider has no Alibaba Cloud credentials; set ACCESS_KEY_ID and SECRET_ACCESS_KEY in its environment",
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
            Self::PodIdentityUnsupported => f.write_str(
                "usePodServiceAccountToken is not supported by this version of the provider; remove it to read with the provider's own identity",
            ),
            Self::CrossAccountUnsupported { object } => write!(
                f,
                "{object}: crossAccountRoleArn is not supported by this version of the provider; remove it"
            ),
        }
    }
}

impl std::error::Error for Error {}

impl Chain {
    /// The identity of one Mount. What the pod brings comes before what the provider has; half of it is an error
    /// rather than a reason to read as somebody else.
    ///
    /// # Errors
    /// There is none, or the pod's cannot be used.
    pub fn resolve(&self, secrets: &str) -> Result<Resolved, Error> {
        if let Some(pair) = publish_secret::read(secrets)? {
            return Ok(Resolved {
                source: Source::NodePublishSecret,
                credentials: pair.credentials(),
            });
        }
        let access_key = self.access_key.as_ref().ok_or(Error::NoSource)?;
        Ok(Resolved {
            source: Source::AccessKey,
            credentials: access_key.credentials(),
        })
    }
}
