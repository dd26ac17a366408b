//! One SecretProviderClass: its parameters read by the code that mounts, its `secretObjects` held against the files,
//! and every place translated into the file's own lines and columns.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::access::{Access, Checker};
use super::manifest::{Document, text_of};
use super::official;
use super::scalar::converted;
use super::source_map::SourceMap;
use crate::limits;
use crate::params::yaml::{self, Kind, Node};
use crate::params::{Extracted, Input, Options, Plan, Position, UnknownKeys, examine, nearest, quoted};

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
            let at = parameters.place(warning.field.as_deref(), warning.at);
            class
                .warnings
                .push(Finding::new(at, &warning.subject(), &warning.text, ""));
        }
        match plan {
            Ok(plan) => {
                class.secret_objects(document, root, &plan);
                if class.errors.is_empty() {
                    class.files = files(&plan);
                    class.parameters = Some(plan.to_parameters());
                }
                if let Some(policy) = policy {
                    policy.judge(&mut class, plan);
                }
            }
            Err(problems) => {
                let told = |field: Option<&str>| field == Some("objects") && parameters.unreadable_objects;
                for problem in problems.iter().filter(|problem| !told(problem.field.as_deref())) {
                    let at = parameters.place(problem.field.as_deref(), problem.at);
                    let subject = problem.subject();
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
        let texts = parameters
            .texts
            .iter()
            .map(|(key, value)| (*key, value.text))
            .collect();
        let objects = parameters.texts.get("objects").map_or("", |value| value.text);
        let root = yaml::parse(objects);
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

    /// `secretObjects`: what the driver copies into Secrets. Each entry must name a file that the class mounts.
    fn secret_objects(&mut self, document: Document<'_>, root: &Node, plan: &Plan) {
        let Some(list) = root.get("spec").and_then(|spec| spec.get("secretObjects")) else {
            return;
        };
        let files = plan.files();
        let exact: BTreeMap<&str, bool> = files
            .iter()
            .filter(|file| file.part != Extracted::Keys)
            .map(|file| (file.path, file.optional))
            .collect();
        let prefixes: Vec<&str> = files
            .iter()
            .filter(|file| file.part == Extracted::Keys)
            .map(|file| file.path)
            .collect();
        let near: Vec<&str> = exact.keys().copied().take(limits::PROBLEMS).collect();
        let mut told = Told {
            document,
            class: self,
        };
        for (number, secret) in (1..).zip(items(list)) {
            let subject = format!("secretObjects[{number}]");
            for (field, remedy) in [
                ("secretName", "name the Secret to write"),
                ("type", "write a type such as Opaque"),
            ] {
                told.required(secret, field, &subject, remedy);
            }
            let Some(data) = secret.get("data") else {
                told.error(
                    secret.at,
                    &subject,
                    "data is missing",
                    "list objectName and key of each entry",
                );
                continue;
            };
            let mut keys = BTreeSet::new();
            for (index, entry) in (1..).zip(items(data)) {
                let subject = format!("{subject}.data[{index}]");
                if let Some(key) = told.required(entry, "key", &subject, "name the key of the Secret")
                    && !keys.insert(key.trim())
                {
                    let text = format!("the key {} stands twice in this Secret", quoted(key));
                    told.error(entry.at, &subject, &text, "rename one of them");
                }
                let remedy = "name a file of the class";
                let Some(name) = told.required(entry, "objectName", &subject, remedy) else {
                    continue;
                };
                let at = entry.get("objectName").map_or(entry.at, |node| node.at);
                let name = name.trim();
                match exact.get(name) {
                    Some(false) => {}
                    Some(true) => told.warning(
                        at,
                        &subject,
                        &format!(
                            "the file {} is optional: without it the driver writes no Secret",
                            quoted(name)
                        ),
                    ),
                    None if prefixes.iter().any(|prefix| name.starts_with(prefix)) => told.warning(
                        at,
                        &subject,
                        &format!(
                            "whether there is a file {} depends on the keys of the value",
                            quoted(name)
                        ),
                    ),
                    None => {
                        let remedy = match nearest(name, &near) {
                            Some(file) => format!("did you mean {}?", quoted(file)),
                            None => format!("the files are {}", listed(&near)),
                        };
                        let text = format!("objectName {} is no file of this class", quoted(name));
                        told.error(at, &subject, &text, &remedy);
                    }
                }
            }
        }
    }
}

/// Where findings about `secretObjects` go.
struct Told<'a> {
    document: Document<'a>,
    class: &'a mut Class,
}

impl Told<'_> {
    fn error(&mut self, at: Position, subject: &str, text: &str, remedy: &str) {
        if self.class.errors.len() < limits::PROBLEMS {
            let at = self.document.in_file(at);
            self.class.errors.push(Finding::new(at, subject, text, remedy));
        }
    }

    fn warning(&mut self, at: Position, subject: &str, text: &str) {
        if self.class.warnings.len() < limits::PROBLEMS {
            let at = self.document.in_file(at);
            self.class.warnings.push(Finding::new(at, subject, text, ""));
        }
    }

    /// A field that must be text and not empty.
    fn required<'n>(&mut self, node: &'n Node, field: &str, subject: &str, remedy: &str) -> Option<&'n str> {
        match node.get(field) {
            Some(value) => match (&value.kind, converted(value)) {
                (Kind::Text(text), None) if !text.trim().is_empty() => return Some(text),
                (Kind::Text(text), Some(converted)) => {
                    let told = format!("{field} is {} to Kubernetes, and text is due", converted.as_what);
                    self.error(value.at, subject, &told, &format!("write {field}: {text:?}"));
                }
                (Kind::Text(_) | Kind::Null, _) => {
                    self.error(value.at, subject, &format!("{field} is empty"), remedy);
                }
                (other, _) => {
                    let text = format!("{field} must be text, not {}", other.name());
                    self.error(value.at, subject, &text, remedy);
                }
            },
            None => self.error(node.at, subject, &format!("{field} is missing"), remedy),
        }
        None
    }
}

