//! The program `fake-cloud`: what it prints, where it listens, how it takes a changed state file, how it fails.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;
use std::{fs, thread};

fn program() -> Command {
    Command::new(env!("CARGO_BIN_EXE_fake-cloud"))
}

fn finished(arguments: &[&str]) -> (Option<i32>, String, String) {
    let Output {
        status,
        stdout,
        stderr,
    } = program().args(arguments).output().expect("the program runs");
    let text = |bytes| String::from_utf8(bytes).expect("text");
    (status.code(), text(stdout), text(stderr))
}

/// A serving program; killed on drop.
struct Serving {
    child: Child,
    line: String,
}

impl Serving {
    fn start(directory: &Path, arguments: &[&str]) -> Self {
        let mut child = program()
            .current_dir(directory)
            .args(["serve", "--http", "127.0.0.1:0", "--https", "127.0.0.1:0"])
            .args(arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let mut line = String::new();
        let mut out = BufReader::new(child.stdout.take().expect("its output"));
        out.read_line(&mut line).expect("a line");
        Self { child, line }
    }

    /// The address in the line, after some words.
    fn address(&self, words: &str) -> &str {
        let rest = self.line.split_once(words).expect("the words are in the line").1;
        rest.split([',', ' ', ';', '\n']).next().expect("a word")
    }

    fn get(&self, path: &str) -> String {
        get(self.address("serves on http://"), path)
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn get(address: &str, path: &str) -> String {
    let mut stream = TcpStream::connect(address).expect("a connection");
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n"
    )
    .expect("sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    answer
}

#[test]
fn it_says_where_it_serves_and_stops_when_told() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut serving = Serving::start(directory.path(), &["--port", "metadata=http://127.0.0.1:0"]);
    assert!(serving.get("/_fake/state").contains("test-kms"));
    assert!(
        get(
            serving.address("metadata on http://"),
            "/latest/meta-data/region-id"
        )
        .ends_with("cn-hangzhou")
    );
    let elsewhere = get(
        serving.address("metadata on http://"),
        "/api/v1/namespaces/x/serviceaccounts/y",
    );
    assert!(elsewhere.starts_with("HTTP/1.1 404"), "{elsewhere}");
    let ca = fs::read_to_string(directory.path().join("fake-cloud-ca.pem")).expect("the authority");
    assert!(serving.get("/_fake/ca").ends_with(&ca));
    let told = Command::new("kill")
        .arg(serving.child.id().to_string())
        .status()
        .expect("kill");
    assert!(told.success());
    assert_eq!(serving.child.wait().expect("an end").code(), Some(0));
}

#[test]
fn a_changed_state_file_is_taken_and_a_broken_one_is_not() {
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("state.yaml");
    let state = |name: &str| {
        format!(
            "region: r\naccount: '1'\naccounts: {{ '1': {{ regions: {{ r: {{ secrets: {{ {name}: {{ text: v }} }} }} }} }} }}\n"
        )
    };
    fs::write(&file, state("before")).expect("written");
    let mut serving = Serving::start(directory.path(), &["--state", "state.yaml"]);
    assert!(serving.get("/_fake/state").contains("before"));
    let mut remarks = BufReader::new(serving.child.stderr.take().expect("its remarks")).lines();
    let mut remark = || remarks.next().expect("a line").expect("text");

    fs::write(&file, state("after")).expect("written");
    assert_eq!(remark(), "fake-cloud: state.yaml is read again");
    assert!(serving.get("/_fake/state").contains("after"));

    fs::write(&file, format!("{}colour: red\n", state("broken"))).expect("written");
    let refused = remark();
    assert!(
        refused.starts_with("fake-cloud: state.yaml changed and is not taken; what was read before stays: state file, line 4, column 1: "),
        "{refused}"
    );
    assert!(serving.get("/_fake/state").contains("after"));

    // As an editor or a ConfigMap does: another file takes its place.
    fs::write(directory.path().join("next"), state("replaced")).expect("written");
    fs::rename(directory.path().join("next"), &file).expect("renamed");
    assert_eq!(remark(), "fake-cloud: state.yaml is read again");
    assert!(serving.get("/_fake/state").contains("replaced"));
}

#[test]
fn each_finished_request_is_a_line_of_json_without_secrets() {
    let directory = tempfile::tempdir().expect("a directory");
    let serving = Serving::start(
        directory.path(),
        &["--log", "log.jsonl", "--clock-offset", "3600"],
    );
    for path in [
        "/latest/meta-data/region-id",
        "/latest/meta-data/ram/security-credentials/worker-role",
        "/?Action=AssumeRoleWithOIDC&Version=2015-04-01&Format=JSON&OIDCToken=canary&RoleArn=acs:ram::1:role/r",
        "/?Action=Nothing&Version=2015-04-01&SecretData=canary&AccessKeyId=canary",
    ] {
        serving.get(path);
    }
    let log = fs::read_to_string(directory.path().join("log.jsonl")).expect("a log");
    let lines: Vec<serde_json::Value> = log
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect();
    let told: Vec<_> = lines
        .iter()
        .map(|line| {
            (
                line["service"].as_str(),
                line["status"].as_u64(),
                line["code"].as_str(),
            )
        })
        .collect();
    assert_eq!(
        told,
        [
            (Some("metadata"), Some(200), None),
            (Some("metadata"), Some(200), None),
            (Some("sts"), Some(400), Some("MissingOIDCProviderArn")),
            (Some("sts"), Some(400), Some("MissingTimestamp")),
        ]
    );
    assert!(!log.contains("canary"), "{log}");
    let listed = serving.get("/_fake/requests?after=3");
    assert!(
        listed.contains("MissingTimestamp") && !listed.contains("MissingOIDCProviderArn"),
        "{listed}"
    );
}

#[test]
fn run_gives_the_program_its_variables_and_ends_as_it_ends() {
    let script = r#"test -s "$SSL_CERT_FILE" && test -n "$ACCESS_KEY_ID" || exit 9
        case "$FAKE_CLOUD_PROVIDER_FLAGS" in *--metadata-endpoint=$FAKE_CLOUD_HTTP*) ;; *) exit 8;; esac
        test -n "$HTTPS_PROXY" && test "$https_proxy" = "$HTTPS_PROXY" || exit 7
        echo "$FAKE_CLOUD_HTTP"; exit 3"#;
    let (code, out, remarks) = finished(&["run", "--", "sh", "-c", script]);
    assert_eq!(code, Some(3), "{remarks}");
    assert!(out.starts_with("http://127.0.0.1:"), "{out}");
    let (code, _, remarks) = finished(&["run", "--", "/no/such/program"]);
    assert_eq!(code, Some(1));
    assert!(
        remarks.starts_with("fake-cloud: cannot run /no/such/program: "),
        "{remarks}"
    );
}

