//! Golden tests of the parameter grammar: every form and every error, one case a file.
//!
//! A case is `testdata/params/<topic>/<case>.yaml`; its snapshot stands beside it and shows what would be
//! fetched, the files with modes and contents, and the warnings, or the exact message. Review changes with
//! `cargo insta review`, or write them with `INSTA_UPDATE=always` and read the diff.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use csi_provider::params::{self, Input, Object, Options, Plan, UnknownKeys};
use csi_provider::secret::Secret;
use serde::Deserialize;

/// One case.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Case {
    /// The parameters of the SecretProviderClass.
    #[serde(default)]
    parameters: BTreeMap<String, String>,
    /// Instead of `parameters`: the attributes as the driver would send them.
    attributes: Option<String>,
    /// What the driver sends as `permission`.
    #[serde(default = "default_permission")]
    permission: String,
    /// `warn` or `error`.
    #[serde(default)]
    unknown_keys: UnknownKeysOption,
    /// The fetched values, one for each object; without it, each object's is a text naming the object.
    values: Option<Vec<Option<FetchedValue>>>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "lowercase")]
enum UnknownKeysOption {
    #[default]
    Warn,
    Error,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum FetchedValue {
    Text(String),
    Base64(String),
}

fn default_permission() -> String {
    "420".to_owned()
}

#[test]
fn every_case_matches_its_snapshot() {
    insta::glob!("../testdata/params", "*/*.yaml", |path| {
        let mut settings = insta::Settings::clone_current();
        settings.set_snapshot_path(path.parent().unwrap());
        settings.set_prepend_module_to_snapshot(false);
        settings.set_omit_expression(true);
        settings.remove_snapshot_suffix();
        settings.remove_input_file();
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        settings.bind(|| insta::assert_snapshot!(name, outcome(&case(path))));
    });
}

#[test]
fn every_snapshot_has_its_case() {
    let files = files(&testdata());
    let cases = files.iter().filter(|path| has_extension(path, "yaml")).count();
    assert!(cases >= 250, "{cases} cases");
    for snapshot in files.iter().filter(|path| has_extension(path, "snap")) {
        assert!(
            snapshot.with_extension("yaml").exists(),
            "{} has no case",
            snapshot.display()
        );
    }
}

/// Cases are documentation too: each opens with a comment that says what it shows.
#[test]
fn every_case_says_what_it_shows() {
    for path in files(&testdata())
        .iter()
        .filter(|path| has_extension(path, "yaml"))
    {
        let text = std::fs::read_to_string(path).unwrap();
        assert!(text.starts_with("# "), "{} has no comment", path.display());
    }
}

/// `docs/compatibility.md` names cases as evidence.
#[test]
fn every_case_that_the_documents_name_exists() {
    let document = include_str!("../docs/compatibility.md");
    let is_case = |word: &&str| {
        word.split_once('/')
            .is_some_and(|(topic, case)| testdata().join(topic).is_dir() && case.contains('_'))
    };
    let named: Vec<&str> = document.split('`').skip(1).step_by(2).filter(is_case).collect();
    assert!(named.len() >= 60, "{} cases named", named.len());
    for case in named {
        assert!(testdata().join(format!("{case}.snap")).exists(), "{case}");
    }
}

/// The messages in `docs/parameters.md` are those of the code.
#[test]
fn every_message_that_the_documents_quote_is_in_a_snapshot() {
    let document = include_str!("../docs/parameters.md");
    let (_, messages) = document.split_once("## Messages").unwrap();
    let messages: Vec<&str> = messages
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split_once('`'))
        .map(|(text, _)| text)
        .collect();
    assert!(messages.len() >= 20, "{} messages", messages.len());
    let snapshots: Vec<String> = files(&testdata())
        .iter()
        .filter(|path| has_extension(path, "snap"))
        .map(|path| std::fs::read_to_string(path).unwrap())
        .collect();
    for message in messages {
        let parts: Vec<&str> = message.split('…').filter(|part| !part.is_empty()).collect();
        let told = |snapshot: &String| parts.iter().all(|part| snapshot.contains(part));
        assert!(snapshots.iter().any(told), "{message}");
    }
}

