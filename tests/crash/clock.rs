//! A node's clock that jumps an hour while the provider runs, and comes back. libfaketime stands between the provider
//! and the kernel; the cloud's clock, and monotonic time, stay as they are.

use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use harness::driver::{Code, Driver, Volume};
use harness::process::ProviderBuilder;
use harness::{FakeCloud, Service};

use crate::{BINARY, builder, directory};

/// `--refresh-interval`
const INTERVAL: Duration = Duration::from_secs(1);

/// The library of Debian's package `faketime`.
fn libfaketime() -> Option<PathBuf> {
    let architecture = std::env::consts::ARCH;
    let library = PathBuf::from(format!(
        "/usr/lib/{architecture}-linux-gnu/faketime/libfaketimeMT.so.1"
    ));
    if library.exists() {
        return Some(library);
    }
    let _ = writeln!(io::stderr(), "left out: this test needs libfaketime");
    None
}

/// A provider with a role, on the clock that `time` sets.
fn on_clock(cloud: &FakeCloud, sockets: &Path, library: &Path, time: &Path) -> ProviderBuilder {
    builder(cloud, Path::new(BINARY), sockets)
        .variable("ALICLOUD_ROLE_ARN", "acs:ram::1234567890120000:role/adminrole")
        .variable("LD_PRELOAD", library)
        .variable("FAKETIME_TIMESTAMP_FILE", time)
        .variable("FAKETIME_NO_CACHE", "1")
        .variable("FAKETIME_DONT_FAKE_MONOTONIC", "1")
}

/// Sets the provider's clock so many seconds ahead.
fn jump(file: &Path, seconds: i64) {
    let next = file.with_extension("next");
    fs::write(&next, format!("{seconds:+}\n")).expect("time");
    fs::rename(next, file).expect("rename");
}

/// What a Mount of the secret gives: its value, or the code and the message.
fn mount(driver: &Driver, uid: &str) -> Result<String, (Code, String)> {
    let mut volume = Volume::new([("objects", "- objectName: told\n"), ("region", "cn-hangzhou")]);
    volume.uid = uid.to_owned();
    // Longer than any number of retries takes, and no hang.
    match driver.mount_within(volume.request(), Some(Duration::from_secs(20))) {
        Ok(response) => {
            let files: Vec<_> = response.files.into_iter().map(|file| file.contents).collect();
            Ok(String::from_utf8(files.concat()).expect("text"))
        }
        Err(status) => Err((status.code(), status.message().to_owned())),
    }
}

/// While the clock is wrong the cloud refuses what is signed by it: Mounts fail and say by how much, and no copy is
/// given past its interval. When it is right again they succeed, without a restart.
fn a_jump(seconds: i64, words: &str) {
    let Some(library) = libfaketime() else { return };
    let cloud = FakeCloud::start().expect("cloud");
    let (files, sockets) = (directory(), directory());
    let time = files.path().join("time");
    jump(&time, 0);
    let provider = on_clock(&cloud, sockets.path(), &library, &time)
        .argument(format!("--refresh-interval={}s", INTERVAL.as_secs()))
        .start()
        .expect("provider");
    let driver = Driver::new(provider.socket());
    let asked_sts = || cloud.requests_of(Service::Sts).len();
    for round in 0..2 {
        let (old, new) = (format!("before {round}"), format!("after {round}"));
        cloud.set_kms_text("told", &old);
        std::thread::sleep(INTERVAL);
        assert_eq!(mount(&driver, "known").as_ref(), Ok(&old), "{}", provider.log());
        let fetched = asked_sts();
        jump(&time, seconds);
        cloud.set_kms_text("told", &new);
        std::thread::sleep(INTERVAL);
        for uid in ["known", &format!("new-{round}")] {
            let (code, message) = mount(&driver, uid).expect_err("nothing is read by a wrong clock");
            assert_eq!(code, Code::Unauthenticated, "{message}");
            for words in [words, "InvalidTimeStamp.Expired", "set the node's clock (NTP)"] {
                assert!(message.contains(words), "{words}: {message}");
            }
        }
        jump(&time, 0);
        assert_eq!(mount(&driver, "known").as_ref(), Ok(&new), "{}", provider.log());
        // Kept credentials that seemed to have ended, or to live on, are those that the cloud gave.
        let tries = asked_sts() - fetched;
        assert!(tries <= 2, "{tries} calls of STS for one jump");
    }
    assert!(!provider.log().contains("defect"), "{}", provider.log());
}

#[test]
fn a_clock_that_jumps_an_hour_ahead() {
    a_jump(3600, "s ahead of the service's");
}

#[test]
fn a_clock_that_jumps_an_hour_back() {
    a_jump(-3600, "s behind the service's");
}

/// The clock was wrong from the start: credentials that were never to be had are asked for again.
#[test]
fn a_clock_that_is_set_right_later() {
    let Some(library) = libfaketime() else { return };
    for seconds in [3600, -3600] {
        let cloud = FakeCloud::start().expect("cloud");
        cloud.set_kms_text("told", "the value");
        let (files, sockets) = (directory(), directory());
        let time = files.path().join("time");
        jump(&time, seconds);
        let provider = on_clock(&cloud, sockets.path(), &library, &time)
            .start()
            .expect("provider");
        let driver = Driver::new(provider.socket());
        let (code, message) = mount(&driver, "a").expect_err("nothing is read by a wrong clock");
        assert_eq!(code, Code::Unauthenticated, "{message}");
        assert!(message.contains("set the node's clock (NTP)"), "{message}");
        jump(&time, 0);
        assert_eq!(mount(&driver, "a").as_deref(), Ok("the value"));
    }
}
