//! What is seen from outside: `/metrics` and `/readyz`, and two processes that follow one another.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::UnixListener;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use harness::FakeCloud;
use harness::driver::{Code, Driver};
use harness::fault::{Fault, FaultRule};

use crate::world::{World, provider_of, request};

/// A port that was free a moment ago.
pub(crate) fn free_port() -> u16 {
    let free = TcpListener::bind("127.0.0.1:0").expect("port");
    free.local_addr().expect("address").port()
}

/// The answer to a GET: its status line, its head and its body.
pub(crate) fn get(port: u16, path: &str) -> (String, String) {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).expect("health port");
    write!(stream, "GET {path} HTTP/1.1\r\nhost: x\r\n\r\n").expect("request");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("answer");
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
    (head.to_owned(), body.to_owned())
}

/// The value of a sample, by its name and labels as written.
pub(crate) fn sample(text: &str, name: &str) -> f64 {
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    let value = line.unwrap_or_else(|| panic!("no {name} in\n{text}"));
    value.parse().expect("a number")
}

#[test]
fn the_numbers_of_a_success_and_of_a_failure() {
    let port = free_port();
    let world = World::with(|provider, _| provider.argument(format!("--healthz-port={port}")));
    world
        .mount("- objectName: test\n  objectType: oos\n")
        .expect("mount");
    let status = world
        .mount("- objectName: missing\n")
        .expect_err("no such secret");
    assert_eq!(status.code(), Code::NotFound);

    let (head, text) = get(port, "/metrics");
    assert!(head.starts_with("HTTP/1.1 200 OK"), "{head}");
    assert!(head.contains("content-type: text/plain; version=0.0.4"), "{head}");
    for (name, value) in [
        (
            r#"alibabacloud_provider_mounts_total{result="success",code="OK"}"#,
            1.0,
        ),
        (
            r#"alibabacloud_provider_mounts_total{result="failure",code="NOT_FOUND"}"#,
            1.0,
        ),
        (
            r#"alibabacloud_provider_mount_duration_seconds_count{result="success"}"#,
            1.0,
        ),
        (
            r#"alibabacloud_provider_mount_duration_seconds_count{result="failure"}"#,
            1.0,
        ),
        (
            r#"alibabacloud_provider_backend_calls_total{service="oos",action="GetSecretParameter",outcome="ok"}"#,
            1.0,
        ),
        (
            r#"alibabacloud_provider_backend_calls_total{service="kms",action="GetSecretValue",outcome="not_found"}"#,
            1.0,
        ),
        ("alibabacloud_provider_connections_open", 1.0),
        ("alibabacloud_provider_mounts_running", 0.0),
        ("alibabacloud_provider_panics_total", 0.0),
        (
            concat!(
                r#"alibabacloud_provider_build_info{version=""#,
                env!("CARGO_PKG_VERSION"),
                r#""}"#
            ),
            1.0,
        ),
    ] {
        assert!(
            (sample(&text, name) - value).abs() < 0.5,
            "{name} is {}",
            sample(&text, name)
        );
    }
    let last = "alibabacloud_provider_backend_last_success_timestamp_seconds";
    assert!(sample(&text, &format!("{last}{{service=\"oos\"}}")) > 1_700_000_000.0);
    assert!(sample(&text, &format!("{last}{{service=\"kms\"}}")) < 1.0);
    assert!(sample(&text, "process_resident_memory_bytes") > 100_000.0);
    assert!(sample(&text, "process_open_fds") > 3.0);
}

