//! A flag that one thread sleeps on and others raise. Its lock protects nothing else, so it may be raised while any
//! other lock is held.

use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

#[derive(Default)]
pub(crate) struct Signal {
    is_raised: Mutex<bool>,
    condition: Condvar,
}

impl Signal {
    /// Wakes the sleeper, now or when it next wants to sleep.
    pub(super) fn raise(&self) {
        *self.is_raised.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.condition.notify_one();
    }

    /// Sleeps until the flag is raised or `timeout` has passed, and lowers the flag.
    pub(super) fn wait(&self, timeout: Option<Duration>) {
        let mut is_raised = self.is_raised.lock().unwrap_or_else(PoisonError::into_inner);
        is_raised = match timeout {
            None => self
                .condition
                .wait_while(is_raised, |raised| !*raised)
                .unwrap_or_else(PoisonError::into_inner),
            Some(timeout) => {
                let waited = self
                    .condition
                    .wait_timeout_while(is_raised, timeout, |raised| !*raised);
                waited.unwrap_or_else(PoisonError::into_inner).0
            }
        };
        *is_raised = false;
    }
}
