//! Problems and warnings, collected while reading goes on.

use super::keys;
use crate::diagnostic::{Diagnostic, quoted, suggestion};
use crate::limits;
use crate::params::problem::{Place, Problem, Problems};

/// What to write instead of an unknown key: a key of another level belongs there.
fn advice(kind: &str, key: &str, known: &[&'static str]) -> String {
    match kind {
        "parameter" if matches!(key, "secretObjects" | "provider") => {
            "move it below spec, beside parameters".to_owned()
        }
        "parameter" if keys::OBJECT.contains(&key) => "move it into an item of objects".to_owned(),
        _ if known != keys::CLASS && keys::CLASS.contains(&key) => {
            "move it below parameters, beside objects".to_owned()
        }
        _ => suggestion(kind, key, known),
    }
}

/// How strictly to read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// How to treat unknown keys.
    pub unknown_keys: UnknownKeys,
}

/// How to treat unknown keys.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum UnknownKeys {
    /// A warning, and otherwise ignored: what mounted under the official provider still mounts.
    #[default]
    Warn,
    /// An error.
    Error,
}

/// What has been found so far.
pub(crate) struct Report {
    unknown_keys: UnknownKeys,
    /// Unknown keys that were compared with those that choose the identity.
    compared: usize,
    pub(crate) problems: Problems,
    pub(crate) warnings: Vec<Problem>,
}

impl Report {
    pub(crate) fn new(options: Options) -> Self {
        Self {
            unknown_keys: options.unknown_keys,
            compared: 0,
            problems: Problems::default(),
            warnings: Vec::new(),
        }
    }

    pub(super) fn problem(&mut self, place: &Place, text: impl Into<String>, remedy: impl Into<String>) {
        self.problems.add(place, Diagnostic::new(text, remedy));
    }

    /// What was read; if it was wrong, that is noted.
    pub(super) fn take<T>(&mut self, place: &Place, read: Result<T, Diagnostic>) -> Option<T> {
        read.map_err(|wrong| self.problems.add(place, wrong)).ok()
    }

    /// Notes a warning, up to [`limits::PROBLEMS`] of them.
    pub(super) fn warn(&mut self, place: &Place, text: impl Into<String>) {
        if self.warnings.len() < limits::PROBLEMS {
            self.warnings.push(Problem::new(place, text, ""));
        }
    }

    /// Notes a `kind` of key that is not among `known`, as the options say. Near words are looked for only while there is
    /// room, because looking for those of a hundred thousand keys takes long. A key that was probably meant to
    /// choose the identity is a problem in any case, if its value `asks` for anything.
    pub(super) fn unknown_key(
        &mut self,
        kind: &str,
        key: &str,
        asks: bool,
        known: &[&'static str],
        place: impl FnOnce(String) -> Place,
    ) {
        let place = || place(format!("{kind} {}", quoted(key)));
        if self.unknown_keys == UnknownKeys::Error {
            let is_room = self.problems.iter().len() < limits::PROBLEMS;
            let remedy = is_room.then(|| advice(kind, key, known));
            self.problem(&place(), "unknown", remedy.unwrap_or_default());
        } else if asks && let Some(remedy) = self.identity_remedy(key, known) {
            self.problem(&place(), "unknown, but it would choose the identity", remedy);
        } else if self.warnings.len() < limits::PROBLEMS {
            let text = format!("unknown and ignored; {}", advice(kind, key, known));
            self.warn(&place(), text);
        }
    }

    /// What to write instead of an unknown key, if it was probably meant to choose the identity.
    fn identity_remedy(&mut self, key: &str, known: &[&'static str]) -> Option<String> {
        if key.len() >= keys::SHORTEST_ATTEMPT {
            self.compared = self.compared.saturating_add(1);
            if self.compared > limits::UNKNOWN_KEYS_COMPARED {
                let remedy = "remove unknown keys: there are too many to suggest corrections";
                return Some(remedy.to_owned());
            }
        }
        keys::identity_suggestion(key, known)
    }
}
