//! A call with all its attempts, and which calls of a key can be joined.

use std::time::Instant;

use super::exchange::{Domain, FlightId, PartyId};
use crate::params::Service;

/// One call, and the mounts that wait for it.
pub(super) struct Flight<D: Domain> {
    pub(super) service: Service,
    pub(super) key: D::Key,
    pub(super) job: D::Job,
    /// The mount in whose queue it waits; that mount may have left.
    pub(super) home: PartyId,
    /// The waiting mounts, each with its slot.
    pub(super) waiters: Vec<(PartyId, usize)>,
    /// A mount of an unknown volume waits or has waited.
    pub(super) is_first: bool,
    /// Attempts so far.
    pub(super) attempts: u32,
    pub(super) state: State,
    /// Why the last attempt failed.
    pub(super) last_error: Option<D::Error>,
}

/// State of a call.
#[derive(Clone, Copy, Debug)]
pub(super) enum State {
    /// It waits in the queue.
    Queued,
    /// It waits for its next attempt.
    Paused { until: Instant },
    /// It is under way, and ends by the latest deadline of the mounts that waited when it was sent. Its result is not
    /// kept if it is overruled: meanwhile the cloud has refused the same value, or a call sent later has returned it.
    Sent {
        at: Instant,
        until: Instant,
        is_overruled: bool,
        /// No mount waits for it, so it is being ended.
        is_deserted: bool,
    },
}

/// The calls of one key that can be joined.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Open {
    /// The call whose next attempt has not been sent.
    pub(super) unsent: Option<FlightId>,
    /// The call that was sent last.
    pub(super) sent: Option<FlightId>,
}

impl Open {
    pub(super) fn sent(&mut self, id: FlightId) {
        if self.unsent == Some(id) {
            self.unsent = None;
        }
        self.sent = Some(id);
    }

    /// Removes a call; true if none is left.
    pub(super) fn ended(&mut self, id: FlightId) -> bool {
        for open in [&mut self.unsent, &mut self.sent] {
            if *open == Some(id) {
                *open = None;
            }
        }
        self.unsent.is_none() && self.sent.is_none()
    }
}
