//! The access policy in the running provider.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::Command;

use harness::driver::{Code, MountResponse, Status, Volume};
use harness::{Fault, FaultRule};

use crate::observed::{free_port, get};
use crate::world::World;

const PAYMENTS: &str = "version: 1
rules:
- name: payments
  subjects: [{namespace: payments, serviceAccounts: [api]}]
  objects: [{service: oos, names: [test]}]
";

fn under(policy: &Path) -> World {
    World::with(|provider, _| provider.argument(format!("--access-policy={}", policy.display())))
}

/// The same with a health port.
fn observed(policy: &Path, port: u16) -> World {
    World::with(|provider, _| {
        provider
            .argument(format!("--access-policy={}", policy.display()))
            .argument(format!("--healthz-port={port}"))
    })
}

fn ask(world: &World, namespace: &str, secrets: Option<(&str, &str)>) -> Result<MountResponse, Status> {
    let objects = "- objectName: test\n  objectType: oos\n";
    let mut volume = Volume::new([("objects", objects), ("region", "cn-hangzhou")]);
    namespace.clone_into(&mut volume.namespace);
    volume.service_account = "api".to_owned();
    volume.secrets = secrets.map(|(id, secret)| {
        [("access_key", id), ("access_secret", secret)]
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .into()
    });
    world.driver.mount(volume.request())
}

/// PERMISSION_DENIED names the file and what is missing, and the cloud never hears of it.
#[test]
fn denied_without_a_call() {
    let directory = tempfile::tempdir().expect("directory");
    let policy = directory.path().join("policy.yaml");
    fs::write(&policy, PAYMENTS).expect("policy");
    let world = under(&policy);
    for namespace in ["web", "", "payments2"] {
        let status = ask(&world, namespace, None).expect_err("denied");
        assert_eq!(status.code(), Code::PermissionDenied, "{status}");
        let path = policy.display().to_string();
        for words in [path.as_str(), "item 1 \"test\" (oos)", "lack permission"] {
            assert!(status.message().contains(words), "{words}: {status}");
        }
    }
    assert!(world.cloud.requests().is_empty(), "{:?}", world.cloud.requests());
    assert_eq!(ask(&world, "payments", None).expect("permitted").files.len(), 1);
}

/// The pod's own AccessKey pair is RAM's business, and half of one is still an error.
#[test]
fn what_the_pod_brings_is_exempt() {
    let directory = tempfile::tempdir().expect("directory");
    let policy = directory.path().join("policy.yaml");
    fs::write(&policy, "version: 1\nrules: []\n").expect("policy");
    let world = under(&policy);
    let (id, secret) = world.cloud.access_key();
    ask(&world, "web", Some((&id, &secret))).expect("exempt");
    let status = ask(&world, "web", None).expect_err("denied");
    assert_eq!(status.code(), Code::PermissionDenied, "{status}");

    // What cannot be used is nobody's, and with the flag it is the provider who reads.
    let unusable = |world: &World| {
        let objects = "- objectName: test\n  objectType: oos\n";
        let mut volume = Volume::new([("objects", objects), ("region", "cn-hangzhou")]);
        volume.secrets = Some([("ak".to_owned(), id.clone()), ("sk".to_owned(), secret.clone())].into());
        let status = world.driver.mount(volume.request()).expect_err("unusable");
        assert!(!status.message().contains(&secret), "{status}");
        status
    };
    world.cloud.clear_requests();
    let status = unusable(&world);
    assert_eq!(status.code(), Code::Unauthenticated, "{status}");
    assert!(status.message().contains("found \"ak\", \"sk\""), "{status}");
    assert!(world.cloud.requests().is_empty(), "{:?}", world.cloud.requests());
    let lenient = World::with(|provider, _| {
        provider
            .argument(format!("--access-policy={}", policy.display()))
            .argument("--allow-identity-fallback")
    });
    let status = unusable(&lenient);
    assert_eq!(status.code(), Code::PermissionDenied, "{status}");

    let forbidding = "version: 1\nrules: [{name: none, identities: [nodePublishSecret], \
                      subjects: [{namespace: '*'}], objects: []}]\n";
    fs::write(&policy, forbidding).expect("policy");
    let status = ask(&world, "web", Some((&id, &secret))).expect_err("no longer exempt");
    assert_eq!(status.code(), Code::PermissionDenied, "{status}");
    assert!(status.message().contains("nodePublishSecretRef"), "{status}");
}

