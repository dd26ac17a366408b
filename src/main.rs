//! The binary: parses arguments and environment, runs the command and returns its exit code.

use std::error::Error;
use std::io::{self, Write as _};
use std::process::ExitCode;

use csi_provider::commands::{self, exec::CannotStart};
use csi_provider::config::{self, ConfigError, ProcessEnvironment};

/// Wipes all memory when it is freed, including TLS records, JSON and header lists. Only the benchmark that measures the
/// cost builds without it.
#[cfg(not(plain_allocator))]
#[global_allocator]
static ALLOCATOR: zeroizing_alloc::ZeroAlloc<std::alloc::System> =
    zeroizing_alloc::ZeroAlloc(std::alloc::System);

/// A flag or an environment variable is wrong.
const EXIT_USAGE: u8 = 2;

fn main() -> ExitCode {
    run().unwrap_or_else(|error| {
        let _ = writeln!(io::stderr(), "{}: {error}", env!("CARGO_PKG_NAME"));
        if error.is::<ConfigError>() {
            ExitCode::from(EXIT_USAGE)
        } else if let Some(error) = error.downcast_ref::<CannotStart>() {
            ExitCode::from(error.exit_code())
        } else {
            ExitCode::FAILURE
        }
    })
}

fn run() -> Result<ExitCode, Box<dyn Error + Send + Sync>> {
    let command = config::parse(std::env::args_os().skip(1), &ProcessEnvironment)?;
    let is_well = commands::run(command, &mut io::stdin().lock(), &mut io::stdout().lock())?;
    Ok(if is_well {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
