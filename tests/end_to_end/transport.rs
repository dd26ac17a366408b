//! TLS, kept connections, slow clouds.

use std::fs;
use std::net::Ipv4Addr;
use std::os::unix::fs::PermissionsExt as _;
use std::thread;
use std::time::Duration;

use csi_provider::limits;
use harness::driver::{Driver, Volume};
use harness::process::{ProviderBuilder, is_root};
use harness::{FakeCloud, Fault, FaultRule};

use crate::world::{World, binary, request};

const OBJECTS: &str = "- objectName: test\n  objectType: oos\n";

/// Over TLS with the fake cloud's own authority, on connections that are kept.
#[test]
fn tls_with_an_authority_of_its_own() {
    let cloud = FakeCloud::start().expect("fake cloud");
    let directory = tempfile::tempdir().expect("directory");
    let ca = directory.path().join("ca.pem");
    fs::write(&ca, cloud.ca_pem()).expect("CA");
    let (id, secret) = cloud.access_key();
    let provider = || {
        binary()
            .argument(format!("--oos-endpoint={}", cloud.https_url()))
            .argument("--refresh-interval=0s")
            .variable("ACCESS_KEY_ID", &id)
            .variable("SECRET_ACCESS_KEY", &secret)
    };

    let stranger = provider().start().expect("provider");
    let status = Driver::new(stranger.socket())
        .mount(request(OBJECTS))
        .expect_err("an unknown authority");
    assert_eq!(status.code(), harness::driver::Code::Internal, "{status}");
    assert!(
        status.message().contains("UnknownIssuer") && status.message().contains("SSL_CERT_FILE"),
        "{status}"
    );

    for (variable, value) in [
        ("SSL_CERT_FILE", ca.as_os_str()),
        ("SSL_CERT_DIR", directory.path().as_os_str()),
    ] {
        let trusting = provider().variable(variable, value).start().expect("provider");
        let driver = Driver::new(trusting.socket());
        for _ in 0..5 {
            driver
                .mount(request(OBJECTS))
                .unwrap_or_else(|status| panic!("{variable}: {status}"));
        }
    }
    let answered: std::collections::BTreeSet<u64> = cloud
        .requests()
        .iter()
        .map(|request| request.connection)
        .collect();
    assert_eq!(
        (cloud.requests().len(), answered.len()),
        (10, 2),
        "one connection for the Mounts of each"
    );
}

/// One Mount that hangs in the cloud holds up nobody.
#[test]
fn a_slow_mount_holds_up_nobody() {
    let world = std::sync::Arc::new(World::start());
    world.cloud.set_oos("slow", "at last");
    let held = world.cloud.inject(FaultRule::new(Fault::Hold).name("slow"));
    let slow = {
        let world = std::sync::Arc::clone(&world);
        thread::spawn(move || world.mount("- objectName: slow\n  objectType: oos\n"))
    };
    world.cloud.wait_for_held(1);
    for _ in 0..20 {
        world.mount(OBJECTS).expect("another Mount");
        world.driver.version().expect("version");
        world.driver.check("").expect("check");
    }
    assert!(!slow.is_finished());
    world.cloud.release(held);
    let response = slow.join().expect("thread").expect("mount");
    assert_eq!(response.files[0].contents, b"at last");
}

/// The answer leaves before the caller's deadline, with a final status.
#[test]
fn a_silent_cloud_is_answered_for_in_time() {
    let world = World::start();
    let _held = world.cloud.inject(FaultRule::new(Fault::Hold).name("test"));
    let request = Volume::new([("objects", OBJECTS), ("region", "cn-hangzhou")]).request();
    let status = world
        .driver
        .mount_within(request, Some(Duration::from_secs(3)))
        .expect_err("silence");
    assert_eq!(status.code(), harness::driver::Code::Internal, "{status}");
    assert!(status.message().contains("item 1 \"test\" (oos)"), "{status}");
}

