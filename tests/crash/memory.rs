//! 32 MiB of memory, as the kernel counts it for a container.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Write as _};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use harness::FakeCloud;
use harness::driver::{Code, Driver, MountRequest, Volume};
use harness::process::{ProviderProcess, is_root, shipped};
use tempfile::TempDir;

use crate::{directory, mount, start, wrapper};

const LIMIT: u64 = 32 * 1024 * 1024;

/// Objects of a volume, and bytes of each: three megabytes in all.
const OBJECTS: usize = 100;
const BYTES: usize = 30_000;

/// A control group with a limit and no swap; removed on drop.
struct Group {
    directory: PathBuf,
    /// The file that tells the most that it ever held.
    peak: &'static str,
}

impl Group {
    fn new(name: &str) -> Option<Self> {
        let (parent, limit, swap, peak) = if fs::read_to_string("/sys/fs/cgroup/cgroup.subtree_control")
            .is_ok_and(|controllers| controllers.contains("memory"))
        {
            (
                "/sys/fs/cgroup",
                "memory.max",
                ("memory.swap.max", 0),
                "memory.peak",
            )
        } else {
            (
                "/sys/fs/cgroup/memory",
                "memory.limit_in_bytes",
                ("memory.memsw.limit_in_bytes", LIMIT),
                "memory.max_usage_in_bytes",
            )
        };
        let directory = PathBuf::from(parent).join(format!("{name}-{}", std::process::id()));
        let made =
            fs::create_dir(&directory).and_then(|()| fs::write(directory.join(limit), LIMIT.to_string()));
        if let Err(error) = made {
            let _ = writeln!(io::stderr(), "left out: no control group here: {error}");
            let _ = fs::remove_dir(&directory);
            return None;
        }
        // A kernel may have no accounting of swap, and then mostly has no swap.
        let _ = fs::write(directory.join(swap.0), swap.1.to_string());
        Some(Self { directory, peak })
    }

