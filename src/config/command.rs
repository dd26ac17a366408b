//! What each subcommand is asked to do. `commands/` does it.

use std::path::PathBuf;

use super::settings::Config;
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

/// What to mount, for whom, and where.
#[derive(Debug)]
pub struct MountOptions {
    /// The manifest with the SecretProviderClass; `-` is standard input.
    pub class: PathBuf,
    /// Which class of the manifest, where it holds several.
    pub class_name: Option<String>,
    /// The directory to write to.
    pub target: PathBuf,
    /// The pod.
    pub pod: PodOptions,
    /// A file with the pod's ServiceAccount token for `sts.aliyuncs.com`.
    pub token_file: Option<PathBuf>,
    /// A manifest with the Secret that `nodePublishSecretRef` names.
    pub publish_secret: Option<PathBuf>,
    /// The mode of files that name none; the driver of today always asks for 0644.
    pub mode: u32,
    /// How the provider is configured.
    pub config: Box<Config>,
}

/// Whose volume it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PodOptions {
    /// Its namespace; without one the class's.
    pub namespace: Option<String>,
    /// Its name.
    pub name: String,
    /// Its uid.
    pub uid: String,
    /// Its ServiceAccount.
    pub service_account: String,
}

/// What to prepare.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PrepareDirOptions {
    /// The directory that the provider will put its socket into.
    pub directory: PathBuf,
    /// The group that it runs as; 0 leaves the directory as it is, for root owns it anyway.
    pub group: u32,
    /// Other directories that the driver looks through, where a dead socket would hide ours.
    pub others: Vec<PathBuf>,
}

/// What to check, and how to print what comes of it.
#[derive(Debug)]
pub struct ValidateOptions {
    /// The manifests, in the order of the command line; `-` is standard input.
    pub sources: Vec<PathBuf>,
    /// How to print.
    pub format: OutputFormat,
    /// The access policy to ask, too.
    pub access: Option<PolicyCheck>,
}

/// How to print the outcome.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OutputFormat {
    /// For people.
    Text,
    /// For programs: one JSON document.
    Json,
}

/// Which policy, and what the manifests leave open.
#[derive(Debug)]
pub struct PolicyCheck {
    /// The policy's file.
    pub policy: PathBuf,
    /// The namespace of classes and pods that name none.
    pub namespace: String,
    /// The ServiceAccount of the pods of classes that no pod of the manifests mounts.
    pub service_account: String,
    /// The region of classes that name none.
    pub region: Option<Region>,
}

/// Whose identity to try.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WhoAmIOptions {
    /// A SecretProviderClass manifest; without one, the provider's own identity is tried.
    pub class: Option<PathBuf>,
    /// Which class of the manifest, where it holds several.
    pub class_name: Option<String>,
    /// The pod.
    pub pod: PodOptions,
    /// The ServiceAccount token of audience `sts.aliyuncs.com`, as the pod would have it.
    pub token_file: Option<PathBuf>,
}
