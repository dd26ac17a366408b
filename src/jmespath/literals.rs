//! What was meant where a literal stands for the name of a key: a raw string (`'name'`) or JSON between backquotes.

use std::fmt;
use std::ops::Range;

use super::compile::Node;
use super::evaluate::{Budget, Fault};
use super::{Expression, compiled, is_identifier};
use crate::diagnostic::{Diagnostic, in_yaml, quoted};
use crate::jmespath::json::{self, Room, Value};
use crate::limits;

impl Expression {
    /// Whether the result is the same for every document.
    pub(crate) fn is_constant(&self) -> bool {
        self.is_constant
    }

    /// What to say about an expression that never reads the value, while there is none.
    pub(crate) fn warning(&self) -> Option<impl fmt::Display> {
        self.is_constant.then_some(Warning(&self.text))
    }

    /// Why it is refused for a document: it never reads it, and a literal in it, or its result, names a key there.
    pub(crate) fn mistaken(
        &self,
        result: Option<&Value>,
        document: &Value,
        budget: &mut Budget,
    ) -> Result<Option<Diagnostic>, Fault> {
        if !self.is_constant {
            return Ok(None);
        }
        let mut named = None;
        let mut replaced = String::new();
        let mut rest = 0;
        for (span, name) in literals(&self.text, budget)? {
            if let Some(selector) = selector(&name, document, budget)? {
                replaced.push_str(self.text.get(rest..span.start).unwrap_or_default());
                replaced.push_str(&selector);
                rest = span.end;
                named.get_or_insert((name, selector));
            }
        }
        replaced.push_str(self.text.get(rest..).unwrap_or_default());
        if let Some(Value::Text(text)) = result
            && let Some(selector) = selector(text.as_str(), document, budget)?
        {
            named = Some((text.as_str().to_owned(), selector));
        }
        let Some((name, selector)) = named else {
            return Ok(None);
        };
        let is_short = |written: &str| written.len() <= limits::QUOTED_BYTES;
        let mut remedy = if is_short(&replaced) && finds_something(&replaced, document, budget)? {
            format!("to read that key, write in YAML: {}", in_yaml(&replaced))
        } else if is_short(&selector) {
            format!("to read that key, write in YAML: {}", in_yaml(&selector))
        } else {
            "to read that key, write its name in double quotes instead".to_owned()
        };
        let is_literal = matches!(compiled(&self.text), Ok(Node::Literal(_)));
        let meant = if is_literal {
            format!("@ && {}", self.text)
        } else {
            format!("@ && ({})", self.text)
        };
        let mounts = result.is_some_and(|result| !matches!(result, Value::Null));
        if mounts && is_short(&meant) && Self::parse(&meant).is_ok() {
            remedy.push_str(&format!("; to mount the text itself: {}", in_yaml(&meant)));
        }
        let wrong = format!(
            "the expression {} never reads the value: {} in it is literal text, but names a key of the value",
            quoted(&self.text),
            quoted(&name)
        );
        Ok(Some(Diagnostic::new(wrong, remedy)))
    }
}

/// The text of an expression that never reads the value.
struct Warning<'a>(&'a str);

impl fmt::Display for Warning<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let expression = quoted(self.0);
        write!(
            f,
            "the expression {expression} never reads the value: its result is always the same; "
        )?;
        let name = match compiled(self.0) {
            Ok(Node::Literal(Value::Text(name))) => name.as_str().trim().to_owned(),
            _ => String::new(),
        };
        if name.is_empty() || name.len() > limits::QUOTED_BYTES / 2 {
            return f.write_str("if a key is meant, write it in double quotes; single quotes and backquotes mark literals, and a default stands after its key: \"key\" || 'default'");
        }
        f.write_str("if a key is meant, write in YAML: ")?;
        match path(&name) {
            Some(path) if name.contains('"') => f.write_str(&in_yaml(&path)),
            Some(path) if path != quoted_identifier(&name) && !is_identifier(&name) => {
                write!(
                    f,
                    "{}, or as a path: {}",
                    in_yaml(&quoted_identifier(&name)),
                    in_yaml(&path)
                )
            }
            _ => f.write_str(&in_yaml(&quoted_identifier(&name))),
        }
    }
}

