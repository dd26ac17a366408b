//! Temporary credentials, kept until shortly before they end.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::error::Error;
use super::identity_key::IdentityKey;
use crate::clock::Clock;
use crate::cloud::Credentials;
use crate::cloud::sts::Temporary;
use crate::limits;
use crate::sync::SingleFlight;

/// One identity's temporary credentials. When they must be renewed, the first caller renews them. The others use the
/// old ones while they are valid, or wait for the outcome: one call per lifetime.
pub(super) struct CredentialCache {
    clock: Arc<dyn Clock>,
    state: Mutex<State>,
    renewal: SingleFlight<Lease, Error>,
}

#[derive(Default)]
struct State {
    lease: Option<Lease>,
    /// When a renewal failed since.
    failed: Option<Instant>,
}

/// Credentials on loan: whose they are, and until when.
#[derive(Clone)]
pub(super) struct Lease {
    pub(super) credentials: Arc<Credentials>,
    pub(super) identity: IdentityKey,
    pub(super) expires: jiff::Timestamp,
    /// Whether new ones were refused just now.
    pub(super) is_refused: bool,
}

impl Lease {
    pub(super) fn new(temporary: Temporary, identity: IdentityKey) -> Self {
        Self {
            credentials: Arc::new(temporary.credentials),
            identity,
            expires: temporary.expires,
            is_refused: false,
        }
    }
}

impl CredentialCache {
    pub(super) fn new(clock: Arc<dyn Clock>) -> Self {
        Self {
            clock,
            state: Mutex::default(),
            renewal: SingleFlight::default(),
        }
    }

    /// The cached credentials, or those that `renew` gives within its time limit. That is half of what remains
    /// while the old ones are valid, so that an STS that hangs leaves time to use them. A failed renewal is an error
    /// only once the old ones have ended; those who waited for it get the same error if STS was out of reach, rather
    /// than trying one by one.
    pub(super) fn get(
        &self,
        remaining: Duration,
        renew: impl FnOnce(Duration) -> Result<Lease, Error>,
    ) -> Result<Lease, Error> {
        let renew = |time| {
            let renewed = renew(time);
            let mut state = self.state();
            match &renewed {
                Ok(lease) => {
                    state.lease = Some(lease.clone());
                    state.failed = None;
                }
                Err(_) => state.failed = Some(self.clock.now()),
            }
            renewed
        };
        // Another caller may have renewed them since.
        let is_fresh = |_: &Lease| !self.is_due();
        let valid = match self.look() {
            (Some(valid), false) => return Ok(valid),
            (Some(valid), true) => valid,
            (None, _) => return self.renewal.put(is_fresh, Error::is_outage, || renew(remaining)),
        };
        match self.renewal.try_put(is_fresh, |_| false, || renew(remaining / 2)) {
            None => Ok(valid),
            Some(Ok(renewed)) => Ok(renewed),
            Some(Err(error)) => {
                log::warn!("credentials were not renewed, and are used until they end: {error}");
                Ok(Lease {
                    is_refused: !error.is_outage(),
                    ..valid
                })
            }
        }
    }

    /// Forgets `refused`, if they are what is cached: the next caller renews. Fresh ones, which another caller got
    /// in the meantime, stay.
    pub(super) fn forget(&self, refused: &Arc<Credentials>) -> Option<Lease> {
        let is_refused = |lease: &mut Lease| Arc::ptr_eq(&lease.credentials, refused);
        self.state().lease.take_if(is_refused)
    }

    /// Keeps what was forgotten after all, unless another caller got fresh ones in the meantime.
    pub(super) fn restore(&self, forgotten: Lease) {
        self.state().lease.get_or_insert(forgotten);
    }

    /// Whether getting them takes a renewal.
    pub(super) fn is_due(&self) -> bool {
        self.look().1
    }

    /// The credentials if they are still valid, and whether it is time to renew them.
    fn look(&self) -> (Option<Lease>, bool) {
        let state = self.state();
        let Some(lease) = &state.lease else {
            return (None, true);
        };
        let now = self.clock.wall().as_second();
        let left = lease.expires.as_second().saturating_sub(now);
        let is_pausing = state.failed.is_some_and(|at| {
            self.clock.now().saturating_duration_since(at) < limits::CREDENTIAL_RETRY_PAUSE
        });
        let is_due = left <= 0 || (left <= limits::CREDENTIAL_RENEWAL_SECONDS && !is_pausing);
        ((left > 0).then(|| lease.clone()), is_due)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};
    use std::sync::{Barrier, mpsc};

    use super::*;
    use crate::auth::Source;
    use crate::clock::SystemClock;
    use crate::cloud;
    use crate::secret::Secret;

    struct Seconds(Instant, AtomicI64);

    impl Seconds {
        fn start() -> Arc<Self> {
            Arc::new(Self(SystemClock.now(), AtomicI64::new(0)))
        }
    }

    impl Clock for Seconds {
        fn now(&self) -> Instant {
            self.0 + Duration::from_secs(self.1.load(Ordering::SeqCst).unsigned_abs())
        }

        fn wall(&self) -> jiff::Timestamp {
            jiff::Timestamp::from_second(self.1.load(Ordering::SeqCst)).expect("a time")
        }
    }

    fn ending_at(second: i64, id: &str) -> Lease {
        let credentials = Credentials {
            access_key_id: id.to_owned(),
            access_key_secret: Secret::default(),
            security_token: None,
        };
        let temporary = Temporary {
            credentials,
            expires: jiff::Timestamp::from_second(second).expect("a time"),
        };
        Lease::new(temporary, IdentityKey::new(Source::WorkerRole, []))
    }

