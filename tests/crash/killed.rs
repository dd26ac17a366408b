//! A process that ends without a word, and the next one.

use std::path::Path;
use std::time::Duration;

use harness::FakeCloud;
use harness::driver::Driver;

use crate::{BINARY, directory, mount, request, start};

/// Killed in the middle of Mounts, many times over: each Mount gives all files or fails, and the same client goes on
/// with the next process.
#[test]
fn killed_under_constant_mounts() {
    let cloud = FakeCloud::start().expect("cloud");
    let sockets = directory();
    let driver = Driver::new(&sockets.path().join("alibabacloud.sock"));
    for round in 0..10 {
        let provider =
            start(&cloud, Path::new(BINARY), sockets.path()).expect("it replaces the stale socket");
        driver.mount(request()).expect("the client recovers");
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    // Until one feels that it was killed, and a few more.
                    while mount(&driver, Duration::from_secs(2)) {}
                    for _ in 0..5 {
                        mount(&driver, Duration::from_secs(2));
                    }
                });
            }
            std::thread::sleep(Duration::from_millis(3 + 7 * round));
            // Dropping it is a kill -9.
            drop(provider);
        });
    }
}

/// It takes the socket over at once; the first one serves whom it has, and leaves the socket to its successor.
#[test]
fn a_second_instance() {
    let cloud = FakeCloud::start().expect("cloud");
    let sockets = directory();
    let mut first = start(&cloud, Path::new(BINARY), sockets.path()).expect("the first");
    let of_the_first = Driver::new(first.socket());
    of_the_first.mount(request()).expect("by the first");
    let second = start(&cloud, Path::new(BINARY), sockets.path()).expect("the second");
    of_the_first.mount(request()).expect("still by the first");
    Driver::new(second.socket())
        .mount(request())
        .expect("by the second");
    assert!(first.terminate().expect("it ends").success());
    assert!(second.socket().exists(), "the successor's socket stays");
    of_the_first.mount(request()).expect("the driver connects again");
}
