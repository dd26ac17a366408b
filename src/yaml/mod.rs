//! YAML as a small tree in which every node knows its place and every scalar its text as written.
//!
//! Built from the parser's events, because a typed reader would decide what `0123`, `1.10` or `yes` is and
//! forget where it stood. Anchors, aliases and merge keys (`<<`) are expanded, within a budget of nodes,
//! bytes and depth that holds while the tree grows. Only one document is read. Tags are ignored, except that
//! `!!null` and `!!str` decide whether a plain scalar is absent, and `!!binary` is refused.

mod loader;

use serde_saphyr::granit_parser::{self, Parser};

use loader::{Loader, position};

use crate::diagnostic::{Diagnostic, Position, bounded};
use crate::limits;

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

/// How large a document may be.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    /// Bytes as written.
    pub(crate) bytes: usize,
    /// Values, aliases expanded.
    pub(crate) nodes: usize,
    /// Bytes of text, aliases expanded.
    pub(crate) expanded_bytes: usize,
    /// Nesting.
    pub(crate) depth: usize,
    /// What to do when it is larger.
    pub(crate) remedy: &'static str,
}

impl Bounds {
    /// Those of the parameter `objects`.
    pub(crate) const OBJECTS: Self = Self {
        bytes: limits::OBJECTS_BYTES,
        nodes: limits::OBJECTS_NODES,
        expanded_bytes: limits::OBJECTS_EXPANDED_BYTES,
        depth: limits::OBJECTS_DEPTH,
        remedy: "split the SecretProviderClass",
    };
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

