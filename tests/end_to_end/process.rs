//! Starting and stopping: flags, socket, health port, signals.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
use std::os::unix::net::UnixListener;
use std::process::{Command, Output};

use crate::world::{World, binary};

fn run(arguments: &[&str], environment: &[(&str, &str)]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_csi-secrets-store-provider-alibabacloud"));
    command
        .env_clear()
        .args(arguments)
        .envs(environment.iter().copied());
    command.output().expect("the binary runs")
}

#[test]
fn help_and_version() {
    let help = run(&["--help"], &[]);
    assert!(help.status.success());
    insta::assert_snapshot!("help", String::from_utf8(help.stdout).expect("text"));
    let help = run(&["validate", "--help"], &[]);
    insta::assert_snapshot!("help_validate", String::from_utf8(help.stdout).expect("text"));
    for spelling in ["-help", "--help=true", "-h"] {
        assert!(run(&[spelling], &[]).status.success(), "{spelling}");
    }
    let version = run(&["--version"], &[]);
    assert_eq!(
        String::from_utf8_lossy(&version.stdout),
        concat!(
            "csi-secrets-store-provider-alibabacloud ",
            env!("CARGO_PKG_VERSION"),
            "\n"
        )
    );
}

/// Standard input and several files; 0 when all is well, 1 when something is wrong, 2 when the command line is.
#[test]
fn validate_has_its_exit_codes() {
    let well = "testdata/validate/well.yaml";
    let broken = "testdata/validate/broken_objects.yaml";
    for (arguments, code, words) in [
        (
            &["validate", well, "examples/classes/demo.yaml"][..],
            0,
            "2 SecretProviderClasses",
        ),
        (&["validate", well, broken], 1, "2 errors"),
        (&["validate", "--output=json", broken], 1, "\"valid\": false"),
        (
            &["validate", "does-not-exist.yaml"],
            1,
            "does-not-exist.yaml:1:1: error: cannot be read: No such file",
        ),
        (&["validate"], 2, ""),
        (&["validate", "--outptu=json", well], 2, ""),
    ] {
        let output = run(arguments, &[]);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}");
        let text = String::from_utf8(output.stdout).expect("text");
        assert!(text.contains(words), "{arguments:?}: {text}");
    }
    let mut child = Command::new(env!("CARGO_BIN_EXE_csi-secrets-store-provider-alibabacloud"))
        .args(["validate", "-"])
        .stdin(fs::File::open(well).expect("a file"))
        .stdout(std::process::Stdio::piped())
        .spawn()
        .expect("the binary runs");
    let mut text = String::new();
    let mut output = child.stdout.take().expect("output");
    std::io::Read::read_to_string(&mut output, &mut text).expect("text");
    assert!(child.wait().expect("an end").success());
    assert!(
        text.starts_with("-:2:1: SecretProviderClass shop/web: 4 files"),
        "{text}"
    );
}

/// One line, exit code 2, and nothing bound.
#[test]
fn wrong_flags_and_variables() {
    let directory = tempfile::tempdir().expect("directory");
    let volume = format!("--provider-volume={}", directory.path().display());
    for (arguments, environment, line) in [
        (
            &["--regio=x"][..],
            &[][..],
            "unknown flag --regio; did you mean --region?",
        ),
        (
            &["--healthz-port=http"],
            &[],
            "--healthz-port=http: expected a port from 0 to 65535",
        ),
        (
            &["--max-concurrent-oos-secret-pulls=ten"],
            &[],
            "--max-concurrent-oos-secret-pulls=ten: expected a number from 1 to 512",
        ),
        (
            &["--region=cn_hangzhou"],
            &[],
            "--region=cn_hangzhou: expected a region such as cn-hangzhou",
        ),
        (
            &[],
            &[("ALIBABA_CLOUD_ECS_METADATA_DISABLED", "disabled")],
            "ALIBABA_CLOUD_ECS_METADATA_DISABLED: expected true or false",
        ),
        (
            &[],
            &[("ACCESS_KEY_ID", "id")],
            "ACCESS_KEY_ID is set and SECRET_ACCESS_KEY is not; set both, or neither",
        ),
    ] {
        let arguments: Vec<&str> = [volume.as_str()]
            .into_iter()
            .chain(arguments.iter().copied())
            .collect();
        let output = run(&arguments, environment);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert_eq!(
            String::from_utf8_lossy(&output.stderr),
            format!("csi-secrets-store-provider-alibabacloud: {line}\n")
        );
    }
    assert_eq!(fs::read_dir(directory.path()).expect("directory").count(), 0);
}

