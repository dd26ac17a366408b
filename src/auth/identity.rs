//! An identity with its credentials, and where fresh ones come from.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::access_key::AccessKey;
use super::credential_cache::{CredentialCache, Lease};
use super::error::{Error, Failure, Skips};
use super::identity_key::{IdentityKey, SecretHasher};
use super::key_files::Pair;
use super::role_session::RoleSession;
use super::sessions::Sessions;
use super::source::{Skipped, Source};
use super::token::TokenFile;
use crate::cloud::metadata::Metadata;
use crate::cloud::sts::Temporary;
use crate::cloud::{self, Credentials};
use crate::secret::Secret;

/// An identity, with its credentials if they are to be had.
#[derive(Clone)]
pub struct ResolvedIdentity {
    /// Which source gave them.
    pub source: Source,
    /// What signs the requests; or why there is nothing, though it is known whose it would be.
    pub credentials: Result<Arc<Credentials>, Error>,
    /// Whose they are: the key of whatever is shared between Mounts.
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

/// Gives credentials, and keeps those that end.
pub struct CredentialSource {
    source: Source,
    grant: Grant,
    cache: Arc<CredentialCache>,
    sessions: Arc<Sessions>,
}

/// How credentials are obtained.
enum Grant {
    /// They are there.
    AccessKey { pair: Pair, hasher: Arc<SecretHasher> },
    /// The instance metadata service gives those of a role; without a name, of whichever the node has.
    Node {
        metadata: Arc<Metadata>,
        name: Option<String>,
    },
    /// STS, to an identity that may assume the role.
    Role {
        session: RoleSession,
        base: Base,
        external_id: Option<String>,
    },
    /// STS, to whoever has a token of the cluster.
    Token {
        session: RoleSession,
        provider_arn: String,
        token: Token,
        identity: IdentityKey,
    },
}

/// Who assumes a role.
enum Base {
    Source(Arc<CredentialSource>),
    Identity(ResolvedIdentity),
}

enum Token {
    /// kubelet renews it.
    File(TokenFile),
    /// It came with a Mount.
    Given(Secret),
}

impl CredentialSource {
    /// The AccessKey pair of the provider.
    pub fn access_key(pair: Pair, hasher: Arc<SecretHasher>, sessions: Arc<Sessions>) -> Self {
        Self::own(Source::AccessKey, Grant::AccessKey { pair, hasher }, sessions)
    }

    /// A role of the provider, assumed with its AccessKey pair.
    pub fn assumed_role(role_arn: String, pair: Arc<Self>, sessions: Arc<Sessions>) -> Self {
        let grant = Grant::Role {
            session: sessions.session(role_arn, None),
            base: Base::Source(pair),
            external_id: None,
        };
        Self::own(Source::AssumedRole, grant, sessions)
    }

    /// A role of the provider, assumed with its ServiceAccount token (RRSA).
    pub fn oidc_role(role_arn: String, token: TokenFile, sessions: Arc<Sessions>) -> Self {
        let names = [token.provider_arn.clone(), role_arn.clone()];
        let grant = Grant::Token {
            session: sessions.session(role_arn, None),
            provider_arn: token.provider_arn.clone(),
            token: Token::File(token),
            identity: IdentityKey::new(Source::OidcRole, names),
        };
        Self::own(Source::OidcRole, grant, sessions)
    }

    /// The role of the node: `name`, or whichever it has.
    pub fn worker_role(metadata: Arc<Metadata>, name: Option<String>, sessions: Arc<Sessions>) -> Self {
        Self::own(Source::WorkerRole, Grant::Node { metadata, name }, sessions)
    }

    fn own(source: Source, grant: Grant, sessions: Arc<Sessions>) -> Self {
        Self {
            source,
            grant,
            cache: Arc::new(CredentialCache::new(Arc::clone(&sessions.clock))),
            sessions,
        }
    }

    /// The role of a pod, assumed with the token that came with it.
    pub(super) fn pod(
        session: RoleSession,
        provider_arn: String,
        token: Secret,
        identity: IdentityKey,
        sessions: Arc<Sessions>,
    ) -> Self {
        Self {
            source: Source::Pod,
            cache: sessions.cache(&identity),
            grant: Grant::Token {
                session,
                provider_arn,
                token: Token::Given(token),
                identity,
            },
            sessions,
        }
    }

    /// A role that an object names, assumed by `base`.
    pub(super) fn cross_account(
        session: RoleSession,
        base: ResolvedIdentity,
        external_id: Option<String>,
        sessions: Arc<Sessions>,
    ) -> Self {
        Self {
            source: Source::CrossAccount,
            cache: sessions.cache(&base.identity.assuming(&session, external_id.as_deref())),
            grant: Grant::Role {
                session,
                base: Base::Identity(base),
                external_id,
            },
            sessions,
        }
    }

