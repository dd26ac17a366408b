//! Roles of other accounts on top of any identity: `crossAccountRoleArn` of an object.
//!
//! The roles of one Mount are assumed side by side: the Mount's own thread takes one after the other, and so do as many
//! helpers as the process has to spare. Without any the Mount goes on alone, so nobody waits for a thread.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use super::kept::{Kept, Lent};
use super::key::{Identity, IdentityKey};
use super::sessions::{RoleSession, Sessions};
use super::table::Table;
use super::{Error, Lender, Resolved, Source};
use crate::limits;
use crate::metrics;
use crate::params::{CrossAccount, Pod};

/// The roles that were assumed, by whom.
pub struct CrossAccounts {
    sessions: Arc<Sessions>,
    kept: Table<IdentityKey, Kept>,
    /// Helpers that may be started yet.
    spare: AtomicUsize,
}

impl CrossAccounts {
    /// None yet.
    pub fn new(sessions: Arc<Sessions>) -> Self {
        Self {
            kept: Table::new(Arc::clone(&sessions.clock)),
            sessions,
            spare: AtomicUsize::new(limits::ROLE_HELPERS),
        }
    }

    pub(super) fn sessions(&self) -> &Sessions {
        &self.sessions
    }

    /// The roles, each assumed by `base` for a pod, in the order of `wanted`.
    pub(super) fn resolve(
        &self,
        base: &Resolved,
        wanted: &[&CrossAccount],
        pod: &Pod,
        remaining: &(dyn Fn() -> Duration + Sync),
    ) -> Vec<Result<Resolved, Error>> {
        let lenders: Vec<Arc<CrossLender>> = wanted
            .iter()
            .map(|wanted| Arc::new(self.lender(base, wanted, pod)))
            .collect();
        let calls = lenders.iter().filter(|lender| lender.kept.is_due()).count();
        let helpers = Helpers::take(&self.spare, calls.saturating_sub(1));
        let next = AtomicUsize::new(0);
        let results = Mutex::new(BTreeMap::new());
        let work = || {
            loop {
                let at = next.fetch_add(1, Ordering::Relaxed);
                let Some(lender) = lenders.get(at) else { return };
                let session = Some(lender.session.clone());
                let lender = Arc::clone(lender) as Arc<dyn Lender>;
                let result = Resolved::lent(Source::CrossAccount, session, lender, remaining());
                results
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .insert(at, result);
            }
        };
        thread::scope(|scope| {
            for _ in 0..helpers.count {
                let builder = thread::Builder::new().name("assume".to_owned());
                let spawned = builder.stack_size(limits::PULLER_STACK).spawn_scoped(scope, work);
                if let Err(error) = spawned {
                    log::warn!("cannot start a thread: {error}; roles are assumed one after the other");
                    break;
                }
            }
            work();
        });
        let results = results.into_inner().unwrap_or_else(PoisonError::into_inner);
        results.into_values().collect()
    }

    fn lender(&self, base: &Resolved, wanted: &CrossAccount, pod: &Pod) -> CrossLender {
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
        CrossLender {
            sessions: Arc::clone(&self.sessions),
            kept,
            base: base.clone(),
            session,
            external_id,
            identity,
        }
    }
}

/// Helpers, out of those that the process has to spare; given back on drop.
struct Helpers<'a> {
    spare: &'a AtomicUsize,
    count: usize,
}

impl<'a> Helpers<'a> {
    /// As many as are wanted and there.
    fn take(spare: &'a AtomicUsize, wanted: usize) -> Self {
        let taken = spare.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |there| {
            Some(there.saturating_sub(wanted))
        });
        let there = taken.unwrap_or_default();
        Self {
            spare,
            count: wanted.min(there),
        }
    }
}

impl Drop for Helpers<'_> {
    fn drop(&mut self) {
        self.spare.fetch_add(self.count, Ordering::Relaxed);
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
            .get_counted(metrics, metrics::Identity::CrossAccount, remaining, |remaining| {
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
