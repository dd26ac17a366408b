//! The options of each subcommand; `commands/` runs them.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use rustix::process::Signal;

use super::settings::Config;
use crate::params::Region;

/// The command to run.
#[derive(Debug)]
pub enum Command {
    /// Mount once in memory and become another command.
    Exec(Box<ExecOptions>),
    /// Check that a watching mount is well.
    CheckReady(CheckReadyOptions),
    /// Mount without Kubernetes.
    Mount(Box<MountOptions>),
    /// Make the socket directory writable for a non-root provider.
    Prepare(PrepareDirOptions),
    /// Copy the binary into a directory.
    PrepareBin(PathBuf),
    /// Print this on standard output: `--help` or `--version`.
    Print(String),
    /// Serve until SIGTERM or SIGINT.
    Serve(Box<Config>),
    /// Check manifests.
    Validate(ValidateOptions),
    /// Test the identity.
    WhoAmI(Box<Config>, WhoAmIOptions),
}

/// Options of the commands that mount once.
#[derive(Debug)]
pub struct OnceOptions {
    /// The manifest with the SecretProviderClass; `-` is standard input.
    pub class: PathBuf,
    /// Name of the class, if the manifest holds several.
    pub class_name: Option<String>,
    /// The pod.
    pub pod: PodOptions,
    /// A file with the pod's ServiceAccount token for `sts.aliyuncs.com`.
    pub token_file: Option<PathBuf>,
    /// A manifest with the Secret that `nodePublishSecretRef` names.
    pub publish_secret: Option<PathBuf>,
    /// The provider's configuration.
    pub config: Box<Config>,
}

/// Options of `mount`.
#[derive(Debug)]
pub struct MountOptions {
    /// What is mounted.
    pub once: OnceOptions,
    /// The directory to write to.
    pub target: PathBuf,
    /// Default file mode; current drivers always send 0644.
    pub mode: u32,
    /// How to keep the files fresh; `None` to mount once.
    pub watch: Option<WatchOptions>,
}

/// Options of `mount --watch`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WatchOptions {
    /// Time between two mounts.
    pub interval: Duration,
    /// Written after each mount that succeeds.
    pub ready_file: Option<PathBuf>,
    /// Written after each change.
    pub changed_file: Option<PathBuf>,
    /// Holds the number of the process to signal after each change.
    pub pid_file: Option<PathBuf>,
    /// The signal.
    pub signal: Signal,
}

/// Options of `mount --check-ready`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckReadyOptions {
    /// The file that `mount --watch` writes.
    pub ready_file: PathBuf,
    /// How old it may be.
    pub within: Duration,
}

/// Options of `exec`.
pub struct ExecOptions {
    /// What is mounted.
    pub once: OnceOptions,
    /// Variables, each with the file whose contents it holds.
    pub contents: BTreeMap<String, String>,
    /// Variables, each with the file of which it holds a path.
    pub paths: BTreeMap<String, String>,
    /// Whether every other file becomes a variable.
    pub is_all: bool,
    /// The program to become.
    pub program: OsString,
    /// Its arguments.
    pub arguments: Vec<OsString>,
}

/// Without the arguments, which may hold a password.
impl fmt::Debug for ExecOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ExecOptions")
            .field("once", &self.once)
            .field("program", &self.program)
            .finish_non_exhaustive()
    }
}

/// The pod that mounts the volume.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PodOptions {
    /// Its namespace; by default the class's.
    pub namespace: Option<String>,
    /// Its name.
    pub name: String,
    /// Its uid.
    pub uid: String,
    /// Its ServiceAccount.
    pub service_account: String,
}

/// Options of `prepare-dir`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PrepareDirOptions {
    /// The directory of the provider's socket.
    pub directory: PathBuf,
    /// The provider's group; 0 leaves the directory unchanged, because root owns it.
    pub group: u32,
    /// Other directories that the driver searches; a dead socket there would hide the provider's own.
    pub others: Vec<PathBuf>,
}

/// Options of `validate`.
#[derive(Debug)]
pub struct ValidateOptions {
    /// The manifests, in the order of the command line; `-` is standard input.
    pub sources: Vec<PathBuf>,
    /// The output format.
    pub format: OutputFormat,
    /// The access policy to check, if any.
    pub access: Option<PolicyCheck>,
}

/// An output format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OutputFormat {
    /// For people.
    Text,
    /// For programs: one JSON document.
    Json,
}

/// The access policy, and defaults for what the manifests leave out.
#[derive(Debug)]
pub struct PolicyCheck {
    /// The policy's file.
    pub policy: PathBuf,
    /// Namespace for classes and pods that name none.
    pub namespace: String,
    /// ServiceAccount for classes that no pod in the manifests mounts.
    pub service_account: String,
    /// Region for classes that name none.
    pub region: Option<Region>,
}

/// Options of `whoami`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WhoAmIOptions {
    /// A SecretProviderClass manifest; without one, the provider's own identity is tested.
    pub class: Option<PathBuf>,
    /// Name of the class, if the manifest holds several.
    pub class_name: Option<String>,
    /// The pod.
    pub pod: PodOptions,
    /// A file with the pod's ServiceAccount token for `sts.aliyuncs.com`.
    pub token_file: Option<PathBuf>,
}