/// Connections are kept within the limit and over Mounts; those that the cloud closes come back with the session of
/// the last, without a visible failure.
#[test]
fn connections_are_kept_and_sessions_resumed() {
    let cloud = FakeCloud::start().expect("fake cloud");
    let directory = tempfile::tempdir().expect("directory");
    let ca = directory.path().join("ca.pem");
    cloud.write_ca(&ca).expect("CA");
    let (id, secret) = cloud.access_key();
    let provider = binary()
        .argument(format!("--kms-endpoint={}", cloud.https_url()))
        .argument("--refresh-interval=0s")
        .argument("--max-concurrent-kms-secret-pulls=4")
        .variable("ACCESS_KEY_ID", id)
        .variable("SECRET_ACCESS_KEY", secret)
        .variable("SSL_CERT_FILE", &ca)
        .start()
        .expect("provider");
    let driver = Driver::new(provider.socket());
    let mut objects = String::new();
    for at in 0..20 {
        let name = format!("object-{at}");
        cloud.set_kms_text(&name, "value");
        objects.push_str(&format!("- objectName: {name}\n"));
    }
    for _ in 0..5 {
        driver.mount(request(&objects)).expect("mount");
    }
    let before = cloud.connections();
    assert!(before.handshakes <= 4, "{before:?} for 100 pulls, four at a time");

    cloud.close_connections();
    driver
        .mount(request("- objectName: object-0\n"))
        .expect("no visible failure");
    let after = cloud.connections();
    assert_eq!(
        (after.handshakes, after.resumed - before.resumed),
        (before.handshakes + 1, 1),
        "one new connection, with a session of an earlier one"
    );
}

/// A name leads elsewhere from one day to the next: whoever connects anew asks for it anew. The provider has a hosts
/// file of its own, in a mount namespace, so this needs root.
#[test]
fn names_are_looked_up_again_for_new_connections() {
    if !is_root() {
        return;
    }
    let old = FakeCloud::start().expect("a cloud");
    let port = old.http_address().port();
    let elsewhere = (Ipv4Addr::new(127, 0, 0, 2), port).into();
    let new = FakeCloud::builder()
        .http_address(elsewhere)
        .start()
        .expect("a cloud elsewhere");
    old.set_kms_text("moved", "at the old address");
    new.set_kms_text("moved", "at the new address");

    let directory = tempfile::tempdir().expect("directory");
    let hosts = directory.path().join("hosts");
    fs::write(&hosts, "127.0.0.1 localhost\n").expect("hosts");
    let wrapper = directory.path().join("provider");
    let script = format!(
        "#!/bin/sh\nexec unshare --mount sh -c 'mount --bind {} /etc/hosts && exec {} \"$@\"' sh \"$@\"\n",
        hosts.display(),
        env!("CARGO_BIN_EXE_csi-secrets-store-provider-alibabacloud")
    );
    fs::write(&wrapper, script).expect("wrapper");
    fs::set_permissions(&wrapper, fs::Permissions::from_mode(0o755)).expect("chmod");
    let (id, secret) = old.access_key();
    let provider = ProviderBuilder::new(&wrapper)
        .argument(format!("--kms-endpoint=http://localhost:{port}"))
        .argument("--refresh-interval=0")
        .variable("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
        .variable("ACCESS_KEY_ID", id)
        .variable("SECRET_ACCESS_KEY", secret)
        .start()
        .expect("provider");
    let driver = Driver::new(provider.socket());
    let read = || {
        let response = driver.mount(request("- objectName: moved\n")).expect("mount");
        String::from_utf8(response.files[0].contents.clone()).expect("text")
    };
    assert_eq!(read(), "at the old address");
    // The same file, as the mount holds on to it.
    fs::write(&hosts, "127.0.0.2 localhost\n").expect("hosts");
    assert_eq!(read(), "at the old address", "an open connection stays");
    old.close_connections();
    // So long an answer serves new connections.
    thread::sleep(limits::LOOKUP_KEPT);
    assert_eq!(read(), "at the new address");
}
