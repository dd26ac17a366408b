//! Whether the result of an expression can depend on the document.
//!
//! A raw string (`'db.password'`) or a JSON literal where a quoted name (`"db.password"`) was meant gives that very
//! text. The analysis evaluates an expression as far as that works without a document. It errs to one side: a
//! constant expression has the same result for every document other than null, or none where it fails.

use std::rc::Rc;

use super::compile::{Argument, Node};
use super::evaluate::{Budget, evaluate, is_true};
use super::functions::Function;
use crate::jmespath::json::{Text, Value};
use crate::limits;

/// What is known of a result while the document is not.
#[derive(Clone)]
enum Outcome {
    /// The same for every document. Without a value: it fails, or evaluating it takes too long.
    Same(Option<Value>),
    /// A list; not all elements are the same for every document.
    List(Rc<Vec<Self>>),
    /// An object; not all values are the same for every document.
    Object(Rc<Vec<(Text, Self)>>),
    /// Anything but null.
    NotNull,
    Any,
}

/// Whether the result is the same for every document. `text` is what the expression was compiled from.
pub(super) fn is_constant(root: &Node, text: &str) -> bool {
    let mut analysis = Analysis {
        budget: Budget {
            steps: limits::CONSTANT_STEPS_PER_BYTE.saturating_mul(text.len()),
            ..Budget::within(limits::CONSTANT_BYTES)
        },
    };
    analysis.outcome(root, &Outcome::NotNull).is_same()
}

impl Outcome {
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

    fn field(&self, name: &Text) -> Self {
        match self {
            Self::Object(entries) => entries
                .iter()
                .rfind(|(key, _)| key == name)
                .map_or(Self::Same(Some(Value::Null)), |(_, value)| value.clone()),
            _ => Self::Any,
        }
    }

    fn item(&self, index: i64) -> Self {
        match (self, usize::try_from(index)) {
            (Self::List(items), Ok(index)) => {
                items.get(index).cloned().unwrap_or(Self::Same(Some(Value::Null)))
            }
            _ => Self::Any,
        }
    }
}

struct Analysis {
    budget: Budget,
}

impl Analysis {
    /// The outcome of a node. Recursion follows the expression, whose depth is bounded.
    fn outcome(&mut self, node: &Node, input: &Outcome) -> Outcome {
        if input.is_same() {
            return self.evaluated(node, input);
        }
        match node {
            Node::Current => input.clone(),
            Node::Literal(_) => self.evaluated(node, input),
            Node::Field(name) => input.field(name),
            Node::Index(index) => input.item(*index),
            Node::Slice { .. } | Node::Filter(..) => Outcome::Any,
            Node::Chain(first, then) => {
                let first = self.outcome(first, input);
                self.outcome(then, &first)
            }
            Node::And(left, right) => self.either(left, right, false, input),
            Node::Or(left, right) => self.either(left, right, true, input),
            Node::Not(inner) => {
                let inner = self.outcome(inner, input);
                match inner.truth() {
                    Some(truth) => Outcome::Same(Some(Value::Boolean(!truth))),
                    None => self.of_all(&[inner], node, input),
                }
            }
            Node::Compare(_, left, right) => {
                let operands = [self.outcome(left, input), self.outcome(right, input)];
                self.of_all(&operands, node, input)
            }
            // What is done with each element sees nothing but the element.
            Node::Values(inner) | Node::Flatten(inner) | Node::Project(inner, _) => {
                let inner = self.outcome(inner, input);
                self.of_all(&[inner], node, input)
            }
            Node::List(_) | Node::Object(_) if matches!(input, Outcome::Any) => Outcome::Any,
            Node::List(nodes) => {
                let items: Vec<Outcome> = nodes.iter().map(|node| self.outcome(node, input)).collect();
                if items.iter().all(Outcome::is_same) {
                    self.evaluated(node, input)
                } else {
                    Outcome::List(Rc::new(items))
                }
            }
            Node::Object(nodes) => {
                let entry = |(key, node): &(Text, Node)| (key.clone(), self.outcome(node, input));
                let entries: Vec<(Text, Outcome)> = nodes.iter().map(entry).collect();
                if entries.iter().all(|(_, value)| value.is_same()) {
                    self.evaluated(node, input)
                } else {
                    Outcome::Object(Rc::new(entries))
                }
            }
            Node::Call(function, arguments) => self.call(*function, arguments, node, input),
        }
    }

    /// `left || right` if `decisive` is true, `left && right` if it is false: the left side decides if it is that.
    fn either(&mut self, left: &Node, right: &Node, decisive: bool, input: &Outcome) -> Outcome {
        let left = self.outcome(left, input);
        match left.truth() {
            Some(truth) if truth == decisive => left,
            Some(_) => self.outcome(right, input),
            None if left.is_same() && self.outcome(right, input).is_same() => Outcome::Same(None),
            None => Outcome::Any,
        }
    }

    fn call(&mut self, function: Function, arguments: &[Argument], node: &Node, input: &Outcome) -> Outcome {
        // An expression reference sees nothing but the elements of another argument.
        let values = arguments.iter().filter_map(|argument| match argument {
            Argument::Value(node) => Some(self.outcome(node, input)),
            Argument::Reference(_) => None,
        });
        let values: Vec<Outcome> = values.collect();
        if function == Function::NotNull {
            let is_null = |value: &&Outcome| matches!(value, Outcome::Same(Some(Value::Null)));
            let first = values.iter().find(|value| !is_null(value));
            if let Some(first @ (Outcome::Same(Some(_)) | Outcome::List(_) | Outcome::Object(_))) = first {
                return first.clone();
            }
        }
        self.of_all(&values, node, input)
    }

    /// The outcome of a node that has nothing but these operands.
    fn of_all(&mut self, operands: &[Outcome], node: &Node, input: &Outcome) -> Outcome {
        if operands.iter().all(Outcome::is_same) {
            self.evaluated(node, input)
        } else {
            Outcome::Any
        }
    }

    /// The outcome of a node that is the same for every document: that for any of them.
    fn evaluated(&mut self, node: &Node, input: &Outcome) -> Outcome {
        let any = Value::Boolean(true);
        let input = match input {
            Outcome::Same(value) => value.as_ref(),
            Outcome::NotNull | Outcome::Any => Some(&any),
            Outcome::List(_) | Outcome::Object(_) => None,
        };
        Outcome::Same(input.and_then(|input| evaluate(node, input, &mut self.budget).ok()))
    }
}
