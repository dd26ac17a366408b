//! Suggestions for literals written where a key was meant: raw strings (`'name'`) or JSON between backquotes.

use std::fmt;

use jmespath::ast::Ast;

use super::budget::{Budget, Fault};
use super::constant;
use super::evaluate::evaluate;
use super::expression::Expression;
use super::json::Value;
use super::path::{is_identifier, quoted_identifier, quoted_path};
use super::tree::Tree;
use crate::diagnostic::{Diagnostic, in_yaml, quoted};
use crate::limits;

impl Expression {
    /// A warning if the expression never reads the value, given before there is a value.
    pub(crate) fn warning(&self) -> Option<impl fmt::Display> {
        self.is_constant().then_some(Warning(self))
    }

    /// An error if the expression never reads the document, and a literal in it or its result names a key there.
    pub(crate) fn mistaken(
        &self,
        result: Option<&Value>,
        document: &Value,
        budget: &mut Budget,
    ) -> Result<Option<Diagnostic>, Fault> {
        if !self.is_constant() {
            return Ok(None);
        }
        let text = self.as_str();
        let tree = self.tree();
        let mut named = None;
        let mut replaced = String::new();
        let mut rest = 0;
        for (start, literal) in &tree.literals {
            budget.step(PARSING_STEPS)?;
            let Some(name) = text_of(&literal.value) else {
                continue;
            };
            if let Some(selector) = selector(&name, document, budget)? {
                replaced.push_str(text.get(rest..*start).unwrap_or_default());
                replaced.push_str(&selector);
                rest = literal.end;
                named.get_or_insert((name, selector));
            }
        }
        replaced.push_str(text.get(rest..).unwrap_or_default());
        if let Some(Value::Text(text)) = result
            && let Some(selector) = selector(text.as_str(), document, budget)?
        {
            named = Some((text.as_str().to_owned(), selector));
        }
        let Some((name, selector)) = named else {
            return Ok(None);
        };
        let is_short = |written: &str| written.len() <= limits::QUOTED_BYTES;
        let shown = if is_short(&replaced) && finds_something(&replaced, document, budget)? {
            replaced
        } else {
            selector
        };
        let mut remedy = if is_short(&shown) {
            format!("to read that key, write in YAML: {}", in_yaml(&shown))
        } else {
            "to read that key, write its name in double quotes instead".to_owned()
        };
        let meant = match tree.root {
            Ast::Literal { .. } => format!("@ && {text}"),
            _ => format!("@ && ({text})"),
        };
        let mounts = result.is_some_and(|result| !matches!(result, Value::Null));
        if mounts && is_short(&meant) && Tree::parse(&meant).is_ok() {
            remedy.push_str(&format!("; to mount the text itself: {}", in_yaml(&meant)));
        }
        let wrong = format!(
            "the expression {} never reads the value: {} in it is literal text, but names a key of the value",
            quoted(text),
            quoted(&name)
        );
        Ok(Some(Diagnostic::new(wrong, remedy)))
    }
}

/// An expression that never reads the value.
struct Warning<'a>(&'a Expression);

impl fmt::Display for Warning<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let expression = quoted(self.0.as_str());
        write!(
            f,
            "the expression {expression} never reads the value: its result is always the same; "
        )?;
        let tree = self.0.tree();
        let name = match &tree.root {
            Ast::Literal { offset, .. } => tree.literal(*offset),
            _ => Value::Null,
        };
        let name = if let Value::Text(name) = &name {
            name.as_str().trim()
        } else {
            ""
        };
        if name.is_empty() || name.len() > limits::QUOTED_BYTES / 2 {
            return f.write_str("if you mean a key, write it in double quotes; single quotes and backquotes mark literals, and a default comes after its key: \"key\" || 'default'");
        }
        let quoted = quoted_identifier(name);
        let remedy = match path(name) {
            Some(path) if name.contains('"') => in_yaml(&path),
            Some(path) if path != quoted && !is_identifier(name) => {
                format!("{}, or as a path: {}", in_yaml(&quoted), in_yaml(&path))
            }
            _ => in_yaml(&quoted),
        };
        write!(f, "if you mean a key, write in YAML: {remedy}")
    }
}

/// The expression that selects what `name` names in a document: a key, or otherwise a path.
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
    let Ok(tree) = Tree::parse(expression) else {
        return Ok(false);
    };
    let is_found = match evaluate(&tree, &tree.root, document, budget) {
        Err(fault @ (Fault::TooManySteps | Fault::TooMuchMemory)) => return Err(fault),
        Ok(Value::Null) | Err(_) => false,
        Ok(Value::List(items)) => !items.is_empty(),
        Ok(_) => true,
    };
    Ok(is_found && !constant::is_constant(&tree, expression))
}

/// Steps charged for parsing a literal's text.
const PARSING_STEPS: usize = 64;

/// Reads a text as a path if it looks like one.
fn path(text: &str) -> Option<String> {
    let is_named = text.contains(char::is_alphanumeric) && !text.contains('|');
    match Tree::parse(text) {
        Ok(tree) if is_named => is_steps(&tree.root).then(|| text.to_owned()),
        _ => quoted_path(text),
    }
}

/// Whether a node only follows keys and list elements.
fn is_steps(node: &Ast) -> bool {
    match node {
        Ast::Identity { .. } | Ast::Field { .. } | Ast::Index { .. } | Ast::Slice { .. } => true,
        Ast::Subexpr { lhs, rhs, .. } | Ast::Projection { lhs, rhs, .. } => is_steps(lhs) && is_steps(rhs),
        Ast::ObjectValues { node, .. } | Ast::Flatten { node, .. } => is_steps(node),
        _ => false,
    }
}

/// The text of a literal that is neither a list nor an object.
fn text_of(literal: &Value) -> Option<String> {
    match literal {
        Value::Text(text) => Some(text.as_str().to_owned()),
        Value::List(_) | Value::Object(_) => None,
        scalar => {
            let text = Budget::within(limits::EXPRESSION_BYTES).write(scalar).ok()?;
            Some(text.as_str().to_owned())
        }
    }
}
