//! Reads command lines by the rules of Go's `flag` package, because existing manifests use them: one dash or two,
//! `--flag=value` or `--flag value`, switches without a value. No library has these rules.

use std::ffi::OsString;

use super::error::ConfigError;
use super::flag::Flag;
use crate::diagnostic::nearest;

/// Fills in the given flags and returns the operands. Where a subcommand takes operands, they may stand between flags.
/// Everything after `--` is an operand, and so is a lone `-`.
pub(super) fn parse(
    flags: &mut [&mut Flag],
    takes_operands: bool,
    arguments: impl IntoIterator<Item = OsString>,
) -> Result<Vec<OsString>, ConfigError> {
    let mut operands = Vec::new();
    let mut arguments = arguments.into_iter().peekable();
    while let Some(argument) = arguments.next() {
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
            Some((name, value)) => (name, Some(value)),
            None => (name, None),
        };
        let Some(flag) = flags.iter_mut().find(|flag| flag.name == name) else {
            return Err(unknown(flags, &argument, name));
        };
        flag.given = Some(match inline {
            Some(value) if flag.is_switch() => switch(name, value)?,
            Some(value) => value.to_owned(),
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
        });
    }
    Ok(operands)
}

fn text(argument: OsString) -> Result<String, ConfigError> {
    argument
        .into_string()
        .map_err(|argument| ConfigError::new(format!("argument {} is not UTF-8", argument.display())))
}

/// The values that Go's strconv.ParseBool accepts.
fn switch(name: &str, value: &str) -> Result<String, ConfigError> {
    match value {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Ok("true".to_owned()),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Ok("false".to_owned()),
        _ => Err(ConfigError::new(format!(
            "--{name}={value}: expected true or false"
        ))),
    }
}

fn unknown(flags: &[&mut Flag], argument: &str, name: &str) -> ConfigError {
    let known = flags.iter().filter(|flag| !flag.is_ignored());
    let known: Vec<&str> = known.map(|flag| flag.name.as_str()).collect();
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
    use crate::config::flags::{Common, FlagSet, Klog, Provider, Validate};

    type Taken = (Provider, (Klog, Common));

    fn parse(arguments: &[&str]) -> Result<Taken, String> {
        let mut serve = Taken::default();
        let arguments = arguments.iter().map(OsString::from);
        match super::parse(&mut serve.flags(), false, arguments) {
            Ok(operands) => assert_eq!(operands, [""; 0]),
            Err(error) => return Err(error.to_string()),
        }
        Ok(serve)
    }

    #[test]
    fn operands_stand_anywhere_and_after_two_dashes_everything_is_one() {
        let mut validate = Validate::default();
        let arguments = ["a.yaml", "--output", "json", "-", "--", "--output", "b"].map(OsString::from);
        let operands = super::parse(&mut validate.flags(), true, arguments).expect("arguments");
        assert_eq!(operands, ["a.yaml", "-", "--output", "b"]);
        assert_eq!(validate.output.text(), "json");
        let mut refused = |argument: &str| {
            super::parse(&mut validate.flags(), true, [argument.into()]).expect_err("must fail")
        };
        assert_eq!(
            refused("--outptu=json").to_string(),
            "unknown flag --outptu; did you mean --output?"
        );
        refused("--v=4");
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
            let (provider, _) = parse(arguments).expect("arguments");
            assert_eq!(provider.region.text(), "eu-west-1", "{arguments:?}");
        }
        let (provider, _) = parse(&["-v", "-1"]).expect("a value may begin with a dash");
        assert_eq!(provider.v.text(), "-1");
        let (provider, _) = parse(&["--region="]).expect("an empty value");
        assert_eq!(provider.region.text(), "");
    }

    #[test]
    fn defaults_are_the_official_ones() {
        let mut serve = parse(&[]).expect("no arguments");
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
            let flags = serve.flags();
            let flag = flags.iter().find(|flag| flag.name == name);
            assert_eq!(flag.expect(name).text(), value, "{name}");
        }
    }

    #[test]
    fn klog_flags_are_accepted_and_listed() {
        let (_, (mut klog, _)) = parse(&[
            "--logtostderr",
            "-vmodule=server=3",
            "--log_dir",
            "/tmp",
            "-alsologtostderr=F",
            "--alsologtostderrthreshold=2",
            "--legacy_stderr_threshold_behavior=T",
            "--",
        ])
        .expect("klog flags");
        let klog = klog.flags().into_iter();
        let ignored = klog
            .filter(|flag| flag.given.is_some())
            .map(|flag| flag.name.as_str());
        let ignored: Vec<&str> = ignored.collect();
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
            (&["--help=maybe"], "--help=maybe: expected true or false"),
        ] {
            let error = parse(arguments).err().expect("must fail");
            assert_eq!(error, message);
        }
    }
}
