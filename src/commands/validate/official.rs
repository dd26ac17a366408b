//! Differences from the official provider (v0.6.0) for the same class.
//!
//! A note is not an error. The rules were observed in the official provider; `docs/compatibility.md` lists them, and
//! those that depend on values.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use super::scalar::{not_text, survives};
use crate::diagnostic::quoted;
use crate::jmespath::Expression;
use crate::limits;
use crate::params::{Place, Problem};
use crate::yaml::{Kind, Node};

/// Keys that the official provider does not know, and what it does without them.
const NEW_KEYS: [(&str, &str); 4] = [
    ("objectEncoding", "the value is written as it is stored"),
    ("filePermission", "the file has the driver's mode"),
    ("optional", "a missing object or null result fails the mount"),
    ("crossAccountExternalId", "no external id is sent"),
];

/// Prefixes of errors in `objects` that are none in the official provider.
const READABLE: [(&str, &str); 3] = [
    (
        "a second document",
        "the official provider reads the first document and ignores what follows",
    ),
    (
        "the key ",
        "under the official provider the last of two equal keys wins",
    ),
    ("!!binary", "the official provider decodes !!binary"),
];

const OBJECT_TEXTS: [&str; 7] = [
    "objectName",
    "objectType",
    "objectAlias",
    "objectVersion",
    "objectVersionLabel",
    "kmsEndpoint",
    "crossAccountRoleArn",
];

/// Every difference that does not depend on values. `items` are those of `objects`, or why they cannot be read.
pub(super) fn notes(parameters: &BTreeMap<&str, &str>, items: Result<&[Node], &str>) -> Vec<Problem> {
    let parameter = |name: &str| parameters.get(name).copied().filter(|text| !text.is_empty());
    let mut notes = Notes {
        region: parameter("region"),
        translation: parameter("pathTranslation").unwrap_or("_"),
        ..Notes::default()
    };
    let mut add = |name, text: &str| notes.list.push(Problem::new(&Place::parameter(name), text, ""));
    if parameter("region").is_none() {
        let there = "the official provider uses cn-hangzhou unless its --region is set";
        let here = "this provider uses --region, else the node's region";
        add("region", &format!("without it {there}; {here}"));
    }
    if let Some(text) = parameter("usePodServiceAccountToken")
        && text != "true"
        && is_any(text, &["true", "yes", "on", "1"])
    {
        let there = "no to the official provider, which then uses its own identity; here it means yes";
        add(
            "usePodServiceAccountToken",
            &format!("{} means {there}", quoted(text)),
        );
    }
    if parameter("filePermission").is_some() {
        let text = "the official provider ignores it: files have the driver's mode";
        add("filePermission", text);
    }
    if notes.translation.chars().count() == 1 && notes.translation.len() > 1 {
        let text = "the official provider refuses it: it accepts only one-byte characters";
        add("pathTranslation", text);
    }
    match items {
        Ok(items) => (1..)
            .zip(items)
            .for_each(|(number, item)| notes.item(number, item)),
        Err(error) => {
            let readable = READABLE.iter().find(|(begin, _)| error.starts_with(begin));
            readable.into_iter().for_each(|(_, text)| add("objects", text));
        }
    }
    notes.list
}

fn is_any(text: &str, words: &[&str]) -> bool {
    words.iter().any(|word| text.eq_ignore_ascii_case(word))
}

/// The notes, and what the official provider has mounted so far.
#[derive(Default)]
struct Notes<'a> {
    list: Vec<Problem>,
    region: Option<&'a str>,
    translation: &'a str,
    keys: BTreeSet<String>,
    paths: BTreeSet<String>,
    /// The first KMS object's endpoint, by role.
    endpoints: BTreeMap<String, String>,
}

/// An object, or an entry of its `jmesPath`, as the official provider reads it.
struct Reading<'a> {
    node: &'a Node,
    item: Place,
    /// Prefix of a field's name in messages: empty, or `jmesPath[2].`.
    prefix: String,
}

