//! From fetched values to files.

use super::encoding::Encoding;
use super::file_name::{FileName, Paths, Translation};
use super::names::Mode;
use super::plan::{Object, Part, Plan, PlannedFile};
use super::problem::{Place, Problems};
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
            paths: Paths::default(),
            bytes: 0,
            room,
            budget: Budget::within(room.evaluation),
            problems: Problems::default(),
        };
        for (index, object) in self.objects.iter().enumerate() {
            match values.get(index) {
                Some(Some(value)) => rendering.object(index, object, value)?,
                Some(None) if object.optional => {}
                _ => {
                    let wrong = Diagnostic::new("no value was fetched", "report this as a bug");
                    rendering.problems.add(&object.place, wrong);
                }
            }
        }
        if rendering.problems.is_empty() {
            Ok(rendering.files)
        } else {
            Err(Unrendered::Problems(rendering.problems.sorted()))
        }
    }
}

/// Why there is no file.
enum Halt {
    /// Something is wrong with this value; others can still be judged.
    Wrong(Diagnostic),
    /// A bound on the whole is reached.
    Last(Diagnostic),
    /// There would be more room than was given.
    NoRoom,
}

impl From<Diagnostic> for Halt {
    fn from(wrong: Diagnostic) -> Self {
        Self::Wrong(wrong)
    }
}

impl Room {
    /// What a fault means: the same everywhere when it ends the rendering or is about a number, else what `other` says.
    fn halt(self, fault: &Fault, other: impl FnOnce() -> Diagnostic) -> Halt {
        match fault {
            Fault::TooManySteps => Halt::Last(Diagnostic::new(
                "taking the values of the class apart needs too many steps",
                "split the SecretProviderClass, or write simpler expressions",
            )),
            Fault::TooMuchMemory if self.evaluation < limits::EVALUATION_BYTES => Halt::NoRoom,
            Fault::Lossy => Halt::Wrong(Diagnostic::new(
                "the result holds a number with more digits than a double keeps",
                "quote the number in the secret, so that it is text",
            )),
            _ => Halt::Wrong(other()),
        }
    }
}

/// The files so far, and what is left to spend.
struct Rendering<'a> {
    files: Vec<RenderedFile>,
    paths: Paths<'a>,
    bytes: usize,
    room: Room,
    budget: Budget,
    problems: Problems,
}

impl<'a> Rendering<'a> {
    /// Notes what is wrong, if anything.
    ///
    /// # Errors
    /// Nothing further can be made.
    fn note(&mut self, place: &Place, made: Result<(), Halt>) -> Result<(), Unrendered> {
        match made {
            Ok(()) => Ok(()),
            Err(Halt::NoRoom) => Err(Unrendered::NoRoom),
            Err(Halt::Wrong(wrong)) => {
                self.problems.add(place, wrong);
                Ok(())
            }
            Err(Halt::Last(wrong)) => {
                self.problems.add(place, wrong);
                Err(Unrendered::Problems(std::mem::take(&mut self.problems).sorted()))
            }
        }
    }

    fn object(&mut self, index: usize, object: &'a Object, value: &Secret) -> Result<(), Unrendered> {
        let decoded = object.encoding.map(|encoding| encoding.decode(value));
        let decoded = match decoded.transpose() {
            Ok(decoded) => decoded,
            Err(wrong) => return self.note(&object.place, Err(wrong.into())),
        };
        let value = decoded.as_ref().unwrap_or(value);
        for file in &object.files {
            if let Part::Whole(name) = &file.part {
                let made = self.add(index, file, name.clone(), value.duplicate());
                self.note(&file.place, made)?;
            }
        }
        let is_part = |file: &&PlannedFile| !matches!(file.part, Part::Whole(_));
        let mut parts = object.files.iter().filter(is_part).peekable();
        if parts.peek().is_none() {
            return Ok(());
        }
        match self.document(value) {
            Ok(document) => parts.try_for_each(|file| self.part(index, file, &document)),
            Err(halt) => self.note(&object.place, Err(halt)),
        }
    }

    fn document(&mut self, value: &Secret) -> Result<Value, Halt> {
        let remedy = "jmesPath needs a value that is one JSON document";
        if value.is_empty() {
            return Err(Diagnostic::new("the value is empty", remedy).into());
        }
        let read = self.budget.read(value.expose());
        read.map_err(|fault| {
            let wrong = || Diagnostic::new(format!("the value is {fault}"), remedy);
            self.room.halt(&fault, wrong)
        })
    }

