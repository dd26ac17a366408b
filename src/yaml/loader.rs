//! From the parser's events to the tree: collections are closed, aliases and merge keys expanded, and what that costs
//! is counted while the tree grows.

use std::collections::HashMap;

use serde_saphyr::granit_parser::{Event, Marker, ScalarStyle, Span, Tag};

use super::node::{Kind, Node, Style};
use crate::diagnostic::{Diagnostic, Position, quoted};
use crate::limits;

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

/// A collection that is still open. The nodes of a mapping are keys and values in turn.
struct Open {
    at: Position,
    anchor: usize,
    is_map: bool,
    nodes: Vec<Node>,
}

/// The tree as far as it has grown.
pub(super) struct Loader {
    bounds: Bounds,
    open: Vec<Open>,
    pub(super) root: Option<Node>,
    anchors: HashMap<usize, Node>,
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
            Event::SequenceStart(_, anchor, _) => self.begin(at, anchor, false),
            Event::MappingStart(_, anchor, _) => self.begin(at, anchor, true),
            Event::SequenceEnd | Event::MappingEnd => self.end(),
            Event::Alias(anchor) => self.alias(anchor, at),
            // The rest carries no value; unresolved aliases and anchor events are switched off.
            _ => Ok(()),
        }
    }

    fn begin(&mut self, at: Position, anchor: usize, is_map: bool) -> Result<(), Diagnostic> {
        self.count(1, 0, at)?;
        if self.open.len() >= self.bounds.depth {
            return Err(too_deep(at, self.bounds.depth));
        }
        let nodes = Vec::new();
        self.open.push(Open {
            at,
            anchor,
            is_map,
            nodes,
        });
        Ok(())
    }

    fn end(&mut self) -> Result<(), Diagnostic> {
        let Some(open) = self.open.pop() else {
            return Ok(());
        };
        let kind = if open.is_map {
            Kind::Map(merged(open.nodes)?)
        } else {
            Kind::List(open.nodes)
        };
        let (at, style) = (open.at, Style::Plain);
        self.finish(Node { at, style, kind }, open.anchor)
    }

    /// Places a complete node where it belongs.
    fn finish(&mut self, node: Node, anchor: usize) -> Result<(), Diagnostic> {
        if anchor != 0 {
            let (nodes, bytes, _) = node.cost();
            self.count(nodes, bytes, node.at)?;
            self.anchors.insert(anchor, node.clone());
        }
        match self.open.last_mut() {
            Some(open) => open.nodes.push(node),
            None if self.root.is_none() => self.root = Some(node),
            None if matches!(node.kind, Kind::Null) => {}
            None => {
                let remedy = "write one document, without \"---\" inside";
                return Err(Diagnostic::at(node.at, "a second document begins here", remedy));
            }
        }
        Ok(())
    }

    fn alias(&mut self, anchor: usize, at: Position) -> Result<(), Diagnostic> {
        let Some((nodes, bytes, depth)) = self.anchors.get(&anchor).map(Node::cost) else {
            let text = "an alias is inside its own anchor";
            return Err(Diagnostic::at(at, text, "write the value out"));
        };
        if self.open.len().saturating_add(depth) > self.bounds.depth {
            return Err(too_deep(at, self.bounds.depth));
        }
        self.count(nodes, bytes, at)?;
        let copy = self.anchors.get(&anchor).cloned();
        copy.map_or(Ok(()), |node| self.finish(node, 0))
    }

    fn count(&mut self, nodes: usize, bytes: usize, at: Position) -> Result<(), Diagnostic> {
        self.nodes = self.nodes.saturating_add(nodes);
        self.bytes = self.bytes.saturating_add(bytes);
        let counts = [
            (self.nodes, self.bounds.nodes, "values"),
            (self.bytes, self.bounds.expanded_bytes, "bytes of text"),
        ];
        match counts.into_iter().find(|(count, most, _)| count > most) {
            None => Ok(()),
            Some((_, most, what)) => {
                let text = format!("more than {most} {what} with aliases expanded");
                Err(Diagnostic::at(at, text, self.bounds.remedy))
            }
        }
    }
}

/// Keys and values of a mapping, given in turn: resolves merge keys, and refuses keys that occur twice.
fn merged(nodes: Vec<Node>) -> Result<Vec<(Node, Node)>, Diagnostic> {
    let mut result: Vec<(Node, Node)> = Vec::with_capacity(nodes.len() / 2);
    let mut lines: HashMap<String, Position> = HashMap::with_capacity(nodes.len() / 2);
    let mut sources = Vec::new();
    let mut nodes = nodes.into_iter();
    while let (Some(key), Some(value)) = (nodes.next(), nodes.next()) {
        match &key.kind {
            Kind::Text(text) if text == "<<" => sources.push(value),
            Kind::Text(text) => {
                if let Some(first) = lines.insert(text.clone(), key.at) {
                    let text = format!("the key {} appears here and at {first}", quoted(text));
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
        let maps = match source {
            Node {
                kind: Kind::List(items),
                ..
            } => items,
            map => vec![map],
        };
        for map in maps {
            let Kind::Map(inherited) = map.kind else {
                let text = "a merge key needs a mapping";
                return Err(Diagnostic::at(map.at, text, "write \"<<: *anchor\""));
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
