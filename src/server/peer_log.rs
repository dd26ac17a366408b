//! A rate limit for log lines that a peer can cause.

use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::limits;

/// A rate-limited log, which reports how many lines it suppressed.
#[derive(Default)]
pub(super) struct PeerLog(Mutex<Option<Minute>>);

struct Minute {
    began: Instant,
    lines: u32,
}

impl PeerLog {
    /// Logs a warning, or suppresses it.
    pub(super) fn warn(&self, now: Instant, line: fmt::Arguments<'_>) {
        let Some(swallowed) = self.admit(now) else { return };
        if swallowed > 0 {
            log::warn!("{swallowed} more warnings about connections were suppressed");
        }
        log::warn!("{line}");
    }

    /// Whether another line may be logged; if so, how many were suppressed in the minute before.
    fn admit(&self, now: Instant) -> Option<u32> {
        let mut minute = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match &mut *minute {
            Some(minute) if now < minute.began + Duration::from_secs(60) => {
                minute.lines = minute.lines.saturating_add(1);
                (minute.lines <= limits::PEER_LOG_LINES).then_some(0)
            }
            other => {
                let last = other.replace(Minute { began: now, lines: 1 });
                Some(last.map_or(0, |last| last.lines.saturating_sub(limits::PEER_LOG_LINES)))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::{Clock, SystemClock};

    #[test]
    fn lines_are_bounded_by_the_minute_and_the_rest_is_counted() {
        let (log, start) = (PeerLog::default(), SystemClock.now());
        let admitted = (0..1_000).filter(|_| log.admit(start) == Some(0)).count();
        assert_eq!(u32::try_from(admitted), Ok(limits::PEER_LOG_LINES));
        assert_eq!(log.admit(start + Duration::from_secs(59)), None);
        let next = start + Duration::from_secs(60);
        assert_eq!(log.admit(next), Some(1_001 - limits::PEER_LOG_LINES));
        assert_eq!(log.admit(next), Some(0));
    }
}
