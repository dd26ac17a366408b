//! The long-lived AccessKey pair of a RAM user.

use std::sync::Arc;

use super::key::{Identity, IdentityKey, SecretHasher};
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
