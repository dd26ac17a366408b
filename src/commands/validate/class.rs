//! Checks one SecretProviderClass: reads its parameters with the code that mounts them, compares `secretObjects` with the
//! files, and translates positions to lines and columns of the file.

use super::access::Checker;
use super::parameters::{Parameters, STRICT};
use super::report::{Class, File, Finding};
use super::{official, secret_objects};
use crate::commands::manifest::{Document, KIND, is_class, is_nearly_class};
use crate::diagnostic::{nearest, quoted};
use crate::limits;
use crate::params::{CLASS_KEYS, Encoding, Input, Part, Plan, Problem, examine};
use crate::yaml::{self, Kind, Node};

const GROUP: &str = "secrets-store.csi.x-k8s.io/";

/// The result for a resource; `None` if it is not a class for this provider.
pub(super) fn examined(document: Document<'_>, root: &Node, policy: Option<&Checker<'_>>) -> Option<Class> {
    let mut class = Class::new(root);
    match is_ours(root) {
        Ok(true) => check(&mut class, document, root, policy),
        Ok(false) => return None,
        Err((text, remedy)) => class.error(root.at, "", &text, remedy),
    }
    Some(class)
}

/// Whether it is a class for this provider.
///
/// # Errors
/// Why no provider accepts the class, and what to write.
fn is_ours(root: &Node) -> Result<bool, (String, &'static str)> {
    let broken = |text: &str, remedy| Err((text.to_owned(), remedy));
    let provider = root.get("spec").and_then(|spec| spec.text_of("provider"));
    let provider = provider.unwrap_or_default();
    if !is_class(root) {
        let kind = root.text_of("kind").unwrap_or_default();
        if is_nearly_ours(provider) && is_nearly_class(kind) {
            return broken(
                &format!("unknown kind {}", quoted(kind)),
                "write kind: SecretProviderClass",
            );
        }
        return Ok(false);
    }
    let api = root.text_of("apiVersion").unwrap_or_default();
    match api.strip_prefix(GROUP) {
        Some("v1" | "v1alpha1") => {}
        Some(version) => {
            let text = format!("the version {version} of {KIND} does not exist");
            return broken(&text, "write apiVersion: secrets-store.csi.x-k8s.io/v1");
        }
        None if api.is_empty() => {
            return broken("apiVersion is missing", "write secrets-store.csi.x-k8s.io/v1");
        }
        None if is_nearly_ours(provider) => {
            let text = format!("the apiVersion {} has no {KIND}", quoted(api));
            return broken(&text, "write apiVersion: secrets-store.csi.x-k8s.io/v1");
        }
        None => return Ok(false),
    }
    if root.get("spec").is_none() {
        return broken("spec is missing", "write spec: with provider and parameters");
    }
    match provider {
        OURS => Ok(true),
        "" => broken("spec.provider is missing", "write provider: alibabacloud"),
        name if is_nearly_ours(name) => {
            let text = format!("unknown provider {}", quoted(name));
            broken(&text, "did you mean alibabacloud?")
        }
        _ => Ok(false),
    }
}

/// The provider's name in a class.
const OURS: &str = "alibabacloud";

/// Whether a provider's name is ours, a misspelling of it, or another name of the same cloud.
fn is_nearly_ours(name: &str) -> bool {
    let plain: String = name.chars().filter(char::is_ascii_alphanumeric).collect();
    let plain = plain.to_ascii_lowercase();
    let names = ["alibaba", "aliyun", "alicloud"];
    names.iter().any(|other| plain.starts_with(other)) || nearest(&plain, &[OURS]).is_some()
}

const SPEC: [&str; 3] = ["provider", "parameters", "secretObjects"];

/// Reports keys that the API server does not know and refuses, or drops without a word.
fn unknown(class: &mut Class, node: &Node, level: &str, known: &[&str]) {
    let keys = node
        .entries()
        .iter()
        .filter_map(|(key, _)| Some((key.at, key.as_text()?)));
    for (at, key) in keys
        .filter(|(_, key)| !known.contains(key))
        .take(limits::PROBLEMS)
    {
        let remedy = if CLASS_KEYS.contains(&key) {
            "move it below spec.parameters".to_owned()
        } else if SPEC.contains(&key) {
            "move it below spec".to_owned()
        } else {
            match nearest(key, known) {
                Some(near) => format!("did you mean {near}?"),
                None => "remove it".to_owned(),
            }
        };
        class.error(
            at,
            &format!("key {}", quoted(&format!("{level}{key}"))),
            "unknown",
            &remedy,
        );
    }
}

/// Checks everything about the class.
fn check(class: &mut Class, document: Document<'_>, root: &Node, policy: Option<&Checker<'_>>) {
    unknown(
        class,
        root,
        "",
        &["apiVersion", "kind", "metadata", "spec", "status"],
    );
    if let Some(spec) = root.get("spec") {
        unknown(class, spec, "spec.", &SPEC);
    }
    let parameters = Parameters::read(document, root, class);
    let input = Input {
        attributes: &parameters.attributes(),
        // The driver's default mode, 0644.
        permission: "420",
    };
    let (plan, warnings) = examine(&input, &STRICT);
    let finding = |problem: &Problem, text: &str| {
        let at = parameters.place(problem.place.field.as_deref(), problem.place.at);
        Finding::new(at, &problem.place.subject(), text, &problem.remedy)
    };
    let as_it_is = |problem: &Problem| finding(problem, &problem.text);
    class.warnings.extend(warnings.iter().map(as_it_is));
    match plan {
        Ok(plan) => {
            secret_objects::check(class, root, Some(&plan));
            if class.errors.is_empty() {
                class.files = files(&plan);
                class.parameters = Some(plan.to_parameters());
            }
            if let Some(policy) = policy {
                policy.judge(class, &parameters.texts(), plan);
            }
        }
        Err(problems) => {
            let reported = |problem: &&Problem| {
                parameters.unreadable_objects && problem.place.field.as_deref() == Some("objects")
            };
            let new = problems.iter().filter(|problem| !reported(problem));
            let new = new.map(|problem| finding(problem, &parameters.relocated(&problem.text)));
            class.errors.extend(new);
            secret_objects::check(class, root, None);
            if problems.dropped() > 0 {
                let text = format!("{} more errors are not shown", problems.dropped());
                let more = Finding::new(parameters.at, "parameters", &text, "");
                class.errors.push(more);
            }
        }
    }
    class.notes = notes(&parameters).iter().map(as_it_is).collect();
    for list in [&mut class.errors, &mut class.warnings, &mut class.notes] {
        list.sort();
        list.dedup();
    }
}

fn notes(parameters: &Parameters<'_>) -> Vec<Problem> {
    let texts = parameters.texts();
    let root = yaml::parse(texts.get("objects").copied().unwrap_or_default());
    let items: Result<&[Node], &str> = match &root {
        Ok(Node {
            kind: Kind::List(items),
            ..
        }) => Ok(items),
        Ok(_) => Err(""),
        Err(error) => Err(&error.text),
    };
    official::notes(&texts, items)
}

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
