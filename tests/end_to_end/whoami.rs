//! `whoami`: what an operator sees of the identity, and what is missing.

use std::process::{Command, Output};

use harness::FakeCloud;

fn whoami(cloud: &FakeCloud, arguments: &[&str], variables: &[(&str, &str)]) -> (bool, String) {
    let url = cloud.http_url();
    let endpoints = ["kms", "oos", "sts", "metadata"].map(|service| format!("--{service}-endpoint={url}"));
    let Output {
        status,
        stdout,
        stderr,
    } = Command::new(env!("CARGO_BIN_EXE_csi-secrets-store-provider-alibabacloud"))
        .arg("whoami")
        .args(endpoints)
        .args(arguments)
        .env_clear()
        .envs(variables.iter().copied())
        .output()
        .expect("the binary runs");
    let text = String::from_utf8_lossy(&stdout).into_owned() + &String::from_utf8_lossy(&stderr);
    (status.success(), text)
}

fn assert_lines(text: &str, lines: &[&str]) {
    for line in lines {
        assert!(text.contains(line), "{line:?} is not in:\n{text}");
    }
}

#[test]
fn the_providers_own_identity() {
    let cloud = FakeCloud::start().expect("fake cloud");
    let (is_well, text) = whoami(&cloud, &[], &[]);
    assert!(is_well, "{text}");
    assert_lines(
        &text,
        &[
            "skipped:  pod identity: usePodServiceAccountToken is not true\n",
            "skipped:  RRSA of the provider: ALICLOUD_ROLE_ARN is not set\n",
            "source:   worker RAM role of the node\n",
            "caller:   acs:ram::1234567890120000:assumed-role/worker-role/",
            "account:  1234567890120000\n",
            "expires:  20",
            "(set by --sts-endpoint)\n",
            "region:   cn-hangzhou",
        ],
    );

    let (is_well, text) = whoami(&cloud, &[], &[("ALIBABA_CLOUD_ECS_METADATA_DISABLED", "true")]);
    assert!(!is_well, "{text}");
    assert_lines(
        &text,
        &[
            "missing:  found no Alibaba Cloud credentials",
            "region:   unknown",
        ],
    );

    let wrong = [("ACCESS_KEY_ID", "LTAI5tNobody"), ("SECRET_ACCESS_KEY", "canary")];
    let (is_well, text) = whoami(&cloud, &[], &wrong);
    assert!(!is_well && !text.contains("canary"), "{text}");
    assert_lines(
        &text,
        &[
            "expires:  never\n",
            "caller:   unknown:",
            "InvalidAccessKeyId.NotFound",
            "request id",
        ],
    );
}

#[test]
fn the_identity_of_a_pod() {
    let cloud = FakeCloud::start().expect("fake cloud");
    let files = tempfile::tempdir().expect("directory");
    let file = |name: &str| files.path().join(name);
    cloud.write_ca(&file("ca.crt")).expect("CA");
    std::fs::write(file("token"), "fake-cloud-provider-token").expect("token");
    let token = cloud.mint_token(
        "rrsa-demo",
        "demo-sa",
        "sts.aliyuncs.com",
        jiff::SignedDuration::from_mins(10),
    );
    std::fs::write(file("pod-token"), &token).expect("token");
    let port = cloud.https_address().port().to_string();
    let variables = [
        ("KUBERNETES_SERVICE_HOST", "127.0.0.1"),
        ("KUBERNETES_SERVICE_PORT", port.as_str()),
        (
            "ALICLOUD_OIDC_PROVIDER_ARN",
            "acs:ram::1234567890120000:oidc-provider/ack-rrsa-c0fake0cloud0cluster0000000001",
        ),
    ];
    let directory = format!("--service-account-dir={}", files.path().display());
    let token_file = format!("--token-file={}", file("pod-token").display());
    let ask = |account: &str| {
        let account = format!("--service-account={account}");
        let arguments = [
            "--class=examples/authentication/pod-identity.yaml",
            "--namespace=rrsa-demo",
            &account,
            &token_file,
            &directory,
        ];
        whoami(&cloud, &arguments, &variables)
    };
    let (is_well, text) = ask("demo-sa");
    assert!(is_well, "{text}");
    assert_lines(
        &text,
        &[
            "source:   identity of the pod's ServiceAccount (RRSA)\n",
            "role:     acs:ram::1234567890120000:role/demo-role-for-rrsa\n",
            "session:  demo-sa@rrsa-demo\n",
            "item 1 \"test\" (oos)",
        ],
    );
    let (is_well, text) = ask("plain-sa");
    assert!(!is_well && !text.contains(&token), "{text}");
    assert_lines(
        &text,
        &[
            "missing:  usePodServiceAccountToken is true, and the token in the request is not that of ServiceAccount rrsa-demo/plain-sa",
        ],
    );
}

