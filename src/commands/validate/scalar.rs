//! The YAML 1.1 type of an unquoted scalar, as kubectl and the official provider read it (`sigs.k8s.io/yaml`).

use crate::yaml::{Kind, Node, Style};

/// The type of an unquoted scalar that is not text, with its article.
pub(super) fn not_text(node: &Node) -> Option<&'static str> {
    match &node.kind {
        Kind::Text(text) if node.style == Style::Plain => kind(text),
        _ => None,
    }
}

fn kind(text: &str) -> Option<&'static str> {
    match text {
        "y" | "Y" | "yes" | "Yes" | "YES" | "on" | "On" | "ON" | "true" | "True" | "TRUE" => {
            Some("a boolean")
        }
        "n" | "N" | "no" | "No" | "NO" | "off" | "Off" | "OFF" | "false" | "False" | "FALSE" => {
            Some("a boolean")
        }
        ".nan" | ".NaN" | ".NAN" | ".inf" | ".Inf" | ".INF" => Some("a number"),
        "+.inf" | "+.Inf" | "+.INF" | "-.inf" | "-.Inf" | "-.INF" => Some("a number"),
        _ => is_number(text).then_some("a number"),
    }
}

fn is_number(text: &str) -> bool {
    if !text.starts_with(|c: char| c.is_ascii_digit() || matches!(c, '+' | '-' | '.')) || text.len() > 400 {
        return false;
    }
    let plain = text.replace('_', "");
    let decimal = |c: char| c.is_ascii_digit() || matches!(c, '+' | '-' | '.' | 'e' | 'E');
    plain.chars().all(decimal) && plain.parse::<f64>().is_ok() || is_prefixed(&plain)
}

/// An integer such as `0x1F`, of at most 64 bits.
fn is_prefixed(text: &str) -> bool {
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    let sign = text.strip_suffix(unsigned).unwrap_or_default();
    let bases = [("0x", 16), ("0X", 16), ("0b", 2), ("0B", 2), ("0o", 8), ("0O", 8)];
    let found = bases
        .iter()
        .find_map(|(prefix, base)| Some((unsigned.strip_prefix(prefix)?, *base)));
    found.is_some_and(|(digits, base)| {
        digits.starts_with(|c: char| c.is_digit(base))
            && (i64::from_str_radix(&format!("{sign}{digits}"), base).is_ok()
                || sign.is_empty() && u64::from_str_radix(digits, base).is_ok())
    })
}

/// Whether a number or boolean that is converted to text stays as written.
pub(super) fn survives(text: &str) -> bool {
    let whole = || {
        let signed = text.parse::<i64>().is_ok_and(|number| number.to_string() == text);
        signed || text.parse::<u64>().is_ok_and(|number| number.to_string() == text)
    };
    // The official provider uses 32-bit floats, and writes an exponent outside of this range.
    let fraction = || {
        let number = text.parse::<f32>();
        number.is_ok_and(|number| (1e-4..1e6).contains(&number.abs()) && number.to_string() == text)
    };
    matches!(text, "true" | "false") || whole() || fraction()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Observed with the official provider, and with Go's own formatting.
    #[test]
    fn scalars_are_taken_as_observed() {
        for (written, read) in [
            ("123", "123"),
            ("0123", "83"),
            ("0189", "189"),
            ("0o17", "15"),
            ("0x1F", "31"),
            ("-0x1F", "-31"),
            ("0b101", "5"),
            ("1_000", "1000"),
            ("+5", "5"),
            ("-5", "-5"),
            ("-0", "0"),
            ("0", "0"),
            ("0.0", "0"),
            ("1.5", "1.5"),
            ("-1.5", "-1.5"),
            ("1.50", "1.5"),
            ("1.10", "1.1"),
            (".5", "0.5"),
            ("1.", "1"),
            ("1e3", "1000"),
            ("12e5", "1.2e+06"),
            ("1.23456789", "1.2345679"),
            ("20240103000000000000", "2.0240103e+19"),
            ("123456.0", "123456"),
            ("123456.5", "123456.5"),
            ("1234567.5", "1.2345675e+06"),
            ("1e5", "100000"),
            ("0.0001", "0.0001"),
            ("0.00001", "1e-05"),
            ("1e21", "1e+21"),
            ("18446744073709551615", "18446744073709551615"),
            ("18446744073709551616", "1.8446744e+19"),
            ("-9223372036854775808", "-9223372036854775808"),
            ("0xffffffffffffffff", "18446744073709551615"),
            (".inf", "+Inf"),
            (".nan", "NaN"),
            ("yes", "true"),
            ("y", "true"),
            ("true", "true"),
            ("True", "true"),
            ("Off", "false"),
        ] {
            assert!(kind(written).is_some(), "{written}");
            assert_eq!(survives(written), written == read, "{written}");
        }
        for text in [
            "1:30",
            "2024-01-01",
            "1.2.3",
            "v1",
            "e3",
            "0x",
            "0x-5",
            "0x10000000000000000",
            "+0xffffffffffffffff",
            "-",
            "+",
            ".",
            "1e",
            "0b2x",
            "yEs",
            "a_b",
            "inf",
            "-inf",
            "+nan",
            "infinity",
            "7f3d6c1e-0000",
            "",
            "1 0",
        ] {
            assert_eq!(kind(text), None, "{text}");
        }
    }
}
