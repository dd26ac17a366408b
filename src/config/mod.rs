//! Validates arguments and environment once, before anything is bound: into a [`Config`], or into the options of another
//! subcommand.
//!
//! To add a flag, add a field in `flags.rs`. To add a subcommand, add a set of flags there, its options in `options.rs`
//! and an entry in `SUBCOMMANDS`.

mod args;
mod command;
mod environment;
mod error;
mod flag;
mod flags;
mod help;
mod identity;
mod memory;
mod network;
mod options;
mod settings;
mod subcommand;
mod units;

use std::ffi::OsString;

pub use command::{
    CheckReadyOptions, Command, ExecOptions, MountOptions, OnceOptions, OutputFormat, PodOptions,
    PolicyCheck, PrepareDirOptions, ValidateOptions, WatchOptions, WhoAmIOptions,
};
pub use environment::{Environment, ProcessEnvironment};
pub use error::ConfigError;
pub use identity::Identity;
pub use network::{Cluster, StsSetting};
pub use settings::Config;

use flags::{Common, Exec, FlagSet, Mount, Once, PrepareBin, PrepareDir, Serve, Validate, WhoAmI};
use help::{help, version};
use options::Options;
use subcommand::Subcommand;

use crate::diagnostic::nearest;

/// All subcommands, in the order of the help. The first is the default, because existing manifests name none.
const SUBCOMMANDS: [Subcommand; 7] = [
    Subcommand {
        name: "serve",
        operands: "",
        summary: "serve the driver until SIGTERM; the default",
        about: "Mounts Alibaba Cloud OOS encrypted parameters and KMS secrets into pods: a provider for the\n\
            Kubernetes Secrets Store CSI Driver. Serves the driver on DIR/alibabacloud.sock until SIGTERM.\n",
        read: read::<Serve>,
    },
    Subcommand {
        name: "mount",
        operands: "",
        summary: "mount a SecretProviderClass into a directory, without Kubernetes",
        about: "Mounts one SecretProviderClass without Kubernetes, with the code that serves the driver: reads from the\n\
            cloud or a fake cloud, and writes files as the driver does. For pipelines and debugging; with --watch for\n\
            nodes without a DaemonSet. Prints files, modes and versions, never values. Exits with 1 and the text of\n\
            the pod event if the mount fails, with 2 if the command line is wrong.\n",
        read: read::<(Once, (Mount, Serve))>,
    },
    Subcommand {
        name: "exec",
        operands: "-- COMMAND [ARGUMENT…]",
        summary: "run a command with the values of a SecretProviderClass as environment variables",
        about: "Mounts one SecretProviderClass once, in memory, and becomes COMMAND with the values as environment variables.\n\
            Nothing is written to disk. For programs that read no files, where there must be no Kubernetes Secret. The\n\
            command gets no AccessKey pair of the provider; signals and exit code are its own. Exits with 1 if the\n\
            mount fails, with 2 if the command line is wrong, with 126 or 127 if the command cannot be started.\n",
        read: read::<(Once, (Exec, Serve))>,
    },
    Subcommand {
        name: "validate",
        operands: "FILE…",
        summary: "check SecretProviderClass manifests, without a cluster or cloud",
        about: "Checks the SecretProviderClasses in Kubernetes manifests (- is standard input) with the code that mounts\n\
            them. Prints the files that each would mount with mode, source and version, or the errors and their\n\
            places; and the differences from the official provider. With --access-policy, also whether the policy\n\
            permits the pods in the manifests, or those of --namespace and --service-account, to read the objects.\n\
            Exits with 1 if there are errors, with 2 if the command line is wrong.\n",
        read: read::<Validate>,
    },
    Subcommand {
        name: "whoami",
        operands: "",
        summary: "test the identity that mounts would use, and report what is missing",
        about: "Resolves the identity as a mount would, with the provider's flags and environment, and prints the source,\n\
            the sources skipped before it, the caller according to STS, when the credentials expire, and the\n\
            endpoints. Reads no secret. With --class, --namespace, --service-account and --token-file it tests a\n\
            pod's identity, and checks the access policy for each object. Exits with 1 if there is no identity, or\n\
            the policy denies an object.\n",
        read: read::<(WhoAmI, Serve)>,
    },
    Subcommand {
        name: "prepare-dir",
        operands: "[OTHER-DIR…]",
        summary: "give a non-root provider write access to the socket directory",
        about: "Gives the group of a non-root provider write access to the socket directory. Run it in an init container\n\
            of the same image, as uid 0 with only the capability CHOWN.\n\
            OTHER-DIR are directories that the driver also searches; a dead socket alibabacloud.sock there is\n\
            removed, because it would hide the provider's own.\n",
        read: read::<PrepareDir>,
    },
    Subcommand {
        name: "prepare-bin",
        operands: "DIR",
        summary: "copy the binary into a directory, for exec in containers of other images",
        about: "Copies this binary to DIR/csi-secrets-store-provider-alibabacloud with mode 0755. In an init container of\n\
            the provider's image, DIR is a volume that it shares with the container whose command exec runs.\n",
        read: read::<PrepareBin>,
    },
];

