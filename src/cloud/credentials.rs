//! What signs requests.

use std::fmt;

use crate::secret::Secret;

/// What signs a request.
pub struct Credentials {
    /// `LTAI…`, or `STS.…` for temporary ones.
    pub access_key_id: String,
    /// The key of the signature.
    pub access_key_secret: Secret,
    /// Goes with temporary credentials; always text.
    pub security_token: Option<Secret>,
}

impl Credentials {
    /// The security token, if there is one.
    pub(super) fn token(&self) -> Option<&str> {
        self.security_token.as_ref().and_then(Secret::expose_str)
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials")
            .field("access_key_id", &self.access_key_id)
            .finish_non_exhaustive()
    }
}
