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

    pub(crate) fn at(at: Position, text: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self {
            at: Some(at),
            ..Self::new(text, remedy)
        }
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
    let cut: String = text
        .char_indices()
        .take_while(|(at, _)| *at < bytes)
        .map(|(_, c)| c)
        .collect();
    format!("{cut}…")
}

/// The word of `known` that `key` was probably meant to be, a key or a flag: at most a third of it mistyped, or only its end
/// written, as in `version`.
pub fn nearest<'a>(key: &str, known: &[&'a str]) -> Option<&'a str> {
    let key = key.to_ascii_lowercase();
    let ends_so = |candidate: &&&'a str| key.len() >= 4 && candidate.to_ascii_lowercase().ends_with(&key);
    if let Some(longer) = known.iter().find(ends_so) {
        return Some(longer);
    }
    known
        .iter()
        .map(|candidate| (distance(&key, &candidate.to_ascii_lowercase()), *candidate))
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

/// How many single-character edits lie between two short texts (Levenshtein). Long ones are simply far apart.
fn distance(a: &str, b: &str) -> usize {
    if a.len() > 64 || b.len() > 64 {
        return usize::MAX;
    }
    let mut row: Vec<usize> = (0..=b.chars().count()).collect();
    for (i, ca) in a.chars().enumerate() {
        let mut diagonal = i;
        let mut left = i + 1;
        for (cell, cb) in row.iter_mut().skip(1).zip(b.chars()) {
            let substituted = diagonal + usize::from(ca != cb);
            diagonal = *cell;
            left = substituted.min(*cell + 1).min(left + 1);
            *cell = left;
        }
        if let Some(first) = row.first_mut() {
            *first = i + 1;
        }
    }
    row.last().copied().unwrap_or_default()
}

/// A `path` as YAML, for a remedy: complete, so that it can be copied.
pub(crate) fn in_yaml(expression: &str) -> String {
    let is_plain = |c: char| c == '\'' || c == '"' || c == '\\' || c.escape_debug().len() == 1;
    if expression.chars().all(is_plain) {
        return format!("path: '{}'", expression.replace('\'', "''"));
    }
    let mut escaped = String::new();
    for c in expression.chars() {
        match c {
            '"' | '\\' => escaped.extend(['\\', c]),
            c if is_plain(c) => escaped.push(c),
            c => escaped.push_str(&format!("\\U{:08x}", u32::from(c))),
        }
    }
    format!("path: \"{escaped}\"")
}
