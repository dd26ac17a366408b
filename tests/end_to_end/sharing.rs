//! Who shares values with whom, and how fresh they are.

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use harness::driver::{Code, MountRequest, Volume};
use harness::{Fault, FaultRule};

use crate::world::{World, provider_of};

const OBJECTS: &str = "- objectName: shared\n";
pub(crate) const PROVIDER: (&str, &str) = ("LTAI5tFakeCloudProvider1", "FakeCloudProviderSecret000001");
pub(crate) const OPERATOR: (&str, &str) = ("LTAI5tFakeCloudOperator1", "FakeCloudOperatorSecret000001");
pub(crate) const OUTSIDER: (&str, &str) = ("LTAI5tFakeCloudOutsider1", "FakeCloudOutsiderSecret000001");

/// A world whose provider shares, as it does by default.
fn sharing() -> World {
    let world = World::with(|provider, _| provider.argument("--refresh-interval=1h"));
    world.cloud.set_kms_text("shared", "monday");
    world
}

/// A pod's volume with these objects.
pub(crate) fn pod(uid: &str, objects: &str) -> MountRequest {
    let mut volume = Volume::new([("objects", objects), ("region", "cn-hangzhou")]);
    volume.uid = uid.to_owned();
    volume.request()
}

/// The same, read with the pod's own AccessKey pair.
pub(crate) fn pod_as(uid: &str, objects: &str, (id, secret): (&str, &str)) -> MountRequest {
    let secrets = [("access_key", id), ("access_secret", secret)];
    let secrets = secrets.map(|(key, value)| format!("\"{key}\":\"{value}\""));
    MountRequest {
        secrets: format!("{{{}}}", secrets.join(",")),
        ..pod(uid, objects)
    }
}

/// The contents of the one file, or the status.
fn read(world: &World, request: MountRequest) -> Result<String, Code> {
    let response = world.driver.mount(request).map_err(|status| status.code())?;
    Ok(String::from_utf8(response.files[0].contents.clone()).expect("text"))
}

fn calls(world: &World) -> usize {
    world.cloud.requests().len()
}

#[test]
fn a_pod_that_starts_gets_the_newest_value_and_those_that_run_share_it() {
    let world = sharing();
    assert_eq!(read(&world, pod("a", OBJECTS)), Ok("monday".to_owned()));
    world.cloud.set_kms_text("shared", "tuesday");
    assert_eq!(
        read(&world, pod("a", OBJECTS)),
        Ok("monday".to_owned()),
        "a repeated Mount within the interval"
    );
    assert_eq!(calls(&world), 1);
    assert_eq!(
        read(&world, pod("b", OBJECTS)),
        Ok("tuesday".to_owned()),
        "a pod that starts"
    );
    assert_eq!(read(&world, pod("a", OBJECTS)), Ok("tuesday".to_owned()));
    assert_eq!(read(&world, pod("b", OBJECTS)), Ok("tuesday".to_owned()));
    assert_eq!(calls(&world), 2);
}

/// A volume is its pod and its path.
#[test]
fn another_volume_of_the_same_pod_is_another_volume() {
    let world = sharing();
    read(&world, pod("a", OBJECTS)).expect("mount");
    let mut second = pod("a", OBJECTS);
    second.target_path = second.target_path.replace("-inline/mount", "-inline-2/mount");
    read(&world, second.clone()).expect("mount");
    assert_eq!(calls(&world), 2);
    read(&world, second).expect("mount");
    assert_eq!(calls(&world), 2);
}

/// Only success makes a volume known: the pod has nothing yet, so what it gets shall be new.
#[test]
fn a_mount_that_failed_reads_everything_again() {
    let world = sharing();
    let objects = "- objectName: shared\n- objectName: late\n";
    assert_eq!(read(&world, pod("a", objects)), Err(Code::NotFound));
    world.cloud.set_kms_text("shared", "tuesday");
    world.cloud.set_kms_text("late", "now");
    assert_eq!(read(&world, pod("a", objects)), Ok("tuesday".to_owned()));
    assert_eq!(calls(&world), 4);
}

