//! The built-in functions of the specification.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::sync::Arc;

use super::budget::{Budget, Fault};
use super::json::{Text, Value};
use super::number::Number;

/// A built-in function.
pub(super) struct Function {
    pub(super) name: &'static str,
    pub(super) parameters: &'static [Parameter],
    /// Whether the last parameter may repeat.
    pub(super) is_variadic: bool,
}

/// What a parameter takes.
pub(super) enum Parameter {
    /// An expression that the function applies to each element of its list.
    Reference,
    /// A value: its type in the specification's words, and a check of it.
    Value(&'static str, fn(&Value) -> bool),
}

const ANY: Parameter = Parameter::Value("any value", |_| true);
const NUMBER: Parameter = Parameter::Value("a number", is_number);
const TEXT: Parameter = Parameter::Value("a string", is_text);
const LIST: Parameter = Parameter::Value("an array", |it| matches!(it, Value::List(_)));
const OBJECT: Parameter = Parameter::Value("an object", |it| matches!(it, Value::Object(_)));
const NUMBERS: Parameter = Parameter::Value("an array of numbers", |it| holds(it, is_number));
const TEXTS: Parameter = Parameter::Value("an array of strings", |it| holds(it, is_text));
const NUMBERS_OR_TEXTS: Parameter = Parameter::Value("an array of numbers or of strings", |it| {
    holds(it, is_number) || holds(it, is_text)
});
const LIST_OR_TEXT: Parameter = Parameter::Value("an array or a string", |it| {
    matches!(it, Value::List(_) | Value::Text(_))
});
const SIZED: Parameter = Parameter::Value("an array, an object or a string", |it| {
    matches!(it, Value::List(_) | Value::Object(_) | Value::Text(_))
});

fn is_number(value: &Value) -> bool {
    matches!(value, Value::Number(_))
}

fn is_text(value: &Value) -> bool {
    matches!(value, Value::Text(_))
}

fn holds(list: &Value, what: fn(&Value) -> bool) -> bool {
    matches!(list, Value::List(items) if items.iter().all(what))
}

const fn function(name: &'static str, parameters: &'static [Parameter]) -> Function {
    Function {
        name,
        parameters,
        is_variadic: false,
    }
}

const fn variadic(name: &'static str, parameters: &'static [Parameter]) -> Function {
    Function {
        is_variadic: true,
        ..function(name, parameters)
    }
}

/// Sorted by name.
pub(super) static FUNCTIONS: &[Function] = &[
    function("abs", &[NUMBER]),
    function("avg", &[NUMBERS]),
    function("ceil", &[NUMBER]),
    function("contains", &[LIST_OR_TEXT, ANY]),
    function("ends_with", &[TEXT, TEXT]),
    function("floor", &[NUMBER]),
    function("join", &[TEXT, TEXTS]),
    function("keys", &[OBJECT]),
    function("length", &[SIZED]),
    function("map", &[Parameter::Reference, LIST]),
    function("max", &[NUMBERS_OR_TEXTS]),
    function("max_by", &[LIST, Parameter::Reference]),
    variadic("merge", &[OBJECT]),
    function("min", &[NUMBERS_OR_TEXTS]),
    function("min_by", &[LIST, Parameter::Reference]),
    variadic("not_null", &[ANY]),
    function("reverse", &[LIST_OR_TEXT]),
    function("sort", &[NUMBERS_OR_TEXTS]),
    function("sort_by", &[LIST, Parameter::Reference]),
    function("starts_with", &[TEXT, TEXT]),
    function("sum", &[NUMBERS]),
    function("to_array", &[ANY]),
    function("to_number", &[ANY]),
    function("to_string", &[ANY]),
    function("type", &[ANY]),
    function("values", &[OBJECT]),
];

pub(super) fn find(name: &str) -> Option<&'static Function> {
    let place = FUNCTIONS.binary_search_by(|it| it.name.cmp(name)).ok()?;
    FUNCTIONS.get(place)
}

impl Function {
    /// The parameter of the argument at `index`, counted from 0.
    pub(super) fn parameter(&self, index: usize) -> &Parameter {
        let parameter = self.parameters.get(index).or_else(|| self.parameters.last());
        parameter.unwrap_or(&ANY)
    }

    /// Checks the type of the argument at `index`.
    pub(super) fn check(&self, index: usize, value: &Value, budget: &mut Budget) -> Result<(), Fault> {
        if let Value::List(items) = value {
            budget.step(items.len())?;
        }
        match self.parameter(index) {
            Parameter::Value(due, fits) if !fits(value) => Err(Fault::Argument {
                function: self.name,
                position: index.saturating_add(1),
                due,
                given: value.type_name(),
            }),
            _ => Ok(()),
        }
    }

