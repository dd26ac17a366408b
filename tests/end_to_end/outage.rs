//! Serving through an outage: `--serve-stale-for`.

use std::fs;
use std::thread;
use std::time::Duration;

use harness::driver::{Code, Driver, MountRequest, MountResponse, Status, Volume};
use harness::process::ProviderBuilder;
use harness::{Fault, FaultId, FaultRule, Service};

use crate::observed::{free_port, get, sample};
use crate::sharing::{OPERATOR, OUTSIDER, PROVIDER, pod, pod_as};
use crate::world::World;

const OBJECTS: &str = "- objectName: shared\n";

/// A world whose provider keeps values for an hour, and has read one for pod `a`.
fn keeping(arguments: &[&str]) -> World {
    let world = World::with(|provider, _| {
        let provider = provider.argument("--serve-stale-for=1h");
        arguments.iter().fold(provider, ProviderBuilder::argument)
    });
    world.cloud.set_kms_text("shared", "monday");
    let first = world.driver.mount(pod("a", OBJECTS)).expect("mount");
    assert_eq!(first.files[0].contents, b"monday");
    world
}

fn plain() -> World {
    keeping(&[])
}

/// Everything that holds values is out of order from now on.
fn outage(world: &World) -> FaultId {
    let unavailable = Fault::error(503, "ServiceUnavailable", "m");
    world.cloud.inject(FaultRule::new(unavailable))
}

fn contents(response: &MountResponse) -> Vec<&[u8]> {
    response.files.iter().map(|it| it.contents.as_slice()).collect()
}

/// A Mount that fails whole for the outage.
fn fails(world: &World, request: MountRequest) -> Status {
    let status = world.driver.mount(request).expect_err("an outage");
    assert_eq!(status.code(), Code::Internal, "{status}");
    status
}

/// Pods that start and pods that run get what was read, with its version; metrics and log say so, and when the cloud
/// is back, so are new values.
#[test]
fn pods_start_and_run_through_an_outage() {
    let port = free_port();
    let world = World::with(|provider, _| {
        provider
            .argument("--serve-stale-for=1h")
            .argument("--log-format=json")
            .argument(format!("--healthz-port={port}"))
    });
    world.cloud.set_kms_text("shared", "monday");
    let first = world.driver.mount(pod("a", OBJECTS)).expect("mount");
    let faults = outage(&world);
    world.cloud.set_kms_text("shared", "tuesday");
    for uid in ["a", "b", "b", "c"] {
        let response = world.driver.mount(pod(uid, OBJECTS)).expect("as before");
        assert_eq!(response, first, "files and versions");
    }
    let (_, text) = get(port, "/metrics");
    for (name, value) in [
        (
            r#"alibabacloud_provider_stale_values_served_total{service="kms"}"#,
            4.0,
        ),
        (
            r#"alibabacloud_provider_stale_values_served_total{service="oos"}"#,
            0.0,
        ),
        (
            r#"alibabacloud_provider_refresh_failures_total{service="kms",outcome="unavailable"}"#,
            2.0,
        ),
        ("alibabacloud_provider_stale_values_kept", 1.0),
    ] {
        let seen = sample(&text, name);
        assert!((seen - value).abs() < 0.5, "{name} is {seen}");
    }

    world.cloud.release(faults);
    let response = world.driver.mount(pod("b", OBJECTS)).expect("mount");
    assert_eq!(contents(&response), [b"tuesday"]);
    assert_ne!(response.object_version, first.object_version);

    let lines = |what: &str| -> Vec<serde_json::Value> {
        let log = world.provider.log();
        let lines = log.lines().filter_map(|line| serde_json::from_str(line).ok());
        lines
            .filter(|line: &serde_json::Value| line["msg"].as_str().is_some_and(|msg| msg.contains(what)))
            .collect()
    };
    while lines("mounted").len() < 6 {
        thread::sleep(Duration::from_millis(2));
    }
    let mounted = lines("mounted");
    let stale: Vec<u64> = mounted
        .iter()
        .filter_map(|line| line["stale_values"].as_u64())
        .collect();
    assert_eq!(stale, [0, 1, 1, 1, 1, 0]);
    assert!(mounted.iter().all(|line| line["stale_seconds"].is_u64()));
    let told = lines("were read before the outage");
    assert_eq!(told.len(), 1, "once in a while for what repeats: {told:?}");
    let message = told[0]["msg"].as_str().expect("a message");
    for words in [
        "1 of 1 values",
        "--serve-stale-for",
        "item 1 \"shared\" (kms)",
        "503 ServiceUnavailable",
    ] {
        assert!(message.contains(words), "{words}: {message}");
    }
    assert_eq!(told[0]["level"], "warn");
}

