//! A mapping of a policy: it may have the known keys only.

use crate::diagnostic::{Diagnostic, Position, quoted, suggestion};
use crate::yaml::{Kind, Node};

/// One mapping.
pub(super) struct Fields<'a> {
    what: String,
    node: &'a Node,
    known: &'static [&'static str],
}

impl<'a> Fields<'a> {
    /// `node`, which must be a mapping of the `known` keys only. `what` is what messages call it.
    pub(super) fn new(
        what: String,
        node: &'a Node,
        known: &'static [&'static str],
    ) -> Result<Self, Diagnostic> {
        let Kind::Map(entries) = &node.kind else {
            let text = format!("{what} is {}, a mapping is due", node.kind.name());
            return Err(Diagnostic::at(node.at, text, ""));
        };
        for (key, name) in entries.iter().filter_map(|(key, _)| Some((key, key.as_text()?))) {
            if !known.contains(&name) {
                let text = format!("{what} has an unknown key {}", quoted(name));
                return Err(Diagnostic::at(key.at, text, suggestion("key", name, known)));
            }
        }
        Ok(Self { what, node, known })
    }

    /// The value of `key`; nothing if it is absent or null.
    pub(super) fn get(&self, key: &str) -> Option<&'a Node> {
        debug_assert!(self.known.contains(&key), "{key}");
        let value = self.node.get(key)?;
        (!matches!(value.kind, Kind::Null)).then_some(value)
    }

    /// The value of `key`, which must be there.
    pub(super) fn need(&self, key: &str) -> Result<&'a Node, Diagnostic> {
        self.get(key)
            .ok_or_else(|| Diagnostic::at(self.node.at, format!("{} has no {key}", self.what), ""))
    }

    /// The text of `key`, which must be there.
    pub(super) fn need_text(&self, key: &str) -> Result<(&'a str, &'a Node), Diagnostic> {
        let node = self.need(key)?;
        Ok((text(node, &self.describe(key))?, node))
    }

    /// The list of `key` and where it is; nothing if it is absent.
    pub(super) fn list(&self, key: &str) -> Result<Option<(&'a [Node], Position)>, Diagnostic> {
        let Some(node) = self.get(key) else {
            return Ok(None);
        };
        match &node.kind {
            Kind::List(items) => Ok(Some((items, node.at))),
            other => {
                let text = format!("{} is {}, a list is due", self.describe(key), other.name());
                Err(Diagnostic::at(node.at, text, ""))
            }
        }
    }

    /// The list of `key`, which must be there, and where it is.
    pub(super) fn need_list(&self, key: &str) -> Result<(&'a [Node], Position), Diagnostic> {
        let node = self.need(key)?;
        Ok(self.list(key)?.unwrap_or((&[], node.at)))
    }

    /// What messages call the value of `key`.
    pub(super) fn describe(&self, key: &str) -> String {
        format!("{key} of {}", self.what)
    }
}

/// The text of a node.
pub(super) fn text<'a>(node: &'a Node, what: &str) -> Result<&'a str, Diagnostic> {
    let wrong = || format!("{what} is {}, text is due", node.kind.name());
    node.as_text().ok_or_else(|| Diagnostic::at(node.at, wrong(), ""))
}
