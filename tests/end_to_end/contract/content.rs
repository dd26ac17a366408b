//! Items 19 to 35, 39 and 40: what is in a request and in a response, on the real binary.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::process::Command;
use std::thread;

use harness::FakeCloud;
use harness::driver::{Code, Driver, MountRequest, MountResponse, ObjectVersion, Volume};

use crate::world::{World, request};

const OBJECT: &str = "- objectName: test\n  objectType: oos\n";

fn with_attributes(attributes: &str) -> MountRequest {
    MountRequest {
        attributes: attributes.to_owned(),
        ..request(OBJECT)
    }
}

/// With slashes in names left as they are.
fn untranslated(objects: &str) -> MountRequest {
    let parameters = [
        ("objects", objects),
        ("region", "cn-hangzhou"),
        ("pathTranslation", "False"),
    ];
    Volume::new(parameters).request()
}

fn paths(response: &MountResponse) -> Vec<&str> {
    response.files.iter().map(|file| file.path.as_str()).collect()
}

#[test]
fn attributes_are_a_json_string_map_with_escapes_and_unknown_keys() {
    let world = World::start();
    let escaped = r#"{"objects":"- objectName: test\n  objectType: oos\n  objectAlias: \u003ca\u0026\u00e9\u003e","region":"cn-hangzhou","somebody/else":"x"}"#;
    let response = world.driver.mount(with_attributes(escaped)).expect("mount");
    assert_eq!(paths(&response), ["<a&é>"]);
    for wrong in ["", "[]", "{", r#"{"objects":7}"#] {
        let status = world.driver.mount(with_attributes(wrong)).expect_err(wrong);
        assert_eq!(status.code(), Code::InvalidArgument, "{wrong}: {status}");
    }
}

#[test]
fn secrets_are_null_or_empty_or_an_object() {
    let world = World::start();
    for secrets in [
        "null",
        "{}",
        "",
        r#"{"csi.storage.k8s.io/serviceAccount.tokens":"{}"}"#,
    ] {
        let request = MountRequest {
            secrets: secrets.to_owned(),
            ..request(OBJECT)
        };
        world
            .driver
            .mount(request)
            .unwrap_or_else(|status| panic!("{secrets:?}: {status}"));
    }
    let request = MountRequest {
        secrets: "[]".to_owned(),
        ..request(OBJECT)
    };
    assert_eq!(
        world.driver.mount(request).expect_err("a list").code(),
        Code::Unauthenticated
    );
}

#[test]
fn permission_is_decimal_and_420_if_it_is_none() {
    let world = World::start();
    for (permission, mode) in [
        ("420", 0o644),
        ("256", 0o400),
        ("", 0o644),
        ("rw", 0o644),
        ("-1", 0o644),
        ("1.5", 0o644),
    ] {
        let request = MountRequest {
            permission: permission.to_owned(),
            ..request(OBJECT)
        };
        let response = world.driver.mount(request).expect("mount");
        assert_eq!(response.files[0].mode, mode, "{permission:?}");
    }
}