#[test]
fn nobody_listens_where_the_cloud_was() {
    let World {
        cloud,
        provider,
        driver,
    } = plain();
    drop(cloud);
    let response = driver.mount(pod("b", OBJECTS)).expect("as before");
    assert_eq!(contents(&response), [b"monday"]);
    drop(provider);
}

/// Whatever keeps the cloud from answering, the fallback is reached before the caller's time is over.
#[test]
fn within_the_callers_deadline() {
    for fault in [Fault::Throttle, Fault::Hold] {
        let world = plain();
        let rule = world.cloud.inject(FaultRule::new(fault.clone()));
        let within = Some(Duration::from_secs(4));
        let response = world.driver.mount_within(pod("b", OBJECTS), within);
        let response = response.unwrap_or_else(|status| panic!("{fault:?}: {status}"));
        assert_eq!(contents(&response), [b"monday"], "{fault:?}");
        world.cloud.release(rule);
    }
}

/// A service that is out of reach does not make the other's values old.
#[test]
fn old_values_beside_new_ones() {
    let world = plain();
    world.cloud.set_oos("parameter", "monday");
    let objects = "- objectName: shared\n- objectName: parameter\n  objectType: oos\n";
    world.driver.mount(pod("a", objects)).expect("mount");
    let unavailable = Fault::error(503, "ServiceUnavailable", "m");
    world
        .cloud
        .inject(FaultRule::new(unavailable).service(Service::Kms));
    world.cloud.set_oos("parameter", "tuesday");
    let response = world.driver.mount(pod("b", objects)).expect("mount");
    assert_eq!(contents(&response), [&b"monday"[..], b"tuesday"]);
}

/// All or nothing: one value that was never read fails the Mount, optional or not, for nobody knows whether it exists.
#[test]
fn one_value_that_is_not_kept_fails_the_mount() {
    let port = free_port();
    let world = keeping(&[&format!("--healthz-port={port}")]);
    outage(&world);
    for line in ["", "  optional: true\n"] {
        let objects = format!("{OBJECTS}- objectName: other\n{line}");
        let status = fails(&world, pod("b", &objects));
        assert!(status.message().contains("503 ServiceUnavailable"), "{status}");
    }
    let (_, text) = get(port, "/metrics");
    let served = sample(
        &text,
        r#"alibabacloud_provider_stale_values_served_total{service="kms"}"#,
    );
    assert!(served < 0.5, "nothing was given to anybody");
}

/// A definite answer is told, and ends what was kept: the outage that follows finds nothing.
#[test]
fn not_found_and_denied_are_never_covered() {
    for (status, code, expected) in [
        (404, "Forbidden.ResourceNotFound", Code::NotFound),
        (403, "Forbidden.NoPermission", Code::PermissionDenied),
        (400, "InvalidParameter", Code::InvalidArgument),
        (200, "", Code::Internal), // no secret, and no error either
    ] {
        let world = plain();
        let refused = Fault::error(status, code, "m");
        world.cloud.inject(FaultRule::new(refused).times(1));
        let told = world.driver.mount(pod("a", OBJECTS)).expect_err("refused");
        assert_eq!(told.code(), expected, "{told}");
        outage(&world);
        fails(&world, pod("a", OBJECTS));
    }
}

/// Credentials that are refused end all that was read with them.
#[test]
fn a_refused_pair_ends_all_that_it_has_read() {
    let world = plain();
    world.cloud.set_kms_text("other", "monday");
    world
        .driver
        .mount(pod("a", "- objectName: other\n"))
        .expect("mount");
    world.driver.mount(pod_as("a", OBJECTS, OPERATOR)).expect("mount");
    let disabled = Fault::error(400, "InvalidAccessKeyId.Inactive", "m");
    world.cloud.inject(FaultRule::new(disabled).times(1));
    let told = world.driver.mount(pod("a", OBJECTS)).expect_err("refused");
    assert_eq!(told.code(), Code::Unauthenticated, "{told}");
    outage(&world);
    fails(&world, pod("a", "- objectName: other\n"));
    let theirs = world
        .driver
        .mount(pod_as("b", OBJECTS, OPERATOR))
        .expect("as before");
    assert_eq!(contents(&theirs), [b"monday"], "another identity's is its own");
}

#[test]
fn another_identity_gets_nothing() {
    let world = plain();
    outage(&world);
    let (operator, _) = OPERATOR;
    let (provider, secret) = PROVIDER;
    for pair in [
        OPERATOR,
        OUTSIDER,
        (provider, "FakeCloudGuessedSecret000001"),
        (operator, secret),
    ] {
        fails(&world, pod_as("a", OBJECTS, pair));
    }
    // The pair of the provider itself, brought by a pod, is the same identity.
    let same = world.driver.mount(pod_as("b", OBJECTS, PROVIDER));
    assert_eq!(contents(&same.expect("as before")), [b"monday"]);
}

