//! Durations, sizes and integers in flags.

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

/// An integer as Go's `flag.Int` reads it: with or without a sign, in base 2, 8, 16 (`0b`, `0o` or a leading `0`, `0x`)
/// or 10, with single underscores between digits. Numbers out of range are clamped.
pub(super) fn go_integer(text: &str) -> Option<i64> {
    const PREFIXES: [(&str, u32); 4] = [("0x", 16), ("0b", 2), ("0o", 8), ("0", 8)];
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => (-1, digits),
        None => (1, text.strip_prefix('+').unwrap_or(text)),
    };
    let digits = digits.to_ascii_lowercase();
    let prefixed = PREFIXES.iter().find_map(|(prefix, radix)| {
        let rest = digits.strip_prefix(prefix).filter(|_| digits.len() > 1)?;
        // The prefix counts as a digit beside an underscore.
        Some((*radix, rest.strip_prefix('_').unwrap_or(rest)))
    });
    let (radix, digits) = prefixed.unwrap_or((10, &digits));
    if digits.split('_').any(str::is_empty) {
        return None;
    }
    let mut digits = digits.chars().filter(|c| *c != '_');
    let number = digits.try_fold(0_i64, |number, digit| {
        let digit = i64::from(digit.to_digit(radix)?);
        Some(number.saturating_mul(radix.into()).saturating_add(digit))
    });
    Some(number?.saturating_mul(sign))
}

/// A non-negative duration as Go's `time.ParseDuration` reads it: numbers, with or without a fraction, each with a unit;
/// a bare `0` needs none.
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

/// A unit that starts with another one comes first.
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

    /// The results of Go 1.26, except for numbers beyond 64 bits, which Go rejects.
    #[test]
    fn integers_as_go_reads_them() {
        for (text, number) in [
            ("0", 0),
            ("-0", 0),
            ("10", 10),
            ("+5", 5),
            ("-1", -1),
            ("1_000", 1000),
            ("0x10", 16),
            ("0X1f", 31),
            ("0x_1", 1),
            ("-0x10", -16),
            ("0b1", 1),
            ("0o17", 15),
            ("017", 15),
            ("0_7", 7),
            ("00", 0),
            ("99999999999999999999", i64::MAX),
            ("-99999999999999999999", -i64::MAX),
        ] {
            assert_eq!(go_integer(text), Some(number), "{text}");
        }
        for text in [
            "", "-", "+", "+-1", "--1", "08", "1__0", "_1", "1_", "0_", "0x", "0x_", "0b2", "0o8", "1.5",
            "1e3", " 5", "5 ", "ten", "٣", "0x-1",
        ] {
            assert_eq!(go_integer(text), None, "{text}");
        }
    }

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