    /// Its items; none if it is no list.
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

/// Reads the one document of `objects`; [`Kind::Null`] when there is none.
pub(crate) fn parse(text: &str) -> Result<Node, Diagnostic> {
    parse_within(text, Bounds::OBJECTS)
}

/// Reads one document; [`Kind::Null`] when there is none.
pub(crate) fn parse_within(text: &str, bounds: Bounds) -> Result<Node, Diagnostic> {
    if text.len() > bounds.bytes {
        let text = format!("{} bytes are more than the limit of {}", text.len(), bounds.bytes);
        return Err(Diagnostic::new(text, bounds.remedy));
    }
    let options = granit_parser::options! {
        emit_comments: false,
        flow_nesting_limit: bounds.depth,
        block_nesting_limit: bounds.depth,
    };
    let mut loader = Loader::new(bounds);
    for event in Parser::new_from_str_with_options(text, options) {
        match event {
            Ok((event, span)) => loader.event(event, &span)?,
            Err(error) => {
                let text = format!("not valid YAML: {}", bounded(&error.info(), limits::QUOTED_BYTES));
                let remedy = "check indentation (spaces, no tabs), quotes and brackets";
                return Err(Diagnostic::at(position(error.marker()), text, remedy));
            }
        }
    }
    Ok(loader.root.unwrap_or(Node {
        at: Position { line: 1, column: 1 },
        style: Style::Plain,
        kind: Kind::Null,
    }))
}

/// Nodes, bytes and levels of a tree. Recursion ends at the bound on depth.
pub(super) fn cost(node: &Node) -> (usize, usize, usize) {
    let add = |(nodes, bytes, depth): (usize, usize, usize), child: &Node| {
        let (more_nodes, more_bytes, child_depth) = cost(child);
        (
            nodes.saturating_add(more_nodes),
            bytes.saturating_add(more_bytes),
            depth.max(child_depth),
        )
    };
    match &node.kind {
        Kind::Null => (1, 0, 0),
        Kind::Text(text) => (1, text.len(), 0),
        Kind::List(items) => {
            let (nodes, bytes, depth) = items.iter().fold((1, 0, 0), add);
            (nodes, bytes, depth.saturating_add(1))
        }
        Kind::Map(entries) => {
            let both = entries.iter().flat_map(|(key, value)| [key, value]);
            let (nodes, bytes, depth) = both.fold((1, 0, 0), add);
            (nodes, bytes, depth.saturating_add(1))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What an admitted text may cost at most, whatever it is made of; and most of these are refused.
    #[test]
    fn hostile_texts_of_the_largest_size_stay_within_the_budget() {
        let size = limits::OBJECTS_BYTES;
        let fill = |unit: &str| unit.repeat(size / unit.len());
        let numbered = |unit: fn(usize) -> String| {
            let mut text = String::new();
            for line in (0..).map(unit) {
                if text.len() + line.len() > size {
                    return text;
                }
                text.push_str(&line);
            }
            text
        };
        let bomb: String = (1..9)
            .map(|i| format!("- &a{i} [{}]\n", vec![format!("*a{}", i - 1); 9].join(", ")))
            .collect();
        let texts = [
            fill("["),
            fill("{"),
            fill("[{"),
            fill("- "),
            fill("? "),
            fill("-\n"),
            fill("- a\n"),
            fill("- {}\n"),
            fill("- !x\n"),
            fill("a: "),
            fill("\""),
            fill("#\n"),
            fill("\n"),
            fill("---\n"),
            fill("%a b\n"),
            format!("[{}", "a,".repeat(size / 2 - 1)),
            format!("{{{}", "a,".repeat(size / 2 - 1)),
            format!("[{}]", "[],".repeat(size / 3 - 1)),
            format!("- {}", "x".repeat(size - 2)),
            format!("- &a b\n{}", "- *a\n".repeat(size / 5 - 2)),
            format!(
                "- &a {}\n{}",
                "x".repeat(size / 2),
                "- *a\n".repeat(size / 10 - 2)
            ),
            format!("- &a0 [x, x, x, x, x, x, x, x, x]\n{bomb}"),
            format!(
                "- &m {{{}}}\n{}",
                "k: v",
                "- <<: [*m, *m, *m]\n".repeat(size / 20)
            ),
            numbered(|i| format!("k{i}: v\n")),
            numbered(|i| format!("- &a{i} b\n")),
            numbered(|i| format!("{}a:\n", " ".repeat(i))),
            numbered(|i| {
                if i == 0 {
                    "- &a0 [x]\n".to_owned()
                } else {
                    format!("- &a{i} [*a{}]\n", i - 1)
                }
            }),
        ];
        let mut admitted = 0;
        for text in &texts {
            assert!(text.len() <= size);
            let begin = text.chars().take(20).collect::<String>();
            if let Ok(root) = parse(text) {
                let (nodes, bytes, depth) = cost(&root);
                assert!(nodes <= limits::OBJECTS_NODES, "{begin:?}: {nodes} nodes");
                assert!(
                    bytes <= limits::OBJECTS_EXPANDED_BYTES,
                    "{begin:?}: {bytes} bytes"
                );
                assert!(depth <= limits::OBJECTS_DEPTH, "{begin:?}: {depth} levels");
                admitted += 1;
            }
        }
        assert!((3..15).contains(&admitted), "{admitted} admitted");
        assert!(parse(&"x".repeat(size + 1)).is_err());
    }

    #[test]
    fn bounds_are_reached_exactly() {
        let list = |n: usize| parse(&format!("[{}]", "a,".repeat(n)));
        assert!(list(limits::OBJECTS_NODES - 1).is_ok());
        assert!(list(limits::OBJECTS_NODES).is_err());
        let nested = |n: usize| parse(&format!("{}a{}", "[".repeat(n), "]".repeat(n)));
        assert!(nested(limits::OBJECTS_DEPTH - 1).is_ok());
        assert!(nested(limits::OBJECTS_DEPTH + 1).is_err());
        let aliased = |n: usize| {
            let levels: String = (1..n).map(|i| format!("- &a{i} [*a{}]\n", i - 1)).collect();
            parse(&format!("- &a0 [x]\n{levels}"))
        };
        assert!(aliased(limits::OBJECTS_DEPTH - 1).is_ok());
        assert!(aliased(limits::OBJECTS_DEPTH + 1).is_err());
    }
}
