//! Turns the flags of a subcommand into its options.

use std::ffi::OsString;
use std::path::PathBuf;

use super::command::{
    Command, MountOptions, OutputFormat, PodOptions, PolicyCheck, PrepareDirOptions, ValidateOptions,
    WhoAmIOptions,
};
use super::environment::Environment;
use super::error::ConfigError;
use super::flag::Flag;
use super::flags::{FlagSet, Mount, PrepareDir, Serve, Validate, WhoAmI};
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

impl Options for (Mount, Serve) {
    fn command(self, _: Vec<OsString>, environment: &dyn Environment) -> Result<Command, ConfigError> {
        let (mount, serve) = self;
        let needed = |flag: &Flag, what| {
            let path = flag.path();
            path.ok_or_else(|| ConfigError::new(format!("mount needs --{}: {what}", flag.name)))
        };
        let mode = u32::from_str_radix(mount.mode.text(), 8).ok();
        let mode = mode.filter(|mode| *mode <= 0o777);
        Ok(Command::Mount(Box::new(MountOptions {
            mode: mode.ok_or_else(|| mount.mode.invalid("expected an octal number up to 0777"))?,
            class: needed(&mount.class, "the manifest that holds the SecretProviderClass")?,
            class_name: mount.class_name.owned(),
            target: needed(&mount.target, "the directory to write to")?,
            pod: PodOptions {
                namespace: mount.namespace.owned(),
                name: mount.pod.text().to_owned(),
                uid: mount.pod_uid.text().to_owned(),
                service_account: mount.service_account.text().to_owned(),
            },
            token_file: mount.token_file.path(),
            publish_secret: mount.publish_secret.path(),
            config: Box::new(Config::new(serve, environment)?),
        })))
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
