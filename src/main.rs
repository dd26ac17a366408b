//! The binary: arguments to configuration, signals to the order to stop, the outcome to an exit code.

use std::io::Write as _;
use std::process::ExitCode;
use std::sync::Arc;

use csi_provider::clock::SystemClock;
use csi_provider::config::{self, Command, Config, ProcessEnvironment, WhoAmIOptions};
use csi_provider::logger::Logger;
use csi_provider::os::harden::{harden, harden_memory};
use csi_provider::provider::{Stop, mounter_for, run};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

/// Wipes memory when it is freed, whoever allocated it: TLS records, JSON, header lists. Always, but for the benchmark
/// that measures its cost.
#[cfg(not(plain_allocator))]
#[global_allocator]
static ALLOCATOR: zeroizing_alloc::ZeroAlloc<std::alloc::System> =
    zeroizing_alloc::ZeroAlloc(std::alloc::System);

/// Diagnostic flag or environment value.
const EXIT_USAGE: u8 = 2;

fn main() -> ExitCode {
    let config = match config::parse(std::env::args_os().skip(1), &ProcessEnvironment) {
        Ok(Command::Mount(settings)) => {
            if let Err(error) = harden_memory() {
                return fail(&error, 1);
            }
            return match settings.run(&mut std::io::stdin().lock(), &mut std::io::stdout().lock()) {
                Ok(()) => ExitCode::SUCCESS,
                Err(error) => fail(&error, 1),
            };
        }
        Ok(Command::Prepare(settings)) => {
            return match settings.run(&mut std::io::stdout().lock()) {
                Ok(()) => ExitCode::SUCCESS,
                Err(error) => fail(&error, 1),
            };
        }
        Ok(Command::Print(text)) => return print(&text),
        Ok(Command::Serve(config)) => config,
        Ok(Command::Validate(settings)) => {
            return match settings.run(&mut std::io::stdin().lock(), &mut std::io::stdout().lock()) {
                Ok(true) => ExitCode::SUCCESS,
                Ok(false) => ExitCode::FAILURE,
                Err(error) => fail(&error, 1),
            };
        }
        Ok(Command::WhoAmI(config, settings)) => return whoami(*config, &settings),
        Err(error) => return fail(&error, EXIT_USAGE),
    };
    Logger::install(Arc::new(SystemClock), config.verbosity, config.log_format);
    if let Err(error) = harden() {
        return fail(&error, 1);
    }
    let stop = Stop::new();
    let mut signals = match Signals::new([SIGTERM, SIGINT]) {
        Ok(signals) => signals,
        Err(error) => return fail(&error, 1),
    };
    let on_signal = stop.clone();
    let listener = std::thread::Builder::new()
        .name("signals".to_owned())
        .stack_size(64 * 1024);
    let listener = listener.spawn(move || {
        if signals.forever().next().is_some() {
            on_signal.stop();
        }
    });
    if let Err(error) = listener {
        return fail(&error, 1);
    }
    match run(*config, &stop) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(&error, 1),
    }
}

fn whoami(config: Config, options: &WhoAmIOptions) -> ExitCode {
    if let Err(error) = harden_memory() {
        return fail(&error, 1);
    }
    let mounter = mounter_for(config);
    match options.run(
        &mounter,
        &mut std::io::stdin().lock(),
        &mut std::io::stdout().lock(),
    ) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => fail(&error, 1),
    }
}

fn print(text: &str) -> ExitCode {
    // A reader that has seen enough, as `head`, is no failure.
    let _ = std::io::stdout().write_all(text.as_bytes());
    ExitCode::SUCCESS
}

fn fail(error: &dyn std::error::Error, code: u8) -> ExitCode {
    let _ = writeln!(std::io::stderr(), "{}: {error}", env!("CARGO_PKG_NAME"));
    ExitCode::from(code)
}
