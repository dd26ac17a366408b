//! The context of a running call: its deadline, its cancellation, and its share of the memory budget.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::cancellation::Cancellation;
use super::memory_budget::{Budget, Exhausted, Share};
use crate::clock::Clock;
use crate::limits;

/// A call, as its handler sees it. Clones are the same call.
#[derive(Clone, Debug)]
pub struct CallContext {
    /// When the answer must have been sent: the caller's deadline less a margin, at most our own limit.
    pub deadline: Instant,
    /// Set when the caller resets the stream or closes the connection, or the server gives up on the call.
    pub cancellation: Cancellation,
    account: Option<Account>,
}

/// The call's share of the memory budget; returned when the last clone of the call is dropped.
#[derive(Clone)]
struct Account {
    budget: Budget,
    clock: Arc<dyn Clock>,
    share: Arc<Mutex<Share>>,
}

impl CallContext {
    /// A call without a memory budget, for tests and tools.
    pub fn new(deadline: Instant, cancellation: Cancellation) -> Self {
        Self {
            deadline,
            cancellation,
            account: None,
        }
    }

    /// A call that already holds `share`, for its request, and takes more from `budget` as needed.
    pub fn with_budget(
        deadline: Instant,
        cancellation: Cancellation,
        budget: Budget,
        share: Share,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let account = Account {
            budget,
            clock,
            share: Arc::new(Mutex::new(share)),
        };
        Self {
            deadline,
            cancellation,
            account: Some(account),
        }
    }

    /// Takes `bytes` from the memory budget before the handler allocates them for values, copies or the encoded
    /// response. Waits until the deadline. They are returned when the call ends.
    pub fn reserve(&self, bytes: usize) -> Result<(), Exhausted> {
        self.reserve_before(bytes, Duration::ZERO)
    }

    /// Like [`CallContext::reserve`], but waits only until `margin` before the deadline.
    ///
    /// A call that needs nearly the whole budget gets somewhat less: waiting calls hold their requests, so the whole
    /// budget is never free, and every call behind this one would wait in vain.
    pub fn reserve_before(&self, bytes: usize, margin: Duration) -> Result<(), Exhausted> {
        if let Some(account) = &self.account {
            let total = account.budget.total();
            let most = total - total / limits::REQUESTS_BUDGET_DIVISOR;
            let bytes = if bytes > total { bytes } else { bytes.min(most) };
            let until = self.deadline.checked_sub(margin).unwrap_or(self.deadline);
            let share = account
                .budget
                .acquire(bytes, until, &self.cancellation, &*account.clock)?;
            account.lock().merge(share);
        }
        Ok(())
    }

    /// Returns `less` bytes of what was reserved, then reserves `bytes`, waiting until `until` at the latest. A call
    /// that holds little while it waits leaves memory to others.
    pub fn exchange(&self, less: usize, bytes: usize, until: Instant) -> Result<(), Exhausted> {
        if let Some(account) = &self.account {
            let surplus = account.lock().split(less);
            drop(surplus);
        }
        let margin = self.deadline.saturating_duration_since(until);
        self.reserve_before(bytes, margin)
    }

    /// The share for a response of `bytes` until it has been sent: from what the call has reserved, the rest from the
    /// budget.
    pub fn settle(&self, bytes: usize) -> Result<Option<Share>, Exhausted> {
        let Some(account) = &self.account else {
            return Ok(None);
        };
        let reserved = account.lock().bytes();
        if reserved < bytes {
            self.reserve(bytes - reserved)?;
        }
        Ok(Some(account.lock().split(bytes)))
    }
}

impl Account {
    fn lock(&self) -> MutexGuard<'_, Share> {
        self.share.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Account").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::SystemClock;

    /// A full-size volume in the smallest budget, beside its own request and that of another waiting call.
    #[test]
    fn a_call_never_waits_for_memory_that_requests_hold() {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let soon = clock.now() + Duration::from_secs(1);
        let budget = Budget::new(1_600);
        let call = |request| {
            let share = budget
                .request(request, || ())
                .expect("room")
                .take()
                .expect("at once");
            let clock = Arc::clone(&clock);
            CallContext::with_budget(soon, Cancellation::new(), budget.clone(), share, clock)
        };
        let (first, second) = (call(150), call(50));
        first.reserve(1_600).expect("the first");
        assert_eq!(budget.used(), 150 + 50 + 1_200);
        drop(first);
        second.reserve(1_600).expect("the second");
        let too_large = second.reserve(1_601).expect_err("more than there is");
        assert!(
            too_large.to_string().contains("1601 bytes do not fit"),
            "{too_large:?}"
        );
    }
}
