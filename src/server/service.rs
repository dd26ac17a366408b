//! The service that a server runs, and its bounds.

use crate::grpc::{Status, proto};
use crate::limits;
use crate::secret::Secret;
use crate::sync::CallContext;
use crate::sync::memory_budget::Share;

/// The provider's implementation of the contract.
pub trait Service: Send + Sync + 'static {
    /// Name and version. Must answer at once, because it runs on the thread that reads the connection.
    fn version(&self) -> proto::VersionResponse;

    /// Fills one volume; runs on a worker. Returns the encoded `MountResponse`, whose bytes it should have reserved
    /// in the memory budget ([`CallContext::reserve`]).
    fn mount(&self, request: proto::MountRequest, call: &CallContext) -> Result<Secret, Status>;
}

/// The result of a mount: the encoded response, with its share of the memory budget until it is sent.
pub(super) type Response = Result<(Secret, Option<Share>), Status>;

/// Bounds of the server.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// Mounts that run at the same time.
    pub workers: usize,
    /// Mounts waiting for a worker.
    pub queue: usize,
    /// Memory budget for requests, fetched values, copies and responses, in bytes.
    pub memory_budget: usize,
    /// Connections at once, not counting those being closed.
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
