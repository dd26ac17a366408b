//! `docs/authentication.md` and `examples/authentication/` say the same, and `validate` accepts all of it.

use std::path::{Path, PathBuf};
use std::process::Command;

const DOCUMENT: &str = include_str!("../docs/authentication.md");

fn examples() -> Vec<PathBuf> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/authentication");
    let entries = std::fs::read_dir(directory).expect("examples");
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.expect("entry").path()).collect();
    files.sort();
    files
}

#[test]
fn each_section_shows_its_example_as_it_is() {
    let examples = examples();
    assert!(examples.len() >= 8, "{examples:?}");
    for path in examples {
        let name = path.file_name().and_then(|name| name.to_str()).expect("name");
        let text = std::fs::read_to_string(&path).expect("example");
        assert!(
            DOCUMENT.contains(&format!("```yaml\n{text}```\n")),
            "{name} is not in the document as it is"
        );
        assert!(
            DOCUMENT.contains(&format!("(../examples/authentication/{name})")),
            "{name} has no link"
        );
    }
    for source in [
        "Pod identity",
        "Node publish secret",
        "RRSA of the provider",
        "AccessKey pair with role",
        "AccessKey pair",
        "Worker RAM role",
        "Cross-account",
    ] {
        let section = DOCUMENT
            .split("\n## ")
            .find(|section| section.starts_with(&format!("{source}\n")));
        let section = section.unwrap_or_else(|| panic!("no section {source}"));
        assert!(
            section.contains("kind: SecretProviderClass"),
            "{source} shows no class"
        );
        assert!(
            section.to_lowercase().contains("trust"),
            "{source} says nothing of trust"
        );
        assert!(
            section.contains("hart value"),
            "{source} says nothing of the chart"
        );
    }
}

#[test]
fn policies_are_json() {
    let mut policies = 0;
    for block in DOCUMENT.split("```json\n").skip(1) {
        let json = block.split("```").next().expect("block");
        let policy: serde_json::Value =
            serde_json::from_str(json).unwrap_or_else(|error| panic!("{error}: {json}"));
        assert_eq!(policy["Version"], "1", "{json}");
        policies += 1;
    }
    assert!(policies >= 6, "{policies}");
}

#[test]
fn validate_accepts_every_example() {
    let output = Command::new(env!("CARGO_BIN_EXE_csi-secrets-store-provider-alibabacloud"))
        .arg("validate")
        .args(examples())
        .output()
        .expect("the binary runs");
    let told = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{told}");
    for path in examples() {
        let name = path.file_name().and_then(|name| name.to_str()).expect("name");
        assert!(told.contains(name), "{name} was not looked at: {told}");
    }
}
