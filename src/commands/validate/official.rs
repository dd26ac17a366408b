//! What the official provider (v0.6.0) would do with the same class, as far as it is something else.
//!
//! A note says what differs there and why; it is no error. The rules are those observed in the official provider;
//! `docs/compatibility.md` lists them, and what of them only shows once there are values.

use std::collections::{BTreeMap, BTreeSet};

use super::scalar::converted;
use crate::diagnostic::{Position, quoted};
use crate::limits;
use crate::params::never_reads;
use crate::yaml::{Kind, Node};

/// One difference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Note {
    /// The parameter of the class it is about, when it is not `objects`.
    pub(super) parameter: Option<&'static str>,
    /// Where in `objects`.
    pub(super) at: Option<Position>,
    /// Item and field, for a reader.
    pub(super) subject: String,
    /// What the official provider does.
    pub(super) text: String,
}

/// Keys of ours that the official provider does not know, and what is missing there.
const NEW_KEYS: &[(&str, &str)] = &[
    ("objectEncoding", "the value is written as it is stored"),
    ("filePermission", "the file has the driver's mode"),
    ("optional", "a missing object or null result fails the mount"),
    ("crossAccountExternalId", "no external id is sent"),
];

/// Every difference that shows without values. `items` are those of `objects`, or why they cannot be read.
pub(super) fn notes(parameters: &BTreeMap<&str, &str>, items: Result<&[Node], &str>) -> Vec<Note> {
    let mut notes = Notes::default();
    let parameter = |name: &str| parameters.get(name).copied().filter(|text| !text.is_empty());
    let region = parameter("region");
    if region.is_none() {
        notes.class(
            "region",
            "without it the official provider asks cn-hangzhou unless its --region says otherwise; here --region counts, else the node's own region".to_owned(),
        );
    }
    if let Some(text) = parameter("usePodServiceAccountToken")
        && text != "true"
        && matches!(text.to_ascii_lowercase().as_str(), "true" | "yes" | "on" | "1")
    {
        notes.class(
            "usePodServiceAccountToken",
            format!(
                "{} means no to the official provider, whose own identity then reads; here it means yes",
                quoted(text)
            ),
        );
    }
    if parameter("filePermission").is_some() {
        notes.class(
            "filePermission",
            "the official provider ignores it: files have the driver's mode".to_owned(),
        );
    }
    let translation = parameter("pathTranslation").unwrap_or("_");
    if translation.chars().count() == 1 && translation.len() > 1 {
        notes.class(
            "pathTranslation",
            "the official provider refuses it: only one-byte characters are taken".to_owned(),
        );
    }
    match items {
        Ok(items) => notes.items(items, translation, region),
        Err(error) if error.starts_with("a second document") => notes.class(
            "objects",
            "the official provider reads the first document and ignores what follows".to_owned(),
        ),
        Err(error) if error.starts_with("the key ") => {
            notes.class(
                "objects",
                "under the official provider the last of two equal keys wins".to_owned(),
            );
        }
        Err(error) if error.starts_with("!!binary") => {
            notes.class("objects", "the official provider decodes !!binary".to_owned());
        }
        Err(_) => {}
    }
    notes.list
}

#[derive(Default)]
struct Notes {
    list: Vec<Note>,
    subject: String,
}

/// An object as the official provider reads it.
struct Reading<'a> {
    entries: &'a [(Node, Node)],
    at: Position,
}

impl<'a> Reading<'a> {
    /// The node of a field, in any case of its key.
    fn node(&self, name: &str) -> Option<&'a Node> {
        let found = self.entries.iter().find(|(key, _)| key.is_text(name));
        found
            .map(|(_, value)| value)
            .filter(|node| !matches!(node.kind, Kind::Null))
    }

    /// The first key that stands there in a second spelling, and where.
    fn spelt_twice(&self) -> Option<(String, Position)> {
        let mut seen = BTreeSet::new();
        self.entries.iter().find_map(|(key, _)| match &key.kind {
            Kind::Text(text) if !seen.insert(text.to_ascii_lowercase()) => Some((text.clone(), key.at)),
            _ => None,
        })
    }

    /// The text of a field as read there; empty when there is none.
    fn text(&self, name: &str) -> String {
        match self.node(name) {
            Some(node) => match (&node.kind, converted(node)) {
                (_, Some(converted)) => converted.text,
                (Kind::Text(text), None) => text.clone(),
                _ => String::new(),
            },
            None => String::new(),
        }
    }

    /// The text of a field as it is written.
    fn written(&self, name: &str) -> &'a str {
        match self.node(name).map(|node| &node.kind) {
            Some(Kind::Text(text)) => text,
            _ => "",
        }
    }

    /// Where a field's value is; the item's place when it has none.
    fn at(&self, name: &str) -> Position {
        self.node(name).map_or(self.at, |node| node.at)
    }
}

