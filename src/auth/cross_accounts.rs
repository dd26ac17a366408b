//! Roles of other accounts on top of any identity: `crossAccountRoleArn` of an object.
//!
//! The roles of one mount are assumed side by side: the mount's own thread takes one after the other, and so do as many
//! helpers as the process has to spare. Without any the mount goes on alone, so no mount waits for a thread.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use super::error::Error;
use super::identity::ResolvedIdentity;
use super::sessions::Sessions;
use super::source::Source;
use crate::limits;
use crate::params::{CrossAccount, Pod};
use crate::sync::Semaphore;

/// Assumes roles.
pub struct CrossAccounts {
    sessions: Arc<Sessions>,
    helpers: Arc<Semaphore>,
}

impl CrossAccounts {
    /// None yet.
    pub fn new(sessions: Arc<Sessions>) -> Self {
        Self {
            sessions,
            helpers: Semaphore::new(limits::ROLE_HELPERS),
        }
    }

    pub(super) fn sessions(&self) -> &Arc<Sessions> {
        &self.sessions
    }

    /// The roles, each assumed once by `base` for a pod.
    pub(super) fn resolve<'a>(
        &self,
        base: &ResolvedIdentity,
        wanted: impl Iterator<Item = &'a CrossAccount>,
        pod: &Pod,
        remaining: &(dyn Fn() -> Duration + Sync),
    ) -> HashMap<&'a CrossAccount, Result<ResolvedIdentity, Error>> {
        let mut sources = Vec::new();
        for wanted in wanted {
            if sources.iter().any(|(known, _)| *known == wanted) {
                continue;
            }
            let session = self
                .sessions
                .session(wanted.role_arn.as_str().to_owned(), Some(pod));
            let external_id = wanted.external_id.as_ref().map(|id| id.as_str().to_owned());
            let source = base
                .clone()
                .assuming(Source::CrossAccount, session, external_id, &self.sessions);
            sources.push((wanted, source));
        }
        let calls = sources.iter().filter(|(_, source)| source.is_due()).count();
        let next = AtomicUsize::new(0);
        let results = Mutex::new(HashMap::new());
        let work = || {
            loop {
                let at = next.fetch_add(1, Ordering::Relaxed);
                let Some((wanted, source)) = sources.get(at) else {
                    return;
                };
                let result = source.resolve(remaining());
                let mut results = results.lock().unwrap_or_else(PoisonError::into_inner);
                results.insert(*wanted, result);
            }
        };
        thread::scope(|scope| {
            for _ in 1..calls {
                let Some(permit) = self.helpers.acquire(Duration::ZERO) else {
                    break;
                };
                let builder = thread::Builder::new().name("assume".to_owned());
                let helper = move || {
                    work();
                    drop(permit);
                };
                if let Err(error) = builder
                    .stack_size(limits::PULLER_STACK)
                    .spawn_scoped(scope, helper)
                {
                    log::warn!("cannot start a thread: {error}; roles are assumed one after the other");
                    break;
                }
            }
            work();
        });
        results.into_inner().unwrap_or_else(PoisonError::into_inner)
    }
}
