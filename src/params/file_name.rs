//! File names: how a name becomes a path below the mount, and which paths the driver refuses.
//!
//! The rules are the driver's (`pkg/util/fileutil/writer.go`, `atomic_writer.go`), judged by component on the
//! final path, for object names, aliases and jmesPath aliases alike. Two more are ours, because the driver
//! lets them through to do damage: `.` removes the whole mount, and a NUL byte fails in the file system.

use std::collections::BTreeMap;
use std::fmt;

use super::names::checked_text;
use super::problem::Place;
use crate::diagnostic::{Diagnostic, quoted};
use crate::limits;

/// A path below the mount that the driver accepts: relative, clean, without `..`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FileName(String);

impl FileName {
    /// Checks a final path.
    pub(crate) fn parse(path: &str) -> Result<Self, Diagnostic> {
        let another = "give the file another name with objectAlias";
        let slashes = "write single slashes, and none at the end";
        let hidden = "starts with two dots, which is reserved for the driver";
        let components = || path.split('/');
        let has = |component: &str| components().any(|it| it == component);
        let is_deep = components().count() > limits::PATH_COMPONENTS;
        let is_long = components().any(|it| it.len() > limits::PATH_COMPONENT_BYTES);
        let faults = [
            (path.is_empty(), "is empty", another),
            (path.starts_with('/'), "is absolute", "start it without a slash"),
            (path.contains('\0'), "holds a NUL byte", "remove it"),
            (path.len() > limits::PATH_BYTES, "is too long", another),
            (is_deep, "is nested too deeply", another),
            (has(".."), "leaves its directory", "remove \"..\""),
            (has("."), "has a component \".\"", "remove it"),
            (has(""), "has an empty component", slashes),
            (is_long, "has a component of more than 255 bytes", another),
            (path.starts_with(".."), hidden, "choose another name"),
        ];
        match faults.into_iter().find(|(is_there, ..)| *is_there) {
            None => Ok(Self(path.to_owned())),
            Some((_, text, remedy)) => {
                let text = format!("the file name {} {text}", quoted(path));
                Err(Diagnostic::new(text, remedy))
            }
        }
    }
}

checked_text!(FileName);

/// What happens to the slashes of a name: the parameter `pathTranslation`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Translation {
    /// Each becomes this character.
    To(char),
    /// They stay and make directories; leading ones are dropped.
    Off,
}

impl Translation {
    /// An underscore for each slash.
    pub(crate) const DEFAULT: Self = Self::To('_');

    /// Reads the parameter: `False` in any case, or a single character.
    pub(super) fn parse(text: &str) -> Result<Self, Diagnostic> {
        if text.eq_ignore_ascii_case("false") {
            return Ok(Self::Off);
        }
        let mut chars = text.chars();
        match (chars.next(), chars.next()) {
            (Some(only), None) if only != '\0' => Ok(Self::To(only)),
            _ => {
                let text = format!("{} is neither a single character nor \"False\"", quoted(text));
                let remedy = "write the character that replaces each slash, or \"False\" to keep slashes as directories";
                Err(Diagnostic::new(text, remedy))
            }
        }
    }

    /// Makes the path of a name.
    pub(crate) fn apply(self, name: &str) -> String {
        match self {
            Self::To(replacement) => name.replace('/', replacement.encode_utf8(&mut [0; 4])),
            Self::Off => name.trim_start_matches('/').to_owned(),
        }
    }
}

/// The paths taken so far, each with its owner. No two are equal, and none is a directory of another.
#[derive(Default)]
pub(super) struct Paths<'a>(BTreeMap<String, &'a Place>);

impl<'a> Paths<'a> {
    /// How many files there are.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// Takes `path` for `owner`, unless it clashes with one taken before: then both owners are named.
    pub(super) fn take(&mut self, path: &FileName, owner: &'a Place) -> Result<(), Diagnostic> {
        let path = path.as_str();
        let mut parents = path.match_indices('/').filter_map(|(at, _)| path.get(..at));
        let below = format!("{path}/");
        let clash = if let Some(other) = self.0.get(path) {
            format!("is taken by {other}")
        } else if let Some(other) = parents.find_map(|parent| self.0.get(parent)) {
            format!("lies inside the file of {other}")
        } else if let Some((first, other)) = self.0.range(below.clone()..).next()
            && first.starts_with(&below)
        {
            format!("is a directory for {other}")
        } else {
            self.0.insert(path.to_owned(), owner);
            return Ok(());
        };
        let text = format!("the file name {} {clash}", quoted(path));
        Err(Diagnostic::new(text, "give one of them another objectAlias"))
    }
}
