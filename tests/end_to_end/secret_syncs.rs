//! SecretSyncs as the sync controller asks for them: one connection, one pod and one path for all, the ServiceAccount's
//! token among the attributes, and never a `nodePublishSecretRef`.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::thread;

use harness::driver::{Code, MountRequest, MountResponse, Status};
use harness::{FakeCloud, Service};
use serde_json::Value;

use crate::world::{World, binary};

const OIDC_PROVIDER: &str = "acs:ram::1234567890120000:oidc-provider/ack-rrsa-c0fake0cloud0cluster0000000001";
const AUDIENCE: &str = "sts.aliyuncs.com";

/// The provider beside the controller, with nothing but what `examples/sync-controller` gives it.
struct Beside {
    world: World,
    _files: tempfile::TempDir,
}

impl Beside {
    fn start() -> Self {
        let cloud = FakeCloud::start().expect("fake cloud");
        let files = tempfile::tempdir().expect("directory");
        cloud.write_ca(&files.path().join("ca.crt")).expect("CA");
        fs::write(files.path().join("token"), "fake-cloud-provider-token").expect("token");
        let world = World::on(cloud, |_, cloud| {
            let url = cloud.http_url();
            ["kms", "oos", "sts", "metadata"]
                .iter()
                .fold(binary(), |builder, service| {
                    builder.argument(format!("--{service}-endpoint={url}"))
                })
                .argument(format!("--service-account-dir={}", files.path().display()))
                .variable("KUBERNETES_SERVICE_HOST", "127.0.0.1")
                .variable(
                    "KUBERNETES_SERVICE_PORT",
                    cloud.https_address().port().to_string(),
                )
                .variable("ALICLOUD_OIDC_PROVIDER_ARN", OIDC_PROVIDER)
        });
        Self { world, _files: files }
    }

    fn token(&self, account: &str, audience: &str, minutes: i64) -> String {
        let lifetime = jiff::SignedDuration::from_mins(minutes);
        self.world
            .cloud
            .mint_token("rrsa-demo", account, audience, lifetime)
    }

    /// One request for a ServiceAccount, with the tokens that the controller has minted.
    fn sync(
        &self,
        account: &str,
        parameters: &[(&str, &str)],
        tokens: &[(&str, &str)],
    ) -> Result<MountResponse, Status> {
        let tokens: BTreeMap<_, _> = tokens
            .iter()
            .map(|(audience, token)| {
                let token =
                    serde_json::json!({ "token": token, "expirationTimestamp": "2099-01-01T00:00:00Z" });
                (*audience, token)
            })
            .collect();
        let tokens = serde_json::to_string(&tokens).expect("JSON");
        let mut attributes: BTreeMap<&str, &str> = parameters.iter().copied().collect();
        attributes.extend([
            (
                "csi.storage.k8s.io/pod.name",
                "secrets-store-sync-controller-manager-0",
            ),
            (
                "csi.storage.k8s.io/pod.uid",
                "9a7e5a86-1d4c-4c6f-8d7b-7c4c1f0f2b55",
            ),
            ("csi.storage.k8s.io/pod.namespace", "rrsa-demo"),
            ("csi.storage.k8s.io/serviceAccount.name", account),
            ("csi.storage.k8s.io/serviceAccount.tokens", tokens.as_str()),
        ]);
        self.world.driver.mount(MountRequest {
            attributes: serde_json::to_string(&attributes).expect("JSON"),
            secrets: "{}".to_owned(),
            target_path: "/mnt/secrets-store".to_owned(),
            permission: "420".to_owned(),
            current_object_version: Vec::new(),
        })
    }

    /// The same for a ServiceAccount with a token that is good.
    fn good(&self, account: &str, parameters: &[(&str, &str)]) -> Result<MountResponse, Status> {
        self.sync(
            account,
            parameters,
            &[(AUDIENCE, &self.token(account, AUDIENCE, 10))],
        )
    }
}

fn contents(response: &MountResponse) -> BTreeMap<&str, &str> {
    let files = response.files.iter();
    files
        .map(|file| {
            (
                file.path.as_str(),
                std::str::from_utf8(&file.contents).expect("text"),
            )
        })
        .collect()
}

fn versions(response: &MountResponse) -> Vec<(&str, &str)> {
    let versions = response.object_version.iter();
    versions
        .map(|one| (one.id.as_str(), one.version.as_str()))
        .collect()
}

/// What the controller's schema allows as `sourcePath`, but for its paths of numbers: letters and digits, and single
/// separators between them.
fn is_source_path(path: &str) -> bool {
    let alphanumeric = |c: char| c.is_ascii_alphanumeric();
    let mut parts = path.split(['-', '.', '_']);
    path.len() <= 253 && parts.all(|part| !part.is_empty() && part.chars().all(alphanumeric))
}

