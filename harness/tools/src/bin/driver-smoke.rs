//! Asks a provider that runs already as the driver would: Version, health, and one Mount from each service.
//!
//! `driver-smoke SOCKET` waits until something listens there, prints what it saw, and fails if that is not what the
//! fake cloud's built-in world holds.

use std::error::Error;
use std::io::Write as _;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use harness::driver::{Driver, Volume};

const OBJECTS: &str = "
- objectName: test
  objectType: oos
- objectName: test-kms
";

fn main() -> Result<(), Box<dyn Error>> {
    let socket = std::env::args_os().nth(1).map(PathBuf::from);
    let socket = socket.ok_or("usage: driver-smoke SOCKET")?;
    let out = &mut std::io::stdout();
    let mut tries = 0;
    while let Err(error) = UnixStream::connect(&socket) {
        tries += 1;
        if tries > 3000 {
            return Err(format!("{}: {error}", socket.display()).into());
        }
        thread::sleep(Duration::from_millis(10));
    }
    let driver = Driver::new(&socket);
    let version = driver.version()?;
    writeln!(
        out,
        "version: {} {}",
        version.runtime_name, version.runtime_version
    )?;
    let serving = driver.check("v1alpha1.CSIDriverProvider")?.status == 1;
    writeln!(out, "health: {}", if serving { "SERVING" } else { "not serving" })?;
    let volume = Volume::new([("objects", OBJECTS), ("region", "cn-hangzhou")]);
    let response = driver
        .mount(volume.request())
        .map_err(|status| status.to_string())?;
    let sizes = response
        .files
        .iter()
        .map(|file| (file.path.as_str(), file.contents.len()));
    let files: Vec<(&str, usize)> = sizes.collect();
    writeln!(out, "mounted: {files:?}")?;
    let names: Vec<&str> = files.iter().map(|(name, _)| *name).collect();
    let whole = files.iter().all(|(_, size)| *size > 0);
    if serving && whole && names == ["test", "test-kms"] {
        Ok(())
    } else {
        Err("that is not what the fake cloud holds".into())
    }
}