#[test]
fn a_missing_token_is_told_with_its_audience_and_remedy() {
    let world = World::start();
    let mut volume = Volume::new([
        ("objects", OBJECT),
        ("region", "cn-hangzhou"),
        ("usePodServiceAccountToken", "true"),
    ]);
    for tokens in [None, Some("{}"), Some(r#"{"other":{"token":"canary-token"}}"#)] {
        volume.parameters.extend(tokens.map(|it| {
            (
                "csi.storage.k8s.io/serviceAccount.tokens".to_owned(),
                it.to_owned(),
            )
        }));
        let status = world.driver.mount(volume.request()).expect_err("no token");
        assert_eq!(status.code(), Code::Unauthenticated, "{status}");
        assert!(!status.message().contains("canary"), "{status}");
    }
}

#[test]
fn nothing_secret_is_logged_and_no_token_is_kept() {
    let world = World::with(|provider, _| provider.argument("--v=10"));
    world.cloud.set_kms_text("canary", "canary-value");
    let mut volume = Volume::new([
        ("objects", "- objectName: canary\n- objectName: missing\n"),
        ("region", "cn-hangzhou"),
        ("somebody/else", "canary-attribute"),
        (
            "csi.storage.k8s.io/serviceAccount.tokens",
            r#"{"a":{"token":"canary-token"}}"#,
        ),
    ]);
    world.driver.mount(volume.request()).expect_err("one is missing");
    volume.secrets = Some(BTreeMap::from([(
        "access_secret".to_owned(),
        "canary-secret".to_owned(),
    )]));
    world.driver.mount(volume.request()).expect_err("half a pair");
    volume.secrets = None;
    volume
        .parameters
        .insert("objects".to_owned(), "- objectName: canary\n".to_owned());
    world.driver.mount(volume.request()).expect("mount");
    let log = world.provider.log();
    assert!(log.contains("missing") && log.contains("mounted"), "{log}");
    for canary in [
        "canary-value",
        "canary-attribute",
        "canary-token",
        "canary-secret",
    ] {
        assert!(!log.contains(canary), "{canary}: {log}");
    }
    let directory = world.provider.socket().parent().expect("a directory");
    assert_eq!(
        fs::read_dir(directory).expect("directory").count(),
        1,
        "the socket and nothing else"
    );
}

#[test]
fn current_object_version_decides_nothing() {
    let world = World::start();
    let empty = world.driver.mount(request(OBJECT)).expect("mount");
    let filled = MountRequest {
        current_object_version: vec![
            ObjectVersion {
                id: "test".to_owned(),
                version: empty.object_version[0].version.clone(),
            },
            ObjectVersion {
                id: "gone".to_owned(),
                version: "7".to_owned(),
            },
        ],
        ..request(OBJECT)
    };
    assert_eq!(world.driver.mount(filled).expect("mount"), empty);
}

#[test]
fn an_answer_is_the_complete_set_of_files_or_an_error() {
    let world = World::start();
    for _ in 0..2 {
        assert_eq!(
            world.mount(OBJECT).expect("mount").files.len(),
            1,
            "unchanged is no reason for nothing"
        );
    }
    world
        .mount(&format!("{OBJECT}- objectName: missing\n"))
        .expect_err("one of two");
    let status = world
        .mount("- objectName: missing\n  optional: true\n")
        .expect_err("nothing at all");
    assert_eq!(status.code(), Code::NotFound, "{status}");
}

#[test]
fn there_is_a_version_at_least_and_each_id_is_unique() {
    let world = World::start();
    world.cloud.set_kms_text("json", r#"{"a":"1","b":"2"}"#);
    let objects = format!(
        "{OBJECT}- objectName: json\n  jmesPath:\n  - {{path: a, objectAlias: a}}\n  - {{path: b, objectAlias: b}}\n"
    );
    let response = world.mount(&objects).expect("mount");
    let ids: BTreeSet<&str> = response.object_version.iter().map(|it| it.id.as_str()).collect();
    assert!(!ids.is_empty());
    assert_eq!(
        ids.len(),
        response.object_version.len(),
        "{:?}",
        response.object_version
    );
}

#[test]
fn versions_change_with_the_content_and_only_then() {
    let world = World::with(|provider, _| provider.argument("--refresh-interval=0"));
    let versions = |world: &World| {
        world
            .mount("- objectName: rotated\n")
            .expect("mount")
            .object_version
    };
    world.cloud.set_kms_text("rotated", "canary-one");
    let first = versions(&world);
    assert_eq!(versions(&world), first);
    world.cloud.set_kms_text("rotated", "canary-two");
    let second = versions(&world);
    assert_ne!(second, first);
    assert!(!format!("{first:?}{second:?}").contains("canary"));
}

#[test]
fn paths_are_relative_clean_and_short() {
    let world = World::start();
    let long = "x".repeat(256);
    for alias in [
        ".", "..", "../a", "..a", "a/../b", "a//b", "./a", "a/", "a/./b", "\\0", &long,
    ] {
        let objects = format!("- objectName: test\n  objectType: oos\n  objectAlias: \"{alias}\"\n");
        let status = world.driver.mount(untranslated(&objects)).expect_err(alias);
        assert_eq!(status.code(), Code::InvalidArgument, "{alias}: {status}");
    }
    // The official provider strips leading slashes with translation off, and so must we.
    let stripped = untranslated("- objectName: test\n  objectType: oos\n  objectAlias: /a\n");
    assert_eq!(paths(&world.driver.mount(stripped).expect("mount")), ["a"]);
    let longest = "x".repeat(255);
    let objects = format!("- objectName: test\n  objectType: oos\n  objectAlias: \"d/{longest}\"\n");
    let response = world
        .driver
        .mount(untranslated(&objects))
        .expect("255 bytes are a name");
    assert_eq!(paths(&response), [format!("d/{longest}")]);
}

#[test]
fn duplicate_and_nested_paths_are_refused_and_both_named() {
    let world = World::start();
    for (first, second) in [("a", "a"), ("a", "a/b"), ("a/b", "a")] {
        let objects = format!(
            "- {{objectName: one, objectAlias: {first}}}\n- {{objectName: two, objectAlias: {second}}}\n"
        );
        let status = world.driver.mount(untranslated(&objects)).expect_err("a clash");
        assert_eq!(status.code(), Code::InvalidArgument);
        for words in ["one", "two"] {
            assert!(status.message().contains(words), "{words}: {status}");
        }
    }
}

#[test]
fn modes_are_0_to_0777_and_by_default_the_permission() {
    let world = World::start();
    let ask = |mode: &str| {
        let objects = format!("- objectName: test\n  objectType: oos\n  filePermission: \"{mode}\"\n");
        world.mount(&objects).map(|response| response.files[0].mode)
    };
    assert_eq!(ask("0400").expect("mode"), 0o400);
    assert_eq!(ask("0777").expect("mode"), 0o777);
    assert_eq!(world.mount(OBJECT).expect("mount").files[0].mode, 0o644);
    for mode in ["01000", "4755", "-1", "rw-"] {
        assert_eq!(ask(mode).expect_err(mode).code(), Code::InvalidArgument, "{mode}");
    }
}

#[test]
fn a_response_that_the_driver_would_refuse_is_refused_here() {
    let world = World::with(|provider, _| provider.argument("--max-response-bytes=1048576"));
    let mut objects = String::new();
    for at in 0..40 {
        world
            .cloud
            .set_kms_text(&format!("large-{at}"), &"v".repeat(30_000));
        objects += &format!("- objectName: large-{at}\n");
    }
    let status = world.mount(&objects).expect_err("too large");
    assert_eq!(status.code(), Code::FailedPrecondition, "{status}");
    assert!(status.message().contains("1048576"), "{status}");
}

#[test]
fn the_same_mount_may_overlap_itself() {
    let world = World::start();
    let expected = world.mount(OBJECT).expect("mount");
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..10 {
                    assert_eq!(world.mount(OBJECT).expect("mount"), expected);
                }
            });
        }
    });
}

