//! What the official provider (v0.6.0) would do with the same class, as far as it is something else.
//!
//! A note says what differs there and why; it is no error. The rules are those observed in the official provider;
//! `docs/compatibility.md` lists them, and what of them only shows once there are values.

use std::collections::{BTreeMap, BTreeSet};

use super::scalar::{not_text, survives};
use crate::diagnostic::{Position, quoted};
use crate::jmespath::Expression;
use crate::limits;
use crate::params::{Place, Problem};
use crate::yaml::{Kind, Node};

/// Keys of ours that the official provider does not know, and what is missing there.
const NEW_KEYS: &[(&str, &str)] = &[
    ("objectEncoding", "the value is written as it is stored"),
    ("filePermission", "the file has the driver's mode"),
    ("optional", "a missing object or null result fails the mount"),
    ("crossAccountExternalId", "no external id is sent"),
];

/// Every difference that shows without values. `items` are those of `objects`, or why they cannot be read.
pub(super) fn notes(parameters: &BTreeMap<&str, &str>, items: Result<&[Node], &str>) -> Vec<Problem> {
    let mut notes = Notes::default();
    let parameter = |name: &str| parameters.get(name).copied().filter(|text| !text.is_empty());
    let region = parameter("region");
    if region.is_none() {
        notes.class(
            "region",
            "without it the official provider asks cn-hangzhou unless its --region says otherwise; here --region counts, else the node's own region",
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
            "the official provider ignores it: files have the driver's mode",
        );
    }
    let translation = parameter("pathTranslation").unwrap_or("_");
    if translation.chars().count() == 1 && translation.len() > 1 {
        notes.class(
            "pathTranslation",
            "the official provider refuses it: only one-byte characters are taken",
        );
    }
    match items {
        Ok(items) => notes.items(items, translation, region),
        Err(error) if error.starts_with("a second document") => notes.class(
            "objects",
            "the official provider reads the first document and ignores what follows",
        ),
        Err(error) if error.starts_with("the key ") => {
            notes.class(
                "objects",
                "under the official provider the last of two equal keys wins",
            );
        }
        Err(error) if error.starts_with("!!binary") => {
            notes.class("objects", "the official provider decodes !!binary");
        }
        Err(_) => {}
    }
    notes.list
}

/// What the official provider has mounted so far.
#[derive(Default)]
struct Mounted {
    keys: BTreeSet<String>,
    paths: BTreeSet<String>,
    /// Of the first KMS object, by the role that reads it.
    endpoints: BTreeMap<String, String>,
}

#[derive(Default)]
struct Notes {
    list: Vec<Problem>,
    /// The item that is looked at.
    item: Place,
}

/// An object, or an entry of its `jmesPath`, as the official provider reads it.
struct Reading<'a> {
    entries: &'a [(Node, Node)],
    at: Position,
    /// What stands before a field's name in messages: empty, or `jmesPath[2].`.
    prefix: String,
}

impl<'a> Reading<'a> {
    /// The node of a field, in any case of its key.
    fn node(&self, name: &str) -> Option<&'a Node> {
        let found = self.entries.iter().find(|(key, _)| key.is_text(name));
        found
            .map(|(_, value)| value)
            .filter(|node| !matches!(node.kind, Kind::Null))
    }

    /// The first key that stands there in a second spelling.
    fn spelt_twice(&self) -> Option<&'a Node> {
        let mut seen = BTreeSet::new();
        let mut keys = self.entries.iter().map(|(key, _)| key);
        keys.find(|key| {
            key.as_text()
                .is_some_and(|text| !seen.insert(text.to_ascii_lowercase()))
        })
    }

    /// The text of a field; empty when there is none.
    fn text(&self, name: &str) -> &'a str {
        self.node(name).and_then(Node::as_text).unwrap_or_default()
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

impl Notes {
    fn add(&mut self, place: &Place, text: impl Into<String>, remedy: impl Into<String>) {
        if self.list.len() < limits::PROBLEMS {
            self.list.push(Problem::new(place, text, remedy));
        }
    }

    fn class(&mut self, parameter: &str, text: impl Into<String>) {
        self.add(&Place::parameter(parameter), text, "");
    }

