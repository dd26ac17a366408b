//! The documentation against itself and against the code: every YAML and JSON block parses, every
//! SecretProviderClass in it would be accepted, every link leads somewhere.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use csi_provider::params::{self, Input, Options, UnknownKeys};
use serde_json::Value;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every Markdown file for users.
fn documents() -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    for directory in [
        "",
        "docs",
        "deploy",
        "examples",
        "harness/chart",
        "charts/csi-secrets-store-provider-alibabacloud",
    ] {
        let Ok(entries) = fs::read_dir(root().join(directory)) else {
            continue;
        };
        for entry in entries {
            let path = entry.expect("entry").path();
            if path.extension().is_some_and(|extension| extension == "md") {
                let text = fs::read_to_string(&path).expect("document");
                found.push((path, text));
            }
        }
    }
    assert!(found.len() >= 10, "{found:?}");
    found
}

/// Fenced blocks of a language, with the indentation of the list item that they stand in taken away.
fn blocks(text: &str, language: &str) -> Vec<String> {
    let mut blocks = Vec::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        let indent = line.len() - line.trim_start().len();
        if line.trim_start() != format!("```{language}") {
            continue;
        }
        let body: Vec<&str> = lines
            .by_ref()
            .take_while(|line| line.trim() != "```")
            .map(|line| line.get(indent..).unwrap_or_default())
            .collect();
        blocks.push(body.join("\n"));
    }
    blocks
}

fn yaml(path: &Path, text: &str) -> Vec<Value> {
    serde_saphyr::from_multiple(text).unwrap_or_else(|error| panic!("{}: {error}\n{text}", path.display()))
}

/// What the driver would make of a class, read with unknown keys as errors.
fn accepted(path: &Path, class: &Value) {
    let parameters: BTreeMap<String, String> = serde_json::from_value(class["spec"]["parameters"].clone())
        .unwrap_or_else(|error| panic!("{}: parameters must be texts: {error}", path.display()));
    let attributes = serde_json::to_string(&parameters).expect("JSON");
    let input = Input {
        attributes: &attributes,
        permission: "420",
    };
    let options = Options {
        unknown_keys: UnknownKeys::Error,
    };
    let plan = params::parse(&input, &options)
        .unwrap_or_else(|problems| panic!("{}: {problems}\n{attributes}", path.display()));
    assert!(
        plan.warnings.is_empty(),
        "{}: {:?}",
        path.display(),
        plan.warnings
    );
    assert_eq!(class["spec"]["provider"], "alibabacloud", "{}", path.display());
    let version = &class["apiVersion"];
    assert_eq!(version, "secrets-store.csi.x-k8s.io/v1", "{}", path.display());
}

#[test]
fn every_yaml_block_parses_and_every_class_is_accepted() {
    let (mut parsed, mut classes) = (0, 0);
    for (path, text) in documents() {
        for block in blocks(&text, "yaml") {
            for document in yaml(&path, &block) {
                parsed += 1;
                if document["kind"] == "SecretProviderClass" {
                    accepted(&path, &document);
                    classes += 1;
                }
            }
        }
    }
    assert!(
        parsed >= 20 && classes >= 4,
        "{parsed} documents, {classes} classes"
    );
}

#[test]
fn every_json_block_parses_and_policies_are_whole() {
    let mut policies = 0;
    for (path, text) in documents() {
        for block in blocks(&text, "json") {
            let value: Value = serde_json::from_str(&block)
                .unwrap_or_else(|error| panic!("{}: {error}\n{block}", path.display()));
            if block.contains("\"Action\"") {
                assert_eq!(
                    value["Version"],
                    "1",
                    "{}: a RAM policy has a Version\n{block}",
                    path.display()
                );
                let statements = value["Statement"].as_array().expect("statements");
                assert!(!statements.is_empty() && statements.iter().all(|one| one["Effect"].is_string()));
                policies += 1;
            }
        }
    }
    assert!(policies >= 4, "{policies} policies");
}

