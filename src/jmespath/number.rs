//! JSON numbers without silent loss of digits.
//!
//! 64-bit integers stay exact, and numbers with more digits than a double holds are marked. A double is written as
//! the shortest text that reads back as the same double, in ECMAScript's layout: `1`, `0.1`, `1e+21`, `1e-7`.

use std::cmp::Ordering;
use std::fmt;

/// A finite number.
#[derive(Clone)]
pub(crate) enum Number {
    /// A 64-bit integer, or a double.
    Exact(serde_json::Number),
    /// The nearest double to a number with more digits than a double holds.
    Lossy(f64),
}

impl Number {
    /// Reads a JSON number; `None` if the text is not one, or is beyond the range of a double.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        if !text.starts_with(|c: char| c == '-' || c.is_ascii_digit()) || text.ends_with(char::is_whitespace)
        {
            return None;
        }
        let number: serde_json::Number = serde_json::from_str(text).ok()?;
        if !number.is_f64() {
            return Some(Self::Exact(number));
        }
        // serde_json's own double may be adjacent to the nearest one.
        let double: f64 = text.parse().ok()?;
        let is_lossy = significant_digits(text) != significant_digits(&format!("{double:e}"));
        Self::double(double, is_lossy)
    }

    /// An integer, if 64 bits hold it.
    pub(crate) fn integer(integer: i128) -> Option<Self> {
        serde_json::Number::from_i128(integer).map(Self::Exact)
    }

    /// A double, if it is finite.
    pub(crate) fn double(double: f64, is_lossy: bool) -> Option<Self> {
        let exact = serde_json::Number::from_f64(double)?;
        Some(if is_lossy {
            Self::Lossy(double)
        } else {
            Self::Exact(exact)
        })
    }

    /// The exact integer, if it was written as one.
    pub(crate) fn as_integer(&self) -> Option<i128> {
        match self {
            Self::Exact(number) => number.as_i128(),
            Self::Lossy(_) => None,
        }
    }

    /// The nearest double.
    pub(crate) fn as_double(&self) -> f64 {
        match self {
            Self::Exact(number) => number.as_f64().unwrap_or(f64::NAN),
            Self::Lossy(double) => *double,
        }
    }

    pub(crate) fn is_lossy(&self) -> bool {
        matches!(self, Self::Lossy(_))
    }

    /// Compares exact values, so that the order is total.
    pub(crate) fn compare(&self, other: &Self) -> Ordering {
        match (self.as_integer(), other.as_integer()) {
            (Some(a), Some(b)) => a.cmp(&b),
            (Some(a), None) => compare_mixed(a, other.as_double()),
            (None, Some(b)) => compare_mixed(b, self.as_double()).reverse(),
            (None, None) => {
                let order = self.as_double().partial_cmp(&other.as_double());
                order.unwrap_or(Ordering::Equal)
            }
        }
    }
}

/// Compares a 64-bit integer with a finite double, exactly.
#[expect(
    clippy::as_conversions,
    reason = "a truncated double below 2^65 is an i128, exactly"
)]
fn compare_mixed(integer: i128, double: f64) -> Ordering {
    if double.abs() >= 2_f64.powi(65) {
        return if double > 0.0 {
            Ordering::Less
        } else {
            Ordering::Greater
        };
    }
    let whole = double.trunc();
    integer
        .cmp(&(whole as i128))
        .then(whole.partial_cmp(&double).unwrap_or(Ordering::Equal))
}

/// The significant digits of a decimal number without its sign, and the power of ten of the last of them.
fn significant_digits(text: &str) -> Option<(String, i64)> {
    let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = format!("{whole}{fraction}");
    let kept = digits.trim_end_matches('0');
    let significant = kept.trim_start_matches(['-', '0']);
    if significant.is_empty() {
        return Some((String::new(), 0)); // zero, whatever its exponent
    }
    let zeros = i64::try_from(digits.len() - kept.len()).ok()?;
    let decimals = i64::try_from(fraction.len()).ok()?;
    let exponent = exponent.parse::<i64>().ok()?;
    Some((significant.to_owned(), exponent.checked_add(zeros - decimals)?))
}

impl fmt::Display for Number {
    /// The layout of ECMAScript's Number::toString.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(integer) = self.as_integer() {
            return write!(f, "{integer}");
        }
        let double = self.as_double();
        let exponential = format!("{double:e}");
        let (mantissa, exponent) = exponential.split_once('e').unwrap_or((&exponential, "0"));
        match exponent.parse::<i32>() {
            Ok(-6..=20) => write!(f, "{double}"),
            Ok(exponent) => write!(f, "{mantissa}e{exponent:+}"),
            Err(_) => f.write_str(&exponential),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_order_of_numbers_is_by_exact_value() {
        let ascending = [
            "-1e30",
            "-9223372036854775808",
            "-1.5",
            "-1",
            "0",
            "0.5",
            "1",
            "9007199254740992",
            "9007199254740993",
            "9007199254740994.0",
            "18446744073709551615",
            "18446744073709551616",
            "1e300",
        ];
        for (i, a) in ascending.iter().enumerate() {
            for (j, b) in ascending.iter().enumerate() {
                let order = Number::parse(a).unwrap().compare(&Number::parse(b).unwrap());
                assert_eq!(order, i.cmp(&j), "{a} {b}");
            }
        }
        let equal = Number::parse("1")
            .unwrap()
            .compare(&Number::parse("1.0").unwrap());
        assert_eq!(equal, Ordering::Equal);
    }
}
