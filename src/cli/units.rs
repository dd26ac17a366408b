//! Durations and sizes as flags write them.

use std::time::Duration;

/// A number of bytes, plain or with the unit `KiB` or `MiB`.
pub(super) fn bytes(text: &str) -> Option<usize> {
    let (number, unit) = match (text.strip_suffix("KiB"), text.strip_suffix("MiB")) {
        (Some(number), _) => (number, 1024),
        (_, Some(number)) => (number, 1024 * 1024),
        _ => (text, 1),
    };
    number.parse::<usize>().ok()?.checked_mul(unit)
}

/// A duration as Go's `time.ParseDuration` reads it, but for negative ones: numbers, with a fraction or not, each
/// with a unit; a bare `0` needs none.
pub(super) fn go_duration(text: &str) -> Option<Duration> {
    let mut rest = text.strip_prefix('+').unwrap_or(text);
    if rest == "0" {
        return Some(Duration::ZERO);
    }
    let mut total = Duration::ZERO;
    loop {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, tail) = rest.split_at_checked(digits)?;
        let (unit, seconds) = UNITS.iter().find(|(unit, _)| tail.starts_with(unit))?;
        let number = number.parse::<f64>().ok()?;
        total = total.checked_add(Duration::try_from_secs_f64(number * seconds).ok()?)?;
        rest = tail.strip_prefix(unit)?;
        if rest.is_empty() {
            break;
        }
    }
    Some(total)
}

/// Longer units first, where one begins another.
const UNITS: [(&str, f64); 8] = [
    ("ns", 1e-9),
    ("us", 1e-6),
    ("µs", 1e-6),
    ("μs", 1e-6),
    ("ms", 1e-3),
    ("s", 1.0),
    ("m", 60.0),
    ("h", 3600.0),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_as_go_reads_them() {
        for (text, millis) in [
            ("5s", 5000),
            ("0", 0),
            ("0s", 0),
            ("1m30s", 90_000),
            ("1.5s", 1500),
            ("250ms", 250),
            ("1h", 3_600_000),
            ("24h1s", 86_401_000),
            ("+2s", 2000),
            (".5s", 500),
            ("1000us", 1),
            ("1000µs", 1),
        ] {
            assert_eq!(go_duration(text), Some(Duration::from_millis(millis)), "{text}");
        }
        for text in [
            "", "5", "s", "-5s", "5x", "5s5", "1..5s", " 5s", "5 s", "1e3s", "+",
        ] {
            assert_eq!(go_duration(text), None, "{text}");
        }
    }
}
