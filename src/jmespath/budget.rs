//! What an evaluation may spend: steps bound the time, bytes the memory.

use std::fmt;

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
    /// The value is not JSON, or more than one document, or nested past the reader's depth, or not Unicode.
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
                    "argument {position} of {function} must be {due}, but is {given}"
                )
            }
            Self::Syntax { line, column } => write!(f, "not valid JSON at line {line}, column {column}"),
            Self::TooManyValues => write!(f, "JSON of more than {} values", limits::JSON_NODES),
            Self::Lossy => f.write_str("a number has more digits than a double holds"),
            Self::OutOfRange(function) => {
                write!(f, "the result of {function} is beyond the range of a number")
            }
            Self::TooManySteps => f.write_str("it needs too many steps"),
            Self::TooMuchMemory => f.write_str("its result grows too large"),
        }
    }
}
