//! A counting semaphore. Waiting for a permit is bounded by a timeout.

use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

/// A number of permits.
pub struct Semaphore {
    total: usize,
    taken: Mutex<usize>,
    released: Condvar,
}

impl Semaphore {
    /// A semaphore with `total` permits, all free.
    pub fn new(total: usize) -> Arc<Self> {
        Arc::new(Self {
            total,
            taken: Mutex::new(0),
            released: Condvar::new(),
        })
    }

    /// A permit that is free now or becomes free within `timeout`.
    pub fn acquire(self: &Arc<Self>, timeout: Duration) -> Option<Permit> {
        let taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let (mut taken, _) = self
            .released
            .wait_timeout_while(taken, timeout, |taken| *taken >= self.total)
            .unwrap_or_else(PoisonError::into_inner);
        if *taken >= self.total {
            return None;
        }
        *taken += 1;
        Some(Permit(Arc::clone(self)))
    }
}

/// A permit, until it is dropped.
pub struct Permit(Arc<Semaphore>);

impl Drop for Permit {
    fn drop(&mut self) {
        *self.0.taken.lock().unwrap_or_else(PoisonError::into_inner) -= 1;
        self.0.released.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    #[test]
    fn grants_no_more_permits_than_it_has() {
        let semaphore = Semaphore::new(2);
        let moment = Duration::from_millis(1);
        let (one, two) = (semaphore.acquire(moment), semaphore.acquire(moment));
        assert!(one.is_some() && two.is_some());
        assert!(semaphore.acquire(moment).is_none());
        thread::scope(|scope| {
            let waiting = scope.spawn(|| semaphore.acquire(Duration::from_secs(60)).is_some());
            drop(one);
            assert!(waiting.join().expect("no panic"));
        });
    }
}
