//! The long-lived AccessKey pair of a RAM user.

use std::sync::Arc;

use super::identity_key::{IdentityKey, SecretHasher};
use super::source::Source;
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

    /// Whose it is. The id alone is public: knowing it must not give access to what its owner may read.
    pub(super) fn identity(&self, hasher: &SecretHasher) -> IdentityKey {
        let secret = hasher.hash(&self.0.access_key_secret);
        IdentityKey::new(Source::AccessKey, [self.0.access_key_id.clone(), secret])
    }

    /// What signs requests.
    pub fn credentials(&self) -> Arc<Credentials> {
        Arc::clone(&self.0)
    }
}

/// Whether a text can be half of a pair. It becomes part of a header, in which a comma would end it.
pub fn is_plausible(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b',')
}
