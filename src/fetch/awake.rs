//! Detects that the machine was suspended. The monotonic clock, which measures the ages of copies, stops meanwhile.

use std::time::Instant;

use jiff::{SignedDuration, Timestamp};

use crate::limits;

/// Both clocks at the last check.
#[derive(Debug)]
pub(super) struct Awake {
    now: Instant,
    wall: Timestamp,
}

impl Awake {
    pub(super) const fn new(now: Instant, wall: Timestamp) -> Self {
        Self { now, wall }
    }

    /// Whether more time has passed by the wall clock than by the monotonic one since the last check. The cause may
    /// also be a clock that was set forward.
    pub(super) fn has_slept(&mut self, now: Instant, wall: Timestamp) -> bool {
        let awake = now.saturating_duration_since(self.now);
        let in_all = wall.duration_since(self.wall);
        *self = Self::new(now, wall);
        in_all > SignedDuration::try_from(awake.saturating_add(limits::SLEEP)).unwrap_or(SignedDuration::MAX)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::clock::{Clock as _, SystemClock};

    #[test]
    fn more_time_than_there_was() {
        let start = SystemClock.now();
        let limit = i64::try_from(limits::SLEEP.as_secs()).expect("small");
        let mut awake = Awake::new(start, Timestamp::UNIX_EPOCH);
        for (monotonic, wall, has_slept) in [
            (0, 0, false),
            (100, 100, false),
            (100, 100 + limit, false),
            (100, 101 + 2 * limit, true),
            (100, 101 + 2 * limit, false),
            (7_000, 7_001 + 2 * limit, false),
            (7_001, 0, false), // set back
            (7_002, 90_000, true),
        ] {
            let now = start + Duration::from_secs(monotonic);
            let wall = Timestamp::from_second(wall).expect("a time");
            assert_eq!(awake.has_slept(now, wall), has_slept, "{monotonic} {wall}");
        }
    }
}
