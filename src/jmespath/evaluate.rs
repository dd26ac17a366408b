//! Evaluation of a tree over a document, within a budget.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::sync::Arc;

use jmespath::ast::{Ast, Comparator};

use super::budget::{Budget, Fault};
use super::functions::{self, equal};
use super::json::{LIST_ITEM_BYTES, Text, Value};
use super::tree::Tree;

/// Evaluates `node` of `tree`, or its root, on `value`. The recursion depth is bounded by the expression's depth.
pub(super) fn evaluate(tree: &Tree, node: &Ast, value: &Value, budget: &mut Budget) -> Result<Value, Fault> {
    budget.step(1)?;
    match node {
        Ast::Identity { .. } => Ok(value.clone()),
        Ast::Literal { offset, .. } => Ok(tree.literal(*offset)),
        Ast::Field { name, .. } => Ok(match value {
            Value::Object(entries) => entries.get(name.as_str()).cloned().unwrap_or(Value::Null),
            _ => Value::Null,
        }),
        Ast::Index { idx, .. } => Ok(match value {
            Value::List(items) => at(items, i64::from(*idx)),
            _ => Value::Null,
        }),
        Ast::Slice {
            start, stop, step, ..
        } => match value {
            Value::List(items) => slice(items, *start, *stop, i64::from(*step), budget),
            _ => Ok(Value::Null),
        },
        Ast::Subexpr { lhs, rhs, .. } => {
            let value = evaluate(tree, lhs, value, budget)?;
            evaluate(tree, rhs, &value, budget)
        }
        Ast::And { lhs, rhs, .. } | Ast::Or { lhs, rhs, .. } => {
            let left = evaluate(tree, lhs, value, budget)?;
            if is_true(&left) == matches!(node, Ast::Or { .. }) {
                Ok(left)
            } else {
                evaluate(tree, rhs, value, budget)
            }
        }
        Ast::Not { node, .. } => Ok(Value::Boolean(!is_true(&evaluate(tree, node, value, budget)?))),
        Ast::Comparison {
            comparator, lhs, rhs, ..
        } => {
            let left = evaluate(tree, lhs, value, budget)?;
            let right = evaluate(tree, rhs, value, budget)?;
            compare(comparator, &left, &right, budget)
        }
        Ast::Condition { predicate, then, .. } => {
            if is_true(&evaluate(tree, predicate, value, budget)?) {
                evaluate(tree, then, value, budget)
            } else {
                Ok(Value::Null)
            }
        }
        Ast::ObjectValues { node, .. } => match evaluate(tree, node, value, budget)? {
            Value::Object(entries) => budget.list(entries.values().cloned().collect()),
            _ => Ok(Value::Null),
        },
        Ast::Flatten { node, .. } => match evaluate(tree, node, value, budget)? {
            Value::List(items) => flatten(&items, budget),
            _ => Ok(Value::Null),
        },
        Ast::Projection { lhs, rhs, .. } => {
            let Value::List(items) = evaluate(tree, lhs, value, budget)? else {
                return Ok(Value::Null);
            };
            let mut results = Vec::new();
            for item in items.iter() {
                match evaluate(tree, rhs, item, budget)? {
                    Value::Null => {}
                    result => results.push(result),
                }
            }
            budget.list(results)
        }
        Ast::MultiList { .. } | Ast::MultiHash { .. } if matches!(value, Value::Null) => Ok(Value::Null),
        Ast::MultiList { elements, .. } => {
            let items = elements.iter().map(|node| evaluate(tree, node, value, budget));
            let items = items.collect::<Result<_, _>>()?;
            budget.list(items)
        }
        Ast::MultiHash { elements, .. } => {
            let mut object = BTreeMap::new();
            for pair in elements {
                budget.entry()?;
                budget.hold(pair.key.len())?;
                let key = Text::from(pair.key.clone());
                object.insert(key, evaluate(tree, &pair.value, value, budget)?);
            }
            Ok(Value::Object(Arc::new(object)))
        }
        Ast::Function { name, args, .. } => call(tree, name, args, value, budget),
        Ast::Expref { .. } => unreachable!("rejected by the parser except as an argument"),
    }
}

/// Evaluates the arguments, checks their types, and calls.
fn call(tree: &Tree, name: &str, args: &[Ast], value: &Value, budget: &mut Budget) -> Result<Value, Fault> {
    let Some(function) = functions::find(name) else {
        unreachable!("the parser rejects unknown functions")
    };
    let mut values = Vec::with_capacity(args.len());
    let mut reference = None;
    for (index, arg) in args.iter().enumerate() {
        if let Ast::Expref { ast, .. } = arg {
            reference = Some(ast);
            continue;
        }
        let value = evaluate(tree, arg, value, budget)?;
        function.check(index, &value, budget)?;
        values.push(value);
    }
    if let (Some(node), [Value::List(items)]) = (reference, &*values) {
        budget.hold(items.len().saturating_mul(size_of::<(Value, Value)>()))?;
        let results = items.iter().map(|item| evaluate(tree, node, item, budget));
        let results = results.collect::<Result<_, _>>()?;
        values.push(Value::List(Arc::new(results)));
    }
    function.apply(&values, budget)
}

/// Truth as specified: everything except null, false, and empty strings, arrays and objects.
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

/// Slices as in Python. `step` is not 0.
fn slice(
    items: &[Value],
    start: Option<i32>,
    stop: Option<i32>,
    step: i64,
    budget: &mut Budget,
) -> Result<Value, Fault> {
    let length = i64::try_from(items.len()).unwrap_or(i64::MAX);
    let (lowest, highest) = if step > 0 { (0, length) } else { (-1, length - 1) };
    let place = |end: Option<i32>, default: i64| match end.map(i64::from) {
        None => default,
        Some(end) if end < 0 => (end + length).clamp(lowest, highest),
        Some(end) => end.clamp(lowest, highest),
    };
    let (first, last) = if step > 0 {
        (lowest, highest)
    } else {
        (highest, lowest)
    };
    let (mut index, stop) = (place(start, first), place(stop, last));
    let mut selected = Vec::new();
    while (stop - index).signum() == step.signum() {
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

/// Equality compares any two values; order compares numbers, and is null otherwise.
fn compare(
    comparator: &Comparator,
    left: &Value,
    right: &Value,
    budget: &mut Budget,
) -> Result<Value, Fault> {
    let ordered = |test: fn(Ordering) -> bool| match (left, right) {
        (Value::Number(a), Value::Number(b)) => Value::Boolean(test(a.compare(b))),
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