/// Values that the official provider starts with: the provider serves, and its log has one warning for each.
#[test]
fn odd_values_of_official_settings() {
    for (argument, (name, value), warning) in [
        (
            "--max-concurrent-kms-secret-pulls=1000000",
            ("ALICLOUD_ROLE_SESSION_EXPIRATION", "3600"),
            "--max-concurrent-kms-secret-pulls=1000000: expected 1 to 512, using 512; this limits concurrent reads",
        ),
        (
            "--max-concurrent-kms-secret-pulls=0x10",
            ("ALICLOUD_ROLE_SESSION_EXPIRATION", "1h"),
            "ALICLOUD_ROLE_SESSION_EXPIRATION: expected 900 to 43200 seconds, using 3600",
        ),
    ] {
        let world = World::with(|provider, _| provider.argument(argument).variable(name, value));
        let files = world.mount("- objectName: test-kms\n").expect("mounted").files;
        assert_eq!(files.len(), 1);
        let log = world.provider.log();
        let warnings: Vec<&str> = log.lines().filter(|line| line.starts_with('W')).collect();
        let of_memory = warnings
            .iter()
            .filter(|line| line.contains("the memory limit of"))
            .count();
        assert_eq!(warnings.len() - of_memory, 1, "{log}");
        assert!(warnings[0].contains(warning), "{log}");
    }
}

/// A stale socket is replaced, the new one is for its owner alone, and nothing else is left in the directory.
#[test]
fn the_socket() {
    let directory = tempfile::tempdir().expect("directory");
    drop(UnixListener::bind(directory.path().join("alibabacloud.sock")).expect("stale socket"));
    let mut provider = binary().volume(directory.path()).start().expect("provider");
    let metadata = fs::symlink_metadata(provider.socket()).expect("socket");
    assert!(metadata.file_type().is_socket());
    assert_eq!(metadata.permissions().mode() & 0o777, 0o600);
    assert_eq!(fs::read_dir(directory.path()).expect("directory").count(), 1);

    let status = provider.terminate().expect("end");
    assert_eq!(status.code(), Some(0), "{}", provider.log());
    assert!(!provider.socket().exists());
}

#[test]
fn a_health_port_that_is_taken() {
    let taken = TcpListener::bind("[::]:0")
        .or_else(|_| TcpListener::bind("0.0.0.0:0"))
        .expect("port");
    let port = taken.local_addr().expect("address").port();
    let error = binary()
        .argument(format!("--healthz-port={port}"))
        .start()
        .expect_err("taken")
        .to_string();
    assert!(
        error.contains(&format!("health port {port}")) && error.contains("--healthz-port"),
        "{error}"
    );
}

#[test]
fn version_health_check_and_healthz() {
    let port = {
        let free = TcpListener::bind("127.0.0.1:0").expect("port");
        free.local_addr().expect("address").port()
    };
    let world = World::with(|provider, _| provider.argument(format!("--healthz-port={port}")));
    let version = world.driver.version().expect("version");
    assert_eq!(version.version, "v1alpha1");
    assert_eq!(version.runtime_name, "csi-secrets-store-provider-alibabacloud");
    assert_eq!(version.runtime_version, env!("CARGO_PKG_VERSION"));
    assert_eq!(world.driver.check("").expect("check").status, 1);
    assert_eq!(
        world
            .driver
            .check("v1alpha1.CSIDriverProvider")
            .expect("check")
            .status,
        1
    );
    assert_eq!(
        world.driver.check("other").expect_err("unknown service").code(),
        harness::driver::Code::NotFound
    );

    let get = |path: &str| {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).expect("health port");
        write!(stream, "GET {path} HTTP/1.1\r\nhost: x\r\n\r\n").expect("request");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("answer");
        answer
    };
    assert!(
        get("/healthz").starts_with("HTTP/1.1 200 OK\r\n"),
        "{}",
        get("/healthz")
    );
    assert!(get("/other").starts_with("HTTP/1.1 404 "), "{}", get("/other"));
}
