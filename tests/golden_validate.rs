//! Golden tests of `validate`: one case a file in `testdata/validate/`, with what is printed beside it; and every
//! example passes.

use std::path::{Path, PathBuf};

use csi_provider::params;
use csi_provider::validate::{Format, Settings, Source};

fn validated(path: PathBuf, format: Format) -> (bool, String) {
    let settings = Settings {
        sources: vec![Source::File(path)],
        format,
    };
    let mut output = Vec::new();
    let well = settings
        .run(&mut std::io::empty(), &mut output)
        .expect("output is taken");
    (well, String::from_utf8(output).expect("text"))
}

/// Files with that extension below a directory, by paths from the root of the repository.
fn files(directory: &str, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(directory).expect(directory) {
        let path = entry.expect("entry").path();
        if path.is_dir() {
            files(path.to_str().expect("text"), found);
        } else if path.extension().is_some_and(|extension| extension == "yaml") {
            found.push(path);
        }
    }
}

#[test]
fn every_case_prints_what_its_snapshot_says() {
    let mut cases = Vec::new();
    files("testdata/validate", &mut cases);
    cases.sort();
    assert!(cases.len() >= 15, "{} cases", cases.len());
    for path in cases {
        let text = std::fs::read_to_string(&path).expect("case");
        assert!(text.starts_with("# "), "{} has no comment", path.display());
        let mut settings = insta::Settings::clone_current();
        settings.set_snapshot_path(Path::new("../testdata/validate"));
        settings.set_prepend_module_to_snapshot(false);
        settings.set_omit_expression(true);
        let name = path.file_stem().expect("name").to_string_lossy().into_owned();
        let (well, text) = validated(path, Format::Text);
        let text = format!("{text}exit code {}\n", u8::from(!well));
        settings.bind(|| insta::assert_snapshot!(name, text));
    }
}

#[test]
fn the_json_holds_the_same_findings() {
    let path = || PathBuf::from("testdata/validate/secret_objects.yaml");
    let (well, json) = validated(path(), Format::Json);
    let json: serde_json::Value = serde_json::from_str(&json).expect("JSON");
    assert!(!well);
    assert_eq!(json["valid"], false);
    let class = &json["sources"][0]["classes"][0];
    let errors = class["errors"].as_array().expect("errors");
    let (_, text) = validated(path(), Format::Text);
    assert!(errors.len() > 5, "{errors:?}");
    for error in errors {
        let line = format!(
            "testdata/validate/secret_objects.yaml:{}:{}: error: {}: {}",
            error["line"],
            error["column"],
            error["subject"].as_str().expect("subject"),
            error["text"].as_str().expect("text")
        );
        assert!(text.contains(&line), "{line}");
    }
    let (well, json) = validated(PathBuf::from("testdata/validate/well.yaml"), Format::Json);
    assert!(well);
    insta::assert_snapshot!("well_as_json", json);
}

#[test]
fn every_example_passes() {
    let mut examples = Vec::new();
    files("examples", &mut examples);
    assert!(examples.len() >= 5, "{} examples", examples.len());
    for path in examples {
        let (well, text) = validated(path, Format::Text);
        assert!(well, "{text}");
        assert!(text.contains(" 0 errors, 0 warnings"), "{text}");
    }
}

/// Each documented parameter has an example that people can copy.
#[test]
fn every_parameter_stands_in_an_example() {
    let mut examples = Vec::new();
    files("examples", &mut examples);
    let texts: String = examples
        .iter()
        .map(|path| std::fs::read_to_string(path).expect("example"))
        .collect();
    for key in [params::CLASS_KEYS, params::OBJECT_KEYS, params::PART_KEYS].concat() {
        assert!(texts.contains(&format!(" {key}: ")), "no example of {key}");
    }
}
