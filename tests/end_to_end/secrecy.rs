//! Nothing secret leaves by a side door: not on any path of authentication, not at any verbosity; and nothing is
//! written while serving.

use std::collections::BTreeMap;
use std::os::unix::fs::FileTypeExt as _;
use std::process::{Child, Command};
use std::{fs, io};

use harness::driver::{Driver, Volume};
use harness::process::{ProviderBuilder, ProviderProcess, is_root};
use harness::{FakeCloud, Fault, FaultRule, Service};

use crate::observed::{free_port, get};
use crate::world::binary;

const TOKENS: &str = "csi.storage.k8s.io/serviceAccount.tokens";
const OIDC_PROVIDER: &str = "acs:ram::1234567890120000:oidc-provider/ack-rrsa-c0fake0cloud0cluster0000000001";
const OBJECTS: &str = "- objectName: test-kms\n- objectName: test\n  objectType: oos\n- objectName: test-kms\n  objectAlias: theirs\n  crossAccountRoleArn: acs:ram::9999999999990000:role/target\n";

fn minutes(minutes: i64) -> jiff::SignedDuration {
    jiff::SignedDuration::from_mins(minutes)
}

/// Everything over plain HTTP but the Kubernetes API, and the finest log.
fn provider(cloud: &FakeCloud, files: &std::path::Path) -> ProviderBuilder {
    let url = cloud.http_url();
    let services = ["kms", "oos", "sts", "metadata"];
    services
        .iter()
        .fold(binary(), |builder, service| {
            builder.argument(format!("--{service}-endpoint={url}"))
        })
        .argument("--v=10")
        .argument("--refresh-interval=0s")
        .argument(format!("--service-account-dir={}", files.display()))
        .variable("KUBERNETES_SERVICE_HOST", "127.0.0.1")
        .variable(
            "KUBERNETES_SERVICE_PORT",
            cloud.https_address().port().to_string(),
        )
        .variable("ALICLOUD_OIDC_PROVIDER_ARN", OIDC_PROVIDER)
}