#[test]
fn a_deleted_secret_ends_its_copy() {
    let world = sharing();
    read(&world, pod("a", OBJECTS)).expect("mount");
    world.cloud.delete_kms("shared");
    assert_eq!(read(&world, pod("b", OBJECTS)), Err(Code::NotFound));
    assert_eq!(read(&world, pod("a", OBJECTS)), Err(Code::NotFound));
}

#[test]
fn without_an_interval_every_mount_reads() {
    let world = World::with(|provider, _| provider.argument("--refresh-interval=0"));
    world.cloud.set_kms_text("shared", "monday");
    for _ in 0..5 {
        read(&world, pod("a", OBJECTS)).expect("mount");
    }
    assert_eq!(calls(&world), 5);
}

/// What a process knew ends with it.
#[test]
fn a_new_process_reads_anew() {
    let world = sharing();
    read(&world, pod("a", OBJECTS)).expect("mount");
    let next = provider_of(&world.cloud)
        .argument("--refresh-interval=1h")
        .start()
        .expect("provider");
    let driver = harness::driver::Driver::new(next.socket());
    driver.mount(pod("a", OBJECTS)).expect("mount");
    assert_eq!(calls(&world), 2);
}

/// Aliases of one secret are one call.
#[test]
fn several_files_of_one_secret_are_one_call() {
    let world = sharing();
    let objects = "- objectName: shared\n- objectName: shared\n  objectAlias: again\n- objectName: shared\n  objectAlias: once-more\n";
    let response = world.driver.mount(pod("a", objects)).expect("mount");
    assert_eq!(response.files.len(), 3);
    assert_eq!(calls(&world), 1);
}

/// Mounts that wait for their turn share the call that brings the turn; none joins the call under way.
#[test]
fn mounts_that_wait_share_one_call() {
    let world = Arc::new(World::with(|provider, _| {
        provider
            .argument("--refresh-interval=1h")
            .argument("--max-concurrent-kms-secret-pulls=1")
    }));
    world.cloud.set_kms_text("shared", "monday");
    let held = world.cloud.inject(FaultRule::new(Fault::Hold).name("shared"));
    let mount = |uid: String| {
        let world = Arc::clone(&world);
        thread::spawn(move || read(&world, pod(&uid, OBJECTS)))
    };
    let first = mount("first".to_owned());
    world.cloud.wait_for_held(1);
    let others: Vec<_> = (0..20).map(|at| mount(format!("other-{at}"))).collect();
    // They are in line once a Mount that came after them has been turned away.
    while world
        .driver
        .mount_within(pod("probe", OBJECTS), Some(Duration::from_secs(1)))
        .is_ok()
    {}
    world.cloud.set_kms_text("shared", "tuesday");
    world.cloud.release(held);
    // The first call reads when it is let go: the fake performs the operation after the hold.
    first.join().expect("thread").expect("mount");
    for other in others {
        assert_eq!(other.join().expect("thread"), Ok("tuesday".to_owned()));
    }
    assert_eq!(calls(&world), 2, "one for the first, one for all of the others");
}

