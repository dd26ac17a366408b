//! `mount --watch`, run as a sidecar would run it, against the fake cloud: what is there when, and what is told to whom.

use std::fs;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use harness::{FakeCloud, Fault, FaultRule, Service};
use rustix::process::{Pid, Signal, kill_process};

const BINARY: &str = env!("CARGO_BIN_EXE_csi-secrets-store-provider-alibabacloud");
const CLASS: &str = "kind: SecretProviderClass
metadata: {name: web}
spec:
  provider: alibabacloud
  parameters:
    objects: |
      - objectName: test-kms
";

struct Stage {
    cloud: FakeCloud,
    directory: tempfile::TempDir,
}

/// A process that ends with the test.
struct Watching(Child);

impl Watching {
    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.0), signal).expect("it runs");
    }

    fn memory_kib(&self) -> usize {
        let status = fs::read_to_string(format!("/proc/{}/status", self.0.id())).expect("it runs");
        let line = status
            .lines()
            .find(|line| line.starts_with("VmRSS:"))
            .expect("its memory");
        line.split_whitespace()
            .nth(1)
            .and_then(|text| text.parse().ok())
            .expect("a number")
    }
}

impl Drop for Watching {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Stage {
    fn new() -> Self {
        let stage = Self {
            cloud: FakeCloud::start().expect("a cloud"),
            directory: tempfile::tempdir().expect("a directory"),
        };
        fs::write(stage.path("class.yaml"), CLASS).expect("written");
        stage
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn command(&self, more: &[&str]) -> Command {
        let (id, secret) = self.cloud.access_key();
        let url = self.cloud.http_url();
        let mut command = Command::new(BINARY);
        command
            .args([
                "mount",
                "--watch",
                "--region=cn-hangzhou",
                "--class=class.yaml",
                "--target=target",
            ])
            .args(["--ready-file=ready"])
            .args(["kms", "oos", "sts", "metadata"].map(|service| format!("--{service}-endpoint={url}")))
            .args(more)
            .current_dir(self.directory.path())
            .env_clear()
            .env("ACCESS_KEY_ID", id)
            .env("SECRET_ACCESS_KEY", secret)
            .stdout(Stdio::null())
            .stderr(fs::File::create(self.path("log")).expect("a log"));
        command
    }

    /// Watches with an interval of an hour, so that only SIGHUP refreshes.
    fn watch(&self, more: &[&str]) -> Watching {
        let mut more = more.to_vec();
        more.push("--refresh-interval=1h");
        let watching = Watching(self.command(&more).spawn().expect("runs"));
        self.wait("a first mount", || self.path("ready").exists());
        watching
    }

    fn value(&self) -> String {
        fs::read_to_string(self.path("target/test-kms")).expect("the file")
    }

    fn log(&self) -> String {
        fs::read_to_string(self.path("log")).expect("the log")
    }

    /// Waits until something holds, and fails after a time that is never reached unless it does not.
    fn wait(&self, what: &str, mut holds: impl FnMut() -> bool) {
        for _ in 0..2000 {
            if holds() {
                return;
            }
            thread::sleep(Duration::from_millis(10));
        }
        panic!("{what}: {}", self.log());
    }

    fn reads(&self) -> usize {
        self.cloud.requests_of(Service::Kms).len()
    }
}

fn data(stage: &Stage) -> PathBuf {
    fs::read_link(stage.path("target/..data")).expect("the link")
}

#[test]
fn a_rotated_value_arrives_and_others_are_told() {
    let stage = Stage::new();
    // A program that writes a line for each SIGUSR1.
    let script = "trap 'echo told >> told' USR1; echo $$ > pid; while :; do sleep 0.01; done";
    let program = Command::new("sh")
        .args(["-c", script])
        .current_dir(stage.directory.path())
        .spawn()
        .expect("sh");
    let _ended = Watching(program);
    stage.wait("a program", || {
        fs::read_to_string(stage.path("pid")).is_ok_and(|pid| !pid.is_empty())
    });
    let watching = stage.watch(&["--changed-file=changed", "--pid-file=pid", "--signal=USR1"]);
    assert_eq!(stage.value(), "hello from KMS");
    assert!(!stage.path("changed").exists(), "the first mount is no change");

    let before = data(&stage);
    watching.signal(Signal::HUP);
    stage.wait("a second mount", || stage.reads() == 2);
    stage.cloud.set_kms_text("test-kms", "rotated");
    watching.signal(Signal::HUP);
    stage.wait("the new value", || stage.value() == "rotated");
    stage.wait("the file of changes", || stage.path("changed").exists());
    stage.wait("the signal", || {
        fs::read_to_string(stage.path("told")).is_ok_and(|told| told == "told\n")
    });
    assert_ne!(data(&stage), before);
    let directories = fs::read_dir(stage.path("target")).expect("the target");
    let names: Vec<_> = directories
        .map(|entry| entry.expect("entry").file_name())
        .collect();
    assert_eq!(names.len(), 3, "the file, the link and one directory: {names:?}");
}

#[test]
fn what_has_not_changed_is_not_written() {
    let stage = Stage::new();
    let watching = stage.watch(&["--changed-file=changed"]);
    let before = data(&stage);
    for reads in 2..5 {
        watching.signal(Signal::HUP);
        stage.wait("a mount", || stage.reads() == reads);
    }
    watching.signal(Signal::TERM);
    let mut watching = watching;
    assert_eq!(
        watching.0.wait().expect("it ends").code(),
        Some(0),
        "{}",
        stage.log()
    );
    assert_eq!(data(&stage), before);
    assert!(!stage.path("changed").exists());
    assert_eq!(stage.value(), "hello from KMS", "the files stay");
}

#[test]
fn an_outage_leaves_the_files_and_ends_by_itself() {
    let stage = Stage::new();
    let watching = stage.watch(&[]);
    let ready = || {
        fs::metadata(stage.path("ready"))
            .and_then(|file| file.modified())
            .expect("a time")
    };
    let before = ready();
    let denied = stage
        .cloud
        .inject(FaultRule::new(Fault::error(403, "Forbidden.NoPermission", "m")));
    watching.signal(Signal::HUP);
    stage.wait("a warning", || stage.log().contains("the files stay as they are"));
    assert!(
        stage.log().contains("Forbidden.NoPermission") && !stage.log().contains("hello"),
        "{}",
        stage.log()
    );
    assert_eq!((stage.value().as_str(), ready()), ("hello from KMS", before));
    stage.cloud.release(denied);
    stage.cloud.set_kms_text("test-kms", "after it");
    watching.signal(Signal::HUP);
    stage.wait("the new value", || stage.value() == "after it");
}

/// SIGTERM does not wait for a service that hangs.
#[test]
fn it_ends_in_the_middle_of_a_mount() {
    let stage = Stage::new();
    let mut watching = stage.watch(&[]);
    stage.cloud.inject(FaultRule::new(Fault::Hold));
    watching.signal(Signal::HUP);
    stage.cloud.wait_for_held(1);
    watching.signal(Signal::TERM);
    let status = watching.0.wait().expect("it ends");
    assert_eq!(
        (status.code(), status.signal()),
        (Some(0), None),
        "{}",
        stage.log()
    );
    assert_eq!(stage.value(), "hello from KMS");
}

#[test]
fn the_interval_refreshes_by_itself() {
    let stage = Stage::new();
    let _watching = Watching(stage.command(&["--refresh-interval=1s"]).spawn().expect("runs"));
    stage.wait("a first mount", || stage.path("ready").exists());
    stage.cloud.set_kms_text("test-kms", "rotated");
    stage.wait("the new value", || stage.value() == "rotated");
}

/// Tokens, keys and the class itself may be replaced while it runs.
#[test]
fn its_own_files_are_read_anew() {
    let stage = Stage::new();
    let watching = stage.watch(&[]);
    fs::write(
        stage.path("class.yaml"),
        CLASS.replace("test-kms", "app/db-password"),
    )
    .expect("written");
    watching.signal(Signal::HUP);
    stage.wait("the other file", || stage.path("target/app_db-password").exists());
    assert!(!stage.path("target/test-kms").exists());
    fs::write(stage.path("class.yaml"), "kind: SecretProviderClass\n").expect("written");
    watching.signal(Signal::HUP);
    stage.wait("a warning", || stage.log().contains("class.yaml: metadata.name"));
    assert!(stage.path("target/app_db-password").exists());
}

#[test]
fn a_first_mount_that_fails_ends_it() {
    for class in [
        CLASS.replace("test-kms", "no-such-secret"),
        CLASS.replace("objects", "object"),
    ] {
        let stage = Stage::new();
        fs::write(stage.path("class.yaml"), class).expect("written");
        let status = stage.command(&[]).status().expect("runs");
        assert_eq!(status.code(), Some(1), "{}", stage.log());
        assert!(!stage.path("ready").exists() && !stage.path("target").exists());
    }
}

#[test]
fn a_probe_sees_when_it_last_went_well() {
    let stage = Stage::new();
    let probe = |flags: &[&str]| {
        let mut probe = Command::new(BINARY);
        probe
            .args(["mount", "--check-ready", "--ready-file=ready"])
            .args(flags);
        let output = probe.current_dir(stage.directory.path()).output().expect("runs");
        (
            output.status.code(),
            String::from_utf8(output.stderr).expect("text"),
        )
    };
    let (code, message) = probe(&[]);
    assert!(
        code == Some(1) && message.contains("not ready: ready: No such file"),
        "{message}"
    );
    let _watching = stage.watch(&[]);
    assert_eq!(probe(&[]), (Some(0), String::new()));
    let file = fs::File::options()
        .write(true)
        .open(stage.path("ready"))
        .expect("the file");
    let old = file.metadata().and_then(|file| file.modified()).expect("a time") - Duration::from_secs(200);
    file.set_modified(old).expect("set");
    let (code, message) = probe(&[]);
    assert!(
        code == Some(1) && message.contains("the last mount that succeeded was 2"),
        "{message}"
    );
    assert_eq!(probe(&["--refresh-interval=5m"]).0, Some(0));
}

/// Each cycle with a new value; its memory does not grow.
#[test]
fn many_cycles_leave_nothing_behind() {
    let stage = Stage::new();
    let watching = stage.watch(&[]);
    let cycle = |at: usize| {
        let value = format!("value {at}");
        stage.cloud.set_kms_text("test-kms", &value);
        watching.signal(Signal::HUP);
        stage.wait("the value", || stage.value() == value);
    };
    (0..50).for_each(cycle);
    let before = watching.memory_kib();
    (50..300).for_each(cycle);
    let after = watching.memory_kib();
    assert!(after <= before + 512, "{before} KiB, then {after} KiB");
    let threads =
        fs::read_dir(Path::new("/proc").join(watching.0.id().to_string()).join("task")).expect("threads");
    assert!(threads.count() <= 6);
    assert_eq!(fs::read_dir(stage.path("target")).expect("the target").count(), 3);
}
