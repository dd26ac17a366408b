//! One SecretProviderClass: its parameters read by the code that mounts, its `secretObjects` held against the files,
//! and every place translated into the file's own lines and columns.

use std::collections::BTreeMap;

use serde::Serialize;

use super::access::{Access, Checker};
use super::manifest::{Document, text_of};
use super::parameters::Parameters;
use super::{official, secret_objects};
use crate::diagnostic::Position;
use crate::params::{Extracted, Input, Options, Plan, UnknownKeys, examine};
use crate::yaml::{self, Kind, Node};

/// What comes of one class.
#[derive(Debug, Serialize)]
pub struct Class {
    /// Line in the file, from 1.
    pub line: usize,
    /// Column, in characters from 1.
    pub column: usize,
    /// Its namespace; empty when the manifest leaves it open.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// The files that it mounts; none when its manifest has errors.
    pub files: Vec<File>,
    /// What the access policy says, for each kind of pods that mounts it; none without a policy.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub access: Vec<Access>,
    /// What is wrong.
    pub errors: Vec<Finding>,
    /// What works, but is probably not meant so.
    pub warnings: Vec<Finding>,
    /// What the official provider does otherwise.
    pub notes: Vec<Finding>,
    /// Parameters that mean the same with every default written out; none when there are errors.
    pub parameters: Option<BTreeMap<&'static str, String>>,
}

/// A file that would be mounted.
#[derive(Debug, Serialize)]
pub struct File {
    /// Path below the mount. With `keys`, what all paths begin with.
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
    /// The region, when the class or the object names one.
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
    /// Whether it stands for a file for each top-level key.
    pub keys: bool,
    /// The encoding that is undone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub encoding: Option<&'static str>,
    /// Whether it may be left out.
    pub optional: bool,
}

/// An error, a warning or a note, with its place in the file.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Finding {
    /// Line, from 1.
    pub line: usize,
    /// Column, in characters from 1.
    pub column: usize,
    /// What it is about: item, object, field.
    pub subject: String,
    /// What is wrong, or what to know.
    pub text: String,
    /// What to do; empty when there is nothing.
    pub remedy: String,
}

impl Finding {
    pub(super) fn new(
        at: Position,
        subject: &str,
        text: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        Self {
            line: at.line,
            column: at.column,
            subject: subject.to_owned(),
            text: text.into(),
            remedy: remedy.into(),
        }
    }
}

impl Class {
    /// Nothing known yet but what it is called and where it is.
    pub(super) fn at(document: Document<'_>, root: &Node) -> Self {
        let at = document.in_file(root.at);
        let metadata = |key| root.get("metadata").and_then(|metadata| text_of(metadata, key));
        Self {
            line: at.line,
            column: at.column,
            namespace: metadata("namespace").unwrap_or_default().to_owned(),
            name: metadata("name").unwrap_or_default().to_owned(),
            files: Vec::new(),
            access: Vec::new(),
            errors: Vec::new(),
            warnings: Vec::new(),
            notes: Vec::new(),
            parameters: None,
        }
    }

    /// Checks everything about the class.
    pub(super) fn check(document: Document<'_>, root: &Node, policy: Option<&Checker<'_>>) -> Self {
        let mut class = Self::at(document, root);
        let parameters = Parameters::read(document, root, &mut class.errors);
        let options = Options {
            unknown_keys: UnknownKeys::Error,
        };
        let (plan, warnings) = examine(
            &Input {
                attributes: &parameters.attributes(),
                permission: DRIVERS_PERMISSION,
            },
            &options,
        );
        for warning in &warnings {
            let at = parameters.place(warning.place.field.as_deref(), warning.place.at);
            let subject = warning.place.subject();
            class.warnings.push(Finding::new(at, &subject, &warning.text, ""));
        }
        match plan {
            Ok(plan) => {
                secret_objects::check(&mut class, document, root, &plan);
                if class.errors.is_empty() {
                    class.files = files(&plan);
                    class.parameters = Some(plan.to_parameters());
                }
                if let Some(policy) = policy {
                    policy.judge(&mut class, &parameters.texts(), plan);
                }
            }
            Err(problems) => {
                let told = |field: Option<&str>| field == Some("objects") && parameters.unreadable_objects;
                for problem in problems.iter() {
                    let field = problem.place.field.as_deref();
                    if told(field) {
                        continue;
                    }
                    let at = parameters.place(field, problem.place.at);
                    let subject = problem.place.subject();
                    let text = parameters.relocated(&problem.text);
                    class
                        .errors
                        .push(Finding::new(at, &subject, text, &problem.remedy));
                }
                if problems.dropped() > 0 {
                    let text = format!("{} more errors are not shown", problems.dropped());
                    class
                        .errors
                        .push(Finding::new(parameters.at, "parameters", text, ""));
                }
            }
        }
        class.notes(&parameters);
        for list in [&mut class.errors, &mut class.warnings, &mut class.notes] {
            list.sort();
            list.dedup();
        }
        class
    }

    /// How many things there are to say about it.
    pub(super) fn lines(&self) -> usize {
        let objects = self.access.iter().map(|access| access.objects.len());
        [
            self.files.len(),
            self.errors.len(),
            self.warnings.len(),
            self.notes.len(),
            1,
        ]
        .into_iter()
        .chain(objects)
        .sum()
    }

    fn notes(&mut self, parameters: &Parameters<'_>) {
        let texts = parameters.texts();
        let root = yaml::parse(texts.get("objects").copied().unwrap_or_default());
        let items: Result<&[Node], &str> = match &root {
            Ok(root) => match &root.kind {
                Kind::List(items) => Ok(items),
                _ => Err(""),
            },
            Err(error) => Err(&error.wrong.text),
        };
        for note in official::notes(&texts, items) {
            let at = parameters.place(note.parameter, note.at);
            self.notes.push(Finding::new(at, &note.subject, note.text, ""));
        }
    }
}

/// What the driver sends when no pod asks for another mode: 0644.
const DRIVERS_PERMISSION: &str = "420";

fn files(plan: &Plan) -> Vec<File> {
    let files = plan.files();
    let of_object = files
        .iter()
        .filter_map(|file| Some((file, plan.objects.get(file.object)?)));
    of_object
        .map(|(file, object)| File {
            path: file.path.to_owned(),
            mode: file.mode.to_string(),
            service: object.service.to_string(),
            object: object.name.clone(),
            version: object.version.as_ref().map(ToString::to_string),
            stage: object.stage.clone(),
            region: object
                .region
                .as_ref()
                .or(plan.region.as_ref())
                .map(ToString::to_string),
            endpoint: object.kms_endpoint.as_ref().map(ToString::to_string),
            role: object
                .cross_account
                .as_ref()
                .map(|account| account.role_arn.to_string()),
            expression: match file.part {
                Extracted::Expression(expression) => Some(expression.to_owned()),
                Extracted::Whole | Extracted::Keys => None,
            },
            keys: file.part == Extracted::Keys,
            encoding: file.encoding,
            optional: file.optional,
        })
        .collect()
}
