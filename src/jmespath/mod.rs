//! JMESPath: expressions checked before any value is fetched, and evaluated within a budget.
//!
//! The grammar is that of <https://jmespath.org/specification.html> without later additions. The `jmespath` crate parses;
//! `tree` checks what it made, and `evaluate` takes it over values of `json`.
//!
//! The crate does not evaluate, though it can. It has no bound: `[@,@]|` doubles a result in six characters, and
//! `map(&sort(@), @)` squares the time. A bound from outside would have to know what each function builds and how long
//! it takes, for any document, and so be a second evaluator that must not be wrong; one that is safe refuses expressions
//! that are harmless on the document at hand. And the crate compares numbers as doubles, with a tolerance: a filter for
//! the id 9007199254740993 also finds 9007199254740992. Marking such numbers before and restoring them after would not
//! reach its comparisons, sorting and sums. The crate stays the oracle of the tests.

mod budget;
#[cfg(test)]
mod compliance;
mod constant;
mod evaluate;
mod expression;
mod functions;
pub(crate) mod json;
mod literals;
mod number;
mod path;
#[cfg(test)]
mod tests;
mod tree;

pub(crate) use budget::{Budget, Fault};
pub(crate) use expression::Expression;
pub(crate) use path::{is_identifier, quoted_identifier};
