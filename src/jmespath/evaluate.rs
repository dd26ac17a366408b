//! Evaluation within a budget: steps bound the time, bytes the memory.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use jmespath::ast::Comparator;

use super::compile::Node;
use super::functions;
use crate::jmespath::json::{self, Room, Text, Value, WriteError};
use crate::limits;

/// What all expressions of one Mount may spend together, and each of them alone.
pub(crate) struct Budget {
    pub(super) steps: usize,
    pub(super) bytes: usize,
    /// Bytes for each expression.
    pub(super) most: usize,
}

impl Budget {
    /// The budget of one Mount.
    #[cfg(any(test, fuzzing))]
    pub(crate) fn new() -> Self {
        Self::within(limits::EVALUATION_BYTES)
    }

    /// The budget of one Mount whose expressions may take so many bytes each, [`limits::EVALUATION_BYTES`] at most.
    pub(crate) fn within(bytes: usize) -> Self {
        let most = bytes.min(limits::EVALUATION_BYTES);
        Self {
            steps: limits::EVALUATION_STEPS,
            bytes: most,
            most,
        }
    }

    /// Makes the memory available again: what the expression before built is gone.
    pub(crate) fn next_expression(&mut self) {
        self.bytes = self.most;
    }

    /// Spends steps: one for each node evaluated and each element visited. Once they are short, there are none.
    pub(super) fn step(&mut self, steps: usize) -> Result<(), Fault> {
        let left = self.steps.checked_sub(steps);
        self.steps = left.unwrap_or_default();
        left.map(|_| ()).ok_or(Fault::TooManySteps)
    }

    /// Spends the steps that handling so much text takes.
    pub(crate) fn text(&mut self, bytes: usize) -> Result<(), Fault> {
        self.step(bytes / 64)
    }

    /// Spends memory, and the steps that filling it takes.
    pub(super) fn hold(&mut self, bytes: usize) -> Result<(), Fault> {
        self.bytes = self.bytes.checked_sub(bytes).ok_or(Fault::TooMuchMemory)?;
        self.text(bytes)
    }

    /// Reads a document.
    pub(crate) fn read(&mut self, text: &[u8]) -> Result<Value, Fault> {
        self.text(text.len())?;
        let room = self.most / NODE_BYTES;
        let most = self.steps.min(limits::JSON_NODES).min(room);
        let mut left = most;
        let value = json::parse(text, &mut left);
        self.step(most.saturating_sub(left))?;
        match value {
            Err(json::Error::TooLarge) if most < limits::JSON_NODES && most == room => {
                Err(Fault::TooMuchMemory)
            }
            Err(json::Error::TooLarge) if most < limits::JSON_NODES => Err(Fault::TooManySteps),
            other => other.map_err(Fault::Document),
        }
    }

    /// Writes a value as JSON, as far as steps and memory reach.
    pub(crate) fn write(&mut self, value: &Value) -> Result<Text, Fault> {
        let mut room = Room {
            nodes: self.steps,
            bytes: self.bytes,
        };
        let text = json::write(value, &mut room);
        self.steps = room.nodes;
        match text {
            Ok(text) => {
                self.hold(text.as_str().len())?;
                Ok(text)
            }
            Err(WriteError::Lossy) => Err(Fault::Lossy),
            Err(WriteError::TooLong) => {
                self.text(self.bytes)?;
                Err(Fault::TooMuchMemory)
            }
        }
    }

    /// Makes a list.
    pub(super) fn list(&mut self, items: Vec<Value>) -> Result<Value, Fault> {
        self.hold(
            items
                .len()
                .saturating_mul(LIST_ITEM_BYTES)
                .saturating_add(LIST_BYTES),
        )?;
        Ok(Value::List(Arc::new(items)))
    }

    /// Makes room for one more entry of an object that is being built.
    pub(super) fn entry(&mut self) -> Result<(), Fault> {
        self.hold(OBJECT_ENTRY_BYTES)
    }
}

