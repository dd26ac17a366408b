//! Whose credentials: what a value read with them may be shared under.

use std::fmt;
use std::sync::Arc;

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

use crate::entropy::Entropy;
use crate::secret::Secret;

/// An identity. Equal keys are the same identity with the same rights, so that what was read for one may be given
/// to the other. Made of what kubelet and our own configuration vouch for, never of what a token claims.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct IdentityKey(Arc<Identity>);

#[derive(PartialEq, Eq, Hash)]
pub(super) enum Identity {
    /// A role, assumed by another identity.
    Assumed {
        base: IdentityKey,
        role_arn: String,
        session_name: String,
        external_id: Option<String>,
    },
    /// A role, assumed with the provider's own token.
    Oidc { provider_arn: String, role_arn: String },
    /// An AccessKey pair. The id alone is public: whoever knows it must not get what its owner may read.
    Pair {
        access_key_id: String,
        secret: SecretHash,
    },
    /// The role of a pod's ServiceAccount, both as kubelet and the cluster vouch for them.
    Pod {
        namespace: String,
        service_account: String,
        provider_arn: String,
        role_arn: String,
    },
    /// The role of the node.
    Worker { role: String },
}

impl IdentityKey {
    /// Whether it is `other`, or a role that was assumed by it.
    pub fn rests_on(&self, other: &Self) -> bool {
        self == other || matches!(&*self.0, Identity::Assumed { base, .. } if base.rests_on(other))
    }
}

impl From<Identity> for IdentityKey {
    fn from(identity: Identity) -> Self {
        Self(Arc::new(identity))
    }
}

impl fmt::Debug for IdentityKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("IdentityKey(…)")
    }
}

/// What stands for a secret in a key.
#[derive(PartialEq, Eq, Hash)]
pub(super) struct SecretHash([u8; 32]);

/// Hashes secrets with a random key of this process, so that no hash tells anything outside of it.
pub struct SecretHasher(Secret);

impl SecretHasher {
    /// A hasher of its own.
    pub fn new(entropy: &dyn Entropy) -> Self {
        let mut key = vec![0; 32];
        entropy.fill(&mut key);
        Self(Secret::new(key))
    }

    pub(super) fn hash(&self, secret: &Secret) -> SecretHash {
        let Ok(mut hmac) = Hmac::<Sha256>::new_from_slice(self.0.expose()) else {
            unreachable!("HMAC takes keys of any length")
        };
        hmac.update(secret.expose());
        SecretHash(hmac.finalize().into_bytes().into())
    }
}

impl fmt::Debug for SecretHasher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretHasher(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Fixed(u8);

    impl Entropy for Fixed {
        fn fill(&self, bytes: &mut [u8]) {
            bytes.fill(self.0);
        }
    }

    fn pair(hasher: &SecretHasher, id: &str, secret: &str) -> IdentityKey {
        Identity::Pair {
            access_key_id: id.to_owned(),
            secret: hasher.hash(&Secret::from(secret.to_owned())),
        }
        .into()
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
        let role = |base: &IdentityKey| -> IdentityKey {
            Identity::Assumed {
                base: base.clone(),
                role_arn: "role".to_owned(),
                session_name: "session".to_owned(),
                external_id: None,
            }
            .into()
        };
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
        let printed = format!("{:?} {hasher:?}", pair(&hasher, "canary", "canary"));
        assert_eq!(printed, "IdentityKey(…) SecretHasher(…)");
    }
}
