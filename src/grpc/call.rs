//! What a running call knows about its caller: until when it waits, whether it still does, and how much memory the
//! call has taken.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::status::{Code, Status};
use crate::clock::Clock;
use crate::limits;
use crate::sync::Cancellation;
use crate::sync::memory_budget::{Budget, Exhausted, Share};

/// One call, as its handler sees it.
#[derive(Clone, Debug)]
pub struct Call {
    /// When the answer must have left: the caller's own deadline less a margin, never later than our own cap.
    pub deadline: Instant,
    /// Set when the caller reset the stream, closed the connection, or the server gives up on the call.
    pub cancellation: Cancellation,
    account: Option<Account>,
}

/// The call's part of the memory budget; given back when the last clone of the call is gone.
#[derive(Clone)]
struct Account {
    budget: Budget,
    clock: Arc<dyn Clock>,
    share: Arc<Mutex<Share>>,
}

impl Call {
    /// A call that no memory budget bounds, as tests and tools want it.
    pub fn new(deadline: Instant, cancellation: Cancellation) -> Self {
        Self {
            deadline,
            cancellation,
            account: None,
        }
    }

    /// A call that already holds `share`, for its request, and takes more out of `budget` as it needs.
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

    /// Takes `bytes` out of the memory budget before the handler allocates them: for values, for copies, for the
    /// encoded response. Waits until the deadline; the status says what to do when there is no room. What was
    /// taken goes back when the call ends.
    pub fn reserve(&self, bytes: usize) -> Result<(), Status> {
        self.reserve_before(bytes, Duration::ZERO)
    }

    /// The same, but waits only until `margin` before the deadline.
    ///
    /// Who needs nearly the whole budget gets somewhat less: calls hold their requests while they wait in line, so that
    /// the whole would never be free, and everybody behind would wait for nothing.
    pub fn reserve_before(&self, bytes: usize, margin: Duration) -> Result<(), Status> {
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

    /// Gives `less` bytes of what was reserved back, and reserves `bytes` instead, waiting until `until` at the latest. Who
    /// holds little while it waits is in nobody's way.
    pub fn exchange(&self, less: usize, bytes: usize, until: Instant) -> Result<(), Status> {
        if let Some(account) = &self.account {
            let surplus = account.lock().split(less);
            drop(surplus);
        }
        let margin = self.deadline.saturating_duration_since(until);
        self.reserve_before(bytes, margin)
    }

    /// The share that a response of `bytes` takes until it has been sent. It comes out of what the call has
    /// reserved, and is taken anew as far as that does not suffice.
    pub fn settle(&self, bytes: usize) -> Result<Option<Share>, Status> {
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

impl From<Exhausted> for Status {
    /// INTERNAL, for kubelet must take it as final; RESOURCE_EXHAUSTED it would not.
    fn from(exhausted: Exhausted) -> Self {
        Self::new(Code::Internal, exhausted.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::SystemClock;

    /// A volume of full size in the least budget, beside its own request and that of another call that waits behind it.
    #[test]
    fn nobody_waits_for_what_requests_hold() {
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
            Call::with_budget(soon, Cancellation::new(), budget.clone(), share, clock)
        };
        let (first, second) = (call(150), call(50));
        first.reserve(1_600).expect("the first");
        assert_eq!(budget.used(), 150 + 50 + 1_200);
        drop(first);
        second.reserve(1_600).expect("the second");
        let too_large = second.reserve(1_601).expect_err("more than there is");
        assert!(
            too_large.message.contains("1601 bytes do not fit"),
            "{too_large:?}"
        );
    }
}
