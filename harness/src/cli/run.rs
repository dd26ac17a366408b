//! `serve` and `run`: a cloud for as long as it is wanted.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Write};
use std::path::Path;
use std::process::{Command, ExitCode};
use std::sync::Arc;

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use super::env::{ByNames, Place};
use super::{Error, Options, env, read_state, watch};
use crate::cloud::FakeCloud;
use crate::lint;
use crate::proxy::Proxy;
use crate::state::State;

/// Serves until SIGTERM or SIGINT.
pub(super) fn serve(
    options: &Options,
    out: &mut dyn Write,
    remarks: &mut dyn Write,
) -> Result<ExitCode, Error> {
    let mut signals = Signals::new([SIGTERM, SIGINT])
        .map_err(|error| Error::Io("cannot wait for signals".into(), error))?;
    let (cloud, _) = start(options, remarks)?;
    // One line, once everything listens: what scripts wait for.
    let _ = write!(
        out,
        "fake-cloud serves on {} and {}",
        cloud.http_url(),
        cloud.https_url()
    );
    for port in cloud.own_ports() {
        let _ = write!(out, ", {} on {}", port.service, port.url());
    }
    let _ = writeln!(out, "; look at {}/_fake/", cloud.http_url());
    let _ = out.flush();
    signals.forever().next();
    Ok(ExitCode::SUCCESS)
}

/// Serves while a program runs, and ends as it ends.
pub(super) fn run(
    options: &Options,
    command: &[OsString],
    remarks: &mut dyn Write,
) -> Result<ExitCode, Error> {
    let directory =
        tempfile::tempdir().map_err(|error| Error::Io("cannot make a temporary directory".into(), error))?;
    let ca = directory.path().join("ca.pem");
    let options = Options {
        ca: Some(ca.clone()),
        ..options.clone()
    };
    let (cloud, state) = start(&options, remarks)?;
    let kms_ca = directory.path().join("kms-ca.pem");
    std::fs::write(&kms_ca, cloud.kms_instances_pem())
        .map_err(|error| Error::Io("cannot write the authority of KMS instances".into(), error))?;
    let proxy = Proxy::start(Some(cloud.https_address()))
        .map_err(|error| Error::Io("cannot start a proxy".into(), error))?
        .address();
    let place = Place::of_cloud(&cloud, ca, ByNames { proxy, kms_ca });
    let variables = env::variables(&state, &place);
    let (program, arguments) = command
        .split_first()
        .map_or((OsString::new(), &[][..]), |(p, a)| (p.clone(), a));
    let status = Command::new(&program)
        .args(arguments)
        .envs(
            variables
                .into_iter()
                .map(|variable| (variable.name, variable.value)),
        )
        .status()
        .map_err(|error| Error::Io(format!("cannot run {}", program.display()), error))?;
    // A program that a signal ended has no code; shells say 128 and more.
    let code = status
        .code()
        .and_then(|code| u8::try_from(code).ok())
        .unwrap_or(128);
    Ok(ExitCode::from(code))
}

fn start(options: &Options, remarks: &mut dyn Write) -> Result<(Arc<FakeCloud>, State), Error> {
    let (text, state) = read_state(options)?;
    for warning in lint::warnings(&state, &text) {
        let _ = writeln!(remarks, "fake-cloud: warning: {warning}");
    }
    let mut builder = FakeCloud::builder()
        .state_yaml(text.clone())
        .http_address(options.http)
        .https_address(options.https)
        .seed(options.seed);
    for name in &options.host_names {
        builder = builder.host_name(name);
    }
    for port in &options.own_ports {
        builder = builder.own_port(*port);
    }
    let cloud = Arc::new(builder.start()?);
    cloud.set_clock_offset(options.clock_offset);
    if let Some(path) = &options.ca {
        cloud.write_ca(path).map_err(|error| {
            Error::Io(
                format!("cannot write the certificate authority to {}", path.display()),
                error,
            )
        })?;
    }
    if let Some(path) = &options.log {
        cloud.log_to(log_sink(path)?);
    }
    if let Some(path) = &options.state {
        let say = |text: &str| {
            let _ = writeln!(io::stderr(), "fake-cloud: {text}");
        };
        watch::watch(Arc::downgrade(&cloud), path.clone(), text, say);
    }
    Ok((cloud, state))
}

fn log_sink(path: &Path) -> Result<Box<dyn Write + Send>, Error> {
    if path.as_os_str() == "-" {
        return Ok(Box::new(io::stdout()));
    }
    let file = File::options()
        .create(true)
        .append(true)
        .open(path)
        .map_err(|error| Error::Io(format!("cannot write the log to {}", path.display()), error))?;
    Ok(Box::new(file))
}
