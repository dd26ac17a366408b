//! `validate`: checks SecretProviderClass manifests with the code that mounts them, without a cluster or cloud.
//!
//! Only [`ValidateOptions::run`] reads files and prints. `docs/validate.md` is for its users.

mod access;
mod class;
mod official;
mod parameters;
mod pods;
mod print;
mod publish_secrets;
mod report;
mod scalar;
mod secret_objects;
mod source_map;

use std::io::{self, Read, Write};

use serde::Serialize;

pub use report::{Access, Class, File, Finding, Report, Verdict};

use access::Checker;

use crate::commands::manifest::{self, Document, resources};
use crate::config::{OutputFormat, ValidateOptions};
use crate::diagnostic::Position;
use crate::limits;

/// Checks the text of one file, and asks the access policy if there is one.
pub(crate) fn examine(source: &str, text: &str, policy: Option<&Checker<'_>>) -> Report {
    let mut report = Report::new(source);
    let mut lines = 0_usize;
    for document in Document::split(text) {
        if !document.may_hold_a_class() && (policy.is_none() || !document.text.contains(pods::CLASS)) {
            report.skipped += usize::from(!document.text.trim().is_empty());
            continue;
        }
        let root = match document.parse() {
            Ok(root) => root,
            Err(error) => {
                let remedy = if document.text.contains("{{") {
                    "render templates first, for example with helm template"
                } else {
                    &error.remedy
                };
                report.error(error.at.unwrap_or(BEGIN), &error.text, remedy);
                continue;
            }
        };
        for resource in resources(&root) {
            let Some(class) = class::examined(document, resource, policy) else {
                report.skipped += 1;
                continue;
            };
            lines = lines.saturating_add(class.lines());
            if lines > limits::MANIFEST_LINES {
                let most = limits::MANIFEST_LINES;
                let text = format!("more than {most} files and findings; the rest is not checked");
                report.error(resource.at, &text, "split the file");
                return report;
            }
            report.classes.push(class);
        }
    }
    publish_secrets::check(&mut report, text);
    report
}

/// The position of errors about a whole file.
const BEGIN: Position = Position { line: 1, column: 1 };

impl ValidateOptions {
    /// Checks everything and prints to `output`. `false` if there are errors.
    ///
    /// # Errors
    /// The output cannot be written.
    pub fn run(&self, input: &mut dyn Read, output: &mut dyn Write) -> io::Result<bool> {
        let mut reports = Vec::with_capacity(self.sources.len());
        // All first: a pod may be in another file than its class, and a pipe can be read only once.
        let texts = self.sources.iter().map(|source| manifest::read(source, input));
        let texts: Vec<io::Result<String>> = texts.collect();
        let mut policy = None;
        if let Some(access) = &self.access {
            match Checker::new(access, texts.iter().flatten()) {
                Ok(checker) => policy = Some(checker),
                Err(finding) => {
                    let mut report = Report::new(&access.policy.display().to_string());
                    report.errors.push(finding);
                    reports.push(report);
                }
            }
        }
        for (source, text) in self.sources.iter().zip(&texts) {
            let source = source.display().to_string();
            reports.push(match text {
                Ok(text) => examine(&source, text, policy.as_ref()),
                Err(error) => {
                    let mut report = Report::new(&source);
                    report.error(BEGIN, &format!("cannot be read: {error}"), "");
                    report
                }
            });
        }
        let mut output = io::BufWriter::new(output);
        let valid = reports.iter().all(Report::is_well);
        match self.format {
            OutputFormat::Text => print::text(&reports, &mut output)?,
            OutputFormat::Json => {
                let sources = &reports;
                serde_json::to_writer_pretty(&mut output, &Outcome { valid, sources })?;
                output.write_all(b"\n")?;
            }
        }
        output.flush()?;
        Ok(valid)
    }
}

/// The JSON document that is printed.
#[derive(Serialize)]
struct Outcome<'a> {
    valid: bool,
    sources: &'a [Report],
}
