//! Time as an argument. Only this file reads the system's clocks.

use std::time::Instant;

/// A source of time.
pub trait Clock: Send + Sync + 'static {
    /// Monotonic time, for deadlines and ages.
    fn now(&self) -> Instant;

    /// Wall-clock time in UTC, for signatures and expirations.
    fn wall(&self) -> jiff::Timestamp;
}

/// The machine's clocks.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

#[expect(
    clippy::disallowed_methods,
    reason = "the one place that asks the system for the time"
)]
impl Clock for SystemClock {
    fn now(&self) -> Instant {
        Instant::now()
    }

    fn wall(&self) -> jiff::Timestamp {
        jiff::Timestamp::now()
    }
}
