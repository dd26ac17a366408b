//! Prints warnings to a terminal, without time and module. Errors are left out, because the command prints them when it
//! ends.

use std::io::Write as _;

use log::{Level, LevelFilter, Log, Metadata, Record};

/// Installs this logger, unless the process already has one.
pub(super) fn install() {
    if log::set_boxed_logger(Box::new(Remarks)).is_ok() {
        log::set_max_level(LevelFilter::Warn);
    }
}

struct Remarks;

impl Log for Remarks {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.level() == Level::Warn && metadata.target().starts_with(env!("CARGO_CRATE_NAME"))
    }

    fn log(&self, record: &Record<'_>) {
        if self.enabled(record.metadata()) {
            // A closed standard error must not stop the command.
            let _ = writeln!(std::io::stderr(), "warning: {}", record.args());
        }
    }

    fn flush(&self) {}
}
