//! What of secrets can be found where root can look: the memory of the running binary, and what the process gave up.
//!
//! These tests need root, as the gate has it.

mod credentials;
mod memory;
mod process;

use std::fs;
use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use harness::FakeCloud;
use harness::driver::{Driver, MountRequest, Volume};
use harness::process::{ProviderBuilder, ProviderProcess, is_root, shipped};
use memory::Memory;

const BINARY: &str = env!("CARGO_BIN_EXE_csi-secrets-store-provider-alibabacloud");

/// A binary, and how it reaches the cloud.
struct Setup {
    binary: PathBuf,
    tls: bool,
}

/// The binary of these tests over plain HTTP and over TLS, and the static one, which allocates by other rules.
fn setups() -> Vec<Setup> {
    let setup = |binary: PathBuf, tls| Setup { binary, tls };
    [setup(BINARY.into(), false), setup(BINARY.into(), true)]
        .into_iter()
        .chain(shipped().map(|binary| setup(binary, true)))
        .collect()
}

impl Setup {
    fn builder(&self, cloud: &FakeCloud, interval: &str) -> ProviderBuilder {
        let url = if self.tls {
            cloud.https_url()
        } else {
            cloud.http_url()
        };
        let (id, secret) = cloud.access_key();
        ["kms", "oos", "sts", "metadata"]
            .iter()
            .fold(ProviderBuilder::new(&self.binary), |builder, service| {
                builder.argument(format!("--{service}-endpoint={url}"))
            })
            .argument(format!("--refresh-interval={interval}"))
            .variable("ACCESS_KEY_ID", id)
            .variable("SECRET_ACCESS_KEY", secret)
    }

    fn start(&self, cloud: &FakeCloud, interval: &str) -> ProviderProcess {
        let files = tempfile::tempdir().expect("directory");
        let authority = files.path().join("ca.pem");
        cloud.write_ca(&authority).expect("CA");
        self.builder(cloud, interval)
            .variable("SSL_CERT_FILE", &authority)
            .start()
            .expect("provider")
    }
}

/// The first of [`setups`], where the rest would show the same.
fn provider(cloud: &FakeCloud, interval: &str) -> ProviderProcess {
    builder(cloud, interval).start().expect("provider")
}

fn builder(cloud: &FakeCloud, interval: &str) -> ProviderBuilder {
    let setup = Setup {
        binary: BINARY.into(),
        tls: false,
    };
    setup.builder(cloud, interval)
}

fn request(objects: &str) -> MountRequest {
    Volume::new([("objects", objects), ("region", "cn-hangzhou")]).request()
}

/// A text that occurs nowhere else, in halves so that the test's own text is not what is found.
fn canary(name: &str) -> String {
    format!("canary-{name}-{}", "Zq7".repeat(20))
}

/// A value is nowhere in the process once nothing is shared: not in buffers of TLS, HTTP, JSON or HTTP/2, nor on a
/// stack, nor in freed memory.
#[test]
fn nothing_stays_without_shared_copies() {
    if is_root() {
        setups().iter().for_each(nothing_stays);
    }
}

