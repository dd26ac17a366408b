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
            "missing:  nothing gives Alibaba Cloud credentials",
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
