//! Bounds on frames that cost a client next to nothing (RFC 9113, section 10.5).

use std::time::Instant;

use super::error::{Error, excessive_load};
use crate::limits;
use crate::sync::{Rate, TokenBucket};

/// What a client may still send without making progress.
pub(super) struct FloodLimits {
    control_frames: Limit,
    resets: Limit,
}

struct Limit {
    bucket: TokenBucket,
    rate: Rate,
}

impl FloodLimits {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            control_frames: Limit::new(
                limits::CONTROL_FRAMES_BURST,
                limits::CONTROL_FRAMES_PER_SECOND,
                now,
            ),
            resets: Limit::new(limits::RESETS_BURST, limits::RESETS_PER_SECOND, now),
        }
    }

    /// The client sent a frame that makes no progress.
    pub(super) fn control_frame(&mut self, now: Instant) -> Result<(), Error> {
        self.control_frames.take(now, "too many frames without progress")
    }

    /// A stream ends by RST_STREAM of the client, or for a mistake of the client.
    pub(super) fn reset(&mut self, now: Instant) -> Result<(), Error> {
        self.resets.take(now, "too many streams reset")
    }

    /// A request began, or content moved in either direction: the client may send more control frames.
    pub(super) fn progress(&mut self) {
        let Limit { bucket, rate } = &mut self.control_frames;
        bucket.give(f64::from(limits::CONTROL_FRAMES_PER_PROGRESS), rate.burst);
    }
}

impl Limit {
    fn new(burst: u32, per_second: u32, now: Instant) -> Self {
        let rate = Rate {
            per_second: f64::from(per_second),
            burst: f64::from(burst),
        };
        Self {
            bucket: TokenBucket::new(rate.burst, now),
            rate,
        }
    }

    fn take(&mut self, now: Instant, what: &'static str) -> Result<(), Error> {
        self.bucket
            .take(self.rate, now)
            .map_err(|_next| excessive_load(what))
    }
}
