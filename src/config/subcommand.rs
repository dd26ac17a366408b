//! A subcommand: its name, help and parser.

use std::ffi::OsString;

use super::command::Command;
use super::environment::Environment;
use super::error::ConfigError;

/// One subcommand. The first argument chooses one unless it begins with a dash.
pub(super) struct Subcommand {
    pub(super) name: &'static str,
    /// Operands in the usage line; empty if it takes none.
    pub(super) operands: &'static str,
    /// One line, for the list of subcommands.
    pub(super) summary: &'static str,
    /// The `--help` text before the flags.
    pub(super) about: &'static str,
    /// Parses the arguments after its name.
    pub(super) read: fn(&Self, Vec<OsString>, &dyn Environment) -> Result<Command, ConfigError>,
}