/// Reads the command line (without the program's name) and the environment.
///
/// # Errors
/// The first error in either, in one line.
pub fn parse(
    arguments: impl IntoIterator<Item = OsString>,
    environment: &dyn Environment,
) -> Result<Command, ConfigError> {
    let mut arguments = arguments.into_iter().peekable();
    let named = arguments.next_if(|first| !first.as_encoded_bytes().starts_with(b"-"));
    let name = named.map(|name| name.to_string_lossy().into_owned());
    let mut all = SUBCOMMANDS.iter();
    let found = all.find(|one| name.as_deref().is_none_or(|name| name == one.name));
    let subcommand = found.ok_or_else(|| unknown(&name.unwrap_or_default()))?;
    (subcommand.read)(subcommand, arguments.collect(), environment)
}

fn read<O: Options>(
    subcommand: &Subcommand,
    arguments: Vec<OsString>,
    environment: &dyn Environment,
) -> Result<Command, ConfigError> {
    let mut taken = (O::default(), Common::default());
    let mut flags = taken.flags();
    let operands = args::parse(&mut flags, !subcommand.operands.is_empty(), arguments)?;
    let help = help(subcommand, &SUBCOMMANDS, &flags);
    let (options, common) = taken;
    if common.help.is_on() || common.h.is_on() {
        return Ok(Command::Print(help));
    }
    if common.version.is_on() {
        return Ok(Command::Print(version()));
    }
    options.command(operands, environment)
}

fn unknown(name: &str) -> ConfigError {
    let names = SUBCOMMANDS.map(|one| one.name);
    let hint = match nearest(name, &names) {
        Some(near) => format!("did you mean {near}?"),
        None => format!("the subcommands are {}; see --help", names.join(", ")),
    };
    ConfigError::new(format!("unknown subcommand \"{name}\"; {hint}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(arguments: &[&str]) -> Result<Command, String> {
        let environment: &[(&'static str, &str)] = &[];
        parse(arguments.iter().map(OsString::from), &environment).map_err(|error| error.to_string())
    }

    /// The names of the flags that the help must explain.
    fn names(set: impl FlagSet) -> Vec<String> {
        let mut set = (set, Common::default());
        let flags = set.flags().into_iter();
        flags
            .filter(|flag| !flag.is_ignored() && flag.name != "h")
            .map(|flag| flag.name.clone())
            .collect()
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
        for (one, flags) in SUBCOMMANDS.iter().zip([
            names(Serve::default()),
            names((Once::default(), (Mount::default(), Serve::default()))),
            names((Once::default(), (Exec::default(), Serve::default()))),
            names(Validate::default()),
            names((WhoAmI::default(), Serve::default())),
            names(PrepareDir::default()),
            names(PrepareBin::default()),
        ]) {
            let Command::Print(text) = parsed(&[one.name, "--help"]).expect("help") else {
                panic!("{} --help must print", one.name);
            };
            assert!(text.starts_with(one.about) && text.contains("\nFlags"), "{text}");
            for flag in flags {
                assert!(text.contains(&format!("\n  --{flag}")), "{flag}: {text}");
            }
        }
        let Command::Print(text) = parsed(&["--help"]).expect("help") else {
            panic!("--help prints")
        };
        assert!(SUBCOMMANDS.iter().all(|one| text.contains(one.summary)));
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
                "--namespace requires --access-policy",
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
                &["exec", "--class=c", "--", "env"],
                "exec needs --env, --file-env or --env-from-files: which variables to set",
            ),
            (
                &["exec", "--class=c", "--env-from-files"],
                "exec needs a command: write it after the flags and --",
            ),
            (
                &["exec", "--class=c", "--env=A=a,2B=b", "env"],
                "--env=A=a,2B=b: \"2B\" cannot be a variable's name: expected letters, digits and _, not beginning with a digit",
            ),
            (
                &["exec", "--class=c", "--env=A=a,A", "env"],
                "--env=A=a,A: expected NAME=FILE, found \"A\"",
            ),
            (
                &["exec", "--class=c", "--env=A=a,A=b", "env"],
                "--env=A=a,A=b: A is set twice",
            ),
            (
                &["exec", "--class=c", "--env=A=a", "--file-env=A=a", "env"],
                "--env and --file-env both set A; remove one of the two",
            ),
            (
                &["mount", "--class=c", "--target=d", "--ready-file=r"],
                "--ready-file requires --watch",
            ),
            (
                &["mount", "--class=-", "--target=d", "--watch"],
                "--watch reads its files again and again: name files instead of standard input",
            ),
            (
                &[
                    "mount",
                    "--class=c",
                    "--target=d",
                    "--watch",
                    "--refresh-interval=0",
                ],
                "--watch needs a --refresh-interval of at least 1s",
            ),
            (
                &["mount", "--class=c", "--target=d", "--watch", "--signal=KILL"],
                "--signal=KILL: expected HUP or INT or QUIT or TERM or USR1 or USR2",
            ),
            (
                &["mount", "--check-ready"],
                "mount --check-ready needs --ready-file: the file that mount --watch writes",
            ),
            (
                &["prepare-bin"],
                "prepare-bin needs one directory: where to copy the binary",
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
        assert!(parsed(&["frobnicate"]).expect_err("must fail").starts_with(
            "unknown subcommand \"frobnicate\"; the subcommands are serve, mount, exec, validate"
        ));
    }
}
