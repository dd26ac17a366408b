//! Temporary credentials, kept until shortly before they end.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError, TryLockError};

use super::key::IdentityKey;

use crate::clock::Clock;
use crate::cloud::Credentials;
use crate::cloud::sts::Temporary;
use crate::limits;
use crate::metrics::{self, Metrics};

/// One identity's temporary credentials. Whoever comes first when they are due renews them, while others go on
/// with those that are still valid, or wait for the outcome if there are none: one life is one call.
pub(super) struct Kept {
    clock: Arc<dyn Clock>,
    now: Mutex<Option<Lent>>,
    renewing: Mutex<()>,
}

/// Credentials on loan: whose they are, and until when.
#[derive(Clone, Debug)]
pub(super) struct Lent {
    pub(super) credentials: Arc<Credentials>,
    pub(super) identity: IdentityKey,
    pub(super) expires: jiff::Timestamp,
}

impl Lent {
    pub(super) fn new(temporary: Temporary, identity: IdentityKey) -> Self {
        Self {
            credentials: Arc::new(temporary.credentials),
            identity,
            expires: temporary.expires,
        }
    }
}

impl Kept {
    pub(super) fn new(clock: Arc<dyn Clock>) -> Self {
        Self {
            clock,
            now: Mutex::new(None),
            renewing: Mutex::new(()),
        }
    }

    /// As [`Kept::get`], with each renewal counted.
    pub(super) fn get_counted<E>(
        &self,
        metrics: &Metrics,
        identity: metrics::Identity,
        renew: impl FnOnce() -> Result<Lent, E>,
    ) -> Result<Lent, E> {
        self.get(|| {
            let renewed = renew();
            match &renewed {
                Ok(lent) => metrics.credentials_renewed(identity, lent.expires.as_second()),
                Err(_) => metrics.credentials_not_renewed(identity),
            }
            renewed
        })
    }

    /// The kept credentials, or those that `renew` gives. A failed renewal is an error only once the old ones have
    /// ended.
    pub(super) fn get<E>(&self, renew: impl FnOnce() -> Result<Lent, E>) -> Result<Lent, E> {
        let (mut valid, due) = self.look();
        if let (Some(lent), false) = (&valid, due) {
            return Ok(lent.clone());
        }
        let _renewing = match (self.renewing.try_lock(), &valid) {
            (Ok(guard), _) => guard,
            (Err(TryLockError::Poisoned(poisoned)), _) => poisoned.into_inner(),
            (Err(TryLockError::WouldBlock), Some(lent)) => return Ok(lent.clone()),
            (Err(TryLockError::WouldBlock), None) => {
                let guard = self.renewing.lock().unwrap_or_else(PoisonError::into_inner);
                let (renewed, due) = self.look();
                if let (Some(lent), false) = (&renewed, due) {
                    return Ok(lent.clone());
                }
                valid = renewed;
                guard
            }
        };
        match renew() {
            Ok(lent) => {
                let mut now = self.now.lock().unwrap_or_else(PoisonError::into_inner);
                *now = Some(lent.clone());
                Ok(lent)
            }
            Err(error) => match valid {
                Some(lent) => {
                    log::warn!("credentials were not renewed and are used until they end");
                    Ok(lent)
                }
                None => Err(error),
            },
        }
    }

    /// Forgets `refused`, if they are what is kept: whoever comes next renews. Fresh ones, which somebody else got
    /// in the meantime, stay.
    pub(super) fn forget(&self, refused: &Arc<Credentials>) {
        let mut now = self.now.lock().unwrap_or_else(PoisonError::into_inner);
        if now
            .as_ref()
            .is_some_and(|lent| Arc::ptr_eq(&lent.credentials, refused))
        {
            *now = None;
        }
    }

    /// The credentials if they are still valid, and whether it is time to renew them.
    fn look(&self) -> (Option<Lent>, bool) {
        let kept = self.now.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(lent) = &*kept else {
            return (None, true);
        };
        let left = lent
            .expires
            .as_second()
            .saturating_sub(self.clock.wall().as_second());
        (
            (left > 0).then(|| lent.clone()),
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
    use crate::auth::key::Identity;
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

    fn ending_at(second: i64, id: &str) -> Lent {
        let credentials = Credentials {
            access_key_id: id.to_owned(),
            access_key_secret: Secret::default(),
            security_token: None,
        };
        let temporary = Temporary {
            credentials,
            expires: jiff::Timestamp::from_second(second).expect("a time"),
        };
        let role = String::new();
        Lent::new(temporary, Identity::Worker { role }.into())
    }

    #[test]
    fn renewed_before_the_end_and_kept_when_that_fails() {
        let clock = Arc::new(Seconds::default());
        let kept = Kept::new(Arc::clone(&clock) as Arc<dyn Clock>);
        let id = |result: Result<Lent, &'static str>| result.map(|it| it.credentials.access_key_id.clone());
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
    #[test]
    fn only_the_refused_ones_are_forgotten() {
        let kept = Kept::new(Arc::new(Seconds::default()));
        let old = kept.get(|| Ok::<_, ()>(ending_at(3600, "a"))).expect("a");
        kept.forget(&old.credentials);
        let new = kept.get(|| Ok::<_, ()>(ending_at(3600, "b"))).expect("b");
        assert_eq!(new.credentials.access_key_id, "b");
        kept.forget(&old.credentials);
        let same = kept.get(|| Err("not asked")).expect("b again");
        assert!(Arc::ptr_eq(&new.credentials, &same.credentials));
    }
}
