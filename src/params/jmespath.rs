//! JMESPath expressions, bounded before they are parsed.

use jmespath::Variable;

use super::names::Wrong;
use super::problem::{bounded, quoted};
use crate::limits;

/// An expression that parses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Expression(String);

impl Expression {
    /// Checks length and nesting, then parses.
    pub(super) fn parse(text: &str) -> Result<Self, Wrong> {
        if text.len() > limits::EXPRESSION_BYTES {
            return Err(Wrong::new(
                format!(
                    "an expression of {} bytes is longer than the limit of {}",
                    text.len(),
                    limits::EXPRESSION_BYTES
                ),
                "write several entries",
            ));
        }
        if depth(text) > limits::EXPRESSION_DEPTH {
            return Err(Wrong::new(
                format!(
                    "the expression nests more than {} levels deep",
                    limits::EXPRESSION_DEPTH
                ),
                "write a simpler expression",
            ));
        }
        match jmespath::parse(text) {
            Ok(_) => Ok(Self(text.to_owned())),
            Err(_) => Err(Wrong::new(
                format!("{} is not a JMESPath expression", quoted(text)),
                suggestion(text),
            )),
        }
    }

    /// The text.
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }

    /// The result for a JSON document, as JSON; `Err` says what went wrong, without content.
    pub(super) fn search(&self, document: &Variable) -> Result<jmespath::Rcvar, String> {
        let expression = jmespath::compile(&self.0).map_err(|_| "does not parse".to_owned())?;
        expression
            .search(document)
            .map_err(|error| bounded(&error.reason.to_string(), limits::QUOTED_BYTES))
    }
}

/// Whether the text is a JMESPath identifier that needs no quotes.
pub(super) fn is_identifier(text: &str) -> bool {
    let mut chars = text.chars();
    chars.next().is_some_and(|c| c.is_ascii_alphabetic() || c == '_')
        && chars.all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// What to write instead: most often a key that needs quotes.
fn suggestion(text: &str) -> String {
    let bare =
        |part: &str| !part.is_empty() && part.chars().all(|c| c.is_alphanumeric() || c == '_' || c == '-');
    if !text.is_empty() && text.split('.').all(bare) {
        let quoted: Vec<String> = text
            .split('.')
            .map(|part| {
                if is_identifier(part) {
                    part.to_owned()
                } else {
                    format!("\"{part}\"")
                }
            })
            .collect();
        return format!("quote the key inside the expression: '{}'", quoted.join("."));
    }
    "see https://jmespath.org/specification.html for the grammar".to_owned()
}

/// How deep brackets and prefix operators nest.
fn depth(text: &str) -> usize {
    let mut depth = 0_usize;
    let mut deepest = 0;
    for c in text.chars() {
        match c {
            '(' | '[' | '{' | '!' | '&' => depth = depth.saturating_add(1),
            ')' | ']' | '}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        deepest = deepest.max(depth);
    }
    deepest
}
