//! The fields of one mapping of `objects`: what is wrong with them goes to the report, and counts as absent.

use super::keys;
use super::report::Report;
use crate::diagnostic::Diagnostic;
use crate::params::problem::Place;
use crate::yaml::{Kind, Node};

/// A mapping: an item of `objects`, or an entry of its `jmesPath`.
pub(super) struct Fields<'a, 'r> {
    mapping: &'a Node,
    /// The item that the mapping belongs to.
    pub(super) place: Place,
    /// What stands before a field's name in messages: empty, or `jmesPath[2].`.
    prefix: String,
    pub(super) report: &'r mut Report,
}

impl<'a, 'r> Fields<'a, 'r> {
    /// Judges the keys by those `known`. Another case of one is taken with a warning, as the official provider takes it;
    /// two spellings of one are an error, and the first counts; any other key is unknown.
    pub(super) fn new(
        mapping: &'a Node,
        known: &[&'static str],
        place: Place,
        prefix: String,
        report: &'r mut Report,
    ) -> Self {
        let mut seen: Vec<(&str, &Node)> = Vec::new();
        for (key, value) in mapping.entries() {
            let text = key.as_text().unwrap_or_default();
            let Some(name) = known.iter().find(|name| key.is_text(name)) else {
                let asks = !matches!(value.kind, Kind::Null) && value.as_text().is_none_or(keys::asks);
                report.unknown_key("key", text, asks, known, |name| {
                    place.field(format!("{}{name}", prefix.replace('.', " ")), key.at)
                });
                continue;
            };
            let here = place.field(format!("{prefix}{text}"), key.at);
            if let Some((_, first)) = seen.iter().find(|(other, _)| other == name) {
                let text = format!("the key {name} appears here and at {}", first.at);
                report.problem(&here, text, "keep one of them");
                continue;
            }
            if text != *name {
                report.warn(&here, format!("read as {name}; write it so"));
            }
            seen.push((name, key));
        }
        Self {
            mapping,
            place,
            prefix,
            report,
        }
    }

    /// Where messages about a field point: at its value.
    pub(super) fn at(&self, name: &str) -> Place {
        Place {
            field: Some(format!("{}{name}", self.prefix)),
            at: self.mapping.position_of(name).or(self.place.at),
            ..self.place.clone()
        }
    }

    /// The value of a field as it stands, unless it is absent or null.
    pub(super) fn node(&self, name: &str) -> Option<&'a Node> {
        self.mapping.field(name)
    }

    /// A text field, unless it is absent, null or empty.
    pub(super) fn text(&mut self, name: &str) -> Option<&'a str> {
        let read = self.mapping.text_field(name);
        self.take(name, read)?
    }

    /// A text field that must be there.
    pub(super) fn required(&mut self, name: &str, remedy: &str) -> Option<&'a str> {
        let text = self.mapping.text_field(name);
        let missing = || Diagnostic::new("missing", remedy);
        self.take(name, text.and_then(|text| text.ok_or_else(missing)))
    }

    /// A text field, read by `parse`.
    pub(super) fn parsed<T>(
        &mut self,
        name: &str,
        parse: impl FnOnce(&str) -> Result<T, Diagnostic>,
    ) -> Option<T> {
        let text = self.text(name)?;
        self.take(name, parse(text))
    }

    /// What was read of a field; if it was wrong, that is noted.
    pub(super) fn take<T>(&mut self, name: &str, read: Result<T, Diagnostic>) -> Option<T> {
        read.map_err(|wrong| self.report.problems.add(&self.at(name), wrong))
            .ok()
    }

    pub(super) fn warn(&mut self, name: &str, text: impl Into<String>) {
        self.report.warn(&self.at(name), text);
    }

    pub(super) fn problem(&mut self, name: &str, text: impl Into<String>, remedy: &str) {
        self.report.problem(&self.at(name), text, remedy);
    }
}
