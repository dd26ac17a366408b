//! Checks `secretObjects`, which the driver copies into Secrets, against the files that the class mounts.

use std::collections::{BTreeMap, BTreeSet};

use super::report::Class;
use super::scalar::not_text;
use crate::diagnostic::{Position, nearest, quoted};
use crate::limits;
use crate::params::{Part, Plan};
use crate::yaml::{Kind, Node};

/// The files of a class that entries can name.
struct Files<'p> {
    /// Each with whether it may be absent.
    exact: BTreeMap<&'p str, bool>,
    /// Beginnings of files that depend on the value.
    prefixes: Vec<&'p str>,
}

impl<'p> Files<'p> {
    fn of(plan: &'p Plan) -> Self {
        let (mut exact, mut prefixes) = (BTreeMap::new(), Vec::new());
        for object in &plan.objects {
            for file in &object.files {
                match &file.part {
                    Part::Keys { prefix, .. } => prefixes.push(prefix.as_str()),
                    Part::Whole(_) | Part::Expression(..) => {
                        exact.insert(file.path(), object.optional || file.optional);
                    }
                }
            }
        }
        Self { exact, prefixes }
    }

    /// Whether there is such a file.
    fn check(&self, class: &mut Class, at: Position, subject: &str, name: &str) {
        let file = quoted(name);
        match self.exact.get(name) {
            Some(false) => {}
            Some(true) => {
                let text = format!("the file {file} is optional: without it the driver writes no Secret");
                class.warning(at, subject, &text);
            }
            None if self.prefixes.iter().any(|prefix| name.starts_with(prefix)) => {
                let text = format!("the file {file} exists only if the value has that key");
                class.warning(at, subject, &text);
            }
            None => {
                let near: Vec<&str> = self.exact.keys().copied().take(limits::PROBLEMS).collect();
                let remedy = match nearest(name, &near) {
                    Some(near) => format!("did you mean {}?", quoted(near)),
                    None => format!("the files are {}", listed(&near)),
                };
                let text = format!("objectName {file} is not a file of this class");
                class.error(at, subject, &text, &remedy);
            }
        }
    }
}

/// What the API server or the driver would refuse. Without a `plan` the files are not known.
pub(super) fn check(class: &mut Class, root: &Node, plan: Option<&Plan>) {
    let Some(list) = root.get("spec").and_then(|spec| spec.get("secretObjects")) else {
        return;
    };
    let is_list = expected(class, list, "secretObjects", "a list", |kind| {
        matches!(kind, Kind::List(_) | Kind::Null)
    });
    if !is_list {
        return;
    }
    let files = plan.map(Files::of);
    let mut names = BTreeSet::new();
    for (number, secret) in (1..).zip(list.items()) {
        let subject = format!("secretObjects[{number}]");
        if !expected(class, secret, &subject, "a mapping", |kind| {
            matches!(kind, Kind::Map(_))
        }) {
            continue;
        }
        if let Some(name) = required(class, secret, "secretName", &subject, "name the Secret to write") {
            let name = name.trim();
            if !is_secret_name(name) {
                let text = format!(
                    "secretName {} is not a name that Kubernetes accepts",
                    quoted(name)
                );
                let remedy = "write small letters, digits, \"-\" and \".\", at most 253, with a letter or digit at both ends";
                class.error(secret.at, &subject, &text, remedy);
            } else if !names.insert(name) {
                let text = format!("another entry writes the Secret {}", quoted(name));
                class.error(
                    secret.at,
                    &subject,
                    &text,
                    "move its data into that entry, or rename one of them",
                );
            }
        }
        let kind = required(class, secret, "type", &subject, "write a type such as Opaque");
        if let Some(keys) = data(class, secret, &subject, files.as_ref())
            && let Some(kind) = kind
        {
            demanded(class, secret, &subject, kind.trim(), &keys);
        }
    }
}

