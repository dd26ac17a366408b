//! The cloud: one quota for all nodes, a latency, an outage, and a value that is rotated once.

use std::time::{Duration, Instant};

use crate::scenario::Scenario;

/// An answer of the cloud.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// The value's version.
    Version(u32),
    Throttled,
    OutOfOrder,
}

/// The simulated cloud.
#[derive(Debug)]
pub(crate) struct Cloud {
    quota: f64,
    tokens: f64,
    filled: Instant,
    pub(crate) rotated: Instant,
    outage: (Instant, Instant),
    pub(crate) latency: Duration,
}

impl Cloud {
    /// A cloud whose measured time begins at `start`.
    pub(crate) fn new(scenario: &Scenario, start: Instant) -> Self {
        let seconds = |seconds: u32| Duration::from_secs(u64::from(seconds));
        let middle = start + seconds(scenario.seconds / 2);
        Self {
            quota: scenario.quota,
            tokens: scenario.quota,
            filled: start,
            rotated: start + seconds(scenario.seconds / 4),
            outage: (middle, middle + seconds(scenario.outage_seconds)),
            latency: Duration::from_millis(u64::from(scenario.latency_millis)),
        }
    }

    /// One call that arrives at `now`. The quota is a bucket of one second; while the cluster starts, before the
    /// measured time, there is none.
    pub(crate) fn call(&mut self, now: Instant, measured: bool) -> Answer {
        let (from, until) = self.outage;
        if (from..until).contains(&now) {
            return Answer::OutOfOrder;
        }
        if measured {
            let elapsed = now.saturating_duration_since(self.filled).as_secs_f64();
            self.filled = self.filled.max(now);
            self.tokens = (self.tokens + elapsed * self.quota).min(self.quota);
            if self.tokens < 1.0 {
                return Answer::Throttled;
            }
            self.tokens -= 1.0;
        }
        Answer::Version(u32::from(now >= self.rotated))
    }
}
