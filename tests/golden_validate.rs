//! Golden tests of `validate`: one case a file in `testdata/validate/`, with what is printed beside it; and every
//! example passes. The cases below `access/` are checked against the access policy there.

use std::path::{Path, PathBuf};
use std::process::Command;

use csi_provider::config::{OutputFormat, PolicyCheck, ValidateOptions};
use csi_provider::params;

const POLICY: &str = "testdata/validate/access/policy.yml";

fn validated(path: PathBuf, format: OutputFormat) -> (bool, String) {
    let path_has_policy = path.starts_with("testdata/validate/access");
    let settings = ValidateOptions {
        sources: vec![path],
        format,
        access: path_has_policy.then(|| PolicyCheck {
            policy: POLICY.into(),
            namespace: "default".to_owned(),
            service_account: "default".to_owned(),
            region: None,
        }),
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
        settings.set_snapshot_path(Path::new("..").join(path.parent().expect("a directory")));
        settings.set_prepend_module_to_snapshot(false);
        settings.set_omit_expression(true);
        let name = path.file_stem().expect("name").to_string_lossy().into_owned();
        let (well, text) = validated(path, OutputFormat::Text);
        let text = format!("{text}exit code {}\n", u8::from(!well));
        settings.bind(|| insta::assert_snapshot!(name, text));
    }
}

#[test]
fn the_json_holds_the_same_findings() {
    let path = || PathBuf::from("testdata/validate/secret_objects.yaml");
    let (well, json) = validated(path(), OutputFormat::Json);
    let json: serde_json::Value = serde_json::from_str(&json).expect("JSON");
    assert!(!well);
    assert_eq!(json["valid"], false);
    let class = &json["sources"][0]["classes"][0];
    let errors = class["errors"].as_array().expect("errors");
    let (_, text) = validated(path(), OutputFormat::Text);
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
    let (well, json) = validated(PathBuf::from("testdata/validate/well.yaml"), OutputFormat::Json);
    assert!(well);
    insta::assert_snapshot!("well_as_json", json);
}

/// What the binary says, run as a user would.
fn run(arguments: &[&str]) -> (Option<i32>, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_csi-secrets-store-provider-alibabacloud"))
        .arg("validate")
        .args(arguments)
        .output()
        .expect("the binary runs");
    (
        output.status.code(),
        String::from_utf8(output.stdout).expect("text"),
    )
}

/// The flags fill in what the manifests leave open.
#[test]
fn the_pod_by_flags() {
    let policy = format!("--access-policy={POLICY}");
    let ask = |arguments: &[&str]| run(&[&[policy.as_str()], arguments].concat());
    let (code, text) = ask(&[
        "--region=cn-hangzhou",
        "testdata/validate/access/region_not_known.yaml",
    ]);
    assert_eq!(code, Some(0), "{text}");
    assert!(
        text.contains("(oos): rule \"the shop reads its own\"\n"),
        "{text}"
    );
    let (code, text) = ask(&[
        "--region=cn-beijing",
        "testdata/validate/access/region_not_known.yaml",
    ]);
    assert_eq!(code, Some(1), "{text}");
    assert!(text.contains("but not in region cn-beijing"), "{text}");

    let nobody = "testdata/validate/access/nobody_mounts_it.yaml";
    let (code, text) = ask(&["--service-account=web", nobody]);
    assert_eq!(code, Some(0), "{text}");
    let web = "service account \"web\" of namespace";
    assert!(text.contains(&format!("{web} \"default\"")), "{text}");
    let (_, text) = ask(&["--service-account=web", "--namespace=stage", nobody]);
    assert!(text.contains(&format!("{web} \"stage\"")), "{text}");
    assert!(text.contains(&format!("{web} \"shop\"")), "{text}");
}

/// A policy that cannot be understood is an error at its place, and lets nothing pass as checked.
#[test]
fn a_broken_policy() {
    let nobody = "testdata/validate/access/nobody_mounts_it.yaml";
    for (policy, line) in [
        (
            "testdata/validate/access/broken.yml",
            ":4:3: error: access policy: ",
        ),
        (
            "testdata/validate/access",
            ":1:1: error: access policy: cannot be read: ",
        ),
        (
            "testdata/validate/access/missing.yml",
            ":1:1: error: access policy: cannot be read: ",
        ),
    ] {
        let (code, text) = run(&["--access-policy", policy, nobody]);
        assert_eq!(code, Some(1), "{text}");
        assert!(
            text.contains(&format!("{policy}{line}")) && !text.contains("access for"),
            "{text}"
        );
    }
}

/// A pod stands in one file, its class in another.
#[test]
fn pods_of_another_file() {
    let directory = tempfile::tempdir().expect("directory");
    let class = directory.path().join("class.yaml");
    let text = std::fs::read_to_string("testdata/validate/access/nobody_mounts_it.yaml").expect("case");
    std::fs::write(&class, text).expect("file");
    let policy = format!("--access-policy={POLICY}");
    let class = class.display().to_string();
    let (_, text) = run(&[
        &policy,
        &class,
        "testdata/validate/access/pods_of_the_manifest.yaml",
    ]);
    assert!(text.contains("service account \"web\""), "{text}");
    let (_, text) = run(&[&policy, &class]);
    assert!(!text.contains("service account \"web\""), "{text}");
}

#[test]
fn the_json_says_what_the_policy_says() {
    let case = PathBuf::from("testdata/validate/access/what_is_missing.yaml");
    let (well, json) = validated(case, OutputFormat::Json);
    assert!(!well);
    let json: serde_json::Value = serde_json::from_str(&json).expect("JSON");
    insta::assert_snapshot!(
        "access_as_json",
        serde_json::to_string_pretty(&json["sources"][0]["classes"][0]["access"]).expect("JSON")
    );
}

#[test]
fn every_example_passes() {
    let mut examples = Vec::new();
    files("examples", &mut examples);
    assert!(examples.len() >= 5, "{} examples", examples.len());
    for path in examples {
        let (well, text) = validated(path, OutputFormat::Text);
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