    fn outage() -> Error {
        Error::Role {
            session: crate::auth::RoleSession {
                role_arn: String::new(),
                session_name: String::new(),
            },
            error: Box::new(cloud::Error::Http(crate::http::Error {
                kind: crate::http::ErrorKind::Connect,
                host: String::new(),
                proxy: None,
                detail: String::new(),
            })),
            sts: String::new(),
            federated: None,
        }
    }

    fn id(result: Result<Lease, Error>) -> Result<String, Error> {
        result.map(|it| it.credentials.access_key_id.clone())
    }

    const LONG: Duration = Duration::from_secs(60);

    fn unasked(_: Duration) -> Result<Lease, Error> {
        panic!("unexpected request")
    }

    #[test]
    fn renewed_before_the_end_and_cache_when_that_fails() {
        let clock = Seconds::start();
        let cache = CredentialCache::new(Arc::clone(&clock) as Arc<dyn Clock>);
        let at = |second| clock.1.store(second, Ordering::SeqCst);
        let (margin, pause) = (limits::CREDENTIAL_RENEWAL_SECONDS, 10);

        assert_eq!(
            id(cache.get(LONG, |_| Err(Error::NoSource))),
            Err(Error::NoSource)
        );
        assert_eq!(
            id(cache.get(LONG, |_| Ok(ending_at(3600, "a")))),
            Ok("a".to_owned())
        );
        at(3600 - margin - 1);
        assert_eq!(id(cache.get(LONG, unasked)), Ok("a".to_owned()));
        at(3600 - margin);
        assert_eq!(
            id(cache.get(LONG, |_| Err(outage()))),
            Ok("a".to_owned()),
            "still valid"
        );
        at(3600 - margin + pause - 1);
        assert_eq!(
            id(cache.get(LONG, unasked)),
            Ok("a".to_owned()),
            "not asked again at once"
        );
        at(3600 - margin + pause);
        assert_eq!(
            id(cache.get(LONG, |_| Err(outage()))),
            Ok("a".to_owned()),
            "but soon"
        );
        at(3600);
        assert_eq!(id(cache.get(LONG, |_| Err(outage()))), Err(outage()), "ended");
        assert_eq!(
            id(cache.get(LONG, |_| Ok(ending_at(7200, "b")))),
            Ok("b".to_owned())
        );
    }

    #[test]
    fn a_renewal_leaves_time_for_those_that_are_valid() {
        let clock = Seconds::start();
        let cache = CredentialCache::new(Arc::clone(&clock) as Arc<dyn Clock>);
        let asked = |end| {
            let mut given = Duration::ZERO;
            let renewed = cache.get(LONG, |time| {
                given = time;
                Ok(ending_at(end, "a"))
            });
            renewed.map(|_| given)
        };
        let soon = limits::CREDENTIAL_RENEWAL_SECONDS;
        assert_eq!(asked(soon), Ok(LONG), "there are none");
        assert_eq!(asked(soon), Ok(LONG / 2), "valid, but near their end");
        clock.1.store(soon, Ordering::SeqCst);
        assert_eq!(asked(3600), Ok(LONG), "they have ended");
    }

    #[test]
    fn only_the_refused_ones_are_forgotten() {
        let cache = CredentialCache::new(Seconds::start());
        let old = cache.get(LONG, |_| Ok(ending_at(3600, "a"))).expect("a");
        cache.forget(&old.credentials);
        let new = cache.get(LONG, |_| Ok(ending_at(3600, "b"))).expect("b");
        assert_eq!(new.credentials.access_key_id, "b");
        cache.forget(&old.credentials);
        let same = cache.get(LONG, unasked).expect("b again");
        assert!(Arc::ptr_eq(&new.credentials, &same.credentials));
    }

    /// Many ask at once: one renews, the others wait for it. `outcome` is what that one gets.
    fn many(
        cache: &CredentialCache,
        outcome: impl Fn() -> Result<Lease, Error> + Sync,
    ) -> (usize, Vec<Result<String, Error>>) {
        const MANY: usize = 16;
        let calls = AtomicUsize::new(0);
        let waiting = Barrier::new(MANY);
        let (sender, results) = mpsc::channel();
        std::thread::scope(|scope| {
            for _ in 0..MANY {
                let sender = sender.clone();
                scope.spawn(|| {
                    let sender = sender;
                    waiting.wait();
                    let result = cache.get(LONG, |_| {
                        calls.fetch_add(1, Ordering::SeqCst);
                        // Long enough for the others to come; if they do not, nothing is tested but nothing fails.
                        std::thread::sleep(Duration::from_millis(50));
                        outcome()
                    });
                    sender.send(id(result)).expect("result");
                });
            }
        });
        drop(sender);
        (calls.into_inner(), results.iter().collect())
    }

    #[test]
    fn one_call_for_many_who_ask_at_once() {
        let cache = CredentialCache::new(Seconds::start());
        let (calls, results) = many(&cache, || Ok(ending_at(3600, "a")));
        assert_eq!(calls, 1);
        assert!(
            results.iter().all(|result| *result == Ok("a".to_owned())),
            "{results:?}"
        );
    }

    #[test]
    fn an_outage_is_found_out_once() {
        let cache = CredentialCache::new(Seconds::start());
        let (calls, results) = many(&cache, || Err(outage()));
        assert!(calls < results.len(), "{calls} calls");
        assert!(
            results.iter().all(|result| *result == Err(outage())),
            "{results:?}"
        );
    }
}