/// By no path does a value read as one identity reach another: not by a call under way, not by one in line, not by a
/// copy, not by a volume that changes its identity, not by an AccessKey id with another secret.
#[test]
fn two_identities_never_share() {
    let world = Arc::new(World::with(|provider, _| {
        provider
            .argument("--refresh-interval=1h")
            .argument("--max-concurrent-kms-secret-pulls=2")
    }));
    world.cloud.set_kms_text("shared", "monday");

    // A copy, and a known volume: the outsider may not read, however often and wherever it asks.
    let monday = || Ok("monday".to_owned());
    assert_eq!(read(&world, pod_as("a", OBJECTS, OPERATOR)), monday());
    assert_eq!(read(&world, pod_as("a", OBJECTS, OPERATOR)), monday());
    assert_eq!(calls(&world), 1);
    for uid in ["a", "b", "a"] {
        assert_eq!(
            read(&world, pod_as(uid, OBJECTS, OUTSIDER)),
            Err(Code::PermissionDenied)
        );
    }
    assert_eq!(calls(&world), 4, "each was asked of the cloud, as the outsider");
    assert_eq!(
        read(&world, pod_as("a", OBJECTS, OPERATOR)),
        monday(),
        "nor do refusals reach the operator"
    );
    assert_eq!(calls(&world), 4);

    // Whoever knows the id alone has nothing of its owner's.
    let (operator, _) = OPERATOR;
    assert_eq!(
        read(
            &world,
            pod_as("a", OBJECTS, (operator, "FakeCloudGuessedSecret000001"))
        ),
        Err(Code::Unauthenticated)
    );

    // Two that may both read, and the provider's own identity: a call for each, though the value is the same.
    world.cloud.clear_requests();
    assert_eq!(read(&world, pod_as("a", OBJECTS, PROVIDER)), monday());
    assert_eq!(read(&world, pod_as("c", OBJECTS, OPERATOR)), monday());
    let identities: Vec<_> = world
        .cloud
        .requests()
        .into_iter()
        .map(|request| request.identity.unwrap_or_default())
        .collect();
    assert!(
        identities[0].ends_with("csi-provider") && identities[1].ends_with("operator"),
        "{identities:?}"
    );

    // Calls under way, of which a known volume may join one of its own identity, and calls in line.
    world.cloud.set_kms_text("other", "monday");
    let objects = "- objectName: other\n";
    let held = world.cloud.inject(FaultRule::new(Fault::Hold).name("other"));
    world.cloud.clear_requests();
    let mount = |uid: &'static str, pair| {
        let world = Arc::clone(&world);
        thread::spawn(move || read(&world, pod_as(uid, objects, pair)))
    };
    let operator = mount("a", OPERATOR);
    world.cloud.wait_for_held(1);
    let outsider = mount("a", OUTSIDER);
    world.cloud.wait_for_held(2);
    let in_line = [mount("d", OPERATOR), mount("e", OUTSIDER), mount("f", PROVIDER)];
    world.cloud.release(held);
    assert_eq!(operator.join().expect("thread"), monday());
    assert_eq!(outsider.join().expect("thread"), Err(Code::PermissionDenied));
    let outcomes = in_line.map(|thread| thread.join().expect("thread"));
    assert_eq!(outcomes, [monday(), Err(Code::PermissionDenied), monday()]);
}

/// Twenty objects, answered in any order, come as the class lists them; the same again is the same to the byte.
#[test]
fn files_keep_their_order_and_their_bytes() {
    let world = sharing();
    let names: Vec<String> = (0..20).map(|at| format!("object-{:02}", (at * 7) % 20)).collect();
    let mut objects = String::new();
    for (at, name) in names.iter().enumerate() {
        world.cloud.set_kms_text(name, name);
        objects.push_str(&format!("- objectName: {name}\n"));
        let delay = Fault::Delay {
            ms: 20 - at as u64,
            jitter_ms: 0,
        };
        world.cloud.inject(FaultRule::new(delay).name(name).times(1));
    }
    let first = world.driver.mount(pod("a", &objects)).expect("mount");
    let paths: Vec<&str> = first.files.iter().map(|file| file.path.as_str()).collect();
    assert_eq!(paths, names);
    assert_eq!(
        world.driver.mount(pod("a", &objects)).expect("shared copies"),
        first
    );
    assert_eq!(world.driver.mount(pod("b", &objects)).expect("read anew"), first);
}

