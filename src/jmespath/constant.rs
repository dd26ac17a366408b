//! Whether the result of an expression can depend on the document.
//!
//! A raw string (`'db.password'`) or a JSON literal where a quoted name (`"db.password"`) was meant evaluates to that
//! text. The analysis evaluates an expression as far as possible without a document. It may miss a constant
//! expression, but one that it calls constant has the same result for every document other than null, or fails.

use std::rc::Rc;

use jmespath::ast::Ast;

use super::budget::Budget;
use super::evaluate::{evaluate, is_true};
use super::json::Value;
use super::tree::{Tree, children};
use crate::limits;

/// What is known about a result without the document.
#[derive(Clone)]
enum Outcome<'a> {
    /// The same for every document. `None` if it fails or takes too long.
    Same(Option<Value>),
    /// A list; not all elements are the same for every document.
    List(Rc<Vec<Self>>),
    /// An object; not all values are the same for every document.
    Object(Rc<Vec<(&'a str, Self)>>),
    /// Anything but null.
    NotNull,
    Any,
}

const NULL: Outcome<'_> = Outcome::Same(Some(Value::Null));

/// Whether the result is the same for every document. `text` is what the tree was parsed from.
pub(super) fn is_constant(tree: &Tree, text: &str) -> bool {
    let budget = Budget {
        steps: limits::CONSTANT_STEPS_PER_BYTE.saturating_mul(text.len()),
        ..Budget::within(limits::CONSTANT_BYTES)
    };
    let mut analysis = Analysis { tree, budget };
    analysis.outcome(&tree.root, &Outcome::NotNull).is_same()
}

impl Outcome<'_> {
    fn is_same(&self) -> bool {
        matches!(self, Self::Same(_))
    }

    /// Whether it counts as true, if that is the same for every document.
    fn truth(&self) -> Option<bool> {
        match self {
            Self::Same(value) => value.as_ref().map(is_true),
            Self::List(_) | Self::Object(_) => Some(true),
            Self::NotNull | Self::Any => None,
        }
    }
}

struct Analysis<'a> {
    tree: &'a Tree,
    budget: Budget,
}

impl<'a> Analysis<'a> {
    /// The outcome of a node. Recursion follows the expression, whose depth is bounded.
    fn outcome(&mut self, node: &'a Ast, input: &Outcome<'a>) -> Outcome<'a> {
        if input.is_same() {
            return self.evaluated(node, input);
        }
        match (node, input) {
            (Ast::Identity { .. }, _) => input.clone(),
            (Ast::Field { name, .. }, Outcome::Object(entries)) => {
                let entry = entries.iter().rfind(|(key, _)| key == name);
                entry.map_or(NULL, |(_, value)| value.clone())
            }
            (Ast::Index { idx, .. }, Outcome::List(items)) => match usize::try_from(*idx) {
                Ok(index) => items.get(index).cloned().unwrap_or(NULL),
                Err(_) => Outcome::Any,
            },
            (Ast::Field { .. } | Ast::Index { .. } | Ast::Slice { .. } | Ast::Condition { .. }, _)
            | (Ast::MultiList { .. } | Ast::MultiHash { .. }, Outcome::Any) => Outcome::Any,
            (Ast::Subexpr { lhs, rhs, .. }, _) => {
                let first = self.outcome(lhs, input);
                self.outcome(rhs, &first)
            }
            (Ast::And { lhs, rhs, .. } | Ast::Or { lhs, rhs, .. }, _) => {
                let decisive = matches!(node, Ast::Or { .. });
                let left = self.outcome(lhs, input);
                match left.truth() {
                    Some(truth) if truth == decisive => left,
                    Some(_) => self.outcome(rhs, input),
                    None if left.is_same() && self.outcome(rhs, input).is_same() => Outcome::Same(None),
                    None => Outcome::Any,
                }
            }
            (Ast::Not { node: inner, .. }, _) => {
                let inner = self.outcome(inner, input);
                match inner.truth() {
                    Some(truth) => Outcome::Same(Some(Value::Boolean(!truth))),
                    None if inner.is_same() => Outcome::Same(None),
                    None => Outcome::Any,
                }
            }
            _ => self.of_operands(node, input),
        }
    }

    /// The outcome of a node that needs all of its operands.
    fn of_operands(&mut self, node: &'a Ast, input: &Outcome<'a>) -> Outcome<'a> {
        // The expression applied to each element of a list sees only the element.
        let operands = match node {
            Ast::Projection { lhs, .. } => vec![&**lhs],
            other => children(other),
        };
        let operands = operands
            .into_iter()
            .filter(|it| !matches!(it, Ast::Expref { .. }));
        let outcomes: Vec<Outcome<'a>> = operands.map(|it| self.outcome(it, input)).collect();
        if outcomes.iter().all(Outcome::is_same) {
            return self.evaluated(node, input);
        }
        match node {
            Ast::MultiList { .. } => Outcome::List(Rc::new(outcomes)),
            Ast::MultiHash { elements, .. } => {
                let keys = elements.iter().map(|pair| &*pair.key);
                Outcome::Object(Rc::new(keys.zip(outcomes).collect()))
            }
            Ast::Function { name, .. } if name == "not_null" => {
                let is_null = |it: &Outcome<'_>| matches!(it, Outcome::Same(Some(Value::Null)));
                match outcomes.into_iter().find(|it| !is_null(it)) {
                    Some(first @ (Outcome::Same(Some(_)) | Outcome::List(_) | Outcome::Object(_))) => first,
                    _ => Outcome::Any,
                }
            }
            _ => Outcome::Any,
        }
    }

    /// Evaluates a node whose outcome is the same for every document.
    fn evaluated(&mut self, node: &Ast, input: &Outcome<'_>) -> Outcome<'a> {
        let any = Value::Boolean(true);
        let input = match input {
            Outcome::Same(value) => value.as_ref(),
            Outcome::NotNull | Outcome::Any => Some(&any),
            Outcome::List(_) | Outcome::Object(_) => None,
        };
        Outcome::Same(input.and_then(|input| evaluate(self.tree, node, input, &mut self.budget).ok()))
    }
}