/// The expression that selects what `name` names in a document: a key, or else a path.
fn selector(name: &str, document: &Value, budget: &mut Budget) -> Result<Option<String>, Fault> {
    if let Value::Object(entries) = document
        && let Some(key) = [name, name.trim()]
            .into_iter()
            .find(|key| entries.contains_key(*key))
    {
        return Ok(Some(quoted_identifier(key)));
    }
    budget.step(PARSING_STEPS)?;
    match path(name.trim()) {
        Some(path) if finds_something(&path, document, budget)? => Ok(Some(path)),
        _ => Ok(None),
    }
}

/// Whether an expression reads the document and finds something in it.
fn finds_something(expression: &str, document: &Value, budget: &mut Budget) -> Result<bool, Fault> {
    budget.step(PARSING_STEPS)?;
    let Ok(expression) = Expression::parse(expression) else {
        return Ok(false);
    };
    let is_empty = match expression.search(document, budget) {
        Err(Fault::TooManySteps) => return Err(Fault::TooManySteps),
        Ok(Value::Null) | Err(_) => true,
        Ok(Value::List(items)) => items.is_empty(),
        Ok(_) => false,
    };
    Ok(!expression.is_constant && !is_empty)
}

/// What parsing the text of a literal takes, in steps.
const PARSING_STEPS: usize = 64;

/// A name as a quoted identifier.
pub(crate) fn quoted_identifier(name: &str) -> String {
    serde_json::Value::from(name).to_string()
}

/// A text as the path that it looks like.
fn path(text: &str) -> Option<String> {
    let is_path = |text: &str| {
        let named = text.contains(char::is_alphanumeric) && !text.contains('|');
        named && text.len() <= limits::EXPRESSION_BYTES && Expression::parse(text).is_ok()
    };
    if is_path(text) {
        return compiled(text)
            .is_ok_and(|node| is_steps(&node))
            .then(|| text.to_owned());
    }
    quoted_path(text)
}

/// Whether a node does nothing but go from key to key and through lists.
fn is_steps(node: &Node) -> bool {
    match node {
        Node::Current | Node::Field(_) | Node::Index(_) | Node::Slice { .. } => true,
        Node::Chain(first, then) | Node::Project(first, then) => is_steps(first) && is_steps(then),
        Node::Values(inner) | Node::Flatten(inner) => is_steps(inner),
        _ => false,
    }
}

/// A text that looks like a path but for its quotes, with them. A `$` or a dot in front is left out.
pub(super) fn quoted_path(text: &str) -> Option<String> {
    let bare = |part: &str| {
        !part.is_empty()
            && part
                .chars()
                .all(|c| c.is_alphanumeric() || matches!(c, '_' | '-' | '/' | ' '))
    };
    let path = text.strip_prefix('$').unwrap_or(text);
    let path = path.strip_prefix('.').unwrap_or(path);
    let quoted = |part: &str| {
        bare(part).then(|| {
            if is_identifier(part) {
                part.to_owned()
            } else {
                format!("\"{part}\"")
            }
        })
    };
    let parts: Option<Vec<String>> = path.split('.').map(quoted).collect();
    Some(parts?.join("."))
}

/// The literals of an expression that are no lists or objects: where they stand, and their text.
fn literals(expression: &str, budget: &mut Budget) -> Result<Vec<(Range<usize>, String)>, Fault> {
    let mut found = Vec::new();
    let mut chars = expression.char_indices();
    while let Some((start, quote)) = chars.next() {
        if !matches!(quote, '\'' | '"' | '`') {
            continue;
        }
        let mut end = expression.len();
        while let Some((at, c)) = chars.next() {
            match c {
                '\\' => _ = chars.next(),
                c if c == quote => {
                    end = at.saturating_add(1);
                    break;
                }
                _ => {}
            }
        }
        budget.step(PARSING_STEPS)?;
        let text = expression.get(start..end).unwrap_or_default();
        let text = match compiled(text) {
            Ok(Node::Literal(Value::Text(text))) => text.as_str().to_owned(),
            Ok(Node::Literal(Value::List(_) | Value::Object(_))) | Err(_) => continue,
            Ok(Node::Literal(scalar)) => {
                let mut room = Room {
                    nodes: 1,
                    bytes: limits::EXPRESSION_BYTES,
                };
                match json::write(&scalar, &mut room) {
                    Ok(text) => text.as_str().to_owned(),
                    Err(_) => continue,
                }
            }
            Ok(_) => continue,
        };
        found.push((start..end, text));
    }
    Ok(found)
}
