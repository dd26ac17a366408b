//! Reads and writes JSON trees (RFC 8259).
//!
//! `serde_json` reads values; numbers are read again from their own text, see [`number`](super::number). Text is
//! wiped on drop. Objects are written with their keys in byte order, without whitespace.

use std::borrow::Borrow;
use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use zeroize::Zeroizing;

use super::budget::{Budget, Fault};
use super::number::Number;
use crate::limits;

/// A JSON value. Cheap to clone, because large parts are shared.
#[derive(Clone)]
pub(crate) enum Value {
    Null,
    Boolean(bool),
    Number(Number),
    Text(Text),
    List(Arc<Vec<Self>>),
    Object(Arc<BTreeMap<Text, Self>>),
}

impl Value {
    /// The type's name in the specification.
    pub(crate) fn type_name(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Boolean(_) => "boolean",
            Self::Number(_) => "number",
            Self::Text(_) => "string",
            Self::List(_) => "array",
            Self::Object(_) => "object",
        }
    }
}

impl fmt::Debug for Value {
    /// The type only: values are secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Value({})", self.type_name())
    }
}

/// The `Debug` output of a text, for the test that checks all of them.
#[cfg(test)]
pub(crate) fn debug_of(text: &str) -> String {
    let value = Value::Text(text.to_owned().into());
    format!("{value:?} {value:#?}")
}

/// Shared text, wiped when its last owner is dropped.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Text(Arc<Zeroizing<String>>);

impl Text {
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<String> for Text {
    fn from(text: String) -> Self {
        Self(Arc::new(Zeroizing::new(text)))
    }
}

impl Borrow<str> for Text {
    fn borrow(&self) -> &str {
        self.as_str()
    }
}

impl PartialOrd for Text {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Text {
    fn cmp(&self, other: &Self) -> Ordering {
        self.as_str().cmp(other.as_str())
    }
}

impl Budget {
    /// Reads a document.
    pub(crate) fn read(&mut self, text: &[u8]) -> Result<Value, Fault> {
        self.text(text.len())?;
        let room = self.most / NODE_BYTES;
        let most = self.steps.min(limits::JSON_NODES).min(room);
        let mut reader = Reader {
            numbers: Numbers(text),
            nodes: Some(most),
        };
        let mut deserializer = serde_json::Deserializer::from_slice(text);
        let value = reader
            .deserialize(&mut deserializer)
            .and_then(|value| deserializer.end().map(|()| value));
        self.step(most - reader.nodes.unwrap_or_default())?;
        value.map_err(|error| match reader.nodes {
            Some(_) => Fault::Syntax {
                line: error.line(),
                column: error.column(),
            },
            None if most == limits::JSON_NODES => Fault::TooManyValues,
            None if most == room => Fault::TooMuchMemory,
            None => Fault::TooManySteps,
        })
    }

    /// Writes a value as JSON within the limits of steps and memory.
    pub(crate) fn write(&mut self, value: &Value) -> Result<Text, Fault> {
        let mut out = Zeroizing::new(String::new());
        self.write_into(value, &mut out)?;
        self.hold(out.len())?;
        Ok(Text(Arc::new(out)))
    }

    fn write_into(&mut self, value: &Value, out: &mut String) -> Result<(), Fault> {
        self.step(1)?;
        match value {
            Value::Null => out.push_str("null"),
            Value::Boolean(boolean) => out.push_str(if *boolean { "true" } else { "false" }),
            Value::Number(number) if number.is_lossy() => return Err(Fault::Lossy),
            Value::Number(number) => out.push_str(&number.to_string()),
            Value::Text(text) => write_text(text.as_str(), out),
            Value::List(items) => {
                let mut before = '[';
                for item in items.iter() {
                    out.push(before);
                    self.write_into(item, out)?;
                    before = ',';
                }
                out.push_str(if before == '[' { "[]" } else { "]" });
            }
            Value::Object(entries) => {
                let mut before = '{';
                for (key, item) in entries.iter() {
                    out.push(before);
                    write_text(key.as_str(), out);
                    out.push(':');
                    self.write_into(item, out)?;
                    before = ',';
                }
                out.push_str(if before == '{' { "{}" } else { "}" });
            }
        }
        if out.len() > self.bytes {
            self.text(self.bytes)?;
            return Err(Fault::TooMuchMemory);
        }
        Ok(())
    }