fn nothing_stays(setup: &Setup) {
    let cloud = FakeCloud::start().expect("cloud");
    let (kms, oos, json) = (canary("kms"), canary("oos"), canary("json"));
    let mut objects = "- objectName: oos\n  objectType: oos\n".to_owned();
    cloud.set_oos("oos", &oos);
    // Long values take the ways of growing buffers, and many at once take many threads.
    for at in 0..8 {
        cloud.set_kms_text(&format!("kms-{at}"), &kms.repeat(300));
        cloud.set_kms_text(
            &format!("json-{at}"),
            &format!(r#"{{"a\u0062c":"{0}","inner":"{0}"}}"#, json.repeat(150)),
        );
        objects += &format!(
            "- objectName: kms-{at}\n- objectName: json-{at}\n  jmesPath:\n  - {{path: inner, objectAlias: inner-{at}}}\n"
        );
    }
    let provider = setup.start(&cloud, "0");
    let driver = Driver::new(provider.socket());
    for _ in 0..3 {
        let response = driver.mount(request(&objects)).expect("mount");
        assert_eq!(response.files.len(), 25);
    }
    let memory = Memory::of(provider.id());
    // The search finds what is there: the region's name is kept for ever.
    assert!(
        !memory.places("alibabacloud.sock").is_empty(),
        "the search finds nothing at all"
    );
    overwrite(&cloud, &driver);
    for canary in [&kms, &oos, &json] {
        wait_until_gone(&provider, canary);
    }
}

/// Right after a Mount without shared copies a value is in the buffers of the connection that brought it, as it came,
/// and nowhere else; the provider's AccessKey secret on the heap once, and in the initial environment.
#[test]
fn only_where_the_documentation_says() {
    if is_root() {
        setups().iter().for_each(only_where_documented);
    }
}

fn only_where_documented(setup: &Setup) {
    let cloud = FakeCloud::start().expect("cloud");
    let value = canary("alone");
    cloud.set_kms_text("alone", &value);
    let provider = setup.start(&cloud, "0");
    Driver::new(provider.socket())
        .mount(request("- objectName: alone\n"))
        .expect("mount");
    // The HTTP client's buffer, and that of TLS.
    let most = if setup.tls { 2 } else { 1 };
    let mut places = Vec::new();
    let documented = (0..300).any(|_| {
        places = Memory::of(provider.id()).places(&value);
        let documented = places.len() <= most && places.iter().all(|place| place.contains("SecretData"));
        if !documented {
            thread::sleep(Duration::from_millis(100));
        }
        documented
    });
    assert!(documented, "{:?}: {places:#?}", setup.binary);
    let places = Memory::of(provider.id()).places(&cloud.access_key().1);
    let of_the_environment = places.iter().filter(|place| place.starts_with("[stack]")).count();
    assert_eq!((places.len(), of_the_environment), (2, 1), "{places:#?}");
}

/// A value lives in the shared copy for the refresh interval, and nowhere afterwards.
#[test]
fn a_shared_copy_is_wiped_after_its_interval() {
    if is_root() {
        setups().iter().for_each(a_shared_copy_is_wiped);
    }
}

fn a_shared_copy_is_wiped(setup: &Setup) {
    let cloud = FakeCloud::start().expect("cloud");
    let value = canary("shared");
    cloud.set_kms_text("shared", &value);
    // Longer than the test takes to look, with room.
    let provider = setup.start(&cloud, "5s");
    let driver = Driver::new(provider.socket());
    let asked = request("- objectName: shared\n");
    driver.mount(asked.clone()).expect("first mount");
    driver.mount(asked).expect("republish");
    wait_until_kept_once(&provider, &value);
    overwrite(&cloud, &driver);
    wait_until_gone(&provider, &value);
}

/// A value that is kept for an outage is in memory for the time that SECURITY.md says, or until the cloud refuses it.
#[test]
fn a_value_kept_for_an_outage_is_wiped() {
    if !is_root() {
        return;
    }
    let cloud = FakeCloud::start().expect("cloud");
    for (duration, ends_by_refusal) in [("5s", false), ("1h", true)] {
        let value = canary(duration);
        cloud.set_kms_text("kept", &value);
        let provider = builder(&cloud, "0")
            .argument(format!("--serve-stale-for={duration}"))
            .start()
            .expect("provider");
        let driver = Driver::new(provider.socket());
        let asked = request("- objectName: kept\n");
        driver.mount(asked.clone()).expect("mount");
        wait_until_kept_once(&provider, &value);
        if ends_by_refusal {
            cloud.delete_kms("kept");
            driver.mount(asked).expect_err("deleted");
        }
        overwrite(&cloud, &driver);
        wait_until_gone(&provider, &value);
    }
}

/// What pods bring: AccessKey pairs of their own leave no trace either, nor do tokens.
#[test]
fn what_pods_bring_does_not_stay() {
    if is_root() {
        setups().iter().for_each(nothing_of_pods_stays);
    }
}

fn nothing_of_pods_stays(setup: &Setup) {
    let cloud = FakeCloud::start().expect("cloud");
    let provider = setup.start(&cloud, "0");
    let driver = Driver::new(provider.socket());
    let (secret, token) = (canary("publish"), canary("token"));
    let mut volume = Volume::new([
        ("objects", "- objectName: test\n  objectType: oos\n"),
        ("region", "cn-hangzhou"),
        (
            "csi.storage.k8s.io/serviceAccount.tokens",
            &format!(r#"{{"sts.aliyuncs.com":{{"token":"{token}"}}}}"#),
        ),
    ]);
    volume.secrets = Some(
        [("access_key", "LTAIunknown"), ("access_secret", secret.as_str())]
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .into(),
    );
    driver
        .mount(volume.request())
        .expect_err("nobody knows this pair");
    wait_until_gone(&provider, &secret);
    wait_until_gone(&provider, &token);
}

/// An AccessKey pair given by environment is where the documentation says: in the initial environment, which root
/// reads in `/proc`, and in the provider's own copy.
#[test]
fn the_environment_is_visible_to_root() {
    if !is_root() {
        return;
    }
    let cloud = FakeCloud::start().expect("cloud");
    let provider = provider(&cloud, "0");
    let (_, secret) = cloud.access_key();
    let environment = fs::read(format!("/proc/{}/environ", provider.id())).expect("environ");
    let found = environment
        .windows(secret.len())
        .any(|window| window == secret.as_bytes());
    assert!(found, "SECURITY.md says so");
}

/// The one place that SECURITY.md names beside the shared copies: the buffers of an open connection hold the last
/// answer until the next one, or until the connection is closed.
fn overwrite(cloud: &FakeCloud, driver: &Driver) {
    let objects: String = (0..16).map(|at| format!("- objectName: filler-{at}\n")).collect();
    for at in 0..16 {
        cloud.set_kms_text(&format!("filler-{at}"), &"filler".repeat(4_900));
    }
    for _ in 0..2 {
        driver.mount(request(&objects)).expect("mount");
    }
}

/// Buffers of a call that has just ended may live for a moment.
fn wait_until_gone(provider: &ProviderProcess, text: &str) {
    let mut places = Vec::new();
    for _ in 0..300 {
        places = Memory::of(provider.id()).places(text);
        if places.is_empty() {
            return;
        }
        thread::sleep(Duration::from_millis(100));
    }
    panic!("{text} stays in memory: {places:#?}");
}

/// A value that is kept is there once, beside the buffers of connections.
fn wait_until_kept_once(provider: &ProviderProcess, text: &str) {
    let mut places = Vec::new();
    let is_once = (0..20).any(|_| {
        places = Memory::of(provider.id()).places(text);
        let once = places
            .iter()
            .filter(|place| !place.contains("SecretData"))
            .count()
            == 1;
        if !once {
            thread::sleep(Duration::from_millis(50));
        }
        once
    });
    assert!(is_once, "docs/refresh.md says that {text} is kept: {places:#?}");
}
