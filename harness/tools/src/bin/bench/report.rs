//! What was measured, and whether it keeps the promises.

use std::io::{self, Write as _};
use std::process::ExitCode;

/// Prints as it goes, and remembers what was missed.
#[derive(Debug, Default)]
pub(crate) struct Report {
    kept: usize,
    missed: Vec<String>,
}

impl Report {
    /// A case begins.
    pub(crate) fn case(&self, name: &str) -> io::Result<()> {
        writeln!(io::stdout(), "\n{name}")
    }

    /// A figure that nothing is promised for.
    pub(crate) fn figure(&self, what: &str, value: f64, unit: &str) -> io::Result<()> {
        writeln!(io::stdout(), "  {what:<68} {value:>10.2} {unit}")
    }

    /// A figure that shall be at most `most`.
    pub(crate) fn promise(&mut self, what: &str, value: f64, most: f64, unit: &str) -> io::Result<()> {
        let verdict = if value <= most { "ok" } else { "MISSED" };
        if value <= most {
            self.kept += 1;
        } else {
            self.missed
                .push(format!("{what}: {value:.2} {unit}, promised {most:.2}"));
        }
        writeln!(
            io::stdout(),
            "  {what:<68} {value:>10.2} {unit} (at most {most:.2}: {verdict})"
        )
    }

    /// The end: the exit code, and why.
    pub(crate) fn end(self) -> io::Result<ExitCode> {
        let out = &mut io::stdout();
        writeln!(out, "\n{} promises kept, {} missed", self.kept, self.missed.len())?;
        for missed in &self.missed {
            writeln!(out, "MISSED {missed}")?;
        }
        // A run that promises nothing has measured nothing.
        let good = self.missed.is_empty() && self.kept > 0;
        Ok(if good {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        })
    }
}
