//! The built-in functions of the specification.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::sync::Arc;

use super::compile::{Argument, Node};
use super::evaluate::{Budget, Fault, equal, evaluate};
use crate::jmespath::json::{Text, Value};
use crate::jmespath::number::Number;

/// A built-in function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Function {
    Abs,
    Avg,
    Ceil,
    Contains,
    EndsWith,
    Floor,
    Join,
    Keys,
    Length,
    Map,
    Max,
    MaxBy,
    Merge,
    Min,
    MinBy,
    NotNull,
    Reverse,
    Sort,
    SortBy,
    StartsWith,
    Sum,
    ToArray,
    ToNumber,
    ToString,
    Type,
    Values,
}

/// What a parameter takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Parameter {
    Any,
    Number,
    Text,
    List,
    Object,
    Numbers,
    Texts,
    NumbersOrTexts,
    ListOrText,
    Sized,
    Reference,
}

impl Parameter {
    /// How the specification puts it.
    fn name(self) -> &'static str {
        match self {
            Self::Any => "any value",
            Self::Number => "a number",
            Self::Text => "a string",
            Self::List => "an array",
            Self::Object => "an object",
            Self::Numbers => "an array of numbers",
            Self::Texts => "an array of strings",
            Self::NumbersOrTexts => "an array of numbers or of strings",
            Self::ListOrText => "an array or a string",
            Self::Sized => "an array, an object or a string",
            Self::Reference => "an expression reference",
        }
    }

    fn fits(self, value: &Value, budget: &mut Budget) -> Result<bool, Fault> {
        let numbers = |items: &[Value]| items.iter().all(|item| matches!(item, Value::Number(_)));
        let texts = |items: &[Value]| items.iter().all(|item| matches!(item, Value::Text(_)));
        if let Value::List(items) = value {
            budget.step(items.len())?;
        }
        Ok(match (self, value) {
            (Self::Any, _) | (Self::Number, Value::Number(_)) | (Self::Text, Value::Text(_)) => true,
            (Self::List | Self::ListOrText | Self::Sized, Value::List(_)) => true,
            (Self::Object | Self::Sized, Value::Object(_)) => true,
            (Self::ListOrText | Self::Sized, Value::Text(_)) => true,
            (Self::Numbers, Value::List(items)) => numbers(items),
            (Self::Texts, Value::List(items)) => texts(items),
            (Self::NumbersOrTexts, Value::List(items)) => numbers(items) || texts(items),
            _ => false,
        })
    }
}

/// What a function takes.
pub(super) struct Signature {
    pub(super) parameters: &'static [Parameter],
    /// Whether the last parameter may repeat.
    pub(super) variadic: bool,
}

impl Signature {
    /// The parameter of the argument at `index`, counted from 0.
    pub(super) fn parameter(&self, index: usize) -> Parameter {
        self.parameters
            .get(index)
            .or_else(|| self.parameters.last())
            .copied()
            .unwrap_or(Parameter::Any)
    }
}

impl Function {
    pub(super) fn find(name: &str) -> Option<Self> {
        FUNCTIONS
            .iter()
            .find(|(other, ..)| *other == name)
            .map(|(_, function, ..)| *function)
    }

    pub(super) fn names() -> Vec<&'static str> {
        FUNCTIONS.iter().map(|(name, ..)| *name).collect()
    }

    fn row(self) -> Option<&'static Row> {
        FUNCTIONS.iter().find(|(_, other, ..)| *other == self)
    }

    fn name(self) -> &'static str {
        self.row().map_or("", |(name, ..)| name)
    }

    pub(super) fn signature(self) -> Signature {
        let (parameters, variadic) = self.row().map_or((&[][..], false), |(_, _, p, v)| (*p, *v));
        Signature { parameters, variadic }
    }
}

/// Evaluates the arguments, checks their types, and calls.
pub(super) fn call(
    function: Function,
    arguments: &[Argument],
    current: &Value,
    budget: &mut Budget,
) -> Result<Value, Fault> {
    let signature = function.signature();
    let mut values = Vec::with_capacity(arguments.len());
    let mut reference = None;
    for (index, argument) in arguments.iter().enumerate() {
        let node = match argument {
            Argument::Value(node) => node,
            Argument::Reference(node) => {
                reference = Some(node);
                continue;
            }
        };
        let value = evaluate(node, current, budget)?;
        let parameter = signature.parameter(index);
        if !parameter.fits(&value, budget)? {
            return Err(Fault::Argument {
                function: function.name(),
                position: index.saturating_add(1),
                due: parameter.name(),
                given: value.type_name(),
            });
        }
        values.push(value);
    }
    let mut values = values.into_iter();
    let first = values.next().unwrap_or(Value::Null);
    match reference {
        Some(node) => apply_to_each(function, first, node, budget),
        None => apply(function, first, values, budget),
    }
}

