//! The attributes: a JSON object of strings, taken apart by key.
//!
//! Values may be service account tokens, so no message here quotes one; a JSON error is reported by its place only.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{Deserializer as _, MapAccess, Visitor};
use serde_json::value::RawValue;
use sha2::{Digest as _, Sha256};

use super::keys;
use super::report::Report;
use crate::diagnostic::{Diagnostic, quoted};
use crate::limits;
use crate::params::plan::Pod;
use crate::params::problem::Place;
use crate::secret::Secret;

/// The attributes of a mount, still as text. Absent, `null` and empty are the same.
#[derive(Default)]
pub(crate) struct Attributes {
    pub(crate) pod: Pod,
    pub(crate) class_name: String,
    pub(super) tokens: Option<Secret>,
    /// Those that the grammar knows, by their keys.
    parameters: BTreeMap<&'static str, String>,
    /// Digests of all other parameters, combined so that their order does not matter.
    unknown: [u8; 32],
}

impl Attributes {
    /// Reads the JSON. Nothing when it is not an object, or its `objects` is not text; problems go to `report`.
    pub(crate) fn parse(text: &str, report: &mut Report) -> Option<Self> {
        let place = Place::parameter("attributes");
        let remedy = "make the SecretProviderClass smaller";
        let size = Diagnostic::bound(text.len(), "bytes", limits::ATTRIBUTES_BYTES, remedy);
        report.take(&place, size)?;
        let entries = Entries {
            attributes: Self::default(),
            readable: true,
            report: &mut *report,
        };
        let mut json = serde_json::Deserializer::from_str(text);
        let read = json.deserialize_map(entries);
        match read.and_then(|read| json.end().map(|()| read)) {
            Ok(attributes) => attributes,
            Err(error) => {
                let text = if error.is_data() {
                    "not a JSON object".to_owned()
                } else {
                    let (line, column) = (error.line(), error.column());
                    format!("not valid JSON at line {line}, column {column}")
                };
                report.problem(&place, text, "the driver must send a JSON object");
                None
            }
        }
    }

    /// The text of a parameter of the class; empty if it is absent.
    pub(super) fn parameter(&self, key: &str) -> &str {
        self.parameters.get(key).map_or("", String::as_str)
    }

    /// A digest of the class's parameters: the same whatever their order, and another one after any change. Neither the
    /// pod nor its tokens are in it, nor the class's name, which drivers before 1.6 leave out during rotation.
    pub(super) fn digest(&self) -> [u8; 32] {
        let mut digest = Sha256::new();
        for key in keys::CLASS {
            update(&mut digest, self.parameter(key));
        }
        digest.update(self.unknown);
        digest.finalize().into()
    }

    fn set(&mut self, key: &str, value: String, report: &mut Report) {
        match key {
            "secretProviderClass" => self.class_name = value,
            "csi.storage.k8s.io/pod.name" => self.pod.name = value,
            "csi.storage.k8s.io/pod.namespace" => self.pod.namespace = value,
            "csi.storage.k8s.io/pod.uid" => self.pod.uid = value,
            "csi.storage.k8s.io/serviceAccount.name" => self.pod.service_account = value,
            "csi.storage.k8s.io/serviceAccount.tokens" => {
                self.tokens = Some(Secret::from(value)).filter(|tokens| !tokens.is_empty());
            }
            _ if is_context(key) => {}
            other => match keys::CLASS.iter().find(|known| **known == other) {
                Some(known) => drop(self.parameters.insert(known, value)),
                None => self.unknown(other, &value, report),
            },
        }
    }

    fn unknown(&mut self, key: &str, value: &str, report: &mut Report) {
        let mut digest = Sha256::new();
        update(&mut digest, key);
        update(&mut digest, value);
        let unknown = self.unknown.iter_mut().zip(digest.finalize());
        unknown.for_each(|(sum, byte)| *sum ^= byte);
        let place = |name: String| Place::parameter(&name);
        report.unknown_key("parameter", key, keys::asks(value), keys::CLASS, place);
    }
}

/// Adds a text to a digest, separated from the next one by its length.
fn update(digest: &mut Sha256, text: &str) {
    digest.update(text.len().to_be_bytes());
    digest.update(text);
}

/// Reads entry by entry, so that a hundred thousand of them are never in memory together.
struct Entries<'a> {
    attributes: Attributes,
    /// Whether `objects` is text, as far as it has been seen.
    readable: bool,
    report: &'a mut Report,
}

impl<'de> Visitor<'de> for Entries<'_> {
    type Value = Option<Attributes>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<Self::Value, A::Error> {
        while let Some((key, value)) = map.next_entry::<String, &RawValue>()? {
            match serde_json::from_str::<Option<String>>(value.get()) {
                Ok(text) => self.attributes.set(&key, text.unwrap_or_default(), self.report),
                Err(_) => {
                    self.readable = self.readable && key != "objects";
                    let place = Place::parameter(&quoted(&key));
                    self.report.problem(&place, "the value is not text", "quote it");
                }
            }
        }
        Ok(self.readable.then_some(self.attributes))
    }
}

/// Whether a key is set by kubelet or the driver rather than by an author.
fn is_context(key: &str) -> bool {
    key.contains("csi.storage.k8s.io/") || key.starts_with("secrets-store.csi")
}
