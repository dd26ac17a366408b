//! The fields of one mapping: known keys found, unknown ones told, values read as what they must be.

use super::keys;
use super::problem::{Place, Report};
use crate::diagnostic::{Diagnostic, quoted, suggestion};
use crate::yaml::{Kind, Node};

/// A mapping of `objects`, its keys resolved to those of the grammar.
pub(super) struct Fields<'a> {
    /// The item that the mapping belongs to.
    pub(super) place: Place,
    /// What stands before a field's name in messages: empty, or `jmesPath[2].`.
    prefix: String,
    entries: Vec<(&'static str, &'a Node, &'a Node)>,
}

impl<'a> Fields<'a> {
    /// Finds the `known` keys. Another case of one is taken with a warning, as the official provider takes it;
    /// two spellings of one are an error; any other key is unknown.
    pub(super) fn read(
        entries: &'a [(Node, Node)],
        known: &[&'static str],
        place: &Place,
        prefix: &str,
        report: &mut Report,
    ) -> Self {
        let mut fields = Self {
            place: place.clone(),
            prefix: prefix.to_owned(),
            entries: Vec::new(),
        };
        for (key, value) in entries {
            let Kind::Text(text) = &key.kind else { continue };
            let Some(name) = known.iter().copied().find(|name| name.eq_ignore_ascii_case(text)) else {
                let asks = match &value.kind {
                    Kind::Null => false,
                    Kind::Text(text) => keys::asks(text),
                    _ => true,
                };
                report.unknown_key(text, asks, known, || {
                    let unknown = format!("{}key {}", prefix.replace('.', " "), quoted(text));
                    (place.field(unknown, key.at), suggestion("key", text, known))
                });
                continue;
            };
            let here = place.field(format!("{prefix}{text}"), key.at);
            if let Some((_, first, _)) = fields.entries.iter().find(|(other, ..)| *other == name) {
                let text = format!("the key {name} stands here and at {}", first.at);
                report.problem(&here, text, "keep one of them");
                continue;
            }
            if name != text {
                report.warn(&here, format_args!("read as {name}; write it so"));
            }
            fields.entries.push((name, key, value));
        }
        fields
    }

    /// The value of a field as it stands, unless it is absent or null.
    pub(super) fn node(&self, name: &str) -> Option<&'a Node> {
        let (.., value) = self.entries.iter().find(|(other, ..)| *other == name)?;
        (!matches!(value.kind, Kind::Null)).then_some(*value)
    }

    /// Where messages about a field point: at its value.
    pub(super) fn at(&self, name: &str) -> Place {
        let at = self
            .entries
            .iter()
            .find(|(other, ..)| *other == name)
            .map(|(.., value)| value.at);
        let field = Some(format!("{}{name}", self.prefix));
        Place {
            field,
            at: at.or(self.place.at),
            ..self.place.clone()
        }
    }

    /// A text field, unless it is absent, null or empty.
    pub(super) fn text(&self, name: &str, report: &mut Report) -> Option<&'a str> {
        match &self.node(name)?.kind {
            Kind::Text(text) if text.is_empty() => None,
            Kind::Text(text) => Some(text),
            other => {
                report.problem(
                    &self.at(name),
                    format!("text is due, not {}", other.name()),
                    "write one text",
                );
                None
            }
        }
    }

    /// A text field, read by `parse`.
    pub(super) fn parsed<T>(
        &self,
        name: &str,
        report: &mut Report,
        parse: impl FnOnce(&str) -> Result<T, Diagnostic>,
    ) -> Option<T> {
        let text = self.text(name, report)?;
        match parse(text) {
            Ok(value) => Some(value),
            Err(wrong) => {
                report.problem(&self.at(name), wrong.text, wrong.remedy);
                None
            }
        }
    }
}