/// Checks the entries of a Secret, and gives its keys if all of them can be read.
fn data<'n>(
    class: &mut Class,
    secret: &'n Node,
    subject: &str,
    files: Option<&Files<'_>>,
) -> Option<BTreeSet<&'n str>> {
    let Some(data) = secret.get("data").filter(|data| !matches!(data.kind, Kind::Null)) else {
        let remedy = "list objectName and key of each entry";
        class.error(secret.at, subject, "data is missing", remedy);
        return None;
    };
    if !expected(class, data, &format!("{subject}.data"), "a list", |kind| {
        matches!(kind, Kind::List(_))
    }) {
        return None;
    }
    let mut keys = BTreeSet::new();
    let mut is_whole = true;
    for (index, entry) in (1..).zip(data.items()) {
        let subject = format!("{subject}.data[{index}]");
        if !expected(class, entry, &subject, "a mapping", |kind| {
            matches!(kind, Kind::Map(_))
        }) {
            is_whole = false;
            continue;
        }
        match required(class, entry, "key", &subject, "name the key of the Secret").map(str::trim) {
            Some(key) if !is_key(key) => {
                let text = format!("key {} is not one that Kubernetes accepts", quoted(key));
                let remedy =
                    "write letters, digits, \"-\", \"_\" and \".\", at most 253, not beginning with \"..\"";
                class.error(entry.at, &subject, &text, remedy);
            }
            Some(key) if !keys.insert(key) => {
                let text = format!("duplicate key {} in this Secret", quoted(key));
                class.error(entry.at, &subject, &text, "rename one of them");
            }
            Some(_) => {}
            None => is_whole = false,
        }
        if let Some(name) = required(class, entry, "objectName", &subject, "name a file of the class")
            && let Some(files) = files
        {
            let at = entry.get("objectName").map_or(entry.at, |node| node.at);
            files.check(class, at, &subject, name.trim());
        }
    }
    is_whole.then_some(keys)
}

/// The keys that the API server demands of a type of Secret
/// (<https://kubernetes.io/docs/concepts/configuration/secret/#secret-types>).
fn demanded(class: &mut Class, secret: &Node, subject: &str, kind: &str, keys: &BTreeSet<&str>) {
    let (all, any): (&[&str], &[&str]) = match kind {
        "kubernetes.io/tls" => (&["tls.crt", "tls.key"], &[]),
        "kubernetes.io/dockerconfigjson" => (&[".dockerconfigjson"], &[]),
        "kubernetes.io/dockercfg" => (&[".dockercfg"], &[]),
        "kubernetes.io/ssh-auth" => (&["ssh-privatekey"], &[]),
        "kubernetes.io/basic-auth" => (&[], &["username", "password"]),
        _ => return,
    };
    let missing: Vec<&str> = all.iter().copied().filter(|key| !keys.contains(key)).collect();
    let wanted = if !missing.is_empty() {
        missing.join(" and ")
    } else if !any.is_empty() && !any.iter().any(|key| keys.contains(key)) {
        any.join(" or ")
    } else {
        return;
    };
    let text = format!("a Secret of type {kind} needs {wanted}");
    let at = secret.get("data").map_or(secret.at, |data| data.at);
    class.error(
        at,
        subject,
        &text,
        "add an entry for each key, or write type: Opaque",
    );
}

/// A DNS subdomain (RFC 1123), as Kubernetes names Secrets.
fn is_secret_name(name: &str) -> bool {
    let is_end =
        |byte: Option<&u8>| byte.is_some_and(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
    let fits = |label: &str| {
        let label = label.as_bytes();
        let plain = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || *byte == b'-';
        is_end(label.first()) && is_end(label.last()) && label.iter().all(plain)
    };
    name.len() <= 253 && name.split('.').all(fits)
}

/// A key of a Secret's data, as Kubernetes validates it.
fn is_key(key: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    (1..=253).contains(&key.len()) && key.bytes().all(plain) && key != "." && !key.starts_with("..")
}

/// Whether a node is what it must be.
fn expected(class: &mut Class, node: &Node, subject: &str, what: &str, is: impl Fn(&Kind) -> bool) -> bool {
    let fits = is(&node.kind);
    if !fits {
        let text = format!("expected {what}, found {}", node.kind.name());
        let remedy = match what {
            "a list" => "begin each entry with \"- \"",
            _ => "write its keys, such as objectName: and key:",
        };
        class.error(node.at, subject, &text, remedy);
    }
    fits
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
