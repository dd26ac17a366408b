//! What the server counts about itself.

use crate::grpc::Code;
pub use crate::metrics::Counter;

/// Numbers since the start, for metrics. Reading them takes no lock.
#[derive(Debug, Default)]
pub struct Counters {
    /// Connections accepted.
    pub connections: Counter,
    /// Connections closed at once because there were too many.
    pub connections_refused: Counter,
    /// Connections without calls closed to make room for others.
    pub connections_displaced: Counter,
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
    /// Times that the socket was bound again because its path was gone.
    pub socket_removed: Counter,
    /// Times that the socket was bound again because the process that had its path no longer accepted connections.
    pub socket_refused: Counter,
    answers: [Counter; Code::ALL.len()],
}

impl Counters {
    /// Mounts that were answered with `code`.
    pub fn answered(&self, code: Code) -> &Counter {
        // A code's number is its place, so the first is never given for another.
        let [first, ..] = &self.answers;
        self.answers.get(usize::from(code.number())).unwrap_or(first)
    }
}