/// The functions that take an expression reference, on a list.
fn apply_to_each(function: Function, list: Value, node: &Node, budget: &mut Budget) -> Result<Value, Fault> {
    let Value::List(items) = list else {
        return Ok(Value::Null);
    };
    budget.hold(items.len().saturating_mul(size_of::<(Value, Value)>()))?;
    let mut keyed = Vec::with_capacity(items.len());
    for item in items.iter() {
        keyed.push((evaluate(node, item, budget)?, item.clone()));
    }
    if function == Function::Map {
        return budget.list(keyed.into_iter().map(|(result, _)| result).collect());
    }
    let wrong = |value: &Value| Fault::Argument {
        function: function.name(),
        position: 2,
        due: "an expression that gives a number for every element, or a string for every element",
        given: value.type_name(),
    };
    let numbers = matches!(keyed.first(), Some((Value::Number(_), _)));
    for (key, _) in &keyed {
        match key {
            Value::Number(_) if numbers => {}
            Value::Text(_) if !numbers => {}
            other => return Err(wrong(other)),
        }
    }
    sorting_costs(keyed.iter().map(|(key, _)| key), budget)?;
    match function {
        Function::SortBy => {
            keyed.sort_by(|(a, _), (b, _)| order(a, b));
            budget.list(keyed.into_iter().map(|(_, item)| item).collect())
        }
        Function::MaxBy => Ok(extreme(keyed, |key, best| order(key, best).is_gt())),
        _ => Ok(extreme(keyed, |key, best| order(key, best).is_lt())),
    }
}

/// The element whose key beats all keys before it.
fn extreme(keyed: Vec<(Value, Value)>, beats: impl Fn(&Value, &Value) -> bool) -> Value {
    let better =
        |best: (Value, Value), next: (Value, Value)| if beats(&next.0, &best.0) { next } else { best };
    keyed
        .into_iter()
        .reduce(better)
        .map_or(Value::Null, |(_, item)| item)
}

