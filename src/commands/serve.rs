//! `serve`: the provider, until SIGTERM or SIGINT.

use std::sync::Arc;
use std::thread;

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::clock::SystemClock;
use crate::config::Config;
use crate::logger::Logger;
use crate::os::harden::harden;
use crate::provider::{self, StartError};
use crate::sync::Cancellation;

/// Serves until a signal arrives.
pub(super) fn run(config: Config) -> Result<(), StartError> {
    Logger::install(Arc::new(SystemClock), config.verbosity, config.log_format);
    harden()?;
    let stop = Cancellation::new();
    let on_signal = stop.clone();
    let mut signals = Signals::new([SIGTERM, SIGINT])?;
    let listener = thread::Builder::new()
        .name("signals".to_owned())
        .stack_size(64 * 1024);
    listener.spawn(move || {
        if signals.forever().next().is_some() {
            on_signal.cancel();
        }
    })?;
    provider::run(config, &stop)
}
