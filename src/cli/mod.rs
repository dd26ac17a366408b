//! From arguments and environment to one validated [`Config`], once, before anything is bound.

mod args;
mod config;
mod environment;
mod flags;
mod help;
mod identity;
mod logger;
mod network;

pub use config::{Config, ConfigError, Health};
pub use environment::{Environment, ProcessEnvironment};
pub use help::{help, version};
pub use identity::Identity;
pub use logger::{LogFormat, Logger};
pub use network::{Cluster, StsSetting};

use args::Args;

/// What the command line asks for.
#[derive(Debug)]
pub enum Command {
    /// `--help`
    Help,
    /// Serve until told to stop.
    Serve(Box<Config>),
    /// `--version`
    Version,
}

/// Reads the command line (without the program's name) and the environment.
///
/// # Errors
/// The first thing that is wrong with either, in one line.
pub fn parse(
    arguments: impl IntoIterator<Item = std::ffi::OsString>,
    environment: &dyn Environment,
) -> Result<Command, ConfigError> {
    let args = Args::parse(arguments)?;
    if args.is_given("help") || args.is_given("h") {
        return Ok(Command::Help);
    }
    if args.is_given("version") {
        return Ok(Command::Version);
    }
    Config::new(&args, environment).map(|config| Command::Serve(Box::new(config)))
}