/// All other functions. `first` is the first argument, `rest` the others.
fn apply(
    function: Function,
    first: Value,
    mut rest: std::vec::IntoIter<Value>,
    budget: &mut Budget,
) -> Result<Value, Fault> {
    let name = function.name();
    match (function, first) {
        (Function::Abs, Value::Number(number)) => round(name, number, f64::abs, i128::abs),
        (Function::Ceil, Value::Number(number)) => round(name, number, f64::ceil, |integer| integer),
        (Function::Floor, Value::Number(number)) => round(name, number, f64::floor, |integer| integer),
        (Function::Sum, Value::List(items)) => sum(name, &items).map(Value::Number),
        (Function::Avg, Value::List(items)) => average(name, &items),
        (Function::Contains, Value::Text(text)) => Ok(Value::Boolean(match rest.next() {
            Some(Value::Text(part)) => {
                budget.step(text.as_str().len() / 16)?;
                text.as_str().contains(part.as_str())
            }
            _ => false,
        })),
        (Function::Contains, Value::List(items)) => {
            let wanted = rest.next().unwrap_or(Value::Null);
            for item in items.iter() {
                if equal(item, &wanted, budget)? {
                    return Ok(Value::Boolean(true));
                }
            }
            Ok(Value::Boolean(false))
        }
        (Function::StartsWith, Value::Text(text)) => Ok(Value::Boolean(match rest.next() {
            Some(Value::Text(start)) => text.as_str().starts_with(start.as_str()),
            _ => false,
        })),
        (Function::EndsWith, Value::Text(text)) => Ok(Value::Boolean(match rest.next() {
            Some(Value::Text(end)) => text.as_str().ends_with(end.as_str()),
            _ => false,
        })),
        (Function::Join, Value::Text(glue)) => match rest.next() {
            Some(Value::List(items)) => join(&glue, &items, budget),
            _ => Ok(Value::Null),
        },
        (Function::Keys, Value::Object(entries)) => {
            budget.list(entries.keys().cloned().map(Value::Text).collect())
        }
        (Function::Values, Value::Object(entries)) => budget.list(entries.values().cloned().collect()),
        (Function::Length, value) => {
            let length = match &value {
                Value::Text(text) => {
                    budget.step(text.as_str().len() / 16)?;
                    text.as_str().chars().count()
                }
                Value::List(items) => items.len(),
                Value::Object(entries) => entries.len(),
                _ => 0,
            };
            Ok(Value::Number(
                i64::try_from(length).map_or(Number::Signed(i64::MAX), Number::Signed),
            ))
        }
        (Function::Merge, first) => merge(first, rest, budget),
        (Function::NotNull, first) => {
            let first = std::iter::once(first)
                .chain(rest)
                .find(|value| !matches!(value, Value::Null));
            Ok(first.unwrap_or(Value::Null))
        }
        (Function::Reverse, Value::Text(text)) => {
            budget.hold(text.as_str().len())?;
            Ok(Value::Text(Text::from(
                text.as_str().chars().rev().collect::<String>(),
            )))
        }
        (Function::Reverse, Value::List(items)) => budget.list(items.iter().rev().cloned().collect()),
        (Function::Sort, Value::List(items)) => {
            sorting_costs(items.iter(), budget)?;
            let mut sorted = items.to_vec();
            sorted.sort_by(order);
            budget.list(sorted)
        }
        (Function::Max, Value::List(items)) => {
            let beats = |a: Value, b: &Value| if order(b, &a).is_gt() { b.clone() } else { a };
            Ok(items
                .iter()
                .skip(1)
                .fold(items.first().cloned().unwrap_or(Value::Null), beats))
        }
        (Function::Min, Value::List(items)) => {
            let beats = |a: Value, b: &Value| if order(b, &a).is_lt() { b.clone() } else { a };
            Ok(items
                .iter()
                .skip(1)
                .fold(items.first().cloned().unwrap_or(Value::Null), beats))
        }
        (Function::ToArray, list @ Value::List(_)) => Ok(list),
        (Function::ToArray, other) => budget.list(vec![other]),
        (Function::ToNumber, number @ Value::Number(_)) => Ok(number),
        (Function::ToNumber, Value::Text(text)) => {
            budget.step(text.as_str().len() / 16)?;
            Ok(Number::parse(text.as_str()).map_or(Value::Null, Value::Number))
        }
        (Function::ToString, text @ Value::Text(_)) => Ok(text),
        (Function::ToString, other) => budget.write(&other).map(Value::Text),
        (Function::Type, value) => Ok(Value::Text(Text::from(value.type_name().to_owned()))),
        _ => Ok(Value::Null),
    }
}

/// A function of one number, exact on integers. A number that has lost digits stays one.
fn round(
    name: &'static str,
    number: Number,
    double: impl Fn(f64) -> f64,
    integer: impl Fn(i128) -> i128,
) -> Result<Value, Fault> {
    let result = match number {
        Number::Lossy(lossy) => Some(Number::Lossy(double(lossy))),
        Number::Double(exact) => Number::double(double(exact)),
        Number::Signed(_) | Number::Unsigned(_) => number.as_integer().map(integer).and_then(Number::integer),
    };
    result.map(Value::Number).ok_or(Fault::OutOfRange(name))
}

/// Exact while the numbers are integers and 64 bits hold the sum.
fn sum(name: &'static str, items: &[Value]) -> Result<Number, Fault> {
    let numbers = || {
        items.iter().filter_map(|item| {
            if let Value::Number(number) = item {
                Some(*number)
            } else {
                None
            }
        })
    };
    let exact = numbers().try_fold(0_i128, |sum, number| sum.checked_add(number.as_integer()?));
    if let Some(exact) = exact.and_then(Number::integer) {
        return Ok(exact);
    }
    let sum = numbers().fold(0.0, |sum, number| sum + number.as_double());
    let lossy = numbers().any(Number::is_lossy);
    let result = Number::double(sum).ok_or(Fault::OutOfRange(name))?;
    Ok(if lossy { Number::Lossy(sum) } else { result })
}

/// The mean; null of nothing.
fn average(name: &'static str, items: &[Value]) -> Result<Value, Fault> {
    let Ok(count) = u32::try_from(items.len()) else {
        return Err(Fault::OutOfRange(name));
    };
    if count == 0 {
        return Ok(Value::Null);
    }
    let sum = sum(name, items)?;
    let mean = sum.as_double() / f64::from(count);
    let exact = sum
        .as_integer()
        .filter(|sum| sum % i128::from(count) == 0)
        .map(|sum| sum / i128::from(count));
    let result = match exact.and_then(Number::integer) {
        Some(exact) => Some(exact),
        None if sum.is_lossy() => Some(Number::Lossy(mean)),
        None => Number::double(mean),
    };
    result.map(Value::Number).ok_or(Fault::OutOfRange(name))
}