    fn item(&mut self, at: Position, text: &str) {
        self.add(&self.item.at(at), text, "");
    }

    /// A note at the value of a field, or at the item if it has none.
    fn field(&mut self, reading: &Reading<'_>, field: &str, text: impl Into<String>) {
        let at = reading.node(field).map_or(reading.at, |node| node.at);
        let field = format!("{}{field}", reading.prefix);
        self.add(&self.item.field(field, at), text, "");
    }

    fn items(&mut self, items: &[Node], translation: &str, region: Option<&str>) {
        let mut mounted = Mounted::default();
        for (number, item) in (1..).zip(items) {
            self.item = Place::item(number, None);
            if matches!(item.kind, Kind::Null) {
                self.item(item.at, "an empty item crashes the official provider");
            }
            let reading = Reading {
                entries: item.entries(),
                at: item.at,
                prefix: String::new(),
            };
            if let Some(key) = reading.spelt_twice() {
                let text = "of a key in two spellings the official provider takes the last in the order of their bytes";
                let field = key.as_text().unwrap_or_default();
                self.add(&self.item.field(field, key.at), text, "");
            }
            let name = reading.text("objectName");
            if !name.is_empty() {
                self.item = Place::item(number, Some(name.to_owned()));
                self.object(&reading, translation, region, &mut mounted);
                self.parts(&reading, translation, &mut mounted);
            } else if reading.entries.len() == 1 && reading.node("objectType").is_some() {
                self.item(
                    item.at,
                    "the official provider refuses it: an item needs an objectName",
                );
            }
        }
    }

    fn object(
        &mut self,
        reading: &Reading<'_>,
        translation: &str,
        region: Option<&str>,
        mounted: &mut Mounted,
    ) {
        self.scalars(
            reading,
            &[
                "objectName",
                "objectType",
                "objectAlias",
                "objectVersion",
                "objectVersionLabel",
                "kmsEndpoint",
                "crossAccountRoleArn",
            ],
        );
        self.new_keys(reading);
        let name = reading.text("objectName");
        let path = reading.path(translation);
        if matches!(
            &*reading.text("mountWholeSecret").to_ascii_lowercase(),
            "false" | "no" | "off" | "0"
        ) {
            let text = format!(
                "the official provider ignores it: the whole value is mounted too, as {}",
                quoted(&path)
            );
            self.field(reading, "mountWholeSecret", text);
        }
        let asked = region.unwrap_or("the default one");
        let own = reading.text("region");
        if !own.is_empty() && Some(own) != region {
            let text = format!("the official provider ignores it and asks the class's region, {asked}");
            self.field(reading, "region", text);
        }
        let arn = name
            .starts_with("acs:")
            .then(|| name.split(':').nth(2).unwrap_or_default());
        if let Some(arn) = arn.filter(|arn| Some(*arn) != region) {
            let text = format!(
                "the official provider ignores the ARN's region {} and asks the class's, {asked}",
                quoted(arn)
            );
            self.field(reading, "objectName", text);
        }
        if reading.text("objectType") == "oos" {
            for (field, here) in [
                ("objectVersion", "it is sent"),
                ("objectVersionLabel", "it is refused"),
            ] {
                if !reading.text(field).is_empty() {
                    let text = format!(
                        "the official provider ignores it and mounts the newest version; here {here}"
                    );
                    self.field(reading, field, text);
                }
            }
        } else {
            self.endpoint(reading, mounted);
        }
        self.path(reading, translation, &path);
        let alias = reading.text("objectAlias");
        let service = match reading.text("objectType") {
            "" => "kms",
            service => service,
        };
        let mut keys = vec![format!("{name}:{alias}:{service}")];
        keys.extend((!alias.is_empty()).then(|| alias.to_owned()));
        self.file(reading, reading.path_field(), keys, path, mounted);
    }

    fn endpoint(&mut self, reading: &Reading<'_>, mounted: &mut Mounted) {
        let endpoint = reading.text("kmsEndpoint");
        if endpoint.contains(['/', ':', '@', '?', '#']) {
            let text = "the official provider uses it as it is; here it must be a bare host";
            self.field(reading, "kmsEndpoint", text);
        }
        let endpoint = endpoint.to_ascii_lowercase();
        let role = reading.text("crossAccountRoleArn").to_owned();
        let first = mounted.endpoints.entry(role).or_insert_with(|| endpoint.clone());
        if *first != endpoint {
            let first = match first.as_str() {
                "" => "the region's own endpoint",
                first => first,
            };
            let text = format!(
                "the official provider asks {first}: the first KMS object's endpoint serves all of the class"
            );
            self.field(reading, "kmsEndpoint", text);
        }
    }