    /// In bytes, what the kernel keeps of files included.
    fn peak(&self) -> u64 {
        let text = fs::read_to_string(self.directory.join(self.peak)).expect("peak");
        text.trim().parse().expect("a number")
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        // The last process may still be on its way out.
        for _ in 0..100 {
            if fs::remove_dir(&self.directory).is_ok() {
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

/// A provider under the limit.
struct Bounded {
    provider: ProviderProcess,
    group: Group,
    _directories: [TempDir; 2],
}

impl Bounded {
    /// Says what has come of the case, and ends the provider, if it is still there.
    fn end(mut self, told: &str) {
        let (peak, limit) = (self.group.peak() / 1024, LIMIT / 1024);
        let _ = writeln!(io::stderr(), "{told}; at its peak {peak} of {limit} KiB");
        let ended = self.provider.terminate().expect("it is still there");
        assert!(ended.success());
    }
}

/// A provider that may read `objects` large secrets; nothing where there is no control group to be had.
fn bounded(cloud: &FakeCloud, objects: usize, name: &str) -> Option<Bounded> {
    if !is_root() {
        return None;
    }
    let binary = shipped()?;
    let group = Group::new(name)?;
    for at in 0..objects {
        cloud.set_kms_text(&format!("large-{at}"), &format!("{at:x<BYTES$}"));
    }
    let (files, sockets) = (directory(), directory());
    let line = format!(
        "echo $$ > {}/cgroup.procs\nexec {} --kms-max-pulls-per-second=0 \"$@\"",
        group.directory.display(),
        binary.display()
    );
    let provider = start(cloud, &wrapper(files.path(), &line), sockets.path()).expect("provider");
    Some(Bounded {
        provider,
        group,
        _directories: [files, sockets],
    })
}

fn large(uid: u32, objects: usize) -> MountRequest {
    let objects: String = (0..objects)
        .map(|at| format!("- objectName: large-{at}\n"))
        .collect();
    let mut volume = Volume::new([("objects", objects.as_str()), ("region", "cn-hangzhou")]);
    volume.uid = format!("large-{uid}");
    volume.request()
}

/// So many volumes at once, and each of them is right.
fn all_are_right(callers: u32, driver: &Driver, request: &(impl Fn(u32) -> MountRequest + Sync)) {
    std::thread::scope(|scope| {
        for uid in 0..callers {
            scope.spawn(move || {
                let response = driver.mount_within(request(uid), Some(Duration::from_secs(60)));
                let response = response.unwrap_or_else(|status| panic!("{status}"));
                assert_eq!(response.files[0].contents, b"hello from KMS");
            });
        }
    });
}

/// A flood of large volumes: each is right, or is refused with a word about memory; the kernel ends nobody.
#[test]
fn a_limit_of_32_mib() {
    let cloud = FakeCloud::start().expect("cloud");
    let Some(bounded) = bounded(&cloud, OBJECTS, "provider-flood") else {
        return;
    };
    let (right, refused, late) = (AtomicU32::new(0), AtomicU32::new(0), AtomicU32::new(0));
    let driver = Driver::new(bounded.provider.socket());
    std::thread::scope(|scope| {
        for caller in 0..60 {
            let (driver, right, refused, late) = (&driver, &right, &refused, &late);
            scope.spawn(move || {
                match driver.mount_within(large(caller, OBJECTS), Some(Duration::from_millis(2_500))) {
                    Ok(response) => {
                        assert_eq!(response.files.len(), OBJECTS);
                        for file in response.files {
                            let at = file.path.strip_prefix("large-").expect("a name");
                            assert_eq!(file.contents, format!("{at:x<BYTES$}").into_bytes());
                        }
                        right.fetch_add(1, Ordering::Relaxed);
                    }
                    Err(status) => {
                        assert_eq!(status.code(), Code::Internal, "{status}");
                        // Those that had their memory may run out of time, too.
                        let counter = if status.message().contains("memory") {
                            refused
                        } else {
                            assert!(status.message().contains("deadline passed"), "{status}");
                            late
                        };
                        counter.fetch_add(1, Ordering::Relaxed);
                    }
                }
            });
        }
    });
    let (right, refused) = (right.into_inner(), refused.into_inner());
    assert!(right > 0 && refused > 0, "{right} right, {refused} refused");
    assert!(mount(&driver, Duration::from_secs(60)), "it recovers");
    let log = bounded.provider.log();
    assert!(log.contains("lowered to 17039360"), "{log}");
    bounded.end(&format!(
        "{right} Mounts of 3 MB right, {refused} refused, {} late",
        late.into_inner()
    ));
}

/// One volume whose values alone take as much as there is: it is refused with a word about them, and nobody else
/// notices.
#[test]
fn one_volume_of_too_many_large_values() {
    let cloud = FakeCloud::start().expect("cloud");
    let Some(bounded) = bounded(&cloud, 10 * OBJECTS, "provider-volume") else {
        return;
    };
    let driver = Driver::new(bounded.provider.socket());
    let minute = Duration::from_secs(60);
    for uid in 0..3 {
        let status = driver
            .mount_within(large(uid, 10 * OBJECTS), Some(minute))
            .expect_err("thirty megabytes");
        assert_eq!(status.code(), Code::FailedPrecondition, "{status}");
        assert!(status.message().contains("bytes together"), "{status}");
    }
    assert!(mount(&driver, minute));
    bounded.end("volumes of 30 MB refused");
}

/// Volumes that are small until they are taken apart: one value, and a hundred files that each hold most of it. Each is
/// right, or is refused with a word about memory.
#[test]
fn volumes_that_grow_as_they_are_taken_apart() {
    const PARTS: usize = 130;
    const CALLERS: u32 = 30;
    let cloud = FakeCloud::start().expect("cloud");
    let Some(bounded) = bounded(&cloud, 0, "provider-parts") else {
        return;
    };
    let text = "x".repeat(BYTES - 20);
    cloud.set_kms_text("document", &format!(r#"{{"text":"{text}"}}"#));
    let parts: String = (0..PARTS)
        .map(|at| format!("  - {{path: text, objectAlias: part-{at}}}\n"))
        .collect();
    let objects = format!("- objectName: document\n  mountWholeSecret: false\n  jmesPath:\n{parts}");
    let request = |uid: u32| {
        let mut volume = Volume::new([("objects", objects.as_str()), ("region", "cn-hangzhou")]);
        volume.uid = format!("parts-{uid}");
        volume.request()
    };
    let driver = Driver::new(bounded.provider.socket());
    let right = AtomicU32::new(0);
    let once = |uid: u32| match driver.mount_within(request(uid), Some(Duration::from_secs(30))) {
        Ok(response) => {
            assert_eq!(response.files.len(), PARTS);
            assert!(response.files.iter().all(|file| file.contents == text.as_bytes()));
            right.fetch_add(1, Ordering::Relaxed);
        }
        Err(status) => {
            assert_eq!(status.code(), Code::Internal, "{status}");
            assert!(status.message().contains("memory"), "{status}");
        }
    };
    once(0);
    assert_eq!(right.load(Ordering::Relaxed), 1, "alone it fits");
    std::thread::scope(|scope| {
        for uid in 1..=CALLERS {
            let once = &once;
            scope.spawn(move || once(uid));
        }
    });
    let right = right.into_inner() - 1;
    assert!(right > 0, "none is right");
    assert!(mount(&driver, Duration::from_secs(60)), "it recovers");
    bounded.end(&format!("{right} of {CALLERS} volumes of 4 MB right"));
}

/// As many objects as a class may have, in more Mounts than have room at once: those that wait hold little.
#[test]
fn volumes_of_a_thousand_objects() {
    const CALLERS: u32 = 100;
    const MANY: usize = 1_000;
    let cloud = FakeCloud::start().expect("cloud");
    let Some(bounded) = bounded(&cloud, 0, "provider-objects") else {
        return;
    };
    for at in 0..MANY {
        cloud.set_kms_text(&format!("large-{at}"), "small");
    }
    let driver = Driver::new(bounded.provider.socket());
    let (right, refused) = (AtomicU32::new(0), AtomicU32::new(0));
    std::thread::scope(|scope| {
        for uid in 0..CALLERS {
            let (driver, right, refused) = (&driver, &right, &refused);
            scope.spawn(
                move || match driver.mount_within(large(uid, MANY), Some(Duration::from_secs(10))) {
                    Ok(response) => {
                        assert_eq!(response.files.len(), MANY);
                        right.fetch_add(1, Ordering::Relaxed);
                    }
                    Err(status) => {
                        assert_eq!(status.code(), Code::Internal, "{status}");
                        refused.fetch_add(1, Ordering::Relaxed);
                    }
                },
            );
        }
    });
    let (right, refused) = (right.into_inner(), refused.into_inner());
    let again = driver.mount_within(large(CALLERS, MANY), Some(Duration::from_secs(60)));
    assert_eq!(again.expect("it recovers").files.len(), MANY);
    bounded.end(&format!(
        "{right} volumes of {MANY} objects right, {refused} refused"
    ));
}

/// A hundred Mounts of a class that is as hard to read as it may be: what is not read at once takes no memory.
#[test]
fn classes_that_are_hard_to_read() {
    const CALLERS: u32 = 100;
    let cloud = FakeCloud::start().expect("cloud");
    let Some(bounded) = bounded(&cloud, 0, "provider-classes") else {
        return;
    };
    let many = "a,".repeat(32_600);
    let objects = format!("- objectName: test-kms\n  ignored: [{many}a]\n");
    let request = |uid: u32| {
        let mut volume = Volume::new([("objects", objects.as_str()), ("region", "cn-hangzhou")]);
        volume.uid = format!("class-{uid}");
        volume.request()
    };
    let driver = Driver::new(bounded.provider.socket());
    all_are_right(CALLERS, &driver, &request);
    bounded.end(&format!("{CALLERS} Mounts of a class of 33,000 values right"));
}

/// A class of a thousand long expressions, which are trees of some hundred bytes for each of their characters.
#[test]
fn classes_of_many_expressions() {
    const PARTS: usize = 980;
    const CALLERS: u32 = 8;
    let cloud = FakeCloud::start().expect("cloud");
    let Some(bounded) = bounded(&cloud, 0, "provider-expressions") else {
        return;
    };
    cloud.set_kms_text("document", r#"{"a":1}"#);
    let expression = format!("[{}a]", "a,".repeat(500));
    let mut objects = format!(
        "- objectName: document\n  mountWholeSecret: false\n  jmesPath:\n  - {{path: &p '{expression}', objectAlias: x}}\n"
    );
    for at in 1..PARTS {
        objects += &format!("  - {{path: *p, objectAlias: x{at}}}\n");
    }
    let request = |uid: u32| {
        let mut volume = Volume::new([("objects", objects.as_str()), ("region", "cn-hangzhou")]);
        volume.uid = format!("expressions-{uid}");
        volume.request()
    };
    let driver = Driver::new(bounded.provider.socket());
    std::thread::scope(|scope| {
        for uid in 0..CALLERS {
            let (driver, request) = (&driver, &request);
            scope.spawn(
                move || match driver.mount_within(request(uid), Some(Duration::from_secs(60))) {
                    Ok(response) => assert_eq!(response.files.len(), PARTS),
                    // No memory, or no time.
                    Err(status) => assert_eq!(status.code(), Code::Internal, "{status}"),
                },
            );
        }
    });
    assert!(mount(&driver, Duration::from_secs(60)), "it recovers");
    bounded.end(&format!("{CALLERS} Mounts of {PARTS} long expressions"));
}

/// Mounts whose Secret has as many entries as it can: none of them is kept but the pair.
#[test]
fn secrets_of_many_entries() {
    // Their requests alone would take more than the budget.
    const CALLERS: u32 = 30;
    let cloud = FakeCloud::start().expect("cloud");
    let Some(bounded) = bounded(&cloud, 0, "provider-secrets") else {
        return;
    };
    let (id, secret) = cloud.access_key();
    let many = (0..60_000).map(|at| (format!("k{at:05}"), String::new()));
    let pair = [("access_key", id), ("access_secret", secret)];
    let secrets: BTreeMap<String, String> = many
        .chain(pair.map(|(key, value)| (key.to_owned(), value.to_owned())))
        .collect();
    let request = |uid: u32| {
        let mut volume = Volume::new([("objects", "- objectName: test-kms\n"), ("region", "cn-hangzhou")]);
        volume.uid = format!("secrets-{uid}");
        volume.secrets = Some(secrets.clone());
        volume.request()
    };
    let driver = Driver::new(bounded.provider.socket());
    all_are_right(CALLERS, &driver, &request);
    bounded.end(&format!("{CALLERS} Mounts with a Secret of 60,000 entries right"));
}
