//! Killed, starved, crowded and misled: the provider recovers, or ends and names the cause; never a wrong or partial
//! volume, never a hang. `SPECIFICATION.md` lists the cases.

mod clock;
mod crowds;
mod killed;
mod memory;
mod names;
mod path;
mod socket;
mod starved;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use harness::FakeCloud;
use harness::driver::{Driver, MountRequest, Volume};
use harness::process::{ProviderBuilder, ProviderProcess};
use tempfile::TempDir;

const BINARY: &str = env!("CARGO_BIN_EXE_csi-secrets-store-provider-alibabacloud");

/// `binary`, pointed at the cloud, with its socket in `sockets`.
fn builder(cloud: &FakeCloud, binary: &Path, sockets: &Path) -> ProviderBuilder {
    // By name, so that looking names up is under the limit, too.
    let url = format!("http://localhost:{}", cloud.http_address().port());
    let (id, secret) = cloud.access_key();
    ["kms", "oos", "sts"]
        .iter()
        .fold(
            ProviderBuilder::new(binary).volume(sockets),
            |builder, service| builder.argument(format!("--{service}-endpoint={url}")),
        )
        .variable("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
        .variable("ACCESS_KEY_ID", id)
        .variable("SECRET_ACCESS_KEY", secret)
}

fn directory() -> TempDir {
    tempfile::tempdir().expect("directory")
}

fn start(cloud: &FakeCloud, binary: &Path, sockets: &Path) -> std::io::Result<ProviderProcess> {
    builder(cloud, binary, sockets).start()
}

fn request() -> MountRequest {
    let objects = "- objectName: test\n  objectType: oos\n- objectName: test-kms\n";
    Volume::new([("objects", objects), ("region", "cn-hangzhou")]).request()
}

/// One Mount that is right or fails; whether it succeeded.
fn mount(driver: &Driver, within: Duration) -> bool {
    let Ok(response) = driver.mount_within(request(), Some(within)) else {
        return false;
    };
    let files: Vec<_> = response
        .files
        .iter()
        .map(|file| (file.path.as_str(), file.contents.as_slice()))
        .collect();
    let right: [(&str, &[u8]); 2] = [("test", b"hello from OOS"), ("test-kms", b"hello from KMS")];
    assert_eq!(files, right);
    true
}

/// Twelve drivers at once; how many were refused.
fn crowd(provider: &ProviderProcess) -> u32 {
    let refused = AtomicU32::new(0);
    std::thread::scope(|scope| {
        for _ in 0..12 {
            scope.spawn(|| {
                if !mount(&Driver::new(provider.socket()), Duration::from_secs(5)) {
                    refused.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
    });
    refused.into_inner()
}

/// A program of one line of shell: what stands before the provider in its process.
fn wrapper(directory: &Path, line: &str) -> PathBuf {
    let wrapper = directory.join("wrapper");
    fs::write(&wrapper, format!("#!/bin/sh\n{line}\n")).expect("wrapper");
    fs::set_permissions(&wrapper, fs::Permissions::from_mode(0o755)).expect("chmod");
    wrapper
}

/// A user without rights of its own, and nothing else running as it.
const NOBODY: u32 = 61_234;

/// The binary under a limit of `prlimit`, as a user without rights, in a copy that this user may read.
fn unprivileged(directory: &Path, limit: &str) -> PathBuf {
    let copy = directory.join("provider");
    fs::copy(BINARY, &copy).expect("copy");
    fs::set_permissions(directory, fs::Permissions::from_mode(0o755)).expect("chmod");
    wrapper(
        directory,
        &format!(
            "exec prlimit {limit} setpriv --reuid={NOBODY} --regid={NOBODY} --clear-groups {} \"$@\"",
            copy.display()
        ),
    )
}
