//! A bound on how often something may happen: a bucket that empties with each event and fills with time.

use std::time::Instant;

/// Holds up to `capacity` events and regains `per_second` of them each second.
pub(super) struct Bucket {
    left: u32,
    capacity: u32,
    per_second: u32,
    filled: Instant,
}

impl Bucket {
    pub(super) fn new(capacity: u32, per_second: u32, now: Instant) -> Self {
        Self {
            left: capacity,
            capacity,
            per_second,
            filled: now,
        }
    }

    /// One event. False if the bucket is empty.
    #[must_use]
    pub(super) fn take(&mut self, now: Instant) -> bool {
        if self.left == 0 {
            // Only asked when it matters: most connections never get here.
            let elapsed = now.saturating_duration_since(self.filled).as_millis();
            let gained = elapsed.saturating_mul(u128::from(self.per_second)) / 1000;
            if gained > 0 {
                self.give(u32::try_from(gained).unwrap_or(u32::MAX));
                self.filled = now;
            }
        }
        match self.left.checked_sub(1) {
            Some(left) => {
                self.left = left;
                true
            }
            None => false,
        }
    }

    /// The peer did something useful, which pays for `events` more.
    pub(super) fn give(&mut self, events: u32) {
        self.left = self.left.saturating_add(events).min(self.capacity);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::clock::{Clock, SystemClock};

    #[test]
    fn empties_and_fills_with_time_up_to_its_capacity() {
        let start = SystemClock.now();
        let mut bucket = Bucket::new(3, 2, start);
        let taken = |bucket: &mut Bucket, now| (0..10).take_while(|_| bucket.take(now)).count();
        assert_eq!(taken(&mut bucket, start), 3);
        assert_eq!(taken(&mut bucket, start + Duration::from_millis(400)), 0);
        assert_eq!(taken(&mut bucket, start + Duration::from_millis(1000)), 2);
        assert_eq!(taken(&mut bucket, start + Duration::from_secs(3600)), 3);
        bucket.give(1);
        assert_eq!(taken(&mut bucket, start + Duration::from_secs(3600)), 1);
    }
}
