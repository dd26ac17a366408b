//! From arguments and environment to one validated [`Config`], once, before anything is bound; or to what another
//! subcommand needs.

mod args;
mod command;
mod environment;
mod flags;
mod help;
mod identity;
mod memory;
mod network;
mod settings;
mod subcommand;
mod units;
mod values;

use std::ffi::{OsStr, OsString};
use std::path::PathBuf;

pub use command::{
    ManifestSource, MountOptions, OutputFormat, PodOptions, PolicyCheck, PrepareDirOptions, ValidateOptions,
    WhoAmIOptions,
};
pub use environment::{Environment, ProcessEnvironment};
pub use identity::Identity;
pub use network::{Cluster, StsSetting};
pub use settings::{Config, ConfigError};

use args::Args;
use help::{help, version};
use subcommand::Subcommand;

use crate::diagnostic::nearest;
use crate::params::Region;

/// What the command line asks for.
#[derive(Debug)]
pub enum Command {
    /// Mount once, without Kubernetes.
    Mount(Box<MountOptions>),
    /// Make the socket's directory fit for a provider that is not root.
    Prepare(PrepareDirOptions),
    /// Print this on standard output: `--help` or `--version`.
    Print(String),
    /// Serve until told to stop.
    Serve(Box<Config>),
    /// Check manifests.
    Validate(ValidateOptions),
    /// Try the identity.
    WhoAmI(Box<Config>, WhoAmIOptions),
}

/// Reads the command line (without the program's name) and the environment.
///
/// # Errors
/// The first thing that is wrong with either, in one line.
pub fn parse(
    arguments: impl IntoIterator<Item = OsString>,
    environment: &dyn Environment,
) -> Result<Command, ConfigError> {
    let mut arguments = arguments.into_iter().peekable();
    let named = arguments.next_if(|first| !first.as_encoded_bytes().starts_with(b"-"));
    let subcommand = match named {
        None => &subcommand::SERVE,
        Some(name) => chosen(&name)?,
    };
    let args = Args::parse(subcommand, arguments)?;
    if args.is_given("help") || args.is_given("h") {
        return Ok(Command::Print(help(subcommand)));
    }
    if args.is_given("version") {
        return Ok(Command::Print(version()));
    }
    match subcommand.name {
        "mount" => mount(&args, environment).map(|settings| Command::Mount(Box::new(settings))),
        "prepare-dir" => prepare(&args).map(Command::Prepare),
        "validate" => validate(&args).map(Command::Validate),
        "whoami" => {
            let config = Config::new(&args, environment)?;
            Ok(Command::WhoAmI(Box::new(config), whoami(&args)))
        }
        _ => Config::new(&args, environment).map(|config| Command::Serve(Box::new(config))),
    }
}

fn chosen(name: &OsStr) -> Result<&'static Subcommand, ConfigError> {
    let name = name.to_string_lossy();
    subcommand::find(&name).ok_or_else(|| {
        let names: Vec<&'static str> = subcommand::SUBCOMMANDS.iter().map(|one| one.name).collect();
        let hint = match nearest(&name, &names) {
            Some(near) => format!("did you mean {near}?"),
            None => format!("the subcommands are {}; see --help", names.join(", ")),
        };
        ConfigError::new(format!("unknown subcommand \"{name}\"; {hint}"))
    })
}

fn mount(args: &Args, environment: &dyn Environment) -> Result<MountOptions, ConfigError> {
    let filled = |name| Some(args.value(name)).filter(|value| !value.is_empty());
    let needed = |name: &'static str, what: &str| {
        filled(name).ok_or_else(|| ConfigError::new(format!("mount needs --{name}: {what}")))
    };
    let mode = args.value("mode");
    let mode = u32::from_str_radix(mode, 8)
        .ok()
        .filter(|mode| *mode <= 0o777)
        .ok_or_else(|| ConfigError::new(format!("--mode={mode}: expected an octal number up to 0777")))?;
    Ok(MountOptions {
        class: needed("class", "the manifest that holds the SecretProviderClass")?.into(),
        class_name: filled("class-name").map(String::from),
        target: needed("target", "the directory to write to")?.into(),
        pod: PodOptions {
            namespace: filled("namespace").map(String::from),
            name: args.value("pod").to_owned(),
            uid: args.value("pod-uid").to_owned(),
            service_account: args.value("service-account").to_owned(),
        },
        token_file: filled("token-file").map(PathBuf::from),
        publish_secret: filled("publish-secret").map(PathBuf::from),
        mode,
        config: Box::new(Config::new(args, environment)?),
    })
}

fn prepare(args: &Args) -> Result<PrepareDirOptions, ConfigError> {
    let group = args.value("group");
    let group = group
        .parse()
        .map_err(|_| ConfigError::new(format!("--group={group}: expected the number of a group")))?;
    Ok(PrepareDirOptions {
        directory: settings::provider_volume(args)?,
        group,
        others: args.operands().iter().map(PathBuf::from).collect(),
    })
}

