//! Permits: how many pulls of one service are under way at once, over all Mounts.

use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use super::Error;
use crate::clock::Clock;
use crate::grpc::Call;

/// A counting semaphore whose waiters give up at their deadline or when their caller leaves.
pub(super) struct Permits {
    free: Mutex<usize>,
    freed: Condvar,
}

/// One permit, given back on drop.
pub(super) struct Permit<'a>(&'a Permits);

impl Permits {
    pub(super) fn new(count: usize) -> Self {
        Self {
            free: Mutex::new(count),
            freed: Condvar::new(),
        }
    }

    pub(super) fn acquire<'a>(
        self: &'a Arc<Self>,
        call: &Call,
        clock: &dyn Clock,
    ) -> Result<Permit<'a>, Error> {
        let wake = Arc::clone(self);
        let mut woken_by_cancel = false;
        let mut free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if call.cancellation.is_cancelled() {
                return Err(Error::Cancelled);
            }
            if let Some(left) = free.checked_sub(1) {
                *free = left;
                return Ok(Permit(self));
            }
            if !woken_by_cancel {
                woken_by_cancel = true;
                let wake = Arc::clone(&wake);
                drop(free);
                call.cancellation.on_cancel(move || wake.wake_all());
                free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
                continue;
            }
            let left = call.deadline.saturating_duration_since(clock.now());
            if left.is_zero() {
                return Err(Error::Waited {
                    what: "other pulls of this service",
                });
            }
            free = self
                .freed
                .wait_timeout(free, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
    }

    /// Taking the lock first makes sure that no waiter is between its check and its wait.
    fn wake_all(&self) {
        drop(self.free.lock().unwrap_or_else(PoisonError::into_inner));
        self.freed.notify_all();
    }
}

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        *self.0.free.lock().unwrap_or_else(PoisonError::into_inner) += 1;
        // All, since the one that is woken may be about to give up.
        self.0.freed.notify_all();
    }
}

/// Sleeps, unless the caller leaves first.
pub(super) fn sleep(call: &Call, clock: &dyn Clock, pause: Duration) -> Result<(), Error> {
    let gone = Arc::new((Mutex::new(()), Condvar::new()));
    let wake = Arc::clone(&gone);
    call.cancellation.on_cancel(move || {
        drop(wake.0.lock().unwrap_or_else(PoisonError::into_inner));
        wake.1.notify_all();
    });
    let until = clock.now() + pause;
    let mut guard = gone.0.lock().unwrap_or_else(PoisonError::into_inner);
    loop {
        if call.cancellation.is_cancelled() {
            return Err(Error::Cancelled);
        }
        let left = until.saturating_duration_since(clock.now());
        if left.is_zero() {
            return Ok(());
        }
        guard = gone
            .1
            .wait_timeout(guard, left)
            .unwrap_or_else(PoisonError::into_inner)
            .0;
    }
}