impl<'a> Reading<'a> {
    /// The node of a field, in any case of its key.
    fn node(&self, name: &str) -> Option<&'a Node> {
        let mut entries = self.node.entries().iter();
        let found = entries.find(|(key, _)| key.is_text(name));
        found
            .map(|(_, value)| value)
            .filter(|node| !matches!(node.kind, Kind::Null))
    }

    /// The text of a field; empty when there is none.
    fn text(&self, name: &str) -> &'a str {
        self.node(name).and_then(Node::as_text).unwrap_or_default()
    }

    /// The place of a field's value, or that of the item if it has none.
    fn place(&self, field: &str) -> Place {
        let at = self.node(field).unwrap_or(self.node).at;
        self.item.field(format!("{}{field}", self.prefix), at)
    }

    /// The first key that repeats another in a different case.
    fn spelt_twice(&self) -> Option<&'a Node> {
        let mut seen = BTreeSet::new();
        let mut keys = self.node.entries().iter().map(|(key, _)| key);
        keys.find(|key| {
            key.as_text()
                .is_some_and(|text| !seen.insert(text.to_ascii_lowercase()))
        })
    }

    /// The field that names the file.
    fn path_field(&self) -> &'static str {
        if self.text("objectAlias").is_empty() {
            "objectName"
        } else {
            "objectAlias"
        }
    }

    /// The path of the file.
    fn path(&self, translation: &str) -> String {
        let name = self.text(self.path_field());
        if translation.eq_ignore_ascii_case("false") {
            name.trim_start_matches('/').to_owned()
        } else {
            name.replace('/', translation)
        }
    }
}