    /// The entries of `jmesPath`.
    fn parts(&mut self, reading: &Reading<'_>, translation: &str, mounted: &mut Mounted) {
        if !reading.text("jmesPath").is_empty() {
            self.field(
                reading,
                "jmesPath",
                "the official provider refuses it: a list is due",
            );
        }
        let parts = reading.node("jmesPath").map_or(&[][..], Node::items);
        for (index, part) in (1..).zip(parts) {
            if !matches!(part.kind, Kind::Map(_)) {
                continue;
            }
            let reading = Reading {
                entries: part.entries(),
                at: part.at,
                prefix: format!("jmesPath[{index}]."),
            };
            self.scalars(&reading, &["path", "objectAlias"]);
            self.new_keys(&reading);
            let alias = reading.text("objectAlias");
            if alias.is_empty() {
                let text = "the official provider refuses it: each entry of jmesPath needs an objectAlias";
                self.field(&reading, "path", text);
                continue;
            }
            let expression = reading.text("path");
            if ["keys(", "values(", "*"]
                .iter()
                .any(|word| expression.contains(word))
            {
                let text = "the official provider takes keys in random order; here they are in the order of their bytes";
                self.field(&reading, "path", text);
            }
            if Expression::parse(expression).is_ok_and(|it| it.is_constant()) {
                let text = "the official provider mounts this fixed text; here the mount fails if the text names a key of the value";
                self.field(&reading, "path", text);
            }
            let path = reading.path(translation);
            self.file(
                &reading,
                "objectAlias",
                vec![format!("jmes:{alias}")],
                path,
                mounted,
            );
        }
    }

    /// A file that is mounted, after those before it.
    fn file(
        &mut self,
        reading: &Reading<'_>,
        field: &str,
        keys: Vec<String>,
        path: String,
        mounted: &mut Mounted,
    ) {
        let refused = keys.iter().any(|key| mounted.keys.contains(key));
        mounted.keys.extend(keys);
        match (refused, mounted.paths.contains(&path)) {
            (true, false) => self.field(reading, field, "the official provider refuses it as a duplicate"),
            (false, true) => {
                let text = format!(
                    "the official provider mounts it: of the files {} the last one wins, silently",
                    quoted(&path)
                );
                self.field(reading, field, text);
            }
            (true, true) | (false, false) => {}
        }
        mounted.paths.insert(path);
    }

    /// Texts without quotes that mean something else there.
    fn scalars(&mut self, reading: &Reading<'_>, fields: &[&str]) {
        for field in fields {
            let Some(node) = reading.node(field) else { continue };
            let written = node.as_text().unwrap_or_default();
            if let Some(kind) = not_text(node).filter(|_| !survives(written)) {
                let place = self.item.field(format!("{}{field}", reading.prefix), node.at);
                let text = format!(
                    "without quotes this is {kind} to the official provider, which reads another text; here it is read as written"
                );
                let remedy = format!("write what you mean in quotes, such as {field}: {written:?}");
                self.add(&place, text, remedy);
            }
        }
    }

    fn new_keys(&mut self, reading: &Reading<'_>) {
        for (key, there) in NEW_KEYS {
            if reading.node(key).is_some() {
                self.field(reading, key, format!("the official provider ignores it: {there}"));
            }
        }
    }

    /// Paths that are refused there for their look, and such as only the driver refuses.
    fn path(&mut self, reading: &Reading<'_>, translation: &str, path: &str) {
        let climbs = path.split('/').any(|part| part == "..");
        if !climbs && looks_like_climbing(path) {
            let text = if translation == "/" && path.starts_with('/') {
                "the official provider refuses it for its leading slash"
            } else {
                "the official provider refuses it: a part of two characters is taken for \"..\""
            };
            self.field(reading, reading.path_field(), text);
        }
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
