//! Retries, as pure functions: the kind of a failure, how long to pause, and whether the retry budget allows another
//! attempt.

use std::time::{Duration, Instant};

use crate::cloud::Error;
use crate::cloud::error::Kind;
use crate::http::ErrorKind;
use crate::limits;
use crate::sync::{Rate, TokenBucket};

/// Kinds of failures, as far as retries depend on them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailureClass {
    /// The same call would fail the same way.
    Definite,
    /// The connection was closed before an answer, most likely because a kept connection had expired.
    Interrupted,
    /// Too many calls, by this process or by others.
    Throttled,
    /// Unavailable, unreachable or timed out.
    Unavailable,
}

impl FailureClass {
    /// Classifies by the API's code before the HTTP status, which the cloud sets inconsistently.
    pub fn of(error: &Error) -> Self {
        match error {
            Error::Http(error) if error.kind == ErrorKind::Interrupted => Self::Interrupted,
            error if error.kind() == Kind::Throttled => Self::Throttled,
            error if error.is_transient() => Self::Unavailable,
            _ => Self::Definite,
        }
    }

    /// Whether other calls are likely to fail the same way.
    pub const fn is_outage(self) -> bool {
        !matches!(self, Self::Definite)
    }
}

/// A failed attempt.
#[derive(Clone, Copy, Debug)]
pub struct Failure {
    /// Its kind.
    pub class: FailureClass,
    /// The wait that the gateway asked for.
    pub hint: Option<Duration>,
    /// The number of the attempt, from 1.
    pub attempt: u32,
    /// Time until the deadline of the waiting mounts.
    pub remaining: Duration,
}

/// How long to pause before the next attempt. `None` if there must be none: the error would be the same, the attempts
/// are used up, or the pause would not end in time.
///
/// Exponential back-off with full jitter: `fraction`, from 0 to 1, picks a point between no pause and the longest.
/// The first retry after a broken connection needs no pause.
pub fn pause(failure: &Failure, fraction: f64) -> Option<Duration> {
    let Failure {
        class,
        hint,
        attempt,
        remaining,
    } = *failure;
    let tries = match class {
        FailureClass::Definite => return None,
        FailureClass::Interrupted | FailureClass::Unavailable => limits::FETCH_ATTEMPTS,
        FailureClass::Throttled => limits::FETCH_ATTEMPTS_THROTTLED,
    };
    if attempt >= tries {
        return None;
    }
    let longest = match (class, attempt) {
        (FailureClass::Interrupted, 1) => Duration::ZERO,
        _ => limits::FETCH_BACKOFF
            .saturating_mul(1 << attempt.saturating_sub(1).min(16))
            .min(limits::FETCH_BACKOFF_CAP),
    };
    let jittered = longest.mul_f64(fraction.clamp(0.0, 1.0));
    let pause = jittered.max(hint.unwrap_or_default().min(limits::THROTTLE_HINT_CAP));
    (pause < remaining).then_some(pause)
}

/// The retry budget, so that an outage does not multiply the load. Every first attempt earns a part of a retry, and
/// so does time, for processes with little to do.
#[derive(Clone, Copy, Debug)]
pub struct RetryBudget(TokenBucket);

impl RetryBudget {
    /// A full budget.
    pub const fn new(now: Instant) -> Self {
        Self(TokenBucket::new(limits::RETRY_BUDGET, now))
    }

    /// Earns the part of a first attempt.
    pub fn earn(&mut self) {
        self.0.give(limits::RETRIES_PER_TRY, limits::RETRY_BUDGET);
    }