#[test]
fn unchanged_secrets_give_the_same_bytes() {
    let world = World::with(|provider, _| provider.argument("--refresh-interval=0"));
    world
        .cloud
        .set_kms_text("json", r#"{"z":{"b":1,"a":[1.50,2]},"a":"x"}"#);
    let objects =
        "- objectName: json\n  jmesPath:\n  - {path: z, objectAlias: z}\n  - {path: '*', objectAlias: all}\n";
    let first = world.mount(objects).expect("mount");
    for _ in 0..20 {
        assert_eq!(world.mount(objects).expect("mount"), first);
    }
}

#[test]
fn republish_does_not_multiply_calls() {
    let world = World::with(|provider, _| provider.argument("--refresh-interval=1h"));
    world.mount(OBJECT).expect("first mount");
    world.cloud.clear_requests();
    for _ in 0..100 {
        world.mount(OBJECT).expect("republish");
    }
    assert!(
        world.cloud.requests().len() <= 1,
        "{}",
        world.cloud.requests().len()
    );
}

#[test]
fn failed_refreshes_have_a_log_line_and_a_metric() {
    let port = {
        let free = std::net::TcpListener::bind("127.0.0.1:0").expect("port");
        free.local_addr().expect("address").port()
    };
    let world = World::with(|provider, _| {
        provider
            .argument("--refresh-interval=0")
            .argument(format!("--healthz-port={port}"))
    });
    let failures = || {
        use std::io::{Read as _, Write as _};
        let mut stream = std::net::TcpStream::connect(("127.0.0.1", port)).expect("health port");
        write!(stream, "GET /metrics HTTP/1.1\r\nhost: x\r\n\r\n").expect("request");
        let mut text = String::new();
        stream.read_to_string(&mut text).expect("answer");
        text.lines()
            .filter(|line| line.contains("refresh_failures_total{"))
            .filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok())
            .sum::<u64>()
    };
    world.mount(OBJECT).expect("first mount");
    assert_eq!(failures(), 0);
    world.cloud.delete_oos("test");
    world.mount(OBJECT).expect_err("gone");
    assert_eq!(failures(), 1);
    assert!(
        world.provider.log().contains("mount failed"),
        "{}",
        world.provider.log()
    );
}

