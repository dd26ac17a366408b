//! Limits of an evaluation: steps bound its time, bytes its memory.

use std::fmt;

use crate::limits;

/// Steps for all expressions of a mount together, and bytes for each expression.
pub(crate) struct Budget {
    pub(super) steps: usize,
    pub(super) bytes: usize,
    /// Bytes for each expression.
    pub(super) most: usize,
}

impl Budget {
    /// The budget of one mount.
    #[cfg(any(test, fuzzing))]
    pub(crate) fn new() -> Self {
        Self::within(limits::EVALUATION_BYTES)
    }

    /// The budget of one mount with `bytes` for each expression, at most [`limits::EVALUATION_BYTES`].
    pub(crate) fn within(bytes: usize) -> Self {
        let most = bytes.min(limits::EVALUATION_BYTES);
        Self {
            steps: limits::EVALUATION_STEPS,
            bytes: most,
            most,
        }
    }

    /// Resets the memory, because the previous expression's results have been dropped.
    pub(crate) fn next_expression(&mut self) {
        self.bytes = self.most;
    }

    /// Spends steps: one for each node evaluated and each element visited. After the first shortage none are left.
    pub(super) fn step(&mut self, steps: usize) -> Result<(), Fault> {
        let left = self.steps.checked_sub(steps);
        self.steps = left.unwrap_or_default();
        left.map(|_| ()).ok_or(Fault::TooManySteps)
    }

    /// Spends the steps for handling `bytes` of text.
    pub(crate) fn text(&mut self, bytes: usize) -> Result<(), Fault> {
        self.step(bytes / 64)
    }

    /// Spends memory, and the steps to fill it.
    pub(super) fn hold(&mut self, bytes: usize) -> Result<(), Fault> {
        self.bytes = self.bytes.checked_sub(bytes).ok_or(Fault::TooMuchMemory)?;
        self.text(bytes)
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
    /// The text of a number that has lost digits is needed.
    Lossy,
    /// The value is not one JSON document, is nested too deeply, or is not Unicode.
    Syntax { line: usize, column: usize },
    /// The document has more than [`limits::JSON_NODES`] values.
    TooManyValues,
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
                    "argument {position} of {function}: expected {due}, found {given}"
                )
            }
            Self::Syntax { line, column } => write!(f, "not valid JSON at line {line}, column {column}"),
            Self::TooManyValues => write!(f, "JSON with more than {} values", limits::JSON_NODES),
            Self::Lossy => f.write_str("a number has more digits than a double holds"),
            Self::OutOfRange(function) => {
                write!(f, "the result of {function} is beyond the range of a number")
            }
            Self::TooManySteps => f.write_str("it needs too many steps"),
            Self::TooMuchMemory => f.write_str("the result is too large"),
        }
    }
}