/// Why an expression has no result. Never quotes a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// An argument has the wrong type.
    Argument {
        function: &'static str,
        position: usize,
        due: &'static str,
        given: &'static str,
    },
    /// A number has lost digits and its text is asked for.
    Lossy,
    /// The value is no document.
    Document(json::Error),
    /// An arithmetic result beyond the range of a double.
    OutOfRange(&'static str),
    /// Past [`limits::EVALUATION_STEPS`].
    TooManySteps,
    /// Past [`limits::EVALUATION_BYTES`].
    TooMuchMemory,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Argument {
                function,
                position,
                due,
                given,
            } => {
                write!(
                    f,
                    "argument {position} of {function} must be {due}, but is {given}"
                )
            }
            Self::Document(error) => error.fmt(f),
            Self::Lossy => f.write_str("a number has more digits than a double holds"),
            Self::OutOfRange(function) => {
                write!(f, "the result of {function} is beyond the range of a number")
            }
            Self::TooManySteps => f.write_str("it needs too many steps"),
            Self::TooMuchMemory => f.write_str("its result grows too large"),
        }
    }
}

/// Evaluates a node. Recursion follows the expression, whose depth is bounded.
pub(super) fn evaluate(node: &Node, value: &Value, budget: &mut Budget) -> Result<Value, Fault> {
    budget.step(1)?;
    match node {
        Node::Current => Ok(value.clone()),
        Node::Literal(literal) => Ok(literal.clone()),
        Node::Field(name) => Ok(match value {
            Value::Object(entries) => entries.get(name).cloned().unwrap_or(Value::Null),
            _ => Value::Null,
        }),
        Node::Index(index) => Ok(match value {
            Value::List(items) => at(items, *index),
            _ => Value::Null,
        }),
        Node::Slice { start, stop, step } => match value {
            Value::List(items) => slice(items, *start, *stop, *step, budget),
            _ => Ok(Value::Null),
        },
        Node::Chain(first, then) => {
            let value = evaluate(first, value, budget)?;
            evaluate(then, &value, budget)
        }
        Node::And(left, right) => {
            let left = evaluate(left, value, budget)?;
            if is_true(&left) {
                evaluate(right, value, budget)
            } else {
                Ok(left)
            }
        }
        Node::Or(left, right) => {
            let left = evaluate(left, value, budget)?;
            if is_true(&left) {
                Ok(left)
            } else {
                evaluate(right, value, budget)
            }
        }
        Node::Not(node) => Ok(Value::Boolean(!is_true(&evaluate(node, value, budget)?))),
        Node::Compare(comparator, left, right) => {
            let left = evaluate(left, value, budget)?;
            let right = evaluate(right, value, budget)?;
            compare(comparator, &left, &right, budget)
        }
        Node::Filter(predicate, then) => {
            let holds = is_true(&evaluate(predicate, value, budget)?);
            if holds {
                evaluate(then, value, budget)
            } else {
                Ok(Value::Null)
            }
        }
        Node::Values(node) => match evaluate(node, value, budget)? {
            Value::Object(entries) => budget.list(entries.values().cloned().collect()),
            _ => Ok(Value::Null),
        },
        Node::Flatten(node) => match evaluate(node, value, budget)? {
            Value::List(items) => flatten(&items, budget),
            _ => Ok(Value::Null),
        },
        Node::Project(list, each) => match evaluate(list, value, budget)? {
            Value::List(items) => project(&items, each, budget),
            _ => Ok(Value::Null),
        },
        Node::List(_) | Node::Object(_) if matches!(value, Value::Null) => Ok(Value::Null),
        Node::List(nodes) => {
            let items = nodes
                .iter()
                .map(|node| evaluate(node, value, budget))
                .collect::<Result<_, _>>()?;
            budget.list(items)
        }
        Node::Object(entries) => {
            let mut object = BTreeMap::new();
            for (key, node) in entries {
                budget.entry()?;
                object.insert(key.clone(), evaluate(node, value, budget)?);
            }
            Ok(Value::Object(Arc::new(object)))
        }
        Node::Call(function, arguments) => functions::call(*function, arguments, value, budget),
    }
}

/// What counts as true: all but null, false and what is empty.
pub(super) fn is_true(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Boolean(boolean) => *boolean,
        Value::Number(_) => true,
        Value::Text(text) => !text.as_str().is_empty(),
        Value::List(items) => !items.is_empty(),
        Value::Object(entries) => !entries.is_empty(),
    }
}

fn at(items: &[Value], index: i64) -> Value {
    let index = match usize::try_from(index) {
        Ok(index) => Some(index),
        Err(_) => usize::try_from(index.unsigned_abs())
            .ok()
            .and_then(|back| items.len().checked_sub(back)),
    };
    index
        .and_then(|index| items.get(index))
        .cloned()
        .unwrap_or(Value::Null)
}

