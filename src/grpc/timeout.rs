//! `grpc-timeout`, and the deadlines that follow from it.

use std::time::{Duration, Instant};

use crate::limits;

/// The value of a `grpc-timeout` field: 1 to 8 digits and a unit. `None` if it is malformed.
pub fn parse(value: &[u8]) -> Option<Duration> {
    let (unit, digits) = value.split_last()?;
    if !(1..=8).contains(&digits.len()) || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let number: u64 = std::str::from_utf8(digits).ok()?.parse().ok()?;
    Some(match unit {
        b'H' => Duration::from_secs(number * 3600),
        b'M' => Duration::from_secs(number * 60),
        b'S' => Duration::from_secs(number),
        b'm' => Duration::from_millis(number),
        b'u' => Duration::from_micros(number),
        b'n' => Duration::from_nanos(number),
        _ => return None,
    })
}

/// Deadlines of a call's steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deadlines {
    /// The handler must have its answer.
    pub handler: Instant,
    /// The server answers in the handler's place. Later than the handler's own deadline, because the handler knows
    /// more for its message; earlier than the caller's, because an expired call ends with DEADLINE_EXCEEDED.
    pub answer: Instant,
    /// The server gives up on a caller that does not read its answer.
    pub abandon: Instant,
}

impl Deadlines {
    /// The deadlines of a call that began at `arrival` and whose caller waits for `timeout`.
    pub fn new(arrival: Instant, timeout: Option<Duration>) -> Self {
        let timeout = timeout.unwrap_or(Duration::MAX);
        let margin = (timeout / 10).min(DEADLINE_MARGIN);
        let handler = arrival + (timeout - margin).min(limits::CALL_TIMEOUT);
        let answer = handler + margin / 2;
        Self {
            handler,
            answer,
            abandon: answer + limits::ANSWER_TIMEOUT,
        }
    }
}

/// Maximum time between the answer and the caller's deadline; for shorter timeouts it is a tenth.
const DEADLINE_MARGIN: Duration = Duration::from_secs(3);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::{Clock, SystemClock};

    #[test]
    fn all_six_units_parse() {
        for (value, expected) in [
            ("1H", Duration::from_secs(3600)),
            ("2M", Duration::from_secs(120)),
            ("3S", Duration::from_secs(3)),
            ("119999m", Duration::from_millis(119_999)),
            ("4999992u", Duration::from_micros(4_999_992)),
            ("99999999n", Duration::from_nanos(99_999_999)),
            ("99999999H", Duration::from_secs(99_999_999 * 3600)),
            ("0S", Duration::ZERO),
        ] {
            assert_eq!(parse(value.as_bytes()), Some(expected), "{value}");
        }
    }

    #[test]
    fn anything_else_is_malformed() {
        for value in [
            "",
            "S",
            "1",
            "123456789S",
            "-1S",
            "+1S",
            "1 S",
            "1s",
            "1h",
            "1.5S",
            "0x1S",
            "1SS",
            "١S",
        ] {
            assert_eq!(parse(value.as_bytes()), None, "{value}");
        }
    }

    #[test]
    fn deadlines_lie_in_order_and_before_the_callers() {
        let arrival = SystemClock.now();
        for timeout in [0, 1, 1_000, 5_000_000, 120_000_000, 86_400_000_000].map(Duration::from_micros) {
            let deadlines = Deadlines::new(arrival, Some(timeout));
            assert!(deadlines.handler <= deadlines.answer, "{timeout:?}");
            assert!(deadlines.answer <= arrival + timeout, "{timeout:?}");
            assert!(deadlines.handler <= arrival + limits::CALL_TIMEOUT, "{timeout:?}");
        }
        let kubelet = Deadlines::new(arrival, Some(Duration::from_secs(100)));
        assert_eq!(kubelet.handler, arrival + Duration::from_secs(97));
        assert_eq!(kubelet.answer, arrival + Duration::from_millis(98_500));
    }

    #[test]
    fn a_caller_that_waits_for_ever_meets_our_own_cap() {
        let arrival = SystemClock.now();
        assert_eq!(
            Deadlines::new(arrival, None).handler,
            arrival + limits::CALL_TIMEOUT
        );
    }
}
