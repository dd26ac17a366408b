//! The plan of one Mount: everything the parameters ask for, checked as a whole.

use super::attributes::Attributes;
use super::file_name::{Clash, FileName, Paths, Translation};
use super::names::{Mode, Region, Service, parse_boolean};
use super::object::{Class, Object};
use super::parts::{Part, Select};
use super::problem::{Place, Problem, Report, snippet};
use crate::diagnostic::Diagnostic;
use crate::diagnostic::{Position, quoted};
use crate::limits;
use crate::secret::Secret;
use crate::yaml::{self, Kind, Node};

/// What one Mount asks for.
#[derive(Debug)]
pub struct Plan {
    /// The pod that mounts.
    pub pod: Pod,
    /// The SecretProviderClass; empty when the driver does not say.
    pub class_name: String,
    /// The class's region, for objects without one of their own.
    pub region: Option<Region>,
    /// Whether to read with the identity of the pod's service account (`usePodServiceAccountToken`).
    pub pod_identity: bool,
    /// The service account tokens as the driver sent them: JSON text, by audience.
    pub tokens: Option<Secret>,
    /// What to fetch, in the order of the list; at least one.
    pub objects: Vec<Object>,
    /// A digest of the class's parameters.
    pub parameters: [u8; 32],
    /// What works but is probably not meant so.
    pub warnings: Vec<Problem>,
    pub(super) translation: Translation,
}

/// What an object takes in a plan, beside its longest texts, and in a Mount: endpoint, identity, results.
const OBJECT_BYTES: usize = 1_024;

/// What a part takes, beside its expression.
const PART_BYTES: usize = 512;

/// The pod, as kubelet vouches for it. Texts are empty when the driver does not say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pod {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its UID.
    pub uid: String,
    /// The service account it runs as.
    pub service_account: String,
}

impl Plan {
    /// How many bytes it takes itself, about.
    pub fn memory(&self) -> usize {
        let of_part = |part: &Part| match &part.select {
            Select::One { expression, .. } => PART_BYTES.saturating_add(expression.as_str().len()),
            Select::Keys { .. } => PART_BYTES,
        };
        let of_object = |object: &Object| {
            let account = object.cross_account.as_ref();
            let external_id = account.and_then(|account| account.external_id.as_ref());
            let parts = object.parts.iter().map(of_part).sum::<usize>();
            OBJECT_BYTES
                .saturating_add(object.name.len())
                .saturating_add(external_id.map_or(0, |id| id.as_str().len()))
                .saturating_add(parts)
        };
        self.objects.iter().map(of_object).sum()
    }

    /// Reads the parameters. Incomplete when `report` holds problems afterwards.
    pub(super) fn parse(attributes: Attributes, permission: Mode, report: &mut Report) -> Self {
        let region = parameter("region", &attributes.region, Region::parse, report);
        let translation = parameter(
            "pathTranslation",
            &attributes.path_translation,
            Translation::parse,
            report,
        );
        let mode = parameter("filePermission", &attributes.file_permission, Mode::parse, report);
        let pod_identity = parameter(
            "usePodServiceAccountToken",
            &attributes.pod_identity,
            parse_boolean,
            report,
        );
        let translation = translation.unwrap_or(Translation::DEFAULT);
        let class = Class {
            region: region.as_ref(),
            translation,
            mode: mode.unwrap_or(permission),
        };
        let objects = objects(&attributes.objects, &class, report);
        clashes(&objects, report);
        Self {
            parameters: attributes.digest(),
            pod: attributes.pod,
            class_name: attributes.class_name,
            region,
            pod_identity: pod_identity.unwrap_or(false),
            tokens: attributes.tokens,
            objects,
            warnings: Vec::new(),
            translation,
        }
    }
}

fn parameter<T>(
    name: &str,
    text: &str,
    parse: impl FnOnce(&str) -> Result<T, Diagnostic>,
    report: &mut Report,
) -> Option<T> {
    if text.is_empty() {
        return None;
    }
    match parse(text) {
        Ok(value) => Some(value),
        Err(wrong) => {
            report.problem(&Place::parameter(name), wrong.text, wrong.remedy);
            None
        }
    }
}

