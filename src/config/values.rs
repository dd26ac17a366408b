//! One flag's value, read and checked.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use super::args::Args;
use super::settings::ConfigError;
use super::units::{go_duration, go_integer};

pub(super) fn parsed<T: FromStr>(args: &Args, name: &'static str, expected: &str) -> Result<T, ConfigError> {
    args.value(name)
        .parse()
        .map_err(|_| invalid(args, name, &format!("expected {expected}")))
}

pub(super) fn checked<T: FromStr<Err: fmt::Display>>(
    args: &Args,
    name: &'static str,
) -> Result<T, ConfigError> {
    args.value(name)
        .parse()
        .map_err(|error: T::Err| invalid(args, name, &error))
}

/// A number that the official provider takes, whatever it is: one outside of the range is moved to its nearest end,
/// with a warning that goes on with what the flag `means`.
pub(super) fn moved_into(
    args: &Args,
    name: &'static str,
    (least, most): (usize, usize),
    means: &str,
    warnings: &mut Vec<String>,
) -> Result<usize, ConfigError> {
    let given = go_integer(args.value(name))
        .ok_or_else(|| invalid(args, name, &format!("expected a number from {least} to {most}")))?;
    let number = usize::try_from(given.max(0))
        .unwrap_or(usize::MAX)
        .clamp(least, most);
    if i64::try_from(number) != Ok(given) {
        warnings.push(format!(
            "--{name}={}: expected {least} to {most}, using {number}; {means}",
            args.value(name)
        ));
    }
    Ok(number)
}

pub(super) fn duration(args: &Args, name: &'static str) -> Result<Duration, ConfigError> {
    duration_up_to(args, name, Duration::from_secs(3600), "an hour")
}

pub(super) fn duration_up_to(
    args: &Args,
    name: &'static str,
    most: Duration,
    in_words: &str,
) -> Result<Duration, ConfigError> {
    let duration = go_duration(args.value(name)).filter(|duration| *duration <= most);
    duration.ok_or_else(|| {
        let expected = format!("expected a duration such as 500ms, 5s or 1m30s, at most {in_words}");
        invalid(args, name, &expected)
    })
}

pub(super) fn invalid(args: &Args, name: &'static str, problem: &dyn fmt::Display) -> ConfigError {
    let value = args.value(name).escape_debug();
    ConfigError::new(format!("--{name}={value}: {problem}"))
}
