//! A place for the socket that is not as it should be.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::time::Duration;

use harness::FakeCloud;
use harness::driver::Driver;
use harness::process::{ProviderProcess, is_root};

use crate::{BINARY, directory, mount, start, unprivileged, wrapper};

/// That it ended with exit code 1 and these words.
fn assert_ended(result: std::io::Result<ProviderProcess>, words: &[&str]) {
    let problem = match result {
        Ok(_) => panic!("it started"),
        Err(error) => error.to_string(),
    };
    for words in words.iter().chain(&["exit status: 1"]) {
        assert!(problem.contains(words), "{words}: {problem}");
    }
}

/// The driver knocked before, and nobody answered.
#[test]
fn a_stale_socket() {
    let cloud = FakeCloud::start().expect("cloud");
    let sockets = directory();
    let socket = sockets.path().join("alibabacloud.sock");
    drop(UnixListener::bind(&socket).expect("a socket that nobody serves"));
    let driver = Driver::new(&socket);
    assert!(!mount(&driver, Duration::from_secs(2)));
    let _provider = start(&cloud, Path::new(BINARY), sockets.path()).expect("it replaces it");
    assert!(mount(&driver, Duration::from_secs(60)));
}

#[test]
fn a_missing_directory_ends_it_with_the_cause() {
    let cloud = FakeCloud::start().expect("cloud");
    assert_ended(
        start(&cloud, Path::new(BINARY), Path::new("/does/not/exist")),
        &["/does/not/exist", "No such file or directory"],
    );
}

#[test]
fn a_directory_that_it_may_not_write_to_ends_it_with_the_cause() {
    if !is_root() {
        return;
    }
    let cloud = FakeCloud::start().expect("cloud");
    let (files, sockets) = (directory(), directory());
    let wrapper = unprivileged(files.path(), "--core=0");
    fs::set_permissions(sockets.path(), fs::Permissions::from_mode(0o555)).expect("chmod");
    assert_ended(
        start(&cloud, &wrapper, sockets.path()),
        &["cannot create the directory", "Permission denied", "owner"],
    );
}

/// On a file system that only this process sees.
fn ends_on(options: &str, words: &[&str]) {
    if !is_root() {
        return;
    }
    let cloud = FakeCloud::start().expect("cloud");
    let (files, sockets) = (directory(), directory());
    let wrapper = wrapper(
        files.path(),
        &format!(
            "exec unshare --mount sh -c 'mount -t tmpfs -o {options} test {} && exec {BINARY} \"$@\"' sh \"$@\"",
            sockets.path().display()
        ),
    );
    assert_ended(start(&cloud, &wrapper, sockets.path()), words);
}

/// One inode, which the root directory takes.
#[test]
fn a_full_disk_ends_it_with_the_cause() {
    ends_on(
        "nr_inodes=1",
        &["cannot create the directory", "No space left on device"],
    );
}

#[test]
fn a_read_only_file_system_ends_it_with_the_cause() {
    ends_on("ro", &["cannot create the directory", "Read-only file system"]);
}
