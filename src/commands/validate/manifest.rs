//! Kubernetes manifests: documents, lists in them, and the SecretProviderClasses among the rest. Whoever takes a class
//! out of a file of the user's reads it with this.

use crate::diagnostic::{Diagnostic, Position, nearest, quoted};
use crate::limits;
use crate::yaml::{self, Bounds, Node};

/// A document of a file, and where it begins.
#[derive(Clone, Copy)]
pub(crate) struct Document<'a> {
    pub(crate) text: &'a str,
    /// Lines of the file before it.
    lines_before: usize,
}

impl<'a> Document<'a> {
    /// Cuts a file at its `---` lines, as kubectl does, so that what is wrong with one document hides no other.
    pub(crate) fn split(text: &'a str) -> Vec<Self> {
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

    /// Whether a class can be in there at all. What has none is not read: other people's documents may be templates.
    pub(crate) fn may_hold_a_class(&self) -> bool {
        self.text.contains(KIND)
    }

    pub(crate) fn parse(&self) -> Result<Node, Diagnostic> {
        yaml::parse_within(self.text, MANIFEST)
    }

    /// The place in the file of a place in the document.
    pub(crate) fn in_file(&self, at: Position) -> Position {
        Position {
            line: at.line + self.lines_before,
            ..at
        }
    }
}

const KIND: &str = "SecretProviderClass";
const GROUP: &str = "secrets-store.csi.x-k8s.io/";

const MANIFEST: Bounds = Bounds {
    bytes: limits::MANIFEST_BYTES,
    nodes: limits::MANIFEST_NODES,
    expanded_bytes: limits::MANIFEST_EXPANDED_BYTES,
    depth: limits::MANIFEST_DEPTH,
    remedy: "split the file",
};

/// What a resource of a manifest is.
pub(super) enum Resource<'a> {
    /// A class for this provider.
    Class(&'a Node),
    /// A class that no provider will take, with what is wrong and what to write.
    Broken(&'a Node, String, String),
    /// Anything else.
    Other,
}

/// The resources of a document, those inside lists too.
pub(crate) fn resources(root: &Node) -> Vec<&Node> {
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

/// What a resource is.
pub(super) fn class(root: &Node) -> Resource<'_> {
    if !is_class(root) {
        return Resource::Other;
    }
    let api = root.text_of("apiVersion").unwrap_or_default();
    let broken = |text: &str, remedy: &str| Resource::Broken(root, text.to_owned(), remedy.to_owned());
    match api.strip_prefix(GROUP) {
        Some("v1" | "v1alpha1") => {}
        Some(version) => {
            let text = format!("the version {version} of {KIND} does not exist");
            return broken(&text, "write apiVersion: secrets-store.csi.x-k8s.io/v1");
        }
        None if api.is_empty() => {
            return broken("apiVersion is missing", "write secrets-store.csi.x-k8s.io/v1");
        }
        None => return Resource::Other,
    }
    let Some(spec) = root.get("spec") else {
        return broken("spec is missing", "write spec: with provider and parameters");
    };
    match spec.text_of("provider") {
        Some("alibabacloud") => Resource::Class(root),
        None | Some("") => broken("spec.provider is missing", "write provider: alibabacloud"),
        Some(other) if nearest(other, &["alibabacloud"]).is_some() => {
            let text = format!("no provider is called {}", quoted(other));
            broken(&text, "did you mean alibabacloud?")
        }
        Some(_) => Resource::Other,
    }
}

/// Whether it calls itself a SecretProviderClass.
pub(crate) fn is_class(root: &Node) -> bool {
    root.text_of("kind") == Some(KIND)
}