    /// What gives these credentials.
    pub(super) const fn source(&self) -> Source {
        self.source
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
        if let Grant::AccessKey { pair, hasher } = &self.grant {
            let pair = pair.get().map_err(Error::KeyFiles)?;
            return Ok(ResolvedIdentity::lasting(self.source, &pair, hasher));
        }
        let lease = self.cache.get(remaining, |remaining| self.renew(remaining));
        let is_refused = match &lease {
            Ok(lease) => lease.is_refused,
            Err(error) => !error.is_outage(),
        };
        let (credentials, identity, expires) = match lease {
            Ok(lease) => (Ok(lease.credentials), lease.identity, Some(lease.expires)),
            Err(error) => match self.identity() {
                Some(identity) => (Err(error), identity, None),
                None => return Err(error),
            },
        };
        Ok(ResolvedIdentity {
            source: self.source,
            credentials,
            identity,
            session: self.session().cloned(),
            expires,
            skipped: Vec::new(),
            is_refused,
            renewed_by: Some(Arc::clone(self)),
        })
    }

    fn session(&self) -> Option<&RoleSession> {
        match &self.grant {
            Grant::Role { session, .. } | Grant::Token { session, .. } => Some(session),
            Grant::AccessKey { .. } | Grant::Node { .. } => None,
        }
    }

    /// Whose credentials these are, if that is known without asking anybody.
    fn identity(&self) -> Option<IdentityKey> {
        match &self.grant {
            Grant::AccessKey { pair, hasher } => Some(pair.get().ok()?.identity(hasher)),
            Grant::Node { name, .. } => Some(worker(name.clone()?)),
            Grant::Role {
                session,
                base,
                external_id,
            } => {
                let base = match base {
                    Base::Source(source) => source.identity()?,
                    Base::Identity(base) => base.identity.clone(),
                };
                Some(base.assuming(session, external_id.as_deref()))
            }
            Grant::Token { identity, .. } => Some(identity.clone()),
        }
    }

    /// New credentials, counted.
    fn renew(&self, remaining: Duration) -> Result<Lease, Error> {
        let renewed = self.grant(remaining);
        if let Some(identity) = self.source.renewed() {
            let metrics = self.sessions.api.metrics();
            match &renewed {
                Ok(lease) => metrics.credentials_renewed(identity, lease.expires.as_second()),
                Err(_) => metrics.credentials_not_renewed(identity),
            }
        }
        renewed
    }

    fn grant(&self, remaining: Duration) -> Result<Lease, Error> {
        let (temporary, identity) = match &self.grant {
            Grant::AccessKey { .. } => unreachable!("a pair needs no renewal"),
            // The service is asked with time limits of its own.
            Grant::Node { metadata, name } => {
                let role = match name {
                    Some(name) => name.clone(),
                    None => metadata.role().map_err(Error::Metadata)?,
                };
                let temporary = metadata.credentials(&role).map_err(Error::Metadata)?;
                (temporary, worker(role))
            }
            Grant::Role {
                session,
                base,
                external_id,
            } => {
                let base = match base {
                    Base::Source(source) => &source.resolve(remaining)?,
                    Base::Identity(base) => base,
                };
                let external_id = external_id.as_deref();
                let temporary = self.assume(base, session, external_id, remaining)?;
                (temporary, base.identity.assuming(session, external_id))
            }
            Grant::Token {
                session,
                provider_arn,
                token,
                identity,
            } => {
                let token = match token {
                    Token::File(file) => &file.read()?,
                    Token::Given(token) => token,
                };
                let temporary = self
                    .sessions
                    .with_token(provider_arn, session, token, remaining)?;
                (temporary, identity.clone())
            }
        };
        Ok(Lease::new(temporary, identity))
    }

    /// A role by an identity, whose credentials are renewed once if STS no longer knows them.
    fn assume(
        &self,
        base: &ResolvedIdentity,
        session: &RoleSession,
        external_id: Option<&str>,
        remaining: Duration,
    ) -> Result<Temporary, Error> {
        let assume = |base: &ResolvedIdentity| {
            let credentials = base.credentials.as_ref().map_err(Error::clone)?;
            self.sessions
                .with_credentials(credentials, session, external_id, remaining)
        };
        let assumed = assume(base);
        if let Err(Error::Role { error, .. }) = &assumed
            && let Some(fresh) = base.renewed_after(error, remaining)
        {
            return assume(&fresh?);
        }
        assumed
    }
}

fn worker(role: String) -> IdentityKey {
    IdentityKey::new(Source::WorkerRole, [role])
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

    /// Why a Mount cannot be made with it, if it has no credentials.
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
    /// and asked for anew once, however many Mounts hold them. To be called once for a call.
    ///
    /// If nobody can be asked, they are kept after all: it may be that a single endpoint does not know them, and others
    /// go on with them until they end.
    ///
    /// # Errors
    /// There are none to be had.
    pub fn renewed_after(&self, error: &cloud::Error, remaining: Duration) -> Option<Result<Self, Error>> {
        let (source, credentials) = (self.renewed_by.as_ref()?, self.credentials.as_ref().ok()?);
        if !error.is_about_ended(credentials) {
            return None;
        }
        log::info!(
            "{}: temporary credentials are refused, and renewed: {error}",
            self.source
        );
        let forgotten = source.cache.forget(credentials);
        let fresh = source.resolve(remaining).and_then(Self::usable);
        if let (Err(error), Some(forgotten)) = (&fresh, forgotten)
            && error.is_outage()
        {
            source.cache.restore(forgotten);
        }
        Some(fresh.map(|fresh| Self {
            skipped: self.skipped.clone(),
            ..fresh
        }))
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

impl fmt::Debug for CredentialSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CredentialSource")
            .field("source", &self.source)
            .field("session", &self.session())
            .finish_non_exhaustive()
    }
}