    /// Builds a list.
    pub(super) fn list(&mut self, items: Vec<Value>) -> Result<Value, Fault> {
        self.hold(
            items
                .len()
                .saturating_mul(LIST_ITEM_BYTES)
                .saturating_add(LIST_BYTES),
        )?;
        Ok(Value::List(Arc::new(items)))
    }

    /// Spends the memory for one more entry of an object.
    pub(super) fn entry(&mut self) -> Result<(), Fault> {
        self.hold(OBJECT_ENTRY_BYTES)
    }
}

/// Builds the tree. Numbers arrive in the order of the text, so each takes the next number's text.
struct Reader<'t> {
    numbers: Numbers<'t>,
    /// Values still allowed; `None` after the limit was exceeded.
    nodes: Option<usize>,
}

impl Reader<'_> {
    fn number<E: serde::de::Error>(&mut self) -> Result<Value, E> {
        let text = self
            .numbers
            .next()
            .and_then(|text| std::str::from_utf8(text).ok());
        text.and_then(Number::parse)
            .map(Value::Number)
            .ok_or_else(|| E::custom("not a number"))
    }
}

impl<'de> DeserializeSeed<'de> for &mut Reader<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        self.nodes = self.nodes.and_then(|nodes| nodes.checked_sub(1));
        if self.nodes.is_none() {
            return Err(D::Error::custom("too large"));
        }
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for &mut Reader<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Boolean(value))
    }

    fn visit_i64<E: serde::de::Error>(self, _: i64) -> Result<Value, E> {
        self.number()
    }

    fn visit_u64<E: serde::de::Error>(self, _: u64) -> Result<Value, E> {
        self.number()
    }

    fn visit_f64<E: serde::de::Error>(self, _: f64) -> Result<Value, E> {
        self.number()
    }

    fn visit_str<E>(self, text: &str) -> Result<Value, E> {
        Ok(Value::Text(Text::from(text.to_owned())))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = access.next_element_seed(&mut *self)? {
            items.push(item);
        }
        Ok(Value::List(Arc::new(items)))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let mut entries = BTreeMap::new();
        while let Some(key) = access.next_key::<String>()? {
            entries.insert(Text::from(key), access.next_value_seed(&mut *self)?);
        }
        Ok(Value::Object(Arc::new(entries)))
    }
}

/// The texts of the numbers of a document, in order.
struct Numbers<'t>(&'t [u8]);

impl<'t> Iterator for Numbers<'t> {
    type Item = &'t [u8];

    fn next(&mut self) -> Option<&'t [u8]> {
        loop {
            match self.0 {
                [] => return None,
                [b'"', rest @ ..] => self.0 = after_string(rest),
                [b'-' | b'0'..=b'9', ..] => {
                    let end = self.0.iter().position(|byte| !b"+-.0123456789eE".contains(byte));
                    let (number, rest) = self.0.split_at(end.unwrap_or(self.0.len()));
                    self.0 = rest;
                    return Some(number);
                }
                [_, rest @ ..] => self.0 = rest,
            }
        }
    }
}

/// The text after the closing quote of a string; `text` begins inside it.
fn after_string(mut text: &[u8]) -> &[u8] {
    loop {
        match text {
            [b'"', rest @ ..] => return rest,
            [b'\\', _, rest @ ..] | [_, rest @ ..] => text = rest,
            [] => return text,
        }
    }
}

/// Escapes only what RFC 8259 section 7 requires.
fn write_text(text: &str, out: &mut String) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if u32::from(c) < 0x20 => out.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push('"');
}

