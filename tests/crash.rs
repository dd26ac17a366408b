//! Killed, starved and crowded: the provider recovers, or ends and names the cause; never a wrong or partial volume.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use harness::FakeCloud;
use harness::driver::{Driver, MountRequest, Volume};
use harness::process::{ProviderBuilder, ProviderProcess};

const BINARY: &str = env!("CARGO_BIN_EXE_csi-secrets-store-provider-alibabacloud");

fn start(cloud: &FakeCloud, binary: &Path, sockets: &Path) -> std::io::Result<ProviderProcess> {
    let url = cloud.http_url();
    let (id, secret) = cloud.access_key();
    ProviderBuilder::new(binary)
        .volume(sockets)
        .argument(format!("--kms-endpoint={url}"))
        .argument(format!("--oos-endpoint={url}"))
        .variable("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
        .variable("ACCESS_KEY_ID", id)
        .variable("SECRET_ACCESS_KEY", secret)
        .start()
}

fn request() -> MountRequest {
    let objects = "- objectName: test\n  objectType: oos\n- objectName: test-kms\n";
    Volume::new([("objects", objects), ("region", "cn-hangzhou")]).request()
}

/// The binary under a shell's limit.
fn limited(directory: &Path, limit: &str) -> PathBuf {
    let wrapper = directory.join("limited");
    fs::write(&wrapper, format!("#!/bin/sh\n{limit}\nexec {BINARY} \"$@\"\n")).expect("wrapper");
    fs::set_permissions(&wrapper, fs::Permissions::from_mode(0o755)).expect("chmod");
    wrapper
}

/// Killed in the middle of Mounts, many times over: each Mount gives all files or fails, and the same client goes on
/// with the next process.
#[test]
fn killed_under_constant_mounts() {
    let cloud = FakeCloud::start().expect("cloud");
    let sockets = tempfile::tempdir().expect("directory");
    let driver = Driver::new(&sockets.path().join("alibabacloud.sock"));
    for round in 0..10 {
        let provider =
            start(&cloud, Path::new(BINARY), sockets.path()).expect("it replaces the stale socket");
        driver.mount(request()).expect("the client recovers");
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..20 {
                        if let Ok(response) =
                            driver.mount_within(request(), Some(std::time::Duration::from_secs(2)))
                        {
                            assert_eq!(response.files.len(), 2);
                        }
                    }
                });
            }
            std::thread::sleep(std::time::Duration::from_millis(3 + 7 * round));
            // Dropping it is a kill -9.
            drop(provider);
        });
    }
}

/// Few descriptors: Mounts fail or succeed whole, and the provider neither ends nor hangs.
#[test]
fn exhausted_descriptors() {
    let cloud = FakeCloud::start().expect("cloud");
    let sockets = tempfile::tempdir().expect("directory");
    let wrapper = limited(sockets.path(), "ulimit -n 16");
    let provider = start(&cloud, &wrapper, sockets.path()).expect("provider");
    std::thread::scope(|scope| {
        for _ in 0..12 {
            scope.spawn(|| {
                let driver = Driver::new(provider.socket());
                if let Ok(response) = driver.mount_within(request(), Some(std::time::Duration::from_secs(5)))
                {
                    assert_eq!(response.files.len(), 2);
                }
            });
        }
    });
    Driver::new(provider.socket())
        .mount(request())
        .expect("it recovers once they are free");
}
