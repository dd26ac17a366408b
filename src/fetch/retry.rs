//! When a failed call is tried again, as a pure function.

use std::time::Duration;

use crate::cloud::Error;
use crate::limits;

/// How long to pause before try number `attempt + 1`, or `None` if there shall be none: the error would be the
/// same again, the tries are used up, or the pause would not end within what `remaining` leaves.
///
/// Exponential back-off with full jitter: `fraction`, from 0 to 1, picks a point between no pause and the longest.
pub fn pause(error: &Error, attempt: u32, fraction: f64, remaining: Duration) -> Option<Duration> {
    if !error.is_transient() || attempt >= limits::FETCH_ATTEMPTS {
        return None;
    }
    let doublings = attempt.saturating_sub(1).min(16);
    let longest = limits::FETCH_BACKOFF
        .saturating_mul(1 << doublings)
        .min(limits::FETCH_BACKOFF_CAP);
    let pause = longest.mul_f64(fraction.clamp(0.0, 1.0));
    (pause < remaining).then_some(pause)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::{Error as HttpError, ErrorKind};

    const LONG: Duration = Duration::from_secs(60);

    fn unreachable_host() -> Error {
        Error::Http(HttpError {
            kind: ErrorKind::Connect,
            host: "h".to_owned(),
            proxy: None,
            detail: String::new(),
        })
    }

    fn millis(millis: u64) -> Option<Duration> {
        Some(Duration::from_millis(millis))
    }

    #[test]
    fn pauses_double_and_end() {
        let error = unreachable_host();
        assert_eq!(pause(&error, 1, 1.0, LONG), millis(250));
        assert_eq!(pause(&error, 2, 1.0, LONG), millis(500));
        assert_eq!(pause(&error, 3, 1.0, LONG), millis(1000));
        assert_eq!(pause(&error, limits::FETCH_ATTEMPTS, 1.0, LONG), None);
    }

    #[test]
    fn jitter_is_full() {
        let error = unreachable_host();
        assert_eq!(pause(&error, 1, 0.0, LONG), millis(0));
        assert_eq!(pause(&error, 1, 0.5, LONG), millis(125));
    }

    #[test]
    fn never_past_the_deadline() {
        let error = unreachable_host();
        assert_eq!(pause(&error, 1, 1.0, Duration::from_millis(251)), millis(250));
        assert_eq!(pause(&error, 1, 1.0, Duration::from_millis(250)), None);
        assert_eq!(pause(&error, 1, 0.0, Duration::ZERO), None);
    }

    #[test]
    fn what_cannot_change_is_not_tried_again() {
        let tls = Error::Http(HttpError {
            kind: ErrorKind::Tls,
            host: "h".to_owned(),
            proxy: None,
            detail: String::new(),
        });
        assert_eq!(pause(&tls, 1, 0.0, LONG), None);
    }
}