impl Notes<'_> {
    fn add(&mut self, place: &Place, text: impl Into<String>, remedy: impl Into<String>) {
        if self.list.len() < limits::PROBLEMS {
            self.list.push(Problem::new(place, text, remedy));
        }
    }

    /// Adds what the official provider does with a field.
    fn field(&mut self, reading: &Reading<'_>, field: &str, does: impl fmt::Display) {
        let text = format!("the official provider {does}");
        self.add(&reading.place(field), text, "");
    }

    fn item(&mut self, number: usize, node: &Node) {
        let mut item = Reading {
            node,
            item: Place::item(number, None),
            prefix: String::new(),
        };
        if matches!(node.kind, Kind::Null) {
            let text = "an empty item crashes the official provider";
            self.add(&item.item.at(node.at), text, "");
        }
        if let Some(key) = item.spelt_twice() {
            let place = item.item.field(key.as_text().unwrap_or_default(), key.at);
            let text = "of a key in two spellings, the official provider uses the last in byte order";
            self.add(&place, text, "");
        }
        let name = item.text("objectName");
        if name.is_empty() {
            if node.entries().len() == 1 && item.node("objectType").is_some() {
                let text = "the official provider refuses it: an item needs an objectName";
                self.add(&item.item.at(node.at), text, "");
            }
            return;
        }
        item.item = Place::item(number, Some(name.to_owned()));
        self.object(&item, name);
        if !item.text("jmesPath").is_empty() {
            self.field(&item, "jmesPath", "refuses it: expected a list, found text");
        }
        let parts = item.node("jmesPath").map_or(&[][..], Node::items);
        for (index, node) in (1..).zip(parts) {
            if matches!(node.kind, Kind::Map(_)) {
                self.part(&Reading {
                    node,
                    item: item.item.clone(),
                    prefix: format!("jmesPath[{index}]."),
                });
            }
        }
    }

    fn object(&mut self, object: &Reading<'_>, name: &str) {
        self.fields(object, &OBJECT_TEXTS);
        let path = object.path(self.translation);
        if is_any(object.text("mountWholeSecret"), &["false", "no", "off", "0"]) {
            let does = format!("ignores it: the whole value is mounted too, as {}", quoted(&path));
            self.field(object, "mountWholeSecret", does);
        }
        let asked = self.region.unwrap_or("the default one");
        let region = object.text("region");
        if !region.is_empty() && Some(region) != self.region {
            let does = format!("ignores it and uses the class's region, {asked}");
            self.field(object, "region", does);
        }
        let arn = name
            .strip_prefix("acs:")
            .map(|rest| rest.split(':').nth(1).unwrap_or_default());
        if let Some(region) = arn.filter(|region| Some(*region) != self.region) {
            let region = quoted(region);
            let does = format!("ignores the ARN's region {region} and uses the class's, {asked}");
            self.field(object, "objectName", does);
        }
        let service = match object.text("objectType") {
            "" => "kms",
            service => service,
        };
        if service != "oos" {
            self.endpoint(object);
        } else {
            for (field, here) in [
                ("objectVersion", "it is sent"),
                ("objectVersionLabel", "it is refused"),
            ] {
                if !object.text(field).is_empty() {
                    let does = format!("ignores it and mounts the newest version; here {here}");
                    self.field(object, field, does);
                }
            }
        }
        let climbs = path.split('/').any(|part| part == "..");
        if !climbs && looks_like_climbing(&path) {
            let does = if self.translation == "/" && path.starts_with('/') {
                "refuses it because of its leading slash"
            } else {
                "refuses it: it reads any two-character component as \"..\""
            };
            self.field(object, object.path_field(), does);
        }
        let alias = object.text("objectAlias");
        let mut keys = vec![format!("{name}:{alias}:{service}")];
        keys.extend((!alias.is_empty()).then(|| alias.to_owned()));
        self.file(object, keys, path);
    }

    fn endpoint(&mut self, object: &Reading<'_>) {
        let endpoint = object.text("kmsEndpoint");
        if endpoint.contains(['/', ':', '@', '?', '#']) {
            self.field(
                object,
                "kmsEndpoint",
                "uses it as it is; here it must be a bare host",
            );
        }
        let endpoint = endpoint.to_ascii_lowercase();
        let role = object.text("crossAccountRoleArn").to_owned();
        let first = self.endpoints.entry(role).or_insert_with(|| endpoint.clone());
        if *first != endpoint {
            let first = match first.as_str() {
                "" => "the region's own endpoint",
                first => first,
            };
            let does = format!("uses {first}: the first KMS object's endpoint applies to the whole class");
            self.field(object, "kmsEndpoint", does);
        }
    }

    /// An entry of `jmesPath`.
    fn part(&mut self, part: &Reading<'_>) {
        self.fields(part, &["path", "objectAlias"]);
        let alias = part.text("objectAlias");
        if alias.is_empty() {
            self.field(
                part,
                "path",
                "refuses it: each entry of jmesPath needs an objectAlias",
            );
            return;
        }
        let expression = part.text("path");
        if ["keys(", "values(", "*"]
            .iter()
            .any(|word| expression.contains(word))
        {
            let does = "returns keys in random order; here they are in byte order";
            self.field(part, "path", does);
        }
        if Expression::parse(expression).is_ok_and(|it| it.is_constant()) {
            let does = "mounts this fixed text; here the mount fails if the text names a key of the value";
            self.field(part, "path", does);
        }
        self.file(part, vec![format!("jmes:{alias}")], part.path(self.translation));
    }

    /// Adds a mounted file, in order.
    fn file(&mut self, reading: &Reading<'_>, keys: Vec<String>, path: String) {
        let refused = keys.iter().any(|key| self.keys.contains(key));
        self.keys.extend(keys);
        match (refused, self.paths.contains(&path)) {
            (true, false) => self.field(reading, reading.path_field(), "refuses it as a duplicate"),
            (false, true) => {
                let does = format!(
                    "mounts it: the last of the files {} wins, without a warning",
                    quoted(&path)
                );
                self.field(reading, reading.path_field(), does);
            }
            (true, true) | (false, false) => {}
        }
        self.paths.insert(path);
    }

    /// Unquoted texts that the official provider reads differently, and keys that it ignores.
    fn fields(&mut self, reading: &Reading<'_>, texts: &[&str]) {
        for field in texts {
            let Some(node) = reading.node(field) else { continue };
            let written = node.as_text().unwrap_or_default();
            if let Some(kind) = not_text(node).filter(|_| !survives(written)) {
                let text = format!(
                    "without quotes, the official provider reads this as {kind} and changes the text; here it is used as written"
                );
                let remedy = format!("write the value in quotes: {field}: {written:?}");
                self.add(&reading.place(field), text, remedy);
            }
        }
        for (key, there) in NEW_KEYS {
            if reading.node(key).is_some() {
                self.field(reading, key, format!("ignores it: {there}"));
            }
        }
    }
}

/// The official provider's check of a path: its dots match any character except a line feed.
fn looks_like_climbing(path: &str) -> bool {
    let path: Vec<char> = path.chars().collect();
    let any = |c: &char| *c != '\n';
    matches!(path.as_slice(), [a, b, '/', ..] if any(a) && any(b))
        || matches!(path.as_slice(), [.., '/', a, b] if any(a) && any(b))
        || path
            .windows(4)
            .any(|four| matches!(four, ['/', a, b, '/'] if any(a) && any(b)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_official_check_of_paths() {
        for path in [
            "../x",
            "abc/../x",
            "abc/..",
            "../..",
            "abc/../",
            "ab/secret",
            "abc/de/fgh",
            "prod/db",
            "cert/01",
            ".a/secret",
            "密钥/x",
            "/a/b",
        ] {
            assert!(looks_like_climbing(path), "{path}");
        }
        for path in ["a/b/c", "abc/def/ghi", "ab", "%2e%2e/x", "..", "..x/y", ".../x"] {
            assert!(!looks_like_climbing(path), "{path}");
        }
    }
}
