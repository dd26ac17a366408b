//! What the server counts about itself.

use std::sync::atomic::{AtomicU64, Ordering};

/// Numbers since the start, for metrics. Reading them takes no lock.
#[derive(Debug, Default)]
pub struct Counters {
    /// Connections accepted.
    pub connections: Counter,
    /// Connections closed at once because there were too many.
    pub connections_refused: Counter,
    /// Connections ended for an error of the peer.
    pub connection_errors: Counter,
    /// Mounts that were handed to a worker or queued for one.
    pub mounts: Counter,
    /// Mounts answered with a status because no worker and no place in the queue was free.
    pub mounts_overloaded: Counter,
    /// Mounts answered in the handler's place because it overran its deadline.
    pub mounts_timed_out: Counter,
    /// Mounts that the caller gave up.
    pub mounts_cancelled: Counter,
    /// Mounts whose handler panicked.
    pub panics: Counter,
    /// Answers whose status code kubelet would not take for final; each is a defect of the handler.
    pub codes_replaced: Counter,
}

/// One number.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// The number.
    pub fn value(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    pub(super) fn increment(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}
