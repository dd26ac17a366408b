//! Limits on frames that are cheap for a client to send (RFC 9113, section 10.5).

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

    /// Counts a frame that makes no progress.
    pub(super) fn control_frame(&mut self, now: Instant) -> Result<(), Error> {
        let taken = self.control_frames.take(control_frames(), now);
        taken.map_err(|_next| excessive_load("too many frames without progress"))
    }

    /// Counts a stream that ends by the client's RST_STREAM or because of a client error.
    pub(super) fn reset(&mut self, now: Instant) -> Result<(), Error> {
        let taken = self.resets.take(resets(), now);
        taken.map_err(|_next| excessive_load("too many streams reset"))
    }

    /// Allows more control frames, because a request began or content moved in either direction.
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
