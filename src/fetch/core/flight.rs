//! A call through all of its tries, and which calls of a key can be joined.

use std::time::Instant;

use super::exchange::{Domain, FlightId, PartyId};
use crate::params::Service;

/// One call, and who waits for it.
pub(super) struct Flight<D: Domain> {
    pub(super) service: Service,
    pub(super) key: D::Key,
    pub(super) job: D::Job,
    /// The Mount in whose turn it waits; that Mount may have left.
    pub(super) home: PartyId,
    /// The Mounts that wait, each with its slot.
    pub(super) waiters: Vec<(PartyId, usize)>,
    /// A Mount of a volume that is not known waits, or has waited.
    pub(super) is_first: bool,
    /// Tries so far.
    pub(super) attempts: u32,
    pub(super) state: State,
    /// Why the last try failed.
    pub(super) last_error: Option<D::Error>,
}

/// Where a call is.
#[derive(Clone, Copy, Debug)]
pub(super) enum State {
    /// It waits for its turn.
    Queued,
    /// It waits for its next try.
    Paused { until: Instant },
    /// It is under way, and ends by when the last of those gives up who waited when it was sent. What it brings is
    /// not kept if it is overruled: meanwhile the cloud has refused the same value, or a call that was sent later has
    /// brought it.
    Sent {
        at: Instant,
        until: Instant,
        is_overruled: bool,
    },
}

/// The calls of one key that can be joined.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Open {
    /// One whose next try has not been sent.
    pub(super) unsent: Option<FlightId>,
    /// The one that was sent last.
    pub(super) sent: Option<FlightId>,
}

impl Open {
    pub(super) fn sent(&mut self, id: FlightId) {
        if self.unsent == Some(id) {
            self.unsent = None;
        }
        self.sent = Some(id);
    }

    /// Takes out a call; true if none is left.
    pub(super) fn ended(&mut self, id: FlightId) -> bool {
        for open in [&mut self.unsent, &mut self.sent] {
            if *open == Some(id) {
                *open = None;
            }
        }
        self.unsent.is_none() && self.sent.is_none()
    }
}
