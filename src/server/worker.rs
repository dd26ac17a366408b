//! One Mount on a worker: decode, run the handler, hand the result to the connection.

use std::panic::{self, AssertUnwindSafe};
use std::sync::Arc;

use prost::Message as _;

use super::Server;
use super::connection::Connection;
use super::pool::Task;
use super::session::Mount;
use crate::grpc::proto::MountRequest;
use crate::grpc::{Code, Status};
use crate::secret::Secret;
use crate::sync::memory_budget::{Exhausted, Share};

/// A Mount on its way through the pool.
pub(super) struct Job {
    connection: Arc<Connection>,
    mount: Mount,
}

impl Job {
    pub(super) fn new(connection: Arc<Connection>, mount: Mount) -> Self {
        Self { connection, mount }
    }

    /// Answers in place of the handler.
    pub(super) fn fail(self, status: Status) {
        self.connection.finish_mount(self.mount.stream, Err(status));
    }
}

impl Task for Job {
    fn is_dead(&self) -> bool {
        self.mount.call.cancellation.is_cancelled()
    }

    fn run(self) {
        if self.is_dead() {
            return; // cancelled, or answered for lack of time, while it was queued
        }
        let Self {
            connection,
            mount:
                Mount {
                    stream,
                    request,
                    call,
                },
        } = self;
        let server = connection.server();
        let decoded = decode(&request);
        drop(request);
        let result = decoded.and_then(|request| {
            // A handler that panics leaves nothing behind that another call would see: each locks what it shares
            // through poison-tolerant locks, and its own state dies with it.
            let handled = panic::catch_unwind(AssertUnwindSafe(|| server.service.mount(request, &call)));
            let response = handled.unwrap_or_else(|_payload| Err(panicked(server)))?;
            let share: Option<Share> = call.settle(response.len())?;
            Ok((response, share))
        });
        drop(call);
        connection.finish_mount(stream, result);
    }
}

impl From<Exhausted> for Status {
    /// INTERNAL, because kubelet takes it as final; RESOURCE_EXHAUSTED it would retry.
    fn from(exhausted: Exhausted) -> Self {
        Self::new(Code::Internal, exhausted.to_string())
    }
}

fn decode(request: &Secret) -> Result<MountRequest, Status> {
    MountRequest::decode(request.expose())
        .map_err(|error| Status::new(Code::Internal, format!("cannot decode the MountRequest: {error}")))
}

/// The payload of the panic is neither logged nor sent: it may quote what the handler worked on.
fn panicked(server: &Server) -> Status {
    server.counters.panics.increment();
    log::error!("defect: a Mount panicked; it was answered with INTERNAL and no other is affected");
    Status::new(
        Code::Internal,
        "internal error: the provider has a defect; its log shows where it panicked",
    )
}
