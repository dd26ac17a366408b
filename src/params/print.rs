//! A plan written out as the parameters that mean it: every default explicit, every name final.
//!
//! Reading what this prints gives the same plan again; fuzzing holds it to that.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::file_name::Translation;
use super::object::Object;
use super::parts::{Part, Select};
use super::plan::Plan;

impl Plan {
    /// The parameters of a class that means this plan.
    pub fn to_parameters(&self) -> BTreeMap<&'static str, String> {
        let mut parameters = BTreeMap::new();
        if let Some(region) = &self.region {
            parameters.insert("region", region.to_string());
        }
        let translation = match self.translation {
            Translation::Off => "False".to_owned(),
            Translation::To(character) => character.to_string(),
        };
        parameters.insert("pathTranslation", translation);
        if self.pod_identity {
            parameters.insert("usePodServiceAccountToken", "true".to_owned());
        }
        let mut objects = String::new();
        for object in &self.objects {
            object.print(&mut objects);
        }
        parameters.insert("objects", objects);
        parameters
    }

    /// Whether both ask for the same objects and make the same files of them.
    pub fn means_the_same(&self, other: &Self) -> bool {
        self.region == other.region
            && self.pod_identity == other.pod_identity
            && self.translation == other.translation
            && self.objects.len() == other.objects.len()
            && self
                .objects
                .iter()
                .zip(&other.objects)
                .all(|(one, other)| one.means_the_same(other))
    }
}

impl Object {
    fn print(&self, out: &mut String) {
        let mut fields = vec![
            ("objectName", self.name.clone()),
            ("objectType", self.service.to_string()),
        ];
        let mut add = |key, value: Option<String>| fields.extend(value.map(|value| (key, value)));
        add("objectVersion", self.version.as_ref().map(ToString::to_string));
        add("objectVersionLabel", self.stage.clone());
        add("region", self.region.as_ref().map(ToString::to_string));
        add("kmsEndpoint", self.kms_endpoint.as_ref().map(ToString::to_string));
        if let Some(account) = &self.cross_account {
            add("crossAccountRoleArn", Some(account.role_arn.to_string()));
            let id = account.external_id.as_ref();
            add("crossAccountExternalId", id.map(|id| id.as_str().to_owned()));
        }
        add("optional", self.optional.then(|| "true".to_owned()));
        add(
            "objectEncoding",
            self.encoding.map(|encoding| encoding.name().to_owned()),
        );
        match &self.whole {
            Some(target) => {
                add("objectAlias", Some(target.path.to_string()));
                add("filePermission", Some(target.mode.to_string()));
            }
            None => add("mountWholeSecret", Some("false".to_owned())),
        }
        print_fields("- ", "  ", &fields, out);
        if !self.parts.is_empty() {
            out.push_str("  jmesPath:\n");
        }
        for part in &self.parts {
            part.print(out);
        }
    }

    fn means_the_same(&self, other: &Self) -> bool {
        self.name == other.name
            && self.service == other.service
            && self.version == other.version
            && self.stage == other.stage
            && self.region == other.region
            && self.kms_endpoint == other.kms_endpoint
            && self.cross_account == other.cross_account
            && self.optional == other.optional
            && self.encoding == other.encoding
            && self.whole == other.whole
            && self.parts.len() == other.parts.len()
            && self
                .parts
                .iter()
                .zip(&other.parts)
                .all(|(one, other)| one.means_the_same(other))
    }
}

impl Part {
    fn print(&self, out: &mut String) {
        let mut fields = Vec::new();
        match &self.select {
            Select::One { expression, target } => {
                fields.push(("path", expression.as_str().to_owned()));
                fields.push(("objectAlias", target.path.to_string()));
                fields.push(("filePermission", target.mode.to_string()));
            }
            Select::Keys { prefix, mode, .. } => {
                fields.push(("path", "*".to_owned()));
                fields.push(("prefix", prefix.clone()));
                fields.push(("filePermission", mode.to_string()));
            }
        }
        fields.extend(
            self.encoding
                .map(|encoding| ("objectEncoding", encoding.name().to_owned())),
        );
        fields.extend(self.optional.then(|| ("optional", "true".to_owned())));
        print_fields("    - ", "      ", &fields, out);
    }

    fn means_the_same(&self, other: &Self) -> bool {
        let select = match (&self.select, &other.select) {
            (
                Select::One { expression, target },
                Select::One {
                    expression: other,
                    target: same,
                },
            ) => expression.as_str() == other.as_str() && target == same,
            (
                Select::Keys {
                    prefix,
                    translation,
                    mode,
                },
                Select::Keys {
                    prefix: other,
                    translation: same,
                    mode: equal,
                },
            ) => (prefix, translation, mode) == (other, same, equal),
            _ => false,
        };
        select && self.encoding == other.encoding && self.optional == other.optional
    }
}

/// One field a line, the first after `first`, the others after `next`. Empty values are left out, as they mean
/// absence.
fn print_fields(first: &str, next: &str, fields: &[(&str, String)], out: &mut String) {
    let fields = fields.iter().filter(|(_, value)| !value.is_empty());
    for (index, (key, value)) in fields.enumerate() {
        out.push_str(if index == 0 { first } else { next });
        out.push_str(key);
        out.push_str(": ");
        print_text(value, out);
        out.push('\n');
    }
}

/// A YAML double-quoted scalar in printable ASCII.
fn print_text(text: &str, out: &mut String) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => {
                out.push('\\');
                out.push(c);
            }
            ' '..='~' => out.push(c),
            other => {
                let _ = write!(out, "\\U{:08X}", u32::from(other));
            }
        }
    }
    out.push('"');
}
