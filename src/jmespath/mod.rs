//! JMESPath: expressions checked before any value is fetched, and evaluated within a budget.
//!
//! The grammar is that of <https://jmespath.org/specification.html> without later additions. The `jmespath` crate
//! parses; `tree` checks the result, and `evaluate` applies it to values of `json`.
//!
//! The crate's own evaluator is not used, for two reasons. It has no limits: `[@,@]|` doubles a result in six
//! characters, and `map(&sort(@), @)` squares the time. A limit from outside would have to predict the size and time
//! of each function for any document, so it would be a second evaluator or refuse harmless expressions. And it
//! compares numbers as doubles, with a tolerance: a filter for the id 9007199254740993 also finds 9007199254740992.
//! Marking such numbers would not cover comparisons, sorting and sums. Tests use the crate as the reference.

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
