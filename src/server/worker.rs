//! One mount on a worker: decode, run the handler, pass the result to the connection.

use std::panic::{self, AssertUnwindSafe};
use std::sync::Arc;

use prost::Message as _;

use super::counters::Counters;
use super::pool::Task;
use super::service::{Response, Service};
use crate::grpc::proto::MountRequest;
use crate::grpc::{Code, Status};
use crate::secret::Secret;
use crate::sync::CallContext;
use crate::sync::memory_budget::Exhausted;

/// A mount on its way through the pool.
pub(super) struct Job {
    pub(super) service: Arc<dyn Service>,
    pub(super) counters: Arc<Counters>,
    pub(super) request: Secret,
    pub(super) call: CallContext,
    /// Takes the answer.
    pub(super) finish: Box<dyn FnOnce(Response) + Send>,
}

impl Task for Job {
    fn is_dead(&self) -> bool {
        self.call.cancellation.is_cancelled()
    }

    fn run(self) {
        if self.is_dead() {
            return; // cancelled, or timed out, while it was queued
        }
        let Self {
            service,
            counters,
            request,
            call,
            finish,
        } = self;
        let decoded = decode(&request);
        drop(request);
        let result = decoded.and_then(|request| {
            // A panic in a handler does not affect other calls: shared state is behind poison-tolerant locks, and
            // the handler's own state is dropped.
            let handled = panic::catch_unwind(AssertUnwindSafe(|| service.mount(request, &call)));
            let response = handled.unwrap_or_else(|_payload| Err(panicked(&counters)))?;
            let share = call.settle(response.len())?;
            Ok((response, share))
        });
        drop(call);
        finish(result);
    }
}

impl From<Exhausted> for Status {
    /// INTERNAL, because kubelet treats it as final; it would retry RESOURCE_EXHAUSTED.
    fn from(exhausted: Exhausted) -> Self {
        Self::new(Code::Internal, exhausted.to_string())
    }
}

fn decode(request: &Secret) -> Result<MountRequest, Status> {
    MountRequest::decode(request.expose())
        .map_err(|error| Status::new(Code::Internal, format!("cannot decode the MountRequest: {error}")))
}

/// The payload of the panic is neither logged nor sent: it may quote what the handler worked on.
fn panicked(counters: &Counters) -> Status {
    counters.panics.increment();
    log::error!("defect: a mount panicked; it was answered with INTERNAL and no other mount is affected");
    Status::new(
        Code::Internal,
        "internal error: the provider has a defect; its log shows where it panicked",
    )
}