/// Memory of a list without its items: the vector, its counters, allocator overhead.
const LIST_BYTES: usize = 64;

/// Memory of a list item, doubled because a growing vector reserves more than it holds.
pub(super) const LIST_ITEM_BYTES: usize = 2 * size_of::<Value>();

/// Memory charged for a value of a document; objects take more, lists less.
const NODE_BYTES: usize = 64;

/// Memory of an object entry at worst: a B-tree node of its own, with room for eleven.
const OBJECT_ENTRY_BYTES: usize = 512;

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &[u8]) -> Result<Value, Fault> {
        Budget::new().read(text)
    }

    fn written(text: &str) -> String {
        match read(text.as_bytes()).map(|value| Budget::new().write(&value)) {
            Ok(Ok(out)) => out.as_str().to_owned(),
            Ok(Err(fault)) => format!("{fault:?}"),
            Err(fault) => fault.to_string(),
        }
    }

    #[test]
    fn numbers_keep_every_digit_or_say_so() {
        for (text, expected) in [
            ("0", "0"),
            ("-0", "-0"),
            ("-0.0", "-0"),
            ("9223372036854775807", "9223372036854775807"),
            ("-9223372036854775808", "-9223372036854775808"),
            ("18446744073709551615", "18446744073709551615"),
            ("18446744073709551616", "Lossy"),
            ("18446744073709551617", "Lossy"),
            ("9007199254740993.0", "Lossy"),
            ("1.0", "1"),
            ("1.10", "1.1"),
            ("0.1", "0.1"),
            ("0.1000000000000000055511151231257827", "Lossy"),
            ("3.141592653589793", "3.141592653589793"),
            ("1e3", "1000"),
            ("1E+20", "100000000000000000000"),
            ("1e21", "1e+21"),
            ("1.5e300", "1.5e+300"),
            ("0.000001", "0.000001"),
            ("1e-7", "1e-7"),
            ("123456e-12", "1.23456e-7"),
            ("5e-324", "5e-324"),
            ("1e-400", "Lossy"),
            ("1e400", "not valid JSON at line 1, column 5"),
            ("0e999999999999999999999", "0"),
        ] {
            assert_eq!(written(text), expected, "{text}");
        }
    }

    #[test]
    fn numbers_are_matched_to_their_own_texts() {
        let text = r#"{"a\"1":[-1,2.50,"3\\",{"4":5e0}],"b":18446744073709551615,"c":"\u0036"}"#;
        assert_eq!(
            written(text),
            r#"{"a\"1":[-1,2.5,"3\\",{"4":5}],"b":18446744073709551615,"c":"6"}"#
        );
    }

    #[test]
    fn only_one_document_is_json() {
        for text in [
            "",
            " ",
            "{} {}",
            "{",
            "nul",
            "NaN",
            "\u{feff}{}",
            "'a'",
            "{\"a\":\"\\ud800\"}",
            "01",
            "+1",
            "1.",
        ] {
            assert!(
                matches!(read(text.as_bytes()), Err(Fault::Syntax { .. })),
                "{text:?}"
            );
        }
        assert!(read(b"\"\xff\"").is_err());
        assert_eq!(written(" [1 , \"a\\u0000\\t\" ] \n"), r#"[1,"a\u0000\t"]"#);
        assert_eq!(written(r#"{"b":1,"a":{},"b":[]}"#), r#"{"a":{},"b":[]}"#);
    }

    #[test]
    fn documents_are_bounded() {
        let list = |n: usize| format!("[{}0]", "0,".repeat(n - 2));
        assert!(read(list(limits::JSON_NODES).as_bytes()).is_ok());
        assert!(matches!(
            read(list(limits::JSON_NODES + 1).as_bytes()),
            Err(Fault::TooManyValues)
        ));
        let nested = |n: usize| "[".repeat(n) + &"]".repeat(n);
        assert!(read(nested(127).as_bytes()).is_ok());
        assert!(read(nested(100_000).as_bytes()).is_err());
    }
}
