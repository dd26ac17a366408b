//! `validate`: SecretProviderClass manifests checked with the code that mounts them, without cluster or cloud.
//!
//! Pure but for [`ValidateOptions::run`], which reads the files and prints. `docs/validate.md` is for its users.

mod access;
mod class;
pub(crate) mod manifest;
mod official;
mod parameters;
mod pods;
mod print;
pub(crate) mod publish_secrets;
mod report;
mod scalar;
mod secret_objects;
mod source_map;

use std::fmt;
use std::io::{self, Read, Write};

use serde::Serialize;

pub use report::{Access, Class, File, Finding, Report, Verdict};

use self::access::Checker;
use self::manifest::{Document, Resource, resources};
use crate::config::{ManifestSource, OutputFormat, ValidateOptions};
use crate::diagnostic::Position;
use crate::limits;

/// Checks the text of one file, and asks the access policy if there is one.
pub(crate) fn examine(source: &str, text: &str, policy: Option<&Checker<'_>>) -> Report {
    let mut report = Report::new(source.to_owned());
    let mut lines = 0_usize;
    for document in Document::split(text) {
        let is_of_interest = document.may_hold_a_class() || policy.is_some() && pods::may_be_in(&document);
        if !is_of_interest {
            report.skipped += usize::from(!document.text.trim().is_empty());
            continue;
        }
        let root = match document.parse() {
            Ok(root) => root,
            Err(error) => {
                let at = document.in_file(error.at.unwrap_or(Position { line: 1, column: 1 }));
                let remedy = if document.text.contains("{{") {
                    "if this is a template, render it first, for instance with helm template".to_owned()
                } else {
                    error.remedy
                };
                report.errors.push(Finding::new(at, "", error.text, remedy));
                continue;
            }
        };
        for resource in resources(&root) {
            let class = match manifest::class(resource) {
                Resource::Class(root) => class::check(document, root, policy),
                Resource::Broken(root, text, remedy) => {
                    let mut class = class::bare(document, root);
                    class
                        .errors
                        .push(Finding::new(document.in_file(root.at), "", text, remedy));
                    class
                }
                Resource::Other => {
                    report.skipped += 1;
                    continue;
                }
            };
            lines = lines.saturating_add(class.lines());
            if lines > limits::MANIFEST_LINES {
                let at = document.in_file(resource.at);
                let text = format!(
                    "more than {} files and findings; from here on nothing is checked",
                    limits::MANIFEST_LINES
                );
                report.errors.push(Finding::new(at, "", text, "split the file"));
                return report;
            }
            report.classes.push(class);
        }
    }
    publish_secrets::check(&mut report, text);
    report
}

impl ValidateOptions {
    /// Checks everything and prints to `output`. Whether all is well.
    ///
    /// # Errors
    /// The output cannot be written.
    pub fn run(&self, input: &mut dyn Read, output: &mut dyn Write) -> io::Result<bool> {
        let mut output = io::BufWriter::new(output);
        let mut reports = Vec::with_capacity(self.sources.len());
        let mut policy = None;
        match self.access.as_ref().map(|access| (access, Checker::new(access))) {
            Some((_, Ok(checker))) => policy = Some(checker),
            Some((access, Err(finding))) => {
                let mut report = Report::new(access.policy.display().to_string());
                report.errors.push(finding);
                reports.push(report);
            }
            None => {}
        }
        let mut read = Vec::new();
        if let Some(policy) = &mut policy {
            // All first: a pod may stand in another file than its class, and a pipe is read once.
            for source in &self.sources {
                let text = source.read(input);
                policy.learn(text.as_deref().unwrap_or_default());
                read.push(text);
            }
        }
        let mut read = read.into_iter();
        for source in &self.sources {
            let name = source.to_string();
            let report = match read.next().unwrap_or_else(|| source.read(input)) {
                Ok(text) => examine(&name, &text, policy.as_ref()),
                Err(error) => {
                    let mut report = Report::new(name);
                    let text = format!("cannot be read: {error}");
                    let at = Position { line: 1, column: 1 };
                    report.errors.push(Finding::new(at, "", text, ""));
                    report
                }
            };
            reports.push(report);
        }
        if self.format == OutputFormat::Text {
            for report in &reports {
                print::source(report, &mut output)?;
            }
        }
        let well = reports.iter().all(Report::is_well);
        match self.format {
            OutputFormat::Text => print::total(&reports, &mut output)?,
            OutputFormat::Json => {
                serde_json::to_writer_pretty(
                    &mut output,
                    &Outcome {
                        valid: well,
                        sources: &reports,
                    },
                )?;
                output.write_all(b"\n")?;
            }
        }
        output.flush()?;
        Ok(well)
    }
}

/// The JSON document that is printed.
#[derive(Serialize)]
struct Outcome<'a> {
    valid: bool,
    sources: &'a [Report],
}

impl ManifestSource {
    /// Its text.
    pub(crate) fn read(&self, input: &mut dyn Read) -> io::Result<String> {
        let mut text = Vec::new();
        let most = limits::MANIFEST_BYTES as u64 + 1;
        match self {
            Self::File(path) => std::fs::File::open(path)?.take(most).read_to_end(&mut text)?,
            Self::StandardInput => input.take(most).read_to_end(&mut text)?,
        };
        if text.len() > limits::MANIFEST_BYTES {
            let most = limits::MANIFEST_BYTES;
            return Err(io::Error::other(format!("larger than {most} bytes; split it")));
        }
        String::from_utf8(text).map_err(|_| io::Error::other("not UTF-8"))
    }
}

impl fmt::Display for ManifestSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => path.display().fmt(f),
            Self::StandardInput => f.write_str("-"),
        }
    }
}
