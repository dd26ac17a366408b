//! Credentials with who they are, and where fresh ones come from.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::error::Skips;
use super::kept::{Kept, Lent};
use super::{Error, IdentityKey, RoleSession, Skipped, Source};
use crate::cloud::{self, Credentials};

/// Credentials, and who they are.
#[derive(Clone)]
pub struct Resolved {
    /// Which source gave them.
    pub source: Source,
    /// What signs the requests.
    pub credentials: Arc<Credentials>,
    /// Whose they are: the key of whatever is shared between Mounts.
    pub identity: IdentityKey,
    /// The role that was assumed.
    pub session: Option<RoleSession>,
    /// When they end; never, without.
    pub expires: Option<jiff::Timestamp>,
    /// The sources before this one.
    pub skipped: Vec<Skipped>,
    lender: Option<Arc<dyn Lender>>,
}

/// Gives temporary credentials, and keeps them.
pub(super) trait Lender: Send + Sync {
    /// Where they are kept.
    fn kept(&self) -> &Kept;

    /// Those that are kept, or new ones.
    fn lend(&self, remaining: Duration) -> Result<Lent, Error>;
}

impl Resolved {
    /// Credentials that stay as they are.
    pub(super) fn lasting(source: Source, credentials: Arc<Credentials>, identity: IdentityKey) -> Self {
        Self {
            source,
            credentials,
            identity,
            session: None,
            expires: None,
            skipped: Vec::new(),
            lender: None,
        }
    }

    /// Credentials that end.
    pub(super) fn lent(
        source: Source,
        session: Option<RoleSession>,
        lender: Arc<dyn Lender>,
        remaining: Duration,
    ) -> Result<Self, Error> {
        let lent = lender.lend(remaining)?;
        Ok(Self {
            source,
            credentials: lent.credentials,
            identity: lent.identity,
            session,
            expires: Some(lent.expires),
            skipped: Vec::new(),
            lender: Some(lender),
        })
    }

    /// Fresh credentials of the same source, if `error` says that the cloud no longer knows these; `None` if it
    /// says anything else, or if they are a pair that cannot be renewed. The refused ones are forgotten for all,
    /// and asked for anew once, however many Mounts hold them. To be called once for a call.
    ///
    /// # Errors
    /// There are none to be had.
    pub fn renewed_after(&self, error: &cloud::Error, remaining: Duration) -> Option<Result<Self, Error>> {
        let lender = self.lender.as_ref()?;
        if !error.is_about_ended(&self.credentials) {
            return None;
        }
        log::info!(
            "{}: temporary credentials are refused, and renewed: {error}",
            self.source
        );
        lender.kept().forget(&self.credentials);
        let fresh = Self::lent(self.source, self.session.clone(), Arc::clone(lender), remaining);
        Some(fresh.map(|fresh| Self {
            skipped: self.skipped.clone(),
            ..fresh
        }))
    }
}

impl fmt::Display for Resolved {
    /// `source, role … session …; skipped …`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.source.fmt(f)?;
        if let Some(session) = &self.session {
            write!(f, ", {session}")?;
        }
        write!(f, "{}", Skips(&self.skipped))
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
