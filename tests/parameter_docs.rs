//! `docs/parameters.md` against the code: every key on both sides, every example parsed, a golden case for each.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use csi_provider::params::{self, Input, Options, UnknownKeys};

const DOCUMENT: &str = include_str!("../docs/parameters.md");

/// Sections of the document, and the keys that the code takes there.
fn sections() -> [(&'static str, &'static [&'static str]); 3] {
    [
        ("## Parameters of the class", params::CLASS_KEYS),
        ("## Objects", params::OBJECT_KEYS),
        ("## jmesPath", params::PART_KEYS),
    ]
}

#[test]
fn every_key_is_documented_and_every_documented_key_exists() {
    for (heading, keys) in sections() {
        let documented: Vec<&str> = section(heading)
            .lines()
            .filter_map(|line| line.strip_prefix("| `")?.split_once('`').map(|(key, _)| key))
            // Other tables hold expressions, not keys.
            .filter(|key| !key.is_empty() && key.bytes().all(|byte| byte.is_ascii_alphanumeric()))
            .collect();
        assert_eq!(documented, keys, "{heading}");
    }
}

#[test]
fn every_example_is_read_without_a_warning() {
    let mut examples = 0;
    for block in DOCUMENT.split("```yaml\n").skip(1) {
        let text = block.split("```").next().expect("the end of the block");
        let parameters: std::collections::BTreeMap<String, String> =
            serde_saphyr::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"));
        let attributes = serde_json::to_string(&parameters).expect("JSON");
        let options = Options {
            unknown_keys: UnknownKeys::Error,
        };
        let plan = params::parse(
            &Input {
                attributes: &attributes,
                permission: "420",
            },
            &options,
        )
        .unwrap_or_else(|problems| panic!("{problems}: {text}"));
        assert!(plan.warnings.is_empty(), "{:?}: {text}", plan.warnings);
        examples += 1;
    }
    assert!(examples >= 4, "{examples} examples");
}

#[test]
fn every_key_stands_in_an_example() {
    let examples: String = DOCUMENT
        .split("```yaml\n")
        .skip(1)
        .filter_map(|block| block.split("```").next())
        .collect();
    for (heading, keys) in sections() {
        for key in keys {
            assert!(
                examples.contains(&format!("{key}: ")),
                "{heading}: no example of {key}"
            );
        }
    }
}

#[test]
fn every_key_has_a_golden_case() {
    let cases = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/params");
    let mut seen = BTreeSet::new();
    for topic in fs::read_dir(cases).expect("testdata/params") {
        for case in fs::read_dir(topic.expect("topic").path()).expect("topic") {
            let path = case.expect("case").path();
            if path.extension().is_some_and(|extension| extension == "yaml") {
                let text = fs::read_to_string(&path).expect("case");
                let words = text.split(|c: char| !c.is_ascii_alphanumeric());
                seen.extend(words.map(str::to_owned));
            }
        }
    }
    for (heading, keys) in sections() {
        for key in keys {
            assert!(seen.contains(*key), "{heading}: no golden case for {key}");
        }
    }
}

/// The part of the document below a heading, up to the next one of its rank.
fn section(heading: &str) -> &'static str {
    let (_, rest) = DOCUMENT.split_once(&format!("{heading}\n")).expect(heading);
    rest.split("\n## ").next().expect("section")
}
