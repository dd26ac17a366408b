//! Warnings for whoever watches a terminal: the text, without time and module. Errors are not repeated here; they
//! end the command and are told then.

use std::io::Write as _;

use log::{Level, LevelFilter, Log, Metadata, Record};

/// Makes this the process's log. A log that is installed already stays.
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
            // Nobody to tell is no reason to stop.
            let _ = writeln!(std::io::stderr(), "warning: {}", record.args());
        }
    }

    fn flush(&self) {}
}
