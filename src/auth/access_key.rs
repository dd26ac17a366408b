//! The long-lived AccessKey pair of a RAM user.

use std::sync::Arc;

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

    /// What signs requests.
    pub fn credentials(&self) -> Arc<Credentials> {
        Arc::clone(&self.0)
    }
}
