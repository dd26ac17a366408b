//! OOS secret parameters: numbered versions of a text.

use std::collections::BTreeMap;
use std::fmt;

use jiff::Timestamp;
use serde::Deserialize;

use super::identity::Time;
use super::secret::BEGINNING;

/// An OOS secret parameter.
#[derive(Clone, Deserialize)]
#[serde(try_from = "ParameterFile")]
pub struct Parameter {
    /// The values, oldest first; the first is version 1. Never empty.
    pub values: Vec<String>,
    /// The description.
    pub description: String,
    /// The tags.
    pub tags: BTreeMap<String, String>,
    /// When it was created.
    pub created: Timestamp,
    /// When it was changed last.
    pub updated: Timestamp,
}

impl Parameter {
    /// A new parameter at version 1.
    pub fn new(value: impl Into<String>, now: Timestamp) -> Self {
        Self {
            values: vec![value.into()],
            description: String::new(),
            tags: BTreeMap::new(),
            created: now,
            updated: now,
        }
    }

    /// Adds a version.
    pub fn put(&mut self, value: impl Into<String>, now: Timestamp) {
        self.values.push(value.into());
        self.updated = now;
    }

    /// The number of the newest version.
    pub fn version(&self) -> usize {
        self.values.len()
    }

    /// The value of a version, counted from 1.
    pub fn value(&self, version: usize) -> Option<&str> {
        self.values.get(version.checked_sub(1)?).map(String::as_str)
    }
}

impl fmt::Debug for Parameter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Parameter(version {})", self.version())
    }
}

/// A parameter as a state file writes it: one value, or all versions from the first to the newest.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ParameterFile {
    value: Option<String>,
    versions: Option<Vec<String>>,
    #[serde(default)]
    description: String,
    #[serde(default)]
    tags: BTreeMap<String, String>,
    created: Option<Time>,
    updated: Option<Time>,
}

impl TryFrom<ParameterFile> for Parameter {
    type Error = String;

    fn try_from(file: ParameterFile) -> Result<Self, String> {
        let values = match (file.value, file.versions) {
            (Some(value), None) => vec![value],
            (None, Some(versions)) if !versions.is_empty() => versions,
            (None, _) => return Err("a value is missing: write `value` or `versions`".into()),
            (Some(_), Some(_)) => return Err("a parameter has either `value` or `versions`, not both".into()),
        };
        let created = file.created.map_or(BEGINNING, |time| time.0);
        let updated = file.updated.map_or(created, |time| time.0);
        Ok(Self {
            values,
            description: file.description,
            tags: file.tags,
            created,
            updated,
        })
    }
}
