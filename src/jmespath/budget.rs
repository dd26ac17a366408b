//! What an evaluation may spend: steps bound the time, bytes the memory.

use std::fmt;
use std::sync::Arc;

use super::json::{self, Room, Text, Value, WriteError};
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

/// What a list costs besides its items: the vector, its counters, the allocator's share.
const LIST_BYTES: usize = 64;

/// What an item of a list costs; the factor of two is a vector's growth.
pub(super) const LIST_ITEM_BYTES: usize = 2 * size_of::<Value>();

/// What a value of a document costs: more in objects, less in lists.
const NODE_BYTES: usize = 64;

/// What an entry of an object costs at worst: a tree node of its own, with room for eleven.
const OBJECT_ENTRY_BYTES: usize = 512;
