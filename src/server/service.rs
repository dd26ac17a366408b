//! What is served, and within which bounds.

use crate::grpc::{Status, proto};
use crate::limits;
use crate::secret::Secret;
use crate::sync::CallContext;
use crate::sync::memory_budget::Share;

/// What is served.
pub trait Service: Send + Sync + 'static {
    /// Who we are. Must answer at once: it runs on the thread that reads the connection.
    fn version(&self) -> proto::VersionResponse;

    /// Fills one volume; runs on a worker. Returns the encoded `MountResponse`, whose bytes it should have taken
    /// out of the memory budget before ([`CallContext::reserve`]).
    fn mount(&self, request: proto::MountRequest, call: &CallContext) -> Result<Secret, Status>;
}

/// What comes of a Mount: the encoded response, with its share of the memory budget until it is sent.
pub(super) type Response = Result<(Secret, Option<Share>), Status>;

/// How large the server may get.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// Mounts that run at the same time.
    pub workers: usize,
    /// Mounts that wait for a worker.
    pub queue: usize,
    /// Bytes that requests, fetched values, copies and responses may take together.
    pub memory_budget: usize,
    /// Connections at once, beside those that have been told to go.
    pub connections: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            workers: limits::WORKERS,
            queue: limits::QUEUED_MOUNTS,
            memory_budget: limits::MEMORY_BUDGET_BYTES,
            connections: limits::CONNECTIONS,
        }
    }
}
