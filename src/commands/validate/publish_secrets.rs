//! Checks the Secrets that pods name in `nodePublishSecretRef`, if a file holds class, pod and Secret.

use std::collections::BTreeSet;

use super::pods;
use super::report::{Class, Finding, Report};
use crate::auth;
use crate::commands::manifest::{each_resource, metadata, secret_data};
use crate::diagnostic::quoted;
use crate::limits;

/// The volume's field that names a Secret.
const REFERENCE: &str = "nodePublishSecretRef";

/// Checks the Secrets of the pods in `text` that mount one of the report's classes.
pub(super) fn check(report: &mut Report, text: &str) {
    if report.classes.is_empty() || !text.contains(REFERENCE) {
        return;
    }
    let mut wanted = BTreeSet::new();
    for user in pods::users(text) {
        let Some(secret) = user.secret else { continue };
        let is_mounted = |it: &&mut Class| it.namespace == user.namespace && it.name == user.class;
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
        if is_pod_identity {
            let subject = format!("mounted by {}", quoted(&user.name));
            let text = format!("{REFERENCE} is not used because {POD_IDENTITY} is true");
            class.warning(class.at(), &subject, &text);
        } else {
            wanted.insert((user.namespace, secret));
        }
    }
    if wanted.is_empty() {
        return;
    }
    each_resource(text, "Secret", |secret| {
        let metadata = |key| metadata(secret, key).unwrap_or_default().to_owned();
        let name = (metadata("namespace"), metadata("name"));
        if secret.text_of("kind") != Some("Secret") || !wanted.contains(&name) {
            return;
        }
        let data = secret_data(secret).map(|data| serde_json::json!(data).to_string());
        let pair = data.and_then(|data| auth::brings_pair(&data).map_err(|error| error.to_string()));
        if let Err(problem) = pair
            && report.errors.len() < limits::PROBLEMS
        {
            let subject = format!("Secret {}", quoted(&name.1));
            report
                .errors
                .push(Finding::new(secret.at, &subject, &problem, ""));
        }
    });
}

const POD_IDENTITY: &str = "usePodServiceAccountToken";
