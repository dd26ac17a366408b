//! Reads Kubernetes manifests: their documents and lists, and the SecretProviderClasses and Secrets in them.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::diagnostic::{Diagnostic, Position, bounded, nearest, quoted};
use crate::limits;
use crate::yaml::{self, Bounds, Kind, Node};

/// The text of a file, such as the whole output of `helm template`; `-` is `input`.
pub(super) fn read(path: &Path, input: &mut dyn Read) -> io::Result<String> {
    const MOST: usize = limits::MANIFEST_BYTES;
    let mut text = Vec::new();
    if path.as_os_str() == "-" {
        input.take(MOST as u64 + 1).read_to_end(&mut text)?;
    } else {
        File::open(path)?.take(MOST as u64 + 1).read_to_end(&mut text)?;
    }
    if text.len() > MOST {
        return Err(io::Error::other(format!("larger than {MOST} bytes; split it")));
    }
    String::from_utf8(text).map_err(|_| io::Error::other("not UTF-8"))
}

/// A document of a file, and its first line.
#[derive(Clone, Copy)]
pub(super) struct Document<'a> {
    pub(super) text: &'a str,
    /// Lines of the file before it.
    lines_before: usize,
}

impl<'a> Document<'a> {
    /// Splits a file at its `---` lines, as kubectl does, so that an error in one document does not hide the others.
    pub(super) fn split(text: &'a str) -> Vec<Self> {
        let mut documents = Vec::new();
        let (mut start, mut lines_before) = (0, 0);
        let mut offset = 0;
        for (line, content) in text.split_inclusive('\n').enumerate() {
            let marks = content
                .strip_prefix("---")
                .is_some_and(|rest| rest.trim_start().len() < rest.len() || rest.is_empty());
            if marks && offset > start {
                documents.extend(text.get(start..offset).map(|text| Self { text, lines_before }));
                (start, lines_before) = (offset, line);
            }
            offset += content.len();
        }
        documents.extend(text.get(start..).map(|text| Self { text, lines_before }));
        documents
    }

    /// Whether it can contain a class. Other documents are not parsed, because they may be templates.
    pub(super) fn may_hold_a_class(&self) -> bool {
        let is_nearly = |line: &str| {
            let kind = line.trim_start().strip_prefix("kind:");
            kind.is_some_and(|kind| is_nearly_class(kind.trim().trim_matches(['"', '\''])))
        };
        self.text.contains(KIND) || self.text.lines().any(is_nearly)
    }

    /// Its tree, with positions in the file.
    pub(super) fn parse(&self) -> Result<Node, Diagnostic> {
        let parsed = yaml::parse_within(self.text, MANIFEST);
        let mut root = parsed.map_err(|error| Diagnostic {
            at: Some(self.in_file(error.at.unwrap_or(Position { line: 1, column: 1 }))),
            ..error
        })?;
        self.move_into_file(&mut root);
        Ok(root)
    }

    fn move_into_file(&self, node: &mut Node) {
        node.at = self.in_file(node.at);
        match &mut node.kind {
            Kind::List(items) => items.iter_mut().for_each(|item| self.move_into_file(item)),
            Kind::Map(entries) => entries.iter_mut().for_each(|(key, value)| {
                self.move_into_file(key);
                self.move_into_file(value);
            }),
            Kind::Null | Kind::Text(_) => {}
        }
    }

    /// Converts a position in the document to one in the file.
    pub(super) fn in_file(&self, at: Position) -> Position {
        let line = at.line + self.lines_before;
        Position { line, ..at }
    }

    /// Converts a position in the file to one in the document.
    pub(super) fn in_document(&self, at: Position) -> Position {
        let line = at.line.saturating_sub(self.lines_before);
        Position { line, ..at }
    }
}

/// Visits each resource of the documents that contain `word`. Skips what cannot be parsed, because it may be a template.
pub(super) fn each_resource(text: &str, word: &str, mut look: impl FnMut(&Node)) {
    let documents = Document::split(text).into_iter();
    for document in documents.filter(|document| document.text.contains(word)) {
        if let Ok(root) = document.parse() {
            resources(&root).into_iter().for_each(&mut look);
        }
    }
}

pub(super) const KIND: &str = "SecretProviderClass";

