//! What a connection remembers of its calls.

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
    /// Octets of requests that are held without a share of the memory budget.
    pub(super) uncovered: usize,
    /// Calls that wait for a share.
    pub(super) waiting: usize,
    /// When a request last arrived in full or an answer left; `None` as long as neither has happened.
    pub(super) served: Option<Instant>,
    /// When it was told to go to make room for another.
    pub(super) told_to_go: Option<Instant>,
    /// What is to be done outside of the connection's lock.
    pub(crate) effects: Effects,
    pub(super) is_dismissed: bool,
    pub(super) is_closed: bool,
}

/// What the caller of a [`Session`] has to do once the connection's lock is free.
#[derive(Default)]
pub(crate) struct Effects {
    /// Mounts to run.
    pub(crate) mounts: Vec<Mount>,
    /// Calls whose handlers need not go on.
    pub(crate) cancelled: Vec<Cancellation>,
}

/// A Mount that has arrived in full.
pub(crate) struct Mount {
    pub(crate) stream: StreamId,
    pub(crate) request: Secret,
    pub(crate) call: CallContext,
}

pub(super) struct Call {
    pub(super) phase: Phase,
    pub(super) deadlines: Deadlines,
    /// When the phase is over at the latest.
    pub(super) timer: Option<Instant>,
}

pub(super) enum Phase {
    ReadingRequest(Reading),
    Refused {
        refusal: Refusal,
        is_head: bool,
        /// Octets of the body that were thrown away.
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

/// A request on its way in.
pub(super) struct Reading {
    pub(super) method: Method,
    pub(super) body: Reader,
    /// Octets that the flow-control windows do not have back yet.
    pub(super) held: usize,
    pub(super) memory: Memory,
    /// The whole has arrived, and only memory is missing.
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

    /// Gives what is held of a request back. Returns whether the request was complete.
    pub(super) fn release(&mut self, stream: StreamId, reading: &Reading) -> bool {
        self.uncovered -= reading.held;
        self.waiting -= usize::from(matches!(reading.memory, Memory::Waiting(_)));
        self.h2.release(stream, reading.held);
        reading.is_complete
    }
}
