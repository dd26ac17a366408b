//! Makes fuzzing begin where the golden tests are: writes their inputs into `fuzz/corpus/`, one file for each target
//! that can read it. Run from the root of the repository; `scripts/fuzz.sh` does.

#![expect(
    clippy::disallowed_macros,
    reason = "a command of the gate prints what it did"
)]

use std::collections::BTreeMap;
use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::Value;

/// What of a golden case is input.
#[derive(Deserialize)]
struct Case {
    #[serde(default)]
    parameters: BTreeMap<String, String>,
    attributes: Option<String>,
    values: Option<Vec<Option<BTreeMap<String, String>>>>,
}

/// The same of a case of the access policy.
#[derive(Deserialize)]
struct PolicyCase {
    policy: String,
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut seeds = 0;
    let mut write = |target: &str, name: &str, text: &str| -> Result<(), Box<dyn Error>> {
        let directory = Path::new("fuzz/corpus").join(target);
        fs::create_dir_all(&directory)?;
        fs::write(directory.join(format!("golden-{name}")), text)?;
        seeds += 1;
        Ok(())
    };
    for path in yaml_files(Path::new("testdata/validate"))? {
        write("validate", &name_of(&path), &fs::read_to_string(&path)?)?;
    }
    for topic in fs::read_dir("testdata/access")? {
        let topic = topic?.path();
        for path in yaml_files(&topic)? {
            let case: PolicyCase = serde_saphyr::from_str(&fs::read_to_string(&path)?)
                .map_err(|error| format!("{}: {error}", path.display()))?;
            let name = format!("{}-{}", name_of(&topic), name_of(&path));
            write("access_policy", &name, &case.policy)?;
        }
    }
    for topic in fs::read_dir("testdata/params")? {
        let topic = topic?.path();
        for path in yaml_files(&topic)? {
            let name = format!("{}-{}", name_of(&topic), name_of(&path));
            let case: Case = serde_saphyr::from_str(&fs::read_to_string(&path)?)
                .map_err(|error| format!("{}: {error}", path.display()))?;
            let attributes = match &case.attributes {
                Some(attributes) => attributes.clone(),
                None => serde_json::to_string(&case.parameters)?,
            };
            write("params_attributes", &name, &attributes)?;
            let class = serde_json::json!({
                "apiVersion": "secrets-store.csi.x-k8s.io/v1",
                "kind": "SecretProviderClass",
                "metadata": {"name": name},
                "spec": {"provider": "alibabacloud", "parameters": case.parameters},
            });
            write("validate", &name, &class.to_string())?;
            let Some(objects) = case.parameters.get("objects") else {
                continue;
            };
            write("params_objects", &name, objects)?;
            // What is no YAML has no parts to begin with.
            let Ok(items) = serde_saphyr::from_str::<Value>(objects) else {
                continue;
            };
            let values = case.values.unwrap_or_default();
            let value = values.iter().flatten().find_map(|value| value.get("text"));
            let (mut names, mut expressions) = (Vec::new(), Vec::new());
            collect(&items, &mut names, &mut expressions);
            for (number, text) in names.iter().enumerate() {
                write("params_file_names", &format!("{name}-{number}"), text)?;
            }
            for (number, expression) in expressions.iter().enumerate() {
                let document = value.map_or("{}", String::as_str);
                let text = format!("{expression}\n{document}");
                write("params_jmespath", &format!("{name}-{number}"), &text)?;
            }
        }
    }
    println!("{seeds} seeds from golden cases");
    if seeds < 1_000 {
        return Err("fewer than there were: are the golden cases still there?".into());
    }
    Ok(())
}

/// Names of files and expressions, wherever they stand.
fn collect<'a>(node: &'a Value, names: &mut Vec<&'a str>, expressions: &mut Vec<&'a str>) {
    match node {
        Value::Array(items) => {
            for item in items {
                collect(item, names, expressions);
            }
        }
        Value::Object(entries) => {
            for (key, value) in entries {
                match (key.as_str(), value) {
                    ("objectName" | "objectAlias", Value::String(text)) => names.push(text),
                    ("path", Value::String(text)) => expressions.push(text),
                    (_, other) => collect(other, names, expressions),
                }
            }
        }
        _ => {}
    }
}

fn yaml_files(directory: &Path) -> Result<Vec<PathBuf>, Box<dyn Error>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "yaml") {
            files.push(path);
        }
    }
    Ok(files)
}

fn name_of(path: &Path) -> String {
    path.file_stem()
        .map(|stem| stem.to_string_lossy().into_owned())
        .unwrap_or_default()
}
