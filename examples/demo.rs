//! The main job from end to end, without a cloud account: `cargo run --example demo`.
//!
//! A fake Alibaba Cloud and the provider run in this process. The CSI driver's part is played by a gRPC client:
//! it asks the provider for the files of a volume, as it would for a pod, and writes them to a directory.

use std::error::Error;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::{fs, thread};

use csi_provider::config::{self, Command};
use csi_provider::provider::run;
use csi_provider::sync::Cancellation;
use harness::driver::{Driver, MountResponse, SecretProviderClass, Volume, write_files};
use harness::{FakeCloud, RequestRecord};

const MANIFEST: &str = include_str!("classes/demo.yaml");

type Outcome = Result<(), Box<dyn Error + Send + Sync>>;

fn main() -> Outcome {
    let out = &mut std::io::stdout();

    writeln!(
        out,
        "1. A fake Alibaba Cloud starts, with OOS parameters and KMS secrets in it."
    )?;
    let cloud = FakeCloud::start()?;
    cloud.set_kms_text("demo/api-token", "token-of-monday");
    writeln!(out, "   {}\n", cloud.http_url())?;

    writeln!(
        out,
        "2. The provider starts and listens on a Unix socket, where the CSI driver finds it."
    )?;
    let directory = tempfile::Builder::new().prefix("demo-").tempdir()?.keep();
    let stop = Cancellation::new();
    let provider = start_provider(&cloud, &directory, &stop)?;
    let socket = directory.join("alibabacloud.sock");
    while !socket.exists() && !provider.is_finished() {
        thread::yield_now();
    }
    writeln!(out, "   {}\n", socket.display())?;

    writeln!(
        out,
        "3. A pod with this SecretProviderClass is about to start, so the driver calls Mount:\n"
    )?;
    for line in MANIFEST.lines().skip_while(|line| !line.contains("parameters:")) {
        writeln!(out, "   | {line}")?;
    }
    let driver = Driver::new(&socket);
    let volume = Volume::of_class(&SecretProviderClass::parse(MANIFEST)?);
    let target = directory.join("mount");
    let response = driver.mount(volume.request())?;
    write_files(&target, &response)?;
    writeln!(out, "\n   The pod sees these files below {}:\n", target.display())?;
    print_tree(out, &target, &response)?;

    writeln!(
        out,
        "\n4. Two values are rotated in the cloud. The driver's next Mount brings them to the pod:\n"
    )?;
    cloud.set_kms_text("demo/api-token", "token-of-tuesday");
    cloud.set_oos(
        "MySecret",
        r#"{"username":"testuser","password":"a new password"}"#,
    );
    let response = driver.mount(volume.request())?;
    write_files(&target, &response)?;
    print_tree(out, &target, &response)?;

    writeln!(out, "\n5. What the cloud was asked:\n")?;
    for request in cloud.requests() {
        let RequestRecord {
            number,
            service,
            action,
            status,
            identity,
            ..
        } = request;
        let name = request.name.unwrap_or_default();
        let status = status.map_or_else(|| "no answer".to_owned(), |status| status.to_string());
        let identity = identity.unwrap_or_else(|| "unknown".to_owned());
        writeln!(
            out,
            "   {number:>2}  {service}  {action:<18}  {name:<16}  {status}  as {identity}"
        )?;
    }

    stop.cancel();
    provider.join().map_err(|_| "the provider broke down")??;
    writeln!(
        out,
        "\nThe provider has stopped. The files stay in {}.",
        directory.display()
    )?;
    Ok(())
}

type Provider = thread::JoinHandle<Result<(), csi_provider::provider::StartError>>;

/// The provider as `main` starts it: command line and environment become a configuration, which is run.
fn start_provider(
    cloud: &FakeCloud,
    directory: &Path,
    stop: &Cancellation,
) -> Result<Provider, Box<dyn Error + Send + Sync>> {
    let (id, secret) = cloud.access_key();
    let environment = &[
        ("ACCESS_KEY_ID", id.as_str()),
        ("SECRET_ACCESS_KEY", secret.as_str()),
    ][..];
    let arguments = [
        format!("--provider-volume={}", directory.display()),
        "--healthz-port=0".to_owned(),
        format!("--kms-endpoint={}", cloud.http_url()),
        format!("--oos-endpoint={}", cloud.http_url()),
        "--refresh-interval=0s".to_owned(), // rotated values show at once, not within a minute
    ];
    let Command::Serve(config) = config::parse(arguments.map(Into::into), &environment)? else {
        return Err("the arguments ask for something else than serving".into());
    };
    let stop = stop.clone();
    Ok(thread::spawn(move || run(*config, &stop)))
}

/// Each file with its mode, the backend's version of its object, and its contents, which are not secret here.
fn print_tree(out: &mut impl std::io::Write, target: &Path, response: &MountResponse) -> Outcome {
    for (file, object) in response.files.iter().zip(&response.object_version) {
        let path = target.join(&file.path);
        let mode = fs::metadata(&path)?.permissions().mode() & 0o777;
        let contents = fs::read_to_string(&path)?;
        // KMS version ids are UUIDs; their first digits tell them apart.
        let version: String = object.version.chars().take(8).collect();
        writeln!(
            out,
            "   {:<16} mode {mode:04o}  version {version:<8}  {contents}",
            file.path
        )?;
    }
    Ok(())
}
