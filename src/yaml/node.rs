//! The tree: nodes that know where they begin.

use crate::diagnostic::{Diagnostic, Position};

/// A node and where it begins.
#[derive(Clone)]
#[cfg_attr(test, derive(Debug))]
pub(crate) struct Node {
    pub(crate) at: Position,
    pub(crate) style: Style,
    pub(crate) kind: Kind,
}

/// How a node is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Style {
    /// Without quotes; also what is no scalar.
    Plain,
    /// In single quotes.
    Single,
    /// In double quotes.
    Double,
    /// As a block after `|` or `>`.
    Block,
}

/// What a node is.
#[derive(Clone)]
#[cfg_attr(test, derive(Debug))]
pub(crate) enum Kind {
    /// No value: nothing at all, `~` or `null`.
    Null,
    /// Text as written, quotes and escapes resolved.
    Text(String),
    /// A list.
    List(Vec<Node>),
    /// Keys and values in the order of the text, merged ones last.
    Map(Vec<(Node, Node)>),
}

impl Kind {
    /// What to call it in a message.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Null => "nothing",
            Self::Text(_) => "text",
            Self::List(_) => "a list",
            Self::Map(_) => "a mapping",
        }
    }
}

impl Node {
    /// Its text, if it is text.
    pub(crate) fn as_text(&self) -> Option<&str> {
        match &self.kind {
            Kind::Text(text) => Some(text),
            _ => None,
        }
    }

    /// Whether it is this text, in any case.
    pub(crate) fn is_text(&self, text: &str) -> bool {
        self.as_text().is_some_and(|own| own.eq_ignore_ascii_case(text))
    }

    /// Its items; none if it is not a list.
    pub(crate) fn items(&self) -> &[Self] {
        match &self.kind {
            Kind::List(items) => items,
            _ => &[],
        }
    }

    /// Its keys and values; none if it is no mapping.
    pub(crate) fn entries(&self) -> &[(Self, Self)] {
        match &self.kind {
            Kind::Map(entries) => entries,
            _ => &[],
        }
    }

    /// The value of a mapping's key, spelt exactly so.
    pub(crate) fn get(&self, name: &str) -> Option<&Self> {
        let mut entries = self.entries().iter();
        entries
            .find(|(key, _)| key.as_text() == Some(name))
            .map(|(_, value)| value)
    }

    /// The text of a mapping's key, if it is text.
    pub(crate) fn text_of(&self, name: &str) -> Option<&str> {
        self.get(name)?.as_text()
    }

    /// Where the value of a mapping's key stands, in any case of the key, if it is written at all.
    pub(crate) fn position_of(&self, name: &str) -> Option<Position> {
        self.written(name).map(|value| value.at)
    }

    /// The value of a mapping's key, in any case of the key; nothing if it is null.
    pub(crate) fn field(&self, name: &str) -> Option<&Self> {
        self.written(name)
            .filter(|value| !matches!(value.kind, Kind::Null))
    }

    fn written(&self, name: &str) -> Option<&Self> {
        let mut entries = self.entries().iter();
        entries.find(|(key, _)| key.is_text(name)).map(|(_, value)| value)
    }

    /// The text of a field; nothing if it is null or empty.
    pub(crate) fn text_field(&self, name: &str) -> Result<Option<&str>, Diagnostic> {
        let text = self.field(name).map(Self::text).transpose()?;
        Ok(text.filter(|text| !text.is_empty()))
    }

    /// The items of a field that is a list; nothing if it is null.
    pub(crate) fn list_field(&self, name: &str) -> Result<Option<&[Self]>, Diagnostic> {
        match self.field(name) {
            None => Ok(None),
            Some(Self {
                kind: Kind::List(items),
                ..
            }) => Ok(Some(items)),
            Some(other) => Err(other.expected("a list", "begin each entry with \"-\"")),
        }
    }

    /// Its text.
    ///
    /// # Errors
    /// It is something else.
    pub(crate) fn text(&self) -> Result<&str, Diagnostic> {
        self.as_text()
            .ok_or_else(|| self.expected("text", "write one text"))
    }

    /// What is wrong with a node that is not `what` it must be.
    pub(crate) fn expected(&self, what: &str, remedy: impl Into<String>) -> Diagnostic {
        let text = format!("expected {what}, found {}", self.kind.name());
        Diagnostic::at(self.at, text, remedy)
    }

    /// Nodes, bytes and levels of the tree. Recursion ends at the bound on depth.
    pub(crate) fn cost(&self) -> (usize, usize, usize) {
        let bytes = self.as_text().map_or(0, str::len);
        let levels = usize::from(matches!(self.kind, Kind::List(_) | Kind::Map(_)));
        let of_map = self.entries().iter().flat_map(|(key, value)| [key, value]);
        let children = self.items().iter().chain(of_map);
        children.fold((1, bytes, levels), |(nodes, bytes, levels), child| {
            let (more_nodes, more_bytes, below) = child.cost();
            (
                nodes.saturating_add(more_nodes),
                bytes.saturating_add(more_bytes),
                levels.max(below.saturating_add(1)),
            )
        })
    }
}
