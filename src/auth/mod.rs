//! Which identity reads the secrets: the credential sources in their order, one file each.

mod access_key;

use std::fmt;
use std::sync::Arc;

pub use access_key::AccessKey;

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
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AccessKey => f.write_str("AccessKey pair of the provider"),
        }
    }
}

/// No identity: what was looked for, and what to configure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Error {
    /// No source has what it needs.
    NoSource,
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
    /// The first source that has what it needs.
    ///
    /// # Errors
    /// There is none.
    pub fn resolve(&self) -> Result<Resolved, Error> {
        let access_key = self.access_key.as_ref().ok_or(Error::NoSource)?;
        Ok(Resolved {
            source: Source::AccessKey,
            credentials: access_key.credentials(),
        })
    }
}