/// Reads the list.
fn objects(text: &str, class: &Class<'_>, report: &mut Report) -> Vec<Object> {
    let place = Place::parameter("objects");
    let root = match yaml::parse(text) {
        Ok(root) => root,
        Err(error) => {
            report.problem(
                &Place {
                    at: error.at,
                    ..place
                },
                error.text,
                error.remedy,
            );
            return Vec::new();
        }
    };
    let example = "write a list such as \"- objectName: my-secret\"";
    let items = match root.kind {
        Kind::List(items) if items.is_empty() => {
            report.problem(&place, "the list is empty, so there is nothing to mount", example);
            return Vec::new();
        }
        Kind::Null => {
            report.problem(&place, "missing or empty, so there is nothing to mount", example);
            return Vec::new();
        }
        Kind::List(items) if items.len() > limits::OBJECTS => {
            let text = format!(
                "{} items are more than the limit of {}",
                items.len(),
                limits::OBJECTS
            );
            report.problem(&place, text, "split the SecretProviderClass");
            return Vec::new();
        }
        Kind::List(items) => items,
        Kind::Map(_) => {
            let remedy = "begin each item with \"- objectName:\"";
            report.problem(&place.at(root.at), "a list is due, not a mapping", remedy);
            return Vec::new();
        }
        Kind::Text(_) => {
            report.problem(&place.at(root.at), "a list is due, not text", example);
            return Vec::new();
        }
    };
    let mut objects = Vec::with_capacity(items.len());
    let mut items = (1..).zip(&items).peekable();
    while let Some((number, item)) = items.next() {
        let place = item_place(number, item);
        let follower = items.next_if(|(_, next)| completes(item, next));
        let completing = follower.and_then(|(number, next)| completion(number, next, report));
        match &item.kind {
            Kind::Map(entries) => {
                objects.extend(Object::parse(entries, &place, class, completing, report));
            }
            Kind::Null => report.problem(&place, "the item is empty", "remove the lone \"-\""),
            Kind::Text(text) => {
                let remedy = format!("write {}", snippet("objectName", text));
                report.problem(&place, "a mapping is due, not text", remedy);
            }
            Kind::List(_) => {
                report.problem(
                    &place,
                    "a mapping is due, not a list",
                    "write one \"-\" for each item",
                );
            }
        }
    }
    objects
}

fn item_place(number: usize, item: &Node) -> Place {
    Place {
        item: Some(number),
        at: Some(item.at),
        ..Place::default()
    }
}

/// Whether `next` is nothing but an `objectType`, and `item` has a name and no type. The product's documentation
/// shows an object as two such items, and people paste it.
fn completes(item: &Node, next: &Node) -> bool {
    let Kind::Map(entries) = &item.kind else {
        return false;
    };
    let has = |name: &str| entries.iter().any(|(key, _)| key.is_text(name));
    lone_type(next).is_some() && has("objectName") && !has("objectType")
}

/// The value of an item that is nothing but an `objectType`.
fn lone_type(item: &Node) -> Option<(&str, Position)> {
    let Kind::Map(entries) = &item.kind else {
        return None;
    };
    match entries.as_slice() {
        [
            (
                key,
                Node {
                    kind: Kind::Text(text),
                    at,
                    ..
                },
            ),
        ] if key.is_text("objectType") => Some((text, *at)),
        _ => None,
    }
}

/// The type that such an item gives to the one before it.
fn completion(number: usize, item: &Node, report: &mut Report) -> Option<Service> {
    let (text, at) = lone_type(item)?;
    let place = item_place(number, item);
    let before = number.saturating_sub(1);
    report.warn(
        &place,
        format_args!("only an objectType, taken as part of item {before}; remove its \"-\" and align it with objectName"),
    );
    match Service::parse(text) {
        Ok(service) => Some(service),
        Err(wrong) => {
            report.problem(&place.field("objectType", at), wrong.text, wrong.remedy);
            None
        }
    }
}

/// Reports paths that are equal or nest, over all items.
fn clashes(objects: &[Object], report: &mut Report) {
    let mut paths = Paths::new();
    for object in objects {
        let whole = object.whole.iter().map(|target| (&object.place, &target.path));
        let parts = object.parts.iter().filter_map(|part| match &part.select {
            Select::One { target, .. } => Some((&part.place, &target.path)),
            Select::Keys { .. } => None,
        });
        for (place, path) in whole.chain(parts) {
            if let Err(clash) = paths.take(path, place) {
                let (text, remedy) = clash_text(path, clash);
                report.problem(place, text, remedy);
            }
        }
    }
    if paths.len() > limits::FILES {
        let text = format!(
            "{} files are more than the limit of {}",
            paths.len(),
            limits::FILES
        );
        report.problem(
            &Place::parameter("objects"),
            text,
            "split the SecretProviderClass",
        );
    }
}

/// How to tell a clash: both owners are named.
pub(super) fn clash_text(path: &FileName, clash: Clash<&Place>) -> (String, &'static str) {
    let remedy = "give one of them another objectAlias";
    let path = quoted(path.as_str());
    let text = match clash {
        Clash::Same(other) => format!("the file name {path} is taken by {other}"),
        Clash::Inside(other) => format!("the file name {path} lies inside the file of {other}"),
        Clash::Around(other) => format!("the file name {path} is a directory for {other}"),
    };
    (text, remedy)
}
