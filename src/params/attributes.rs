//! The attributes: a JSON object of texts, taken apart by key.
//!
//! Values may be service account tokens, so no message here quotes one; a JSON error is told by its place only.

use std::fmt;

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use sha2::{Digest as _, Sha256};

use super::keys;
use super::plan::Pod;
use super::problem::{Place, Report};
use crate::diagnostic::{quoted, suggestion};
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
    /// Digests of all other parameters, combined so that their order does not matter.
    unknown: [u8; 32],
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
        let invalid = |error: &serde_json::Error| {
            format!(
                "not valid JSON at line {}, column {}",
                error.line(),
                error.column()
            )
        };
        if let Err(error) = serde_json::from_str::<IgnoredAny>(text) {
            report.problem(&place, invalid(&error), remedy);
            return None;
        }
        let entries = Entries {
            attributes: Self::default(),
            readable: true,
            report: &mut *report,
        };
        match serde_json::Deserializer::from_str(text).deserialize_map(entries) {
            Ok(attributes) => attributes,
            Err(error) => {
                let text = if error.is_data() {
                    "not a JSON object".to_owned()
                } else {
                    invalid(&error) // A number beyond all bounds, which only shows when it is read.
                };
                report.problem(&place, text, remedy);
                None
            }
        }
    }

    /// A digest of the class's parameters: the same whatever their order, and another one after any change. Neither the
    /// pod nor its tokens are in it, nor the class's name, which drivers before 1.6 leave out during rotation.
    pub(super) fn digest(&self) -> [u8; 32] {
        let Self {
            pod: _,
            class_name: _,
            tokens: _,
            objects,
            region,
            path_translation,
            file_permission,
            pod_identity,
            unknown,
        } = self;
        let mut digest = Sha256::new();
        for text in [objects, region, path_translation, file_permission, pod_identity] {
            update(&mut digest, text);
        }
        digest.update(unknown);
        digest.finalize().into()
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
                let mut digest = Sha256::new();
                update(&mut digest, other);
                update(&mut digest, &value);
                let unknown = self.unknown.iter_mut().zip(digest.finalize());
                unknown.for_each(|(sum, byte)| *sum ^= byte);
                report.unknown_key(other, keys::asks(&value), keys::CLASS, || {
                    let place = Place::parameter(&format!("parameter {}", quoted(other)));
                    (place, suggestion("parameter", other, keys::CLASS))
                });
            }
        }
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
        while let Some((key, value)) = map.next_entry::<String, Entry>()? {
            match value {
                Entry::Text(text) => self.attributes.set(&key, text, self.report),
                Entry::Null => self.attributes.set(&key, String::new(), self.report),
                Entry::Other => {
                    self.readable = self.readable && key != "objects";
                    self.report.problem(
                        &Place::parameter(&quoted(&key)),
                        "the value is not text",
                        "quote it",
                    );
                }
            }
        }
        Ok(self.readable.then_some(self.attributes))
    }
}

/// A value, of which only text is kept.
enum Entry {
    Text(String),
    Null,
    Other,
}

impl<'de> Deserialize<'de> for Entry {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(EntryVisitor)
    }
}

struct EntryVisitor;

impl<'de> Visitor<'de> for EntryVisitor {
    type Value = Entry;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_str<E>(self, text: &str) -> Result<Entry, E> {
        Ok(Entry::Text(text.to_owned()))
    }

    fn visit_string<E>(self, text: String) -> Result<Entry, E> {
        Ok(Entry::Text(text))
    }

    fn visit_unit<E>(self) -> Result<Entry, E> {
        Ok(Entry::Null)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Entry, E> {
        Ok(Entry::Other)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Entry, E> {
        Ok(Entry::Other)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Entry, E> {
        Ok(Entry::Other)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Entry, E> {
        Ok(Entry::Other)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Entry, A::Error> {
        while items.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Entry::Other)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Entry, A::Error> {
        while entries.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Entry::Other)
    }
}

/// Whether a key is set by kubelet or the driver rather than by an author.
fn is_context(key: &str) -> bool {
    key.contains("csi.storage.k8s.io/") || key.starts_with("secrets-store.csi")
}
