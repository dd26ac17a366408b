//! The environment as an argument.

/// Where environment variables come from.
pub trait Environment {
    /// The variable's text; `None` if it is unset. Empty counts as unset, as charts render empty values.
    ///
    /// # Errors
    /// The variable is set and not UTF-8.
    fn variable(&self, name: &'static str) -> Result<Option<String>, NotText>;
}

/// A variable whose value is not UTF-8.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotText(pub &'static str);

/// The process's own environment.
#[derive(Clone, Copy, Debug)]
pub struct ProcessEnvironment;

#[expect(
    clippy::disallowed_methods,
    reason = "the one place that reads the environment"
)]
impl Environment for ProcessEnvironment {
    fn variable(&self, name: &'static str) -> Result<Option<String>, NotText> {
        match std::env::var(name) {
            Ok(value) if value.is_empty() => Ok(None),
            Ok(value) => Ok(Some(value)),
            Err(std::env::VarError::NotPresent) => Ok(None),
            Err(std::env::VarError::NotUnicode(_)) => Err(NotText(name)),
        }
    }
}

/// A fixed set of variables, for tests and for embedding.
impl Environment for &[(&'static str, &str)] {
    fn variable(&self, name: &'static str) -> Result<Option<String>, NotText> {
        let value = self.iter().find(|(key, value)| *key == name && !value.is_empty());
        Ok(value.map(|(_, value)| (*value).to_owned()))
    }
}
