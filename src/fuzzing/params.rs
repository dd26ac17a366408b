//! What must hold of parameters, whatever they are: for the fuzzer, and for a replay of its seeds.
//!
//! Inputs are text; what is no UTF-8 is passed on with replacements.

use std::collections::BTreeMap;

use super::driver_rules::driver_accepts;
use crate::jmespath::{Budget, Expression, Fault};
use crate::limits;
use crate::params::{
    FileName, Input, Object, Options, Part, Plan, PlannedFile, Problem, Problems, Translation, UnknownKeys,
    parse,
};
use crate::secret::Secret;
use crate::yaml;

/// The attributes as the driver sends them.
pub(super) fn attributes(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    for unknown_keys in [UnknownKeys::Warn, UnknownKeys::Error] {
        judge(&text, "420", unknown_keys);
    }
}

/// The text of `objects`, under both kinds of translation.
pub(super) fn objects(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    if let Ok(root) = yaml::parse(&text) {
        let (nodes, bytes, depth) = root.cost();
        assert!(nodes <= limits::OBJECTS_NODES, "{nodes} nodes");
        assert!(bytes <= limits::OBJECTS_EXPANDED_BYTES, "{bytes} bytes");
        assert!(depth <= limits::OBJECTS_DEPTH, "{depth} levels");
    }
    for translation in ["", "False"] {
        let attributes = serde_json::json!({"objects": text, "pathTranslation": translation});
        judge(&attributes.to_string(), "420", UnknownKeys::Warn);
    }
}

/// A name that becomes a file name under each kind of translation.
pub(super) fn file_names(data: &[u8]) {
    let name = String::from_utf8_lossy(data);
    for translation in [
        Translation::DEFAULT,
        Translation::Off,
        Translation::To('/'),
        Translation::To('.'),
    ] {
        let path = translation.apply(&name);
        let admitted = path.len() <= limits::PATH_BYTES && path.split('/').count() <= limits::PATH_COMPONENTS;
        match FileName::parse(&path) {
            Ok(accepted) => {
                assert!(
                    driver_accepts(accepted.as_str()),
                    "{path:?} is refused by the driver"
                );
                assert_eq!(
                    translation.apply(accepted.as_str()),
                    path,
                    "a final path stays as it is"
                );
            }
            Err(wrong) => {
                assert!(
                    !(admitted && driver_accepts(&path)),
                    "{path:?} is refused for nothing: {}",
                    wrong.text
                );
            }
        }
    }
}

/// An expression, a line feed, a JSON document.
pub(super) fn jmespath(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let (expression, document) = text.split_once('\n').unwrap_or((&text, "{}"));
    let Ok(expression) = Expression::parse(expression) else {
        return;
    };
    let of = |document: &str| {
        let mut budget = Budget::new();
        let document = budget.read(document.as_bytes())?;
        let result = expression.search(&document, &mut budget)?;
        let text = budget.write(&result)?;
        assert!(text.as_str().len() <= limits::EVALUATION_BYTES);
        Ok::<String, Fault>(text.as_str().to_owned())
    };
    let first = of(document);
    assert_eq!(first, of(document), "equal values give equal files");
    if expression.is_constant() && document.trim() != "null" {
        for other in ["{}", "[1]", "\"x\"", r#"{"a":"b"}"#] {
            if let (Ok(first), Ok(other)) = (&first, of(other)) {
                assert_eq!(*first, other, "a constant expression");
            }
        }
    }
    if let Ok(text) = first {
        // What is written is JSON, so that a reader of the file reads what was meant.
        assert!(
            serde_json::from_str::<serde::de::IgnoredAny>(&text).is_ok(),
            "{text}"
        );
    }
}