#[test]
fn the_example_becomes_a_secret() {
    let beside = Beside::start();
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/sync-controller");
    let text = fs::read_to_string(directory.join("secretsync.yaml")).expect("the example");
    let manifests: Vec<Value> = serde_saphyr::from_multiple(&text).expect("YAML");
    let [class, sync] = manifests.as_slice() else {
        panic!("a class and a SecretSync: {manifests:?}")
    };
    assert_eq!(sync["spec"]["secretProviderClassName"], class["metadata"]["name"]);
    assert_eq!(sync["metadata"]["namespace"], class["metadata"]["namespace"]);
    let parameters: BTreeMap<String, String> =
        serde_json::from_value(class["spec"]["parameters"].clone()).expect("texts");
    let parameters: Vec<_> = parameters
        .iter()
        .map(|(key, value)| (key.as_str(), value.as_str()))
        .collect();
    let account = sync["spec"]["serviceAccountName"].as_str().expect("text");
    let response = beside.good(account, &parameters).expect("a Secret");
    let files = contents(&response);
    let data = sync["spec"]["secretObject"]["data"].as_array().expect("a list");
    let mut secret = BTreeMap::new();
    for entry in data {
        let path = entry["sourcePath"].as_str().expect("text");
        assert!(is_source_path(path), "{path}");
        let value = files
            .get(path)
            .unwrap_or_else(|| panic!("{path} is not among {files:?}"));
        secret.insert(entry["targetKey"].as_str().expect("text"), *value);
    }
    assert_eq!(
        secret,
        BTreeMap::from([("username", "testuser"), ("password", "testpassword")])
    );
    assert_eq!(sync["spec"]["secretObject"]["type"], "kubernetes.io/basic-auth");

    let values = fs::read_to_string(directory.join("values.yaml")).expect("the example");
    let values: Value = serde_saphyr::from_str(&values).expect("YAML");
    assert_eq!(values["tokenRequestAudience"][0]["audience"], AUDIENCE);
    let container = &values["providerContainer"][0];
    assert_eq!(container["env"][0]["name"], "ALICLOUD_OIDC_PROVIDER_ARN");
    assert_eq!(container["env"][0]["value"], OIDC_PROVIDER);
    assert_eq!(
        container["volumeMounts"][0]["name"], "providervol",
        "the chart's volume"
    );
}

/// Each SecretSync is read as its own ServiceAccount, however many ask at once.
#[test]
fn many_at_once_are_not_mixed() {
    let beside = Beside::start();
    let accounts = [
        ("demo-sa", "assumed-role/demo-role-for-rrsa/demo-sa@rrsa-demo"),
        ("other-sa", "assumed-role/other-role-for-rrsa/other-sa@rrsa-demo"),
    ];
    for at in 0..20 {
        beside
            .world
            .cloud
            .set_kms_text(&format!("team-b-{at}"), &format!("value {at}"));
    }
    thread::scope(|scope| {
        for at in 0..20 {
            for (account, _) in accounts {
                let beside = &beside;
                scope.spawn(move || {
                    let objects = format!("- objectName: team-b-{at}\n");
                    let parameters = [
                        ("objects", objects.as_str()),
                        ("region", "cn-hangzhou"),
                        ("usePodServiceAccountToken", "true"),
                    ];
                    let response = beside.good(account, &parameters).expect("mount");
                    let (file, value) = (format!("team-b-{at}"), format!("value {at}"));
                    assert_eq!(
                        contents(&response),
                        BTreeMap::from([(file.as_str(), value.as_str())])
                    );
                });
            }
        }
    });
    let readers = beside.world.cloud.requests_of(Service::Kms);
    assert_eq!(readers.len(), 40, "each is read for itself");
    for (account, arn) in accounts {
        let as_account = readers
            .iter()
            .filter(|read| format!("{read:?}").contains(arn))
            .count();
        assert_eq!(as_account, 20, "{account}");
    }
}

/// What Reloader and the controller's hash rely on: a version changes exactly when the value does.
#[test]
fn versions_change_exactly_when_the_value_does() {
    let beside = Beside::start();
    let parameters = [
        (
            "objects",
            "- objectName: test-kms\n- {objectName: test, objectType: oos}\n",
        ),
        ("region", "cn-hangzhou"),
        ("usePodServiceAccountToken", "true"),
    ];
    let sync = || beside.good("demo-sa", &parameters).expect("mount");
    let first = sync();
    assert_eq!(versions(&sync()), versions(&first), "nothing has changed");
    beside.world.cloud.set_kms_text("test-kms", "rotated");
    let second = sync();
    assert_eq!(contents(&second)["test-kms"], "rotated");
    let changed: Vec<bool> = versions(&first)
        .into_iter()
        .zip(versions(&second))
        .map(|(before, after)| before != after)
        .collect();
    assert_eq!(changed, [true, false], "{:?}", versions(&second));
    beside.world.cloud.set_oos("test", "rotated as well");
    let third = sync();
    assert_eq!(contents(&third)["test"], "rotated as well");
    assert_ne!(versions(&third)[1], versions(&second)[1]);
    assert_eq!(versions(&third)[0], versions(&second)[0]);
}

