//! A role of another account on top of any identity: `crossAccountRoleArn` of an object.

use std::sync::Arc;
use std::time::Duration;

use super::kept::{Kept, Lent};
use super::key::{Identity, IdentityKey};
use super::sessions::{RoleSession, Sessions};
use super::table::Table;
use super::{Error, Lender, Resolved, Source};
use crate::metrics;
use crate::params::{CrossAccount, Pod};

/// The roles that were assumed, by whom.
pub struct CrossAccounts {
    sessions: Arc<Sessions>,
    kept: Table<IdentityKey, Kept>,
}

impl CrossAccounts {
    /// None yet.
    pub fn new(sessions: Arc<Sessions>) -> Self {
        Self {
            kept: Table::new(Arc::clone(&sessions.clock)),
            sessions,
        }
    }

    pub(super) fn sessions(&self) -> &Sessions {
        &self.sessions
    }

    /// The role, assumed by `base` for a pod.
    pub(super) fn resolve(
        &self,
        base: &Resolved,
        wanted: &CrossAccount,
        pod: &Pod,
        remaining: Duration,
    ) -> Result<Resolved, Error> {
        let known = !pod.namespace.is_empty() && !pod.service_account.is_empty();
        let asking = known.then_some((pod.namespace.as_str(), pod.service_account.as_str()));
        let session = RoleSession {
            role_arn: wanted.role_arn.as_str().to_owned(),
            session_name: self.sessions.name(asking),
        };
        let external_id = wanted.external_id.as_ref().map(|id| id.as_str().to_owned());
        let identity: IdentityKey = Identity::Assumed {
            base: base.identity.clone(),
            role_arn: session.role_arn.clone(),
            session_name: session.session_name.clone(),
            external_id: external_id.clone(),
        }
        .into();
        let kept = self
            .kept
            .get(&identity, || Kept::new(Arc::clone(&self.sessions.clock)));
        let lender = CrossLender {
            sessions: Arc::clone(&self.sessions),
            kept,
            base: base.clone(),
            session: session.clone(),
            external_id,
            identity,
        };
        Resolved::lent(Source::CrossAccount, Some(session), Arc::new(lender), remaining)
    }
}

/// The credentials of one role, and who assumes it.
struct CrossLender {
    sessions: Arc<Sessions>,
    kept: Arc<Kept>,
    base: Resolved,
    session: RoleSession,
    external_id: Option<String>,
    identity: IdentityKey,
}

impl Lender for CrossLender {
    fn kept(&self) -> &Kept {
        &self.kept
    }

    fn lend(&self, remaining: Duration) -> Result<Lent, Error> {
        let metrics = self.sessions.api.metrics();
        self.kept
            .get_counted(metrics, metrics::Identity::CrossAccount, || {
                let external_id = self.external_id.as_deref();
                let temporary =
                    self.sessions
                        .with_identity(&self.base, &self.session, external_id, remaining)?;
                Ok(Lent::new(temporary, self.identity.clone()))
            })
    }

    fn identity(&self) -> Option<IdentityKey> {
        Some(self.identity.clone())
    }
}

impl std::fmt::Debug for CrossAccounts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("CrossAccounts(…)")
    }
}
