//! What a scalar without quotes is to YAML 1.1, as kubectl and the official provider read it (`sigs.k8s.io/yaml`).

use crate::yaml::{Kind, Node, Style};

/// A scalar that YAML 1.1 takes for something else than text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Converted {
    /// What it is taken for, with its article.
    pub(super) as_what: &'static str,
    /// The text that comes out where text is due.
    pub(super) text: String,
}

/// The conversion of a node; nothing if it stays text, or is none.
pub(super) fn converted(node: &Node) -> Option<Converted> {
    match &node.kind {
        Kind::Text(text) if node.style == Style::Plain => convert(text),
        _ => None,
    }
}

fn convert(text: &str) -> Option<Converted> {
    let is = |as_what, text: String| Some(Converted { as_what, text });
    match text {
        "y" | "Y" | "yes" | "Yes" | "YES" | "on" | "On" | "ON" | "true" | "True" | "TRUE" => {
            return is("a boolean", "true".to_owned());
        }
        "n" | "N" | "no" | "No" | "NO" | "off" | "Off" | "OFF" | "false" | "False" | "FALSE" => {
            return is("a boolean", "false".to_owned());
        }
        ".nan" | ".NaN" | ".NAN" => return is("a number", "NaN".to_owned()),
        ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" => return is("a number", "+Inf".to_owned()),
        "-.inf" | "-.Inf" | "-.INF" => return is("a number", "-Inf".to_owned()),
        _ => {}
    }
    if !text.starts_with(|c: char| c.is_ascii_digit() || matches!(c, '+' | '-' | '.')) || text.len() > 400 {
        return None;
    }
    let plain = text.replace('_', "");
    if let Some(whole) = integer(&plain) {
        return is("a number", whole);
    }
    if is_float(&plain) {
        return is("a number", float(plain.parse().ok()?));
    }
    None
}

/// A whole number as Go's `ParseInt` and `ParseUint` with base 0 read it, in decimal.
fn integer(text: &str) -> Option<String> {
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => ("-", digits),
        None => ("", text.strip_prefix('+').unwrap_or(text)),
    };
    let prefixes = [("0x", 16), ("0X", 16), ("0b", 2), ("0B", 2), ("0o", 8), ("0O", 8)];
    let prefixed = prefixes
        .iter()
        .find_map(|(prefix, base)| Some((digits.strip_prefix(prefix)?, *base)));
    let (digits, base) = match prefixed {
        Some(both) => both,
        None if digits.len() > 1 && digits.starts_with('0') => (digits, 8),
        None => (digits, 10),
    };
    if !digits.starts_with(|c: char| c.is_digit(base)) {
        return None;
    }
    let number = u64::from_str_radix(digits, base).ok()?;
    match sign {
        "-" if number > 1 << 63 => None,
        "-" if number == 0 => Some("0".to_owned()),
        _ if text.starts_with('+') && number > (1 << 63) - 1 => None,
        _ => Some(format!("{sign}{number}")),
    }
}

fn is_float(text: &str) -> bool {
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (unsigned, None),
    };
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let mantissa = match mantissa.split_once('.') {
        None => digits(mantissa),
        Some(("", fraction)) => digits(fraction),
        Some((whole, "")) => digits(whole),
        Some((whole, fraction)) => digits(whole) && digits(fraction),
    };
    mantissa && exponent.is_none_or(|exponent| digits(exponent.strip_prefix(['-', '+']).unwrap_or(exponent)))
}

/// The shortest text that reads back as the same 32-bit number, as Go's `FormatFloat(x, 'g', -1, 32)` writes it.
#[expect(
    clippy::cast_possible_truncation,
    reason = "the rounding to 32 bits is what is described"
)]
fn float(number: f64) -> String {
    let number = number as f32;
    if number.is_infinite() {
        return if number > 0.0 { "+Inf" } else { "-Inf" }.to_owned();
    }
    let scientific = format!("{number:e}");
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or_default();
    if (-4..6).contains(&exponent) {
        format!("{number}")
    } else {
        let sign = if exponent < 0 { '-' } else { '+' };
        format!("{mantissa}e{sign}{:02}", exponent.abs())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Observed with the official provider, and with Go's own formatting.
    #[test]
    fn scalars_are_converted_as_observed() {
        for (written, read) in [
            ("123", "123"),
            ("0123", "83"),
            ("0189", "189"),
            ("0o17", "15"),
            ("0x1F", "31"),
            ("0b101", "5"),
            ("1_000", "1000"),
            ("+5", "5"),
            ("-5", "-5"),
            ("1.50", "1.5"),
            ("1.10", "1.1"),
            ("1e3", "1000"),
            ("12e5", "1.2e+06"),
            ("1.23456789", "1.2345679"),
            ("20240103000000000000", "2.0240103e+19"),
            ("123456.0", "123456"),
            ("1e5", "100000"),
            ("0.0001", "0.0001"),
            ("0.00001", "1e-05"),
            ("1e21", "1e+21"),
            ("18446744073709551615", "18446744073709551615"),
            (".inf", "+Inf"),
            (".nan", "NaN"),
            ("yes", "true"),
            ("y", "true"),
            ("Off", "false"),
        ] {
            assert_eq!(
                convert(written).map(|it| it.text).as_deref(),
                Some(read),
                "{written}"
            );
        }
        for text in [
            "1:30",
            "2024-01-01",
            "1.2.3",
            "v1",
            "e3",
            "0x",
            "-",
            "+",
            ".",
            "1e",
            "0b2x",
            "yEs",
            "a_b",
            "7f3d6c1e-0000",
            "",
            "1 0",
        ] {
            assert_eq!(convert(text), None, "{text}");
        }
    }
}
