//! Command lines as Go's `flag` package reads them, which is what existing manifests are written for: one dash or
//! two, `--flag=value` or `--flag value`, switches without a value. No library has these rules, and they are few.

use std::collections::BTreeMap;
use std::ffi::OsString;

use super::ConfigError;
use super::flags::Flag;
use super::subcommand::Subcommand;
use crate::diagnostic::nearest;

/// The flags that were given, with their values. The last one of a name counts, as in Go.
#[derive(Debug)]
pub(super) struct Args {
    subcommand: &'static Subcommand,
    given: BTreeMap<&'static str, String>,
    operands: Vec<OsString>,
}

impl Args {
    /// Reads what follows the subcommand's name. Its operands may stand between flags; all that follows `--` is
    /// operands, and so is a lone `-`.
    pub(super) fn parse(
        subcommand: &'static Subcommand,
        arguments: impl IntoIterator<Item = OsString>,
    ) -> Result<Self, ConfigError> {
        let mut given = BTreeMap::new();
        let mut operands = Vec::new();
        let mut arguments = arguments.into_iter().peekable();
        while let Some(argument) = arguments.next() {
            let takes_operands = !subcommand.operands.is_empty();
            if takes_operands && argument == "--" {
                operands.extend(arguments);
                break;
            }
            if takes_operands && (argument == "-" || !argument.as_encoded_bytes().starts_with(b"-")) {
                operands.push(argument);
                continue;
            }
            let argument = text(argument)?;
            if argument == "--" && arguments.peek().is_none() {
                break;
            }
            let Some(name) = argument.strip_prefix("--").or_else(|| argument.strip_prefix('-')) else {
                return Err(ConfigError::new(format!(
                    "unknown argument {argument:?}; see --help"
                )));
            };
            let (name, inline) = match name.split_once('=') {
                Some((name, value)) => (name, Some(value.to_owned())),
                None => (name, None),
            };
            let flag = subcommand
                .flag(name)
                .ok_or_else(|| unknown(subcommand, &argument, name))?;
            let value = match inline {
                Some(value) if flag.is_switch() => switch(flag, &value)?,
                Some(value) => value,
                None if flag.is_switch() => "true".to_owned(),
                None => match arguments.next() {
                    Some(value) => text(value)?,
                    None => {
                        return Err(ConfigError::new(format!(
                            "--{name} needs a value: {}",
                            flag.value
                        )));
                    }
                },
            };
            given.insert(flag.name, value);
        }
        Ok(Self {
            subcommand,
            given,
            operands,
        })
    }

    /// What stands beside the flags, in its order.
    pub(super) fn operands(&self) -> &[OsString] {
        &self.operands
    }

    /// The flag's value: as given, else its default.
    pub(super) fn value(&self, name: &'static str) -> &str {
        match self.given.get(name) {
            Some(value) => value,
            None => self.default(name),
        }
    }

    /// The flag's value where it is not given.
    pub(super) fn default(&self, name: &'static str) -> &'static str {
        self.subcommand.flag(name).map_or("", |flag| flag.default)
    }

    /// Whether a switch is on, or a flag was given at all.
    pub(super) fn is_given(&self, name: &'static str) -> bool {
        self.given.get(name).is_some_and(|value| value != "false")
    }

    /// The given flags that have no effect.
    pub(super) fn ignored(&self) -> impl Iterator<Item = &'static str> {
        self.given
            .keys()
            .copied()
            .filter(|name| self.subcommand.flag(name).is_some_and(Flag::is_ignored))
    }
}

fn text(argument: OsString) -> Result<String, ConfigError> {
    argument
        .into_string()
        .map_err(|argument| ConfigError::new(format!("argument {} is not UTF-8", argument.display())))
}

/// The values that Go's strconv.ParseBool takes.
fn switch(flag: &Flag, value: &str) -> Result<String, ConfigError> {
    match value {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Ok("true".to_owned()),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Ok("false".to_owned()),
        _ => Err(ConfigError::new(format!(
            "--{}={value}: only true and false are possible",
            flag.name
        ))),
    }
}