/// A peer that does not speak the protocol is counted, and so is a throttled call with its new try.
#[test]
fn the_numbers_of_trouble() {
    let port = free_port();
    let world = World::with(|provider, _| provider.argument(format!("--healthz-port={port}")));
    let mut stranger = std::os::unix::net::UnixStream::connect(world.provider.socket()).expect("socket");
    stranger
        .write_all(b"GET / HTTP/1.1\r\n\r\nand much more than a preface")
        .expect("bytes");
    let mut rest = Vec::new();
    // The other side may cut the connection while it is still being written to.
    let _ = stranger.read_to_end(&mut rest);
    world.cloud.inject(FaultRule::new(Fault::Throttle).times(1));
    world
        .mount("- objectName: test\n  objectType: oos\n")
        .expect("mount");
    let large = harness::driver::MountRequest {
        attributes: "x".repeat(5 * 1024 * 1024),
        ..request("")
    };
    let status = world
        .driver
        .mount(large)
        .expect_err("larger than any request may be");
    let code = match status.code() {
        Code::Internal => "INTERNAL",
        Code::InvalidArgument => "INVALID_ARGUMENT",
        other => panic!("{other:?}"),
    };
    let refused = format!(r#"alibabacloud_provider_mounts_total{{result="failure",code="{code}"}}"#);
    let wanted = [
        (refused.as_str(), 1.0),
        ("alibabacloud_provider_protocol_errors_total", 1.0),
        (
            r#"alibabacloud_provider_backend_throttled_total{service="oos"}"#,
            1.0,
        ),
        (
            r#"alibabacloud_provider_backend_retries_total{service="oos"}"#,
            1.0,
        ),
    ];
    let (_, text) = get(port, "/metrics");
    for (name, value) in wanted {
        assert!(
            (sample(&text, name) - value).abs() < 0.5,
            "{name} is {}",
            sample(&text, name)
        );
    }
}

/// Each Mount is one line that says whose, what, as whom, how long and how it ended; the id on a failure's line is in
/// the error that the pod's events show, and a failure that repeats is not logged again.
#[test]
fn a_mount_is_one_line() {
    let world = World::with(|provider, _| provider.argument("--log-format=json"));
    let lines = |what: &str| -> Vec<serde_json::Value> {
        let log = world.provider.log();
        let lines = log
            .lines()
            .map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("no JSON: {line}")));
        let lines: Vec<serde_json::Value> = lines.collect();
        lines.into_iter().filter(|line| line["msg"] == what).collect()
    };
    world
        .mount("- objectName: test\n  objectType: oos\n- objectName: test-kms\n")
        .expect("mount");
    let errors: Vec<String> = (0..3)
        .map(|_| {
            world
                .mount("- objectName: missing\n")
                .expect_err("no such secret")
                .message()
                .to_owned()
        })
        .collect();
    let wrong = world
        .mount("- objectName: a\n  objectType: ssm\n")
        .expect_err("wrong type");
    // The log is read by a thread of its own: what was written before a Mount's answer arrives soon after.
    world.mount("- objectName: test-kms\n").expect("mount");
    while lines("mounted").len() < 2 {
        thread::sleep(Duration::from_millis(2));
    }

    let mounted = lines("mounted");
    assert_eq!(mounted.len(), 2, "{mounted:?}");
    let first = &mounted[0];
    assert_eq!(first["objects"], 2, "{first}");
    assert_eq!(first["code"], "OK");
    assert_eq!(first["source"], "AccessKey pair of the provider");
    assert!(
        first["pod"]
            .as_str()
            .is_some_and(|pod| pod.len() > 3 && pod.contains('/')),
        "{first}"
    );
    assert!(
        first["milliseconds"].is_u64() && first["bytes"].as_u64() > Some(10),
        "{first}"
    );
    assert_eq!(
        mounted[1]["failures_before"], 4,
        "a success ends the series: {}",
        mounted[1]
    );

    let failed = lines("mount failed");
    assert_eq!(
        failed.len(),
        2,
        "three of one kind and one of another: {failed:?}"
    );
    assert_eq!(failed[0]["code"], "NOT_FOUND");
    assert_eq!(failed[1]["not_logged_before"], 2, "{}", failed[1]);
    let id = failed[0]["mount"].as_str().expect("an id");
    assert!(
        errors[0].ends_with(&format!("(mount {id})")),
        "{id} in {}",
        errors[0]
    );
    assert_ne!(errors[0], errors[1], "each Mount has an id of its own");
    let id = failed[1]["mount"].as_str().expect("an id");
    assert!(
        wrong.message().ends_with(&format!("(mount {id})")),
        "{id} in {wrong}"
    );
    assert_eq!(
        failed[1]["pod"], first["pod"],
        "known though the parameters are wrong"
    );
}

#[test]
fn ready_or_why_not() {
    let cloud = FakeCloud::start().expect("fake cloud");
    let directory = tempfile::tempdir().expect("directory");
    let token = directory.path().join("token");
    let volume = directory.path().join("volume");
    std::fs::create_dir(&volume).expect("volume");
    let port = free_port();
    let provider = provider_of(&cloud)
        .volume(&volume)
        .argument(format!("--healthz-port={port}"))
        .variable(
            "ALICLOUD_ROLE_ARN",
            "acs:ram::1234567890120000:role/demo-role-for-rrsa",
        )
        .variable(
            "ALICLOUD_OIDC_PROVIDER_ARN",
            "acs:ram::1234567890120000:oidc-provider/x",
        )
        .variable("ALICLOUD_OIDC_TOKEN_FILE", &token)
        .start()
        .expect("provider");
    let ready = || get(port, "/readyz");

    let (head, reasons) = ready();
    assert!(head.starts_with("HTTP/1.1 503 "), "{head}");
    assert!(
        reasons.contains("ServiceAccount token") && reasons.contains("/token"),
        "{reasons}"
    );
    assert_eq!(reasons.lines().count(), 1, "{reasons}");
    let (head, _) = get(port, "/healthz");
    assert!(head.starts_with("HTTP/1.1 200 "), "alive it is: {head}");

    std::fs::write(&token, "a.b.c").expect("token");
    let (head, body) = ready();
    assert!(head.starts_with("HTTP/1.1 200 ") && body == "ok", "{head} {body}");

    let socket = provider.socket();
    // Renamed to its path, because one that is gone is bound again.
    let _stranger = UnixListener::bind(volume.join("new")).expect("another provider");
    std::fs::rename(volume.join("new"), socket).expect("rename");
    let (_, reasons) = ready();
    assert!(reasons.contains("another provider"), "{reasons}");
}

