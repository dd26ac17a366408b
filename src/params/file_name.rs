//! File names: how a name becomes a path below the mount, and which paths the driver refuses.
//!
//! The rules are the driver's (`pkg/util/fileutil/writer.go`, `atomic_writer.go`), judged by component on the
//! final path, for object names, aliases and jmesPath aliases alike. Two more are ours, because the driver
//! lets them through to do damage: `.` removes the whole mount, and a NUL byte fails in the file system.

use std::collections::BTreeMap;
use std::fmt;

use crate::diagnostic::Diagnostic;
use crate::diagnostic::quoted;
use crate::limits;

/// A path below the mount that the driver accepts: relative, clean, without `..`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FileName(String);

impl FileName {
    /// Checks a final path.
    pub(super) fn parse(path: &str) -> Result<Self, Diagnostic> {
        if path.is_empty() {
            return Err(Diagnostic::new(
                "the file name is empty",
                "give the file a name with objectAlias",
            ));
        }
        let wrong = |text: &str, remedy: &str| {
            Err(Diagnostic::new(
                format!("the file name {} {text}", quoted(path)),
                remedy.to_owned(),
            ))
        };
        if path.starts_with('/') {
            return wrong("is absolute", "start it without a slash");
        }
        if path.contains('\0') {
            return wrong("holds a NUL byte", "remove it");
        }
        if path.len() > limits::PATH_BYTES {
            return wrong("is too long", "give the file a shorter name with objectAlias");
        }
        if path.split('/').count() > limits::PATH_COMPONENTS {
            return wrong(
                "lies too many directories deep",
                "give the file another name with objectAlias",
            );
        }
        for component in path.split('/') {
            match component {
                ".." => return wrong("climbs out of its directory", "remove \"..\""),
                "." => return wrong("has a component \".\"", "remove it"),
                "" => {
                    return wrong(
                        "has an empty component",
                        "write single slashes, and none at the end",
                    );
                }
                long if long.len() > limits::PATH_COMPONENT_BYTES => {
                    return wrong(
                        "has a component of more than 255 bytes",
                        "give the file a shorter name with objectAlias",
                    );
                }
                _ => {}
            }
        }
        if path.starts_with("..") {
            return wrong(
                "starts with two dots, which the driver keeps for itself",
                "choose another name",
            );
        }
        Ok(Self(path.to_owned()))
    }

    /// The path, relative to the mount.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for FileName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What happens to the slashes of a name: the parameter `pathTranslation`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Translation {
    /// Each becomes this character.
    To(char),
    /// They stay and make directories; leading ones are dropped.
    Off,
}

impl Translation {
    /// An underscore for each slash.
    pub(super) const DEFAULT: Self = Self::To('_');

    /// Reads the parameter: `False` in any case, or a single character.
    pub(super) fn parse(text: &str) -> Result<Self, Diagnostic> {
        if text.is_empty() {
            return Ok(Self::DEFAULT);
        }
        if text.eq_ignore_ascii_case("false") {
            return Ok(Self::Off);
        }
        let mut chars = text.chars();
        match (chars.next(), chars.next()) {
            (Some('\0'), None) | (_, Some(_)) | (None, _) => Err(Diagnostic::new(
                format!("{} is neither a single character nor \"False\"", quoted(text)),
                "write the character that replaces each slash, or \"False\" to keep slashes as directories",
            )),
            (Some(only), None) => Ok(Self::To(only)),
        }
    }

    /// Makes the path of a name.
    pub(super) fn apply(self, name: &str) -> String {
        match self {
            Self::To(replacement) => name.replace('/', replacement.encode_utf8(&mut [0; 4])),
            Self::Off => name.trim_start_matches('/').to_owned(),
        }
    }
}

/// How two paths cannot stand side by side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Clash<T> {
    /// Both are the same file.
    Same(T),
    /// The other is a directory in this one's path.
    Inside(T),
    /// This one is a directory in the other's path.
    Around(T),
}

/// The paths taken so far, each with its owner. No two are equal, and none is a directory of another.
pub(super) struct Paths<T>(BTreeMap<String, T>);

impl<T: Copy> Paths<T> {
    pub(super) fn new() -> Self {
        Self(BTreeMap::new())
    }

    /// How many files there are.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// Takes `path` for `owner`, unless it clashes with one taken before.
    pub(super) fn take(&mut self, path: &FileName, owner: T) -> Result<(), Clash<T>> {
        let path = path.as_str();
        if let Some(other) = self.0.get(path) {
            return Err(Clash::Same(*other));
        }
        let mut parents = path.match_indices('/').filter_map(|(at, _)| path.get(..at));
        if let Some(other) = parents.find_map(|parent| self.0.get(parent)) {
            return Err(Clash::Inside(*other));
        }
        let below = format!("{path}/");
        if let Some((first, other)) = self.0.range(below.clone()..).next()
            && first.starts_with(&below)
        {
            return Err(Clash::Around(*other));
        }
        self.0.insert(path.to_owned(), owner);
        Ok(())
    }
}