/// What becomes of a case, as text.
fn outcome(case: &Case) -> String {
    let attributes = match &case.attributes {
        Some(attributes) => attributes.clone(),
        None => serde_json::to_string(&case.parameters).unwrap(),
    };
    let unknown_keys = match case.unknown_keys {
        UnknownKeysOption::Warn => UnknownKeys::Warn,
        UnknownKeysOption::Error => UnknownKeys::Error,
    };
    let input = Input {
        attributes: &attributes,
        permission: &case.permission,
    };
    match params::parse(&input, &Options { unknown_keys }) {
        Ok(plan) => plan_and_files(&plan, case.values.as_deref()),
        Err(problems) => format!("refused: {problems}\n"),
    }
}

fn plan_and_files(plan: &Plan, values: Option<&[Option<FetchedValue>]>) -> String {
    let mut out = String::new();
    if plan.pod_identity {
        out.push_str("with the identity of the pod\n");
    }
    for object in &plan.objects {
        writeln!(out, "fetch {}", source(plan, object)).unwrap();
    }
    for warning in &plan.warnings {
        writeln!(out, "warning: {warning}").unwrap();
    }
    let values: Vec<Option<Secret>> = match values {
        Some(values) => values.iter().map(|value| value.as_ref().map(fetched)).collect(),
        None => plan
            .objects
            .iter()
            .map(|object| Some(format!("value of {}", object.name).into()))
            .collect(),
    };
    assert_eq!(values.len(), plan.objects.len(), "one value for each object");
    let values: Vec<Option<&Secret>> = values.iter().map(Option::as_ref).collect();
    match plan.render(&values) {
        Ok(files) => {
            for file in files {
                let contents = match file.contents.expose_str() {
                    Some(text) => format!("{text:?}"),
                    None => format!("bytes {:02x?}", file.contents.expose()),
                };
                let item = plan.objects[file.object].item;
                writeln!(
                    out,
                    "file {:?} {} from item {item}: {contents}",
                    file.path.as_str(),
                    file.mode
                )
                .unwrap();
            }
        }
        Err(problems) => writeln!(out, "failed: {problems}").unwrap(),
    }
    out
}

/// Everything that decides what is fetched.
fn source(plan: &Plan, object: &Object) -> String {
    let mut out = object.describe();
    if let Some(version) = &object.version {
        write!(out, ", version {version}").unwrap();
    }
    if let Some(stage) = &object.stage {
        write!(out, ", stage {stage}").unwrap();
    }
    if let Some(region) = object.region.as_ref().or(plan.region.as_ref()) {
        write!(out, ", region {region}").unwrap();
    }
    if let Some(endpoint) = &object.kms_endpoint {
        write!(out, ", endpoint {endpoint}").unwrap();
    }
    if let Some(account) = &object.cross_account {
        write!(out, ", as {}", account.role_arn).unwrap();
        if let Some(id) = &account.external_id {
            write!(out, " with external id {}", id.as_str()).unwrap();
        }
    }
    if object.optional {
        out.push_str(", optional");
    }
    out
}

fn fetched(value: &FetchedValue) -> Secret {
    match value {
        FetchedValue::Text(text) => Secret::from(text.clone()),
        FetchedValue::Base64(text) => {
            Secret::new(base64::engine::general_purpose::STANDARD.decode(text).unwrap())
        }
    }
}

fn case(path: &Path) -> Case {
    let text = std::fs::read_to_string(path).unwrap();
    serde_saphyr::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn testdata() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/testdata/params"))
}

/// All files of all topics.
fn files(directory: &Path) -> Vec<PathBuf> {
    let entries = |directory: &Path| -> Vec<PathBuf> {
        directory
            .read_dir()
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .collect()
    };
    entries(directory)
        .iter()
        .filter(|path| path.is_dir())
        .flat_map(|topic| entries(topic))
        .collect()
}

fn has_extension(path: &Path, extension: &str) -> bool {
    path.extension().is_some_and(|other| other == extension)
}
