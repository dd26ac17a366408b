//! A role of the provider, assumed with an AccessKey pair or with the provider's own ServiceAccount token (RRSA).

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::kept::{Kept, Lent};
use super::key::{Identity, IdentityKey, SecretHasher};
use super::sessions::{RoleSession, Sessions};
use super::{AccessKey, Error, Lender, Pair};
use crate::limits;
use crate::metrics;
use crate::os::file;
use crate::secret::Secret;

/// A role, assumed with an AccessKey pair.
pub struct AssumedRole {
    /// Which.
    pub session: RoleSession,
    sessions: Arc<Sessions>,
    pair: Pair,
    hasher: Arc<SecretHasher>,
    kept: Kept,
}

/// A role, assumed with the provider's own token.
pub struct OidcRole {
    /// Which.
    pub session: RoleSession,
    sessions: Arc<Sessions>,
    token: TokenFile,
    identity: IdentityKey,
    kept: Kept,
}

/// Where the provider's own token is, and whom it belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenFile {
    /// `acs:ram::<account>:oidc-provider/<name>`
    pub provider_arn: String,
    /// The projected file; kubelet renews it, so it is read at each use.
    pub path: PathBuf,
}

impl AssumedRole {
    /// The role, asked for with `pair`.
    pub fn new(role_arn: String, pair: Pair, sessions: Arc<Sessions>, hasher: Arc<SecretHasher>) -> Self {
        Self {
            session: RoleSession {
                role_arn,
                session_name: sessions.name(None),
            },
            kept: Kept::new(Arc::clone(&sessions.clock)),
            sessions,
            pair,
            hasher,
        }
    }

    fn assumed_by(&self, base: &AccessKey) -> IdentityKey {
        let identity = Identity::Assumed {
            base: base.identity(&self.hasher),
            role_arn: self.session.role_arn.clone(),
            session_name: self.session.session_name.clone(),
            external_id: None,
        };
        identity.into()
    }
}

impl Lender for AssumedRole {
    fn kept(&self) -> &Kept {
        &self.kept
    }

    fn lend(&self, remaining: Duration) -> Result<Lent, Error> {
        let metrics = self.sessions.api.metrics();
        self.kept
            .get_counted(metrics, metrics::Identity::AssumedRole, remaining, |remaining| {
                let base = self.pair.get()?;
                let credentials = base.credentials();
                let temporary =
                    self.sessions
                        .with_credentials(&credentials, &self.session, None, remaining)?;
                Ok(Lent::new(temporary, self.assumed_by(&base)))
            })
    }

    fn identity(&self) -> Option<IdentityKey> {
        let base = self.pair.get().ok()?;
        Some(self.assumed_by(&base))
    }
}

impl OidcRole {
    /// The role, asked for with the token in a file.
    pub fn new(role_arn: String, token: TokenFile, sessions: Arc<Sessions>) -> Self {
        let identity = Identity::Oidc {
            provider_arn: token.provider_arn.clone(),
            role_arn: role_arn.clone(),
        };
        Self {
            session: RoleSession {
                role_arn,
                session_name: sessions.name(None),
            },
            kept: Kept::new(Arc::clone(&sessions.clock)),
            sessions,
            token,
            identity: identity.into(),
        }
    }
}

impl Lender for OidcRole {
    fn kept(&self) -> &Kept {
        &self.kept
    }

    fn lend(&self, remaining: Duration) -> Result<Lent, Error> {
        let metrics = self.sessions.api.metrics();
        self.kept
            .get_counted(metrics, metrics::Identity::OidcRole, remaining, |remaining| {
                let token = self.token.read()?;
                let temporary =
                    self.sessions
                        .with_token(&self.token.provider_arn, &self.session, &token, remaining)?;
                Ok(Lent::new(temporary, self.identity.clone()))
            })
    }

    fn identity(&self) -> Option<IdentityKey> {
        Some(self.identity.clone())
    }
}

impl TokenFile {
    /// Whether there is a token to be read.
    ///
    /// # Errors
    /// Why there is none.
    pub fn check(&self) -> Result<(), Error> {
        self.read().map(drop)
    }

    fn read(&self) -> Result<Secret, Error> {
        let failed = |problem: &str| Error::TokenFile {
            path: self.path.display().to_string(),
            problem: problem.to_owned(),
        };
        let bytes =
            file::read(&self.path, limits::TOKEN_BYTES).map_err(|error| failed(&error.to_string()))?;
        let token = bytes
            .expose_str()
            .map(str::trim)
            .ok_or_else(|| failed("it is not text"))?;
        if token.is_empty() {
            return Err(failed("it is empty"));
        }
        Ok(Secret::from(token.to_owned()))
    }
}

impl fmt::Debug for AssumedRole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AssumedRole")
            .field("session", &self.session)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for OidcRole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OidcRole")
            .field("session", &self.session)
            .finish_non_exhaustive()
    }
}