fn pod(account: &str, token: &str) -> Volume {
    let mut volume = Volume::new([("objects", OBJECTS), ("region", "cn-hangzhou")]);
    volume.namespace = "rrsa-demo".to_owned();
    volume.service_account = account.to_owned();
    let tokens = format!(r#"{{"sts.aliyuncs.com":{{"token":"{token}","expirationTimestamp":"x"}}}}"#);
    volume.parameters.insert(TOKENS.to_owned(), tokens);
    volume
        .parameters
        .insert("usePodServiceAccountToken".to_owned(), "true".to_owned());
    volume
}

/// Every source, well and refused, in every way that the cloud refuses.
#[test]
fn no_path_of_authentication_shows_a_secret() {
    let cloud = FakeCloud::start().expect("fake cloud");
    let files = tempfile::tempdir().expect("directory");
    let file = |name: &str| files.path().join(name);
    cloud.write_ca(&file("ca.crt")).expect("CA");
    fs::write(file("token"), "fake-cloud-provider-token").expect("token");
    let (id, secret) = cloud.access_key();
    let own_token = cloud.mint_token(
        "kube-system",
        "csi-secrets-store-provider-alibabacloud",
        "sts.aliyuncs.com",
        minutes(10),
    );
    fs::write(file("own-token"), &own_token).expect("token");
    let demo = cloud.mint_token("rrsa-demo", "demo-sa", "sts.aliyuncs.com", minutes(10));
    let expired = cloud.mint_token("rrsa-demo", "demo-sa", "sts.aliyuncs.com", minutes(-10));
    let pair = |secret: &str| {
        let mut volume = Volume::new([("objects", OBJECTS), ("region", "cn-hangzhou")]);
        let pair = [("access_key", id.as_str()), ("access_secret", secret)];
        volume.secrets = Some(pair.map(|(key, value)| (key.to_owned(), value.to_owned())).into());
        volume
    };
    let plain = Volume::new([("objects", OBJECTS), ("region", "cn-hangzhou")]);
    let role = "acs:ram::1234567890120000:role/adminrole";
    let rrsa = "acs:ram::1234567890120000:role/demo-role-for-rrsa";
    let start = || provider(&cloud, files.path());
    let ports: [u16; 5] = std::array::from_fn(|_| free_port());
    let providers: Vec<ProviderProcess> = [
        start(),
        start()
            .variable("ALICLOUD_ROLE_ARN", rrsa)
            .variable("ALICLOUD_OIDC_TOKEN_FILE", file("own-token")),
        start()
            .variable("ACCESS_KEY_ID", &id)
            .variable("SECRET_ACCESS_KEY", &secret),
        binary_with_role(start(), &id, &secret, role),
        start().argument("--allow-identity-fallback"),
    ]
    .into_iter()
    .zip(&ports)
    .map(|(builder, port)| {
        builder
            .argument(format!("--healthz-port={port}"))
            .start()
            .expect("provider")
    })
    .collect();
    let mut told = String::new();
    let mut successes = 0;
    let mut ask = |volume: &Volume| {
        for provider in &providers {
            match Driver::new(provider.socket()).mount(volume.request()) {
                Ok(_) => successes += 1,
                Err(status) => told.push_str(status.message()),
            }
        }
    };
    let volumes = [
        plain,
        pair(&secret),
        pair("canary-wrong-secret"),
        pod("demo-sa", &demo),
        pod("plain-sa", &demo),
        pod("demo-sa", &expired),
        pod("demo-sa", "canary-not-a-token"),
    ];
    volumes.iter().for_each(&mut ask);
    for (service, fault) in [
        (Service::Sts, Fault::error(503, "ServiceUnavailable", "")),
        (
            Service::Kms,
            Fault::error(400, "InvalidSecurityToken.Expired", ""),
        ),
        (
            Service::Kms,
            Fault::error(
                400,
                "SignatureDoesNotMatch",
                "Specified signature is not matched with our calculation. server string to sign is:ACS3-HMAC-SHA256 canary",
            ),
        ),
        (Service::Sts, Fault::Html { status: 502 }),
        (Service::Kubernetes, Fault::Html { status: 500 }),
        (Service::Metadata, Fault::EmptyBody),
    ] {
        let fault = cloud.inject(FaultRule::new(fault).service(service));
        cloud.set_clock_offset(jiff::SignedDuration::ZERO);
        volumes.iter().take(4).for_each(&mut ask);
        cloud.release(fault);
    }
    assert!(
        successes > 10 && told.len() > 1000,
        "{successes} Mounts, {} bytes of errors",
        told.len()
    );

    let mut secrets: Vec<String> = cloud.issued();
    assert!(secrets.len() > 6, "credentials were issued");
    secrets.extend([secret.clone(), own_token, demo, expired]);
    secrets.extend(
        [
            "fake-cloud-provider-token",
            "canary",
            "hello from",
            "CAIS",
            "eyJ",
            "Signature=",
            "ACS3-HMAC",
        ]
        .map(str::to_owned),
    );
    let logs: Vec<String> = providers.iter().map(ProviderProcess::log).collect();
    assert!(
        logs.iter().all(|log| log.lines().count() > 5),
        "there is a log to look through"
    );
    let numbers = ports.map(|port| get(port, "/metrics").1);
    assert!(
        numbers
            .iter()
            .all(|text| text.contains("alibabacloud_provider_mounts_total{")),
        "there are numbers to look through"
    );
    for secret in secrets {
        for text in &numbers {
            assert!(!text.contains(&secret), "{secret:.8}… in a metric");
        }
        assert!(!told.contains(&secret), "{secret:.8}… in an error");
        for log in &logs {
            assert!(!log.contains(&secret), "{secret:.8}… in a log");
        }
    }
}

fn binary_with_role(builder: ProviderBuilder, id: &str, secret: &str, role: &str) -> ProviderBuilder {
    let mut builder = builder;
    // A role by AccessKey pair, where no OIDC provider is in the way.
    builder = builder.variable("ALICLOUD_OIDC_PROVIDER_ARN", "");
    builder
        .variable("ACCESS_KEY_ID", id)
        .variable("SECRET_ACCESS_KEY", secret)
        .variable("ALICLOUD_ROLE_ARN", role)
}

/// While serving, the provider writes nothing but its socket: every file it has open for writing is looked at, the
/// directories around it are compared, and so it goes on a root that is read-only and has no temporary directory.
#[test]
fn nothing_is_written_while_serving() {
    if !is_root() {
        return;
    }
    let cloud = FakeCloud::start().expect("fake cloud");
    let root = tempfile::tempdir().expect("directory");
    let at = |name: &str| root.path().join(name);
    for directory in ["sockets", "kubernetes"] {
        fs::create_dir(at(directory)).expect("directory");
    }
    cloud.write_ca(&at("kubernetes/ca.crt")).expect("CA");
    fs::write(at("kubernetes/token"), "fake-cloud-provider-token").expect("token");
    fs::copy(
        env!("CARGO_BIN_EXE_csi-secrets-store-provider-alibabacloud"),
        at("provider"),
    )
    .expect("binary");
    // What a dynamically linked test build needs of the machine; the shipped binary needs nothing.
    for library in libraries(&at("provider")).expect("ldd") {
        let inside = root.path().join(library.trim_start_matches('/'));
        fs::create_dir_all(inside.parent().expect("parent")).expect("directory");
        fs::copy(&library, inside).expect("library");
    }
    let before = listing(root.path());

    let url = cloud.http_url();
    // A mount namespace of its own: the root read-only, the socket's directory alone writable.
    let script = "mount --bind \"$0\" \"$0\" && mount --bind \"$0/sockets\" \"$0/sockets\" && mount -o remount,ro,bind \"$0\" && exec chroot \"$0\" /provider \"$@\"";
    let child = Command::new("unshare")
        .args(["--map-root-user", "--mount", "sh", "-c", script])
        .arg(root.path())
        .args([
            "--provider-volume=/sockets",
            "--healthz-port=0",
            "--refresh-interval=0s",
            "--service-account-dir=/kubernetes",
            "--v=10",
        ])
        .args(["kms", "oos", "sts", "metadata"].map(|service| format!("--{service}-endpoint={url}")))
        .env_clear()
        .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
        .env("KUBERNETES_SERVICE_HOST", "127.0.0.1")
        .env(
            "KUBERNETES_SERVICE_PORT",
            cloud.https_address().port().to_string(),
        )
        .env("ALICLOUD_OIDC_PROVIDER_ARN", OIDC_PROVIDER)
        .spawn()
        .expect("unshare");
    let socket = at("sockets/alibabacloud.sock");
    let listens = (0..1000).any(|_| {
        std::thread::sleep(std::time::Duration::from_millis(10));
        std::os::unix::net::UnixStream::connect(&socket).is_ok()
    });
    let child = Ended(child);
    assert!(listens, "the provider does not listen");
    let driver = Driver::new(&socket);
    for _ in 0..20 {
        let token = cloud.mint_token("rrsa-demo", "demo-sa", "sts.aliyuncs.com", minutes(10));
        let response = driver.mount(pod("demo-sa", &token).request());
        assert_eq!(
            response.unwrap_or_else(|status| panic!("{status}")).files.len(),
            3
        );
        driver
            .mount(pod("plain-sa", &token).request())
            .expect_err("refused");
    }
    let open = writable(child.0.id());
    assert_eq!(open, [] as [String; 0], "files that are open for writing");
    drop(child);
    let mut after = listing(root.path());
    let written = after.remove(&socket).expect("the socket");
    assert!(written.is_socket());
    assert_eq!(
        after.keys().collect::<Vec<_>>(),
        before.keys().collect::<Vec<_>>(),
        "nothing but the socket"
    );
}

/// A child that ends with the test.
struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The shared libraries of a program; none of a static one.
fn libraries(program: &std::path::Path) -> io::Result<Vec<String>> {
    let output = Command::new("ldd").arg(program).output()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let words = text.split_whitespace().filter(|word| word.starts_with('/'));
    Ok(words.map(|word| word.trim_end_matches(':').to_owned()).collect())
}

fn listing(root: &std::path::Path) -> BTreeMap<std::path::PathBuf, fs::FileType> {
    let mut found = BTreeMap::new();
    let mut directories = vec![root.to_owned()];
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(directory).expect("directory") {
            let entry = entry.expect("entry");
            let kind = entry.file_type().expect("type");
            if kind.is_dir() {
                directories.push(entry.path());
            }
            found.insert(entry.path(), kind);
        }
    }
    found
}

/// Regular files that a process has open for writing.
fn writable(process: u32) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(format!("/proc/{process}/fd")).expect("open files") {
        let path = entry.expect("entry").path();
        let target = fs::read_link(&path).map(|target| target.display().to_string());
        let name = path
            .file_name()
            .and_then(|name| name.to_str())
            .unwrap_or_default()
            .to_owned();
        let info = fs::read_to_string(format!("/proc/{process}/fdinfo/{name}")).unwrap_or_default();
        let flags = info
            .lines()
            .find_map(|line| line.strip_prefix("flags:"))
            .unwrap_or("0")
            .trim();
        let writes = u32::from_str_radix(flags, 8).unwrap_or_default() & 0o3 != 0;
        let target = target.unwrap_or_default();
        // Standard streams may be files of whoever runs the tests.
        if writes
            && target.starts_with('/')
            && !target.starts_with("/dev/")
            && !matches!(name.as_str(), "0" | "1" | "2")
        {
            found.push(target);
        }
    }
    found
}
