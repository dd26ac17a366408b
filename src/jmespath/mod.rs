//! JMESPath: expressions checked before any value is fetched, and evaluated within a budget.
//!
//! The grammar is that of <https://jmespath.org/specification.html> without later additions. The text is bounded
//! in length and nesting, then parsed by the `jmespath` crate; the tree is compiled into our own, with function
//! names and the number of their arguments checked, and evaluated over values of `json`. Evaluation
//! is ours because the crate's has no bound (`[@,@]|` doubles its output in six characters), rounds integers
//! past 2^53, and keeps secrets where they cannot be wiped. The crate stays the oracle of the tests.

mod compile;
#[cfg(test)]
mod compliance;
mod constant;
mod evaluate;
mod functions;
pub(crate) mod json;
mod literals;
mod number;
#[cfg(test)]
mod tests;

use std::fmt;

use self::json::Value;
use crate::diagnostic::{Diagnostic, in_yaml, quoted};
use crate::limits;

pub(crate) use self::evaluate::{Budget, Fault};
pub(crate) use self::literals::quoted_identifier;

/// An expression that can be evaluated. It is kept as text: as a tree it takes a hundred times as much, and a class may
/// have thousands, while its Mount waits.
pub(crate) struct Expression {
    text: String,
    /// Whether its result is the same for every document.
    is_constant: bool,
}

impl fmt::Debug for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Expression({:?})", self.text)
    }
}

impl Expression {
    /// Checks length and nesting, parses and compiles.
    pub(crate) fn parse(text: &str) -> Result<Self, Diagnostic> {
        if text.len() > limits::EXPRESSION_BYTES {
            let wrong = format!(
                "{} bytes are more than the limit of {}",
                text.len(),
                limits::EXPRESSION_BYTES
            );
            return Err(Diagnostic::new(
                wrong,
                "split the expression over several entries",
            ));
        }
        if depth(text) > limits::EXPRESSION_DEPTH {
            let wrong = format!(
                "nested or chained more than {} levels deep",
                limits::EXPRESSION_DEPTH
            );
            return Err(Diagnostic::new(wrong, "write a simpler expression"));
        }
        let root = compiled(text)?;
        Ok(Self {
            is_constant: constant::is_constant(&root, text),
            text: text.to_owned(),
        })
    }

    /// The text.
    pub(crate) fn as_str(&self) -> &str {
        &self.text
    }

    /// The result for a document.
    pub(crate) fn search(&self, document: &Value, budget: &mut Budget) -> Result<Value, Fault> {
        match compiled(&self.text) {
            Ok(root) => evaluate::evaluate(&root, document, budget),
            Err(_) => unreachable!("the same text has been compiled before"),
        }
    }
}

/// The tree of a text.
fn compiled(text: &str) -> Result<compile::Node, Diagnostic> {
    let tree = jmespath::parse(text).map_err(|error| {
        let wrong = format!(
            "{} is not a JMESPath expression (character {})",
            quoted(text),
            error.column + 1
        );
        Diagnostic::new(wrong, suggestion(text))
    })?;
    compile::compile(&tree, text)
}

/// Whether the text is an identifier that needs no quotes.
pub(crate) fn is_identifier(text: &str) -> bool {
    let mut chars = text.chars();
    chars.next().is_some_and(|c| c.is_ascii_alphabetic() || c == '_')
        && chars.all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// What to write instead: most often a key that needs quotes.
fn suggestion(text: &str) -> String {
    match literals::quoted_path(text) {
        Some(path) if text.starts_with(['$', '.']) => {
            format!("an expression starts with a key: {}", in_yaml(&path))
        }
        Some(path) => format!("quote the key inside the expression, in YAML: {}", in_yaml(&path)),
        None => "see https://jmespath.org/specification.html for the grammar".to_owned(),
    }
}

/// An upper bound of the depth of the parsed tree, and of the parser's recursion: in each group of brackets the
/// operators of one comma-separated part, plus the deepest group inside it.
fn depth(text: &str) -> usize {
    /// A group of brackets that is still open: operators of this part, deepest child of this part, deepest part.
    #[derive(Default)]
    struct Group {
        operators: usize,
        child: usize,
        deepest: usize,
    }
    impl Group {
        fn close_part(&mut self) {
            self.deepest = self.deepest.max(self.operators.saturating_add(self.child));
            (self.operators, self.child) = (0, 0);
        }
    }

    let mut outer: Vec<Group> = Vec::new();
    let mut group = Group::default();
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\'' | '"' | '`' => {
                while let Some(inner) = chars.next() {
                    match inner {
                        '\\' => _ = chars.next(),
                        end if end == c => break,
                        _ => {}
                    }
                }
            }
            '(' | '[' | '{' => {
                group.operators = group.operators.saturating_add(1);
                outer.push(std::mem::take(&mut group));
            }
            ')' | ']' | '}' => {
                group.close_part();
                if let Some(mut parent) = outer.pop() {
                    parent.child = parent.child.max(group.deepest);
                    group = parent;
                }
            }
            ',' => group.close_part(),
            '.' | '*' | '|' | '&' | '!' | '=' | '<' | '>' | '?' | ':' => {
                // The pairs that the lexer joins are one operator.
                if matches!(c, '|' | '&') {
                    chars.next_if_eq(&c);
                } else if matches!(c, '=' | '!' | '<' | '>') {
                    chars.next_if_eq(&'=');
                }
                group.operators = group.operators.saturating_add(1);
            }
            _ => {}
        }
    }
    // Brackets left open do not parse, but the parser descends before it knows.
    outer.push(group);
    outer.into_iter().rev().fold(0, |child, mut group| {
        group.child = group.child.max(child);
        group.close_part();
        group.deepest
    })
}
