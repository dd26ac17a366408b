//! `secretObjects`: what the driver copies into Secrets, held against the files that the class mounts.

use std::collections::{BTreeMap, BTreeSet};

use super::manifest::Document;
use super::report::{Class, Finding};
use super::scalar::not_text;
use crate::diagnostic::{Position, nearest, quoted};
use crate::limits;
use crate::params::{Part, Plan};
use crate::yaml::{Kind, Node};

/// Each entry must name a file that the class mounts.
pub(super) fn check(class: &mut Class, document: Document<'_>, root: &Node, plan: &Plan) {
    let Some(list) = root.get("spec").and_then(|spec| spec.get("secretObjects")) else {
        return;
    };
    let mut exact: BTreeMap<&str, bool> = BTreeMap::new();
    let mut prefixes: Vec<&str> = Vec::new();
    for object in &plan.objects {
        for file in &object.files {
            match &file.part {
                Part::Keys { prefix, .. } => prefixes.push(prefix),
                Part::Whole(_) | Part::Expression(..) => {
                    exact.insert(file.path(), object.optional || file.optional);
                }
            }
        }
    }
    let near: Vec<&str> = exact.keys().copied().take(limits::PROBLEMS).collect();
    let mut told = Told { document, class };
    for (number, secret) in (1..).zip(list.items()) {
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
        for (index, entry) in (1..).zip(data.items()) {
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
            Some(value) => match (&value.kind, not_text(value)) {
                (Kind::Text(text), None) if !text.trim().is_empty() => return Some(text),
                (Kind::Text(text), Some(kind)) => {
                    let told = format!("{field} is {kind} to Kubernetes, and text is due");
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

fn listed(names: &[&str]) -> String {
    let mut list: Vec<String> = names.iter().take(10).map(|name| quoted(name)).collect();
    if names.len() > list.len() {
        list.push("…".to_owned());
    }
    list.join(", ")
}
