//! The parameters of a SecretProviderClass as written, and their positions in the file.

use std::collections::BTreeMap;

use super::report::Class;
use super::scalar::not_text;
use super::source_map::SourceMap;
use crate::commands::manifest::Document;
use crate::diagnostic::{Position, quoted};
use crate::params::{Options, UnknownKeys};
use crate::yaml::{Kind, Node};

/// Reports every mistake, including unknown keys.
pub(super) const STRICT: Options = Options {
    unknown_keys: UnknownKeys::Error,
};

/// The text parameters of a class, and their positions.
pub(super) struct Parameters<'a> {
    document: Document<'a>,
    /// Where they begin, or the class if there are none.
    pub(super) at: Position,
    /// Whether `objects` is not text, which is reported already.
    pub(super) unreadable_objects: bool,
    /// Text, value and position of the key.
    texts: BTreeMap<&'a str, (&'a str, &'a Node, Position)>,
}

impl<'a> Parameters<'a> {
    pub(super) fn read(document: Document<'a>, root: &'a Node, class: &mut Class) -> Self {
        let node = root.get("spec").and_then(|spec| spec.get("parameters"));
        let mut parameters = Self {
            document,
            at: node.unwrap_or(root).at,
            unreadable_objects: false,
            texts: BTreeMap::new(),
        };
        if let Some(node) = node
            && matches!(node.kind, Kind::Text(_) | Kind::List(_))
        {
            let text = format!("expected a mapping, found {}", node.kind.name());
            let remedy = "write \"objects: |\" below it";
            class.error(parameters.at, "parameters", &text, remedy);
        }
        for (key, value) in node.map_or(&[][..], Node::entries) {
            let Some(name) = key.as_text() else { continue };
            let (found, remedy) = match &value.kind {
                Kind::Null => continue,
                Kind::Text(text) => {
                    parameters.texts.insert(name, (text, value, key.at));
                    let Some(kind) = not_text(value) else { continue };
                    (kind, format!("write {name}: {text:?}"))
                }
                other => {
                    parameters.unreadable_objects |= name == "objects";
                    let remedy = match name {
                        "objects" => "write \"objects: |\" and the list below it, indented",
                        _ => "write one text",
                    };
                    (other.name(), remedy.to_owned())
                }
            };
            class.error(value.at, name, &format!("expected text, found {found}"), &remedy);
        }
        parameters
    }

    pub(super) fn texts(&self) -> BTreeMap<&'a str, &'a str> {
        self.texts.iter().map(|(key, (text, ..))| (*key, *text)).collect()
    }

    /// As the driver sends them.
    pub(super) fn attributes(&self) -> String {
        serde_json::json!(self.texts()).to_string()
    }

    /// Replaces the position in `objects` at the end of a message by that in the file.
    pub(super) fn relocated(&self, text: &str) -> String {
        let place = || {
            let (before, place) = text.rsplit_once("line ")?;
            let (line, column) = place.split_once(", column ")?;
            let end = column.find(|c: char| !c.is_ascii_digit()).unwrap_or(column.len());
            let (column, after) = column.split_at_checked(end)?;
            let at = Position {
                line: line.parse().ok()?,
                column: column.parse().ok()?,
            };
            Some(format!("{before}{}{after}", self.place(None, Some(at))))
        };
        place().unwrap_or_else(|| text.to_owned())
    }

    /// The position in the file of a position in `objects`, or of a parameter.
    pub(super) fn place(&self, field: Option<&str>, at: Option<Position>) -> Position {
        if let (Some(at), Some((text, node, _))) = (at, self.texts.get("objects")) {
            let map = SourceMap {
                document: self.document.text,
                begin: self.document.in_document(node.at),
                style: node.style,
                text,
            };
            return self.document.in_file(map.locate(at));
        }
        let field = field.unwrap_or_default();
        let named = |name: &str| name == field || field == format!("parameter {}", quoted(name));
        let found = self.texts.iter().find(|(name, _)| named(name));
        found.map_or(self.at, |(_, (.., key_at))| *key_at)
    }
}
