//! Arguments become a [`Command`], once.

use std::ffi::OsString;
use std::fmt;
use std::net::{Ipv4Addr, SocketAddr, ToSocketAddrs as _};
use std::path::PathBuf;

use jiff::SignedDuration;
use lexopt::{Arg, Parser, ValueExt as _};

use crate::cloud::OwnPort;
use crate::service::Service;

/// What to do.
#[derive(Debug)]
pub enum Command {
    /// Serve until told to stop.
    Serve(Options),
    /// Serve while a program runs.
    Run {
        /// How to serve.
        options: Options,
        /// The program and its arguments.
        command: Vec<OsString>,
    },
    /// Print variables.
    Env(Options),
    /// Check a state file.
    Check(Options),
    /// Print the built-in world.
    World,
    /// Print the usage.
    Help,
    /// Print the version.
    Version,
}

/// How to serve.
#[derive(Clone, Debug)]
pub struct Options {
    /// The state file; the built-in world without one.
    pub state: Option<PathBuf>,
    /// Where all services listen without TLS.
    pub http: SocketAddr,
    /// Where all services listen with TLS.
    pub https: SocketAddr,
    /// Ports of one service each.
    pub own_ports: Vec<OwnPort>,
    /// Where the certificate authority is written, if anywhere.
    pub ca: Option<PathBuf>,
    /// Further names in certificates.
    pub host_names: Vec<String>,
    /// Where finished requests are written; `-` is standard output.
    pub log: Option<PathBuf>,
    /// How far the cloud's clock is ahead.
    pub clock_offset: SignedDuration,
    /// Chooses identifiers.
    pub seed: u64,
}

/// A wrong argument.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UsageError(pub String);

impl fmt::Display for UsageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<lexopt::Error> for UsageError {
    fn from(error: lexopt::Error) -> Self {
        Self(error.to_string())
    }
}

/// Reads the arguments, without the program's name.
///
/// # Errors
/// The first thing that is wrong, in one line.
pub fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Command, UsageError> {
    let mut parser = Parser::from_args(arguments);
    let mut verb: Option<String> = None;
    let mut given = Given::default();
    let mut program = Vec::new();
    while let Some(arg) = parser.next()? {
        match arg {
            Arg::Long("help") | Arg::Short('h') => return Ok(Command::Help),
            Arg::Long("version") => return Ok(Command::Version),
            Arg::Long(name) => {
                let name = name.to_owned();
                if !OPTIONS.contains(&name.as_str()) {
                    return Err(UsageError(format!("there is no option --{name}")));
                }
                let value = parser.value()?;
                given.take(&name, value)?;
            }
            Arg::Value(value) if verb.is_none() => verb = Some(value.string()?),
            Arg::Value(value) if verb.as_deref() == Some("run") => {
                program.push(value);
                program.extend(parser.raw_args()?);
            }
            other => return Err(other.unexpected().into()),
        }
    }
    let verb = verb.as_deref().unwrap_or("serve");
    let options = given.options(verb == "run");
    match verb {
        "serve" => Ok(Command::Serve(options)),
        "env" => Ok(Command::Env(options)),
        "check" => Ok(Command::Check(options)),
        "world" => Ok(Command::World),
        "run" if program.is_empty() => Err(UsageError(
            "run needs a program: fake-cloud run -- PROGRAM".into(),
        )),
        "run" => Ok(Command::Run {
            options,
            command: program,
        }),
        other => Err(UsageError(format!("there is no command {other:?}"))),
    }
}

#[derive(Default)]
struct Given {
    state: Option<PathBuf>,
    http: Option<SocketAddr>,
    https: Option<SocketAddr>,
    own_ports: Vec<OwnPort>,
    ca: Option<PathBuf>,
    host_names: Vec<String>,
    log: Option<PathBuf>,
    clock_offset: i64,
    seed: u64,
}

impl Given {
    fn take(&mut self, name: &str, value: OsString) -> Result<(), UsageError> {
        let wrong = |value: &OsString, expected: &str| {
            UsageError(format!("--{name} {}: expected {expected}", value.display()))
        };
        match name {
            "state" => self.state = Some(value.into()),
            "ca" => self.ca = Some(value.into()),
            "log" => self.log = Some(value.into()),
            "host-name" => self.host_names.push(value.string()?.to_ascii_lowercase()),
            "http" | "https" => {
                let address =
                    address(&value).ok_or_else(|| wrong(&value, "an address such as 127.0.0.1:8480"))?;
                *(if name == "http" {
                    &mut self.http
                } else {
                    &mut self.https
                }) = Some(address);
            }
            "port" => {
                let port = own_port(&value).ok_or_else(|| {
                    wrong(
                        &value,
                        "a service and its URL, such as kms=https://127.0.0.1:9443",
                    )
                })?;
                self.own_ports.push(port);
            }
            "clock-offset" => {
                self.clock_offset = number(&value).ok_or_else(|| wrong(&value, "a number of seconds"))?;
            }
            "seed" => self.seed = number(&value).ok_or_else(|| wrong(&value, "a whole number"))?,
            // All of [`OPTIONS`] are above.
            _ => {}
        }
        Ok(())
    }

