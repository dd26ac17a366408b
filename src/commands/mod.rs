//! The subcommands, one file or directory each, and what they share: manifests and requests made from them.

pub mod exec;
mod hint;
mod manifest;
pub mod mount;
mod once;
mod prepare_bin;
pub mod prepare_dir;
mod request;
mod serve;
mod stderr_logger;
pub mod validate;
pub mod whoami;

use std::error::Error;
use std::io::{Read, Write};

use crate::config::{Command, ProcessEnvironment};
use crate::os::harden::harden_memory;
use crate::provider::mounter_for;

/// Runs the command. `false` if it ran and found something wrong.
///
/// # Errors
/// Why it cannot run.
pub fn run(
    command: Command,
    input: &mut dyn Read,
    output: &mut dyn Write,
) -> Result<bool, Box<dyn Error + Send + Sync>> {
    match command {
        Command::CheckReady(options) => options.run()?,
        Command::Exec(options) => options.run(input, &ProcessEnvironment)?,
        Command::Mount(options) => {
            harden_memory()?;
            options.run(input, output)?;
        }
        Command::Prepare(options) => options.run(output)?,
        Command::PrepareBin(directory) => prepare_bin::run(&directory)?,
        Command::Print(text) => {
            // A reader that stops early, such as `head`, is not an error.
            let _ = output.write_all(text.as_bytes());
        }
        Command::Serve(config) => serve::run(*config)?,
        Command::Validate(options) => return Ok(options.run(input, output)?),
        Command::WhoAmI(config, options) => {
            harden_memory()?;
            return Ok(options.run(&mounter_for(*config), input, output)?);
        }
    }
    Ok(true)
}
