//! Runs a built provider as it ships: in an empty root directory, over TLS, one Mount from OOS and one from KMS.
//!
//! `provider-smoke [--emulated] BINARY [ROOT]` prints what it saw and fails past the promised resident memory. That of an
//! emulated binary is not measured, as most of it would be the emulator's. With ROOT the provider is started by chroot
//! into that directory, which then holds the binary, a certificate and `/etc/hosts`.

use std::error::Error;
use std::io::Write as _;
use std::path::PathBuf;
use std::{fs, thread};

use harness::FakeCloud;
use harness::driver::{Driver, Volume};
use harness::process::ProviderBuilder;

/// What the provider may need while nothing happens.
const IDLE_KIB: u64 = 5 * 1024;

const OBJECTS: &str = "
- objectName: test
  objectType: oos
- objectName: smoke
";

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args_os().skip(1).map(PathBuf::from).peekable();
    let is_emulated = arguments
        .next_if(|argument| argument.as_os_str() == "--emulated")
        .is_some();
    let binary = arguments
        .next()
        .ok_or("usage: provider-smoke [--emulated] BINARY [ROOT]")?;
    let root = arguments.next();
    let out = &mut std::io::stdout();

    let cloud = FakeCloud::start()?;
    cloud.set_kms_text("smoke", "from KMS");
    let (id, secret) = cloud.access_key();
    // The name is resolved by the provider itself, from /etc/hosts.
    let mut builder = ProviderBuilder::new(binary)
        .argument(format!("--kms-endpoint={}", cloud.https_url()))
        .argument(format!("--oos-endpoint={}", cloud.https_url()))
        .argument("--region=cn-hangzhou")
        .variable("ACCESS_KEY_ID", id)
        .variable("SECRET_ACCESS_KEY", secret);
    let certificates = tempfile::tempdir()?;
    match &root {
        Some(root) => {
            fs::create_dir_all(root)?;
            fs::write(root.join("ca.pem"), cloud.ca_pem())?;
            builder = builder.variable("SSL_CERT_FILE", "/ca.pem").chroot(root);
        }
        None => {
            let file = certificates.path().join("ca.pem");
            fs::write(&file, cloud.ca_pem())?;
            builder = builder.variable("SSL_CERT_FILE", file);
        }
    }
    let mut provider = builder.start()?;
    let driver = Driver::new(provider.socket());
    let version = driver.version()?;
    writeln!(
        out,
        "version: {} {}",
        version.runtime_name, version.runtime_version
    )?;

    let idle = match is_emulated {
        true => None,
        false => Some(lowest(|| provider.resident_kib())?),
    };
    match idle {
        None => writeln!(
            out,
            "resident memory: not measured, most of it would be the emulator's"
        )?,
        Some(idle) => writeln!(out, "idle resident memory: {idle} KiB (at most {IDLE_KIB})")?,
    }

    let response = driver
        .mount(Volume::new([("objects", OBJECTS)]).request())
        .map_err(|status| status.to_string())?;
    let files: Vec<&str> = response.files.iter().map(|file| file.path.as_str()).collect();
    if files != ["test", "smoke"]
        || response
            .files
            .get(1)
            .is_none_or(|file| file.contents != b"from KMS")
    {
        return Err(format!("unexpected files: {files:?}").into());
    }
    writeln!(out, "mounted over TLS: {}", files.join(", "))?;
    if !is_emulated {
        writeln!(out, "resident memory after it: {} KiB", provider.resident_kib()?)?;
    }

    let status = provider.terminate()?;
    if !status.success() {
        return Err(format!("ended with {status}: {}", provider.log()).into());
    }
    if let Some(idle) = idle
        && idle > IDLE_KIB
    {
        return Err(format!("{idle} KiB are more than the promised {IDLE_KIB}").into());
    }
    Ok(())
}

/// The lowest of a few readings: what start-up still holds for a moment is not what idling needs.
fn lowest(read: impl Fn() -> std::io::Result<u64>) -> std::io::Result<u64> {
    let mut lowest = read()?;
    for _ in 0..10 {
        thread::sleep(std::time::Duration::from_millis(50));
        lowest = lowest.min(read()?);
    }
    Ok(lowest)
}
