//! A token bucket: a rate with a burst. Time, rate and burst are arguments, because some callers change them.

use std::time::{Duration, Instant};

/// How fast a [`TokenBucket`] fills, and how much it holds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rate {
    /// Tokens added each second.
    pub per_second: f64,
    /// Maximum number of tokens.
    pub burst: f64,
}

/// Remaining tokens, and when they were last counted.
#[derive(Clone, Copy, Debug)]
pub struct TokenBucket {
    tokens: f64,
    counted: Instant,
}

impl TokenBucket {
    /// A bucket that holds `tokens`.
    pub const fn new(tokens: f64, now: Instant) -> Self {
        Self { tokens, counted: now }
    }

    /// Takes one token.
    ///
    /// # Errors
    /// The time of the next token.
    pub fn take(&mut self, rate: Rate, now: Instant) -> Result<(), Instant> {
        let elapsed = now.saturating_duration_since(self.counted).as_secs_f64();
        self.counted = now;
        self.give(elapsed * rate.per_second, rate.burst);
        if self.tokens < 1.0 - ROUNDING {
            let wait = Duration::from_secs_f64((1.0 - self.tokens) / rate.per_second);
            return Err(now + wait + Duration::from_micros(1));
        }
        self.tokens -= 1.0;
        Ok(())
    }

    /// Adds `tokens`, up to `burst`.
    pub fn give(&mut self, tokens: f64, burst: f64) {
        self.tokens = (self.tokens + tokens).min(burst);
    }
}

/// A whole token may be computed as slightly less.
const ROUNDING: f64 = 1e-6;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::{Clock as _, SystemClock};

    const RATE: Rate = Rate {
        per_second: 2.0,
        burst: 3.0,
    };

    fn drain(bucket: &mut TokenBucket, now: Instant) -> usize {
        (0..10).take_while(|_| bucket.take(RATE, now).is_ok()).count()
    }

    #[test]
    fn empties_and_fills_with_time_up_to_its_burst() {
        let start = SystemClock.now();
        let after = |millis| start + Duration::from_millis(millis);
        let mut bucket = TokenBucket::new(RATE.burst, start);
        assert_eq!(drain(&mut bucket, start), 3);
        assert_eq!(drain(&mut bucket, after(400)), 0);
        assert_eq!(drain(&mut bucket, after(1_000)), 2);
        assert_eq!(drain(&mut bucket, after(3_600_000)), 3);
        bucket.give(1.0, RATE.burst);
        assert_eq!(drain(&mut bucket, after(3_600_000)), 1);
        bucket.give(100.0, RATE.burst);
        assert_eq!(drain(&mut bucket, after(3_600_000)), 3);
    }

    #[test]
    fn says_when_the_next_token_is_there() {
        let start = SystemClock.now();
        let mut bucket = TokenBucket::new(0.0, start);
        let next = bucket.take(RATE, start).expect_err("empty");
        assert_eq!((next - start).as_millis(), 500);
        assert_eq!(bucket.take(RATE, next), Ok(()));
    }

    #[test]
    fn time_that_steps_back_adds_nothing() {
        let start = SystemClock.now() + Duration::from_secs(60);
        let mut bucket = TokenBucket::new(0.0, start);
        assert!(bucket.take(RATE, start - Duration::from_secs(30)).is_err());
        assert_eq!(drain(&mut bucket, start - Duration::from_secs(30)), 0);
    }
}
