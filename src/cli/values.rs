//! One flag's value, read and checked.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use super::args::Args;
use super::config::ConfigError;
use super::units::go_duration;

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

pub(super) fn positive_duration(args: &Args, name: &'static str) -> Result<Duration, ConfigError> {
    let duration = duration(args, name)?;
    if duration.is_zero() {
        Err(invalid(args, name, &"expected more than nothing"))
    } else {
        Ok(duration)
    }
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
    ConfigError::new(format!("--{name}={}: {problem}", args.value(name)))
}
