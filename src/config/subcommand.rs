//! The table of subcommands: what each is called, takes and says of itself. The first argument chooses one unless
//! it begins with a dash; without one the provider serves, as existing manifests have it.
//!
//! A new subcommand is a constant here, an entry of [`SUBCOMMANDS`], and an arm in [`super::parse`].

use super::flags::{
    COMMON, Flag, IGNORED, MOUNT as MOUNT_FLAGS, PREPARE as PREPARE_FLAGS, SERVE as SERVE_FLAGS,
    VALIDATE as VALIDATE_FLAGS, WHOAMI as WHOAMI_FLAGS,
};

/// One subcommand.
#[derive(Debug)]
pub(super) struct Subcommand {
    /// How it is called.
    pub(super) name: &'static str,
    /// What follows the flags on its line of usage; empty when it takes nothing but flags.
    pub(super) operands: &'static str,
    /// One line, for the list of subcommands.
    pub(super) summary: &'static str,
    /// What `--help` says of it before the flags.
    pub(super) about: &'static str,
    /// Its flags, table by table, in the order of the help. Tables are shared between subcommands.
    pub(super) flags: &'static [&'static [Flag]],
    /// Whether it reads the environment that the help explains.
    pub(super) reads_environment: bool,
}

impl Subcommand {
    /// Every flag that it takes.
    pub(super) fn flags(&self) -> impl Iterator<Item = &'static Flag> {
        self.flags.iter().copied().flatten()
    }

    /// Its flag of that name.
    pub(super) fn flag(&self, name: &str) -> Option<&'static Flag> {
        self.flags().find(|flag| flag.name == name)
    }
}

/// What runs when no subcommand is named.
pub(super) const SERVE: Subcommand = Subcommand {
    name: "serve",
    operands: "",
    summary: "serve the driver until SIGTERM; what runs without a subcommand",
    about: "Mounts Alibaba Cloud OOS encrypted parameters and KMS secrets into pods: a provider for the\n\
            Kubernetes Secrets Store CSI Driver. Serves the driver on DIR/alibabacloud.sock until SIGTERM.\n",
    flags: &[SERVE_FLAGS, COMMON, IGNORED],
    reads_environment: true,
};

/// Mounts once, without Kubernetes.
pub(super) const MOUNT: Subcommand = Subcommand {
    name: "mount",
    operands: "",
    summary: "mount a SecretProviderClass into a directory once, without Kubernetes",
    about: "Mounts one SecretProviderClass once, without Kubernetes and with the code that serves the driver: asks the\n\
            cloud, or a fake of it, and writes the files as the driver would. For pipelines and for debugging.\n\
            Prints files, modes and versions, never what is in them. Exits with 1 and what the pod's events would\n\
            say when the mount fails, with 2 when the command line is wrong.\n",
    flags: &[MOUNT_FLAGS, SERVE_FLAGS, COMMON, IGNORED],
    reads_environment: true,
};

/// Checks manifests offline.
pub(super) const VALIDATE: Subcommand = Subcommand {
    name: "validate",
    operands: "FILE…",
    summary: "check SecretProviderClass manifests, without a cluster and without a cloud",
    about: "Checks the SecretProviderClasses in Kubernetes manifests, - being standard input, with the code that\n\
            mounts them. Prints the files that each would mount with mode, source and version, or what is wrong and\n\
            where; and what would mount otherwise than under the official provider. With --access-policy also whether\n\
            that policy lets the pods in the manifests, or those of --namespace and --service-account, read them.\n\
            Exits with 1 when something is wrong, with 2 when the command line is.\n",
    flags: &[VALIDATE_FLAGS, COMMON],
    reads_environment: false,
};

/// Makes the socket's directory fit for a provider that is not root.
pub(super) const PREPARE: Subcommand = Subcommand {
    name: "prepare-dir",
    operands: "[OTHER-DIR…]",
    summary: "let a provider that does not run as root put its socket into a directory",
    about: "Gives the directory of the socket to a group that may write in it, for a provider that does not run as\n\
            root: an init container of the same image, as uid 0 with the capability CHOWN and no other.\n\
            OTHER-DIR are directories that the driver looks through as well; a socket alibabacloud.sock there that\n\
            nobody answers is removed, for it would hide the provider's own.\n",
    flags: &[PREPARE_FLAGS, COMMON],
    reads_environment: false,
};

/// Tries the identity.
pub(super) const WHOAMI: Subcommand = Subcommand {
    name: "whoami",
    operands: "",
    summary: "try the identity that Mounts would have, and tell what is missing",
    about: "Resolves the identity as a Mount would, with the flags and the environment of the provider, and prints\n\
            the source, the sources skipped before it, who that is according to STS, when the credentials end, and\n\
            the endpoints. Reads no secret. With --class, --namespace, --service-account and --token-file it tries\n\
            the identity of a pod, and asks the access policy about each object. Exits with 1 when there is no identity,\n\
            or the policy says no.\n",
    flags: &[WHOAMI_FLAGS, SERVE_FLAGS, COMMON, IGNORED],
    reads_environment: true,
};

/// All of them, in the order of the help.
pub(super) const SUBCOMMANDS: &[&Subcommand] = &[&SERVE, &MOUNT, &VALIDATE, &WHOAMI, &PREPARE];

/// The subcommand of that name.
pub(super) fn find(name: &str) -> Option<&'static Subcommand> {
    SUBCOMMANDS
        .iter()
        .copied()
        .find(|subcommand| subcommand.name == name)
}
