//! What the process gives up for itself: core dumps, being traced, files for others.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use harness::process::is_root;
use harness::{FakeCloud, Fault, FaultRule, Service};

use crate::{BINARY, provider};

/// No core dumps, and what the process creates is its own.
#[test]
fn limits_and_umask() {
    if !is_root() {
        return;
    }
    let cloud = FakeCloud::start().expect("cloud");
    let provider = provider(&cloud, "0");
    let read = |file: &str| fs::read_to_string(format!("/proc/{}/{file}", provider.id())).expect("proc");
    assert_no_core(&read("limits"));
    assert!(read("status").contains("\nUmask:\t0077\n"), "{}", read("status"));
    let mode = fs::symlink_metadata(provider.socket())
        .expect("socket")
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
}

/// Its own user may not trace it: what `/proc` shows of memory belongs to root.
#[test]
fn nobody_but_root_reads_its_memory() {
    if !is_root() {
        return;
    }
    let directory = tempfile::tempdir().expect("directory");
    let mut child = of_nobody(directory.path())
        .arg(format!("--provider-volume={}", directory.path().display()))
        .arg("--healthz-port=0")
        .spawn()
        .expect("provider");
    let listens = wait_for(&mut child, &directory.path().join("alibabacloud.sock"));
    let owner = fs::metadata(format!("/proc/{}/mem", child.id())).map(|it| it.uid());
    let _ = child.kill();
    let _ = child.wait();
    assert!(listens, "it runs as another user than root");
    assert_eq!(owner.expect("mem"), 0, "the process is dumpable");
}

/// The same for the subcommand that mounts once, while it waits for the cloud.
#[test]
fn nobody_but_root_reads_the_memory_of_a_single_mount() {
    if !is_root() {
        return;
    }
    let cloud = FakeCloud::start().expect("cloud");
    let held = cloud.inject(FaultRule::new(Fault::Hold).service(Service::Kms));
    let directory = tempfile::tempdir().expect("directory");
    let class = directory.path().join("class.yaml");
    let text = "apiVersion: secrets-store.csi.x-k8s.io/v1\nkind: SecretProviderClass\nmetadata: {name: a, namespace: b}\n\
                spec:\n  provider: alibabacloud\n  parameters:\n    objects: |\n      - objectName: test-kms\n";
    fs::write(&class, text).expect("class");
    let (id, secret) = cloud.access_key();
    let mut child = of_nobody(directory.path())
        .args(["mount", "--region=cn-hangzhou"])
        .arg(format!("--kms-endpoint={}", cloud.http_url()))
        .arg("--class")
        .arg(&class)
        .arg("--target")
        .arg(directory.path().join("target"))
        .env("ACCESS_KEY_ID", id)
        .env("SECRET_ACCESS_KEY", secret)
        .stdout(Stdio::null())
        .spawn()
        .expect("provider");
    cloud.wait_for_held(1);
    let owner = fs::metadata(format!("/proc/{}/mem", child.id())).map(|it| it.uid());
    let limits = fs::read_to_string(format!("/proc/{}/limits", child.id()));
    cloud.release(held);
    assert!(child.wait().expect("it ends").success());
    assert_eq!(owner.expect("mem"), 0, "the process is dumpable");
    assert_no_core(&limits.expect("limits"));
}

/// The binary in a directory of its own, as a user without rights.
fn of_nobody(directory: &Path) -> Command {
    std::os::unix::fs::chown(directory, Some(NOBODY), Some(NOBODY)).expect("chown");
    let binary = directory.join("provider");
    fs::copy(BINARY, &binary).expect("copy");
    fs::set_permissions(&binary, fs::Permissions::from_mode(0o755)).expect("chmod");
    let mut command = Command::new(&binary);
    command.env_clear().uid(NOBODY).gid(NOBODY).stderr(Stdio::null());
    command
}

/// By `/proc/PID/limits`.
fn assert_no_core(limits: &str) {
    let core = limits.lines().find(|line| line.starts_with("Max core file size"));
    let words: Vec<&str> = core.expect("a limit").split_whitespace().collect();
    assert_eq!(words.get(4..6), Some(&["0", "0"][..]), "{limits}");
}

const NOBODY: u32 = 65534;

fn wait_for(child: &mut Child, socket: &Path) -> bool {
    for _ in 0..1000 {
        if socket.exists() {
            return true;
        }
        if child.try_wait().expect("child").is_some() {
            return false;
        }
        thread::sleep(Duration::from_millis(10));
    }
    false
}