#[test]
fn check_says_what_is_wrong_and_where() {
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("state.yaml");
    let check = |text: &str| {
        fs::write(&file, text).expect("written");
        finished(&["check", "--state", file.to_str().expect("a path")])
    };
    let (code, world, _) = finished(&["world"]);
    assert_eq!(code, Some(0));
    assert_eq!(
        check(&world),
        (Some(0), "the state is valid, 0 warnings\n".into(), String::new())
    );

    let (code, out, _) = check(
        "region: r\naccount: '1'\naccounts:\n  '1':\n    policies:\n      p: { Statement: { Effect: Allow, Action: 'kms:*', Resource: 'acs:kms:*:*:secret/gone' } }\n",
    );
    assert_eq!(code, Some(0));
    assert_eq!(
        out,
        "warning: state file, line 6, column 7: the policy p is about acs:kms:*:*:secret/gone, and nothing here has \
         such a name\nwarning: state file, line 6, column 7: the policy p is attached to nobody\nthe state is valid, 2 \
         warnings\n"
    );

    let (code, _, remarks) =
        check("region: r\naccount: '1'\naccounts:\n  '1':\n    users: { u: { keys: [] } }\n");
    assert_eq!(code, Some(1));
    assert!(
        remarks.starts_with("fake-cloud: state file, line 5, column 19: "),
        "{remarks}"
    );
}

#[test]
fn wrong_arguments_and_files_end_it() {
    for (arguments, code, words) in [
        (&["--colour"][..], 2, "there is no option --colour"),
        (&["serve", "--state"], 2, "missing argument"),
        (
            &["serve", "--state", "/no/such/file"],
            1,
            "cannot read state file /no/such/file",
        ),
        (
            &["env", "--http", "127.0.0.1:0"],
            2,
            "env cannot know which free port",
        ),
        (
            &["serve", "--http", "192.0.2.1:1"],
            1,
            "cannot listen on 192.0.2.1:1",
        ),
        (
            &[
                "serve",
                "--http",
                "127.0.0.1:0",
                "--https",
                "127.0.0.1:0",
                "--ca",
                "/no/such/dir/ca",
            ],
            1,
            "cannot write the certificate authority",
        ),
    ] {
        let (ended, _, remarks) = finished(arguments);
        assert_eq!(ended, Some(code), "{arguments:?}: {remarks}");
        assert!(remarks.contains(words), "{arguments:?}: {remarks}");
    }
}

#[test]
fn env_is_for_a_shell() {
    let (code, out, _) = finished(&["env", "--ca", "/tmp/it's.pem"]);
    assert_eq!(code, Some(0));
    let mut shell = Command::new("sh")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("a shell");
    let script =
        format!("{out}echo \"$SSL_CERT_FILE|$FAKE_CLOUD_SDK_ENDPOINT|$ALIBABA_CLOUD_ACCESS_KEY_ID\"");
    shell
        .stdin
        .take()
        .expect("its input")
        .write_all(script.as_bytes())
        .expect("sent");
    let said = shell.wait_with_output().expect("an end").stdout;
    assert_eq!(
        String::from_utf8_lossy(&said),
        "/tmp/it's.pem|localhost:8443|LTAI5tFakeCloudProvider1\n"
    );
}

#[test]
fn a_slow_reader_of_the_log_stops_nothing() {
    // The log's pipe breaks; the cloud goes on.
    let directory = tempfile::tempdir().expect("a directory");
    let mut serving = Serving::start(directory.path(), &["--log", "-"]);
    drop(serving.child.stdout.take());
    for _ in 0..3 {
        assert!(
            serving
                .get("/latest/meta-data/region-id")
                .ends_with("cn-hangzhou")
        );
        thread::sleep(Duration::from_millis(1));
    }
}
