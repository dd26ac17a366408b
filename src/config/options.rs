//! Turns the flags of a subcommand into its options.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use rustix::process::Signal;

use super::command::{
    CheckReadyOptions, Command, ExecOptions, MountOptions, OnceOptions, OutputFormat, PodOptions,
    PolicyCheck, PrepareDirOptions, ValidateOptions, WatchOptions, WhoAmIOptions,
};
use super::environment::Environment;
use super::error::ConfigError;
use super::flag::Flag;
use super::flags::{Exec, FlagSet, Mount, Once, PrepareBin, PrepareDir, Serve, Validate, WhoAmI};
use super::settings::{Config, provider_volume};
use crate::params::Region;

/// The flags of a subcommand.
pub(super) trait Options: FlagSet {
    /// The command for these flags and operands.
    fn command(self, operands: Vec<OsString>, environment: &dyn Environment) -> Result<Command, ConfigError>;
}

impl Options for Serve {
    fn command(self, _: Vec<OsString>, environment: &dyn Environment) -> Result<Command, ConfigError> {
        Ok(Command::Serve(Box::new(Config::new(self, environment)?)))
    }
}

impl Once {
    fn options(
        &self,
        subcommand: &str,
        serve: Serve,
        environment: &dyn Environment,
    ) -> Result<OnceOptions, ConfigError> {
        Ok(OnceOptions {
            class: needed(
                subcommand,
                &self.class,
                "the manifest that holds the SecretProviderClass",
            )?,
            class_name: self.class_name.owned(),
            pod: PodOptions {
                namespace: self.namespace.owned(),
                name: self.pod.text().to_owned(),
                uid: self.pod_uid.text().to_owned(),
                service_account: self.service_account.text().to_owned(),
            },
            token_file: self.token_file.path(),
            publish_secret: self.publish_secret.path(),
            config: Box::new(Config::new(serve, environment)?),
        })
    }
}

fn needed(subcommand: &str, flag: &Flag, what: &str) -> Result<PathBuf, ConfigError> {
    let path = flag.path();
    path.ok_or_else(|| ConfigError::new(format!("{subcommand} needs --{}: {what}", flag.name)))
}

impl Options for (Once, (Mount, Serve)) {
    fn command(self, _: Vec<OsString>, environment: &dyn Environment) -> Result<Command, ConfigError> {
        let (once, (mount, serve)) = self;
        let mode = u32::from_str_radix(mount.mode.text(), 8).ok();
        let mode = mode.filter(|mode| *mode <= 0o777);
        let mode = mode.ok_or_else(|| mount.mode.invalid("expected an octal number up to 0777"))?;
        if mount.check_ready.is_on() {
            let why = "the file that mount --watch writes";
            return Ok(Command::CheckReady(CheckReadyOptions {
                ready_file: needed("mount --check-ready", &mount.ready_file, why)?,
                within: 3 * serve.0.refresh_interval.duration()?,
            }));
        }
        let once = once.options("mount", serve, environment)?;
        Ok(Command::Mount(Box::new(MountOptions {
            watch: mount.watch_options(&once)?,
            once,
            target: needed("mount", &mount.target, "the directory to write to")?,
            mode,
        })))
    }
}

impl Mount {
    fn watch_options(&self, once: &OnceOptions) -> Result<Option<WatchOptions>, ConfigError> {
        if !self.watch.is_on() {
            let details = [&self.ready_file, &self.changed_file, &self.pid_file];
            return match details.into_iter().find(|flag| flag.filled().is_some()) {
                Some(flag) => Err(ConfigError::new(format!("--{} requires --watch", flag.name))),
                None => Ok(None),
            };
        }
        let interval = once.config.fetch.refresh_interval;
        if interval < Duration::from_secs(1) {
            let problem = "--watch needs a --refresh-interval of at least 1s";
            return Err(ConfigError::new(problem));
        }
        let files = [
            Some(&once.class),
            once.token_file.as_ref(),
            once.publish_secret.as_ref(),
        ];
        if files.into_iter().flatten().any(|path| path.as_os_str() == "-") {
            let problem = "--watch reads its files again and again: name files instead of standard input";
            return Err(ConfigError::new(problem));
        }
        Ok(Some(WatchOptions {
            interval,
            ready_file: self.ready_file.path(),
            changed_file: self.changed_file.path(),
            pid_file: self.pid_file.path(),
            signal: self.signal.one_of(&[
                ("HUP", Signal::HUP),
                ("INT", Signal::INT),
                ("QUIT", Signal::QUIT),
                ("TERM", Signal::TERM),
                ("USR1", Signal::USR1),
                ("USR2", Signal::USR2),
            ])?,
        }))
    }
}

