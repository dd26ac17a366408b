//! The server's counters.

use crate::grpc::Code;
pub use crate::metrics::Counter;

/// Counts since the start, for metrics. Reading takes no lock.
#[derive(Debug, Default)]
pub struct Counters {
    /// Connections accepted.
    pub connections: Counter,
    /// Connections refused because the limit was reached and all had calls.
    pub connections_refused: Counter,
    /// Idle connections closed to make room for new ones.
    pub connections_displaced: Counter,
    /// Connections closed because of a protocol error of the peer.
    pub connection_errors: Counter,
    /// Mounts that were submitted to the workers.
    pub mounts: Counter,
    /// Mounts rejected because all workers were busy and the queue was full.
    pub mounts_overloaded: Counter,
    /// Mounts that timed out.
    pub mounts_timed_out: Counter,
    /// Mounts cancelled by the caller.
    pub mounts_cancelled: Counter,
    /// Mounts whose handler panicked.
    pub panics: Counter,
    /// Answers whose code was replaced because kubelet would not treat it as final; each is a defect of the handler.
    pub codes_replaced: Counter,
    /// Rebinds of the socket because its path was removed.
    pub socket_removed: Counter,
    /// Rebinds of the socket because the process that had taken its path no longer accepted connections.
    pub socket_refused: Counter,
    answers: [Counter; Code::ALL.len()],
}

impl Counters {
    /// Mounts answered with `code`.
    pub fn answered(&self, code: Code) -> &Counter {
        // A code's number is its index, so the fallback is never used.
        let [first, ..] = &self.answers;
        self.answers.get(usize::from(code.number())).unwrap_or(first)
    }
}