    /// Takes a retry; false if none is left.
    pub fn spend(&mut self, now: Instant) -> bool {
        let rate = Rate {
            per_second: limits::RETRIES_PER_SECOND,
            burst: limits::RETRY_BUDGET,
        };
        self.0.take(rate, now).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::{Clock as _, SystemClock};
    use crate::cloud::ApiError;
    use crate::http::{Certificate, Error as HttpError};

    const LONG: Duration = Duration::from_secs(60);

    fn http(kind: ErrorKind) -> Error {
        Error::Http(HttpError {
            kind,
            host: "h".to_owned(),
            proxy: None,
            detail: String::new(),
        })
    }

    fn api(status: u16, code: &str) -> Error {
        Error::Api(ApiError {
            status,
            code: code.to_owned(),
            message: String::new(),
            request_id: String::new(),
            host: "h".to_owned(),
            retry_after: None,
        })
    }

    fn failure(class: FailureClass, attempt: u32) -> Failure {
        Failure {
            class,
            hint: None,
            attempt,
            remaining: LONG,
        }
    }

    fn millis(millis: u64) -> Option<Duration> {
        Some(Duration::from_millis(millis))
    }

    /// One row for each rule about what is retried.
    #[test]
    fn classes() {
        for (error, class) in [
            (api(400, "Throttling"), FailureClass::Throttled),
            (api(400, "Throttling.User"), FailureClass::Throttled),
            (api(400, "Throttling.Api"), FailureClass::Throttled),
            (api(200, "Rejected.Throttling"), FailureClass::Throttled),
            (api(429, "Rejected.Throttling"), FailureClass::Throttled),
            (api(429, ""), FailureClass::Throttled),
            (api(503, "Throttling.User"), FailureClass::Throttled),
            (api(500, "InternalFailure"), FailureClass::Unavailable),
            (api(500, ""), FailureClass::Unavailable),
            (api(502, ""), FailureClass::Unavailable),
            (api(503, "SerivceUnvailableTemporary"), FailureClass::Unavailable),
            (api(504, ""), FailureClass::Unavailable),
            (api(400, "SignatureNonceUsed"), FailureClass::Unavailable),
            (http(ErrorKind::Connect), FailureClass::Unavailable),
            (http(ErrorKind::Resolve), FailureClass::Unavailable),
            (http(ErrorKind::Timeout), FailureClass::Unavailable),
            (http(ErrorKind::Protocol), FailureClass::Unavailable),
            (http(ErrorKind::Interrupted), FailureClass::Interrupted),
            (http(ErrorKind::Tls), FailureClass::Definite),
            (
                http(ErrorKind::Certificate(Certificate::Authority)),
                FailureClass::Definite,
            ),
            (http(ErrorKind::TooLarge), FailureClass::Definite),
            (http(ErrorKind::Request), FailureClass::Definite),
            (api(404, "Forbidden.ResourceNotFound"), FailureClass::Definite),
            (api(403, "Forbidden.NoPermission"), FailureClass::Definite),
            (api(400, "InvalidSecurityToken.Expired"), FailureClass::Definite),
            (api(400, "SignatureDoesNotMatch"), FailureClass::Definite),
            (api(400, "InvalidParameter"), FailureClass::Definite),
            (api(404, ""), FailureClass::Definite),
        ] {
            assert_eq!(FailureClass::of(&error), class, "{error}");
        }
    }

    #[test]
    fn pauses_double_and_end() {
        for (attempt, longest) in [(1, 250), (2, 500), (3, 1000)] {
            assert_eq!(
                pause(&failure(FailureClass::Unavailable, attempt), 1.0),
                millis(longest)
            );
        }
        assert_eq!(
            pause(&failure(FailureClass::Unavailable, limits::FETCH_ATTEMPTS), 1.0),
            None
        );
    }

    #[test]
    fn throttled_calls_have_more_tries_and_longer_pauses() {
        let last = limits::FETCH_ATTEMPTS_THROTTLED - 1;
        assert_eq!(
            pause(&failure(FailureClass::Throttled, last), 1.0),
            Some(limits::FETCH_BACKOFF_CAP)
        );
        assert_eq!(pause(&failure(FailureClass::Throttled, last + 1), 1.0), None);
    }

    #[test]
    fn jitter_is_full() {
        assert_eq!(pause(&failure(FailureClass::Unavailable, 1), 0.0), millis(0));
        assert_eq!(pause(&failure(FailureClass::Unavailable, 1), 0.5), millis(125));
    }

    #[test]
    fn a_connection_that_broke_off_is_replaced_at_once_and_then_with_pauses() {
        assert_eq!(pause(&failure(FailureClass::Interrupted, 1), 1.0), millis(0));
        assert_eq!(pause(&failure(FailureClass::Interrupted, 2), 1.0), millis(500));
    }

    #[test]
    fn the_gateways_hint_is_the_least_pause() {
        let hinted = |hint| Failure {
            hint: Some(hint),
            ..failure(FailureClass::Throttled, 1)
        };
        assert_eq!(pause(&hinted(Duration::from_millis(700)), 0.0), millis(700));
        assert_eq!(pause(&hinted(Duration::from_millis(100)), 1.0), millis(250));
        assert_eq!(
            pause(&hinted(Duration::from_secs(3600)), 0.0),
            Some(limits::THROTTLE_HINT_CAP)
        );
    }

    #[test]
    fn never_past_the_deadline() {
        let within = |remaining| Failure {
            remaining,
            ..failure(FailureClass::Unavailable, 1)
        };
        assert_eq!(pause(&within(Duration::from_millis(251)), 1.0), millis(250));
        assert_eq!(pause(&within(Duration::from_millis(250)), 1.0), None);
        assert_eq!(pause(&within(Duration::ZERO), 0.0), None);
    }

    #[test]
    fn what_cannot_change_is_not_tried_again() {
        assert_eq!(pause(&failure(FailureClass::Definite, 1), 0.0), None);
    }

    #[test]
    fn retries_are_earned() {
        let start = SystemClock.now();
        let mut budget = RetryBudget::new(start);
        let mut spent = 0;
        while budget.spend(start) {
            spent += 1;
        }
        assert_eq!(f64::from(spent), limits::RETRY_BUDGET);
        for _ in 0..100 {
            budget.earn();
        }
        let mut earned = 0;
        while budget.spend(start) {
            earned += 1;
        }
        assert!(
            (f64::from(earned) - 100.0 * limits::RETRIES_PER_TRY).abs() <= 1.0,
            "{earned}"
        );
        let later = start + Duration::from_secs_f64(1.01 / limits::RETRIES_PER_SECOND);
        assert!(budget.spend(later), "time earns one too");
        let mut more = 0;
        while budget.spend(later) {
            more += 1;
        }
        assert!(more <= 1, "and no more than that, and what was left: {more}");
    }
}
