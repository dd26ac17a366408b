//! Every manifest in `examples/authentication/`, mounted by the subcommand `mount` against the fake cloud as the
//! identity that it is about: which files come out, and as whom the cloud was asked.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use harness::proxy::Proxy;
use harness::{FakeCloud, Service};

const OIDC_PROVIDER: &str = "acs:ram::1234567890120000:oidc-provider/ack-rrsa-c0fake0cloud0cluster0000000001";
const PROVIDER: &str = "acs:ram::1234567890120000:user/csi-provider";

struct Stage {
    cloud: FakeCloud,
    directory: tempfile::TempDir,
}

/// One example: flags, variables, and the callers that KMS must have seen.
type Case<'a> = (&'a str, Vec<String>, Vec<(&'static str, String)>, &'a [&'a str]);

impl Stage {
    fn new() -> Self {
        let cloud = FakeCloud::start().expect("a cloud");
        let directory = tempfile::tempdir().expect("a directory");
        let stage = Self { cloud, directory };
        stage.written("ca.pem", stage.cloud.ca_pem());
        stage.written("kms-ca.pem", stage.cloud.kms_instances_pem());
        stage.written("ca.crt", stage.cloud.ca_pem());
        stage.written("token", "fake-cloud-provider-token");
        stage
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn written(&self, name: &str, text: &str) -> String {
        let path = self.path(name);
        fs::write(&path, text).expect("written");
        path.to_str().expect("a path").to_owned()
    }

    /// A token of the cluster for a ServiceAccount, in a file.
    fn token(&self, namespace: &str, account: &str) -> String {
        let lifetime = jiff::SignedDuration::from_mins(10);
        let token = self
            .cloud
            .mint_token(namespace, account, "sts.aliyuncs.com", lifetime);
        self.written(&format!("token-of-{account}"), &token)
    }

    /// Runs `mount` and gives the files that came out.
    fn mount(
        &self,
        example: &Path,
        flags: &[String],
        variables: &[(&str, String)],
    ) -> Result<BTreeMap<String, String>, String> {
        let https = self.cloud.https_url();
        let target = self.path("target");
        let mut command = Command::new(env!("CARGO_BIN_EXE_csi-secrets-store-provider-alibabacloud"));
        command
            .args(["mount", "--class"])
            .arg(example)
            .arg("--target")
            .arg(&target)
            .args(["kms", "oos", "sts"].map(|service| format!("--{service}-endpoint={https}")))
            .arg(format!("--metadata-endpoint={}", self.cloud.http_url()))
            .arg(format!(
                "--service-account-dir={}",
                self.directory.path().display()
            ))
            .args(flags)
            .env_clear()
            .env("SSL_CERT_FILE", self.path("ca.pem"))
            .env("KUBERNETES_SERVICE_HOST", "127.0.0.1")
            .env(
                "KUBERNETES_SERVICE_PORT",
                self.cloud.https_address().port().to_string(),
            )
            .envs(variables.iter().map(|(name, value)| (name, value)));
        let output = command.output().expect("the provider runs");
        fs::write(self.path("remarks"), &output.stderr).expect("written");
        if !output.status.success() {
            return Err(String::from_utf8_lossy(&output.stderr).into_owned());
        }
        let entries = fs::read_dir(&target)
            .expect("the target")
            .map(|entry| entry.expect("an entry"));
        let names = entries.map(|entry| entry.file_name().into_string().expect("text"));
        Ok(names
            .filter(|name| !name.starts_with(".."))
            .map(|name| {
                (
                    name.clone(),
                    fs::read_to_string(target.join(&name)).expect("text"),
                )
            })
            .collect())
    }
}

#[test]
fn every_way_to_authenticate_mounts_its_example() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/authentication");
    let mut examples: Vec<String> = fs::read_dir(&directory)
        .expect("the examples")
        .map(|entry| entry.expect("an entry").file_name().into_string().expect("text"))
        .collect();
    examples.sort();
    for example in &examples {
        let stage = Stage::new();
        let proxy = Proxy::start(Some(stage.cloud.https_address())).expect("a proxy");
        let (_, flags, variables, callers) = case(&stage, example, &proxy);
        let files = stage
            .mount(&directory.join(example), &flags, &variables)
            .unwrap_or_else(|problem| panic!("{example}: {problem}"));
        assert_eq!(files["test-kms"], "hello from KMS", "{example}");
        match example.as_str() {
            "kms-instance.yaml" => assert!(
                proxy
                    .targets()
                    .iter()
                    .any(|host| host.contains(".cryptoservice.kms.")),
                "{:?}",
                proxy.targets()
            ),
            "cross-account.yaml" => assert_eq!(files.len(), 3, "{files:?}"),
            _ => assert_eq!(files["test"], "hello from OOS", "{example}"),
        }
        let mut seen: Vec<String> = stage
            .cloud
            .requests_of(Service::Kms)
            .into_iter()
            .filter_map(|request| request.identity)
            .collect();
        seen.sort();
        assert_eq!(seen, callers, "{example}");
    }
}

/// A pod that brings two identities reads with that of its ServiceAccount, and the other is not passed over in silence.
#[test]
fn a_secret_that_is_not_used_is_a_warning() {
    let stage = Stage::new();
    let proxy = Proxy::start(None).expect("a proxy");
    let example = "pod-identity.yaml";
    let class = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("examples/authentication")
        .join(example);
    let (_, flags, variables, callers) = case(&stage, example, &proxy);
    for (text, warns) in [
        (None, false),
        (Some("kind: Secret\n"), false),
        (
            Some("kind: Secret\nstringData: {access_key: LTAI, access_secret: canary}\n"),
            true,
        ),
        (Some("kind: Secret\nstringData: {ak: LTAI, sk: canary}\n"), true),
    ] {
        let mut flags = flags.clone();
        flags.extend(text.map(|text| format!("--publish-secret={}", stage.written("secret.yaml", text))));
        stage.cloud.clear_requests();
        stage.mount(&class, &flags, &variables).expect("mounts");
        let remarks = fs::read_to_string(stage.path("remarks")).expect("remarks");
        let warning = "nodePublishSecretRef is not used because usePodServiceAccountToken is true";
        assert_eq!(remarks.contains(warning), warns, "{text:?}: {remarks}");
        let readers = stage.cloud.requests_of(Service::Kms);
        assert!(
            readers
                .iter()
                .all(|it| it.identity.as_deref() == callers.first().copied()),
            "{readers:?}"
        );
    }
}

/// The init container of docs/install.md, with the paths of this machine and the roles of the fake.
#[test]
fn the_init_container_of_the_guide_mounts() {
    let guide = include_str!("../docs/install.md");
    let section = guide
        .split_once("## Where no DaemonSet runs")
        .expect("the section")
        .1;
    let pod = section.split_once("```yaml\n").expect("a pod").1;
    let line = |begin: &str| {
        let mut lines = pod.lines().map(str::trim);
        lines
            .find_map(|line| line.strip_prefix(begin))
            .expect("the line")
            .to_owned()
    };
    let value = |name: &str| {
        let mut lines = pod.lines().map(str::trim);
        lines
            .find(|line| *line == format!("- name: {name}"))
            .expect("the variable");
        lines
            .next()
            .and_then(|line| line.strip_prefix("value: "))
            .expect("its value")
            .to_owned()
    };
    let stage = Stage::new();
    let token = stage.token("kube-system", "csi-secrets-store-provider-alibabacloud");
    let class = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/authentication/provider-rrsa.yaml");
    let arguments = line("args: [").trim_end_matches(']').to_owned();
    let (first, rest) = arguments.split_once(", ").expect("arguments");
    assert_eq!(first, "mount");
    let named = |path: &str, flag: &str| {
        let name = flag.strip_prefix(path).expect("a file in the volume").to_owned();
        assert!(!name.is_empty() && !name.contains('/'), "{flag}");
    };
    let mut region = Vec::new();
    for flag in rest.split(", ") {
        match flag.split_once('=').expect("a flag with its value") {
            ("--class", path) => named("/class/", path),
            ("--target", path) => assert!(pod.contains(&format!("mountPath: {path} }}")), "{path}"),
            ("--region", _) => region.push(flag.to_owned()),
            other => panic!("{other:?}"),
        }
    }
    named("/token/", &value("ALICLOUD_OIDC_TOKEN_FILE"));
    assert_eq!(value("ALICLOUD_ROLE_ARN"), "acs:ram::<account id>:role/<role>");
    let provider = value("ALICLOUD_OIDC_PROVIDER_ARN");
    let provider = provider
        .replace("<account id>", "1234567890120000")
        .replace("<cluster id>", "c0fake0cloud0cluster0000000001");
    let variables = [
        (
            "ALICLOUD_ROLE_ARN",
            "acs:ram::1234567890120000:role/demo-role-for-rrsa".to_owned(),
        ),
        ("ALICLOUD_OIDC_PROVIDER_ARN", provider),
        ("ALICLOUD_OIDC_TOKEN_FILE", token),
    ];
    let files = stage.mount(&class, &region, &variables).expect("mounts");
    assert_eq!(files["test"], "hello from OOS");
}

/// What each example needs beside itself. An example that is not listed fails the test.
fn case<'a>(stage: &Stage, example: &'a str, proxy: &Proxy) -> Case<'a> {
    let (id, secret) = stage.cloud.access_key();
    let pair = || {
        vec![
            ("ACCESS_KEY_ID", id.clone()),
            ("SECRET_ACCESS_KEY", secret.clone()),
        ]
    };
    let with = |mut variables: Vec<(&'static str, String)>, more: &[(&'static str, &str)]| {
        variables.extend(more.iter().map(|(name, value)| (*name, (*value).to_owned())));
        variables
    };
    match example {
        "access-key.yaml" => (example, vec![], pair(), &[PROVIDER]),
        "access-key-role.yaml" => {
            let role = ("ALICLOUD_ROLE_ARN", "acs:ram::1234567890120000:role/adminrole");
            let callers =
                &["acs:ram::1234567890120000:assumed-role/adminrole/csi-secrets-store-provider-alibabacloud"];
            (example, vec![], with(pair(), &[role]), callers)
        }
        "cross-account.yaml" => {
            let callers = &[
                PROVIDER,
                "acs:ram::9999999999990000:assumed-role/target/default@default",
            ];
            (example, vec![], pair(), callers)
        }
        "kms-instance.yaml" => {
            let ca = format!("--kms-ca-file={}", stage.path("kms-ca.pem").display());
            let proxy = format!("http://{}", proxy.address());
            let variables = with(
                pair(),
                &[("HTTPS_PROXY", &proxy), ("NO_PROXY", "localhost,127.0.0.1")],
            );
            (example, vec![ca], variables, &[PROVIDER])
        }
        "node-publish-secret.yaml" => {
            let text = format!("kind: Secret\nstringData: {{access_key: {id}, access_secret: {secret}}}\n");
            let file = stage.written("secret.yaml", &text);
            (
                example,
                vec![format!("--publish-secret={file}")],
                vec![],
                &[PROVIDER],
            )
        }
        "pod-identity.yaml" => {
            let token = format!("--token-file={}", stage.token("rrsa-demo", "demo-sa"));
            let flags = vec![token, "--service-account=demo-sa".to_owned()];
            let variables = with(vec![], &[("ALICLOUD_OIDC_PROVIDER_ARN", OIDC_PROVIDER)]);
            let callers = &["acs:ram::1234567890120000:assumed-role/demo-role-for-rrsa/demo-sa@rrsa-demo"];
            (example, flags, variables, callers)
        }
        "provider-rrsa.yaml" => {
            let token = stage.token("kube-system", "csi-secrets-store-provider-alibabacloud");
            let variables = with(
                vec![],
                &[
                    ("ALICLOUD_OIDC_PROVIDER_ARN", OIDC_PROVIDER),
                    (
                        "ALICLOUD_ROLE_ARN",
                        "acs:ram::1234567890120000:role/demo-role-for-rrsa",
                    ),
                    ("ALICLOUD_OIDC_TOKEN_FILE", &token),
                ],
            );
            let callers = &[
                "acs:ram::1234567890120000:assumed-role/demo-role-for-rrsa/csi-secrets-store-provider-alibabacloud",
            ];
            (example, vec![], variables, callers)
        }
        "worker-role.yaml" => {
            let callers = &["acs:ram::1234567890120000:assumed-role/worker-role/i-bp1fake0cloud0000001"];
            (example, vec![], vec![], callers)
        }
        _ => panic!("{example} is new; say here what it needs"),
    }
}
