//! `serve` and `run`: a cloud for as long as it is wanted.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Write};
use std::path::Path;
use std::process::{Command, ExitCode};
use std::sync::Arc;

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use super::env::{ByNames, Place};
use super::{Error, Options, UsageError, env, read_state, watch};
use crate::cloud::FakeCloud;
use crate::lint;
use crate::proxy::{Lead, Proxy};
use crate::service::{Service, is_region, region_of_host};
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
    let (program, arguments) = command
        .split_first()
        .map_or((OsString::new(), &[][..]), |(p, a)| (p.clone(), a));
    if has_lost_its_flags(&program, arguments) {
        let text = "the provider's arguments are without $FAKE_CLOUD_PROVIDER_FLAGS, which the shell that starts fake-cloud \
                    does not have: write sh -c '… mount $FAKE_CLOUD_PROVIDER_FLAGS …', or use `fake-cloud test`";
        return Err(UsageError(text.into()).into());
    }
    let stand = Stand::start(options, Others::Through, remarks)?;
    let status = Command::new(&program)
        .args(arguments)
        .envs(stand.variables())
        .status()
        .map_err(|error| Error::Io(format!("cannot run {}", program.display()), error))?;
    // A program that a signal ended has no code; shells say 128 and more.
    let code = status
        .code()
        .and_then(|code| u8::try_from(code).ok())
        .unwrap_or(128);
    Ok(ExitCode::from(code))
}

/// Whether it is our provider's `mount` with nothing that points it at the fake.
fn has_lost_its_flags(program: &OsString, arguments: &[OsString]) -> bool {
    let name = Path::new(program).file_name().and_then(|name| name.to_str());
    let texts = || arguments.iter().filter_map(|argument| argument.to_str());
    name.is_some_and(|name| name.contains("secrets-store-provider"))
        && texts().any(|text| text == "mount" || text == "whoami")
        && !texts().any(|text| text.trim_start_matches('-').starts_with("metadata-endpoint"))
}

/// Hosts that are not below aliyuncs.com.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Others {
    /// Are reached as without us.
    Through,
    /// Are out of reach.
    Unknown,
}

/// A cloud on free ports, reached by the real cloud's host names.
pub(super) struct Stand {
    pub(super) cloud: Arc<FakeCloud>,
    pub(super) state: State,
    /// For files; it goes with the cloud.
    pub(super) directory: tempfile::TempDir,
    place: Place,
}

impl Stand {
    pub(super) fn start(options: &Options, others: Others, remarks: &mut dyn Write) -> Result<Self, Error> {
        let directory = tempfile::tempdir()
            .map_err(|error| Error::Io("cannot make a temporary directory".into(), error))?;
        let ca = directory.path().join("ca.pem");
        let options = Options {
            ca: Some(ca.clone()),
            ..options.clone()
        };
        let (cloud, state) = start(&options, remarks)?;
        let kms_ca = directory.path().join("kms-ca.pem");
        std::fs::write(&kms_ca, cloud.kms_instances_pem())
            .map_err(|error| Error::Io("cannot write the authority of KMS instances".into(), error))?;
        let backend = cloud.https_address();
        let regions: BTreeSet<String> = state
            .accounts
            .values()
            .flat_map(|account| account.regions.keys().cloned())
            .chain([state.region.clone()])
            .collect();
        let lead = move |host: &str| match Service::of_host(host) {
            _ if options.host_names.iter().any(|name| name == host) => Lead::Cloud(backend),
            None if others == Others::Through => Lead::Through,
            None | Some(Service::Unknown) => Lead::Unknown,
            // As in the cloud: the host of a region that is misspelt does not resolve.
            Some(_) => match region_of_host(host) {
                Some(region) if !is_region(region) && !regions.contains(region) => Lead::Unknown,
                _ => Lead::Cloud(backend),
            },
        };
        let proxy = Proxy::leading(lead)
            .map_err(|error| Error::Io("cannot start a proxy".into(), error))?
            .address();
        let place = Place::of_cloud(&cloud, ca, ByNames { proxy, kms_ca });
        Ok(Self {
            cloud,
            state,
            directory,
            place,
        })
    }

    /// What points a program at the cloud.
    pub(super) fn variables(&self) -> BTreeMap<&'static str, String> {
        env::variables(&self.state, &self.place)
            .into_iter()
            .map(|variable| (variable.name, variable.value))
            .collect()
    }
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
