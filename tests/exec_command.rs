//! The subcommand `exec`, run as a user runs it, against the fake cloud: what the command gets, and what it does not.

use std::fs;
use std::os::unix::process::ExitStatusExt as _;
use std::path::PathBuf;
use std::process::{Command, Output};

use harness::FakeCloud;

const BINARY: &str = env!("CARGO_BIN_EXE_csi-secrets-store-provider-alibabacloud");
const CLASS: &str = r#"kind: SecretProviderClass
metadata: {name: web}
spec:
  provider: alibabacloud
  parameters:
    objects: |
      - objectName: db-credentials
        mountWholeSecret: false
        jmesPath:
          - {path: username, objectAlias: db_user}
          - {path: password, objectAlias: db-password}
      - objectName: keystore
"#;

struct Stage {
    cloud: FakeCloud,
    directory: tempfile::TempDir,
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

    /// `exec` with these flags, then the command.
    fn exec(&self, flags: &[&str], command: &[&str]) -> Output {
        self.command(BINARY, flags, command).output().expect("runs")
    }

    fn command(&self, binary: &str, flags: &[&str], command: &[&str]) -> Command {
        let (id, secret) = self.cloud.access_key();
        let url = self.cloud.http_url();
        let mut exec = Command::new(binary);
        exec.arg("exec")
            .args(["kms", "oos", "sts", "metadata"].map(|service| format!("--{service}-endpoint={url}")))
            .arg("--region=cn-hangzhou")
            .arg("--class")
            .arg(self.path("class.yaml"))
            .args(flags)
            .arg("--")
            .args(command)
            .current_dir(self.directory.path())
            .env_clear()
            .env("ACCESS_KEY_ID", id)
            .env("SECRET_ACCESS_KEY", secret)
            .env("PATH", "/usr/bin:/bin")
            .env("KEPT", "as it was");
        exec
    }

    /// The same, which must succeed; what the command printed.
    fn printed(&self, flags: &[&str], command: &[&str]) -> String {
        let output = self.exec(flags, command);
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).expect("text")
    }

    /// The same, which must fail with `code`; the message.
    fn refused(&self, flags: &[&str], command: &[&str], code: i32) -> String {
        let output = self.exec(flags, command);
        assert_eq!(output.status.code(), Some(code), "{output:?}");
        assert!(output.stdout.is_empty(), "{output:?}");
        String::from_utf8(output.stderr).expect("text")
    }
}

const MAPPED: &str = "--env=DB_USER=db_user,DB_PASSWORD=db-password";

#[test]
fn the_command_gets_the_values_and_nothing_of_the_providers() {
    let stage = Stage::new();
    let mut lines: Vec<String> = stage
        .printed(&[MAPPED], &["env"])
        .lines()
        .map(str::to_owned)
        .collect();
    lines.sort();
    assert_eq!(
        lines,
        [
            "DB_PASSWORD=dbpassword",
            "DB_USER=dbuser",
            "KEPT=as it was",
            "PATH=/usr/bin:/bin"
        ]
    );
    // The provider's own pair may be named, and is then that of the secret.
    let printed = stage.printed(&["--env=ACCESS_KEY_ID=db_user"], &["env"]);
    assert!(printed.contains("ACCESS_KEY_ID=dbuser\n") && !printed.contains("SECRET_ACCESS_KEY"));
    let left: Vec<_> = fs::read_dir(stage.directory.path())
        .expect("a directory")
        .collect();
    assert_eq!(left.len(), 1, "nothing but the class: {left:?}");
}

#[test]
fn each_file_becomes_a_variable_unless_it_is_mapped() {
    let stage = Stage::new();
    let binary = stage.refused(&["--env-from-files"], &["env"], 1);
    assert!(
        binary.contains("\"keystore\" holds a zero byte")
            && binary.contains("use --file-env KEYSTORE=keystore"),
        "{binary}"
    );
    // As the message says.
    let printed = stage.printed(
        &["--env-from-files", "--file-env", "KEYSTORE=keystore"],
        &[
            "sh",
            "-c",
            r#"echo "$DB_USER $DB_PASSWORD"; od -An -tx1 "$KEYSTORE"; od -An -tx1 "$KEYSTORE""#,
        ],
    );
    assert_eq!(
        printed, "dbuser dbpassword\n 00 01 02 03 fe fd fe ff\n 00 01 02 03 fe fd fe ff\n",
        "the file may be read twice"
    );
    let unchanged = stage.printed(
        &["--file-env=USER_FILE=db_user"],
        &[
            "sh",
            "-c",
            r#"(echo other > "$USER_FILE") 2>/dev/null; cat "$USER_FILE""#,
        ],
    );
    assert_eq!(unchanged, "dbuser");
}

