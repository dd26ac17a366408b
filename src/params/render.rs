//! From fetched values to files.

use super::Options;
use super::encoding::Encoding;
use super::file_name::{FileName, Paths, Translation};
use super::names::Mode;
use super::object::Object;
use super::parts::{Part, Select};
use super::plan::{Plan, clash_text};
use super::problem::{Place, Problems, Report};
use crate::diagnostic::{Diagnostic, in_yaml, quoted};
use crate::jmespath::json::Value;
use crate::jmespath::{Budget, Expression, Fault, quoted_identifier};
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

/// How much memory making files may take.
#[derive(Clone, Copy)]
pub struct Room {
    /// All files, in bytes.
    pub files: usize,
    /// What one expression builds, in bytes.
    pub evaluation: usize,
}

impl Room {
    /// As much as any volume may have.
    pub const WHOLE: Self = Self {
        files: limits::RENDERED_BYTES,
        evaluation: limits::EVALUATION_BYTES,
    };
}

/// Why there are no files.
pub enum Unrendered {
    /// They take more room than they were given, and less than [`Room::WHOLE`] perhaps.
    NoRoom,
    /// The values are not what the parameters take them for.
    Problems(Problems),
}

impl Plan {
    /// The same as [`Plan::render_within`] with all the room that there may be.
    ///
    /// # Errors
    /// See there.
    pub fn render(&self, values: &[Option<&Secret>]) -> Result<Vec<RenderedFile>, Problems> {
        self.render_within(values, Room::WHOLE)
            .map_err(|unrendered| match unrendered {
                Unrendered::Problems(problems) => problems,
                Unrendered::NoRoom => unreachable!("there is no more room than the whole"),
            })
    }

    /// Makes the files. `values[i]` belongs to `objects[i]`; `None` stands for an optional object that does
    /// not exist. Objects come in list order, each whole before its parts. Equal values give equal bytes.
    ///
    /// # Errors
    /// Every value that is not what the parameters take it for; none of its content is quoted, except that a
    /// key which should become a file name is. Or they do not fit into `room`.
    pub fn render_within(
        &self,
        values: &[Option<&Secret>],
        room: Room,
    ) -> Result<Vec<RenderedFile>, Unrendered> {
        let mut rendering = Rendering {
            files: Vec::new(),
            paths: Paths::new(),
            bytes: 0,
            room,
            is_cramped: false,
            budget: Budget::within(room.evaluation),
            report: Report::new(Options::default()),
            stopped: false,
        };
        for (index, object) in self.objects.iter().enumerate() {
            if rendering.stopped {
                break;
            }
            match values.get(index) {
                Some(Some(value)) => rendering.object(index, object, value),
                Some(None) if object.optional => {}
                _ => rendering
                    .report
                    .problem(&object.place, "no value was fetched", "report this as a bug"),
            }
        }
        if rendering.is_cramped {
            Err(Unrendered::NoRoom)
        } else if rendering.report.is_clean() {
            Ok(rendering.files)
        } else {
            Err(Unrendered::Problems(rendering.report.into_problems()))
        }
    }
}

/// The files so far, and what is left to spend.
struct Rendering<'a> {
    files: Vec<RenderedFile>,
    paths: Paths<&'a Place>,
    bytes: usize,
    room: Room,
    /// There would be more room than was given.
    is_cramped: bool,
    budget: Budget,
    report: Report,
    /// Set when a bound on the whole is reached: nothing further is made.
    stopped: bool,
}

impl<'a> Rendering<'a> {
    fn object(&mut self, index: usize, object: &'a Object, value: &Secret) {
        let decoded = match decode(object.encoding, value) {
            Ok(decoded) => decoded,
            Err(wrong) => return self.problem(&object.place, wrong),
        };
        let value = decoded.as_ref().unwrap_or(value);
        if let Some(target) = &object.whole {
            self.add(
                index,
                &object.place,
                target.path.clone(),
                target.mode,
                value.duplicate(),
            );
        }
        if object.parts.is_empty() || self.stopped {
            return;
        }
        if value.is_empty() {
            let wrong = Diagnostic::new(
                "the value is empty",
                "jmesPath needs a value that is one JSON document",
            );
            return self.problem(&object.place, wrong);
        }
        match self.budget.read(value.expose()) {
            Ok(document) => {
                for part in &object.parts {
                    self.part(index, part, &document);
                }
            }
            Err(fault) => {
                let wrong = self.fault(&fault, || {
                    let remedy = "jmesPath needs a value that is one JSON document";
                    Diagnostic::new(format!("the value is {fault}"), remedy)
                });
                self.problem(&object.place, wrong);
            }
        }
    }

    fn part(&mut self, index: usize, part: &'a Part, document: &Value) {
        if self.stopped {
            return;
        }
        self.budget.next_expression();
        match (&part.select, document) {
            (Select::One { expression, target }, _) => {
                let found = expression.search(document, &mut self.budget);
                let mistaken = expression.mistaken(found.as_ref().ok(), document, &mut self.budget);
                let contents = match (mistaken, found) {
                    (Ok(Some(wrong)), _) => Err(wrong),
                    (Ok(None), Ok(Value::Null)) if part.optional => return,
                    (Ok(None), Ok(Value::Null)) => Err(nothing_found(expression, document)),
                    (Ok(None), Ok(result)) => self.contents(&result, part.encoding),
                    (Err(fault), _) | (Ok(None), Err(fault)) => {
                        Err(self.fault(&fault, || failed(expression, &fault)))
                    }
                };
                match contents {
                    Ok(contents) => self.add(index, &part.place, target.path.clone(), target.mode, contents),
                    Err(wrong) => self.problem(&part.place, wrong),
                }
            }
            (
                Select::Keys {
                    prefix,
                    translation,
                    mode,
                },
                Value::Object(entries),
            ) => {
                for (key, value) in entries.iter() {
                    if self.stopped {
                        return;
                    }
                    let name = format!("{prefix}{}", key.as_str());
                    match self.key(&name, value, part, *translation) {
                        Ok(Some((path, contents))) => self.add(index, &part.place, path, *mode, contents),
                        Ok(None) => {}
                        Err(wrong) => self.problem(&part.place, wrong),
                    }
                }
            }
            (Select::Keys { .. }, other) => {
                let wrong = Diagnostic::new(
                    format!(
                        "all keys are asked for, but the value is a JSON {}",
                        other.type_name()
                    ),
                    "write expressions, or leave jmesPath out",
                );
                self.problem(&part.place, wrong);
            }
        }
    }