    fn options(self, on_any_port: bool) -> Options {
        let port = |usual| SocketAddr::from((Ipv4Addr::LOCALHOST, if on_any_port { 0 } else { usual }));
        Options {
            state: self.state,
            http: self.http.unwrap_or_else(|| port(8480)),
            https: self.https.unwrap_or_else(|| port(8443)),
            own_ports: self.own_ports,
            ca: Some(self.ca.unwrap_or_else(|| DEFAULT_CA.into())).filter(|path| path.as_os_str() != "-"),
            host_names: self.host_names,
            log: self.log,
            clock_offset: SignedDuration::from_secs(self.clock_offset),
            seed: self.seed,
        }
    }
}

fn number<T: std::str::FromStr>(value: &OsString) -> Option<T> {
    value.to_str()?.parse().ok()
}

fn address(value: &OsString) -> Option<SocketAddr> {
    value.to_str()?.to_socket_addrs().ok()?.next()
}

fn own_port(value: &OsString) -> Option<OwnPort> {
    let (service, url) = value.to_str()?.split_once('=')?;
    let service = [
        Service::Kms,
        Service::Oos,
        Service::Sts,
        Service::Metadata,
        Service::Kubernetes,
        Service::Issuer,
    ]
    .into_iter()
    .find(|known| known.to_string() == service)?;
    let (scheme, rest) = url.split_once("://")?;
    let tls = match scheme {
        "http" => false,
        "https" => true,
        _ => return None,
    };
    let address = rest.trim_end_matches('/').to_socket_addrs().ok()?.next()?;
    Some(OwnPort {
        service,
        tls,
        address,
    })
}

const OPTIONS: &[&str] = &[
    "state",
    "ca",
    "log",
    "host-name",
    "http",
    "https",
    "port",
    "clock-offset",
    "seed",
];
const DEFAULT_CA: &str = "fake-cloud-ca.pem";

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Result<Command, UsageError> {
        parse(line.split_whitespace().map(Into::into))
    }

    #[test]
    fn defaults_and_options() {
        let Ok(Command::Serve(options)) = read("") else {
            panic!("serves by default")
        };
        assert_eq!((options.http.port(), options.https.port()), (8480, 8443));
        assert_eq!(options.ca, Some("fake-cloud-ca.pem".into()));
        let line = "serve --state s.yaml --http=127.0.0.1:1 --port kms=https://127.0.0.1:2 --port metadata=http://[::1]:3/ \
                    --ca - --host-name Fake.Test --clock-offset -5 --seed 9 --log -";
        let Ok(Command::Serve(options)) = read(line) else {
            panic!("{line}")
        };
        assert_eq!(options.http.port(), 1);
        assert_eq!(options.ca, None);
        assert_eq!(options.host_names, ["fake.test"]);
        assert_eq!(options.clock_offset, SignedDuration::from_secs(-5));
        let ports: Vec<_> = options
            .own_ports
            .iter()
            .map(|port| (port.service, port.tls, port.address.port()))
            .collect();
        assert_eq!(ports, [(Service::Kms, true, 2), (Service::Metadata, false, 3)]);
    }

    #[test]
    fn run_passes_the_programs_own_arguments_on() {
        let Ok(Command::Run { options, command }) = read("run --seed 1 -- pytest --seed 2 -q") else {
            panic!("a run")
        };
        assert_eq!((options.seed, options.http.port()), (1, 0));
        assert_eq!(command, ["pytest", "--seed", "2", "-q"]);
    }

    #[test]
    fn wrong_arguments_are_named() {
        for (line, expected) in [
            ("--sate f", "there is no option --sate"),
            ("server", "there is no command \"server\""),
            ("run", "run needs a program: fake-cloud run -- PROGRAM"),
            (
                "--http here",
                "--http here: expected an address such as 127.0.0.1:8480",
            ),
            (
                "--port ecs=http://127.0.0.1:1",
                "--port ecs=http://127.0.0.1:1: expected a service and its URL, such as kms=https://127.0.0.1:9443",
            ),
            ("--seed x", "--seed x: expected a whole number"),
            ("serve twice", "unexpected argument \"twice\""),
        ] {
            assert_eq!(read(line).expect_err(line).0, expected);
        }
    }
}
