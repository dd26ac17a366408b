//! Too few descriptors or threads: Mounts fail or succeed whole, and the provider neither ends nor hangs.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;

use harness::FakeCloud;
use harness::driver::Driver;
use harness::process::is_root;

use crate::{BINARY, crowd, directory, mount, request, start, unprivileged, wrapper};

#[test]
fn exhausted_descriptors() {
    let cloud = FakeCloud::start().expect("cloud");
    let sockets = directory();
    let wrapper = wrapper(sockets.path(), &format!("ulimit -n 16\nexec {BINARY} \"$@\""));
    let provider = start(&cloud, &wrapper, sockets.path()).expect("provider");
    let refused = crowd(&provider);
    let felt = refused > 0 || provider.log().contains("Too many open files");
    assert!(felt, "the limit was felt: {}", provider.log());
    Driver::new(provider.socket())
        .mount(request())
        .expect("it recovers once they are free");
    assert!(!provider.log().contains("defect"), "{}", provider.log());
}

#[test]
fn exhausted_threads() {
    if !is_root() {
        return;
    }
    let cloud = FakeCloud::start().expect("cloud");
    let (files, sockets) = (directory(), directory());
    fs::set_permissions(sockets.path(), fs::Permissions::from_mode(0o777)).expect("chmod");
    let wrapper = unprivileged(files.path(), "--nproc=14");
    let provider = start(&cloud, &wrapper, sockets.path()).expect("provider");
    assert!(crowd(&provider) > 0, "the limit was felt: {}", provider.log());
    let driver = Driver::new(provider.socket());
    let recovered = (0..100).any(|_| {
        std::thread::sleep(Duration::from_millis(100));
        mount(&driver, Duration::from_secs(60))
    });
    assert!(recovered, "it recovers once they are free: {}", provider.log());
    assert!(!provider.log().contains("defect"), "{}", provider.log());
}
