//! One SecretProviderClass: its parameters read by the code that mounts, its `secretObjects` held against the files,
//! and every place translated into the file's own lines and columns.

use super::access::Checker;
use super::manifest::Document;
use super::parameters::Parameters;
use super::report::{Class, File, Finding};
use super::{official, secret_objects};
use crate::params::{Encoding, Input, Options, Part, Plan, Problem, UnknownKeys, examine};
use crate::yaml::{self, Kind, Node};

/// Nothing known yet but what it is called and where it is.
pub(super) fn bare(document: Document<'_>, root: &Node) -> Class {
    let at = document.in_file(root.at);
    let metadata = |key| root.get("metadata").and_then(|metadata| metadata.text_of(key));
    Class {
        line: at.line,
        column: at.column,
        namespace: metadata("namespace").unwrap_or_default().to_owned(),
        name: metadata("name").unwrap_or_default().to_owned(),
        files: Vec::new(),
        access: Vec::new(),
        errors: Vec::new(),
        warnings: Vec::new(),
        notes: Vec::new(),
        parameters: None,
    }
}

/// Checks everything about the class.
pub(super) fn check(document: Document<'_>, root: &Node, policy: Option<&Checker<'_>>) -> Class {
    let mut class = bare(document, root);
    let parameters = Parameters::read(document, root, &mut class.errors);
    let options = Options {
        unknown_keys: UnknownKeys::Error,
    };
    let (plan, warnings) = examine(
        &Input {
            attributes: &parameters.attributes(),
            permission: DRIVERS_PERMISSION,
        },
        &options,
    );
    let finding = |problem: &Problem, text: &str| {
        let at = parameters.place(problem.place.field.as_deref(), problem.place.at);
        Finding::new(at, &problem.place.subject(), text, &problem.remedy)
    };
    let as_it_is = |problem: &Problem| finding(problem, &problem.text);
    class.warnings.extend(warnings.iter().map(as_it_is));
    match plan {
        Ok(plan) => {
            secret_objects::check(&mut class, document, root, &plan);
            if class.errors.is_empty() {
                class.files = files(&plan);
                class.parameters = Some(plan.to_parameters());
            }
            if let Some(policy) = policy {
                policy.judge(&mut class, &parameters.texts(), plan);
            }
        }
        Err(problems) => {
            let told = |problem: &&Problem| {
                parameters.unreadable_objects && problem.place.field.as_deref() == Some("objects")
            };
            let new = problems.iter().filter(|problem| !told(problem));
            class
                .errors
                .extend(new.map(|problem| finding(problem, &parameters.relocated(&problem.text))));
            if problems.dropped() > 0 {
                let text = format!("{} more errors are not shown", problems.dropped());
                class
                    .errors
                    .push(Finding::new(parameters.at, "parameters", text, ""));
            }
        }
    }
    class.notes = notes(&parameters).iter().map(as_it_is).collect();
    for list in [&mut class.errors, &mut class.warnings, &mut class.notes] {
        list.sort();
        list.dedup();
    }
    class
}

fn notes(parameters: &Parameters<'_>) -> Vec<Problem> {
    let texts = parameters.texts();
    let root = yaml::parse(texts.get("objects").copied().unwrap_or_default());
    let items: Result<&[Node], &str> = match &root {
        Ok(root) => match &root.kind {
            Kind::List(items) => Ok(items),
            _ => Err(""),
        },
        Err(error) => Err(&error.text),
    };
    official::notes(&texts, items)
}

/// What the driver sends when no pod asks for another mode: 0644.
const DRIVERS_PERMISSION: &str = "420";

fn files(plan: &Plan) -> Vec<File> {
    let files = plan.objects.iter();
    let files = files.flat_map(|object| object.files.iter().map(move |file| (file, object)));
    files
        .map(|(file, object)| File {
            path: file.path().to_owned(),
            mode: file.mode.to_string(),
            service: object.service.to_string(),
            object: object.name.clone(),
            version: object.version.as_ref().map(ToString::to_string),
            stage: object.stage.clone(),
            region: object
                .region
                .as_ref()
                .or(plan.region.as_ref())
                .map(ToString::to_string),
            endpoint: object.kms_endpoint.as_ref().map(ToString::to_string),
            role: object
                .cross_account
                .as_ref()
                .map(|account| account.role_arn.to_string()),
            expression: file.expression().map(str::to_owned),
            keys: matches!(file.part, Part::Keys { .. }),
            encoding: file.encoding.map(Encoding::name),
            optional: object.optional || file.optional,
        })
        .collect()
}
