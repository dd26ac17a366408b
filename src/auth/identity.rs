//! An identity with its credentials, and where fresh ones come from.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::access_key::AccessKey;
use super::credential_cache::{CredentialCache, Lease};
use super::error::{Error, Failure, Skips};
use super::identity_key::{IdentityKey, SecretHasher};
use super::role_session::RoleSession;
use super::sessions::Sessions;
use super::source::{Skipped, Source};
use super::token::TokenFile;
use crate::cloud::metadata::Metadata;
use crate::cloud::sts::Temporary;
use crate::cloud::{self, Credentials};
use crate::metrics::Metrics;

/// An identity, with its credentials if available.
#[derive(Clone)]
pub struct ResolvedIdentity {
    /// Which source gave them.
    pub source: Source,
    /// What signs the requests; or why there is nothing, though it is known whose it would be.
    pub credentials: Result<Arc<Credentials>, Error>,
    /// Whose they are: the key of whatever is shared between mounts.
    pub identity: IdentityKey,
    /// The role that was assumed.
    pub session: Option<RoleSession>,
    /// When they end; never, without.
    pub expires: Option<jiff::Timestamp>,
    /// The sources before this one.
    pub skipped: Vec<Skipped>,
    /// Whether new credentials were refused just now, even if the old ones have not ended yet.
    pub is_refused: bool,
    /// Where fresh ones come from.
    renewed_by: Option<Arc<CredentialSource>>,
}

/// Gives temporary credentials of one identity, and keeps them.
pub struct CredentialSource {
    source: Source,
    session: Option<RoleSession>,
    /// Whose they are, if that is known without asking anybody.
    identity: Option<IdentityKey>,
    renew: Box<dyn Fn(Duration) -> Result<Lease, Error> + Send + Sync>,
    cache: Arc<CredentialCache>,
    metrics: Metrics,
}

impl CredentialSource {
    /// A role that `assume` opens sessions of.
    pub(super) fn role(
        source: Source,
        session: RoleSession,
        identity: IdentityKey,
        sessions: &Arc<Sessions>,
        assume: impl Fn(&Sessions, &RoleSession, Duration) -> Result<Temporary, Error> + Send + Sync + 'static,
    ) -> Arc<Self> {
        let (by, wanted, key) = (Arc::clone(sessions), session.clone(), identity.clone());
        Arc::new(Self {
            source,
            session: Some(session),
            cache: sessions.cache(source, &identity),
            identity: Some(identity),
            renew: Box::new(move |remaining| Ok(Lease::new(assume(&by, &wanted, remaining)?, key.clone()))),
            metrics: sessions.api.metrics().clone(),
        })
    }

    /// A role of the provider, assumed with its ServiceAccount token (RRSA).
    pub fn oidc_role(role_arn: String, token: TokenFile, sessions: &Arc<Sessions>) -> Arc<Self> {
        let identity = IdentityKey::new(Source::OidcRole, [token.provider_arn.clone(), role_arn.clone()]);
        let session = sessions.session(role_arn, None);
        let assume = move |sessions: &Sessions, session: &RoleSession, remaining| {
            sessions.with_token(&token.provider_arn, session, &token.read()?, remaining)
        };
        Self::role(Source::OidcRole, session, identity, sessions, assume)
    }

    /// The role of the node: `name`, or whichever it has. The service is asked with time limits of its own.
    pub fn worker_role(metadata: Arc<Metadata>, name: Option<String>, sessions: &Sessions) -> Arc<Self> {
        let identity = |role| IdentityKey::new(Source::WorkerRole, [role]);
        Arc::new(Self {
            source: Source::WorkerRole,
            session: None,
            cache: Arc::new(CredentialCache::new(Arc::clone(&sessions.clock))),
            identity: name.clone().map(identity),
            renew: Box::new(move |_| {
                let role = name.clone().map_or_else(|| metadata.role(), Ok);
                let role = role.map_err(Error::Metadata)?;
                let temporary = metadata.credentials(&role).map_err(Error::Metadata)?;
                Ok(Lease::new(temporary, identity(role)))
            }),
            metrics: sessions.api.metrics().clone(),
        })
    }

    /// Whether getting them takes a call.
    pub(super) fn is_due(&self) -> bool {
        self.cache.is_due()
    }

