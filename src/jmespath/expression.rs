//! A checked expression.

use std::fmt;

use super::budget::{Budget, Fault};
use super::constant;
use super::evaluate::evaluate;
use super::json::Value;
use super::tree::Tree;
use crate::diagnostic::Diagnostic;

/// An expression that can be evaluated. It is kept as text because its tree takes a hundred times the memory, and a
/// class may have thousands of expressions.
pub(crate) struct Expression {
    text: String,
    /// Whether its result is the same for every document.
    is_constant: bool,
}

impl fmt::Debug for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Expression({:?})", self.text)
    }
}

impl Expression {
    /// Parses and checks.
    pub(crate) fn parse(text: &str) -> Result<Self, Diagnostic> {
        let tree = Tree::parse(text)?;
        Ok(Self {
            is_constant: constant::is_constant(&tree, text),
            text: text.to_owned(),
        })
    }

    /// The text.
    pub(crate) fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether the result is the same for every document.
    pub(crate) fn is_constant(&self) -> bool {
        self.is_constant
    }

    pub(super) fn tree(&self) -> Tree {
        match Tree::parse(&self.text) {
            Ok(tree) => tree,
            Err(_) => unreachable!("the same text has been parsed before"),
        }
    }

    /// The result for a document.
    pub(crate) fn search(&self, document: &Value, budget: &mut Budget) -> Result<Value, Fault> {
        let tree = self.tree();
        evaluate(&tree, &tree.root, document, budget)
    }
}