/// The limit is a flag; the message names what is too large, and what to do.
#[test]
fn a_response_over_the_limit() {
    let world = World::with(|provider, _| provider.argument("--max-response-bytes=8KiB"));
    world.cloud.set_kms_text("small", &"s".repeat(1000));
    world.cloud.set_kms_text("large", &"l".repeat(8000));
    assert!(world.mount("- objectName: small\n").is_ok());
    let status = world
        .mount("- objectName: small\n- objectName: large\n")
        .expect_err("too large");
    assert_eq!(status.code(), Code::FailedPrecondition, "{status}");
    for words in [
        "the driver accepts 8192",
        "Largest: large (8000 bytes), small (1000 bytes)",
        "--max-response-bytes",
    ] {
        assert!(status.message().contains(words), "{status}");
    }
}

/// What the driver accepts as a volume and cannot sync into a Secret is mounted, with a word in the log.
#[test]
fn a_response_above_a_mebibyte_is_mounted_with_a_warning() {
    let world = World::start();
    let mut objects = String::new();
    for at in 0..36 {
        world
            .cloud
            .set_kms_text(&format!("large-{at}"), &"v".repeat(30_000));
        objects += &format!("- objectName: large-{at}\n");
    }
    let words = "above 1 MiB the driver cannot sync it into a Kubernetes Secret";
    let below = objects.lines().take(34).map(|line| format!("{line}\n"));
    assert!(world.mount(&below.collect::<String>()).is_ok());
    assert!(!world.provider.log().contains(words), "1,020,000 bytes are below");
    assert_eq!(world.mount(&objects).expect("mount").files.len(), 36);
    assert!(world.provider.logs(words), "{}", world.provider.log());
}

/// Parts of so many large values would make a small volume, but the values alone take more memory than a volume may.
#[test]
fn values_that_are_too_much_together() {
    let world = World::with(|provider, _| {
        provider
            .argument("--kms-max-pulls-per-second=0")
            .argument("--oos-max-pulls-per-second=0")
    });
    let mut objects = String::new();
    for at in 0..281 {
        let value = format!(r#"{{"key":"{at}","rest":"{}"}}"#, "v".repeat(29_970));
        world.cloud.set_kms_text(&format!("large-{at}"), &value);
        objects += &format!(
            "- objectName: large-{at}\n  mountWholeSecret: false\n  jmesPath: [{{path: key, objectAlias: key-{at}}}]\n"
        );
    }
    let fits: String = objects
        .lines()
        .take(3 * 270)
        .map(|line| format!("{line}\n"))
        .collect();
    assert_eq!(world.mount(&fits).expect("mount").files.len(), 270);
    let status = world.mount(&objects).expect_err("8.4 MB");
    assert_eq!(status.code(), Code::FailedPrecondition);
    assert!(
        status
            .message()
            .contains("take more than 8388608 bytes together; split the objects"),
        "{status}"
    );
}

/// One secret under several aliases, versions and stages is asked for once per version, also within one Mount.
#[test]
fn one_object_under_several_names_is_fetched_once_per_version() {
    let world = World::with(|provider, _| provider.argument("--refresh-interval=0"));
    world.cloud.set_kms_text("shared", "monday");
    world.cloud.set_kms_text("shared", "tuesday");
    let objects = "\
- {objectName: shared, objectAlias: a}
- {objectName: shared, objectAlias: b}
- {objectName: shared, objectAlias: c, objectVersionLabel: ACSCurrent}
- {objectName: shared, objectAlias: before, objectVersionLabel: ACSPrevious}
- {objectName: shared, objectAlias: before-too, objectVersionLabel: ACSPrevious}
";
    let response = world.driver.mount(pod("a", objects)).expect("mount");
    let contents: Vec<&[u8]> = response
        .files
        .iter()
        .map(|file| file.contents.as_slice())
        .collect();
    assert_eq!(
        contents,
        [&b"tuesday"[..], b"tuesday", b"tuesday", b"monday", b"monday"]
    );
    assert_eq!(calls(&world), 2, "the newest version once, the previous one once");
}