/// A HEAD has the head of a GET and nothing more.
#[test]
fn head_requests_and_others() {
    let port = free_port();
    let _world = World::with(|provider, _| provider.argument(format!("--healthz-port={port}")));
    let ask = |request: &str| {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).expect("health port");
        stream.write_all(request.as_bytes()).expect("request");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("answer");
        answer
    };
    let answer = ask("HEAD /readyz HTTP/1.1\r\n\r\n");
    assert!(
        answer.contains("content-length: 2\r\n") && answer.ends_with("\r\n\r\n"),
        "{answer}"
    );
    assert!(ask("POST /metrics HTTP/1.1\r\n\r\n").starts_with("HTTP/1.1 400 "));
    assert!(ask("GET /metrics?x=1 HTTP/1.1\r\n\r\n").starts_with("HTTP/1.1 200 "));
}

/// What a DaemonSet with a surge does: the successor takes the socket over, is ready, and its predecessor is told to
/// stop, while Mounts go on all the time. None of them fails, and each process answered some.
#[test]
fn a_rolling_update_loses_no_mount() {
    const CLIENTS: usize = 4;
    let cloud = FakeCloud::start().expect("fake cloud");
    let volume = tempfile::tempdir().expect("volume");
    let ports = [free_port(), free_port()];
    let start = |port: u16| {
        let builder = provider_of(&cloud).volume(volume.path());
        builder
            .argument(format!("--healthz-port={port}"))
            .start()
            .expect("provider")
    };
    let answered = |port: u16| {
        let (_, text) = get(port, "/metrics");
        sample(
            &text,
            r#"alibabacloud_provider_mounts_total{result="success",code="OK"}"#,
        )
    };
    let mut old = start(ports[0]);
    let stop = AtomicBool::new(false);
    let mounted = AtomicUsize::new(0);
    let until = |more: usize| {
        let goal = mounted.load(Ordering::SeqCst) + more;
        while mounted.load(Ordering::SeqCst) < goal {
            thread::sleep(Duration::from_millis(2));
        }
    };
    let socket = old.socket().to_owned();
    let (before, after) = thread::scope(|scope| {
        let _stops_even_if_this_panics = OnDrop(&stop);
        let clients: Vec<_> = (0..CLIENTS)
            .map(|_| {
                scope.spawn(|| {
                    let driver = Driver::new(&socket);
                    while !stop.load(Ordering::SeqCst) {
                        let response = driver.mount(request("- objectName: test\n  objectType: oos\n"));
                        let response = response.unwrap_or_else(|status| panic!("a Mount was lost: {status}"));
                        assert_eq!(response.files.len(), 1);
                        mounted.fetch_add(1, Ordering::SeqCst);
                    }
                })
            })
            .collect();
        until(20);
        let new = start(ports[1]);
        // The socket answers all the time: only its own port tells that the successor is there.
        while TcpStream::connect(("127.0.0.1", ports[1])).is_err()
            || !get(ports[1], "/readyz").0.starts_with("HTTP/1.1 200 ")
        {
            thread::sleep(Duration::from_millis(2));
        }
        until(20);
        let before = answered(ports[0]);
        let status = old.terminate().expect("end");
        assert_eq!(status.code(), Some(0), "{}", old.log());
        until(20);
        stop.store(true, Ordering::SeqCst);
        for client in clients {
            client.join().expect("no Mount was lost");
        }
        let after = answered(ports[1]);
        drop(new);
        (before, after)
    });
    assert!(before >= 20.0, "the old one answered {before}");
    assert!(after >= 20.0, "the new one answered {after}");
}

struct OnDrop<'a>(&'a AtomicBool);

impl Drop for OnDrop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}
