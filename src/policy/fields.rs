//! A mapping of a policy, its keys taken out one by one, so that what is left over is unknown.

use super::parse::Invalid;
use crate::diagnostic::nearest;
use crate::diagnostic::quoted;
use crate::yaml::{Kind, Node};

/// The entries of one mapping.
pub(super) struct Fields<'a> {
    what: String,
    at: &'a Node,
    entries: Vec<(&'a str, &'a Node)>,
    known: &'static [&'static str],
}

impl<'a> Fields<'a> {
    /// The entries of `node`, which must be a mapping of the `known` keys only. `what` is what messages call it.
    pub(super) fn new(what: String, node: &'a Node, known: &'static [&'static str]) -> Result<Self, Invalid> {
        let Kind::Map(map) = &node.kind else {
            let text = format!("{what} is {}, a mapping is due", node.kind.name());
            return Err(Invalid::new(node, text));
        };
        let mut entries = Vec::with_capacity(map.len());
        for (key, value) in map {
            let Kind::Text(name) = &key.kind else { continue };
            if !known.contains(&name.as_str()) {
                let hint = match nearest(name, known) {
                    Some(near) => format!("did you mean {near}?"),
                    None => format!("known are {}", known.join(", ")),
                };
                let text = format!("{what} has an unknown key {}; {hint}", quoted(name));
                return Err(Invalid::new(key, text));
            }
            entries.push((name.as_str(), value));
        }
        Ok(Self {
            what,
            at: node,
            entries,
            known,
        })
    }

    /// The value of `key`; nothing if it is absent or null.
    pub(super) fn get(&self, key: &str) -> Option<&'a Node> {
        debug_assert!(self.known.contains(&key), "{key}");
        let value = self.entries.iter().find(|(name, _)| *name == key)?.1;
        (!matches!(value.kind, Kind::Null)).then_some(value)
    }

    /// The value of `key`, which must be there.
    pub(super) fn need(&self, key: &str) -> Result<&'a Node, Invalid> {
        self.get(key)
            .ok_or_else(|| Invalid::new(self.at, format!("{} has no {key}", self.what)))
    }

    /// The text of `key`, which must be there.
    pub(super) fn need_text(&self, key: &str) -> Result<(&'a str, &'a Node), Invalid> {
        let node = self.need(key)?;
        Ok((text(node, &self.describe(key))?, node))
    }

    /// The list of `key`; nothing if it is absent.
    pub(super) fn list(&self, key: &str) -> Result<Option<&'a [Node]>, Invalid> {
        let Some(node) = self.get(key) else {
            return Ok(None);
        };
        match &node.kind {
            Kind::List(items) => Ok(Some(items)),
            other => {
                let text = format!("{} is {}, a list is due", self.describe(key), other.name());
                Err(Invalid::new(node, text))
            }
        }
    }

    /// What messages call the value of `key`.
    pub(super) fn describe(&self, key: &str) -> String {
        format!("{key} of {}", self.what)
    }
}

/// The text of a node.
pub(super) fn text<'a>(node: &'a Node, what: &str) -> Result<&'a str, Invalid> {
    match &node.kind {
        Kind::Text(text) => Ok(text),
        other => Err(Invalid::new(
            node,
            format!("{what} is {}, text is due", other.name()),
        )),
    }
}
