//! State of a connection's calls.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use crate::grpc::message::Reader;
use crate::grpc::request::{Method, Refusal};
use crate::grpc::timeout::Deadlines;
use crate::h2::{Connection, StreamId};
use crate::secret::Secret;
use crate::server::shared::Server;
use crate::server::signal::Signal;
use crate::sync::memory_budget::{self, Share};
use crate::sync::{CallContext, Cancellation};

/// One connection's calls. See the [module](super).
pub(crate) struct Session {
    pub(crate) h2: Connection,
    pub(super) server: Arc<Server>,
    pub(super) signal: Arc<Signal>,
    pub(super) calls: BTreeMap<StreamId, Call>,
    /// Octets of requests that are held outside the memory budget.
    pub(super) uncovered: usize,
    /// Calls waiting for a share.
    pub(super) waiting: usize,
    /// When a request last arrived in full or an answer left; `None` if neither has happened.
    pub(super) served: Option<Instant>,
    /// When it began to close to make room for another.
    pub(super) told_to_go: Option<Instant>,
    /// Work to do after the connection's lock is released.
    pub(crate) effects: Effects,
    pub(super) is_dismissed: bool,
    pub(super) is_closed: bool,
}

/// Work for the caller of a [`Session`] after it releases the connection's lock.
#[derive(Default)]
pub(crate) struct Effects {
    /// Mounts to run.
    pub(crate) mounts: Vec<Mount>,
    /// Calls whose handlers should stop.
    pub(crate) cancelled: Vec<Cancellation>,
}

/// A mount whose request is complete.
pub(crate) struct Mount {
    pub(crate) stream: StreamId,
    pub(crate) request: Secret,
    pub(crate) call: CallContext,
}

pub(super) struct Call {
    pub(super) phase: Phase,
    pub(super) deadlines: Deadlines,
    /// The phase's deadline.
    pub(super) timer: Option<Instant>,
}

pub(super) enum Phase {
    ReadingRequest(Reading),
    Refused {
        refusal: Refusal,
        is_head: bool,
        /// Discarded octets of the body.
        dropped: usize,
    },
    Running {
        cancellation: Cancellation,
    },
    Watching,
    SendingAnswer {
        share: Option<Share>,
    },
}

/// A request that is being received.
pub(super) struct Reading {
    pub(super) method: Method,
    pub(super) body: Reader,
    /// Octets that are not yet released to the flow-control windows.
    pub(super) held: usize,
    pub(super) memory: Memory,
    /// Whether the request is complete and only waits for memory.
    pub(super) is_complete: bool,
}

/// Whether the memory budget covers a request.
pub(super) enum Memory {
    NotRequested,
    Waiting(memory_budget::Request),
    Reserved(Share),
}

impl Session {
    pub(super) fn phase(&mut self, stream: StreamId) -> Option<&mut Phase> {
        self.calls.get_mut(&stream).map(|call| &mut call.phase)
    }

    pub(super) fn streams(&self, wanted: impl Fn(&Phase) -> bool) -> Vec<StreamId> {
        let calls = self.calls.iter().filter(|(_, call)| wanted(&call.phase));
        calls.map(|(stream, _)| *stream).collect()
    }

    /// Releases what is held of a request. Returns whether the request was complete.
    pub(super) fn release(&mut self, stream: StreamId, reading: &Reading) -> bool {
        self.uncovered -= reading.held;
        self.waiting -= usize::from(matches!(reading.memory, Memory::Waiting(_)));
        self.h2.release(stream, reading.held);
        reading.is_complete
    }
}