    /// Calls the function with checked arguments. The results of an expression reference, one for each element, are
    /// the last argument.
    pub(super) fn apply(&self, arguments: &[Value], budget: &mut Budget) -> Result<Value, Fault> {
        match (self.name, arguments) {
            ("abs", [Value::Number(number)]) => self.round(number, f64::abs, i128::abs),
            ("ceil", [Value::Number(number)]) => self.round(number, f64::ceil, |integer| integer),
            ("floor", [Value::Number(number)]) => self.round(number, f64::floor, |integer| integer),
            ("sum", [Value::List(items)]) => self.sum(items).map(Value::Number),
            ("avg", [Value::List(items)]) => self.average(items),
            ("contains", [Value::List(items), wanted]) => {
                for item in items.iter() {
                    if equal(item, wanted, budget)? {
                        return Ok(Value::Boolean(true));
                    }
                }
                Ok(Value::Boolean(false))
            }
            ("contains", [Value::Text(text), Value::Text(part)]) => {
                budget.step(text.as_str().len() / 16)?;
                Ok(Value::Boolean(text.as_str().contains(part.as_str())))
            }
            ("contains", _) => Ok(Value::Boolean(false)),
            ("starts_with", [Value::Text(text), Value::Text(start)]) => {
                Ok(Value::Boolean(text.as_str().starts_with(start.as_str())))
            }
            ("ends_with", [Value::Text(text), Value::Text(end)]) => {
                Ok(Value::Boolean(text.as_str().ends_with(end.as_str())))
            }
            ("join", [Value::Text(glue), Value::List(items)]) => join(glue.as_str(), items, budget),
            ("keys", [Value::Object(entries)]) => {
                budget.list(entries.keys().cloned().map(Value::Text).collect())
            }
            ("values", [Value::Object(entries)]) => budget.list(entries.values().cloned().collect()),
            ("length", [value]) => {
                let length = match value {
                    Value::Text(text) => {
                        budget.step(text.as_str().len() / 16)?;
                        text.as_str().chars().count()
                    }
                    Value::List(items) => items.len(),
                    Value::Object(entries) => entries.len(),
                    _ => 0,
                };
                Ok(Value::Number(Number::Exact(length.into())))
            }
            ("map", [_, Value::List(results)]) => budget.list(results.to_vec()),
            ("max" | "min", [Value::List(items)]) => Ok(self.extreme(items, items)),
            ("max_by" | "min_by", [Value::List(items), Value::List(keys)]) => {
                self.check_keys(keys)?;
                sorting_costs(keys, budget)?;
                Ok(self.extreme(items, keys))
            }
            ("sort", [Value::List(items)]) => sorted(items, items, budget),
            ("sort_by", [Value::List(items), Value::List(keys)]) => {
                self.check_keys(keys)?;
                sorted(items, keys, budget)
            }
            ("merge", objects) => merge(objects, budget),
            ("not_null", values) => {
                let value = values.iter().find(|value| !matches!(value, Value::Null));
                Ok(value.cloned().unwrap_or(Value::Null))
            }
            ("reverse", [Value::Text(text)]) => {
                budget.hold(text.as_str().len())?;
                let reversed: String = text.as_str().chars().rev().collect();
                Ok(Value::Text(Text::from(reversed)))
            }
            ("reverse", [Value::List(items)]) => budget.list(items.iter().rev().cloned().collect()),
            ("to_array", [list @ Value::List(_)]) => Ok(list.clone()),
            ("to_array", [other]) => budget.list(vec![other.clone()]),
            ("to_number", [number @ Value::Number(_)]) => Ok(number.clone()),
            ("to_number", [Value::Text(text)]) => {
                budget.step(text.as_str().len() / 16)?;
                Ok(Number::parse(text.as_str()).map_or(Value::Null, Value::Number))
            }
            ("to_string", [text @ Value::Text(_)]) => Ok(text.clone()),
            ("to_string", [other]) => budget.write(other).map(Value::Text),
            ("type", [value]) => Ok(Value::Text(Text::from(value.type_name().to_owned()))),
            _ => Ok(Value::Null),
        }
    }

    /// Maps a number, exactly for integers. A lossy number stays lossy.
    fn round(
        &self,
        number: &Number,
        double: fn(f64) -> f64,
        integer: fn(i128) -> i128,
    ) -> Result<Value, Fault> {
        let result = match number.as_integer() {
            Some(exact) => Number::integer(integer(exact)),
            None => Number::double(double(number.as_double()), number.is_lossy()),
        };
        result.map(Value::Number).ok_or(Fault::OutOfRange(self.name))
    }

    /// Exact while the numbers are integers and 64 bits hold the sum.
    fn sum(&self, items: &[Value]) -> Result<Number, Fault> {
        let number = |item: &Value| match item {
            Value::Number(number) => Some(number.clone()),
            _ => None,
        };
        let numbers: Vec<Number> = items.iter().filter_map(number).collect();
        let exact = |sum: i128, number: &Number| sum.checked_add(number.as_integer()?);
        if let Some(exact) = numbers.iter().try_fold(0, exact).and_then(Number::integer) {
            return Ok(exact);
        }
        let sum = numbers.iter().fold(0.0, |sum, number| sum + number.as_double());
        let is_lossy = numbers.iter().any(Number::is_lossy);
        Number::double(sum, is_lossy).ok_or(Fault::OutOfRange(self.name))
    }

