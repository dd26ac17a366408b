//! `fake-cloud test`: a class mounted and compared, with the provider's real binary.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

const PROVIDER: &str = env!("CARGO_BIN_EXE_csi-secrets-store-provider-alibabacloud");

fn example(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples").join(path);
    path.to_str().expect("a path").to_owned()
}

/// A directory with a class, a state file and what is expected.
struct Stage {
    directory: tempfile::TempDir,
}

impl Stage {
    fn new() -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        Self { directory }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn written(&self, name: &str, text: &str) -> String {
        let path = self.path(name);
        fs::create_dir_all(path.parent().expect("a parent")).expect("directories");
        fs::write(&path, text).expect("written");
        path.to_str().expect("a path").to_owned()
    }

    /// Whether it was as expected, with what was printed.
    fn test(&self, class: &str, arguments: &[&str]) -> (bool, String) {
        let state = example("state.yaml");
        let provider = format!("--provider={PROVIDER}");
        let all = ["test", class, "--state", &state, &provider]
            .into_iter()
            .chain(arguments.iter().copied())
            .map(std::ffi::OsString::from);
        let (mut out, mut remarks) = (Vec::new(), Vec::new());
        let code = harness::cli::main(all, &mut out, &mut remarks);
        let text = String::from_utf8(out).expect("text") + &String::from_utf8(remarks).expect("text");
        (format!("{code:?}") == format!("{:?}", ExitCode::SUCCESS), text)
    }

    /// `class` of one KMS secret.
    fn class(&self, parameters: &str) -> String {
        let text = format!(
            "kind: SecretProviderClass\nmetadata: {{name: c}}\nspec:\n  provider: alibabacloud\n  parameters:\n{parameters}"
        );
        self.written("class.yaml", &text)
    }
}

#[test]
fn contents_and_modes_are_compared() {
    let stage = Stage::new();
    let class = stage.class(
        "    objects: |\n      - {objectName: ssh-key, filePermission: \"0400\"}\n      - objectName: demo/database\n        \
         objectAlias: db\n",
    );
    let expect = stage.path("expected").to_str().expect("a path").to_owned();
    let (good, text) = stage.test(&class, &["--expect", &expect, "--update"]);
    assert!(good && text.contains("wrote 2 files"), "{text}");
    assert_eq!(
        fs::read_to_string(stage.path("expected/.modes")).expect("modes"),
        "0400 ssh-key\n"
    );
    let (good, text) = stage.test(&class, &["--expect", &expect]);
    assert!(good && text.starts_with("ok: "), "{text}");

    stage.written("expected/db", "{}\n");
    stage.written("expected/.modes", "0440 ssh-key\n");
    stage.written("expected/sub/more", "");
    let (good, text) = stage.test(&class, &["--expect", &expect]);
    assert!(!good);
    let lines: Vec<&str> = text.lines().skip(1).map(str::trim).collect();
    assert_eq!(
        lines,
        [
            "db: line 1: expected \"{}\\n\", found \"{\\\"host\\\":\\\"db.example\\\",\\\"port\\\":3306,\\\"user\\\":\\\"app\\\"}\"",
            "ssh-key: expected mode 0440, found 0400",
            "sub/more: expected, and not mounted",
        ]
    );
}

#[test]
fn a_failed_mount_is_told_in_the_events_words() {
    let stage = Stage::new();
    let class = stage.class("    objects: \"- objectName: nothing\"\n");
    let expect = stage.path("expected");
    fs::create_dir(&expect).expect("a directory");
    let (good, text) = stage.test(&class, &["--expect", expect.to_str().expect("a path")]);
    assert!(!good && text.contains("Forbidden.ResourceNotFound"), "{text}");
    let (good, text) = stage.test(&class, &["--expect-error", "Forbidden.ResourceNotFound"]);
    assert!(good, "{text}");
    let (good, text) = stage.test(&class, &["--expect-error", "Forbidden.NoPermission"]);
    assert!(
        !good && text.contains("expected an error with \"Forbidden.NoPermission\""),
        "{text}"
    );
    let class = stage.class("    objects: \"- objectName: ssh-key\"\n");
    let (good, text) = stage.test(&class, &["--expect-error", "x"]);
    assert!(!good && text.contains("the mount succeeded"), "{text}");
}

