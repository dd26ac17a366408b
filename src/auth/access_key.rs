//! The long-lived AccessKey pair of a RAM user, from the environment or from files.

use std::sync::Arc;

use super::Error;
use super::key::{Identity, IdentityKey, SecretHasher};
use super::key_files::KeyFiles;
use crate::cloud::Credentials;
use crate::secret::Secret;

/// An AccessKey pair.
#[derive(Clone, Debug)]
pub struct AccessKey(Arc<Credentials>);

impl AccessKey {
    /// A pair, both halves without blanks around them.
    pub fn new(access_key_id: String, access_key_secret: Secret) -> Self {
        Self(Arc::new(Credentials {
            access_key_id,
            access_key_secret,
            security_token: None,
        }))
    }

    /// Whose it is.
    pub(super) fn identity(&self, hasher: &SecretHasher) -> IdentityKey {
        Identity::Pair {
            access_key_id: self.0.access_key_id.clone(),
            secret: hasher.hash(&self.0.access_key_secret),
        }
        .into()
    }

    /// What signs requests.
    pub fn credentials(&self) -> Arc<Credentials> {
        Arc::clone(&self.0)
    }
}

/// Where the provider's own pair comes from.
#[derive(Clone, Debug)]
pub enum Pair {
    /// The environment, once.
    Fixed(AccessKey),
    /// Files, as they are now.
    Files(Arc<KeyFiles>),
}

impl Pair {
    /// The pair.
    ///
    /// # Errors
    /// The files hold none.
    pub(super) fn get(&self) -> Result<AccessKey, Error> {
        match self {
            Self::Fixed(pair) => Ok(pair.clone()),
            Self::Files(files) => files.pair().map_err(Error::KeyFiles),
        }
    }
}
