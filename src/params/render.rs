//! From fetched values to files.

use jmespath::Variable;

use super::Options;
use super::encoding::Encoding;
use super::file_name::{FileName, Paths};
use super::names::Mode;
use super::object::Object;
use super::parts::{Part, Select};
use super::plan::{Plan, clash_text};
use super::problem::{Place, Problems, Report, quoted};
use crate::limits;
use crate::secret::Secret;

/// A file of the volume.
#[derive(Debug)]
pub struct RenderedFile {
    /// Its path below the mount.
    pub path: FileName,
    /// Its mode.
    pub mode: Mode,
    /// Its contents.
    pub contents: Secret,
    /// The object it comes from: an index of [`Plan::objects`].
    pub object: usize,
}

impl Plan {
    /// Makes the files. `values[i]` belongs to `objects[i]`; `None` stands for an optional object that does
    /// not exist. Objects come in list order, each whole before its parts.
    ///
    /// # Errors
    /// Every value that is not what the parameters take it for; none of its content is quoted.
    pub fn render(&self, values: &[Option<&Secret>]) -> Result<Vec<RenderedFile>, Problems> {
        let mut report = Report::new(Options::default());
        let mut rendering = Rendering {
            files: Vec::new(),
            paths: Paths::new(),
        };
        for (index, object) in self.objects.iter().enumerate() {
            match values.get(index) {
                Some(Some(value)) => rendering.object(index, object, value, &mut report),
                Some(None) if object.optional => {}
                _ => report.problem(&object.place, "no value was fetched", "report this as a bug"),
            }
        }
        if report.is_clean() {
            Ok(rendering.files)
        } else {
            Err(report.into_problems())
        }
    }
}

struct Rendering<'a> {
    files: Vec<RenderedFile>,
    paths: Paths<&'a Place>,
}

impl<'a> Rendering<'a> {
    fn object(&mut self, index: usize, object: &'a Object, value: &Secret, report: &mut Report) {
        let Some(value) = decode(object.encoding, value, &object.place, report) else {
            return;
        };
        if let Some(target) = &object.whole {
            self.add(
                index,
                &object.place,
                &target.path,
                target.mode,
                value.duplicate(),
                report,
            );
        }
        if object.parts.is_empty() {
            return;
        }
        let Some(document) = document(&value, &object.place, report) else {
            return;
        };
        for part in &object.parts {
            self.part(index, part, &document, report);
        }
    }

    fn part(&mut self, index: usize, part: &'a Part, document: &Variable, report: &mut Report) {
        match &part.select {
            Select::One { expression, target } => {
                let result = match expression.search(document) {
                    Ok(result) => result,
                    Err(text) => {
                        let text = format!("the expression {} failed: {text}", quoted(expression.as_str()));
                        return report.problem(&part.place, text, "compare it with the secret");
                    }
                };
                if let Some(contents) = contents(&result, part, expression.as_str(), report) {
                    self.add(index, &part.place, &target.path, target.mode, contents, report);
                }
            }
            Select::Keys {
                prefix,
                translation,
                mode,
            } => {
                let Variable::Object(entries) = document else {
                    return report.problem(
                        &part.place,
                        "the value is not a JSON object",
                        "name a secret that is one",
                    );
                };
                for (key, value) in entries {
                    let Some(contents) = contents(value, part, key, report) else {
                        continue;
                    };
                    match FileName::parse(&translation.apply(&format!("{prefix}{key}"))) {
                        Ok(path) => self.add(index, &part.place, &path, *mode, contents, report),
                        Err(wrong) => report.problem(&part.place, wrong.text, wrong.remedy),
                    }
                }
            }
        }
    }

    fn add(
        &mut self,
        object: usize,
        place: &'a Place,
        path: &FileName,
        mode: Mode,
        contents: Secret,
        report: &mut Report,
    ) {
        if self.files.len() >= limits::FILES {
            return report.problem(
                place,
                format!("more than {} files", limits::FILES),
                "select fewer keys",
            );
        }
        match self.paths.take(path, place) {
            Ok(()) => self.files.push(RenderedFile {
                path: path.clone(),
                mode,
                contents,
                object,
            }),
            Err(clash) => {
                let (text, remedy) = clash_text(path, clash);
                report.problem(place, text, remedy);
            }
        }
    }
}

fn decode(encoding: Option<Encoding>, value: &Secret, place: &Place, report: &mut Report) -> Option<Secret> {
    let Some(encoding) = encoding else {
        return Some(value.duplicate());
    };
    let decoded = encoding.decode(value);
    if decoded.is_none() {
        let text = format!("the value is not {}", encoding.name());
        report.problem(place, text, "correct objectEncoding, or the value");
    }
    decoded
}

fn document(value: &Secret, place: &Place, report: &mut Report) -> Option<Variable> {
    let remedy = "jmesPath needs a value that is one JSON document";
    match serde_json::from_slice(value.expose()) {
        Ok(document) => Some(document),
        Err(error) => {
            let text = format!(
                "the value is not valid JSON at line {}, column {}",
                error.line(),
                error.column()
            );
            report.problem(place, text, remedy);
            None
        }
    }
}

/// The bytes of a result: text as it is, anything else as JSON.
fn contents(result: &Variable, part: &Part, name: &str, report: &mut Report) -> Option<Secret> {
    let bytes = match result {
        Variable::Null if part.optional => return None,
        Variable::Null => {
            let text = format!("{} finds nothing in the value", quoted(name));
            report.problem(
                &part.place,
                text,
                "correct the path, or write optional: true beside it",
            );
            return None;
        }
        Variable::String(text) => Secret::from(text.clone()),
        other => match serde_json::to_vec(other) {
            Ok(bytes) => Secret::new(bytes),
            Err(_) => {
                report.problem(&part.place, "the result is not JSON", "select a value");
                return None;
            }
        },
    };
    decode(part.encoding, &bytes, &part.place, report)
}