impl Options for (Once, (Exec, Serve)) {
    fn command(self, operands: Vec<OsString>, environment: &dyn Environment) -> Result<Command, ConfigError> {
        let (once, (exec, serve)) = self;
        let mut operands = operands.into_iter();
        let program = operands.next().filter(|program| !program.is_empty());
        let (contents, paths) = (variables(&exec.env)?, variables(&exec.file_env)?);
        let is_all = exec.env_from_files.is_on();
        if let Some(name) = contents.keys().find(|name| paths.contains_key(*name)) {
            let problem = format!("--env and --file-env both set {name}; remove one of the two");
            return Err(ConfigError::new(problem));
        }
        if !is_all && contents.is_empty() && paths.is_empty() {
            let problem = "exec needs --env, --file-env or --env-from-files: which variables to set";
            return Err(ConfigError::new(problem));
        }
        Ok(Command::Exec(Box::new(ExecOptions {
            once: once.options("exec", serve, environment)?,
            contents,
            paths,
            is_all,
            program: program
                .ok_or_else(|| ConfigError::new("exec needs a command: write it after the flags and --"))?,
            arguments: operands.collect(),
        })))
    }
}

/// A list of `NAME=FILE`, where the names are those of environment variables.
fn variables(flag: &Flag) -> Result<BTreeMap<String, String>, ConfigError> {
    let mut variables = BTreeMap::new();
    for entry in flag.filled().into_iter().flat_map(|list| list.split(',')) {
        let Some((name, file)) = entry.split_once('=').filter(|(_, file)| !file.is_empty()) else {
            return Err(flag.invalid(format!("expected NAME=FILE, found {entry:?}")));
        };
        if !is_variable(name) {
            let problem = "expected letters, digits and _, not beginning with a digit";
            return Err(flag.invalid(format!("{name:?} cannot be a variable's name: {problem}")));
        }
        if variables.insert(name.to_owned(), file.to_owned()).is_some() {
            return Err(flag.invalid(format!("{name} is set twice")));
        }
    }
    Ok(variables)
}

/// The names that every shell accepts (POSIX, Base Definitions, section 8.1).
fn is_variable(name: &str) -> bool {
    let is_word = name
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    is_word && !name.is_empty() && !name.starts_with(|first: char| first.is_ascii_digit())
}

impl Options for PrepareBin {
    fn command(self, operands: Vec<OsString>, _: &dyn Environment) -> Result<Command, ConfigError> {
        match <[OsString; 1]>::try_from(operands) {
            Ok([directory]) if !directory.is_empty() => Ok(Command::PrepareBin(directory.into())),
            _ => Err(ConfigError::new(
                "prepare-bin needs one directory: where to copy the binary",
            )),
        }
    }
}

impl Options for Validate {
    fn command(self, operands: Vec<OsString>, _: &dyn Environment) -> Result<Command, ConfigError> {
        if operands.is_empty() {
            let problem = "validate needs manifests to check: name files, or - for standard input";
            return Err(ConfigError::new(problem));
        }
        Ok(Command::Validate(ValidateOptions {
            sources: operands.into_iter().map(PathBuf::from).collect(),
            format: self
                .output
                .one_of(&[("text", OutputFormat::Text), ("json", OutputFormat::Json)])?,
            access: self.policy_check()?,
        }))
    }
}

impl Validate {
    fn policy_check(&self) -> Result<Option<PolicyCheck>, ConfigError> {
        let Some(policy) = self.access_policy.path() else {
            let details = [&self.namespace, &self.service_account, &self.region];
            return match details.into_iter().find(|flag| flag.filled().is_some()) {
                Some(Flag { name, .. }) => {
                    Err(ConfigError::new(format!("--{name} requires --access-policy")))
                }
                None => Ok(None),
            };
        };
        let region = self.region.filled().map(|text| {
            Region::new(text).ok_or_else(|| self.region.invalid("expected a region such as cn-hangzhou"))
        });
        Ok(Some(PolicyCheck {
            policy,
            namespace: self.namespace.filled().unwrap_or("default").to_owned(),
            service_account: self.service_account.filled().unwrap_or("default").to_owned(),
            region: region.transpose()?,
        }))
    }
}

impl Options for (WhoAmI, Serve) {
    fn command(self, _: Vec<OsString>, environment: &dyn Environment) -> Result<Command, ConfigError> {
        let (whoami, serve) = self;
        let config = Config::new(serve, environment)?;
        let options = WhoAmIOptions {
            class: whoami.class.path(),
            class_name: whoami.class_name.owned(),
            pod: PodOptions {
                namespace: whoami.namespace.owned(),
                service_account: whoami.service_account.text().to_owned(),
                ..PodOptions::default()
            },
            token_file: whoami.token_file.path(),
        };
        Ok(Command::WhoAmI(Box::new(config), options))
    }
}

impl Options for PrepareDir {
    fn command(self, operands: Vec<OsString>, _: &dyn Environment) -> Result<Command, ConfigError> {
        let group = self.group.text().parse();
        Ok(Command::Prepare(PrepareDirOptions {
            group: group.map_err(|_| self.group.invalid("expected a numeric group id"))?,
            directory: provider_volume(&self.provider_volume)?,
            others: operands.into_iter().map(PathBuf::from).collect(),
        }))
    }
}
