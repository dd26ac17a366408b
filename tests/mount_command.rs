//! The subcommand `mount`, run as a user runs it: every example class against the fake cloud with the examples' state
//! file, the files expected in snapshots; then what goes wrong, in the words of a pod's events.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use harness::{FakeCloud, Fault, FaultRule, Service};

struct Stage {
    cloud: FakeCloud,
    directory: tempfile::TempDir,
}

struct Outcome {
    code: Option<i32>,
    out: String,
    remarks: String,
}

impl Stage {
    fn new() -> Self {
        let cloud = FakeCloud::builder()
            .state_file(root().join("examples/state.yaml"))
            .start()
            .expect("a cloud");
        let directory = tempfile::tempdir().expect("a directory");
        cloud
            .write_ca(&directory.path().join("ca.pem"))
            .expect("the authority");
        Self { cloud, directory }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn target(&self) -> PathBuf {
        self.path("target")
    }

    fn written(&self, name: &str, text: &str) -> String {
        let path = self.path(name);
        fs::write(&path, text).expect("written");
        path.to_str().expect("a path").to_owned()
    }

    /// Runs `mount` over TLS with the examples' AccessKey pair.
    fn mount(&self, class: &Path, more: &[&str]) -> Outcome {
        let (id, secret) = self.cloud.access_key();
        self.mount_as(
            class,
            more,
            &[("ACCESS_KEY_ID", &id), ("SECRET_ACCESS_KEY", &secret)],
        )
    }

    fn mount_as(&self, class: &Path, more: &[&str], variables: &[(&str, &str)]) -> Outcome {
        let https = self.cloud.https_url();
        let output = Command::new(env!("CARGO_BIN_EXE_csi-secrets-store-provider-alibabacloud"))
            .args(["mount", "--region=cn-hangzhou"])
            .args(["kms", "oos", "sts"].map(|service| format!("--{service}-endpoint={https}")))
            .arg(format!("--metadata-endpoint={}", self.cloud.http_url()))
            .arg("--class")
            .arg(class)
            .arg("--target")
            .arg(self.target())
            .args(more)
            .env_clear()
            .env("SSL_CERT_FILE", self.path("ca.pem"))
            .envs(variables.iter().copied())
            .output()
            .expect("the provider runs");
        Outcome {
            code: output.status.code(),
            out: String::from_utf8(output.stdout).expect("text"),
            remarks: String::from_utf8(output.stderr).expect("text"),
        }
    }

    /// The target as a pod sees it: paths, modes, contents.
    fn tree(&self) -> BTreeMap<String, (u32, String)> {
        let mut files = BTreeMap::new();
        walk(&self.target(), &self.target(), &mut files);
        files
    }
}

fn walk(root: &Path, directory: &Path, files: &mut BTreeMap<String, (u32, String)>) {
    for entry in fs::read_dir(directory).expect("a directory") {
        let path = entry.expect("an entry").path();
        let name = path
            .strip_prefix(root)
            .expect("below")
            .to_str()
            .expect("text")
            .to_owned();
        if name.starts_with("..") {
            continue;
        }
        let metadata = fs::metadata(&path).expect("metadata");
        if metadata.is_dir() {
            walk(root, &path, files);
        } else {
            let mode = metadata.permissions().mode() & 0o777;
            let contents = fs::read(&path).expect("contents");
            let text = match std::str::from_utf8(&contents) {
                Ok(text) if text.chars().all(|c| c == '\n' || !c.is_control()) => text.to_owned(),
                _ => contents.escape_ascii().to_string(),
            };
            files.insert(name, (mode, text));
        }
    }
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn class(name: &str) -> PathBuf {
    root().join("examples/classes").join(name)
}

#[test]
fn every_example_mounts() {
    let mut names: Vec<_> = fs::read_dir(root().join("examples/classes"))
        .expect("the examples")
        .map(|entry| entry.expect("an entry").file_name().into_string().expect("text"))
        .collect();
    names.sort();
    assert!(names.len() >= 5, "{names:?}");
    for name in names {
        let stage = Stage::new();
        let outcome = stage.mount(&class(&name), &[]);
        assert_eq!(outcome.code, Some(0), "{name}: {}", outcome.remarks);
        let mut text = outcome.out;
        for (path, (mode, contents)) in stage.tree() {
            writeln!(text, "\n{path} {mode:04o}\n  {}", contents.replace('\n', "\n  ")).expect("to a string");
        }
        insta::assert_snapshot!(name.trim_end_matches(".yaml").to_owned(), text);
    }
}

#[test]
fn a_second_mount_brings_what_changed() {
    let stage = Stage::new();
    assert_eq!(stage.mount(&class("demo.yaml"), &[]).code, Some(0));
    stage.cloud.set_kms_text("demo/api-token", "token-of-tuesday");
    assert_eq!(stage.mount(&class("demo.yaml"), &["--mode=0440"]).code, Some(0));
    let tree = stage.tree();
    assert_eq!(tree["api-token"], (0o440, "token-of-tuesday".to_owned()));
    let hidden = fs::read_dir(stage.target()).expect("the target").filter(|entry| {
        entry
            .as_ref()
            .is_ok_and(|entry| entry.file_name().to_string_lossy().starts_with(".."))
    });
    assert_eq!(hidden.count(), 2, "..data and one directory");
}

#[test]
fn errors_read_as_in_a_pods_events_and_leave_the_files_alone() {
    let stage = Stage::new();
    assert_eq!(stage.mount(&class("kms-secret.yaml"), &[]).code, Some(0));
    let before = stage.tree();

    stage.cloud.delete_kms("demo/api-token");
    let gone = stage.mount(&class("kms-secret.yaml"), &["--namespace=shop", "--pod=web-0"]);
    assert_eq!(gone.code, Some(1));
    assert!(
        gone.remarks.contains(
            "rpc error: code = NotFound desc = failed to mount secrets store objects for pod shop/web-0, err: rpc error: \
             code = NotFound desc = "
        ),
        "{}",
        gone.remarks
    );
    assert!(gone.remarks.contains("demo/api-token") && gone.remarks.contains("Forbidden.ResourceNotFound"));
    assert_eq!(gone.out, "");

    let wrong = stage.mount_as(
        &class("kms-secret.yaml"),
        &[],
        &[
            ("ACCESS_KEY_ID", "LTAInobody"),
            ("SECRET_ACCESS_KEY", "canary-secret"),
        ],
    );
    assert!(
        wrong.remarks.contains("InvalidAccessKeyId.NotFound"),
        "{}",
        wrong.remarks
    );
    assert!(!wrong.remarks.contains("canary"), "{}", wrong.remarks);
    assert_eq!(stage.tree(), before);
}

#[test]
fn identities_come_from_flags_and_environment() {
    let stage = Stage::new();
    let secret = "kind: Secret\nstringData: {access_key: LTAI5tExampleProvider001, access_secret: ExampleProviderSecret00000001}\n";
    let secret = stage.written("secret.yaml", secret);
    let by_secret = stage.mount_as(&class("kms-secret.yaml"), &["--publish-secret", &secret], &[]);
    assert_eq!(by_secret.code, Some(0), "{}", by_secret.remarks);
    let as_node = stage.mount_as(&class("kms-secret.yaml"), &[], &[]);
    assert_eq!(as_node.code, Some(0), "{}", as_node.remarks);
    let arns: Vec<_> = stage
        .cloud
        .requests_of(Service::Kms)
        .into_iter()
        .filter_map(|request| request.identity)
        .collect();
    assert_eq!(
        arns,
        [
            "acs:ram::1234567890120000:user/provider",
            "acs:ram::1234567890120000:assumed-role/worker-role/i-example"
        ]
    );
}

/// A Secret that cannot be used is refused as in a pod's events, with a hint about the flag; one that is not used is
/// told.
#[test]
fn publish_secrets_that_do_not_count() {
    let stage = Stage::new();
    let secret = stage.written(
        "secret.yaml",
        "kind: Secret\nstringData: {ak: LTAI, sk: canary}\n",
    );
    let refused = stage.mount(&class("kms-secret.yaml"), &["--publish-secret", &secret]);
    assert_eq!(refused.code, Some(1));
    let (event, hint) = refused.remarks.split_once("\nhint: ").expect("a hint");
    assert!(
        event.contains("code = Unauthenticated") && event.contains("rename \"ak\" to access_key"),
        "{event}"
    );
    assert!(hint.contains(&format!("--publish-secret={secret}")), "{hint}");
    assert!(!refused.remarks.contains("canary"), "{}", refused.remarks);
    assert!(stage.cloud.requests().is_empty(), "{:?}", stage.cloud.requests());
    let lenient = stage.mount(
        &class("kms-secret.yaml"),
        &["--publish-secret", &secret, "--allow-identity-fallback"],
    );
    assert_eq!(lenient.code, Some(0), "{}", lenient.remarks);
    assert!(lenient.remarks.contains("rename \"ak\""), "{}", lenient.remarks);
}

/// A class's own region and endpoint lead where they would lead in the cloud: by `fake-cloud run`'s proxy for the real
/// host names.
#[test]
fn regions_and_endpoints_by_the_real_names() {
    let stage = Stage::new();
    let world = "region: cn-hangzhou\naccount: \"1\"\naccounts:\n  \"1\":\n    users: {ci: {access_keys: [{id: LTAI1, secret: s}], \
                 policies: [read]}}\n    policies: {read: {Version: \"1\", Statement: [{Effect: Allow, Action: \"kms:*\", Resource: \
                 \"*\"}]}}\n    regions:\n      cn-hangzhou: {secrets: {here: {text: hangzhou}}}\n      cn-beijing: {secrets: {here: \
                 {text: beijing}}}\n";
    let world = stage.written("world.yaml", world);
    let class = "kind: SecretProviderClass\nmetadata: {name: regions}\nspec:\n  provider: alibabacloud\n  parameters:\n    region: \
                 cn-beijing\n    objects: |\n      - objectName: here\n      - {objectName: here, objectAlias: home, region: cn-hangzhou}\n      \
                 - {objectName: here, objectAlias: instance, kmsEndpoint: kst-x.cryptoservice.kms.aliyuncs.com}\n      - \
                 {objectName: here, objectAlias: nowhere, region: cn-shenzhen, optional: true}\n";
    let class = stage.written("regions.yaml", class);
    let script = r#""$0" mount $FAKE_CLOUD_PROVIDER_FLAGS --class "$1" --target "$2""#;
    let arguments: Vec<std::ffi::OsString> = ["run", "--state", &world, "--", "sh", "-euc", script]
        .map(Into::into)
        .into_iter()
        .chain([
            env!("CARGO_BIN_EXE_csi-secrets-store-provider-alibabacloud").into(),
            class.into(),
            stage.target().into(),
        ])
        .collect();
    let mut remarks = Vec::new();
    let code = harness::cli::main(arguments, &mut std::io::sink(), &mut remarks);
    assert_eq!(
        format!("{code:?}"),
        format!("{:?}", std::process::ExitCode::SUCCESS),
        "{}",
        String::from_utf8_lossy(&remarks)
    );
    let files: Vec<(String, String)> = stage
        .tree()
        .into_iter()
        .map(|(name, (_, text))| (name, text))
        .collect();
    let expected = [
        ("here", "beijing"),
        ("home", "hangzhou"),
        ("instance", "hangzhou"),
    ];
    assert_eq!(
        files,
        expected.map(|(name, text)| (name.to_owned(), text.to_owned()))
    );
}

/// A class is found in the whole of what `helm template` prints.
#[test]
fn a_class_in_a_large_manifest() {
    let stage = Stage::new();
    let other = format!("kind: ConfigMap\ndata: {{a: {}}}\n---\n", "x".repeat(1_000));
    let demo = fs::read_to_string(class("kms-secret.yaml")).expect("the example");
    let large = stage.written("large.yaml", &(other.repeat(2_000) + &demo));
    let outcome = stage.mount(Path::new(&large), &[]);
    assert_eq!(outcome.code, Some(0), "{}", outcome.remarks);
}

/// Where the event's words are about kubelet and the CSIDriver object, a hint is about the flags.
#[test]
fn a_token_that_the_flags_give_wrongly_is_told_in_terms_of_the_flags() {
    let stage = Stage::new();
    let ended = jiff::SignedDuration::from_mins(-10);
    let living = jiff::SignedDuration::from_mins(10);
    let token = |namespace, lifetime| {
        let token = stage
            .cloud
            .mint_token(namespace, "web", "sts.aliyuncs.com", lifetime);
        stage.written("token", &token)
    };
    let pod = "kind: SecretProviderClass\nmetadata: {name: pod}\nspec:\n  provider: alibabacloud\n  parameters: \
               {usePodServiceAccountToken: \"true\", objects: \"- objectName: ssh-key\"}\n";
    let pod = PathBuf::from(stage.written("pod.yaml", pod));
    let variables = [(
        "ALICLOUD_OIDC_PROVIDER_ARN",
        "acs:ram::1234567890120000:oidc-provider/ack-rrsa-example",
    )];
    let ask = |more: &[&str]| {
        let mut arguments = vec!["--service-account=web"];
        arguments.extend(more);
        let outcome = stage.mount_as(&pod, &arguments, &variables);
        assert_eq!(outcome.code, Some(1), "{}", outcome.remarks);
        let (event, hint) = outcome.remarks.split_once("\nhint: ").expect("a hint");
        assert!(event.contains("code = Unauthenticated"), "{event}");
        hint.to_owned()
    };
    let hint = ask(&[]);
    assert!(
        hint.contains("--token-file") && hint.contains("kubectl create token web -n default"),
        "{hint}"
    );
    let hint = ask(&["--token-file", &token("other", living)]);
    assert!(
        hint.contains("found one of \"system:serviceaccount:other:web\""),
        "{hint}"
    );
    assert!(hint.contains("--namespace"), "{hint}");
    let hint = ask(&["--token-file", &token("default", ended)]);
    assert!(hint.contains("expired at 20"), "{hint}");
    let hint = ask(&["--token-file", &token("default", living)]);
    assert!(hint.contains("KUBERNETES_SERVICE_HOST"), "{hint}");
}

#[test]
fn a_class_on_standard_input_and_manifests_that_are_wrong() {
    let stage = Stage::new();
    let several = stage.written(
        "several.yaml",
        "kind: SecretProviderClass\nmetadata: {name: a}\nspec: {provider: alibabacloud}\n---\nkind: SecretProviderClass\nmetadata: {name: b}\nspec: {provider: gcp}\n",
    );
    for (arguments, words) in [
        (
            &["--class-name=b"][..],
            "b: expected spec.provider \"alibabacloud\", found \"gcp\"",
        ),
        (&["--class=/no/such/file"], "cannot read /no/such/file: "),
        (&["--class=-"], "-: found no SecretProviderClass"),
        (
            &[
                "--publish-secret=/no/such/file",
                "--class=examples/classes/demo.yaml",
            ],
            "cannot read /no/such/file: ",
        ),
    ] {
        let outcome = stage.mount(Path::new(&several), arguments);
        assert_eq!(outcome.code, Some(1), "{arguments:?}: {}", outcome.remarks);
        assert!(
            outcome.remarks.contains(words),
            "{arguments:?}: {}",
            outcome.remarks
        );
    }
    assert!(!stage.target().exists());
}

#[test]
fn warnings_are_told_and_trouble_with_the_target_too() {
    let stage = Stage::new();
    let odd = "kind: SecretProviderClass\nmetadata: {name: odd}\nspec:\n  provider: alibabacloud\n  parameters:\n    colour: \
               red\n    objects: |\n      - {objectName: test, objectType: oos}\n";
    let odd = stage.written("odd.yaml", odd);
    let outcome = stage.mount(Path::new(&odd), &[]);
    assert_eq!(outcome.code, Some(0), "{}", outcome.remarks);
    assert!(
        outcome.remarks.starts_with("warning: ") && outcome.remarks.contains("colour"),
        "{}",
        outcome.remarks
    );

    fs::remove_dir_all(stage.target()).expect("removed");
    fs::write(stage.target(), "").expect("a file in the way");
    let outcome = stage.mount(Path::new(&odd), &[]);
    assert_eq!(outcome.code, Some(1));
    assert!(
        outcome.remarks.contains("cannot write below "),
        "{}",
        outcome.remarks
    );

    fs::remove_file(stage.target()).expect("removed");
    stage
        .cloud
        .inject(FaultRule::new(Fault::Html { status: 502 }).service(Service::Oos));
    let outcome = stage.mount(Path::new(&odd), &[]);
    assert!(outcome.remarks.contains("code = Internal"), "{}", outcome.remarks);
    assert!(!stage.target().exists());
}
