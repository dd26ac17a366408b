//! The command line of `fake-cloud`: arguments in, one [`Command`] out, and what each command does.

mod args;
mod env;
mod run;
mod test;
mod watch;

use std::fmt;
use std::io::Write;
use std::process::ExitCode;

pub use args::{Command, Options, TestOptions, UsageError, parse};
pub use env::{Variable, variables};

use crate::cloud::StartError;
use crate::lint;
use crate::state::{LoadError, SMALL_WORLD, State};

/// Does what the command line says. Results go to `out`, remarks and errors to `remarks`.
pub fn main(
    arguments: impl IntoIterator<Item = std::ffi::OsString>,
    out: &mut dyn Write,
    remarks: &mut dyn Write,
) -> ExitCode {
    let done = |outcome: Result<ExitCode, Error>, remarks: &mut dyn Write| {
        outcome.unwrap_or_else(|error| {
            let _ = writeln!(remarks, "fake-cloud: {error}");
            ExitCode::from(error.exit_code())
        })
    };
    let command = match parse(arguments) {
        Ok(command) => command,
        Err(error) => return done(Err(error.into()), remarks),
    };
    let outcome = match command {
        Command::Help => print(out, HELP),
        Command::Version => print(out, concat!("fake-cloud ", env!("CARGO_PKG_VERSION"), "\n")),
        Command::World => print(out, SMALL_WORLD),
        Command::Check(options) => check(&options, out),
        Command::Env(options) => print_variables(&options, out),
        Command::Serve(options) => run::serve(&options, out, remarks),
        Command::Run { options, command } => run::run(&options, &command, remarks),
        Command::Test(options) => test::test(&options, out, remarks),
    };
    done(outcome, remarks)
}

fn print(out: &mut dyn Write, text: &str) -> Result<ExitCode, Error> {
    // A reader that has seen enough, as `head`, is no failure.
    let _ = out.write_all(text.as_bytes());
    Ok(ExitCode::SUCCESS)
}

fn check(options: &Options, out: &mut dyn Write) -> Result<ExitCode, Error> {
    let (text, state) = read_state(options)?;
    let warnings = lint::warnings(&state, &text);
    for warning in &warnings {
        let _ = writeln!(out, "warning: {warning}");
    }
    let _ = writeln!(out, "the state is valid, {} warnings", warnings.len());
    Ok(ExitCode::SUCCESS)
}

fn print_variables(options: &Options, out: &mut dyn Write) -> Result<ExitCode, Error> {
    let (_, state) = read_state(options)?;
    if options.http.port() == 0 || options.https.port() == 0 {
        let text = "env cannot know which free port serve will take: name one, or use `fake-cloud run`";
        return Err(UsageError(text.into()).into());
    }
    let place = env::Place::of(options);
    print(out, &env::shell(&variables(&state, &place)))
}

/// The state file's text and what it says; without a file the built-in world.
fn read_state(options: &Options) -> Result<(String, State), Error> {
    let text = match &options.state {
        None => SMALL_WORLD.to_owned(),
        Some(path) => std::fs::read_to_string(path).map_err(|error| StartError::Read(path.clone(), error))?,
    };
    let state = State::from_yaml(&text)?;
    Ok((text, state))
}

/// Why a command ended.
#[derive(Debug)]
pub enum Error {
    /// The arguments are wrong.
    Usage(UsageError),
    /// The cloud did not start.
    Start(StartError),
    /// A file or a process.
    Io(String, std::io::Error),
}

impl Error {
    fn exit_code(&self) -> u8 {
        match self {
            Self::Usage(_) => 2,
            Self::Start(_) | Self::Io(..) => 1,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Usage(error) => write!(f, "{error}; see fake-cloud --help"),
            Self::Start(error) => error.fmt(f),
            Self::Io(what, error) => write!(f, "{what}: {error}"),
        }
    }
}

impl From<UsageError> for Error {
    fn from(error: UsageError) -> Self {
        Self::Usage(error)
    }
}

impl From<StartError> for Error {
    fn from(error: StartError) -> Self {
        Self::Start(error)
    }
}

impl From<LoadError> for Error {
    fn from(error: LoadError) -> Self {
        Self::Start(StartError::State(error))
    }
}

const HELP: &str = "\
A fake Alibaba Cloud: OOS parameters, KMS secrets, STS, instance metadata, the ServiceAccount read of a cluster, and
its issuer of pod tokens. For tests; nothing in it is real.

usage: fake-cloud [COMMAND] [OPTIONS]

commands:
  serve              serve until told to stop (the default)
  test CLASS         mount a SecretProviderClass and compare the files, their modes and contents
  run -- PROGRAM …   serve on free ports while PROGRAM runs, with the variables of `env` in its environment, and
                     HTTPS_PROXY set to a proxy that leads the real cloud's host names here
  env                print the variables and flags that point a provider, an SDK or the aliyun CLI here
  check              check a state file and say what is odd about it
  world              print the built-in world, to begin a state file from

options:
  --state FILE       the state file, read again when it changes; without one the built-in world
  --http ADDRESS     where all services listen without TLS           [127.0.0.1:8480; run: any port]
  --https ADDRESS    where all services listen with TLS              [127.0.0.1:8443; run: any port]
  --port SERVICE=URL a further port for one service, such as kms=https://127.0.0.1:9443; may be repeated.
                     Services: kms, oos, sts, metadata, kubernetes, issuer
  --ca FILE          where the throw-away certificate authority is written; `-`: nowhere   [fake-cloud-ca.pem]
  --host-name NAME   a further name in certificates, besides localhost and those below aliyuncs.com; may be repeated
  --log FILE         write each finished request as a line of JSON; `-`: standard output
  --clock-offset N   seconds by which the cloud's clock is ahead
  --seed N           chooses the identifiers that the cloud makes up
  --help, --version

options of test, besides --state and the others above:
  --expect DIR       the expected files; modes other than 0644 as lines `0400 path` in DIR/.modes
  --update           write what was mounted to DIR
  --expect-error TEXT  the mount must fail, and its error must contain TEXT
  --pod NAMESPACE/SERVICEACCOUNT  whose pod mounts; its token comes from the state's cluster
  --publish-secret FILE  the Secret that the pod names by nodePublishSecretRef
  --class-name NAME  which class, if the file has several
  --fault RULE       what goes wrong; may be repeated. SERVICE[/NAME]=KIND[:TIMES], such as kms=throttle:1 or
                     kms/db-*=503, or a rule as in a state file: '{service: kms, then: {delay: {ms: 50}}}'.
                     A fault that no request meets fails the test. Kinds: throttle, hold, cut, empty_body,
                     truncated_body, a status from 400 to 599
  --env NAME=VALUE   a variable of the provider, such as ALICLOUD_ROLE_ARN=…; ACCESS_KEY_ID= takes the key pair away
  --timeout TIME     how long the mount may take, such as 10s                            [120s]
  --provider FILE    the provider's program; else it is looked for beside fake-cloud, then in PATH
  -- OPTION …        further options of the provider's mount, such as --mode

A browser shows the cloud at /_fake/ on any of its ports; docs/testing-your-manifests.md has recipes.
";