    /// The identity with its credentials, or one that has none at present.
    ///
    /// # Errors
    /// There are none, and it is not even known whose they would be.
    pub(super) fn resolve(self: &Arc<Self>, remaining: Duration) -> Result<ResolvedIdentity, Error> {
        let lease = self.cache.get(remaining, |remaining| {
            let renewed = (self.renew)(remaining);
            match (&renewed, self.source.renewed()) {
                (_, None) => {}
                (Ok(lease), Some(identity)) => {
                    self.metrics
                        .credentials_renewed(identity, lease.expires.as_second());
                }
                (Err(_), Some(identity)) => self.metrics.credentials_not_renewed(identity),
            }
            renewed
        });
        let is_refused = match &lease {
            Ok(lease) => lease.is_refused,
            Err(error) => !error.is_outage(),
        };
        let (credentials, identity, expires) = match (lease, &self.identity) {
            (Ok(lease), _) => (Ok(lease.credentials), lease.identity, Some(lease.expires)),
            (Err(error), Some(identity)) => (Err(error), identity.clone(), None),
            (Err(error), None) => return Err(error),
        };
        Ok(ResolvedIdentity {
            source: self.source,
            credentials,
            identity,
            session: self.session.clone(),
            expires,
            skipped: Vec::new(),
            is_refused,
            renewed_by: Some(Arc::clone(self)),
        })
    }
}

impl ResolvedIdentity {
    /// Credentials that stay as they are.
    pub(super) fn lasting(source: Source, pair: &AccessKey, hasher: &SecretHasher) -> Self {
        Self {
            source,
            credentials: Ok(pair.credentials()),
            identity: pair.identity(hasher),
            session: None,
            expires: None,
            skipped: Vec::new(),
            is_refused: false,
            renewed_by: None,
        }
    }

    /// The same, found after these sources.
    pub(super) fn after(self, skipped: Vec<Skipped>) -> Self {
        Self { skipped, ..self }
    }

    /// A role that this identity assumes, whose own credentials are renewed once if STS no longer knows them.
    pub(super) fn assuming(
        self,
        source: Source,
        session: RoleSession,
        external_id: Option<String>,
        sessions: &Arc<Sessions>,
    ) -> Arc<CredentialSource> {
        let identity = self.identity.assuming(&session, external_id.as_deref());
        let assume = move |sessions: &Sessions, session: &RoleSession, remaining| {
            let assume = |base: &Self| {
                let credentials = base.credentials.as_ref().map_err(Error::clone)?;
                sessions.with_credentials(credentials, session, external_id.as_deref(), remaining)
            };
            let assumed = assume(&self);
            if let Err(Error::Role { error, .. }) = &assumed
                && let Some(fresh) = self.renewed_after(error, remaining)
            {
                return assume(&fresh?);
            }
            assumed
        };
        CredentialSource::role(source, session, identity, sessions, assume)
    }

    /// The same, if it has credentials.
    ///
    /// # Errors
    /// Why it has none.
    pub fn usable(self) -> Result<Self, Error> {
        match self.credentials {
            Ok(_) => Ok(self),
            Err(error) => Err(error),
        }
    }

    /// Why a mount cannot be made with it, if it has no credentials.
    pub fn failure(&self) -> Option<Box<Failure>> {
        let error = self.credentials.as_ref().err()?.clone();
        Some(Box::new(Failure {
            error,
            source: Some(self.source),
            skipped: self.skipped.clone(),
        }))
    }

    /// The source and its role.
    pub fn whom(&self) -> String {
        match &self.session {
            Some(session) => format!("{}, {session}", self.source),
            None => self.source.to_string(),
        }
    }

    /// The sources that were passed over, as the end of a sentence.
    pub fn skips(&self) -> impl fmt::Display + '_ {
        Skips(&self.skipped)
    }

    /// Fresh credentials of the same source, if `error` says that the cloud no longer knows these; `None` if it
    /// says anything else, or if they are a pair that cannot be renewed. The refused ones are forgotten for all,
    /// and requested again once, however many mounts hold them. To be called once for a call.
    ///
    /// If the source is out of reach, they are kept: perhaps only one endpoint rejects them, and others can use them
    /// until they expire.
    ///
    /// # Errors
    /// There are none to be had.
    pub fn renewed_after(&self, error: &cloud::Error, remaining: Duration) -> Option<Result<Self, Error>> {
        let (source, credentials) = (self.renewed_by.as_ref()?, self.credentials.as_ref().ok()?);
        if !error.is_about_ended(credentials) {
            return None;
        }
        log::info!(
            "{}: temporary credentials were rejected; renewing them: {error}",
            self.source
        );
        let forgotten = source.cache.forget(credentials);
        let fresh = source.resolve(remaining).and_then(Self::usable);
        if let (Err(error), Some(forgotten)) = (&fresh, forgotten)
            && error.is_outage()
        {
            source.cache.restore(forgotten);
        }
        Some(fresh.map(|fresh| fresh.after(self.skipped.clone())))
    }
}

impl fmt::Display for ResolvedIdentity {
    /// `source, role … session …; skipped …`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.whom(), self.skips())
    }
}

impl fmt::Debug for ResolvedIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResolvedIdentity")
            .field("source", &self.source)
            .field("session", &self.session)
            .field("credentials", &self.credentials)
            .finish_non_exhaustive()
    }
}
