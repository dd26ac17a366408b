//! Checks `secretObjects`, which the driver copies into Secrets, against the files that the class mounts.

use std::collections::{BTreeMap, BTreeSet};

use super::report::Class;
use super::scalar::not_text;
use crate::diagnostic::{nearest, quoted};
use crate::limits;
use crate::params::{Part, Plan};
use crate::yaml::{Kind, Node};

/// Each entry must name a file that the class mounts.
pub(super) fn check(class: &mut Class, root: &Node, plan: &Plan) {
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
    for (number, secret) in (1..).zip(list.items()) {
        let subject = format!("secretObjects[{number}]");
        required(class, secret, "secretName", &subject, "name the Secret to write");
        required(class, secret, "type", &subject, "write a type such as Opaque");
        let Some(data) = secret.get("data") else {
            let remedy = "list objectName and key of each entry";
            class.error(secret.at, &subject, "data is missing", remedy);
            continue;
        };
        let mut keys = BTreeSet::new();
        for (index, entry) in (1..).zip(data.items()) {
            let subject = format!("{subject}.data[{index}]");
            if let Some(key) = required(class, entry, "key", &subject, "name the key of the Secret")
                && !keys.insert(key.trim())
            {
                let text = format!("duplicate key {} in this Secret", quoted(key));
                class.error(entry.at, &subject, &text, "rename one of them");
            }
            let remedy = "name a file of the class";
            let Some(name) = required(class, entry, "objectName", &subject, remedy) else {
                continue;
            };
            let at = entry.get("objectName").map_or(entry.at, |node| node.at);
            let name = name.trim();
            let file = quoted(name);
            match exact.get(name) {
                Some(false) => {}
                Some(true) => {
                    let text = format!("the file {file} is optional: without it the driver writes no Secret");
                    class.warning(at, &subject, &text);
                }
                None if prefixes.iter().any(|prefix| name.starts_with(prefix)) => {
                    let text = format!("the file {file} exists only if the value has that key");
                    class.warning(at, &subject, &text);
                }
                None => {
                    let remedy = match nearest(name, &near) {
                        Some(near) => format!("did you mean {}?", quoted(near)),
                        None => format!("the files are {}", listed(&near)),
                    };
                    let text = format!("objectName {file} is not a file of this class");
                    class.error(at, &subject, &text, &remedy);
                }
            }
        }
    }
}

/// A field that must be text and not empty.
fn required<'n>(
    class: &mut Class,
    node: &'n Node,
    field: &str,
    subject: &str,
    remedy: &str,
) -> Option<&'n str> {
    let Some(value) = node.get(field) else {
        class.error(node.at, subject, &format!("{field} is missing"), remedy);
        return None;
    };
    let (text, remedy) = match (&value.kind, not_text(value)) {
        (Kind::Text(text), None) if !text.trim().is_empty() => return Some(text),
        (Kind::Text(text), Some(kind)) => (
            format!("{field}: expected text, found {kind}"),
            format!("write {field}: {text:?}"),
        ),
        (Kind::Text(_) | Kind::Null, _) => (format!("{field} is empty"), remedy.to_owned()),
        (other, _) => (
            format!("{field}: expected text, found {}", other.name()),
            remedy.to_owned(),
        ),
    };
    class.error(value.at, subject, &text, &remedy);
    None
}

fn listed(names: &[&str]) -> String {
    let shown = names.iter().take(10).map(|name| quoted(name));
    let more = (names.len() > 10).then(|| "…".to_owned());
    shown.chain(more).collect::<Vec<_>>().join(", ")
}