/// A new policy holds at once; one that makes no sense does not, and is told on `/readyz` and in the log.
#[test]
fn reloaded_and_kept() {
    let directory = tempfile::tempdir().expect("directory");
    let policy = directory.path().join("policy.yaml");
    let port = free_port();
    let world = observed(&policy, port);
    let ready = || {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).expect("health port");
        write!(stream, "GET /readyz HTTP/1.1\r\nhost: x\r\n\r\n").expect("request");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("answer");
        answer
    };
    let status = ask(&world, "payments", None).expect_err("there is no policy yet");
    assert_eq!(status.code(), Code::PermissionDenied, "{status}");
    assert!(status.message().contains("No such file"), "{status}");
    assert!(ready().starts_with("HTTP/1.1 503 "), "{}", ready());

    fs::write(&policy, PAYMENTS).expect("policy");
    ask(&world, "payments", None).expect("permitted");
    assert!(ready().starts_with("HTTP/1.1 200 "), "{}", ready());

    fs::write(&policy, format!("{PAYMENTS}  everything: true\n")).expect("policy");
    ask(&world, "payments", None).expect("still permitted");
    ask(&world, "web", None).expect_err("still denied");
    let answer = ready();
    assert!(
        answer.starts_with("HTTP/1.1 503 ") && answer.contains("everything"),
        "{answer}"
    );
    let log = world.provider.log();
    assert_eq!(log.matches("stays in force").count(), 1, "{log}");

    fs::write(&policy, PAYMENTS.replace("payments,", "web,")).expect("policy");
    ask(&world, "web", None).expect("permitted now");
    ask(&world, "payments", None).expect_err("no longer");
    assert!(ready().starts_with("HTTP/1.1 200 "), "{}", ready());
}

/// Before anything is deployed, `validate` says of a pod what its Mount would say.
#[test]
fn validate_says_what_the_mount_says() {
    let directory = tempfile::tempdir().expect("directory");
    let policy = directory.path().join("policy.yaml");
    fs::write(&policy, PAYMENTS).expect("policy");
    let world = under(&policy);
    let objects = "- objectName: test\n  objectType: oos\n- objectName: test-kms\n";
    let manifest = directory.path().join("class.yaml");
    let indented = objects.replace('\n', "\n      ");
    for (namespace, account) in [("payments", "api"), ("payments", "web"), ("web", "api")] {
        let text = format!(
            "apiVersion: secrets-store.csi.x-k8s.io/v1\nkind: SecretProviderClass\nmetadata: {{name: c, namespace: {namespace}}}\nspec:\n  provider: alibabacloud\n  parameters:\n    region: cn-hangzhou\n    objects: |\n      {indented}\n"
        );
        fs::write(&manifest, text).expect("manifest");
        let output = Command::new(env!("CARGO_BIN_EXE_csi-secrets-store-provider-alibabacloud"))
            .arg("validate")
            .arg(format!("--access-policy={}", policy.display()))
            .arg(format!("--service-account={account}"))
            .arg(&manifest)
            .output()
            .expect("the binary runs");
        let told = String::from_utf8(output.stdout).expect("text");
        let mut volume = Volume::new([("objects", objects), ("region", "cn-hangzhou")]);
        namespace.clone_into(&mut volume.namespace);
        account.clone_into(&mut volume.service_account);
        let status = world.driver.mount(volume.request()).expect_err("denied");
        let (message, _) = status.message().split_once(" (mount ").expect("an id at the end");
        assert!(message.contains("test-kms"), "{message}");
        assert!(
            told.contains(&format!(": error: {message}\n")),
            "{message}\nis not in\n{told}"
        );
        assert_eq!(output.status.code(), Some(1), "{told}");
    }
}

/// What the policy denies is told apart from what the cloud denies.
#[test]
fn denials_are_counted() {
    let directory = tempfile::tempdir().expect("directory");
    let policy = directory.path().join("policy.yaml");
    let port = free_port();
    let world = observed(&policy, port);
    ask(&world, "payments", None).expect_err("there is no policy yet");
    fs::write(&policy, PAYMENTS).expect("policy");
    ask(&world, "payments", None).expect("permitted");
    for _ in 0..2 {
        ask(&world, "web", None).expect_err("denied");
    }
    world
        .cloud
        .inject(FaultRule::new(Fault::error(403, "NoPermission", "")));
    ask(&world, "payments", None).expect_err("denied by the cloud");
    let (_, numbers) = get(port, "/metrics");
    for line in [
        "alibabacloud_provider_access_denied_total{reason=\"rules\"} 2\n",
        "alibabacloud_provider_access_denied_total{reason=\"no_policy\"} 1\n",
        "alibabacloud_provider_mounts_total{result=\"failure\",code=\"PERMISSION_DENIED\"} 4\n",
    ] {
        assert!(numbers.contains(line), "{line} is not in\n{numbers}");
    }
}
