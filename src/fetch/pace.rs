//! The rate limit of one service: a rate with a burst, halved when the service throttles, recovering gradually.
//!
//! Pure: time is an argument. One of these serves the whole process.

use std::time::{Duration, Instant};

use crate::limits;
use crate::sync::{Rate, TokenBucket};

/// Limits the rate of calls to one service.
#[derive(Clone, Debug)]
pub(super) struct Pace {
    /// Calls per second, as configured; `None` for no limit.
    configured: Option<f64>,
    /// Calls that may be made now.
    bucket: TokenBucket,
    slow: Option<Slow>,
    /// No call before this time, because the gateway asked to wait.
    held: Option<Instant>,
    recent: Recent,
}

/// The reduced rate after the service has throttled.
#[derive(Clone, Copy, Debug)]
struct Slow {
    /// Calls per second right after the last cut.
    rate: f64,
    /// When that was. Throttled answers to calls sent before it are not counted again.
    cut: Instant,
    /// Calls per second at which the reduction ends.
    peak: f64,
}

/// Calls made in this second and in the one before.
#[derive(Clone, Copy, Debug)]
struct Recent {
    second: Instant,
    now: u32,
    before: u32,
}

impl Pace {
    /// `per_second` calls on average, twice as many in a burst; 0 for no limit.
    pub(super) fn new(per_second: u32, now: Instant) -> Self {
        let configured = (per_second > 0).then(|| f64::from(per_second));
        let pace = Self {
            configured,
            bucket: TokenBucket::new(0.0, now),
            slow: None,
            held: None,
            recent: Recent {
                second: now,
                now: 0,
                before: 0,
            },
        };
        Self {
            bucket: TokenBucket::new(pace.burst(now).unwrap_or_default(), now),
            ..pace
        }
    }

    /// Calls per second allowed now; `None` for no limit.
    pub(super) fn rate(&self, now: Instant) -> Option<f64> {
        match self.slow {
            None => self.configured,
            Some(slow) => Some(slow.rate_at(now)),
        }
    }

    /// Takes one call, or returns when to ask again.
    ///
    /// # Errors
    /// The time of the next call.
    pub(super) fn take(&mut self, now: Instant) -> Result<(), Instant> {
        if let Some(until) = self.held {
            if now < until {
                return Err(until);
            }
            self.held = None;
        }
        if self.slow.is_some_and(|slow| slow.rate_at(now) >= slow.peak) {
            self.slow = None;
        }
        if let (Some(per_second), Some(burst)) = (self.rate(now), self.burst(now)) {
            self.bucket.take(Rate { per_second, burst }, now)?;
        }
        self.recent.count(now);
        Ok(())
    }

    /// The service throttled a call sent at `sent`. Halves the actual rate of calls, once for all calls that were
    /// under way together, and waits as long as the gateway's `hint` says.
    pub(super) fn throttled(&mut self, sent: Instant, hint: Option<Duration>, now: Instant) {
        if let Some(hint) = hint {
            let until = now + hint.min(limits::THROTTLE_HINT_CAP);
            self.held = Some(self.held.map_or(until, |held| held.max(until)));
        }
        if self.slow.is_some_and(|slow| sent <= slow.cut) {
            return;
        }
        let used = self.recent.rate(now);
        let allowed = self.rate(now).unwrap_or(f64::INFINITY);
        let base = allowed.min(used.max(limits::THROTTLED_RATE_BASE));
        let peak = self
            .slow
            .map_or_else(|| self.configured.unwrap_or(2.0 * used), |slow| slow.peak);
        self.slow = Some(Slow {
            rate: (base / 2.0).max(limits::THROTTLED_RATE_FLOOR),
            cut: now,
            peak,
        });
        self.bucket = TokenBucket::new(0.0, now);
    }

    /// Whether the rate is still reduced because the service throttled.
    pub(super) fn is_slow(&self, now: Instant) -> bool {
        self.slow.is_some_and(|slow| slow.rate_at(now) < slow.peak)
    }

    /// Whether the rate is reduced, or calls are stopped for a while, because the service throttled.
    pub(super) fn is_held_back(&self, now: Instant) -> bool {
        self.is_slow(now) || self.held.is_some_and(|until| now < until)
    }

    /// Maximum burst: the calls of two seconds, or of one second while the rate is reduced.
    fn burst(&self, now: Instant) -> Option<f64> {
        match self.slow {
            None => self.configured.map(|rate| 2.0 * rate),
            Some(slow) => Some(slow.rate_at(now).max(1.0)),
        }
    }
}

impl Slow {
    fn rate_at(&self, now: Instant) -> f64 {
        let doublings = now.saturating_duration_since(self.cut).as_secs_f64()
            / limits::THROTTLE_RECOVERY_DOUBLING.as_secs_f64();
        (self.rate * doublings.min(64.0).exp2()).min(self.peak)
    }
}