    /// The file of one key of the top-level object, if there is one.
    fn key(
        &mut self,
        name: &str,
        value: &Value,
        part: &Part,
        translation: Translation,
    ) -> Result<Option<(FileName, Secret)>, Diagnostic> {
        if matches!(value, Value::Null) {
            if part.optional {
                return Ok(None);
            }
            let wrong = format!("the key for the file {} holds null", quoted(name));
            return Err(Diagnostic::new(
                wrong,
                "write \"optional: true\" to skip such keys",
            ));
        }
        let path = FileName::parse(&translation.apply(name)).map_err(|wrong| {
            Diagnostic::new(
                wrong.text,
                "rename the key in the secret, or select it with an expression and an objectAlias",
            )
        })?;
        Ok(Some((path, self.contents(value, part.encoding)?)))
    }

    /// The bytes of a result: text as it is, anything else as JSON.
    fn contents(&mut self, result: &Value, encoding: Option<Encoding>) -> Result<Secret, Diagnostic> {
        let text = match result {
            Value::Text(text) => self.budget.text(text.as_str().len()).map(|()| text.clone()),
            other => self.budget.write(other),
        };
        let text = text.map_err(|fault| {
            self.fault(&fault, || {
                Diagnostic::new(format!("the result has no text: {fault}"), "select less")
            })
        })?;
        let contents = Secret::from(text.as_str().to_owned());
        Ok(decode(encoding, &contents)?.unwrap_or(contents))
    }

    /// What to say about a fault: the same everywhere when it ends the rendering or is about a number, else as
    /// `other` says.
    fn fault(&mut self, fault: &Fault, other: impl FnOnce() -> Diagnostic) -> Diagnostic {
        match fault {
            Fault::TooManySteps => {
                self.stopped = true;
                Diagnostic::new(
                    "taking the values of the class apart needs too many steps",
                    "split the SecretProviderClass, or write simpler expressions",
                )
            }
            Fault::TooMuchMemory if self.room.evaluation < limits::EVALUATION_BYTES => {
                self.is_cramped = true;
                self.stopped = true;
                other()
            }
            Fault::Lossy => Diagnostic::new(
                "the result holds a number with more digits than a double keeps",
                "quote the number in the secret, so that it is text",
            ),
            _ => other(),
        }
    }

    fn add(&mut self, object: usize, place: &'a Place, path: FileName, mode: Mode, contents: Secret) {
        self.bytes = self.bytes.saturating_add(contents.len());
        if self.bytes > self.room.files && self.room.files < limits::RENDERED_BYTES {
            self.is_cramped = true;
            self.stopped = true;
            return;
        }
        if self.files.len() >= limits::FILES || self.bytes > limits::RENDERED_BYTES {
            let text = format!(
                "the class makes more than {} files or {} bytes",
                limits::FILES,
                limits::RENDERED_BYTES
            );
            self.stopped = true;
            return self.problem(place, Diagnostic::new(text, "split the SecretProviderClass"));
        }
        match self.paths.take(&path, place) {
            Ok(()) => self.files.push(RenderedFile {
                path,
                mode,
                contents,
                object,
            }),
            Err(clash) => {
                let (text, remedy) = clash_text(&path, clash);
                self.problem(place, Diagnostic::new(text, remedy));
            }
        }
    }

    fn problem(&mut self, place: &Place, wrong: Diagnostic) {
        self.report.problem(place, wrong.text, wrong.remedy);
    }
}

/// The decoded value, if there is something to decode.
fn decode(encoding: Option<Encoding>, value: &Secret) -> Result<Option<Secret>, Diagnostic> {
    let Some(encoding) = encoding else { return Ok(None) };
    match encoding.decode(value) {
        Some(decoded) => Ok(Some(decoded)),
        None => Err(Diagnostic::new(
            format!("the value is not {}", encoding.name()),
            "correct objectEncoding, or the value",
        )),
    }
}

/// An expression that does not fit the value.
fn failed(expression: &Expression, fault: &Fault) -> Diagnostic {
    Diagnostic::new(
        format!(
            "the expression {} fails on this value: {fault}",
            quoted(expression.as_str())
        ),
        "compare the expression with the secret",
    )
}

/// A null result. Often a key with a dot or a hyphen in it, read as a path.
fn nothing_found(expression: &Expression, document: &Value) -> Diagnostic {
    let text = expression.as_str();
    let remedy = match document {
        Value::Object(entries) if !matches!(entries.get(text), None | Some(Value::Null)) => {
            let path = in_yaml(&quoted_identifier(text));
            format!("the value has a key of that very name: quote it, in YAML: {path}")
        }
        _ => "correct the path, or write \"optional: true\" to skip it".to_owned(),
    };
    Diagnostic::new(
        format!("the expression {} finds nothing in the value", quoted(text)),
        remedy,
    )
}