#[test]
fn failures_start_nothing_and_say_why() {
    let stage = Stage::new();
    let touch = ["touch", "started"];
    let missing = stage.refused(&["--env=A=password"], &touch, 1);
    assert!(
        missing.contains("the class has no file \"password\"; its files are db_user, db-password"),
        "{missing}"
    );
    let usage = stage.refused(&["--env=A"], &touch, 2);
    assert!(usage.contains("--env=A: expected NAME=FILE"), "{usage}");
    stage.cloud.delete_kms("db-credentials");
    let gone = stage.refused(&[MAPPED], &touch, 1);
    assert!(
        gone.contains("code = NotFound") && gone.contains("db-credentials"),
        "{gone}"
    );
    assert!(!stage.path("started").exists());

    let stage = Stage::new();
    let unknown = stage.refused(&[MAPPED], &["no-such-program"], 127);
    assert!(unknown.contains("cannot start \"no-such-program\""), "{unknown}");
    let text = stage.path("class.yaml");
    let plain = stage.refused(&[MAPPED], &[text.to_str().expect("text")], 126);
    assert!(plain.contains("cannot start"), "{plain}");
    for message in [unknown, plain] {
        assert!(!message.contains("dbpassword"), "{message}");
    }
}

/// As if the command had been started without `exec`.
#[test]
fn umask_limits_signals_and_exit_code_are_the_commands() {
    let stage = Stage::new();
    // Of the ignored signals those below 29: the C library keeps others for its threads.
    let state = "umask; ulimit -c; ulimit -Hc; sed -n 's/^Sig[BI][lg][kn]:.*\\(.......\\)$/\\1/p' /proc/self/status; ls /proc/self/fd | wc -l";
    let shell = |script: &str| {
        let output = Command::new("sh").args(["-c", script]).output().expect("sh");
        String::from_utf8(output.stdout).expect("text")
    };
    let with_limits = |inner: &str| format!("umask 027; ulimit -Sc 1000; {inner}");
    let plain = shell(&with_limits(state));
    let (id, secret) = stage.cloud.access_key();
    let url = stage.cloud.http_url();
    let through = format!(
        "ACCESS_KEY_ID={id} SECRET_ACCESS_KEY={secret} {BINARY} exec --kms-endpoint={url} --region=cn-hangzhou --class={} {MAPPED} -- sh -c {:?}",
        stage.path("class.yaml").display(),
        state
    );
    assert_eq!(shell(&with_limits(&through)), plain);

    assert_eq!(
        stage.exec(&[MAPPED], &["sh", "-c", "exit 7"]).status.code(),
        Some(7)
    );
    let killed = stage.exec(&[MAPPED], &["sh", "-c", "kill -TERM $$"]);
    assert_eq!(killed.status.signal(), Some(15));
}

/// As an init container of the provider's image hands it to a container of another image.
#[test]
fn a_copy_of_the_binary_runs_the_command() {
    let stage = Stage::new();
    let volume = stage.path("shared/bin");
    for _ in 0..2 {
        let status = Command::new(BINARY)
            .arg("prepare-bin")
            .arg(&volume)
            .status()
            .expect("runs");
        assert!(status.success());
    }
    let files: Vec<_> = fs::read_dir(&volume).expect("a directory").collect();
    assert_eq!(files.len(), 1, "{files:?}");
    let copy = volume.join(env!("CARGO_PKG_NAME"));
    assert_eq!(
        fs::read(&copy).expect("the copy"),
        fs::read(BINARY).expect("the binary")
    );
    let output = stage
        .command(copy.to_str().expect("text"), &[MAPPED], &["printenv", "DB_USER"])
        .output()
        .expect("runs");
    assert_eq!(String::from_utf8_lossy(&output.stdout), "dbuser\n");
    let nowhere = Command::new(BINARY)
        .args(["prepare-bin", "/proc/no-such-directory"])
        .output()
        .expect("runs");
    assert_eq!(nowhere.status.code(), Some(1));
    let message = String::from_utf8_lossy(&nowhere.stderr);
    assert!(
        message.contains("cannot create /proc/no-such-directory"),
        "{message}"
    );
}