#[test]
fn the_target_path_is_never_touched() {
    let world = World::start();
    let directory = tempfile::tempdir().expect("directory");
    let target = directory.path().join("mount");
    let request = MountRequest {
        target_path: target.display().to_string(),
        ..request(OBJECT)
    };
    world
        .driver
        .mount(request.clone())
        .expect("a target that does not exist");
    assert!(!target.exists());
    fs::create_dir(&target).expect("target");
    world.driver.mount(request).expect("mount");
    assert_eq!(fs::read_dir(&target).expect("target").count(), 0);
}

/// As root in a mount namespace of its own, with `/` read-only, no capability, and no Kubernetes API anywhere.
#[test]
fn it_runs_with_a_read_only_root_no_capability_and_no_kubernetes_api() {
    if !harness::process::is_root() {
        return;
    }
    let cloud = FakeCloud::start().expect("fake cloud");
    let directory = tempfile::tempdir().expect("directory");
    // The wrapper stands where the binary would.
    let wrapper = directory.path().join("wrapped");
    let binary = env!("CARGO_BIN_EXE_csi-secrets-store-provider-alibabacloud");
    let sockets = directory.path().join("sockets");
    fs::create_dir(&sockets).expect("sockets");
    let script = format!(
        "#!/bin/sh\nexec unshare --mount sh -c 'mount --bind {0} {0} && mount -o remount,ro,bind / && exec setpriv --bounding-set=-all --inh-caps=-all --no-new-privs {binary} \"$@\"' sh \"$@\"\n",
        sockets.display()
    );
    fs::write(&wrapper, script).expect("wrapper");
    make_executable(&wrapper);
    let provider = wrapped(&cloud, &wrapper, &sockets);
    let status = fs::read_to_string(format!("/proc/{}/status", provider.id())).expect("status");
    assert!(status.contains("CapEff:\t0000000000000000"), "{status}");
    let mounts = fs::read_to_string(format!("/proc/{}/mounts", provider.id())).expect("mounts");
    let root = mounts.lines().rfind(|line| line.split(' ').nth(1) == Some("/"));
    assert!(
        root.is_some_and(|line| line.split(' ').nth(3).is_some_and(|it| it.starts_with("ro"))),
        "{mounts}"
    );
    Driver::new(provider.socket())
        .mount(request(OBJECT))
        .expect("mount");
    assert!(
        cloud
            .requests()
            .iter()
            .all(|it| it.service != harness::Service::Kubernetes)
    );
}

fn make_executable(path: &Path) {
    let status = Command::new("chmod")
        .arg("755")
        .arg(path)
        .status()
        .expect("chmod");
    assert!(status.success());
}

fn wrapped(cloud: &FakeCloud, wrapper: &Path, sockets: &Path) -> harness::process::ProviderProcess {
    let (id, secret) = cloud.access_key();
    let url = cloud.http_url();
    harness::process::ProviderBuilder::new(wrapper)
        .volume(sockets)
        .argument(format!("--kms-endpoint={url}"))
        .argument(format!("--oos-endpoint={url}"))
        .variable("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
        .variable("ACCESS_KEY_ID", id)
        .variable("SECRET_ACCESS_KEY", secret)
        .start()
        .expect("provider")
}
