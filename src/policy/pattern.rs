//! Patterns: text in which `*` stands for any run of characters, also none, and `?` for exactly one.

use wildmatch::WildMatch;

use crate::diagnostic::{Diagnostic, quoted};
use crate::limits;

/// A pattern, checked. Case counts.
#[derive(Clone, Debug)]
pub struct Pattern {
    text: String,
    form: WildMatch,
}

impl Pattern {
    /// The pattern that `text` writes, of characters that `allowed` lets pass beside the wildcards.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(super) fn new(text: &str, allowed: impl Fn(char) -> bool) -> Result<Self, Diagnostic> {
        let most = limits::POLICY_PATTERN_BYTES;
        let wrong = match text.chars().find(|c| !matches!(c, '*' | '?') && !allowed(*c)) {
            _ if text.is_empty() => "an empty pattern matches nothing".to_owned(),
            _ if text.len() > most => format!("a pattern of {} bytes is longer than {most}", text.len()),
            Some(c) => format!("{}: the character {c:?} cannot occur there", quoted(text)),
            None => {
                let form = WildMatch::new(text);
                let text = text.to_owned();
                return Ok(Self { text, form });
            }
        };
        Err(Diagnostic::new(wrong, ""))
    }

    /// As written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether it is `*` alone.
    pub fn is_anything(&self) -> bool {
        self.text.chars().all(|c| c == '*')
    }

    /// Whether the whole of `text` has this form. Takes at most the product of both lengths in steps.
    pub fn matches(&self, text: &str) -> bool {
        self.form.matches(text)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn pattern(text: &str) -> Pattern {
        Pattern::new(text, |_| true).expect("a pattern")
    }

    #[test]
    fn wildcards() {
        for (form, yes, no) in [
            ("db", &["db"][..], &["", "d", "dbx", "DB"][..]),
            ("*", &["", "a", "a/b", "é"], &[]),
            ("db/*", &["db/", "db/a", "db/a/b"], &["db", "xdb/a"]),
            ("*-prod", &["-prod", "a-prod", "-prod-prod"], &["prod", "a-prod1"]),
            ("a*b*c", &["abc", "aXbYc", "abbcc"], &["ab", "acb", "abcd"]),
            ("??", &["ab", "éß"], &["a", "abc"]),
            ("a?*", &["ab", "abc"], &["a"]),
            ("**", &["", "x"], &[]),
        ] {
            let form = pattern(form);
            for text in yes {
                assert!(form.matches(text), "{form:?} {text:?}");
            }
            for text in no {
                assert!(!form.matches(text), "{form:?} {text:?}");
            }
        }
    }

    #[test]
    fn what_is_no_pattern() {
        assert!(Pattern::new("", |_| true).is_err());
        assert!(Pattern::new("a b", |c| c != ' ').is_err());
        assert!(Pattern::new(&"a".repeat(limits::POLICY_PATTERN_BYTES + 1), |_| true).is_err());
    }

    /// The obvious definition, which takes exponential time.
    fn slowly(pattern: &[char], text: &[char]) -> bool {
        match (pattern.split_first(), text.split_first()) {
            (None, None) => true,
            (Some(('*', rest)), None) => slowly(rest, text),
            (Some(('*', rest)), Some((_, tail))) => slowly(rest, text) || slowly(pattern, tail),
            (Some((c, rest)), Some((d, tail))) => (*c == '?' || c == d) && slowly(rest, tail),
            _ => false,
        }
    }

    proptest! {
        #[test]
        fn as_defined(form in "[ab*?]{1,8}", text in "[ab]{0,8}") {
            let chars = |text: &str| text.chars().collect::<Vec<_>>();
            prop_assert_eq!(pattern(&form).matches(&text), slowly(&chars(&form), &chars(&text)));
        }
    }
}