impl Notes {
    fn class(&mut self, parameter: &'static str, text: String) {
        self.list.push(Note {
            parameter: Some(parameter),
            at: None,
            subject: parameter.to_owned(),
            text,
        });
    }

    fn item(&mut self, field: &str, at: Position, text: String) {
        if self.list.len() < limits::PROBLEMS {
            self.list.push(Note {
                parameter: None,
                at: Some(at),
                subject: format!("{} {field}", self.subject).trim_end().to_owned(),
                text,
            });
        }
    }

    fn items(&mut self, items: &[Node], translation: &str, region: Option<&str>) {
        let mut keys = BTreeSet::new();
        let mut paths = BTreeSet::new();
        let mut endpoints: BTreeMap<String, String> = BTreeMap::new();
        for (number, item) in (1..).zip(items) {
            self.subject = format!("item {number}");
            let entries = match &item.kind {
                Kind::Map(entries) => entries,
                Kind::Null => {
                    self.item(
                        "",
                        item.at,
                        "an empty item crashes the official provider".to_owned(),
                    );
                    continue;
                }
                _ => continue,
            };
            let reading = Reading { entries, at: item.at };
            if let Some((field, at)) = reading.spelt_twice() {
                let text = "of a key in two spellings the official provider takes the last in the order of their bytes";
                self.item(&field, at, text.to_owned());
            }
            let name = reading.text("objectName");
            if name.is_empty() {
                if entries.len() == 1 && reading.node("objectType").is_some() {
                    let text = "the official provider refuses it: an item needs an objectName".to_owned();
                    self.item("", item.at, text);
                }
                continue;
            }
            self.subject = format!("item {number} {}", quoted(reading.written("objectName")));
            self.scalars(
                &reading,
                &[
                    "objectName",
                    "objectType",
                    "objectAlias",
                    "objectVersion",
                    "objectVersionLabel",
                    "kmsEndpoint",
                    "crossAccountRoleArn",
                ],
                "",
            );
            let whole = path(&reading, &name, translation);
            self.object(&reading, &name, &whole, region);
            self.path(&reading, translation, &whole);
            let service = reading.text("objectType");
            if service != "oos" {
                let endpoint = reading.text("kmsEndpoint").to_ascii_lowercase();
                let first = endpoints
                    .entry(reading.text("crossAccountRoleArn"))
                    .or_insert_with(|| endpoint.clone());
                if *first != endpoint {
                    let first = if first.is_empty() {
                        "the region's own endpoint".to_owned()
                    } else {
                        first.clone()
                    };
                    let text = format!(
                        "the official provider asks {first}: the first KMS object's endpoint serves all of the class"
                    );
                    self.item("kmsEndpoint", reading.at("kmsEndpoint"), text);
                }
            }
            let alias = reading.text("objectAlias");
            let service = if service.is_empty() {
                "kms".to_owned()
            } else {
                service
            };
            let key = format!("{name}:{alias}:{service}");
            let mut place = |notes: &mut Self, key: Vec<String>, path: String, field: &str, at: Position| {
                let refused = key.iter().any(|key| keys.contains(key));
                keys.extend(key);
                let taken = !paths.insert(path.clone());
                if refused && !taken {
                    notes.item(
                        field,
                        at,
                        "the official provider refuses it as a duplicate".to_owned(),
                    );
                } else if taken && !refused {
                    let text = format!(
                        "the official provider mounts it: of the files {} the last one wins, silently",
                        quoted(&path)
                    );
                    notes.item(field, at, text);
                }
            };
            let mut own = vec![key];
            own.extend((!alias.is_empty()).then(|| alias.clone()));
            let field = if alias.is_empty() {
                "objectName"
            } else {
                "objectAlias"
            };
            place(self, own, whole, field, reading.at(field));
            let Some(parts) = reading.node("jmesPath") else {
                continue;
            };
            for (index, part) in (1..).zip(self.parts(parts)) {
                let Kind::Map(entries) = &part.kind else { continue };
                let reading = Reading { entries, at: part.at };
                let field = format!("jmesPath[{index}].");
                self.scalars(&reading, &["path", "objectAlias"], &field);
                self.new_keys(&reading, &field);
                let alias = reading.text("objectAlias");
                if alias.is_empty() {
                    let text =
                        "the official provider refuses it: each entry of jmesPath needs an objectAlias"
                            .to_owned();
                    self.item(&format!("{field}path"), reading.at("path"), text);
                    continue;
                }
                let expression = reading.text("path");
                if ["keys(", "values(", "*"]
                    .iter()
                    .any(|word| expression.contains(word))
                {
                    let text = "the official provider takes keys in random order; here they are in the order of their bytes".to_owned();
                    self.item(&format!("{field}path"), reading.at("path"), text);
                }
                if never_reads(&expression) {
                    let text = "the official provider mounts this fixed text; here the mount fails if the text names a key of the value".to_owned();
                    self.item(&format!("{field}path"), reading.at("path"), text);
                }
                let path = translate(&alias, translation);
                place(
                    self,
                    vec![format!("jmes:{alias}")],
                    path,
                    &format!("{field}objectAlias"),
                    reading.at("objectAlias"),
                );
            }
        }
    }