fn whoami(args: &Args) -> WhoAmIOptions {
    let path = |name| {
        Some(args.value(name))
            .filter(|path| !path.is_empty())
            .map(PathBuf::from)
    };
    WhoAmIOptions {
        class: path("class"),
        class_name: Some(args.value("class-name").to_owned()).filter(|name| !name.is_empty()),
        namespace: args.value("namespace").to_owned(),
        service_account: args.value("service-account").to_owned(),
        token_file: path("token-file"),
    }
}

fn validate(args: &Args) -> Result<ValidateOptions, ConfigError> {
    if args.operands().is_empty() {
        return Err(ConfigError::new(
            "validate needs manifests to check: name files, or - for standard input",
        ));
    }
    let format = match args.value("output") {
        "text" => OutputFormat::Text,
        "json" => OutputFormat::Json,
        other => {
            return Err(ConfigError::new(format!(
                "--output={other}: expected text or json"
            )));
        }
    };
    let sources = args.operands().iter().map(|operand| {
        if operand == "-" {
            ManifestSource::StandardInput
        } else {
            ManifestSource::File(operand.into())
        }
    });
    Ok(ValidateOptions {
        sources: sources.collect(),
        format,
        access: access(args)?,
    })
}

fn access(args: &Args) -> Result<Option<PolicyCheck>, ConfigError> {
    let filled = |name| Some(args.value(name)).filter(|value| !value.is_empty());
    let Some(policy) = filled("access-policy") else {
        let stray = ["namespace", "service-account", "region"]
            .into_iter()
            .find(|name| filled(name).is_some());
        return match stray {
            Some(name) => Err(ConfigError::new(format!(
                "--{name} is of use with --access-policy only"
            ))),
            None => Ok(None),
        };
    };
    let region = filled("region").map(|text| {
        Region::new(text).ok_or_else(|| {
            ConfigError::new(format!("--region={text}: expected a region such as cn-hangzhou"))
        })
    });
    Ok(Some(PolicyCheck {
        policy: policy.into(),
        namespace: filled("namespace").unwrap_or("default").to_owned(),
        service_account: filled("service-account").unwrap_or("default").to_owned(),
        region: region.transpose()?,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(arguments: &[&str]) -> Result<Command, String> {
        let environment: &[(&'static str, &str)] = &[];
        parse(arguments.iter().map(OsString::from), &environment).map_err(|error| error.to_string())
    }

    #[test]
    fn without_a_subcommand_the_provider_serves() {
        for arguments in [&[][..], &["serve"], &["--v=4"], &["serve", "-v", "4"]] {
            let command = parsed(arguments).expect("a command");
            assert!(matches!(command, Command::Serve(_)), "{arguments:?}");
        }
    }

    #[test]
    fn subcommands_have_flags_and_help_of_their_own() {
        for one in subcommand::SUBCOMMANDS {
            let Command::Print(text) = parsed(&[one.name, "--help"]).expect("help") else {
                panic!("{} --help must print", one.name);
            };
            assert!(text.starts_with(one.about) && text.contains("\nFlags"), "{text}");
            for flag in one.flags().filter(|flag| !flag.is_ignored() && flag.name != "h") {
                assert!(
                    text.contains(&format!("\n  --{}", flag.name)),
                    "{}: {text}",
                    flag.name
                );
            }
        }
        let Command::Print(text) = parsed(&["--help"]).expect("help") else {
            panic!("--help prints")
        };
        assert!(
            subcommand::SUBCOMMANDS
                .iter()
                .all(|one| text.contains(one.summary))
        );
    }

    #[test]
    fn wrong_ones_are_one_line() {
        for (arguments, message) in [
            (
                &["vaildate"][..],
                "unknown subcommand \"vaildate\"; did you mean validate?",
            ),
            (
                &["validate"],
                "validate needs manifests to check: name files, or - for standard input",
            ),
            (
                &["validate", "--output=xml", "-"],
                "--output=xml: expected text or json",
            ),
            (
                &["validate", "--namespace=shop", "-"],
                "--namespace is of use with --access-policy only",
            ),
            (
                &["validate", "--access-policy=p", "--region=a_b", "-"],
                "--region=a_b: expected a region such as cn-hangzhou",
            ),
            (
                &["mount", "--target", "d"],
                "mount needs --class: the manifest that holds the SecretProviderClass",
            ),
            (
                &["mount", "--class", "c", "--target", "d", "--mode", "0999"],
                "--mode=0999: expected an octal number up to 0777",
            ),
            (
                &["--v=4", "validate"],
                "unknown argument \"validate\"; see --help",
            ),
        ] {
            assert_eq!(parsed(arguments).expect_err("must fail"), message);
        }
        assert!(
            parsed(&["frobnicate"])
                .expect_err("must fail")
                .starts_with("unknown subcommand \"frobnicate\"; the subcommands are serve, mount, validate")
        );
    }
}
