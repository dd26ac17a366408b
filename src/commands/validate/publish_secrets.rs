//! Secrets that pods name by `nodePublishSecretRef`, where a file holds class, pod and Secret: held against what the
//! Mount takes.

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::manifest::{Document, resources};
use super::pods;
use super::report::{Finding, Report};
use crate::auth;
use crate::diagnostic::{bounded, quoted};
use crate::limits;
use crate::yaml::{Kind, Node};

/// What a volume names a Secret by.
const REFERENCE: &str = "nodePublishSecretRef";

/// Checks the Secrets of the pods in `text` that mount one of the report's classes.
pub(super) fn check(report: &mut Report, text: &str) {
    if report.classes.is_empty() || !text.contains(REFERENCE) {
        return;
    }
    let documents = Document::split(text);
    let mut users = Vec::new();
    for root in documents.iter().filter(|it| it.text.contains(REFERENCE)) {
        // Of what cannot be parsed nothing is known: other people's documents may be templates.
        let Ok(root) = root.parse() else { continue };
        resources(&root)
            .into_iter()
            .for_each(|resource| pods::users(resource, &mut users));
    }
    let mut wanted = BTreeSet::new();
    for user in users {
        let Some(secret) = user.secret else { continue };
        let is_mounted = |it: &&mut super::Class| it.namespace == user.namespace && it.name == user.class;
        let Some(class) = report.classes.iter_mut().find(is_mounted) else {
            continue;
        };
        let is_pod_identity = match user.mount.overrides.get(POD_IDENTITY) {
            Some(text) => !["", "false", "no", "off", "0"].contains(&&*text.to_ascii_lowercase()),
            None => class
                .parameters
                .as_ref()
                .is_some_and(|it| it.contains_key(POD_IDENTITY)),
        };
        if !is_pod_identity {
            wanted.insert((user.namespace, secret));
        } else if class.warnings.len() < limits::PROBLEMS {
            class.warnings.push(Finding {
                line: class.line,
                column: class.column,
                subject: format!("as {} mounts it", quoted(&user.name)),
                text: format!("{REFERENCE} is not used because {POD_IDENTITY} is true"),
                remedy: String::new(),
            });
        }
    }
    if wanted.is_empty() {
        return;
    }
    for document in documents.iter().filter(|it| it.text.contains("Secret")) {
        let Ok(root) = document.parse() else { continue };
        for secret in resources(&root) {
            let metadata = |key| {
                secret
                    .get("metadata")
                    .and_then(|it| it.text_of(key))
                    .unwrap_or_default()
            };
            let name = (metadata("namespace").to_owned(), metadata("name").to_owned());
            if secret.text_of("kind") != Some("Secret") || !wanted.contains(&name) {
                continue;
            }
            let problem = match data(secret) {
                Ok(data) => match auth::brings_pair(&serde_json::json!(data).to_string()) {
                    Ok(_) => continue,
                    Err(error) => error.to_string(),
                },
                Err(problem) => problem,
            };
            let subject = format!("Secret {}", quoted(&name.1));
            let at = document.in_file(secret.at);
            report.errors.push(Finding::new(at, &subject, problem, ""));
            if report.errors.len() >= limits::PROBLEMS {
                return;
            }
        }
    }
}

const POD_IDENTITY: &str = "usePodServiceAccountToken";

/// The data of a Secret.
///
/// # Errors
/// What of it is no text, without the text.
pub(crate) fn data(secret: &Node) -> Result<BTreeMap<String, String>, String> {
    let mut data = BTreeMap::new();
    if let Some(node) = secret.get("data") {
        for (key, value) in texts(node, "data")? {
            let name = printable(&key);
            // Line breaks do not count, as for the API server.
            let bytes = STANDARD
                .decode(value.replace(['\r', '\n'], ""))
                .map_err(|_| format!("data.{name} is not base64"))?;
            let text = String::from_utf8(bytes).map_err(|_| format!("data.{name} is not UTF-8"))?;
            data.insert(key, text);
        }
    }
    if let Some(node) = secret.get("stringData") {
        data.extend(texts(node, "stringData")?);
    }
    Ok(data)
}

/// A key as it may be printed: without control characters, and not too long.
fn printable(key: &str) -> String {
    bounded(&key.escape_debug().to_string(), limits::QUOTED_BYTES)
}

/// A mapping of texts, in which nothing is an empty one. The API server takes no other values either.
pub(crate) fn texts(node: &Node, place: &str) -> Result<BTreeMap<String, String>, String> {
    if matches!(node.kind, Kind::Null) {
        return Ok(BTreeMap::new());
    }
    let Kind::Map(entries) = &node.kind else {
        return Err(format!("{place} is {}, not a mapping", node.kind.name()));
    };
    entries
        .iter()
        .map(|(key, value)| match (&key.kind, &value.kind) {
            (Kind::Text(key), Kind::Text(value)) => Ok((key.clone(), value.clone())),
            (Kind::Text(key), Kind::Null) => Ok((key.clone(), String::new())),
            (Kind::Text(key), other) => Err(format!(
                "{place}.{} is {}, not text",
                printable(key),
                other.name()
            )),
            _ => Err(format!("{place} has a key that is no text")),
        })
        .collect()
}