    /// The entries of `jmesPath`, if it is a list.
    fn parts<'a>(&mut self, node: &'a Node) -> &'a [Node] {
        match &node.kind {
            Kind::List(parts) => parts,
            Kind::Text(text) if !text.is_empty() => {
                self.item(
                    "jmesPath",
                    node.at,
                    "the official provider refuses it: a list is due".to_owned(),
                );
                &[]
            }
            _ => &[],
        }
    }

    /// Texts without quotes that mean something else there.
    fn scalars(&mut self, reading: &Reading<'_>, fields: &[&str], prefix: &str) {
        for field in fields {
            let Some(node) = reading.node(field) else { continue };
            let Kind::Text(text) = &node.kind else { continue };
            if let Some(converted) = converted(node)
                && converted.text != *text
            {
                let text = format!(
                    "the official provider reads {}, because without quotes this is {}; here it is read as written",
                    quoted(&converted.text),
                    converted.as_what
                );
                self.item(&format!("{prefix}{field}"), node.at, text);
            }
        }
    }

    fn new_keys(&mut self, reading: &Reading<'_>, prefix: &str) {
        for (key, there) in NEW_KEYS {
            if reading.node(key).is_some() {
                let text = format!("the official provider ignores it: {there}");
                self.item(&format!("{prefix}{key}"), reading.at(key), text);
            }
        }
    }

    fn object(&mut self, reading: &Reading<'_>, name: &str, whole: &str, region: Option<&str>) {
        self.new_keys(reading, "");
        if let Some(node) = reading.node("mountWholeSecret")
            && matches!(&node.kind, Kind::Text(text) if matches!(text.to_ascii_lowercase().as_str(), "false" | "no" | "off" | "0"))
        {
            let text = format!(
                "the official provider ignores it: the whole value is mounted too, as {}",
                quoted(whole)
            );
            self.item("mountWholeSecret", node.at, text);
        }
        let asked = region.unwrap_or("the default one");
        let own = reading.text("region");
        if !own.is_empty() && Some(own.as_str()) != region {
            let text = format!("the official provider ignores it and asks the class's region, {asked}");
            self.item("region", reading.at("region"), text);
        }
        let arn = name
            .starts_with("acs:")
            .then(|| name.split(':').nth(2).unwrap_or_default());
        if let Some(arn) = arn.filter(|arn| Some(*arn) != region) {
            let text = format!(
                "the official provider ignores the ARN's region {} and asks the class's, {asked}",
                quoted(arn)
            );
            self.item("objectName", reading.at("objectName"), text);
        }
        if reading.text("objectType") == "oos" {
            for field in ["objectVersion", "objectVersionLabel"] {
                if !reading.text(field).is_empty() {
                    let here = if field == "objectVersion" {
                        "it is sent"
                    } else {
                        "it is refused"
                    };
                    let text = format!(
                        "the official provider ignores it and mounts the newest version; here {here}"
                    );
                    self.item(field, reading.at(field), text);
                }
            }
        } else {
            let endpoint = reading.text("kmsEndpoint");
            if endpoint.contains(['/', ':', '@', '?', '#']) {
                self.item(
                    "kmsEndpoint",
                    reading.at("kmsEndpoint"),
                    "the official provider uses it as it is; here it must be a bare host".to_owned(),
                );
            }
        }
    }

    /// Paths that are refused there for their look, and such as only the driver refuses.
    fn path(&mut self, reading: &Reading<'_>, translation: &str, whole: &str) {
        let climbs = whole.split('/').any(|part| part == "..");
        if !climbs && looks_like_climbing(whole) {
            let text =
                "the official provider refuses it: a part of two characters is taken for \"..\"".to_owned();
            let field = if reading.text("objectAlias").is_empty() {
                "objectName"
            } else {
                "objectAlias"
            };
            let text = if translation == "/" && whole.starts_with('/') {
                "the official provider refuses it for its leading slash".to_owned()
            } else {
                text
            };
            self.item(field, reading.at(field), text);
        }
    }
}

/// The path of an object's whole value.
fn path(reading: &Reading<'_>, name: &str, translation: &str) -> String {
    let alias = reading.text("objectAlias");
    translate(if alias.is_empty() { name } else { &alias }, translation)
}

fn translate(name: &str, translation: &str) -> String {
    if translation.eq_ignore_ascii_case("false") {
        name.trim_start_matches('/').to_owned()
    } else {
        name.replace('/', translation)
    }
}

/// The official provider's check of a path: its dots stand for any character but a line feed.
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