/// What it is, ServiceAccount, parameters, tokens by audience; the code, and a word of the message.
type Case<'a> = (
    &'a str,
    &'a str,
    &'a [(&'a str, &'a str)],
    &'a [(&'a str, &'a str)],
    Code,
    &'a str,
);

/// Refused as a whole, with a code that the controller reports and words that its condition shows.
#[test]
fn what_cannot_be_synced_says_why() {
    let beside = Beside::start();
    let pod = ("usePodServiceAccountToken", "true");
    let region = ("region", "cn-hangzhou");
    let good = beside.token("demo-sa", AUDIENCE, 10);
    let plain = beside.token("plain-sa", AUDIENCE, 10);
    let expired = beside.token("demo-sa", AUDIENCE, -10);
    let foreign = beside.token("other-sa", AUDIENCE, 10);
    let elsewhere = beside.token("demo-sa", "vault", 10);
    let ok = ("objects", "- objectName: test-kms\n");
    let good: &[_] = &[(AUDIENCE, good.as_str())];
    let cases: [Case<'_>; 13] = [
        (
            "no token",
            "demo-sa",
            &[ok, region, pod],
            &[],
            Code::Unauthenticated,
            "token",
        ),
        (
            "another audience",
            "demo-sa",
            &[ok, region, pod],
            &[("vault", &elsewhere)],
            Code::Unauthenticated,
            AUDIENCE,
        ),
        (
            "an expired token",
            "demo-sa",
            &[ok, region, pod],
            &[(AUDIENCE, &expired)],
            Code::Unauthenticated,
            "expired",
        ),
        (
            "another account's token",
            "demo-sa",
            &[ok, region, pod],
            &[(AUDIENCE, &foreign)],
            Code::Unauthenticated,
            "rrsa-demo/demo-sa",
        ),
        (
            "no token at all, but text",
            "demo-sa",
            &[ok, region, pod],
            &[(AUDIENCE, "no token")],
            Code::Unauthenticated,
            "token",
        ),
        (
            "no role",
            "plain-sa",
            &[ok, region, pod],
            &[(AUDIENCE, &plain)],
            Code::Unauthenticated,
            "ack.alibabacloud.com/role-arn",
        ),
        (
            "no such account",
            "nobody",
            &[ok, region, pod],
            good,
            Code::Unauthenticated,
            "nobody",
        ),
        (
            "not found",
            "demo-sa",
            &[("objects", "- objectName: nothing\n"), region, pod],
            good,
            Code::NotFound,
            "nothing",
        ),
        (
            "denied",
            "demo-sa",
            &[("objects", "- objectName: forbidden\n"), region, pod],
            good,
            Code::PermissionDenied,
            "kms:GetSecretValue",
        ),
        (
            "one of two is denied",
            "demo-sa",
            &[
                ("objects", "- objectName: test-kms\n- objectName: forbidden\n"),
                region,
                pod,
            ],
            good,
            Code::PermissionDenied,
            "forbidden",
        ),
        (
            "no such part",
            "demo-sa",
            &[
                (
                    "objects",
                    "- objectName: db-credentials\n  jmesPath:\n  - {path: nothing, objectAlias: a}\n",
                ),
                region,
                pod,
            ],
            good,
            Code::InvalidArgument,
            "nothing",
        ),
        (
            "no objects",
            "demo-sa",
            &[region, pod],
            good,
            Code::InvalidArgument,
            "objects",
        ),
        (
            "a misspelt boolean",
            "demo-sa",
            &[ok, region, ("usePodServiceAccountToken", "maybe")],
            good,
            Code::InvalidArgument,
            "usePodServiceAccountToken",
        ),
    ];
    for (case, account, parameters, tokens, code, words) in cases {
        let status = beside.sync(account, parameters, tokens).expect_err(case);
        assert_eq!(status.code(), code, "{case}: {status}");
        assert!(status.message().contains(words), "{case}: {status}");
        for (_, token) in tokens {
            assert!(
                !status.message().contains(token) || *token == "no token",
                "{case}"
            );
        }
    }
    // None of them has spoilt anything for the next one.
    beside.good("demo-sa", &[ok, region, pod]).expect("mount");
}