/// Several classes in one file are told apart by name, as `mount` does; other documents are nobody's business.
#[test]
fn one_class_of_several() {
    let cloud = FakeCloud::start().expect("fake cloud");
    let files = tempfile::tempdir().expect("directory");
    let manifest = files.path().join("all.yaml");
    let class = |name: &str, object: &str| {
        format!(
            "apiVersion: secrets-store.csi.x-k8s.io/v1\nkind: SecretProviderClass\nmetadata: {{name: {name}, namespace: shop}}\nspec:\n  provider: alibabacloud\n  parameters:\n    objects: |\n      - objectName: {object}\n---\n"
        )
    };
    let text = format!(
        "{{{{ template }}}}\n---\n{}{}kind: Pod\n",
        class("web", "one"),
        class("jobs", "two")
    );
    std::fs::write(&manifest, text).expect("manifest");
    let manifest = format!("--class={}", manifest.display());
    let (is_well, text) = whoami(&cloud, &[&manifest], &[]);
    assert!(!is_well, "{text}");
    assert_lines(&text, &["found several classes: web, jobs; set --class-name\n"]);
    let (is_well, text) = whoami(&cloud, &[&manifest, "--class-name=none"], &[]);
    assert!(!is_well, "{text}");
    assert_lines(&text, &["found no SecretProviderClass \"none\""]);
    let (is_well, text) = whoami(&cloud, &[&manifest, "--class-name=jobs"], &[]);
    assert!(is_well && !text.contains("\"one\""), "{text}");
    assert_lines(&text, &["item 1 \"two\" (kms): http"]);
}

/// The access policy, object by object, for the pod that is named, or of the class's namespace.
#[test]
fn under_an_access_policy() {
    let cloud = FakeCloud::start().expect("fake cloud");
    let files = tempfile::tempdir().expect("directory");
    let file = |name: &str, text: &str| {
        let path = files.path().join(name);
        std::fs::write(&path, text).expect("file");
        path.display().to_string()
    };
    let policy = file(
        "policy.yaml",
        "version: 1\nrules:\n- name: own\n  subjects: [{namespace: shop, serviceAccounts: [web]}]\n  objects: [{service: kms, names: [a], regions: [cn-hangzhou]}]\n",
    );
    let class = file(
        "class.yaml",
        "kind: SecretProviderClass\nmetadata: {name: c, namespace: shop}\nspec:\n  provider: alibabacloud\n  parameters:\n    objects: |\n      - objectName: a\n      - objectName: b\n",
    );
    let (policy, class) = (format!("--access-policy={policy}"), format!("--class={class}"));
    // No region in the class: the node's decides.
    let (is_well, text) = whoami(&cloud, &[&policy, &class, "--service-account=web"], &[]);
    assert!(!is_well, "{text}");
    assert_lines(
        &text,
        &[
            "policy.yaml: does not let these pods read with the provider's identity\n",
            ", permitted by rule \"own\"\n",
            ", denied: no rule for these pods names this object\n",
        ],
    );
    let (_, text) = whoami(
        &cloud,
        &[&policy, &class, "--service-account=web", "--namespace=other"],
        &[],
    );
    assert_eq!(
        text.matches("denied: no rule has this namespace").count(),
        2,
        "{text}"
    );

    let all = file(
        "all.yaml",
        "version: 1\nrules:\n- {name: all, subjects: [{namespace: '*'}], objects: [{service: kms, names: ['*']}]}\n",
    );
    let (is_well, text) = whoami(&cloud, &[&format!("--access-policy={all}"), &class], &[]);
    assert!(is_well, "{text}");
    assert_eq!(text.matches("permitted by rule \"all\"").count(), 2, "{text}");
    assert_lines(
        &text,
        &["all.yaml: lets these pods read with the provider's identity\n"],
    );

    let (is_well, text) = whoami(&cloud, &[&policy], &[]);
    assert!(is_well, "{text}");
    assert_lines(&text, &["policy.yaml: 1 rules; set --class to check them\n"]);
    for arguments in [
        &["--access-policy=/does/not/exist"][..],
        &["--access-policy=/does/not/exist", &class],
    ] {
        let (is_well, text) = whoami(&cloud, arguments, &[]);
        assert!(!is_well, "{text}");
        assert_lines(
            &text,
            &["policy:   access policy /does/not/exist: cannot be read"],
        );
    }
}
