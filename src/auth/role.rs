//! A role of the provider, assumed with an AccessKey pair or with the provider's own ServiceAccount token (RRSA).

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::kept::{Kept, Lent};
use super::key::{Identity, IdentityKey, SecretHasher};
use super::{AccessKey, Error, Lender};
use crate::clock::Clock;
use crate::cloud::sts::{AssumeRole, AssumeRoleWithOidc};
use crate::cloud::{Api, Endpoint, Target};
use crate::limits;
use crate::metrics;
use crate::secret::Secret;

/// Which role, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoleSettings {
    /// `acs:ram::<account>:role/<name>`
    pub role_arn: String,
    /// Name in the audit trail.
    pub session_name: String,
    /// How long the credentials shall live.
    pub duration_seconds: u32,
}

/// A role, assumed with an AccessKey pair.
pub struct AssumedRole {
    /// Which.
    pub settings: RoleSettings,
    api: Api,
    endpoint: Endpoint,
    pair: AccessKey,
    identity: IdentityKey,
    kept: Kept,
}

/// A role, assumed with the provider's own token.
pub struct OidcRole {
    /// Which.
    pub settings: RoleSettings,
    api: Api,
    endpoint: Endpoint,
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
    /// The role, asked for at `endpoint` with `pair`.
    pub fn new(
        api: Api,
        endpoint: Endpoint,
        pair: AccessKey,
        settings: RoleSettings,
        clock: Arc<dyn Clock>,
        hasher: &SecretHasher,
    ) -> Self {
        let identity = Identity::Assumed {
            base: pair.identity(hasher),
            role_arn: settings.role_arn.clone(),
            external_id: None,
        };
        Self {
            settings,
            api,
            endpoint,
            pair,
            identity: identity.into(),
            kept: Kept::new(clock),
        }
    }
}

impl Lender for AssumedRole {
    fn kept(&self) -> &Kept {
        &self.kept
    }

    fn lend(&self, remaining: Duration) -> Result<Lent, Error> {
        let RoleSettings {
            role_arn,
            session_name,
            duration_seconds,
        } = &self.settings;
        let (counted, identity) = (self.api.metrics(), metrics::Identity::AssumedRole);
        self.kept.get_counted(counted, identity, || {
            let base = self.pair.credentials();
            let target = Target {
                endpoint: &self.endpoint,
                credentials: &base,
                remaining,
            };
            AssumeRole {
                role_arn,
                session_name,
                duration_seconds: *duration_seconds,
                external_id: None,
            }
            .call(&self.api, &target)
            .map(|temporary| Lent::new(temporary, self.identity.clone()))
            .map_err(|error| Error::Role {
                role_arn: role_arn.clone(),
                error: Box::new(error),
            })
        })
    }
}

impl OidcRole {
    /// The role, asked for at `endpoint` with the token in a file.
    pub fn new(
        api: Api,
        endpoint: Endpoint,
        token: TokenFile,
        settings: RoleSettings,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let identity = Identity::Oidc {
            provider_arn: token.provider_arn.clone(),
            role_arn: settings.role_arn.clone(),
        };
        Self {
            settings,
            api,
            endpoint,
            token,
            identity: identity.into(),
            kept: Kept::new(clock),
        }
    }
}

impl Lender for OidcRole {
    fn kept(&self) -> &Kept {
        &self.kept
    }

    fn lend(&self, remaining: Duration) -> Result<Lent, Error> {
        let RoleSettings {
            role_arn,
            session_name,
            duration_seconds,
        } = &self.settings;
        let (counted, identity) = (self.api.metrics(), metrics::Identity::OidcRole);
        self.kept.get_counted(counted, identity, || {
            let token = self.token.read()?;
            AssumeRoleWithOidc {
                provider_arn: &self.token.provider_arn,
                role_arn,
                token: &token,
                session_name,
                duration_seconds: *duration_seconds,
            }
            .call(&self.api, &self.endpoint, remaining)
            .map(|temporary| Lent::new(temporary, self.identity.clone()))
            .map_err(|error| Error::Role {
                role_arn: role_arn.clone(),
                error: Box::new(error),
            })
        })
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
        let bytes = std::fs::read(&self.path)
            .map(Secret::new)
            .map_err(|error| failed(&error.to_string()))?;
        let token = bytes
            .expose_str()
            .map(str::trim)
            .ok_or_else(|| failed("it is not text"))?;
        match token.len() {
            0 => Err(failed("it is empty")),
            length if length > limits::TOKEN_BYTES => Err(failed("it is longer than STS takes")),
            _ => Ok(Secret::from(token.to_owned())),
        }
    }
}

impl fmt::Debug for AssumedRole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AssumedRole")
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for OidcRole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OidcRole")
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}
