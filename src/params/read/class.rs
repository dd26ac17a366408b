//! The parameters of the class, and the list of `objects`.

use super::attributes::Attributes;
use super::miswritten;
use super::object::{self, Class};
use super::report::Report;
use crate::diagnostic::{Diagnostic, quoted};
use crate::limits;
use crate::params::file_name::{Paths, Translation};
use crate::params::names::{Mode, Region, Service, parse_boolean};
use crate::params::plan::{Object, Part, Plan};
use crate::params::problem::Place;
use crate::yaml::{self, Kind, Node};

const SPLIT: &str = "split the SecretProviderClass";

/// Reads the parameters. Incomplete when `report` holds problems afterwards.
pub(crate) fn plan(attributes: Attributes, permission: Mode, report: &mut Report) -> Plan {
    let region = parameter("region", &attributes, Region::parse, report);
    let translation = parameter("pathTranslation", &attributes, Translation::parse, report);
    let mode = parameter("filePermission", &attributes, Mode::parse, report);
    let pod_identity = parameter("usePodServiceAccountToken", &attributes, parse_boolean, report);
    let translation = translation.unwrap_or(Translation::DEFAULT);
    let class = Class {
        region: region.as_ref(),
        translation,
        mode: mode.unwrap_or(permission),
    };
    let items = items(attributes.parameter("objects"));
    let items = report.take(&Place::parameter("objects"), items);
    let objects = objects(&items.unwrap_or_default(), &class, report);
    clashes(&objects, report);
    Plan {
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

fn parameter<T>(
    name: &str,
    attributes: &Attributes,
    parse: impl FnOnce(&str) -> Result<T, Diagnostic>,
    report: &mut Report,
) -> Option<T> {
    match attributes.parameter(name) {
        "" => None,
        text => report.take(&Place::parameter(name), parse(text)),
    }
}

/// The items of the list, at least one.
fn items(text: &str) -> Result<Vec<Node>, Diagnostic> {
    let example = "write a list such as \"- objectName: my-secret\"";
    let root = yaml::parse(text).map_err(|error| match miswritten::remedy(text) {
        Some(remedy) => Diagnostic { remedy, ..error },
        None => error,
    })?;
    let nothing = |what: &str| format!("{what}, so there is nothing to mount");
    match root.kind {
        Kind::Null => Err(Diagnostic::new(nothing("missing or empty"), example)),
        Kind::List(items) if items.is_empty() => Err(Diagnostic::new(nothing("the list is empty"), example)),
        Kind::List(items) => {
            Diagnostic::bound(items.len(), "items", limits::OBJECTS, SPLIT)?;
            Ok(items)
        }
        Kind::Map(_) if root.field("array").is_some() => Err(root.expected(
            "a list",
            "remove the line `array:`, and the `|` after each \"-\" if there is one",
        )),
        Kind::Map(_) | Kind::Text(_) => Err(root.expected("a list", example)),
    }
}

fn objects(items: &[Node], class: &Class<'_>, report: &mut Report) -> Vec<Object> {
    let mut objects = Vec::with_capacity(items.len());
    let mut items = (1..).zip(items).peekable();
    while let Some((number, item)) = items.next() {
        let place = Place::item(number, None).at(item.at);
        let completing = items
            .next_if(|(_, next)| lacks_type(item) && lone_type(next).is_some())
            .and_then(|(number, next)| completion(number, next, report));
        let remedy = match &item.kind {
            Kind::Map(_) => {
                objects.extend(object::parse(item, place, class, completing, report));
                continue;
            }
            Kind::Null => "remove the lone \"-\"".to_owned(),
            Kind::Text(text) if miswritten::is_item(text) => {
                "it is text that holds YAML: remove the `|` or `>` after the \"-\"".to_owned()
            }
            Kind::Text(text) => {
                miswritten::remedy(text).unwrap_or_else(|| format!("write `- objectName: {}`", quoted(text)))
            }
            Kind::List(_) => "write one \"-\" for each item".to_owned(),
        };
        report.problems.add(&place, item.expected("a mapping", remedy));
    }
    objects
}

/// Whether an item has a name and no type. The product's documentation shows an object as two items, the second of
/// which is nothing but an `objectType`, and people paste it.
fn lacks_type(item: &Node) -> bool {
    item.position_of("objectName").is_some() && item.position_of("objectType").is_none()
}

/// The value of an item that is nothing but an `objectType`.
fn lone_type(item: &Node) -> Option<(&str, &Node)> {
    let value = item.field("objectType").filter(|_| item.entries().len() == 1)?;
    Some((value.as_text()?, value))
}

/// The type that such an item gives to the one before it.
fn completion(number: usize, item: &Node, report: &mut Report) -> Option<Service> {
    let (text, value) = lone_type(item)?;
    let place = Place::item(number, None).at(item.at);
    let before = number.saturating_sub(1);
    let warning = format!(
        "only an objectType, taken as part of item {before}; remove its \"-\" and align it with objectName"
    );
    report.warn(&place, warning);
    report.take(&place.field("objectType", value.at), Service::parse(text))
}

/// Reports paths that are equal or nest, over all items.
fn clashes(objects: &[Object], report: &mut Report) {
    let mut paths = Paths::default();
    for file in objects.iter().flat_map(|object| &object.files) {
        if let Part::Whole(name) | Part::Expression(_, name) = &file.part {
            report.take(&file.place, paths.take(name, &file.place));
        }
    }
    let count = Diagnostic::bound(paths.len(), "files", limits::FILES, SPLIT);
    report.take(&Place::parameter("objects"), count);
}
