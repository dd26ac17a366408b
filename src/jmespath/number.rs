//! JSON numbers that lose nothing unnoticed.
//!
//! Integers of 64 bits stay exact, and a number with more digits than a double holds is known as one. Text is the
//! shortest that reads back as the same double, laid out as ECMAScript does: `1`, `0.1`, `1e+21`, `1e-7`.

use std::cmp::Ordering;
use std::fmt;

/// A number: an exact 64-bit integer, or a finite double.
#[derive(Clone, Copy)]
pub(crate) enum Number {
    Signed(i64),
    /// Above `i64::MAX`.
    Unsigned(u64),
    Double(f64),
    /// The nearest double to a number with more digits than a double holds.
    Lossy(f64),
}

impl Number {
    /// Reads the text of a JSON number; nothing if it is none, or beyond the range of a double.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        if !is_number(text) {
            return None;
        }
        // Negative zero is a double: no integer keeps its sign.
        if let Ok(integer) = text.parse::<i128>()
            && let Some(exact) = Self::integer(integer)
            && text != "-0"
        {
            return Some(exact);
        }
        let double: f64 = text.parse().ok().filter(|double: &f64| double.is_finite())?;
        let kept = Decimal::of(text) == Decimal::of(&format!("{double:e}"));
        Some(if kept {
            Self::Double(double)
        } else {
            Self::Lossy(double)
        })
    }

    /// An integer, if 64 bits hold it.
    pub(crate) fn integer(integer: i128) -> Option<Self> {
        let signed = i64::try_from(integer).map(Self::Signed);
        signed
            .or_else(|_| u64::try_from(integer).map(Self::Unsigned))
            .ok()
    }

    /// A double, if it is finite.
    pub(crate) fn double(double: f64) -> Option<Self> {
        double.is_finite().then_some(Self::Double(double))
    }

    /// The exact integer, if it was written as one.
    pub(crate) fn as_integer(self) -> Option<i128> {
        match self {
            Self::Signed(integer) => Some(integer.into()),
            Self::Unsigned(integer) => Some(integer.into()),
            Self::Double(_) | Self::Lossy(_) => None,
        }
    }

    /// The nearest double.
    pub(crate) fn as_double(self) -> f64 {
        match self {
            Self::Signed(integer) => nearest_double(integer.into()),
            Self::Unsigned(integer) => nearest_double(integer.into()),
            Self::Double(double) | Self::Lossy(double) => double,
        }
    }

    pub(crate) fn is_lossy(self) -> bool {
        matches!(self, Self::Lossy(_))
    }

    /// By exact value, so that the order is total.
    pub(crate) fn compare(self, other: Self) -> Ordering {
        match (self.as_integer(), other.as_integer()) {
            (Some(a), Some(b)) => a.cmp(&b),
            (Some(a), None) => compare_mixed(a, other.as_double()),
            (None, Some(b)) => compare_mixed(b, self.as_double()).reverse(),
            (None, None) => self
                .as_double()
                .partial_cmp(&other.as_double())
                .unwrap_or(Ordering::Equal),
        }
    }
}

#[expect(
    clippy::as_conversions,
    reason = "rounding to the nearest double is what is asked for"
)]
fn nearest_double(integer: i128) -> f64 {
    integer as f64
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

/// The significant digits of a decimal text and the power of ten of the first, for comparing two texts.
#[derive(PartialEq, Eq)]
struct Decimal {
    digits: String,
    exponent: i64,
}

impl Decimal {
    fn of(text: &str) -> Option<Self> {
        let text = text.trim_start_matches('-');
        let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let all = format!("{whole}{fraction}");
        let digits = all.trim_start_matches('0');
        let leading = all.len().saturating_sub(digits.len());
        if digits.is_empty() {
            return Some(Self {
                digits: String::new(),
                exponent: 0,
            });
        }
        let exponent: i64 = exponent.parse().ok()?;
        let point = i64::try_from(whole.len())
            .ok()?
            .checked_sub(i64::try_from(leading).ok()?)?;
        let digits = digits.trim_end_matches('0').to_owned();
        let exponent = if digits.is_empty() {
            0
        } else {
            exponent.checked_add(point)?
        };
        Some(Self { digits, exponent })
    }
}

/// Whether a text is a number in the grammar of JSON (RFC 8259 section 6).
fn is_number(text: &str) -> bool {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let text = text.strip_prefix('-').unwrap_or(text);
    let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, "0"));
    let exponent = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
    digits(whole) && (whole == "0" || !whole.starts_with('0')) && digits(fraction) && digits(exponent)
}

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Signed(integer) => write!(f, "{integer}"),
            Self::Unsigned(integer) => write!(f, "{integer}"),
            Self::Double(double) | Self::Lossy(double) => write_double(*double, f),
        }
    }
}

/// The layout of ECMAScript's Number::toString.
fn write_double(double: f64, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    if double == 0.0 {
        return f.write_str(if double.is_sign_negative() { "-0" } else { "0" });
    }
    let exponential = format!("{double:e}");
    let (mantissa, exponent) = exponential.split_once('e').unwrap_or((&exponential, "0"));
    match exponent.parse::<i32>() {
        Ok(-6..=20) => write!(f, "{double}"),
        Ok(exponent) => write!(f, "{mantissa}e{exponent:+}"),
        Err(_) => f.write_str(&exponential),
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
                let order = Number::parse(a).unwrap().compare(Number::parse(b).unwrap());
                assert_eq!(order, i.cmp(&j), "{a} {b}");
            }
        }
        let equal = Number::parse("1").unwrap().compare(Number::parse("1.0").unwrap());
        assert_eq!(equal, Ordering::Equal);
    }
}
