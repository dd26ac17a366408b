//! Killed, starved and crowded: the provider recovers, or ends and names the cause; never a wrong or partial volume.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use harness::FakeCloud;
use harness::driver::{Driver, MountRequest, Volume};
use harness::process::{ProviderBuilder, ProviderProcess, is_root};

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

/// A user without rights of its own, and nothing else running as it.
const NOBODY: u32 = 61_234;

/// The binary under a limit of `prlimit`, as a user without rights, in a copy that this user may read.
fn unprivileged(directory: &Path, limit: &str) -> PathBuf {
    let copy = directory.join("provider");
    fs::copy(BINARY, &copy).expect("copy");
    fs::set_permissions(directory, fs::Permissions::from_mode(0o755)).expect("chmod");
    let wrapper = directory.join("unprivileged");
    let script = format!(
        "#!/bin/sh\nexec prlimit {limit} setpriv --reuid={NOBODY} --regid={NOBODY} --clear-groups {} \"$@\"\n",
        copy.display()
    );
    fs::write(&wrapper, script).expect("wrapper");
    fs::set_permissions(&wrapper, fs::Permissions::from_mode(0o755)).expect("chmod");
    wrapper
}

fn problem(result: std::io::Result<ProviderProcess>) -> String {
    match result {
        Ok(_) => panic!("it started"),
        Err(error) => error.to_string(),
    }
}

#[test]
fn a_directory_that_it_may_not_write_to_ends_it_with_the_cause() {
    if !is_root() {
        return;
    }
    let cloud = FakeCloud::start().expect("cloud");
    let (files, sockets) = (
        tempfile::tempdir().expect("directory"),
        tempfile::tempdir().expect("directory"),
    );
    let wrapper = unprivileged(files.path(), "--core=0");
    fs::set_permissions(sockets.path(), fs::Permissions::from_mode(0o555)).expect("chmod");
    let problem = problem(start(&cloud, &wrapper, sockets.path()));
    for words in [
        "exit status: 1",
        "cannot create a directory",
        "Permission denied",
        "owner",
    ] {
        assert!(problem.contains(words), "{words}: {problem}");
    }
}

#[test]
fn a_full_disk_ends_it_with_the_cause() {
    if !is_root() {
        return;
    }
    let cloud = FakeCloud::start().expect("cloud");
    let (files, sockets) = (
        tempfile::tempdir().expect("directory"),
        tempfile::tempdir().expect("directory"),
    );
    // A file system of one inode, which its root directory takes; seen by this process alone.
    let wrapper = files.path().join("full");
    let script = format!(
        "#!/bin/sh\nexec unshare --mount sh -c 'mount -t tmpfs -o nr_inodes=1 full {} && exec {BINARY} \"$@\"' sh \"$@\"\n",
        sockets.path().display()
    );
    fs::write(&wrapper, script).expect("wrapper");
    fs::set_permissions(&wrapper, fs::Permissions::from_mode(0o755)).expect("chmod");
    let problem = problem(start(&cloud, &wrapper, sockets.path()));
    for words in [
        "exit status: 1",
        "cannot create a directory",
        "No space left on device",
    ] {
        assert!(problem.contains(words), "{words}: {problem}");
    }
}

/// It takes the socket over at once; the first one serves whom it has, and leaves the socket to its successor.
#[test]
fn a_second_instance() {
    let cloud = FakeCloud::start().expect("cloud");
    let sockets = tempfile::tempdir().expect("directory");
    let mut first = start(&cloud, Path::new(BINARY), sockets.path()).expect("the first");
    let of_the_first = Driver::new(first.socket());
    of_the_first.mount(request()).expect("by the first");
    let second = start(&cloud, Path::new(BINARY), sockets.path()).expect("the second");
    of_the_first.mount(request()).expect("still by the first");
    Driver::new(second.socket())
        .mount(request())
        .expect("by the second");
    assert!(first.terminate().expect("it ends").success());
    assert!(second.socket().exists(), "the successor's socket stays");
    of_the_first.mount(request()).expect("the driver connects again");
}

/// Few threads: Mounts fail or succeed whole, and the provider neither ends nor hangs.
#[test]
fn exhausted_threads() {
    if !is_root() {
        return;
    }
    let cloud = FakeCloud::start().expect("cloud");
    let (files, sockets) = (
        tempfile::tempdir().expect("directory"),
        tempfile::tempdir().expect("directory"),
    );
    fs::set_permissions(sockets.path(), fs::Permissions::from_mode(0o777)).expect("chmod");
    let wrapper = unprivileged(files.path(), "--nproc=14");
    let provider = start(&cloud, &wrapper, sockets.path()).expect("provider");
    let refused = std::sync::atomic::AtomicU32::new(0);
    std::thread::scope(|scope| {
        for _ in 0..12 {
            scope.spawn(|| {
                let driver = Driver::new(provider.socket());
                match driver.mount_within(request(), Some(std::time::Duration::from_secs(5))) {
                    Ok(response) => assert_eq!(response.files.len(), 2),
                    Err(_) => drop(refused.fetch_add(1, std::sync::atomic::Ordering::Relaxed)),
                }
            });
        }
    });
    assert!(refused.into_inner() > 0, "the limit was felt: {}", provider.log());
    let driver = Driver::new(provider.socket());
    let recovered = (0..100).any(|_| {
        std::thread::sleep(std::time::Duration::from_millis(100));
        driver.mount(request()).is_ok()
    });
    assert!(recovered, "it recovers once they are free: {}", provider.log());
}