#[test]
fn example_manifests_are_accepted() {
    let mut classes = 0;
    let mut pending = vec![root().join("examples")];
    while let Some(directory) = pending.pop() {
        for entry in fs::read_dir(directory).expect("examples") {
            let path = entry.expect("entry").path();
            if path.is_dir() {
                pending.push(path);
            } else if path.extension().is_some_and(|extension| extension == "yaml") {
                let text = fs::read_to_string(&path).expect("example");
                for document in yaml(&path, &text) {
                    if document["kind"] == "SecretProviderClass" {
                        accepted(&path, &document);
                        classes += 1;
                    }
                }
            }
        }
    }
    assert!(classes >= 5, "{classes} classes");
}

const VALUES: &str = include_str!("../charts/csi-secrets-store-provider-alibabacloud/values.yaml");

/// Values of the driver's own chart that the documentation names.
const OF_THE_DRIVER: [&str; 1] = ["secrets-store-csi-driver.maxCallRecvMsgSize"];

#[test]
fn every_value_of_the_chart_that_is_named_exists() {
    let values: Value = serde_saphyr::from_str(VALUES).expect("values.yaml");
    let tops = values.as_object().expect("a mapping");
    let mut named = 0;
    for (path, text) in documents() {
        for code in text.lines().flat_map(|line| line.split('`').skip(1).step_by(2)) {
            let name = code.split([':', '=', ' ']).next().unwrap_or_default();
            let name = name.trim_start_matches("--set ");
            let is_value = name.split_once('.').is_some_and(|(top, rest)| {
                tops.contains_key(top) && !rest.is_empty() && !rest.ends_with('*') && rest != "rs"
            });
            if !is_value || OF_THE_DRIVER.contains(&name) {
                continue;
            }
            let mut at = &values;
            for part in name.split('.') {
                at = &at[part];
                assert!(
                    !at.is_null() || name == "accessPolicy.rules",
                    "{}: the chart has no value {name}",
                    path.display()
                );
            }
            named += 1;
        }
    }
    assert!(named >= 30, "{named} values named");
}

#[test]
fn the_chart_deploys_this_version() {
    let chart = include_str!("../charts/csi-secrets-store-provider-alibabacloud/Chart.yaml");
    let chart: Value = serde_saphyr::from_str(chart).expect("Chart.yaml");
    assert_eq!(chart["appVersion"], env!("CARGO_PKG_VERSION"));
}

/// The anchor that a heading gets.
fn anchor(heading: &str) -> String {
    heading
        .to_lowercase()
        .chars()
        .filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'))
        .map(|c| if c == ' ' { '-' } else { c })
        .collect()
}

#[test]
fn every_link_leads_somewhere() {
    let mut links = 0;
    for (path, text) in documents() {
        let prose: String = without_code(&text);
        for (at, _) in prose.match_indices("](") {
            let target = prose[at + 2..].split(')').next().expect("a target");
            if target.starts_with("http") || target.is_empty() {
                continue;
            }
            let (file, heading) = target.split_once('#').unwrap_or((target, ""));
            let there = if file.is_empty() {
                path.clone()
            } else {
                path.parent().expect("directory").join(file)
            };
            assert!(there.exists(), "{}: {target} does not exist", path.display());
            if !heading.is_empty() {
                let linked = fs::read_to_string(&there).expect("linked document");
                let anchors: Vec<String> = without_code(&linked)
                    .lines()
                    .filter(|line| line.starts_with('#'))
                    .map(|line| anchor(line.trim_start_matches('#').trim()))
                    .collect();
                assert!(
                    anchors.iter().any(|one| one == heading),
                    "{}: {target}: {anchors:?}",
                    path.display()
                );
            }
            links += 1;
        }
    }
    assert!(links >= 30, "{links} links");
}

/// Without fenced blocks and code in a line.
fn without_code(text: &str) -> String {
    let mut inside = false;
    let mut prose = String::new();
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            inside = !inside;
        } else if !inside {
            for (at, part) in line.split('`').enumerate() {
                if at % 2 == 0 || line.starts_with('#') {
                    prose.push_str(part);
                }
            }
            prose.push('\n');
        }
    }
    prose
}
