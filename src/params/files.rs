//! The files of a plan as far as they are known before any value is: for whoever wants to see them beforehand.

use super::names::Mode;
use super::parts::Select;
use super::plan::Plan;

/// A file that a plan will make.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlannedFile<'a> {
    /// Its path below the mount; for [`Extracted::Keys`] what all paths begin with, before the keys.
    pub path: &'a str,
    /// Its mode.
    pub mode: Mode,
    /// The object it comes from: an index of [`Plan::objects`].
    pub object: usize,
    /// What of the object's value it holds.
    pub part: Extracted<'a>,
    /// Whether the file may be left out: of an object, or of a part, that is `optional`.
    pub optional: bool,
    /// `objectEncoding`, which is undone before writing.
    pub encoding: Option<&'static str>,
}

/// What of a value becomes a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extracted<'a> {
    /// All of it.
    Whole,
    /// The result of this JMESPath expression.
    Expression(&'a str),
    /// A file for each top-level key.
    Keys,
}

impl Plan {
    /// The files, in the order in which [`Plan::render`] makes them.
    pub fn files(&self) -> Vec<PlannedFile<'_>> {
        let mut files = Vec::new();
        for (index, object) in self.objects.iter().enumerate() {
            files.extend(object.whole.iter().map(|target| PlannedFile {
                path: target.path.as_str(),
                mode: target.mode,
                object: index,
                part: Extracted::Whole,
                optional: object.optional,
                encoding: object.encoding.map(super::encoding::Encoding::name),
            }));
            files.extend(object.parts.iter().map(|part| {
                let (path, mode, extracted) = match &part.select {
                    Select::One { expression, target } => (
                        target.path.as_str(),
                        target.mode,
                        Extracted::Expression(expression.as_str()),
                    ),
                    Select::Keys { prefix, mode, .. } => (prefix.as_str(), *mode, Extracted::Keys),
                };
                PlannedFile {
                    path,
                    mode,
                    object: index,
                    part: extracted,
                    optional: object.optional || part.optional,
                    encoding: part.encoding.map(super::encoding::Encoding::name),
                }
            }));
        }
        files
    }
}
