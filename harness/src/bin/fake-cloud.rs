//! The fake cloud as a program of its own; see `fake-cloud --help`.

use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments = std::env::args_os().skip(1);
    harness::cli::main(arguments, &mut std::io::stdout(), &mut std::io::stderr())
}
