//! Whose credentials: what a value read with them may be shared under.

use std::fmt;
use std::sync::Arc;

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

use super::role_session::RoleSession;
use super::source::Source;
use crate::entropy::Entropy;
use crate::secret::Secret;
use crate::sign::hex;

/// An identity. Equal keys are the same identity with the same rights, so that what was read for one may be given
/// to the other. Made of what kubelet and our own configuration vouch for, never of what a token claims.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct IdentityKey(Arc<Parts>);

#[derive(PartialEq, Eq, Hash)]
struct Parts {
    source: Source,
    names: Vec<String>,
    /// Who assumed the role.
    base: Option<IdentityKey>,
}

impl IdentityKey {
    /// The identity that a source gives under these names.
    pub(super) fn new(source: Source, names: impl Into<Vec<String>>) -> Self {
        Self(Arc::new(Parts {
            source,
            names: names.into(),
            base: None,
        }))
    }

    /// A role that this identity assumes.
    pub(super) fn assuming(&self, session: &RoleSession, external_id: Option<&str>) -> Self {
        let RoleSession {
            role_arn,
            session_name,
        } = session.clone();
        Self(Arc::new(Parts {
            source: Source::AssumedRole,
            // No external id is empty.
            names: vec![role_arn, session_name, external_id.unwrap_or_default().to_owned()],
            base: Some(self.clone()),
        }))
    }

    /// Whether it is `other`, or a role that was assumed by it.
    pub fn rests_on(&self, other: &Self) -> bool {
        self == other || self.0.base.as_ref().is_some_and(|base| base.rests_on(other))
    }
}

impl fmt::Debug for IdentityKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("IdentityKey(…)")
    }
}

/// Hashes secrets with a random key of this process, so that no hash tells anything outside of it.
pub struct SecretHasher(Secret);

impl SecretHasher {
    /// A hasher of its own.
    pub fn new(entropy: &dyn Entropy) -> Self {
        let mut key = vec![0; 32];
        entropy.fill(&mut key);
        Self(Secret::new(key))
    }

    /// What stands for a secret in a key.
    pub(super) fn hash(&self, secret: &Secret) -> String {
        let Ok(mut hmac) = Hmac::<Sha256>::new_from_slice(self.0.expose()) else {
            unreachable!("HMAC takes keys of any length")
        };
        hmac.update(secret.expose());
        hex(&hmac.finalize().into_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::AccessKey;

    struct Fixed(u8);

    impl Entropy for Fixed {
        fn fill(&self, bytes: &mut [u8]) {
            bytes.fill(self.0);
        }
    }

    fn pair(hasher: &SecretHasher, id: &str, secret: &str) -> IdentityKey {
        AccessKey::new(id.to_owned(), Secret::from(secret.to_owned())).identity(hasher)
    }

    #[test]
    fn a_pair_is_its_id_and_its_secret() {
        let hasher = SecretHasher::new(&Fixed(1));
        assert_eq!(pair(&hasher, "id", "secret"), pair(&hasher, "id", "secret"));
        assert_ne!(pair(&hasher, "id", "secret"), pair(&hasher, "id", "guess"));
        assert_ne!(pair(&hasher, "id", "secret"), pair(&hasher, "other", "secret"));
    }

    #[test]
    fn an_assumed_role_rests_on_whoever_assumed_it() {
        let hasher = SecretHasher::new(&Fixed(1));
        let (base, other) = (pair(&hasher, "id", "secret"), pair(&hasher, "other", "secret"));
        let session = RoleSession {
            role_arn: "role".to_owned(),
            session_name: "session".to_owned(),
        };
        let role = |base: &IdentityKey| base.assuming(&session, None);
        let twice = role(&role(&base));
        assert!(base.rests_on(&base) && role(&base).rests_on(&base) && twice.rests_on(&base));
        assert!(!base.rests_on(&role(&base)) && !twice.rests_on(&other) && !base.rests_on(&other));
    }

    #[test]
    fn hashes_mean_nothing_to_another_process() {
        let (ours, theirs) = (SecretHasher::new(&Fixed(1)), SecretHasher::new(&Fixed(2)));
        assert_ne!(pair(&ours, "id", "secret"), pair(&theirs, "id", "secret"));
    }

    #[test]
    fn nothing_of_it_prints() {
        let hasher = SecretHasher::new(&Fixed(1));
        let printed = format!("{:?}", pair(&hasher, "canary", "canary"));
        assert_eq!(printed, "IdentityKey(…)");
    }
}
