//! YAML as a small tree in which every node knows its place and every scalar its text as written.
//!
//! Built from the parser's events, because a typed reader would decide what `0123`, `1.10` or `yes` is and
//! forget where it stood. Anchors, aliases and merge keys (`<<`) are expanded here, within a budget of nodes,
//! bytes and depth that holds while the tree grows. Only one document is read. Tags are ignored, except that
//! `!!null` and `!!str` decide whether a plain scalar is absent, and `!!binary` is refused.

use std::collections::HashMap;

use serde_saphyr::granit_parser::{self, Event, Parser, ScalarStyle, Span, Tag};

use super::names::Wrong;
use super::problem::{Position, bounded, quoted};
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

    fn wrong(&self, text: String) -> Wrong {
        Wrong::new(text, self.remedy)
    }
}

impl Node {
    /// Whether it is this text, in any case.
    pub(crate) fn is_text(&self, text: &str) -> bool {
        matches!(&self.kind, Kind::Text(own) if own.eq_ignore_ascii_case(text))
    }

    /// The value of a mapping's key, spelt exactly so.
    pub(crate) fn get(&self, name: &str) -> Option<&Self> {
        let Kind::Map(entries) = &self.kind else {
            return None;
        };
        let found = entries
            .iter()
            .find(|(key, _)| matches!(&key.kind, Kind::Text(text) if text == name));
        found.map(|(_, value)| value)
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

/// Why a text is not the one document that was due.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Error {
    pub(crate) at: Option<Position>,
    pub(crate) wrong: Wrong,
}

/// Reads the one document of `objects`; [`Kind::Null`] when there is none.
pub(crate) fn parse(text: &str) -> Result<Node, Error> {
    parse_within(text, Bounds::OBJECTS)
}

/// Reads one document; [`Kind::Null`] when there is none.
pub(crate) fn parse_within(text: &str, bounds: Bounds) -> Result<Node, Error> {
    if text.len() > bounds.bytes {
        let text = format!("{} bytes are more than the limit of {}", text.len(), bounds.bytes);
        return Err(Error {
            at: None,
            wrong: bounds.wrong(text),
        });
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
                return Err(Error {
                    at: Some(position(error.marker())),
                    wrong: Wrong::new(text, "check indentation (spaces, no tabs), quotes and brackets"),
                });
            }
        }
    }
    Ok(loader.root.unwrap_or(Node {
        at: Position { line: 1, column: 1 },
        style: Style::Plain,
        kind: Kind::Null,
    }))
}

/// A collection that is still open.
struct Open {
    at: Position,
    anchor: usize,
    items: Items,
}

enum Items {
    List(Vec<Node>),
    Map {
        entries: Vec<(Node, Node)>,
        key: Option<Node>,
    },
}

/// An anchored node with what a copy of it costs.
struct Anchored {
    node: Node,
    depth: usize,
}

struct Loader {
    bounds: Bounds,
    open: Vec<Open>,
    root: Option<Node>,
    anchors: HashMap<usize, Anchored>,
    nodes: usize,
    bytes: usize,
}

impl Loader {
    fn new(bounds: Bounds) -> Self {
        Self {
            bounds,
            open: Vec::new(),
            root: None,
            anchors: HashMap::new(),
            nodes: 0,
            bytes: 0,
        }
    }

