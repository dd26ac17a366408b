//! Log lines that a peer can cause: at most so many a minute.

use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::limits;

/// A log that falls silent when it is provoked too often, and says so.
#[derive(Default)]
pub(super) struct PeerLog(Mutex<Option<Minute>>);

struct Minute {
    began: Instant,
    lines: u32,
}

impl PeerLog {
    /// Logs a warning, or swallows it.
    pub(super) fn warn(&self, now: Instant, line: fmt::Arguments<'_>) {
        let mut minute = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let swallowed = match &mut *minute {
            Some(minute) if now < minute.began + Duration::from_secs(60) => {
                minute.lines = minute.lines.saturating_add(1);
                if minute.lines > limits::PEER_LOG_LINES {
                    return;
                }
                0
            }
            other => {
                let last = other.replace(Minute { began: now, lines: 1 });
                last.map_or(0, |last| last.lines.saturating_sub(limits::PEER_LOG_LINES))
            }
        };
        drop(minute);
        if swallowed > 0 {
            log::warn!("{swallowed} more warnings about connections were not logged");
        }
        log::warn!("{line}");
    }
}