const MANIFEST: Bounds = Bounds {
    bytes: limits::MANIFEST_BYTES,
    nodes: limits::MANIFEST_NODES,
    expanded_bytes: limits::MANIFEST_EXPANDED_BYTES,
    depth: limits::MANIFEST_DEPTH,
    remedy: "split the file",
};

/// The resources of a document, including those in lists.
pub(super) fn resources(root: &Node) -> Vec<&Node> {
    let mut found = Vec::new();
    collect(root, &mut found);
    found
}

fn collect<'a>(root: &'a Node, found: &mut Vec<&'a Node>) {
    match root.text_of("kind") {
        Some("List" | "SecretProviderClassList") => {
            let items = root.get("items").map_or(&[][..], Node::items);
            items.iter().for_each(|item| collect(item, found));
        }
        _ => found.push(root),
    }
}

/// A text of a resource's metadata.
pub(super) fn metadata<'a>(root: &'a Node, key: &str) -> Option<&'a str> {
    root.get("metadata")?.text_of(key)
}

/// The text, quoted if it has white space or control characters, because a manifest must not control the terminal.
pub(super) fn printable(text: &str) -> String {
    let plain = !text.is_empty() && text.chars().all(|c| !c.is_control() && !c.is_whitespace());
    if plain {
        bounded(text, limits::QUOTED_BYTES)
    } else {
        quoted(text)
    }
}

/// Whether its kind is SecretProviderClass.
pub(super) fn is_class(root: &Node) -> bool {
    root.text_of("kind") == Some(KIND)
}

/// Whether a kind is a misspelt SecretProviderClass.
pub(super) fn is_nearly_class(kind: &str) -> bool {
    kind != KIND && (kind.eq_ignore_ascii_case(KIND) || nearest(kind, &[KIND]).is_some())
}

/// The data of a Secret.
///
/// # Errors
/// Which entry is not text; never the value.
pub(super) fn secret_data(secret: &Node) -> Result<BTreeMap<String, String>, String> {
    let mut data = BTreeMap::new();
    if let Some(node) = secret.get("data") {
        for (key, value) in texts(node, "data")? {
            let name = printable(&key);
            // Line breaks are ignored, as in the API server.
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

/// A mapping of texts; null is an empty text. The API server accepts no other values either.
pub(super) fn texts(node: &Node, place: &str) -> Result<BTreeMap<String, String>, String> {
    if matches!(node.kind, Kind::Null) {
        return Ok(BTreeMap::new());
    }
    let Kind::Map(entries) = &node.kind else {
        return Err(format!("{place}: expected a mapping, found {}", node.kind.name()));
    };
    let entries = entries.iter();
    entries
        .map(|(key, value)| match (&key.kind, &value.kind) {
            (Kind::Text(key), Kind::Text(value)) => Ok((key.clone(), value.clone())),
            (Kind::Text(key), Kind::Null) => Ok((key.clone(), String::new())),
            (Kind::Text(key), other) => Err(format!(
                "{place}.{}: expected text, found {}",
                printable(key),
                other.name()
            )),
            _ => Err(format!("{place}: expected text as key")),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn data_of(secret: &str) -> Result<BTreeMap<String, String>, String> {
        secret_data(&yaml::parse(secret).expect("YAML"))
    }

    #[test]
    fn data_is_decoded_across_line_breaks_and_nothing_is_an_empty_text() {
        let data = data_of("data: {key: \"TFRB\\nSQ==\\r\\n\", none: }\nstringData: {text: t, nothing: }\n");
        let expected = [("key", "LTAI"), ("none", ""), ("nothing", ""), ("text", "t")];
        let expected = expected.map(|(key, value)| (key.to_owned(), value.to_owned()));
        assert_eq!(data, Ok(BTreeMap::from(expected)));
        assert_eq!(data_of("data:\nstringData: ~\n"), Ok(BTreeMap::new()));
    }

    #[test]
    fn keys_are_printed_escaped() {
        for (secret, message) in [
            (
                r#"data: {"a\nb\e[31m": "*"}"#,
                r#"data."a\nb\u{1b}[31m" is not base64"#,
            ),
            (r#"data: {"\x00": "/w=="}"#, r#"data."\0" is not UTF-8"#),
            (
                r#"stringData: {"a b": []}"#,
                r#"stringData."a b": expected text, found a list"#,
            ),
        ] {
            assert_eq!(data_of(secret), Err(message.to_owned()));
        }
    }
}