    /// The files of a part of the value.
    fn part(&mut self, index: usize, file: &'a PlannedFile, document: &Value) -> Result<(), Unrendered> {
        self.budget.next_expression();
        let made = match (&file.part, document) {
            (Part::Keys { prefix, translation }, Value::Object(entries)) => {
                return entries.iter().try_for_each(|(key, value)| {
                    let name = format!("{prefix}{}", key.as_str());
                    let made = self.key(index, file, *translation, &name, value);
                    self.note(&file.place, made)
                });
            }
            (Part::Keys { .. }, other) => {
                let kind = other.type_name();
                let text = format!("all keys are asked for, but the value is a JSON {kind}");
                Err(Diagnostic::new(text, "write expressions, or leave jmesPath out").into())
            }
            (Part::Expression(expression, name), _) => {
                let found = self.found(expression, document);
                found.and_then(|value| match value {
                    Value::Null if file.optional => Ok(()),
                    Value::Null => Err(nothing_found(expression, document).into()),
                    value => {
                        let contents = self.contents(&value, file.encoding)?;
                        self.add(index, file, name.clone(), contents)
                    }
                })
            }
            (Part::Whole(_), _) => Ok(()),
        };
        self.note(&file.place, made)
    }

    fn found(&mut self, expression: &Expression, document: &Value) -> Result<Value, Halt> {
        let room = self.room;
        let text = expression.as_str();
        let failed = |fault: Fault| {
            room.halt(&fault, || {
                let text = format!("the expression {} fails on this value: {fault}", quoted(text));
                Diagnostic::new(text, "compare the expression with the secret")
            })
        };
        let found = expression.search(document, &mut self.budget);
        let mistaken = expression.mistaken(found.as_ref().ok(), document, &mut self.budget);
        match mistaken.map_err(failed)? {
            Some(wrong) => Err(wrong.into()),
            None => found.map_err(failed),
        }
    }

    /// The file of one key of the top-level object, if there is one.
    fn key(
        &mut self,
        index: usize,
        file: &'a PlannedFile,
        translation: Translation,
        name: &str,
        value: &Value,
    ) -> Result<(), Halt> {
        if matches!(value, Value::Null) {
            if file.optional {
                return Ok(());
            }
            let wrong = format!("the key for the file {} holds null", quoted(name));
            return Err(Diagnostic::new(wrong, "write \"optional: true\" to skip such keys").into());
        }
        let remedy = "rename the key in the secret, or select it with an expression and an objectAlias";
        let path = FileName::parse(&translation.apply(name));
        let path = path.map_err(|wrong| Diagnostic::new(wrong.text, remedy))?;
        let contents = self.contents(value, file.encoding)?;
        self.add(index, file, path, contents)
    }

    /// The bytes of a result: text as it is, anything else as JSON.
    fn contents(&mut self, result: &Value, encoding: Option<Encoding>) -> Result<Secret, Halt> {
        let text = match result {
            Value::Text(text) => self.budget.text(text.as_str().len()).map(|()| text.clone()),
            other => self.budget.write(other),
        };
        let text = text.map_err(|fault| {
            let wrong = || Diagnostic::new(format!("the result has no text: {fault}"), "select less");
            self.room.halt(&fault, wrong)
        })?;
        let contents = Secret::from(text.as_str().to_owned());
        match encoding {
            Some(encoding) => Ok(encoding.decode(&contents)?),
            None => Ok(contents),
        }
    }

    fn add(
        &mut self,
        object: usize,
        file: &'a PlannedFile,
        path: FileName,
        contents: Secret,
    ) -> Result<(), Halt> {
        self.bytes = self.bytes.saturating_add(contents.len());
        if self.bytes > self.room.files && self.room.files < limits::RENDERED_BYTES {
            return Err(Halt::NoRoom);
        }
        let (files, bytes) = (limits::FILES, limits::RENDERED_BYTES);
        if self.files.len() >= files || self.bytes > bytes {
            let text = format!("the class makes more than {files} files or {bytes} bytes");
            return Err(Halt::Last(Diagnostic::new(text, "split the SecretProviderClass")));
        }
        self.paths.take(&path, &file.place)?;
        self.files.push(RenderedFile {
            path,
            mode: file.mode,
            contents,
            object,
        });
        Ok(())
    }
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