    fn event(&mut self, event: Event<'_>, span: &Span) -> Result<(), Error> {
        let at = position(&span.start);
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                self.count(1, text.len(), at)?;
                let kind = scalar(&text, style, tag.as_deref(), at)?;
                let style = match style {
                    ScalarStyle::SingleQuoted => Style::Single,
                    ScalarStyle::DoubleQuoted => Style::Double,
                    ScalarStyle::Literal | ScalarStyle::Folded => Style::Block,
                    _ => Style::Plain,
                };
                self.finish(Node { at, style, kind }, anchor)
            }
            Event::SequenceStart(_, anchor, _) => self.begin(at, anchor, Items::List(Vec::new())),
            Event::MappingStart(_, anchor, _) => self.begin(
                at,
                anchor,
                Items::Map {
                    entries: Vec::new(),
                    key: None,
                },
            ),
            Event::SequenceEnd | Event::MappingEnd => self.end(),
            Event::Alias(anchor) => self.alias(anchor, at),
            // The rest carries no value; unresolved aliases and anchor events are switched off.
            _ => Ok(()),
        }
    }

    fn begin(&mut self, at: Position, anchor: usize, items: Items) -> Result<(), Error> {
        self.count(1, 0, at)?;
        if self.open.len() >= self.bounds.depth {
            return Err(too_deep(at, self.bounds.depth));
        }
        self.open.push(Open { at, anchor, items });
        Ok(())
    }

    fn end(&mut self) -> Result<(), Error> {
        let Some(Open { at, anchor, items }) = self.open.pop() else {
            return Ok(());
        };
        let kind = match items {
            Items::List(items) => Kind::List(items),
            Items::Map { entries, .. } => Kind::Map(self.merged(entries)?),
        };
        let style = Style::Plain;
        self.finish(Node { at, style, kind }, anchor)
    }

    /// Places a complete node where it belongs.
    fn finish(&mut self, node: Node, anchor: usize) -> Result<(), Error> {
        if anchor != 0 {
            let (nodes, bytes, depth) = cost(&node);
            self.count(nodes, bytes, node.at)?;
            self.anchors.insert(
                anchor,
                Anchored {
                    node: node.clone(),
                    depth,
                },
            );
        }
        match self.open.last_mut().map(|open| &mut open.items) {
            Some(Items::List(items)) => items.push(node),
            Some(Items::Map { entries, key }) => match key.take() {
                None => *key = Some(node),
                Some(key) => entries.push((key, node)),
            },
            None if self.root.is_none() => self.root = Some(node),
            None if matches!(node.kind, Kind::Null) => {}
            None => {
                return Err(Error {
                    at: Some(node.at),
                    wrong: Wrong::new(
                        "a second document begins here",
                        "write one list, without \"---\" inside",
                    ),
                });
            }
        }
        Ok(())
    }

    fn alias(&mut self, anchor: usize, at: Position) -> Result<(), Error> {
        let Some(anchored) = self.anchors.get(&anchor) else {
            let wrong = Wrong::new("an alias stands inside its own anchor", "write the value out");
            return Err(Error { at: Some(at), wrong });
        };
        if self.open.len().saturating_add(anchored.depth) > self.bounds.depth {
            return Err(too_deep(at, self.bounds.depth));
        }
        let (nodes, bytes, _) = cost(&anchored.node);
        self.count(nodes, bytes, at)?;
        let copy = self.anchors.get(&anchor).map(|anchored| anchored.node.clone());
        copy.map_or(Ok(()), |node| self.finish(node, 0))
    }

    /// Resolves merge keys, and refuses keys that occur twice.
    fn merged(&mut self, entries: Vec<(Node, Node)>) -> Result<Vec<(Node, Node)>, Error> {
        let mut result: Vec<(Node, Node)> = Vec::with_capacity(entries.len());
        let mut lines: HashMap<String, Position> = HashMap::with_capacity(entries.len());
        let mut sources = Vec::new();
        for (key, value) in entries {
            match &key.kind {
                Kind::Text(text) if text == "<<" => sources.push(value),
                Kind::Text(text) => {
                    if let Some(first) = lines.insert(text.clone(), key.at) {
                        let text = format!("the key {} stands here and at {first}", quoted(text));
                        return Err(Error {
                            at: Some(key.at),
                            wrong: Wrong::new(text, "keep one of them"),
                        });
                    }
                    result.push((key, value));
                }
                Kind::Null | Kind::List(_) | Kind::Map(_) => {
                    let text = format!("a key must be text, not {}", key.kind.name());
                    return Err(Error {
                        at: Some(key.at),
                        wrong: Wrong::new(text, "write a key of the grammar"),
                    });
                }
            }
        }
        for source in sources {
            let maps = match source.kind {
                Kind::List(items) => items,
                Kind::Map(_) => vec![source],
                Kind::Null | Kind::Text(_) => return Err(bad_merge(source.at)),
            };
            for map in maps {
                let Kind::Map(inherited) = map.kind else {
                    return Err(bad_merge(map.at));
                };
                for (key, value) in inherited {
                    let Kind::Text(text) = &key.kind else { continue };
                    if !lines.contains_key(text) {
                        lines.insert(text.clone(), key.at);
                        result.push((key, value));
                    }
                }
            }
        }
        Ok(result)
    }

    fn count(&mut self, nodes: usize, bytes: usize, at: Position) -> Result<(), Error> {
        self.nodes = self.nodes.saturating_add(nodes);
        self.bytes = self.bytes.saturating_add(bytes);
        let text = if self.nodes > self.bounds.nodes {
            format!("more than {} values, aliases expanded", self.bounds.nodes)
        } else if self.bytes > self.bounds.expanded_bytes {
            format!(
                "more than {} bytes of text, aliases expanded",
                self.bounds.expanded_bytes
            )
        } else {
            return Ok(());
        };
        Err(Error {
            at: Some(at),
            wrong: self.bounds.wrong(text),
        })
    }
}

/// What a scalar is, given how it is written.
fn scalar(text: &str, style: ScalarStyle, tag: Option<&Tag>, at: Position) -> Result<Kind, Error> {
    let core = tag.and_then(Tag::core_suffix);
    if tag.is_some_and(|tag| tag.suffix() == "binary") {
        let wrong = Wrong::new("!!binary is not decoded here", "write the text itself");
        return Err(Error { at: Some(at), wrong });
    }
    let plain = matches!(style, ScalarStyle::Plain);
    let null = plain && matches!(text, "" | "~" | "null" | "Null" | "NULL") && core != Some("str");
    Ok(if null || core == Some("null") {
        Kind::Null
    } else {
        Kind::Text(text.to_owned())
    })
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

fn position(marker: &granit_parser::Marker) -> Position {
    Position {
        line: marker.line(),
        column: marker.col().saturating_add(1),
    }
}

fn too_deep(at: Position, depth: usize) -> Error {
    let text = format!("nested more than {depth} levels deep");
    Error {
        at: Some(at),
        wrong: Wrong::new(text, "write a list of mappings"),
    }
}

fn bad_merge(at: Position) -> Error {
    Error {
        at: Some(at),
        wrong: Wrong::new("a merge key needs a mapping", "write \"<<: *anchor\""),
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