    /// The mean; null for an empty list.
    fn average(&self, items: &[Value]) -> Result<Value, Fault> {
        let out_of_range = Fault::OutOfRange(self.name);
        let Ok(count) = u32::try_from(items.len()) else {
            return Err(out_of_range);
        };
        if count == 0 {
            return Ok(Value::Null);
        }
        let sum = self.sum(items)?;
        let mean = sum.as_double() / f64::from(count);
        let exact = sum.as_integer().filter(|sum| sum % i128::from(count) == 0);
        let result = match exact {
            Some(exact) => Number::integer(exact / i128::from(count)),
            None => Number::double(mean, sum.is_lossy()),
        };
        result.map(Value::Number).ok_or(out_of_range)
    }

    /// The first element with the greatest key, or the least for a minimum.
    fn extreme(&self, items: &[Value], keys: &[Value]) -> Value {
        let wins = if self.name.starts_with("max") {
            Ordering::Greater
        } else {
            Ordering::Less
        };
        let mut pairs = keys.iter().zip(items);
        let best = pairs.next().map(|first| {
            pairs.fold(
                first,
                |best, next| {
                    if order(next.0, best.0) == wins { next } else { best }
                },
            )
        });
        best.map_or(Value::Null, |(_, item)| item.clone())
    }

    /// Checks that all keys are numbers, or all are strings.
    fn check_keys(&self, keys: &[Value]) -> Result<(), Fault> {
        let is_like_first = match keys.first() {
            Some(Value::Number(_)) => is_number,
            _ => is_text,
        };
        match keys.iter().find(|key| !is_like_first(key)) {
            None => Ok(()),
            Some(other) => Err(Fault::Argument {
                function: self.name,
                position: 2,
                due: "an expression that returns a number for every element, or a string for every element",
                given: other.type_name(),
            }),
        }
    }
}

fn join(glue: &str, items: &[Value], budget: &mut Budget) -> Result<Value, Fault> {
    let mut joined = zeroize::Zeroizing::new(String::new());
    for (index, item) in items.iter().enumerate() {
        let Value::Text(text) = item else { continue };
        let glue = if index == 0 { "" } else { glue };
        budget.hold(glue.len().saturating_add(text.as_str().len()))?;
        joined.push_str(glue);
        joined.push_str(text.as_str());
    }
    Ok(Value::Text(Text::from(std::mem::take(&mut *joined))))
}

/// Later objects win.
fn merge(objects: &[Value], budget: &mut Budget) -> Result<Value, Fault> {
    let mut merged = BTreeMap::new();
    for object in objects {
        let Value::Object(entries) = object else { continue };
        for (key, value) in entries.iter() {
            budget.entry()?;
            merged.insert(key.clone(), value.clone());
        }
    }
    Ok(Value::Object(Arc::new(merged)))
}

/// The items in the order of their keys.
fn sorted(items: &[Value], keys: &[Value], budget: &mut Budget) -> Result<Value, Fault> {
    sorting_costs(keys, budget)?;
    let mut keyed: Vec<(&Value, &Value)> = keys.iter().zip(items).collect();
    keyed.sort_by(|(a, _), (b, _)| order(a, b));
    budget.list(keyed.into_iter().map(|(_, item)| item.clone()).collect())
}

/// Spends the steps for sorting: the cost of comparing each value once, times log2 of their number.
fn sorting_costs(keys: &[Value], budget: &mut Budget) -> Result<(), Fault> {
    let cost = |key: &Value| match key {
        Value::Text(text) => text.as_str().len() / 64 + 1,
        _ => 1,
    };
    let work: usize = keys.iter().map(cost).sum();
    let rounds = keys.len().checked_ilog2().map_or(0, |log| log + 1);
    let rounds = usize::try_from(rounds).unwrap_or(usize::MAX);
    budget.step(work.saturating_mul(rounds))
}

/// The order of two numbers, or of two texts by code point.
fn order(left: &Value, right: &Value) -> Ordering {
    match (left, right) {
        (Value::Number(a), Value::Number(b)) => a.compare(b),
        (Value::Text(a), Value::Text(b)) => a.cmp(b),
        _ => Ordering::Equal,
    }
}

/// Whether two values are the same, all the way down.
pub(super) fn equal(left: &Value, right: &Value, budget: &mut Budget) -> Result<bool, Fault> {
    budget.step(1)?;
    match (left, right) {
        (Value::Null, Value::Null) => Ok(true),
        (Value::Boolean(a), Value::Boolean(b)) => Ok(a == b),
        (Value::Number(a), Value::Number(b)) => Ok(a.compare(b).is_eq()),
        (Value::Text(a), Value::Text(b)) => {
            budget.step(a.as_str().len().min(b.as_str().len()) / 64)?;
            Ok(a == b)
        }
        (Value::List(a), Value::List(b)) if a.len() == b.len() => {
            for (a, b) in a.iter().zip(b.iter()) {
                if !equal(a, b, budget)? {
                    return Ok(false);
                }
            }
            Ok(true)
        }
        (Value::Object(a), Value::Object(b)) if a.len() == b.len() => {
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
