//! A flag: its name, help and value.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use super::error::ConfigError;
use super::units::{go_duration, go_integer};

/// A flag of the command line.
pub(super) struct Flag {
    /// Name without dashes.
    pub(super) name: String,
    /// Placeholder for the value in the help; empty for a switch.
    pub(super) value: &'static str,
    /// Default value; empty for none.
    pub(super) default: &'static str,
    /// One line of help; empty for flags that are accepted and ignored.
    pub(super) help: &'static str,
    /// The given value; the last one counts, as in Go.
    pub(super) given: Option<String>,
}

impl Flag {
    /// A switch takes no value of its own, only `=true` or `=false`.
    pub(super) const fn is_switch(&self) -> bool {
        self.value.is_empty()
    }

    /// Accepted for existing manifests, without effect.
    pub(super) const fn is_ignored(&self) -> bool {
        self.help.is_empty()
    }

    pub(super) fn is_on(&self) -> bool {
        self.given.as_deref() == Some("true")
    }

    /// The value as given, else the default.
    pub(super) fn text(&self) -> &str {
        self.given.as_deref().unwrap_or(self.default)
    }

    /// The value, unless it is empty.
    pub(super) fn filled(&self) -> Option<&str> {
        Some(self.text()).filter(|text| !text.is_empty())
    }

    /// The value, unless it is empty.
    pub(super) fn owned(&self) -> Option<String> {
        self.filled().map(str::to_owned)
    }

    /// The path, unless it is empty.
    pub(super) fn path(&self) -> Option<PathBuf> {
        self.filled().map(PathBuf::from)
    }

    /// The error for an invalid value.
    pub(super) fn invalid(&self, problem: impl fmt::Display) -> ConfigError {
        let value = self.text().escape_debug();
        ConfigError::new(format!("--{}={value}: {problem}", self.name))
    }

    /// The value, parsed.
    pub(super) fn parsed<T: FromStr<Err: fmt::Display>>(&self) -> Result<T, ConfigError> {
        self.text().parse().map_err(|error: T::Err| self.invalid(error))
    }

    /// The entry of `table` that the value names.
    pub(super) fn one_of<T: Copy>(&self, table: &[(&str, T)]) -> Result<T, ConfigError> {
        let found = table.iter().find(|(name, _)| *name == self.text());
        found.map(|(_, value)| *value).ok_or_else(|| {
            let names: Vec<&str> = table.iter().map(|(name, _)| *name).collect();
            self.invalid(format!("expected {}", names.join(" or ")))
        })
    }

    /// The warning that `used` replaces the flag's value.
    pub(super) fn using(&self, used: impl fmt::Display, why: &str) -> String {
        format!("--{}={}: {why}, using {used}", self.name, self.text())
    }

    /// Clamps a number to the range, because the official provider accepts any number. The warning ends with what the
    /// flag `means`.
    pub(super) fn moved_into(
        &self,
        given: Option<i64>,
        (least, most): (usize, usize),
        means: &str,
        warnings: &mut Vec<String>,
    ) -> Result<usize, ConfigError> {
        let expected = || format!("expected a number from {least} to {most}");
        let given = given.ok_or_else(|| self.invalid(expected()))?;
        let number = usize::try_from(given.max(0)).unwrap_or(usize::MAX);
        let number = number.clamp(least, most);
        if i64::try_from(number) != Ok(given) {
            let used = format!("{number}; {means}");
            warnings.push(self.using(used, &format!("expected {least} to {most}")));
        }
        Ok(number)
    }

    /// A whole number as Go reads it.
    pub(super) fn integer(&self) -> Option<i64> {
        go_integer(self.text())
    }

    /// A duration of at most an hour.
    pub(super) fn duration(&self) -> Result<Duration, ConfigError> {
        self.duration_up_to(Duration::from_secs(3600), "an hour")
    }

    pub(super) fn duration_up_to(&self, most: Duration, in_words: &str) -> Result<Duration, ConfigError> {
        let duration = go_duration(self.text()).filter(|duration| *duration <= most);
        duration.ok_or_else(|| {
            let example = "a duration such as 500ms, 5s or 1m30s";
            self.invalid(format!("expected {example}, at most {in_words}"))
        })
    }
}