/// Parses, prints and parses again, renders, and judges what comes out.
fn judge(attributes: &str, permission: &str, unknown_keys: UnknownKeys) {
    let input = Input {
        attributes,
        permission,
    };
    let plan = match parse(&input, &Options { unknown_keys }) {
        Ok(plan) => plan,
        Err(problems) => return message(&problems),
    };
    assert!((1..=limits::OBJECTS).contains(&plan.objects.len()));
    assert!(plan.warnings.len() <= limits::PROBLEMS);
    reads_back(&plan);
    for value in [r#"{"a":{"b":"00ff"},"c/d":1,"..":null,"user":"x"}"#, "YQ=="] {
        let value = Secret::from(value.to_owned());
        let values: Vec<Option<&Secret>> = plan
            .objects
            .iter()
            .map(|object| (!object.optional).then_some(&value))
            .collect();
        let files = match plan.render(&values) {
            Ok(files) => files,
            Err(problems) => {
                message(&problems);
                continue;
            }
        };
        assert!(files.len() <= limits::FILES);
        let mut paths = BTreeMap::new();
        for file in &files {
            let path = file.path.as_str();
            assert!(driver_accepts(path), "{path:?}");
            assert!(file.mode.bits() <= 0o777);
            assert!(paths.insert(path, ()).is_none(), "{path:?} twice");
        }
        for path in paths.keys() {
            let directories = path.match_indices('/').filter_map(|(at, _)| path.get(..at));
            for directory in directories {
                assert!(!paths.contains_key(directory), "{path:?} inside a file");
            }
        }
    }
}

/// The printed plan means the same plan, unless it is longer than what is read at all.
fn reads_back(plan: &Plan) {
    let parameters = plan.to_parameters();
    let printed = parameters.get("objects").map_or("", String::as_str);
    let values = printed.matches(": \"").count();
    if printed.len() > limits::OBJECTS_BYTES || values.saturating_mul(2) > limits::OBJECTS_NODES / 2 {
        return;
    }
    let attributes = serde_json::json!(parameters).to_string();
    let input = Input {
        attributes: &attributes,
        permission: "0",
    };
    let options = Options {
        unknown_keys: UnknownKeys::Error,
    };
    match parse(&input, &options) {
        Ok(again) => {
            assert!(means_the_same(plan, &again), "{printed}");
            let is_told_again = |warning: &Problem| warning.text.contains("never reads the value");
            let told = |plan: &Plan| plan.warnings.iter().filter(|it| is_told_again(it)).count();
            assert!(
                again.warnings.iter().all(is_told_again),
                "{:?} for {printed}",
                again.warnings
            );
            assert!(told(&again) >= told(plan), "{printed}");
        }
        Err(problems) => panic!("{problems} for {printed}"),
    }
}

/// Whether both ask for the same objects and make the same files of them.
fn means_the_same(one: &Plan, other: &Plan) -> bool {
    one.region == other.region
        && one.pod_identity == other.pod_identity
        && one.translation == other.translation
        && one.objects.len() == other.objects.len()
        && one.objects.iter().zip(&other.objects).all(same_object)
}

fn same_object((one, other): (&Object, &Object)) -> bool {
    one.name == other.name
        && one.service == other.service
        && one.version == other.version
        && one.stage == other.stage
        && one.region == other.region
        && one.kms_endpoint == other.kms_endpoint
        && one.cross_account == other.cross_account
        && one.optional == other.optional
        && one.encoding == other.encoding
        && one.files.len() == other.files.len()
        && one.files.iter().zip(&other.files).all(same_file)
}

fn same_file((one, other): (&PlannedFile, &PlannedFile)) -> bool {
    let part = match (&one.part, &other.part) {
        (Part::Whole(one), Part::Whole(other)) => one == other,
        (Part::Expression(one, name), Part::Expression(other, same)) => {
            one.as_str() == other.as_str() && name == same
        }
        (
            Part::Keys { prefix, translation },
            Part::Keys {
                prefix: other,
                translation: same,
            },
        ) => (prefix, translation) == (other, same),
        _ => false,
    };
    part && one.mode == other.mode && one.encoding == other.encoding && one.optional == other.optional
}

fn message(problems: &Problems) {
    let text = problems.to_string();
    assert!(!text.is_empty() && !text.contains('\n'), "{text}");
    assert!(
        text.len() <= limits::PROBLEMS_MESSAGE_BYTES + 100,
        "{}",
        text.len()
    );
    assert!(problems.iter().count() <= limits::PROBLEMS);
}
