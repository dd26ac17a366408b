//! One kept connection under load: window accounting, header table eviction, parallel Mounts, large responses.

use std::fmt::Write as _;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use harness::{Fault, FaultRule};

use crate::world::{World, request};

/// More requests than the header table holds deadlines, so that entries are evicted many times over.
#[test]
fn three_hundred_mounts_one_after_the_other() {
    let world = World::start();
    let request = request("- objectName: test\n  objectType: oos\n");
    let first = world.driver.mount(request.clone()).expect("mount");
    for at in 0..300 {
        let timeout = Duration::from_micros(100_000_000 + at);
        let response = world
            .driver
            .mount_within(request.clone(), Some(timeout))
            .expect("mount");
        assert_eq!(response, first);
    }
}

#[test]
fn a_hundred_mounts_at_once() {
    let world = Arc::new(World::start());
    let threads: Vec<_> = (0..100)
        .map(|at| {
            let world = Arc::clone(&world);
            thread::spawn(move || {
                let name = format!("parallel-{at}");
                world.cloud.set_kms_text(&name, &name);
                let response = world.mount(&format!("- objectName: {name}\n")).expect("mount");
                assert_eq!(response.files[0].contents, name.as_bytes());
            })
        })
        .collect();
    for thread in threads {
        thread.join().expect("each gets its own secret");
    }
}

/// Far beyond what a connection window holds that nobody refills.
#[test]
fn thousands_of_requests_of_four_kibibytes() {
    let world = World::start();
    let mut volume = harness::driver::Volume::new([("region", "cn-hangzhou")]);
    let objects = format!("- objectName: test\n  objectType: oos\n# {}\n", "x".repeat(4096));
    volume.parameters.insert("objects".to_owned(), objects);
    for _ in 0..2_500 {
        let response = world.driver.mount(volume.request()).expect("mount");
        assert_eq!(response.files.len(), 1);
    }
}

/// A call that nobody waits for gives its slot to others at once, and is forgotten.
#[test]
fn cancelled_mounts_leave_their_slots() {
    let world = World::with(|provider, _| provider.argument("--max-concurrent-kms-secret-pulls=2"));
    for name in ["held-1", "held-2", "free"] {
        world.cloud.set_kms_text(name, "value");
    }
    let held = ["held-1", "held-2"].map(|name| world.cloud.inject(FaultRule::new(Fault::Hold).name(name)));
    thread::scope(|scope| {
        for name in ["held-1", "held-2"] {
            let world = &world;
            let request = request(&format!("- objectName: {name}\n"));
            scope.spawn(move || {
                let answer = world
                    .driver
                    .mount_cancelled_after(request, Duration::from_secs(2));
                assert!(answer.is_none(), "{answer:?}");
            });
        }
        world.cloud.wait_for_held(2);
    });
    // Both calls would have lasted until the deadline of their mounts, two minutes.
    let response = world
        .driver
        .mount_within(request("- objectName: free\n"), Some(Duration::from_secs(8)));
    assert_eq!(response.expect("mount").files.len(), 1);
    for rule in held {
        world.cloud.release(rule);
    }
    let both = world
        .mount("- objectName: held-1\n- objectName: held-2\n")
        .expect("mount");
    assert_eq!(both.files.len(), 2);
}

/// 3.9 MB in one response: 130 secrets of 30,000 bytes, through windows of 64 KiB.
#[test]
fn a_response_of_four_megabytes() {
    let world = World::with(|provider, _| provider.argument("--max-concurrent-kms-secret-pulls=16"));
    let mut objects = String::new();
    for at in 0..130 {
        let name = format!("large-{at:03}");
        world
            .cloud
            .set_kms_text(&name, &format!("{at:03}{}", "v".repeat(29_997)));
        let _ = writeln!(objects, "- objectName: {name}");
    }
    let response = world.mount(&objects).expect("mount");
    assert_eq!(response.files.len(), 130);
    for (at, file) in response.files.iter().enumerate() {
        assert_eq!(
            (file.path.as_str(), file.contents.len()),
            (format!("large-{at:03}").as_str(), 30_000)
        );
        assert!(file.contents.starts_with(format!("{at:03}v").as_bytes()));
    }

    for at in 130..142 {
        let name = format!("large-{at:03}");
        world.cloud.set_kms_text(&name, &"v".repeat(30_000));
        let _ = writeln!(objects, "- objectName: {name}");
    }
    let status = world.mount(&objects).expect_err("more than the driver accepts");
    assert_eq!(status.code(), harness::driver::Code::FailedPrecondition);
    assert!(
        status.message().contains("4194304") && status.message().contains("large-000"),
        "{status}"
    );
}
