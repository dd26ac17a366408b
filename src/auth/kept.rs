//! Temporary credentials, kept until shortly before they end.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError, TryLockError};

use crate::clock::Clock;
use crate::cloud::Credentials;
use crate::cloud::sts::Temporary;
use crate::limits;

/// One identity's temporary credentials. Whoever comes first when they are due renews them, while others go on
/// with those that are still valid, or wait for the outcome if there are none: one life is one call.
pub(super) struct Kept {
    clock: Arc<dyn Clock>,
    now: Mutex<Option<(Arc<Credentials>, jiff::Timestamp)>>,
    renewing: Mutex<()>,
}

impl Kept {
    pub(super) fn new(clock: Arc<dyn Clock>) -> Self {
        Self {
            clock,
            now: Mutex::new(None),
            renewing: Mutex::new(()),
        }
    }

    /// The kept credentials, or those that `renew` gives. A failed renewal is an error only once the old ones have
    /// ended.
    pub(super) fn get<E>(&self, renew: impl FnOnce() -> Result<Temporary, E>) -> Result<Arc<Credentials>, E> {
        let (mut valid, due) = self.look();
        if let (Some(credentials), false) = (&valid, due) {
            return Ok(Arc::clone(credentials));
        }
        let _renewing = match (self.renewing.try_lock(), &valid) {
            (Ok(guard), _) => guard,
            (Err(TryLockError::Poisoned(poisoned)), _) => poisoned.into_inner(),
            (Err(TryLockError::WouldBlock), Some(credentials)) => return Ok(Arc::clone(credentials)),
            (Err(TryLockError::WouldBlock), None) => {
                let guard = self.renewing.lock().unwrap_or_else(PoisonError::into_inner);
                let (renewed, due) = self.look();
                if let (Some(credentials), false) = (&renewed, due) {
                    return Ok(Arc::clone(credentials));
                }
                valid = renewed;
                guard
            }
        };
        match renew() {
            Ok(Temporary { credentials, expires }) => {
                let credentials = Arc::new(credentials);
                let mut now = self.now.lock().unwrap_or_else(PoisonError::into_inner);
                *now = Some((Arc::clone(&credentials), expires));
                Ok(credentials)
            }
            Err(error) => match valid {
                Some(credentials) => {
                    log::warn!("credentials were not renewed and are used until they end");
                    Ok(credentials)
                }
                None => Err(error),
            },
        }
    }

    /// The credentials if they are still valid, and whether it is time to renew them.
    fn look(&self) -> (Option<Arc<Credentials>>, bool) {
        let kept = self.now.lock().unwrap_or_else(PoisonError::into_inner);
        let Some((credentials, expires)) = &*kept else {
            return (None, true);
        };
        let left = expires.as_second().saturating_sub(self.clock.wall().as_second());
        (
            (left > 0).then(|| Arc::clone(credentials)),
            left <= limits::CREDENTIAL_RENEWAL_SECONDS,
        )
    }
}

impl fmt::Debug for Kept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Kept(…)")
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicI64, Ordering};
    use std::time::Instant;

    use super::*;
    use crate::secret::Secret;

    #[derive(Default)]
    struct Seconds(AtomicI64);

    impl Clock for Seconds {
        fn now(&self) -> Instant {
            unreachable!("credentials end by wall-clock time")
        }

        fn wall(&self) -> jiff::Timestamp {
            jiff::Timestamp::from_second(self.0.load(Ordering::SeqCst)).expect("a time")
        }
    }

    fn ending_at(second: i64, id: &str) -> Temporary {
        let credentials = Credentials {
            access_key_id: id.to_owned(),
            access_key_secret: Secret::default(),
            security_token: None,
        };
        Temporary {
            credentials,
            expires: jiff::Timestamp::from_second(second).expect("a time"),
        }
    }

    #[test]
    fn renewed_before_the_end_and_kept_when_that_fails() {
        let clock = Arc::new(Seconds::default());
        let kept = Kept::new(Arc::clone(&clock) as Arc<dyn Clock>);
        let id = |result: Result<Arc<Credentials>, &'static str>| result.map(|it| it.access_key_id.clone());
        let at = |second| clock.0.store(second, Ordering::SeqCst);
        let margin = limits::CREDENTIAL_RENEWAL_SECONDS;

        assert_eq!(id(kept.get(|| Err("first"))), Err("first"));
        assert_eq!(id(kept.get(|| Ok(ending_at(3600, "a")))), Ok("a".to_owned()));
        at(3600 - margin - 1);
        assert_eq!(id(kept.get(|| Err("not asked"))), Ok("a".to_owned()));
        at(3600 - margin);
        assert_eq!(id(kept.get(|| Err("outage"))), Ok("a".to_owned()), "still valid");
        at(3600);
        assert_eq!(id(kept.get(|| Err("outage"))), Err("outage"), "ended");
        assert_eq!(id(kept.get(|| Ok(ending_at(7200, "b")))), Ok("b".to_owned()));
    }
}
