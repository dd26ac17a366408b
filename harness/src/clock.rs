//! The fake cloud's clock: the machine's or a fixed instant, plus an offset that tests may change at any time.
//! This is the harness's only file that asks the system for the time.

use std::sync::Mutex;
use std::time::Instant;

use jiff::{SignedDuration, Timestamp};

/// What time the fake cloud believes it is.
#[derive(Debug)]
pub struct Clock {
    fixed: Option<Timestamp>,
    offset: Mutex<SignedDuration>,
}

impl Clock {
    /// Follows the machine's clock.
    pub fn system() -> Self {
        Self {
            fixed: None,
            offset: Mutex::new(SignedDuration::ZERO),
        }
    }

    /// Stands still at `instant`, so that captured requests can be replayed.
    pub fn fixed(instant: Timestamp) -> Self {
        Self {
            fixed: Some(instant),
            offset: Mutex::new(SignedDuration::ZERO),
        }
    }

    /// The cloud's wall-clock time.
    pub fn now(&self) -> Timestamp {
        let base = self.fixed.unwrap_or_else(system_now);
        let offset = *self
            .offset
            .lock()
            .expect("no code panics while it holds the offset");
        base.saturating_add(offset).unwrap_or(base)
    }

    /// Moves the cloud's clock: positive means that the cloud is ahead of the machine.
    pub fn set_offset(&self, offset: SignedDuration) {
        *self
            .offset
            .lock()
            .expect("no code panics while it holds the offset") = offset;
    }
}

/// Monotonic time, for latencies, quotas and waits.
#[expect(
    clippy::disallowed_methods,
    reason = "the harness's one place that asks the system for the time"
)]
pub fn monotonic() -> Instant {
    Instant::now()
}

#[expect(
    clippy::disallowed_methods,
    reason = "the harness's one place that asks the system for the time"
)]
fn system_now() -> Timestamp {
    Timestamp::now()
}

/// `2026-05-04T03:02:01Z`: the one form of time that the modelled APIs write.
pub fn format(time: Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// Reads the form that [`format()`] writes, and nothing else: no fraction, no numeric offset.
pub fn parse(text: &str) -> Option<Timestamp> {
    let shape = b"dddd-dd-ddTdd:dd:ddZ";
    let fits = text.len() == shape.len()
        && text.bytes().zip(shape).all(|(byte, &wanted)| match wanted {
            b'd' => byte.is_ascii_digit(),
            other => byte == other,
        });
    if fits { text.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_documented_form_is_read() {
        let time = parse("2026-05-04T03:02:01Z").expect("the documented form");
        assert_eq!(format(time), "2026-05-04T03:02:01Z");
        for other in [
            "2026-05-04T03:02:01.5Z",
            "2026-05-04T03:02:01+00:00",
            "2026-05-04 03:02:01Z",
            "2026-13-04T03:02:01Z",
        ] {
            assert_eq!(parse(other), None, "{other}");
        }
    }

    #[test]
    fn the_offset_moves_a_fixed_clock() {
        let clock = Clock::fixed("2026-05-04T03:02:01Z".parse().expect("a time"));
        clock.set_offset(SignedDuration::from_mins(-16));
        assert_eq!(format(clock.now()), "2026-05-04T02:46:01Z");
    }
}
