//! `jmesPath`: the parts of a JSON value that become files of their own.

use super::fields::Fields;
use super::keys;
use crate::diagnostic::quoted;
use crate::jmespath::{Expression, is_identifier};
use crate::params::encoding::Encoding;
use crate::params::file_name::{FileName, Translation};
use crate::params::names::{Mode, parse_boolean};
use crate::params::plan::{Part, PlannedFile};
use crate::yaml::{Kind, Node};

/// Reads the field `jmesPath` of an item.
pub(super) fn parse(fields: &mut Fields<'_, '_>, translation: Translation, mode: Mode) -> Vec<PlannedFile> {
    let Some(node) = fields.node("jmesPath") else {
        return Vec::new();
    };
    let remedy = match &node.kind {
        Kind::List(entries) => {
            let part = |(number, entry)| part(entry, number, fields, translation, mode);
            return (1..).zip(entries).filter_map(part).collect();
        }
        Kind::Text(text) if text == "*" => {
            return vec![PlannedFile {
                place: fields.at("jmesPath"),
                part: all_keys(None, translation),
                mode,
                encoding: None,
                optional: false,
            }];
        }
        Kind::Text(text) if text.is_empty() => return Vec::new(),
        Kind::Text(text) => format!("write {} below jmesPath, or \"*\" for all keys", snippet(text)),
        Kind::Map(_) | Kind::Null => "begin each entry with \"- path:\"".to_owned(),
    };
    let place = fields.at("jmesPath");
    fields
        .report
        .problems
        .add(&place, node.expected("a list", remedy));
    Vec::new()
}

/// YAML to write, for a remedy, quoted so that it can be copied.
fn snippet(path: &str) -> String {
    format!("`- path: {}`", quoted(path))
}

fn all_keys(prefix: Option<&str>, translation: Translation) -> Part {
    Part::Keys {
        prefix: prefix.unwrap_or_default().to_owned(),
        translation,
    }
}

/// One entry of the list.
fn part(
    node: &Node,
    number: usize,
    item: &mut Fields<'_, '_>,
    translation: Translation,
    mode: Mode,
) -> Option<PlannedFile> {
    let name = format!("jmesPath[{number}]");
    if !matches!(node.kind, Kind::Map(_)) {
        let remedy = match node.as_text() {
            Some(text) => format!("write {}", snippet(text)),
            None => "write \"- path:\" with a JMESPath expression".to_owned(),
        };
        let place = item.place.field(name, node.at);
        item.report
            .problems
            .add(&place, node.expected("a mapping", remedy));
        return None;
    }
    let place = item.place.at(node.at);
    let mut fields = Fields::new(node, keys::PART, place, format!("{name}."), &mut *item.report);
    let mode = fields.parsed("filePermission", Mode::parse).unwrap_or(mode);
    let encoding = fields.parsed("objectEncoding", Encoding::parse);
    let optional = fields.parsed("optional", parse_boolean).unwrap_or(false);
    let path = fields.required("path", "write a JMESPath expression such as \"username\"")?;
    let prefix = fields.text("prefix");
    let part = match fields.text("objectAlias") {
        None if path == "*" => all_keys(prefix, translation),
        alias => {
            if prefix.is_some() {
                let text = "only an entry with path \"*\" and no objectAlias takes it";
                fields.problem("prefix", text, "put it into objectAlias");
            }
            let expression = fields.parsed("path", Expression::parse);
            if let Some(warning) = expression.as_ref().and_then(Expression::warning) {
                fields.warn("path", warning.to_string());
            }
            let (field, name) = match alias {
                Some(alias) => ("objectAlias", alias),
                None if is_identifier(path) => ("path", path),
                None => {
                    let text = format!("the expression {} names no file", quoted(path));
                    let remedy = "add objectAlias; only a plain key names its file by itself";
                    expression?; // invalid expressions are already reported
                    fields.problem("path", text, remedy);
                    return None;
                }
            };
            let name = fields.take(field, FileName::parse(&translation.apply(name)));
            Part::Expression(expression?, name?)
        }
    };
    Some(PlannedFile {
        place: fields.at("path"),
        part,
        mode,
        encoding,
        optional,
    })
}
