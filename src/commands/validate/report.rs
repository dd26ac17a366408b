//! The result of a check; `docs/validate.md` documents the JSON.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::commands::manifest::metadata;
use crate::diagnostic::Position;
use crate::limits;
use crate::yaml::Node;

/// The result for one source.
#[derive(Debug, Default, Serialize)]
pub struct Report {
    /// The file's name as it was given, or `-`.
    #[serde(rename = "file")]
    pub source: String,
    /// The classes in it.
    pub classes: Vec<Class>,
    /// Errors of the file itself.
    pub errors: Vec<Finding>,
    /// Number of resources and documents that are not a class for this provider.
    pub skipped: usize,
}

impl Report {
    pub(super) fn new(source: &str) -> Self {
        Self {
            source: source.to_owned(),
            ..Self::default()
        }
    }

    pub(super) fn error(&mut self, at: Position, text: &str, remedy: &str) {
        self.errors.push(Finding::new(at, "", text, remedy));
    }

    /// Whether there are no errors.
    pub fn is_well(&self) -> bool {
        self.errors.is_empty() && self.classes.iter().all(|class| class.errors.is_empty())
    }
}

/// The result for one class.
#[derive(Debug, Default, Serialize)]
pub struct Class {
    /// Line in the file, from 1.
    pub line: usize,
    /// Column, in characters from 1.
    pub column: usize,
    /// Its namespace; empty if the manifest names none.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// The files that it mounts; none if there are errors.
    pub files: Vec<File>,
    /// The access policy's decision for each kind of pods that mounts it; none without a policy.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub access: Vec<Access>,
    /// Errors.
    pub errors: Vec<Finding>,
    /// What works, but is probably not intended.
    pub warnings: Vec<Finding>,
    /// Differences from the official provider.
    pub notes: Vec<Finding>,
    /// Equivalent parameters with every default written out; none if there are errors.
    pub parameters: Option<BTreeMap<&'static str, String>>,
}

/// A file that would be mounted.
#[derive(Debug, Serialize)]
pub struct File {
    /// Path below the mount; with `keys`, the prefix of all paths.
    pub path: String,
    /// Four octal digits.
    pub mode: String,
    /// `kms` or `oos`.
    pub service: String,
    /// The `objectName`.
    pub object: String,
    /// The pinned version.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// The KMS stage.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stage: Option<String>,
    /// The region, if the class or the object names one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// The `kmsEndpoint`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<String>,
    /// The role that is assumed (`crossAccountRoleArn`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
    /// The JMESPath expression whose result it holds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expression: Option<String>,
    /// Whether there is a file for each top-level key.
    pub keys: bool,
    /// The encoding to decode.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub encoding: Option<&'static str>,
    /// Whether it may be missing.
    pub optional: bool,
}

/// An error, a warning or a note, with its place in the file.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Finding {
    /// Line, from 1.
    pub line: usize,
    /// Column, in characters from 1.
    pub column: usize,
    /// Item, object or field.
    pub subject: String,
    /// The message.
    pub text: String,
    /// What to do; may be empty.
    pub remedy: String,
}

impl Finding {
    pub(super) fn new(at: Position, subject: &str, text: &str, remedy: &str) -> Self {
        Self {
            line: at.line,
            column: at.column,
            subject: subject.to_owned(),
            text: text.to_owned(),
            remedy: remedy.to_owned(),
        }
    }
}

impl Class {
    /// A class of which only name and position are known.
    pub(super) fn new(root: &Node) -> Self {
        let metadata = |key| metadata(root, key).unwrap_or_default().to_owned();
        Self {
            line: root.at.line,
            column: root.at.column,
            namespace: metadata("namespace"),
            name: metadata("name"),
            ..Self::default()
        }
    }

    pub(super) fn at(&self) -> Position {
        Position {
            line: self.line,
            column: self.column,
        }
    }

    /// Adds an error, while there is room for one.
    pub(super) fn error(&mut self, at: Position, subject: &str, text: &str, remedy: &str) {
        if self.errors.len() < limits::PROBLEMS {
            self.errors.push(Finding::new(at, subject, text, remedy));
        }
    }

    /// Adds a warning, while there is room for one.
    pub(super) fn warning(&mut self, at: Position, subject: &str, text: &str) {
        if self.warnings.len() < limits::PROBLEMS {
            self.warnings.push(Finding::new(at, subject, text, ""));
        }
    }

    /// Findings by kind.
    pub(super) fn findings(&self) -> [(&'static str, &[Finding]); 3] {
        [
            ("error", &self.errors),
            ("warning", &self.warnings),
            ("note", &self.notes),
        ]
    }

    /// Number of lines about it in the text output.
    pub(super) fn lines(&self) -> usize {
        let findings = self.findings().map(|(_, list)| list.len());
        let objects = self.access.iter().map(|access| access.objects.len());
        1 + self.files.len() + findings.into_iter().chain(objects).sum::<usize>()
    }
}

/// The policy's decision on a class for some pods.
#[derive(Debug, Serialize)]
pub struct Access {
    /// The first of them, such as `Deployment web`; empty if the manifests have none.
    pub pods: String,
    /// Their namespace.
    pub namespace: String,
    /// Their ServiceAccount.
    pub service_account: String,
    /// Parameters of the class that their `volumeAttributes` override.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub overrides: Vec<String>,
    /// The identity that reads: `provider`, `podIdentity` or `nodePublishSecret`.
    pub identity: &'static str,
    /// `permitted`, `denied`, `exempt`, or `unknown` if it depends on an unknown region.
    pub decision: &'static str,
    /// Each object; none if exempt.
    pub objects: Vec<Verdict>,
}

/// The policy's verdict on an object.
#[derive(Debug, Serialize)]
pub struct Verdict {
    /// The object, as messages call it.
    pub object: String,
    /// The rule that permits it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
    /// Whether that rule covers only some regions, and the object's region is unknown.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub some_regions_only: bool,
    /// What is missing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub missing: Option<String>,
}
