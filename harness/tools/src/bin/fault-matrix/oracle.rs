//! What must come of a Mount that meets a fault while values are kept for outages: docs/refresh.md, "Through an outage".

use harness::Service;

use crate::call::Call;
use crate::cell::Phase;
use crate::fault::{Column, Meaning};
use crate::world::{Generations, Outcome};

/// Both values have been read as of generation [`OLD`], and are [`NEW`] in the cloud since.
pub(crate) const OLD: &str = "one";
pub(crate) const NEW: &str = "two";
/// What they become while the call is under way, in columns that rotate them.
pub(crate) const NEWEST: &str = "three";

/// What a Mount must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Due {
    /// What the cloud holds; of what a rotation overtakes, the one or the other.
    Read,
    /// These: what is kept for what the cloud does not give, and what it holds for the rest.
    Served(Generations),
    /// A failure of the whole.
    Failure,
}

/// What a Mount must be that meets this.
pub(crate) fn due(call: &Call, column: &Column, phase: Phase) -> Due {
    match column.meaning {
        Meaning::Harmless => Due::Read,
        Meaning::Definite => Due::Failure,
        Meaning::Outage if call.tells_who_asks || phase == Phase::Over => Due::Failure,
        Meaning::Outage => Due::Served(match call.service {
            Service::Kms => Generations { kms: OLD, oos: NEW },
            Service::Oos => Generations { kms: NEW, oos: OLD },
            // Nothing is read without credentials.
            _ => Generations::both(OLD),
        }),
    }
}

impl Due {
    pub(crate) fn is_met_by(self, outcome: &Outcome) -> bool {
        match (self, outcome) {
            (Self::Read, Outcome::Files(seen)) => [seen.kms, seen.oos]
                .iter()
                .all(|seen| [NEW, NEWEST].contains(seen)),
            (Self::Served(expected), Outcome::Files(seen)) => *seen == expected,
            (Self::Failure, Outcome::Failed(_)) => true,
            _ => false,
        }
    }
}

/// Whether what the call has refused ends what is kept: it is a value, or the credentials that values were read with.
pub(crate) fn ends_what_is_kept(call: &Call) -> bool {
    matches!(call.service, Service::Kms | Service::Oos | Service::Sts)
}
