//! From the parser's events to the tree: collections are closed, aliases and merge keys expanded, and what that costs
//! is counted while the tree grows.

use std::collections::HashMap;

use serde_saphyr::granit_parser::{Event, Marker, ScalarStyle, Span, Tag};

use super::{Bounds, Kind, Node, Style, cost};
use crate::diagnostic::{Diagnostic, Position, quoted};

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

/// The tree as far as it has grown.
pub(super) struct Loader {
    bounds: Bounds,
    open: Vec<Open>,
    pub(super) root: Option<Node>,
    anchors: HashMap<usize, Anchored>,
    nodes: usize,
    bytes: usize,
}

impl Loader {
    pub(super) fn new(bounds: Bounds) -> Self {
        Self {
            bounds,
            open: Vec::new(),
            root: None,
            anchors: HashMap::new(),
            nodes: 0,
            bytes: 0,
        }
    }

    pub(super) fn event(&mut self, event: Event<'_>, span: &Span) -> Result<(), Diagnostic> {
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

    fn begin(&mut self, at: Position, anchor: usize, items: Items) -> Result<(), Diagnostic> {
        self.count(1, 0, at)?;
        if self.open.len() >= self.bounds.depth {
            return Err(too_deep(at, self.bounds.depth));
        }
        self.open.push(Open { at, anchor, items });
        Ok(())
    }

    fn end(&mut self) -> Result<(), Diagnostic> {
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
    fn finish(&mut self, node: Node, anchor: usize) -> Result<(), Diagnostic> {
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
                let remedy = "write one list, without \"---\" inside";
                return Err(Diagnostic::at(node.at, "a second document begins here", remedy));
            }
        }
        Ok(())
    }

    fn alias(&mut self, anchor: usize, at: Position) -> Result<(), Diagnostic> {
        let Some(anchored) = self.anchors.get(&anchor) else {
            let text = "an alias stands inside its own anchor";
            return Err(Diagnostic::at(at, text, "write the value out"));
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
    fn merged(&mut self, entries: Vec<(Node, Node)>) -> Result<Vec<(Node, Node)>, Diagnostic> {
        let mut result: Vec<(Node, Node)> = Vec::with_capacity(entries.len());
        let mut lines: HashMap<String, Position> = HashMap::with_capacity(entries.len());
        let mut sources = Vec::new();
        for (key, value) in entries {
            match &key.kind {
                Kind::Text(text) if text == "<<" => sources.push(value),
                Kind::Text(text) => {
                    if let Some(first) = lines.insert(text.clone(), key.at) {
                        let text = format!("the key {} stands here and at {first}", quoted(text));
                        return Err(Diagnostic::at(key.at, text, "keep one of them"));
                    }
                    result.push((key, value));
                }
                Kind::Null | Kind::List(_) | Kind::Map(_) => {
                    let text = format!("a key must be text, not {}", key.kind.name());
                    return Err(Diagnostic::at(key.at, text, "write a key of the grammar"));
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

    fn count(&mut self, nodes: usize, bytes: usize, at: Position) -> Result<(), Diagnostic> {
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
        Err(Diagnostic::at(at, text, self.bounds.remedy))
    }
}

/// What a scalar is, given how it is written.
fn scalar(text: &str, style: ScalarStyle, tag: Option<&Tag>, at: Position) -> Result<Kind, Diagnostic> {
    let core = tag.and_then(Tag::core_suffix);
    if tag.is_some_and(|tag| tag.suffix() == "binary") {
        let text = "!!binary is not decoded here";
        return Err(Diagnostic::at(at, text, "write the text itself"));
    }
    let plain = matches!(style, ScalarStyle::Plain);
    let null = plain && matches!(text, "" | "~" | "null" | "Null" | "NULL") && core != Some("str");
    Ok(if null || core == Some("null") {
        Kind::Null
    } else {
        Kind::Text(text.to_owned())
    })
}

pub(super) fn position(marker: &Marker) -> Position {
    Position {
        line: marker.line(),
        column: marker.col().saturating_add(1),
    }
}

fn too_deep(at: Position, depth: usize) -> Diagnostic {
    let text = format!("nested more than {depth} levels deep");
    Diagnostic::at(at, text, "write a list of mappings")
}

fn bad_merge(at: Position) -> Diagnostic {
    Diagnostic::at(at, "a merge key needs a mapping", "write \"<<: *anchor\"")
}
