//! The official compliance suite (jmespath/jmespath.test), from the sources of the `jmespath` crate. Cases with a
//! different result here are listed with the reason.

use std::path::PathBuf;
use std::process::Command;

use serde_json::Value as Json;

use super::*;

#[test]
fn every_case_of_the_official_suite_passes_or_is_listed() {
    let mut cases = 0;
    let mut failures = Vec::new();
    let mut files: Vec<PathBuf> = suite()
        .read_dir()
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    for file in files {
        let name = file.file_stem().unwrap().to_string_lossy().into_owned();
        let groups: Json = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
        for group in groups.as_array().unwrap() {
            for case in group["cases"].as_array().unwrap() {
                cases += 1;
                let expression = case["expression"].as_str().unwrap();
                let got = search(expression, &group["given"]);
                let right = match (case.get("result"), &got) {
                    (Some(expected), Ok(got)) => same(expected, got),
                    (Some(_), Err(_)) => false,
                    // A benchmark case has neither; it only must not fail.
                    (None, got) => got.is_err() == case.get("error").is_some(),
                };
                if !right {
                    failures.push(format!("{name}: {expression}"));
                }
            }
        }
    }
    assert_eq!(failures.len(), KNOWN_DIFFERENCES.len(), "{failures:#?}");
    for (failure, (known, reason)) in failures.iter().zip(KNOWN_DIFFERENCES) {
        assert!(
            failure.starts_with(known),
            "{failure} is not the known {known} ({reason})"
        );
    }
    print_counts(cases, failures.len());
    assert!(cases > 850, "only {cases} cases: is the suite complete?");
}

#[expect(clippy::disallowed_macros, reason = "the gate shows the counts")]
fn print_counts(cases: usize, listed: usize) {
    println!(
        "JMESPath compliance: {cases} cases, {} pass, {listed} listed with a reason",
        cases - listed
    );
}

fn search(expression: &str, given: &Json) -> Result<Json, String> {
    let expression = Expression::parse(expression).map_err(|wrong| wrong.text)?;
    let document = Budget::new().read(given.to_string().as_bytes());
    let document = document.map_err(|fault| fault.to_string())?;
    let result = expression.search(&document, &mut Budget::new());
    let result = result.map_err(|fault| fault.to_string())?;
    let text = Budget::new()
        .write(&result)
        .map_err(|fault| format!("{fault:?}"))?;
    Ok(serde_json::from_str(text.as_str()).unwrap())
}

/// JSON equality in which `1` equals `1.0` and the order of keys does not matter.
pub(super) fn same(expected: &Json, got: &Json) -> bool {
    match (expected, got) {
        (Json::Number(a), Json::Number(b)) => a.as_f64() == b.as_f64(),
        (Json::Array(a), Json::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b)),
        (Json::Object(a), Json::Object(b)) => {
            a.len() == b.len() && a.iter().all(|(key, a)| b.get(key).is_some_and(|b| same(a, b)))
        }
        _ => expected == got,
    }
}

/// Where cargo stores the crate's copy of the suite.
fn suite() -> PathBuf {
    let platform = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
    let metadata = Command::new(env!("CARGO"))
        .args([
            "metadata",
            "--format-version=1",
            "--offline",
            "--filter-platform",
            &platform,
            "--manifest-path",
        ])
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"))
        .output()
        .unwrap();
    assert!(
        metadata.status.success(),
        "{}",
        String::from_utf8_lossy(&metadata.stderr)
    );
    let metadata: Json = serde_json::from_slice(&metadata.stdout).unwrap();
    let packages = metadata["packages"].as_array().unwrap();
    let manifest = packages
        .iter()
        .find(|package| package["name"] == "jmespath")
        .unwrap()["manifest_path"]
        .clone();
    PathBuf::from(manifest.as_str().unwrap())
        .parent()
        .unwrap()
        .join("tests/compliance")
}

/// Prefix of each case, and the reason.
const KNOWN_DIFFERENCES: &[(&str, &str)] = &[
    (
        "benchmarks: sum(z, y, ",
        "sum takes one argument, and the benchmark passes several",
    ),
    ("benchmarks: j49.j48.", TOO_DEEP),
    ("benchmarks: j49|j48|", TOO_DEEP),
    ("benchmarks: [49][48]", TOO_DEEP),
    ("benchmarks: a[*].b[*]", TOO_DEEP),
    (
        "benchmarks: foo[bar > baz]",
        "not in the grammar; the benchmark only tries to parse it",
    ),
];

/// Fifty operators in one part of an expression.
const TOO_DEEP: &str = "past EXPRESSION_DEPTH, so that the parser's recursion fits into a worker's stack";
