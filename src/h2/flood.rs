//! Bounds on frames that cost a client next to nothing (RFC 9113, section 10.5).

use std::time::Instant;

use super::error::{Error, excessive_load};
use crate::limits;
use crate::sync::{Rate, TokenBucket};

/// What a client may still send without making progress.
pub(super) struct FloodLimits {
    control_frames: TokenBucket,
    resets: TokenBucket,
}

impl FloodLimits {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            control_frames: TokenBucket::new(control_frames().burst, now),
            resets: TokenBucket::new(resets().burst, now),
        }
    }

    /// The client sent a frame that makes no progress.
    pub(super) fn control_frame(&mut self, now: Instant) -> Result<(), Error> {
        let taken = self.control_frames.take(control_frames(), now);
        taken.map_err(|_next| excessive_load("too many frames without progress"))
    }

    /// A stream ends by RST_STREAM of the client, or for a mistake of the client.
    pub(super) fn reset(&mut self, now: Instant) -> Result<(), Error> {
        let taken = self.resets.take(resets(), now);
        taken.map_err(|_next| excessive_load("too many streams reset"))
    }

    /// A request began, or content moved in either direction: the client may send more control frames.
    pub(super) fn progress(&mut self) {
        let tokens = f64::from(limits::CONTROL_FRAMES_PER_PROGRESS);
        self.control_frames.give(tokens, control_frames().burst);
    }
}

fn control_frames() -> Rate {
    Rate {
        per_second: f64::from(limits::CONTROL_FRAMES_PER_SECOND),
        burst: f64::from(limits::CONTROL_FRAMES_BURST),
    }
}

fn resets() -> Rate {
    Rate {
        per_second: f64::from(limits::RESETS_PER_SECOND),
        burst: f64::from(limits::RESETS_BURST),
    }
}