impl Recent {
    fn count(&mut self, now: Instant) {
        self.roll(now);
        self.now = self.now.saturating_add(1);
    }

    /// Recent calls per second, at least one.
    fn rate(&mut self, now: Instant) -> f64 {
        self.roll(now);
        f64::from(self.now.max(self.before).max(1))
    }

    fn roll(&mut self, now: Instant) {
        let age = now.saturating_duration_since(self.second);
        if age >= Duration::from_secs(2) {
            (self.second, self.before, self.now) = (now, 0, 0);
        } else if age >= Duration::from_secs(1) {
            (self.second, self.before, self.now) = (self.second + Duration::from_secs(1), self.now, 0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::{Clock as _, SystemClock};

    fn millis(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    /// Takes all calls available at `now`.
    fn drain(pace: &mut Pace, now: Instant) -> u32 {
        let mut taken = 0;
        while taken < 10_000 && pace.take(now).is_ok() {
            taken += 1;
        }
        taken
    }

    #[test]
    fn a_burst_and_then_the_rate() {
        let start = SystemClock.now();
        let mut pace = Pace::new(50, start);
        assert_eq!(drain(&mut pace, start), 100);
        let next = pace.take(start).expect_err("the burst is used up");
        assert_eq!((next - start).as_millis(), 20);
        assert_eq!(pace.take(next), Ok(()));
        assert_eq!(drain(&mut pace, start + millis(1020)), 50);
        assert_eq!(
            drain(&mut pace, start + millis(60_000)),
            100,
            "no more than the burst"
        );
    }

    #[test]
    fn nothing_is_no_limit() {
        let start = SystemClock.now();
        let mut pace = Pace::new(0, start);
        assert_eq!(drain(&mut pace, start), 10_000);
    }

    #[test]
    fn a_throttle_halves_what_was_used_and_recovers() {
        let start = SystemClock.now();
        let mut pace = Pace::new(50, start);
        for _ in 0..20 {
            pace.take(start).expect("burst");
        }
        let cut = start + millis(100);
        pace.throttled(start, None, cut);
        assert_eq!(
            pace.rate(cut),
            Some(10.0),
            "half of twenty, though fifty are allowed"
        );
        // Throttled answers to calls that were under way together count once.
        pace.throttled(start + millis(50), None, cut + millis(10));
        assert_eq!(pace.rate(cut), Some(10.0));
        let doubling = limits::THROTTLE_RECOVERY_DOUBLING;
        let near = |rate: Option<f64>, expected: f64| rate.is_some_and(|rate| (rate - expected).abs() < 0.01);
        assert!(near(pace.rate(cut + doubling), 20.0));
        assert!(near(pace.rate(cut + 2 * doubling), 40.0));
        assert!(pace.is_slow(cut + 2 * doubling));
        assert!(
            near(pace.rate(cut + 3 * doubling), 50.0),
            "never above the configured rate"
        );
        assert!(!pace.is_slow(cut + 3 * doubling));
    }

    #[test]
    fn throttles_without_end_reach_a_floor_and_not_nothing() {
        let start = SystemClock.now();
        let mut pace = Pace::new(0, start);
        let mut now = start;
        for _ in 0..100 {
            pace.throttled(now, None, now + millis(1));
            now += millis(2);
        }
        assert!(
            pace.rate(now)
                .is_some_and(|rate| rate < limits::THROTTLED_RATE_FLOOR * 1.01)
        );
        assert!(pace.take(now).is_err_and(|next| next - now <= Duration::from_secs_f64(1.01 / limits::THROTTLED_RATE_FLOOR)));
    }

    #[test]
    fn without_a_limit_a_throttle_makes_one_for_a_while() {
        let start = SystemClock.now();
        let mut pace = Pace::new(0, start);
        for _ in 0..400 {
            pace.take(start).expect("no limit");
        }
        pace.throttled(start, None, start + millis(1));
        assert_eq!(pace.rate(start + millis(1)), Some(200.0));
        let later = start + 3 * limits::THROTTLE_RECOVERY_DOUBLING;
        assert_eq!(drain(&mut pace, later), 10_000, "free again");
    }

    #[test]
    fn the_gateways_hint_is_waited_out_within_reason() {
        let start = SystemClock.now();
        let mut pace = Pace::new(50, start);
        pace.throttled(start, Some(millis(700)), start + millis(1));
        assert_eq!(pace.take(start + millis(10)), Err(start + millis(701)));
        pace.throttled(start, Some(Duration::from_secs(86_400)), start + millis(20));
        assert_eq!(
            pace.take(start + millis(800)),
            Err(start + millis(20) + limits::THROTTLE_HINT_CAP)
        );
    }
}