/// As Python slices. `step` is not 0.
fn slice(
    items: &[Value],
    start: Option<i64>,
    stop: Option<i64>,
    step: i64,
    budget: &mut Budget,
) -> Result<Value, Fault> {
    let length = i64::try_from(items.len()).unwrap_or(i64::MAX);
    let (first, last) = if step > 0 {
        (0, length)
    } else {
        (-1, length.saturating_sub(1))
    };
    let end = |end: i64| {
        let end = if end < 0 { end.saturating_add(length) } else { end };
        end.clamp(first, last)
    };
    let start = start.map_or(if step > 0 { first } else { last }, end);
    let stop = stop.map_or(if step > 0 { last } else { first }, end);
    let mut selected = Vec::new();
    let mut index = start;
    while (step > 0 && index < stop) || (step < 0 && index > stop) {
        budget.step(1)?;
        selected.push(at(items, index));
        index = index.saturating_add(step);
    }
    budget.list(selected)
}

fn flatten(items: &[Value], budget: &mut Budget) -> Result<Value, Fault> {
    let mut flat = Vec::new();
    for item in items {
        match item {
            Value::List(inner) => {
                budget.hold(inner.len().saturating_mul(LIST_ITEM_BYTES))?;
                flat.extend(inner.iter().cloned());
            }
            other => flat.push(other.clone()),
        }
        budget.step(1)?;
    }
    budget.list(flat)
}

fn project(items: &[Value], each: &Node, budget: &mut Budget) -> Result<Value, Fault> {
    let mut results = Vec::new();
    for item in items {
        let result = evaluate(each, item, budget)?;
        if !matches!(result, Value::Null) {
            results.push(result);
        }
    }
    budget.list(results)
}

/// Equality compares any two values; order compares numbers, and is null otherwise.
fn compare(
    comparator: &Comparator,
    left: &Value,
    right: &Value,
    budget: &mut Budget,
) -> Result<Value, Fault> {
    let ordered = |test: fn(Ordering) -> bool| match (left, right) {
        (Value::Number(a), Value::Number(b)) => Value::Boolean(test(a.compare(*b))),
        _ => Value::Null,
    };
    Ok(match comparator {
        Comparator::Equal => Value::Boolean(equal(left, right, budget)?),
        Comparator::NotEqual => Value::Boolean(!equal(left, right, budget)?),
        Comparator::LessThan => ordered(Ordering::is_lt),
        Comparator::LessThanEqual => ordered(Ordering::is_le),
        Comparator::GreaterThan => ordered(Ordering::is_gt),
        Comparator::GreaterThanEqual => ordered(Ordering::is_ge),
    })
}

/// Whether two values are the same, all the way down.
pub(super) fn equal(left: &Value, right: &Value, budget: &mut Budget) -> Result<bool, Fault> {
    budget.step(1)?;
    match (left, right) {
        (Value::Null, Value::Null) => Ok(true),
        (Value::Boolean(a), Value::Boolean(b)) => Ok(a == b),
        (Value::Number(a), Value::Number(b)) => Ok(a.compare(*b).is_eq()),
        (Value::Text(a), Value::Text(b)) => {
            budget.step(a.as_str().len().min(b.as_str().len()) / 64)?;
            Ok(a == b)
        }
        (Value::List(a), Value::List(b)) => {
            if a.len() != b.len() {
                return Ok(false);
            }
            for (a, b) in a.iter().zip(b.iter()) {
                if !equal(a, b, budget)? {
                    return Ok(false);
                }
            }
            Ok(true)
        }
        (Value::Object(a), Value::Object(b)) => {
            if a.len() != b.len() {
                return Ok(false);
            }
            for ((key_a, a), (key_b, b)) in a.iter().zip(b.iter()) {
                budget.step(key_a.as_str().len() / 64)?;
                if key_a != key_b || !equal(a, b, budget)? {
                    return Ok(false);
                }
            }
            Ok(true)
        }
        _ => Ok(false),
    }
}

/// What a list costs besides its items: the vector, its counters, the allocator's share.
const LIST_BYTES: usize = 64;

/// What an item of a list costs; the factor of two is a vector's growth.
const LIST_ITEM_BYTES: usize = 2 * size_of::<Value>();

/// What a value of a document costs: more in objects, less in lists.
const NODE_BYTES: usize = 64;

/// What an entry of an object costs at worst: a tree node of its own, with room for eleven.
const OBJECT_ENTRY_BYTES: usize = 512;
