//! The log: one line per event on standard error, in klog's text format.
//!
//! What libraries log below a warning is dropped: at their finest levels some show the wire.

use std::io::Write as _;
use std::sync::Arc;

use log::{Level, LevelFilter, Log, Metadata, Record};

use crate::clock::Clock;

/// Writes log lines.
pub struct Logger {
    clock: Arc<dyn Clock>,
    level: LevelFilter,
}

impl Logger {
    /// Makes this the process's log. A log that is installed already stays.
    pub fn install(clock: Arc<dyn Clock>, verbosity: u8) {
        let level = if verbosity >= 4 {
            LevelFilter::Debug
        } else {
            LevelFilter::Info
        };
        if log::set_boxed_logger(Box::new(Self { clock, level })).is_ok() {
            log::set_max_level(level);
        }
    }
}

impl Log for Logger {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        let ours = metadata.target().starts_with(env!("CARGO_CRATE_NAME"));
        metadata.level() <= if ours { self.level } else { LevelFilter::Warn }
    }

    fn log(&self, record: &Record<'_>) {
        if !self.enabled(record.metadata()) {
            return;
        }
        let letter = match record.level() {
            Level::Error => 'E',
            Level::Warn => 'W',
            Level::Info => 'I',
            Level::Debug | Level::Trace => 'D',
        };
        let time = self.clock.wall().strftime("%m%d %H:%M:%S%.6f");
        let module = record.module_path().unwrap_or_default();
        let module = module
            .strip_prefix(concat!(env!("CARGO_CRATE_NAME"), "::"))
            .unwrap_or(module);
        // One write, so that lines of different threads do not mix; a message's own line feeds are shown as such.
        let message = record.args().to_string().replace('\n', "\\n");
        let line = format!("{letter}{time} {module}] {message}\n");
        let _ = std::io::stderr().lock().write_all(line.as_bytes());
    }

    fn flush(&self) {}
}