/// The parameters of a class, as far as they are text, and where they stand.
struct Parameters<'a> {
    document: Document<'a>,
    /// Where they begin, or the class if there are none.
    at: Position,
    /// Whether `objects` is there and no text, which is told already.
    unreadable_objects: bool,
    texts: BTreeMap<&'a str, Parameter<'a>>,
}

#[derive(Clone, Copy)]
struct Parameter<'a> {
    text: &'a str,
    node: &'a Node,
    key_at: Position,
}

impl<'a> Parameters<'a> {
    fn read(document: Document<'a>, root: &'a Node, errors: &mut Vec<Finding>) -> Self {
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
                    converted(value).map(|converted| {
                        let told = format!("{} to Kubernetes, which takes text only", converted.as_what);
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

    /// As the driver sends them.
    fn attributes(&self) -> String {
        let texts: BTreeMap<&str, &str> = self.texts.iter().map(|(key, value)| (*key, value.text)).collect();
        serde_json::json!(texts).to_string()
    }

    /// A message that ends with a place in `objects`, with the place in the file instead.
    fn relocated(&self, text: &str) -> String {
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
    fn place(&self, field: Option<&str>, at: Option<Position>) -> Position {
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

/// What the driver sends when no pod asks for another mode: 0644.
const DRIVERS_PERMISSION: &str = "420";

fn items(node: &Node) -> &[Node] {
    match &node.kind {
        Kind::List(items) => items,
        _ => &[],
    }
}

fn listed(names: &[&str]) -> String {
    let mut list: Vec<String> = names.iter().take(10).map(|name| quoted(name)).collect();
    if names.len() > list.len() {
        list.push("…".to_owned());
    }
    list.join(", ")
}

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
