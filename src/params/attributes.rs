//! The attributes: a JSON object of texts, taken apart by key.
//!
//! Values may be service account tokens, so no message here quotes one; a JSON error is told by its place only.

use serde_json::Value;

use super::keys;
use super::plan::Pod;
use super::problem::{Place, Report, quoted};
use crate::limits;
use crate::secret::Secret;

/// The attributes of a Mount, by key, still as text. Absent, `null` and empty are the same.
#[derive(Default)]
pub(super) struct Attributes {
    pub(super) pod: Pod,
    pub(super) class_name: String,
    pub(super) tokens: Option<Secret>,
    pub(super) objects: String,
    pub(super) region: String,
    pub(super) path_translation: String,
    pub(super) file_permission: String,
    pub(super) pod_identity: String,
}

impl Attributes {
    /// Reads the JSON. Nothing when it is no object, or when its `objects` is no text; problems go to `report`.
    pub(super) fn parse(text: &str, report: &mut Report) -> Option<Self> {
        let place = Place::parameter("attributes");
        if text.len() > limits::ATTRIBUTES_BYTES {
            let text = format!(
                "{} bytes are more than the limit of {}",
                text.len(),
                limits::ATTRIBUTES_BYTES
            );
            report.problem(&place, text, "make the SecretProviderClass smaller");
            return None;
        }
        let remedy = "the driver must send a JSON object";
        let object = match serde_json::from_str(text) {
            Ok(Value::Object(object)) => object,
            Ok(_) => {
                report.problem(&place, "not a JSON object", remedy);
                return None;
            }
            Err(error) => {
                let text = format!(
                    "not valid JSON at line {}, column {}",
                    error.line(),
                    error.column()
                );
                report.problem(&place, text, remedy);
                return None;
            }
        };
        let mut attributes = Self::default();
        let mut readable = true;
        for (key, value) in object {
            match value {
                Value::String(text) => attributes.set(&key, text, report),
                Value::Null => attributes.set(&key, String::new(), report),
                Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
                    readable = readable && key != "objects";
                    report.problem(
                        &Place::parameter(&quoted(&key)),
                        "the value is not text",
                        "quote it",
                    );
                }
            }
        }
        readable.then_some(attributes)
    }

    fn set(&mut self, key: &str, value: String, report: &mut Report) {
        match key {
            "objects" => self.objects = value,
            "region" => self.region = value,
            "pathTranslation" => self.path_translation = value,
            "filePermission" => self.file_permission = value,
            "usePodServiceAccountToken" => self.pod_identity = value,
            "secretProviderClass" => self.class_name = value,
            "csi.storage.k8s.io/pod.name" => self.pod.name = value,
            "csi.storage.k8s.io/pod.namespace" => self.pod.namespace = value,
            "csi.storage.k8s.io/pod.uid" => self.pod.uid = value,
            "csi.storage.k8s.io/serviceAccount.name" => self.pod.service_account = value,
            "csi.storage.k8s.io/serviceAccount.tokens" => {
                let tokens = Secret::from(value);
                self.tokens = (!tokens.is_empty()).then_some(tokens);
            }
            _ if is_context(key) => {}
            other => {
                report.unknown_key(|| {
                    let place = Place::parameter(&format!("parameter {}", quoted(other)));
                    (place, keys::suggestion("parameter", other, keys::CLASS))
                });
            }
        }
    }
}

/// Whether a key is set by kubelet or the driver rather than by an author.
fn is_context(key: &str) -> bool {
    key.contains("csi.storage.k8s.io/") || key.starts_with("secrets-store.csi")
}
