//! `jmesPath`: the parts of a JSON value that become files of their own.

use super::encoding::Encoding;
use super::fields::Fields;
use super::file_name::{FileName, Translation};
use super::keys;
use super::names::{Mode, parse_boolean};
use super::object::{Class, Target};
use super::problem::{Place, Report, snippet};
use crate::diagnostic::quoted;
use crate::jmespath::{Expression, is_identifier};
use crate::yaml::{Kind, Node};

/// One entry of `jmesPath`.
#[derive(Debug)]
pub(super) struct Part {
    /// Where messages about it point: at its `path`.
    pub(super) place: Place,
    pub(super) select: Select,
    pub(super) encoding: Option<Encoding>,
    /// Whether a null makes no file, instead of an error.
    pub(super) optional: bool,
}

/// What an entry selects.
#[derive(Debug)]
pub(super) enum Select {
    /// One result, one file.
    One { expression: Expression, target: Target },
    /// Every key of the top-level object, a file each.
    Keys {
        prefix: String,
        translation: Translation,
        mode: Mode,
    },
}

impl Part {
    /// Reads the field `jmesPath` of an item.
    pub(super) fn parse_all(fields: &Fields<'_>, class: &Class<'_>, report: &mut Report) -> Vec<Self> {
        let Some(node) = fields.node("jmesPath") else {
            return Vec::new();
        };
        let place = fields.at("jmesPath");
        match &node.kind {
            Kind::List(entries) => entries
                .iter()
                .enumerate()
                .filter_map(|(index, entry)| {
                    Self::parse_entry(entry, index.saturating_add(1), &fields.place, class, report)
                })
                .collect(),
            Kind::Text(text) if text == "*" => {
                let select = Select::Keys {
                    prefix: String::new(),
                    translation: class.translation,
                    mode: class.mode,
                };
                vec![Self {
                    place,
                    select,
                    encoding: None,
                    optional: false,
                }]
            }
            Kind::Text(text) if text.is_empty() => Vec::new(),
            Kind::Text(text) => {
                let remedy = format!(
                    "write {} below jmesPath, or \"*\" for all keys",
                    snippet("path", text)
                );
                report.problem(&place, "a list is due, not text", remedy);
                Vec::new()
            }
            other => {
                let remedy = "begin each entry with \"- path:\"";
                report.problem(&place, format!("a list is due, not {}", other.name()), remedy);
                Vec::new()
            }
        }
    }

    fn parse_entry(
        node: &Node,
        number: usize,
        item: &Place,
        class: &Class<'_>,
        report: &mut Report,
    ) -> Option<Self> {
        let name = format!("jmesPath[{number}]");
        let Kind::Map(entries) = &node.kind else {
            let remedy = match &node.kind {
                Kind::Text(text) => format!("write {}", snippet("path", text)),
                _ => "write \"- path:\" with a JMESPath expression".to_owned(),
            };
            let text = format!("a mapping is due, not {}", node.kind.name());
            report.problem(&item.field(name, node.at), text, remedy);
            return None;
        };
        let mut item = item.clone();
        item.at = Some(node.at);
        let fields = Fields::read(entries, keys::PART, &item, &format!("{name}."), report);
        let mode = fields
            .parsed("filePermission", report, Mode::parse)
            .unwrap_or(class.mode);
        let encoding = fields.parsed("objectEncoding", report, Encoding::parse);
        let optional = fields.parsed("optional", report, parse_boolean).unwrap_or(false);
        let place = fields.at("path");
        let Some(path) = fields.text("path", report) else {
            if !matches!(
                fields.node("path").map(|node| &node.kind),
                Some(Kind::List(_) | Kind::Map(_))
            ) {
                report.problem(
                    &place,
                    "missing",
                    "write a JMESPath expression such as \"username\"",
                );
            }
            return None;
        };
        let alias = fields.text("objectAlias", report);
        let select = match alias {
            None if path == "*" => Select::Keys {
                prefix: fields.text("prefix", report).unwrap_or_default().to_owned(),
                translation: class.translation,
                mode,
            },
            _ => {
                if fields.text("prefix", report).is_some() {
                    let remedy = "put it into objectAlias";
                    report.problem(
                        &fields.at("prefix"),
                        "only an entry with path \"*\" and no objectAlias takes it",
                        remedy,
                    );
                }
                let expression = fields.parsed("path", report, Expression::parse);
                if let Some(warning) = expression.as_ref().and_then(Expression::warning) {
                    report.warn(&place, warning);
                }
                let (field, name) = match alias {
                    Some(alias) => ("objectAlias", alias),
                    None if is_identifier(path) => ("path", path),
                    None => {
                        if expression.is_some() {
                            let remedy = "add objectAlias; only a plain key names its file by itself";
                            report.problem(
                                &place,
                                format!("the expression {} names no file", quoted(path)),
                                remedy,
                            );
                        }
                        return None;
                    }
                };
                match FileName::parse(&class.translation.apply(name)) {
                    Ok(path) => Select::One {
                        expression: expression?,
                        target: Target { path, mode },
                    },
                    Err(wrong) => {
                        report.problem(&fields.at(field), wrong.text, wrong.remedy);
                        return None;
                    }
                }
            }
        };
        Some(Self {
            place,
            select,
            encoding,
            optional,
        })
    }
}