#[test]
fn faults_must_strike_and_are_survived_or_not() {
    let stage = Stage::new();
    let class = stage.class("    objects: \"- objectName: ssh-key\"\n");
    let expect = stage.path("expected");
    stage.written("expected/ssh-key", "a private key");
    let expect = ["--expect", expect.to_str().expect("a path")];
    let (good, text) = stage.test(&class, &[&expect[..], &["--fault", "kms=throttle:1"]].concat());
    assert!(good, "{text}");
    let (good, text) = stage.test(&class, &[&expect[..], &["--fault", "oos=throttle:1"]].concat());
    assert!(
        !good && text.contains("no request met the fault oos=throttle:1"),
        "{text}"
    );
    let (good, text) = stage.test(
        &class,
        &[&expect[..], &["--fault", "kms=hold", "--timeout", "300ms"]].concat(),
    );
    assert!(
        !good && text.contains("the mount did not end within 300 ms"),
        "{text}"
    );
    let (good, text) = stage.test(&class, &[&expect[..], &["--fault", "kms=cut:often"]].concat());
    assert!(!good && text.contains("expected a number of times"), "{text}");
}

/// As in the cloud: another region has other secrets, a misspelt one no host, and a class's own endpoint is asked.
#[test]
fn the_real_host_names_lead_to_the_fake_and_nowhere_else() {
    let stage = Stage::new();
    stage.written("expected/demo_api-token", "token-of-beijing");
    let expect = stage.path("expected");
    let expect = ["--expect", expect.to_str().expect("a path")];
    let objects = "    objects: |\n      - objectName: demo/api-token\n";
    let class = stage.class(&format!("    region: cn-beijing\n{objects}"));
    let (good, text) = stage.test(&class, &expect);
    assert!(good, "{text}");
    let class = stage.class(&format!("    region: cn-bejing\n{objects}"));
    let (good, text) = stage.test(&class, &expect);
    assert!(
        !good && text.contains("cn-bejing") && text.contains("502"),
        "{text}"
    );
    let class = stage.class(&format!(
        "{objects}        kmsEndpoint: kms-vpc.cn-beijing.aliyuncs.com\n"
    ));
    let (good, text) = stage.test(&class, &expect);
    assert!(good, "{text}");
    let outside = [
        "--expect-error",
        "502",
        "--",
        "--allowed-endpoints=kms.example.com",
    ];
    let class = stage.class(&format!("{objects}        kmsEndpoint: kms.example.com\n"));
    let (good, text) = stage.test(&class, &outside);
    assert!(good, "{text}");
}

#[test]
fn every_authentication_example_mounts() {
    let stage = Stage::new();
    let secret = stage.written(
        "secret.yaml",
        "kind: Secret\nstringData: {access_key: LTAI5tExampleProvider001, access_secret: ExampleProviderSecret00000001}\n",
    );
    let no_pair = ["--env", "ACCESS_KEY_ID=", "--env", "SECRET_ACCESS_KEY="];
    let cases: [(&str, Vec<&str>); 8] = [
        ("access-key-role", vec![]),
        ("access-key", vec![]),
        ("cross-account", vec![]),
        ("kms-instance", vec![]),
        (
            "node-publish-secret",
            [&no_pair[..], &["--publish-secret", &secret]].concat(),
        ),
        (
            "pod-identity",
            [&no_pair[..], &["--pod", "rrsa-demo/demo-sa"]].concat(),
        ),
        ("provider-rrsa", vec![]),
        ("worker-role", no_pair.to_vec()),
    ];
    let mut examples: Vec<String> = fs::read_dir(example("authentication"))
        .expect("the examples")
        .map(|entry| entry.expect("an entry").file_name().into_string().expect("text"))
        .collect();
    examples.sort();
    assert_eq!(examples, cases.each_ref().map(|(name, _)| format!("{name}.yaml")));
    for (name, arguments) in cases {
        let expect = stage.path(name).to_str().expect("a path").to_owned();
        let class = example(&format!("authentication/{name}.yaml"));
        let (good, text) = stage.test(
            &class,
            &[&["--expect", &expect, "--update"], &arguments[..]].concat(),
        );
        assert!(good && !text.contains("wrote 0 files"), "{name}: {text}");
    }
}

#[test]
fn a_pod_that_the_state_does_not_know_is_refused() {
    let stage = Stage::new();
    let class =
        stage.class("    usePodServiceAccountToken: \"true\"\n    objects: \"- objectName: ssh-key\"\n");
    let (good, text) = stage.test(&class, &["--expect-error", "x", "--pod", "default/other"]);
    assert!(
        !good && text.contains("add kubernetes.service_accounts.default.other"),
        "{text}"
    );
}

/// Flags that a shell swallowed must not lead to the real cloud.
#[test]
fn run_refuses_a_mount_without_its_flags() {
    let arguments = [
        "run", "--", PROVIDER, "mount", "--class", "c.yaml", "--target", "out",
    ];
    let mut remarks = Vec::new();
    let code = harness::cli::main(arguments.map(Into::into), &mut std::io::sink(), &mut remarks);
    let text = String::from_utf8(remarks).expect("text");
    assert_eq!(format!("{code:?}"), format!("{:?}", ExitCode::from(2)), "{text}");
    assert!(text.contains("without $FAKE_CLOUD_PROVIDER_FLAGS"), "{text}");
}