/// The current version and the one before it would not fit together once one of them is old.
#[test]
fn parts_of_one_secret_are_never_of_different_age() {
    let world = plain();
    world.cloud.set_kms_text("shared", "tuesday");
    let both = "- objectName: shared\n- {objectName: shared, objectAlias: before, objectVersionLabel: ACSPrevious}\n";
    let response = world.driver.mount(pod("a", both)).expect("mount");
    assert_eq!(contents(&response), [&b"tuesday"[..], b"monday"]);
    outage(&world);
    fails(&world, pod("b", both));
    let twice = "- objectName: shared\n- {objectName: shared, objectAlias: again}\n";
    let response = world.driver.mount(pod("b", twice)).expect("as before");
    assert_eq!(contents(&response), [b"tuesday", b"tuesday"]);
}

/// The policy is asked before anything else, as always.
#[test]
fn the_access_policy_holds_in_an_outage() {
    let directory = tempfile::tempdir().expect("directory");
    let policy = directory.path().join("policy.yaml");
    let rule = "version: 1\nrules:\n- {name: all, subjects: [{namespace: '*'}], objects: [{service: kms, names: ['*']}]}\n";
    fs::write(&policy, rule).expect("policy");
    let path = policy.display().to_string();
    let world = keeping(&[&format!("--access-policy={path}")]);
    outage(&world);
    world.driver.mount(pod("b", OBJECTS)).expect("as before");
    fs::write(&policy, "version: 1\nrules: []\n").expect("policy");
    let status = world.driver.mount(pod("b", OBJECTS)).expect_err("denied");
    assert_eq!(status.code(), Code::PermissionDenied, "{status}");
}

/// Shared copies come first, and are not old; values are kept beside them.
#[test]
fn together_with_a_refresh_interval() {
    let world = keeping(&["--refresh-interval=1h"]);
    outage(&world);
    let before = world.cloud.requests().len();
    world.driver.mount(pod("a", OBJECTS)).expect("a shared copy");
    assert_eq!(world.cloud.requests().len(), before);
    world.driver.mount(pod("b", OBJECTS)).expect("as before");
    assert!(world.cloud.requests().len() > before, "a first Mount asks");
}

/// A new process has read nothing.
#[test]
fn off_by_default_and_empty_at_first() {
    let world = World::start();
    world.cloud.set_kms_text("shared", "monday");
    world.driver.mount(pod("a", OBJECTS)).expect("mount");
    outage(&world);
    fails(&world, pod("a", OBJECTS));

    let next = crate::world::provider_of(&world.cloud)
        .argument("--serve-stale-for=1h")
        .start()
        .expect("provider");
    let status = Driver::new(next.socket()).mount(pod("a", OBJECTS));
    assert_eq!(status.expect_err("an outage").code(), Code::Internal);
}

/// The node's worth of pods in an outage in which nobody answers: those that wait in line are served, too.
#[test]
fn a_node_of_pods_that_start_while_nobody_answers() {
    const PODS: usize = 40;
    let world = keeping(&["--max-concurrent-kms-secret-pulls=2"]);
    let names: Vec<String> = (0..PODS).map(|at| format!("object-{at}")).collect();
    for name in &names {
        world.cloud.set_kms_text(name, name);
        let objects = format!("- objectName: {name}\n");
        world.driver.mount(pod("a", &objects)).expect("mount");
    }
    let held = world.cloud.inject(FaultRule::new(Fault::Hold));
    thread::scope(|scope| {
        let pods: Vec<_> = names
            .iter()
            .map(|name| {
                let world = &world;
                scope.spawn(move || {
                    let objects = format!("- objectName: {name}\n");
                    world.driver.mount(pod(name, &objects))
                })
            })
            .collect();
        for (pod, name) in pods.into_iter().zip(&names) {
            let response = pod.join().expect("thread").expect("as before");
            assert_eq!(contents(&response), [name.as_bytes()]);
        }
    });
    world.cloud.release(held);
}

/// A volume as another class has it.
#[test]
fn another_volume_of_the_same_identity() {
    let world = plain();
    outage(&world);
    let mut volume = Volume::new([
        ("objects", "- {objectName: shared, objectAlias: other/name}\n"),
        ("region", "cn-hangzhou"),
    ]);
    volume.namespace = "elsewhere".to_owned();
    volume.service_account = "another".to_owned();
    let response = world.driver.mount(volume.request()).expect("as before");
    assert_eq!(contents(&response), [b"monday"]);
}