fn unknown(subcommand: &Subcommand, argument: &str, name: &str) -> ConfigError {
    let known: Vec<&'static str> = subcommand
        .flags()
        .filter(|flag| !flag.is_ignored())
        .map(|flag| flag.name)
        .collect();
    let hint = match nearest(name, &known) {
        Some(name) => format!("did you mean --{name}?"),
        None => "see --help".to_owned(),
    };
    let argument = argument.split('=').next().unwrap_or_default();
    ConfigError::new(format!("unknown flag {}; {hint}", argument.escape_debug()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::subcommand::{SERVE, VALIDATE};

    fn parse(arguments: &[&str]) -> Result<Args, String> {
        Args::parse(&SERVE, arguments.iter().map(OsString::from)).map_err(|error| error.to_string())
    }

    #[test]
    fn operands_stand_anywhere_and_after_two_dashes_everything_is_one() {
        let arguments = ["a.yaml", "--output", "json", "-", "--", "--output", "b"];
        let args = Args::parse(&VALIDATE, arguments.iter().map(OsString::from)).expect("arguments");
        assert_eq!(args.operands(), ["a.yaml", "-", "--output", "b"]);
        assert_eq!(args.value("output"), "json");
        let error = Args::parse(&VALIDATE, ["--outptu=json"].map(OsString::from)).expect_err("must fail");
        assert_eq!(error.to_string(), "unknown flag --outptu; did you mean --output?");
        Args::parse(&VALIDATE, ["--v=4"].map(OsString::from)).expect_err("a flag of another subcommand");
    }

    #[test]
    fn all_four_spellings() {
        for arguments in [
            &["--region=eu-west-1"][..],
            &["-region=eu-west-1"],
            &["--region", "eu-west-1"],
            &["-region", "eu-west-1"],
            &["-region", "other", "--region=eu-west-1"],
        ] {
            assert_eq!(
                parse(arguments).expect("arguments").value("region"),
                "eu-west-1",
                "{arguments:?}"
            );
        }
        assert_eq!(
            parse(&["-v", "-1"])
                .expect("a value may begin with a dash")
                .value("v"),
            "-1"
        );
        assert_eq!(parse(&["--region="]).expect("an empty value").value("region"), "");
    }

    #[test]
    fn defaults_are_the_official_ones() {
        let args = parse(&[]).expect("no arguments");
        for (name, value) in [
            ("provider-volume", "/etc/kubernetes/secrets-store-csi-providers"),
            ("healthz-port", "8989"),
            ("healthz-path", "/healthz"),
            ("healthz-timeout", "5s"),
            ("max-concurrent-kms-secret-pulls", "10"),
            ("max-concurrent-oos-secret-pulls", "10"),
            ("region", ""),
            ("v", "0"),
        ] {
            assert_eq!(args.value(name), value, "{name}");
        }
    }

    #[test]
    fn klog_flags_are_accepted_and_listed() {
        let args = parse(&[
            "--logtostderr",
            "-vmodule=server=3",
            "--log_dir",
            "/tmp",
            "-alsologtostderr=F",
            "--alsologtostderrthreshold=2",
            "--legacy_stderr_threshold_behavior=T",
            "--",
        ]);
        let ignored: Vec<&str> = args.expect("klog flags").ignored().collect();
        assert_eq!(
            ignored,
            [
                "alsologtostderr",
                "alsologtostderrthreshold",
                "legacy_stderr_threshold_behavior",
                "log_dir",
                "logtostderr",
                "vmodule"
            ]
        );
    }

    #[test]
    fn wrong_ones_are_one_line() {
        for (arguments, message) in [
            (
                &["--regoin=x"][..],
                "unknown flag --regoin; did you mean --region?",
            ),
            (
                &["--frobnicate-everything"],
                "unknown flag --frobnicate-everything; see --help",
            ),
            (&["serve"], "unknown argument \"serve\"; see --help"),
            (&["--region"], "--region needs a value: REGION"),
            (
                &["--help=maybe"],
                "--help=maybe: only true and false are possible",
            ),
        ] {
            assert_eq!(parse(arguments).expect_err("must fail"), message);
        }
    }
}
