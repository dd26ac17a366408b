//! Cancellation of a call, for the code that works or waits for it.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A flag with many watchers, set once.
#[derive(Clone, Default)]
pub struct Cancellation(Arc<Inner>);

#[derive(Default)]
struct Inner {
    cancelled: AtomicBool,
    wake: Mutex<Vec<Box<dyn FnOnce() + Send>>>,
}

impl Cancellation {
    /// A flag that is not set.
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether the caller has gone.
    pub fn is_cancelled(&self) -> bool {
        self.0.cancelled.load(Ordering::Acquire)
    }

    /// Sets the flag and runs the registered callbacks. Later calls do nothing.
    pub fn cancel(&self) {
        if self.0.cancelled.swap(true, Ordering::AcqRel) {
            return;
        }
        let wake = std::mem::take(&mut *self.wake());
        for wake in wake {
            wake();
        }
    }

    /// Runs `wake` when the flag is set, at once if it already is. `wake` must be short: it runs on the thread
    /// that cancels.
    pub fn on_cancel(&self, wake: impl FnOnce() + Send + 'static) {
        let mut waiting = self.wake();
        if self.is_cancelled() {
            drop(waiting);
            wake();
        } else {
            waiting.push(Box::new(wake));
        }
    }

    fn wake(&self) -> MutexGuard<'_, Vec<Box<dyn FnOnce() + Send>>> {
        self.0.wake.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Cancellation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Cancellation").field(&self.is_cancelled()).finish()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use super::*;

    #[test]
    fn wakes_once_before_and_after() {
        let woken = Arc::new(AtomicUsize::new(0));
        let count = |woken: &Arc<AtomicUsize>| {
            let woken = Arc::clone(woken);
            move || {
                woken.fetch_add(1, Ordering::SeqCst);
            }
        };
        let cancellation = Cancellation::new();
        cancellation.on_cancel(count(&woken));
        assert!(!cancellation.is_cancelled());
        assert_eq!(woken.load(Ordering::SeqCst), 0);
        cancellation.clone().cancel();
        cancellation.cancel();
        assert!(cancellation.is_cancelled());
        assert_eq!(woken.load(Ordering::SeqCst), 1);
        cancellation.on_cancel(count(&woken));
        assert_eq!(woken.load(Ordering::SeqCst), 2);
    }
}
