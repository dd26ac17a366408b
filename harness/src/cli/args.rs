//! Arguments become a [`Command`], once.

use std::ffi::OsString;
use std::fmt;
use std::net::{Ipv4Addr, SocketAddr, ToSocketAddrs as _};
use std::path::PathBuf;
use std::time::Duration;

use jiff::SignedDuration;
use lexopt::{Arg, Parser, ValueExt as _};

use super::test::fault;
use crate::cloud::OwnPort;
use crate::fault::FaultRule;
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
    /// Mount a class and compare.
    Test(Box<TestOptions>),
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

/// What to mount, and what is expected of it.
#[derive(Clone, Debug)]
pub struct TestOptions {
    /// How to serve.
    pub options: Options,
    /// The file with the class; `-` is standard input.
    pub class: PathBuf,
    /// The class among several in the file.
    pub class_name: Option<String>,
    /// A directory with the expected files.
    pub expect: Option<PathBuf>,
    /// A part of the expected error.
    pub expect_error: Option<String>,
    /// Write what was mounted to `expect` rather than compare with it.
    pub update: bool,
    /// Namespace and ServiceAccount of the pod.
    pub pod: Option<(String, String)>,
    /// The Secret that the pod's `nodePublishSecretRef` names.
    pub publish_secret: Option<PathBuf>,
    /// Faults, each with its text; each must strike.
    pub faults: Vec<(String, FaultRule)>,
    /// How long the mount may take.
    pub timeout: Duration,
    /// The provider's program.
    pub provider: Option<PathBuf>,
    /// Further variables of the provider; an empty value takes one away.
    pub variables: Vec<(String, String)>,
    /// Further arguments of the provider's `mount`.
    pub mount_arguments: Vec<OsString>,
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
    let mut rest = Vec::new();
    while let Some(arg) = parser.next()? {
        match arg {
            Arg::Long("help") | Arg::Short('h') => return Ok(Command::Help),
            Arg::Long("version") => return Ok(Command::Version),
            Arg::Long("update") if verb.as_deref() == Some("test") => given.update = true,
            Arg::Long(name) => {
                let name = name.to_owned();
                let known = OPTIONS.contains(&name.as_str())
                    || verb.as_deref() == Some("test") && TEST_OPTIONS.contains(&name.as_str());
                if !known {
                    return Err(UsageError(format!("there is no option --{name}")));
                }
                let value = parser.value()?;
                given.take(&name, value)?;
            }
            Arg::Value(value) if verb.is_none() => verb = Some(value.string()?),
            Arg::Value(value) if verb.as_deref() == Some("run") => {
                rest.push(value);
                rest.extend(parser.raw_args()?);
            }
            Arg::Value(value) if verb.as_deref() == Some("test") && given.class.is_none() => {
                given.class = Some(value.into());
            }
            Arg::Value(value)
                if verb.as_deref() == Some("test") && value.to_string_lossy().starts_with('-') =>
            {
                rest.push(value);
                rest.extend(parser.raw_args()?);
            }
            other => return Err(other.unexpected().into()),
        }
    }
    let verb = verb.as_deref().unwrap_or("serve");
    match verb {
        "serve" => Ok(Command::Serve(given.options(false))),
        "env" => Ok(Command::Env(given.options(false))),
        "check" => Ok(Command::Check(given.options(false))),
        "world" => Ok(Command::World),
        "run" if rest.is_empty() => Err(UsageError(
            "run needs a program: fake-cloud run -- PROGRAM".into(),
        )),
        "run" => Ok(Command::Run {
            options: given.options(true),
            command: rest,
        }),
        "test" => given.test(rest).map(|options| Command::Test(Box::new(options))),
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
    class: Option<PathBuf>,
    class_name: Option<String>,
    expect: Option<PathBuf>,
    expect_error: Option<String>,
    update: bool,
    pod: Option<(String, String)>,
    publish_secret: Option<PathBuf>,
    faults: Vec<(String, FaultRule)>,
    timeout: Option<Duration>,
    provider: Option<PathBuf>,
    variables: Vec<(String, String)>,
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
            "class-name" => self.class_name = Some(value.string()?),
            "expect" => self.expect = Some(value.into()),
            "expect-error" => self.expect_error = Some(value.string()?),
            "publish-secret" => self.publish_secret = Some(value.into()),
            "provider" => self.provider = Some(value.into()),
            "env" => {
                let text = value.to_string_lossy();
                let (name, text) = text
                    .split_once('=')
                    .filter(|(name, _)| !name.is_empty())
                    .ok_or_else(|| wrong(&value, "NAME=VALUE"))?;
                self.variables.push((name.to_owned(), text.to_owned()));
            }
            "pod" => {
                let text = value.to_string_lossy().into_owned();
                let pod = text.split_once('/').filter(|(namespace, account)| {
                    !namespace.is_empty() && !account.is_empty() && !account.contains('/')
                });
                let (namespace, account) =
                    pod.ok_or_else(|| wrong(&value, "NAMESPACE/SERVICEACCOUNT, such as default/web"))?;
                self.pod = Some((namespace.to_owned(), account.to_owned()));
            }
            "timeout" => {
                let timeout =
                    duration(&value).ok_or_else(|| wrong(&value, "a time such as 10s, 500ms or 2m"))?;
                self.timeout = Some(timeout);
            }
            "fault" => {
                let text = value.string()?;
                let rule = fault::parse(&text)
                    .map_err(|problem| UsageError(format!("--fault {text}: {problem}")))?;
                self.faults.push((text, rule));
            }
            // All of [`OPTIONS`] and [`TEST_OPTIONS`] are above.
            _ => {}
        }
        Ok(())
    }

    fn test(mut self, mount_arguments: Vec<OsString>) -> Result<TestOptions, UsageError> {
        let wrong = |text: &str| UsageError(text.into());
        let class = self
            .class
            .take()
            .ok_or_else(|| wrong("test needs a class: fake-cloud test class.yaml --expect DIRECTORY"))?;
        match (&self.expect, &self.expect_error) {
            (None, None) => {
                return Err(wrong("test needs --expect DIRECTORY or --expect-error TEXT"));
            }
            (Some(_), Some(_)) => {
                return Err(wrong(
                    "expected either --expect or --expect-error: a mount that fails leaves no files",
                ));
            }
            (None, _) if self.update => return Err(wrong("--update needs --expect DIRECTORY")),
            _ => {}
        }
        Ok(TestOptions {
            class,
            class_name: self.class_name.take(),
            expect: self.expect.take(),
            expect_error: self.expect_error.take(),
            update: self.update,
            pod: self.pod.take(),
            publish_secret: self.publish_secret.take(),
            faults: std::mem::take(&mut self.faults),
            timeout: self.timeout.unwrap_or(DEFAULT_TIMEOUT),
            provider: self.provider.take(),
            variables: std::mem::take(&mut self.variables),
            mount_arguments,
            options: self.options(true),
        })
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

fn duration(value: &OsString) -> Option<Duration> {
    let text = value.to_str()?;
    let (number, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit())?);
    let number: u64 = number.parse().ok()?;
    let duration = match unit {
        "ms" => Duration::from_millis(number),
        "s" => Duration::from_secs(number),
        "m" => Duration::from_secs(number.checked_mul(60)?),
        _ => return None,
    };
    (!duration.is_zero()).then_some(duration)
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
/// Of `test` only.
const TEST_OPTIONS: &[&str] = &[
    "class-name",
    "env",
    "expect",
    "expect-error",
    "fault",
    "pod",
    "provider",
    "publish-secret",
    "timeout",
];
/// As long as kubelet waits for a volume.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(120);
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
    fn a_test_says_what_is_expected() {
        let line = "test c.yaml --state s.yaml --expect out --pod a/b --fault kms=throttle:1 --timeout 500ms -- --mode 0400";
        let Ok(Command::Test(test)) = read(line) else {
            panic!("{line}: {:?}", read(line))
        };
        assert_eq!((test.class, test.expect), ("c.yaml".into(), Some("out".into())));
        assert_eq!(test.pod, Some(("a".into(), "b".into())));
        assert_eq!(test.timeout, Duration::from_millis(500));
        assert_eq!(test.faults.len(), 1);
        assert_eq!(test.mount_arguments, ["--mode", "0400"]);
        assert_eq!(test.options.http.port(), 0);
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
            ("serve --expect out", "there is no option --expect"),
            (
                "test --expect out",
                "test needs a class: fake-cloud test class.yaml --expect DIRECTORY",
            ),
            (
                "test c.yaml",
                "test needs --expect DIRECTORY or --expect-error TEXT",
            ),
            (
                "test c.yaml --expect a --expect-error b",
                "expected either --expect or --expect-error: a mount that fails leaves no files",
            ),
            (
                "test c.yaml --expect-error b --update",
                "--update needs --expect DIRECTORY",
            ),
            (
                "test c.yaml --expect a --pod web",
                "--pod web: expected NAMESPACE/SERVICEACCOUNT, such as default/web",
            ),
            (
                "test c.yaml --expect a --timeout 10",
                "--timeout 10: expected a time such as 10s, 500ms or 2m",
            ),
            (
                "test c.yaml --expect a --fault kms=cut:x",
                "--fault kms=cut:x: expected a number of times after the last colon, found \"x\"",
            ),
        ] {
            assert_eq!(read(line).expect_err(line).0, expected);
        }
    }
}
