//! Golden tests of the access policy: every form, every decision and every error, one case a file.
//!
//! A case is `testdata/access/<topic>/<case>.yaml`; its snapshot stands beside it and shows the decision, or the exact
//! message. Review changes with `cargo insta review`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use csi_provider::params::{self, Input, Options, Region};
use csi_provider::policy::{Decision, Policy, Principal, Question};
use serde::Deserialize;

/// One case.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Case {
    /// The policy file's text.
    policy: String,
    /// The Mount that asks; without it, the case is about the text.
    mount: Option<Mount>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Mount {
    /// `provider`, `podIdentity` or `nodePublishSecret`.
    #[serde(default = "provider")]
    identity: String,
    #[serde(default = "payments")]
    namespace: String,
    #[serde(default = "api")]
    service_account: String,
    /// The class's region.
    region: Option<String>,
    /// The node's region, once it is known.
    node_region: Option<String>,
    /// The class's `objects`.
    objects: String,
}

fn provider() -> String {
    "provider".to_owned()
}

fn payments() -> String {
    "payments".to_owned()
}

fn api() -> String {
    "api".to_owned()
}

#[test]
fn every_case_matches_its_snapshot() {
    insta::glob!("../testdata/access", "*/*.yaml", |path| {
        let mut settings = insta::Settings::clone_current();
        settings.set_snapshot_path(path.parent().expect("a topic"));
        settings.set_prepend_module_to_snapshot(false);
        settings.set_omit_expression(true);
        settings.remove_snapshot_suffix();
        settings.remove_input_file();
        let name = path.file_stem().expect("a name").to_string_lossy().into_owned();
        settings.bind(|| insta::assert_snapshot!(name, outcome(path)));
    });
}

#[test]
fn every_case_says_what_it_shows_and_every_snapshot_has_its_case() {
    let files = files();
    let cases: Vec<_> = files.iter().filter(|path| has_extension(path, "yaml")).collect();
    assert!(cases.len() >= 60, "{} cases", cases.len());
    for path in cases {
        let text = std::fs::read_to_string(path).expect("a case");
        assert!(text.starts_with("# "), "{} has no comment", path.display());
    }
    for snapshot in files.iter().filter(|path| has_extension(path, "snap")) {
        assert!(snapshot.with_extension("yaml").exists(), "{}", snapshot.display());
    }
}

/// The policies that the document shows are policies.
#[test]
fn every_policy_in_the_document_is_one() {
    let document = include_str!("../docs/access-policy.md");
    let policies: Vec<&str> = document
        .split("```yaml\n")
        .skip(1)
        .filter_map(|rest| rest.split("```").next())
        .filter(|text| text.starts_with("version:"))
        .collect();
    assert!(policies.len() >= 4, "{} policies", policies.len());
    for text in policies {
        Policy::parse(text).unwrap_or_else(|error| panic!("{error}: {text}"));
    }
}

fn outcome(path: &Path) -> String {
    let text = std::fs::read_to_string(path).expect("a case");
    let case: Case =
        serde_saphyr::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let policy = match Policy::parse(&case.policy) {
        Ok(policy) => policy,
        Err(error) => return format!("invalid: {error}"),
    };
    let Some(mount) = case.mount else {
        return format!("{} rules", policy.rules.len());
    };
    let mut attributes = BTreeMap::from([
        ("objects", mount.objects.as_str()),
        ("csi.storage.k8s.io/pod.namespace", &mount.namespace),
        ("csi.storage.k8s.io/serviceAccount.name", &mount.service_account),
    ]);
    attributes.extend(mount.region.as_deref().map(|region| ("region", region)));
    let attributes = serde_json::to_string(&attributes).expect("attributes");
    let input = Input {
        attributes: &attributes,
        permission: "420",
    };
    let plan = params::parse(&input, &Options::default())
        .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let principal = Principal::ALL
        .into_iter()
        .find(|it| it.name() == mount.identity)
        .expect("a principal");
    let decide = |region| {
        policy.decide(&Question {
            plan: &plan,
            principal,
            region,
        })
    };
    let first = word(decide(None));
    match &mount.node_region {
        None => first,
        Some(region) => {
            let known = Region::new(region).expect("a region");
            format!("{first}\nin {region}: {}", word(decide(Some(&known))))
        }
    }
}

fn word(decision: Decision) -> String {
    match decision {
        Decision::Denied(denied) => format!("denied: {denied}"),
        Decision::Exempt => "exempt".to_owned(),
        Decision::Permitted => "permitted".to_owned(),
        Decision::RegionNeeded => "the node's region must be known".to_owned(),
    }
}

fn files() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/access");
    let entries = |path: &Path| {
        std::fs::read_dir(path)
            .expect("a directory")
            .map(|entry| entry.expect("an entry").path())
            .collect::<Vec<_>>()
    };
    entries(&root).iter().flat_map(|topic| entries(topic)).collect()
}

fn has_extension(path: &Path, extension: &str) -> bool {
    path.extension().is_some_and(|own| own == extension)
}
