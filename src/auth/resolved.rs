//! An identity with its credentials, and where fresh ones come from.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::error::Skips;
use super::kept::{Kept, Lent};
use super::{Error, Failure, IdentityKey, RoleSession, Skipped, Source};
use crate::cloud::{self, Credentials};

/// An identity, with its credentials if they are to be had.
#[derive(Clone)]
pub struct Resolved {
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
    lender: Option<Arc<dyn Lender>>,
}

/// Gives temporary credentials, and keeps them.
pub(super) trait Lender: Send + Sync {
    /// Where they are kept.
    fn kept(&self) -> &Kept;

    /// Those that are kept, or new ones.
    fn lend(&self, remaining: Duration) -> Result<Lent, Error>;

    /// Whose they are, if that is known without asking anybody.
    fn identity(&self) -> Option<IdentityKey>;
}

impl Resolved {
    /// Credentials that stay as they are.
    pub(super) fn lasting(source: Source, credentials: Arc<Credentials>, identity: IdentityKey) -> Self {
        Self {
            source,
            credentials: Ok(credentials),
            identity,
            session: None,
            expires: None,
            skipped: Vec::new(),
            is_refused: false,
            lender: None,
        }
    }

    /// Credentials that end, or an identity that has none at present.
    ///
    /// # Errors
    /// There are none, and it is not even known whose they would be.
    pub(super) fn lent(
        source: Source,
        session: Option<RoleSession>,
        lender: Arc<dyn Lender>,
        remaining: Duration,
    ) -> Result<Self, Error> {
        let lent = lender.lend(remaining);
        let is_refused = match &lent {
            Ok(lent) => lent.is_refused,
            Err(error) => !error.is_outage(),
        };
        let (credentials, identity, expires) = match lent {
            Ok(lent) => (Ok(lent.credentials), lent.identity, Some(lent.expires)),
            Err(error) => match lender.identity() {
                Some(identity) => (Err(error), identity, None),
                None => return Err(error),
            },
        };
        Ok(Self {
            source,
            credentials,
            identity,
            session,
            expires,
            skipped: Vec::new(),
            is_refused,
            lender: Some(lender),
        })
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
    pub fn whom(&self) -> impl fmt::Display + '_ {
        Whom(self)
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
        let (lender, credentials) = (self.lender.as_ref()?, self.credentials.as_ref().ok()?);
        if !error.is_about_ended(credentials) {
            return None;
        }
        log::info!(
            "{}: temporary credentials are refused, and renewed: {error}",
            self.source
        );
        let forgotten = lender.kept().forget(credentials);
        let fresh = Self::lent(self.source, self.session.clone(), Arc::clone(lender), remaining);
        let fresh = fresh.and_then(Self::usable);
        if let (Err(error), Some(forgotten)) = (&fresh, forgotten)
            && error.is_outage()
        {
            lender.kept().restore(forgotten);
        }
        Some(fresh.map(|fresh| Self {
            skipped: self.skipped.clone(),
            ..fresh
        }))
    }
}

impl fmt::Display for Resolved {
    /// `source, role … session …; skipped …`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.whom(), self.skips())
    }
}

/// `source, role … session …`
struct Whom<'a>(&'a Resolved);

impl fmt::Display for Whom<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(Resolved { source, session, .. }) = self;
        match session {
            Some(session) => write!(f, "{source}, {session}"),
            None => source.fmt(f),
        }
    }
}

impl fmt::Debug for Resolved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Resolved")
            .field("source", &self.source)
            .field("session", &self.session)
            .field("credentials", &self.credentials)
            .finish_non_exhaustive()
    }
}
