//! Problems and warnings: what is wrong, where, and what to write instead.
//!
//! They are read in pod events, so each names the item, the object and the field, and the whole message is
//! bounded. They quote what the author of a SecretProviderClass wrote, never a secret.

use std::fmt;

use crate::diagnostic::{Diagnostic, Position, bounded, quoted};
use crate::limits;

/// What a problem or a warning is about. Empty for the request as a whole.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// The item of `objects`, counted from 1.
    pub item: Option<usize>,
    /// That item's `objectName`.
    pub object: Option<String>,
    /// The field or parameter, such as `objectAlias` or `jmesPath[2].path`.
    pub field: Option<String>,
    /// Where in `objects`.
    pub at: Option<Position>,
}

impl Place {
    /// A parameter of the class, such as `region`.
    pub(crate) fn parameter(name: &str) -> Self {
        Self {
            field: Some(name.to_owned()),
            ..Self::default()
        }
    }

    /// An item of `objects`, and its `objectName` if that is known.
    pub(crate) fn item(number: usize, object: Option<String>) -> Self {
        Self {
            item: Some(number),
            object,
            ..Self::default()
        }
    }

    /// The same place with another position.
    pub(crate) fn at(&self, at: Position) -> Self {
        Self {
            at: Some(at),
            ..self.clone()
        }
    }

    /// The same item, at one of its fields.
    pub(crate) fn field(&self, field: impl Into<String>, at: Position) -> Self {
        Self {
            field: Some(field.into()),
            at: Some(at),
            ..self.clone()
        }
    }

    /// Item, object and field, as far as they are known, without the position.
    pub fn subject(&self) -> String {
        let item = self.item.map(|item| format!("item {item}"));
        let object = self.object.as_deref().filter(|_| item.is_some()).map(quoted);
        let parts = [item, object, self.field.clone()];
        parts.into_iter().flatten().collect::<Vec<_>>().join(" ")
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let subject = self.subject();
        f.write_str(&subject)?;
        match self.at {
            Some(at) if subject.is_empty() => write!(f, "{at}"),
            Some(at) => write!(f, " ({at})"),
            None => Ok(()),
        }
    }
}

/// One thing that is wrong with the parameters, or with a value that they ask for; or that works, but probably not as its
/// author meant it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// What it is about.
    pub place: Place,
    /// What is wrong.
    pub text: String,
    /// What to do about it; empty when there is nothing to say.
    pub remedy: String,
}

impl Problem {
    pub(crate) fn new(place: &Place, text: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self {
            place: place.clone(),
            text: text.into(),
            remedy: remedy.into(),
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let wrong = Diagnostic::new(self.text.as_str(), self.remedy.as_str());
        match self.place.to_string().as_str() {
            "" => write!(f, "{wrong}"),
            place => write!(f, "{place}: {wrong}"),
        }
    }
}

/// Everything that is wrong, at least one problem.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Problems {
    list: Vec<Problem>,
    /// How many more there are, past [`limits::PROBLEMS`].
    dropped: usize,
}

impl Problems {
    /// The problems, in the order of the text.
    pub fn iter(&self) -> std::slice::Iter<'_, Problem> {
        self.list.iter()
    }

    /// How many more there are, past [`limits::PROBLEMS`].
    pub fn dropped(&self) -> usize {
        self.dropped
    }

    pub(super) fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Notes a problem. Past [`limits::PROBLEMS`] further ones are only counted, to keep messages short.
    pub(super) fn add(&mut self, place: &Place, wrong: Diagnostic) {
        if self.list.len() >= limits::PROBLEMS {
            self.dropped = self.dropped.saturating_add(1);
            return;
        }
        let at = wrong.at.or(place.at);
        let place = Place { at, ..place.clone() };
        self.list.push(Problem::new(&place, wrong.text, wrong.remedy));
    }

    /// In the order of the text: those of the class first, then by position.
    pub(super) fn sorted(mut self) -> Self {
        self.list
            .sort_by_key(|problem| (problem.place.item, problem.place.at));
        self
    }
}

impl fmt::Display for Problems {
    /// All of them in one line, cut where [`limits::PROBLEMS_MESSAGE_BYTES`] is reached.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut written = 0_usize;
        for (index, problem) in self.list.iter().enumerate() {
            let text = bounded(&problem.to_string(), limits::PROBLEMS_MESSAGE_BYTES);
            written = written.saturating_add(text.len());
            if index > 0 && written > limits::PROBLEMS_MESSAGE_BYTES {
                let all = self.list.len().saturating_add(self.dropped);
                return write!(f, " | and {} more", all.saturating_sub(index));
            }
            let separator = if index > 0 { " | " } else { "" };
            write!(f, "{separator}{text}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}
