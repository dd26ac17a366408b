//! Environment variables.

use std::ffi::OsString;

use super::error::ConfigError;

/// A source of environment variables.
pub trait Environment {
    /// The variable's value; `None` if it is unset.
    fn get(&self, name: &str) -> Option<OsString>;
}

/// Reads variables, and collects warnings about them and about flags.
pub(super) struct Variables<'a> {
    environment: &'a dyn Environment,
    /// Whether incomplete identities are skipped.
    pub(super) fallback: bool,
    pub(super) warnings: Vec<String>,
}

impl<'a> Variables<'a> {
    pub(super) fn new(environment: &'a dyn Environment, fallback: bool) -> Self {
        Self {
            environment,
            fallback,
            warnings: Vec::new(),
        }
    }

    pub(super) fn warn(&mut self, warning: impl Into<String>) {
        self.warnings.push(warning.into());
    }

    /// The variable's text; `None` if it is unset. Empty counts as unset, because charts render empty values.
    pub(super) fn text(&self, name: &'static str) -> Result<Option<String>, ConfigError> {
        let set = self.environment.get(name).filter(|value| !value.is_empty());
        set.map(OsString::into_string)
            .transpose()
            .map_err(|_| ConfigError::new(format!("{name} is not UTF-8")))
    }

    /// The text without surrounding white space, which Base64 in a Secret often contains.
    pub(super) fn trimmed(&self, name: &'static str) -> Result<Option<String>, ConfigError> {
        let mut text = self.text(name)?;
        if let Some(text) = &mut text {
            // In place, so that no copy of a secret stays in memory.
            text.truncate(text.trim_end().len());
            text.drain(..text.len() - text.trim_start().len());
        }
        Ok(text)
    }

    /// Skips an incomplete identity with a warning if `--allow-identity-fallback` is set, else fails. The official
    /// provider always skips it, without a warning.
    pub(super) fn missing<T>(&mut self, message: &str) -> Result<Option<T>, ConfigError> {
        if !self.fallback {
            return Err(ConfigError::new(message));
        }
        let why = "skipped because of --allow-identity-fallback";
        self.warn(format!("{message} ({why})"));
        Ok(None)
    }

    /// Two variables that must be set together.
    pub(super) fn pair(
        &mut self,
        first: &'static str,
        second: &'static str,
    ) -> Result<Option<(String, String)>, ConfigError> {
        let (set, unset) = match (self.trimmed(first)?, self.trimmed(second)?) {
            (Some(one), Some(other)) => return Ok(Some((one, other))),
            (None, None) => return Ok(None),
            (Some(_), None) => (first, second),
            (None, Some(_)) => (second, first),
        };
        self.missing(&format!("{set} is set and {unset} is not; set both, or neither"))
    }

    /// A variable that is true or false, and false when unset.
    pub(super) fn switch(&mut self, name: &'static str) -> Result<bool, ConfigError> {
        let Some(text) = self.text(name)? else {
            return Ok(false);
        };
        self.yes_or_no(name, &text)
            .ok_or_else(|| ConfigError::new(format!("{name}: expected true or false")))
    }

    /// A switch's value; `None` if it is neither yes nor no. The official provider's SDK reads only `true` as yes, and
    /// every other text as no.
    pub(super) fn yes_or_no(&mut self, name: &str, text: &str) -> Option<bool> {
        match text.trim().to_ascii_lowercase().as_str() {
            "true" | "1" | "t" | "yes" | "y" | "on" => {
                if !text.eq_ignore_ascii_case("true") {
                    let there = "the official provider accepts only the word true";
                    self.warn(format!("{name} is read as true; {there}"));
                }
                Some(true)
            }
            "false" | "0" | "f" | "no" | "n" | "off" | "" => Some(false),
            _ => None,
        }
    }
}

/// The environment of this process.
#[derive(Clone, Copy, Debug)]
pub struct ProcessEnvironment;

#[expect(
    clippy::disallowed_methods,
    reason = "the one place that reads the environment"
)]
impl Environment for ProcessEnvironment {
    fn get(&self, name: &str) -> Option<OsString> {
        std::env::var_os(name)
    }
}

/// A fixed set of variables, for tests and for embedding.
impl Environment for &[(&'static str, &str)] {
    fn get(&self, name: &str) -> Option<OsString> {
        let found = self.iter().find(|(key, value)| *key == name && !value.is_empty());
        found.map(|(_, value)| value.into())
    }
}
