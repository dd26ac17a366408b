//! What a subcommand is called, and what it says of itself.

use std::ffi::OsString;

use super::command::Command;
use super::environment::Environment;
use super::error::ConfigError;

/// One subcommand. The first argument chooses one unless it begins with a dash.
pub(super) struct Subcommand {
    /// How it is called.
    pub(super) name: &'static str,
    /// What follows the flags on its line of usage; empty when it takes nothing but flags.
    pub(super) operands: &'static str,
    /// One line, for the list of subcommands.
    pub(super) summary: &'static str,
    /// What `--help` says of it before the flags.
    pub(super) about: &'static str,
    /// Reads what follows its name.
    pub(super) read: fn(&Self, Vec<OsString>, &dyn Environment) -> Result<Command, ConfigError>,
}