fn join(glue: &Text, items: &[Value], budget: &mut Budget) -> Result<Value, Fault> {
    let mut joined = zeroize::Zeroizing::new(String::new());
    for (index, item) in items.iter().enumerate() {
        let Value::Text(text) = item else { continue };
        let glue = if index == 0 { "" } else { glue.as_str() };
        budget.hold(glue.len().saturating_add(text.as_str().len()))?;
        joined.push_str(glue);
        joined.push_str(text.as_str());
    }
    Ok(Value::Text(Text::from(std::mem::take(&mut *joined))))
}

/// Later objects win.
fn merge(first: Value, rest: std::vec::IntoIter<Value>, budget: &mut Budget) -> Result<Value, Fault> {
    let mut merged = BTreeMap::new();
    for object in std::iter::once(first).chain(rest) {
        let Value::Object(entries) = object else { continue };
        for (key, value) in entries.iter() {
            budget.entry()?;
            merged.insert(key.clone(), value.clone());
        }
    }
    Ok(Value::Object(Arc::new(merged)))
}

/// The order of two numbers, or of two texts by code point.
fn order(left: &Value, right: &Value) -> Ordering {
    match (left, right) {
        (Value::Number(a), Value::Number(b)) => a.compare(*b),
        (Value::Text(a), Value::Text(b)) => a.cmp(b),
        _ => Ordering::Equal,
    }
}

/// Spends what comparing these values against each other costs, each about as often as their number has bits.
fn sorting_costs<'v>(keys: impl Iterator<Item = &'v Value>, budget: &mut Budget) -> Result<(), Fault> {
    let mut count = 0_usize;
    let mut work = 0_usize;
    for key in keys {
        count = count.saturating_add(1);
        let length = if let Value::Text(text) = key {
            text.as_str().len() / 64
        } else {
            0
        };
        work = work.saturating_add(length.saturating_add(1));
    }
    let rounds = usize::try_from(usize::BITS.saturating_sub(count.leading_zeros())).unwrap_or(usize::MAX);
    budget.step(work.saturating_mul(rounds))
}

type Row = (&'static str, Function, &'static [Parameter], bool);

/// Name, function, parameters, and whether the last may repeat, as the specification lists them.
const FUNCTIONS: &[Row] = &[
    ("abs", Function::Abs, &[Parameter::Number], false),
    ("avg", Function::Avg, &[Parameter::Numbers], false),
    ("ceil", Function::Ceil, &[Parameter::Number], false),
    (
        "contains",
        Function::Contains,
        &[Parameter::ListOrText, Parameter::Any],
        false,
    ),
    (
        "ends_with",
        Function::EndsWith,
        &[Parameter::Text, Parameter::Text],
        false,
    ),
    ("floor", Function::Floor, &[Parameter::Number], false),
    (
        "join",
        Function::Join,
        &[Parameter::Text, Parameter::Texts],
        false,
    ),
    ("keys", Function::Keys, &[Parameter::Object], false),
    ("length", Function::Length, &[Parameter::Sized], false),
    (
        "map",
        Function::Map,
        &[Parameter::Reference, Parameter::List],
        false,
    ),
    ("max", Function::Max, &[Parameter::NumbersOrTexts], false),
    (
        "max_by",
        Function::MaxBy,
        &[Parameter::List, Parameter::Reference],
        false,
    ),
    ("merge", Function::Merge, &[Parameter::Object], true),
    ("min", Function::Min, &[Parameter::NumbersOrTexts], false),
    (
        "min_by",
        Function::MinBy,
        &[Parameter::List, Parameter::Reference],
        false,
    ),
    ("not_null", Function::NotNull, &[Parameter::Any], true),
    ("reverse", Function::Reverse, &[Parameter::ListOrText], false),
    ("sort", Function::Sort, &[Parameter::NumbersOrTexts], false),
    (
        "sort_by",
        Function::SortBy,
        &[Parameter::List, Parameter::Reference],
        false,
    ),
    (
        "starts_with",
        Function::StartsWith,
        &[Parameter::Text, Parameter::Text],
        false,
    ),
    ("sum", Function::Sum, &[Parameter::Numbers], false),
    ("to_array", Function::ToArray, &[Parameter::Any], false),
    ("to_number", Function::ToNumber, &[Parameter::Any], false),
    ("to_string", Function::ToString, &[Parameter::Any], false),
    ("type", Function::Type, &[Parameter::Any], false),
    ("values", Function::Values, &[Parameter::Object], false),
];
