//! What is wrong with a text, where, and what to write instead.

use std::fmt;

use crate::limits;

/// A place in the text of `objects`: both numbers count from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// The line.
    pub line: usize,
    /// The column, in characters.
    pub column: usize,
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}, column {}", self.line, self.column)
    }
}

/// What is wrong with a text, and what to write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// Where in the text, if that is one place of a larger one.
    pub at: Option<Position>,
    /// What is wrong.
    pub text: String,
    /// What to write; empty when there is nothing to say.
    pub remedy: String,
}

impl Diagnostic {
    pub(crate) fn new(text: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self {
            at: None,
            text: text.into(),
            remedy: remedy.into(),
        }
    }

    /// `text`, as its author wrote it, is not `what` it must be.
    pub(crate) fn not(text: &str, what: &str, remedy: impl Into<String>) -> Self {
        Self::new(format!("{} is not {what}", quoted(text)), remedy)
    }

    pub(crate) fn at(at: Position, text: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self {
            at: Some(at),
            ..Self::new(text, remedy)
        }
    }

    /// Whether there are at most so many of what.
    ///
    /// # Errors
    /// There are more.
    pub(crate) fn bound(count: usize, what: &str, most: usize, remedy: &str) -> Result<(), Self> {
        if count <= most {
            return Ok(());
        }
        let text = format!("{count} {what} are more than the limit of {most}");
        Err(Self::new(text, remedy))
    }

    /// The same about the value that is called `what` and stands at `at`, if nothing within it is what is wrong.
    pub(crate) fn within(self, what: &str, at: Position) -> Self {
        let text = format!("{what}: {}", self.text);
        Self { text, ..self }.or_at(at)
    }

    /// The same with a place, if it has none.
    pub(crate) fn or_at(self, at: Position) -> Self {
        let at = self.at.or(Some(at));
        Self { at, ..self }
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(at) = self.at {
            write!(f, "{at}: ")?;
        }
        f.write_str(&self.text)?;
        if self.remedy.is_empty() {
            return Ok(());
        }
        write!(f, "; {}", self.remedy)
    }
}

impl std::error::Error for Diagnostic {}

/// Text that its author wrote, quoted for a message: control characters escaped, cut when long.
pub(crate) fn quoted(text: &str) -> String {
    format!("{:?}", bounded(text, limits::QUOTED_BYTES))
}

/// `text`, cut at a character boundary so that about `bytes` remain.
pub(crate) fn bounded(text: &str, bytes: usize) -> String {
    if text.len() <= bytes {
        return text.to_owned();
    }
    let cut = text.get(..text.floor_char_boundary(bytes)).unwrap_or_default();
    format!("{cut}…")
}

/// Longer words are compared with nothing: each comparison takes the product of both lengths in steps.
const WORD_BYTES: usize = 64;

/// The word of `known` that `key` was probably meant to be, a key or a flag: at most a third of it mistyped, or only its end
/// written, as in `version`.
pub fn nearest<'a>(key: &str, known: &[&'a str]) -> Option<&'a str> {
    let key = key.to_ascii_lowercase();
    let ends_so = |candidate: &&&'a str| key.len() >= 4 && candidate.to_ascii_lowercase().ends_with(&key);
    if let Some(longer) = known.iter().find(ends_so) {
        return Some(longer);
    }
    let comparable = known
        .iter()
        .filter(|candidate| key.len().max(candidate.len()) <= WORD_BYTES);
    comparable
        .map(|candidate| {
            (
                strsim::levenshtein(&key, &candidate.to_ascii_lowercase()),
                *candidate,
            )
        })
        .filter(|(distance, candidate)| *distance <= (candidate.len() / 3).max(1))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// What to write instead of a `kind` that is not among `known`: the nearest, or else one of them all.
pub(crate) fn suggestion(kind: &str, word: &str, known: &[&str]) -> String {
    match nearest(word, known) {
        Some(near) => format!("did you mean {near}?"),
        None => format!("the {kind}s are {}", known.join(", ")),
    }
}

/// A `path` as YAML, for a remedy: complete, so that it can be copied.
pub(crate) fn in_yaml(expression: &str) -> String {
    if expression.chars().all(|c| c == '"' || c == '\\' || is_plain(c)) {
        return format!("path: '{}'", expression.replace('\'', "''"));
    }
    format!("path: {}", double_quoted(expression))
}

/// YAML for a text, whatever is in it.
pub(crate) fn double_quoted(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len() + 2);
    escaped.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => escaped.extend(['\\', c]),
            c if is_plain(c) => escaped.push(c),
            c => escaped.push_str(&format!("\\U{:08x}", u32::from(c))),
        }
    }
    escaped.push('"');
    escaped
}

fn is_plain(c: char) -> bool {
    c == '\'' || c.escape_debug().len() == 1
}
