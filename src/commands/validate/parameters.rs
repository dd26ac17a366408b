//! The parameters of a SecretProviderClass as its manifest writes them, and where each of them stands in the file.

use std::collections::BTreeMap;

use super::manifest::Document;
use super::report::Finding;
use super::scalar::not_text;
use super::source_map::SourceMap;
use crate::diagnostic::{Position, quoted};
use crate::limits;
use crate::yaml::{Kind, Node};

/// The parameters of a class, as far as they are text, and where they stand.
pub(super) struct Parameters<'a> {
    document: Document<'a>,
    /// Where they begin, or the class if there are none.
    pub(super) at: Position,
    /// Whether `objects` is there and no text, which is told already.
    pub(super) unreadable_objects: bool,
    texts: BTreeMap<&'a str, Parameter<'a>>,
}

#[derive(Clone, Copy)]
struct Parameter<'a> {
    text: &'a str,
    node: &'a Node,
    key_at: Position,
}

impl<'a> Parameters<'a> {
    pub(super) fn read(document: Document<'a>, root: &'a Node, errors: &mut Vec<Finding>) -> Self {
        let node = root.get("spec").and_then(|spec| spec.get("parameters"));
        let mut parameters = Self {
            document,
            at: document.in_file(node.map_or(root.at, |node| node.at)),
            unreadable_objects: false,
            texts: BTreeMap::new(),
        };
        let entries = match node.map(|node| &node.kind) {
            Some(Kind::Map(entries)) => entries.as_slice(),
            None | Some(Kind::Null) => &[],
            Some(other) => {
                let text = format!("a mapping is due, not {}", other.name());
                errors.push(Finding::new(
                    parameters.at,
                    "parameters",
                    text,
                    "write \"objects: |\" below it",
                ));
                &[]
            }
        };
        for (key, value) in entries {
            let Kind::Text(name) = &key.kind else { continue };
            let is_list = matches!(value.kind, Kind::List(_) | Kind::Map(_));
            parameters.unreadable_objects |= name == "objects" && is_list;
            let wrong = match &value.kind {
                Kind::Null => continue,
                Kind::Text(text) => {
                    let parameter = Parameter {
                        text,
                        node: value,
                        key_at: key.at,
                    };
                    parameters.texts.insert(name, parameter);
                    not_text(value).map(|kind| {
                        let told = format!("{kind} to Kubernetes, which takes text only");
                        (told, format!("write {name}: {text:?}"))
                    })
                }
                other if name == "objects" => Some((
                    format!("{}, and Kubernetes takes text only", other.name()),
                    "write \"objects: |\" and the list below it, indented".to_owned(),
                )),
                other => Some((
                    format!("{}, and Kubernetes takes text only", other.name()),
                    "write one text".to_owned(),
                )),
            };
            if let Some((text, remedy)) = wrong
                && errors.len() < limits::PROBLEMS
            {
                errors.push(Finding::new(
                    document.in_file(value.at),
                    name,
                    format!("this is {text}"),
                    remedy,
                ));
            }
        }
        parameters
    }

    /// By their names.
    pub(super) fn texts(&self) -> BTreeMap<&'a str, &'a str> {
        self.texts.iter().map(|(key, value)| (*key, value.text)).collect()
    }

    /// As the driver sends them.
    pub(super) fn attributes(&self) -> String {
        serde_json::json!(self.texts()).to_string()
    }

    /// A message that ends with a place in `objects`, with the place in the file instead.
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

    /// The place in the file of a place in `objects`, or of a parameter.
    pub(super) fn place(&self, field: Option<&str>, at: Option<Position>) -> Position {
        if let (Some(at), Some(objects)) = (at, self.texts.get("objects")) {
            let map = SourceMap {
                document: self.document.text,
                begin: objects.node.at,
                style: objects.node.style,
                text: objects.text,
            };
            return self.document.in_file(map.locate(at));
        }
        let field = field.unwrap_or_default();
        let named = |name: &str| name == field || field == format!("parameter {}", quoted(name));
        let found = self.texts.iter().find(|(name, _)| named(name));
        found.map_or(self.at, |(_, value)| self.document.in_file(value.key_at))
    }
}
