//! The tables of flags: spelling, default and help of each. Everything else about flags follows from them; which
//! subcommand takes which table is in `subcommand.rs`.

/// One flag.
#[derive(Debug)]
pub(super) struct Flag {
    /// Spelling without dashes.
    pub(super) name: &'static str,
    /// What stands for the value in the help; empty for a switch.
    pub(super) value: &'static str,
    /// Value if the flag is not given; empty for none.
    pub(super) default: &'static str,
    /// One line of help; empty for flags that are accepted and ignored.
    pub(super) help: &'static str,
}

impl Flag {
    /// A switch takes no value of its own, only `=true` or `=false`.
    pub(super) const fn is_switch(&self) -> bool {
        self.value.is_empty()
    }

    /// Accepted for the sake of existing manifests, without effect.
    pub(super) const fn is_ignored(&self) -> bool {
        self.help.is_empty()
    }
}

/// Flags of the provider itself: whatever reads secrets as it does takes them all.
pub(super) const SERVE: &[Flag] = &[
    flag(
        "provider-volume",
        "DIR",
        "/etc/kubernetes/secrets-store-csi-providers",
        "directory of the socket alibabacloud.sock, shared with the driver",
    ),
    flag(
        "region",
        "REGION",
        "",
        "region of classes that name none; without it the node's own, from instance metadata",
    ),
    flag(
        "max-concurrent-kms-secret-pulls",
        "N",
        "10",
        "KMS secrets pulled at the same time, over all Mounts, 1 to 512; no rate as with the official provider",
    ),
    flag(
        "max-concurrent-oos-secret-pulls",
        "N",
        "10",
        "OOS parameters pulled at the same time, over all Mounts, 1 to 512; no rate as with the official provider",
    ),
    flag(
        "kms-max-pulls-per-second",
        "N",
        "50",
        "KMS secrets pulled per second, with bursts of twice as many; 0 for no limit",
    ),
    flag(
        "oos-max-pulls-per-second",
        "N",
        "50",
        "OOS parameters pulled per second, with bursts of twice as many; 0 for no limit",
    ),
    flag(
        "refresh-interval",
        "DURATION",
        "60s",
        "volumes that are mounted again may share values read so recently; 0 reads anew each time",
    ),
    flag(
        "serve-stale-for",
        "DURATION",
        "0s",
        "in an outage, values that were read so recently may be served; 0 for never, at most 24h",
    ),
    flag(
        "kms-endpoint",
        "URL",
        "https://kms-vpc.{region}.aliyuncs.com",
        "where KMS is; {region} stands for the region",
    ),
    flag(
        "oos-endpoint",
        "URL",
        "https://oos-vpc.{region}.aliyuncs.com",
        "where OOS is; {region} stands for the region",
    ),
    flag(
        "sts-endpoint",
        "URL",
        "",
        "where STS is; without it as ALIBABA_CLOUD_STS_REGION says, else in the VPC of the node's region",
    ),
    flag(
        "allowed-endpoints",
        "HOSTS",
        "kms.*.aliyuncs.com,kms-vpc.*.aliyuncs.com,*.cryptoservice.kms.aliyuncs.com",
        "hosts that kmsEndpoint in a SecretProviderClass may name; * stands for one label",
    ),
    flag(
        "kms-ca-file",
        "FILE",
        "",
        "PEM file with the CA of the KMS instances, from the KMS console; read again when it changes",
    ),
    flag(
        "credentials-dir",
        "DIR",
        "",
        "directory with the files ACCESS_KEY_ID and SECRET_ACCESS_KEY (or id and secret), read again when they change",
    ),
    flag(
        "allow-identity-fallback",
        "",
        "",
        "read with the next identity where a piece of the asked one is missing, as the official provider does; for migrations",
    ),
    flag(
        "service-account-dir",
        "DIR",
        "/var/run/secrets/kubernetes.io/serviceaccount",
        "directory with token and ca.crt for the Kubernetes API",
    ),
    flag(
        "metadata-endpoint",
        "URL",
        "http://100.100.100.200",
        "where the instance metadata service is",
    ),
    flag(
        "unknown-keys",
        "MODE",
        "warn",
        "what an unknown key in a SecretProviderClass is: warn or error",
    ),
    flag(
        "access-policy",
        "FILE",
        "",
        "who may read what with the provider's own identities; without it, everybody everything",
    ),
    flag(
        "memory-budget",
        "BYTES",
        "64MiB",
        "most memory for requests, values and responses together",
    ),
    flag(
        "max-response-bytes",
        "BYTES",
        "4194304",
        "most bytes of one volume; the driver's --max-call-recv-msg-size",
    ),
    flag(
        "shutdown-grace",
        "DURATION",
        "10s",
        "how long running Mounts may take after SIGTERM",
    ),
    flag(
        "healthz-port",
        "PORT",
        "8989",
        "port of the health endpoint, on all addresses",
    ),
    flag("healthz-path", "PATH", "/healthz", "path of the health endpoint"),
    flag(
        "healthz-timeout",
        "DURATION",
        "5s",
        "how long the socket may take to answer a health request",
    ),
    flag(
        "v",
        "LEVEL",
        "0",
        "verbosity of the log: 0 to 3 events, 4 and more details",
    ),
    flag(
        "log-format",
        "FORMAT",
        "text",
        "how log lines are written: text (as klog) or json",
    ),
];

/// Of `mount` and `whoami`.
const CLASS_NAME: Flag = flag(
    "class-name",
    "NAME",
    "",
    "which class, where the manifest holds several",
);

/// Flags of `mount` beside those of the provider itself.
pub(super) const MOUNT: &[Flag] = &[
    flag(
        "class",
        "FILE",
        "",
        "manifest that holds the SecretProviderClass; - is standard input",
    ),
    CLASS_NAME,
    flag(
        "target",
        "DIR",
        "",
        "directory to write the files to, laid out as in a pod's volume",
    ),
    flag(
        "namespace",
        "NAME",
        "",
        "the pod's namespace; without it the class's, else default",
    ),
    flag("pod", "NAME", "mount", "the pod's name"),
    flag(
        "pod-uid",
        "UID",
        "00000000-0000-4000-8000-000000000000",
        "the pod's uid",
    ),
    flag("service-account", "NAME", "default", "the pod's ServiceAccount"),
    flag(
        "token-file",
        "FILE",
        "",
        "the pod's ServiceAccount token for the audience sts.aliyuncs.com",
    ),
    flag(
        "publish-secret",
        "FILE",
        "",
        "manifest of the Secret that nodePublishSecretRef names",
    ),
    flag("mode", "MODE", "0644", "mode of files that name none, in octal"),
];

/// Flags of `validate`.
pub(super) const VALIDATE: &[Flag] = &[
    flag(
        "output",
        "FORMAT",
        "text",
        "how to print the outcome: text or json",
    ),
    flag(
        "access-policy",
        "FILE",
        "",
        "access policy to ask, too: may the pods that mount a class read its objects?",
    ),
    flag(
        "namespace",
        "NAME",
        "",
        "with --access-policy: namespace of classes and pods that name none; default if not given",
    ),
    flag(
        "service-account",
        "NAME",
        "",
        "with --access-policy: ServiceAccount for classes that no pod here mounts; default if not given",
    ),
    flag(
        "region",
        "REGION",
        "",
        "with --access-policy: the provider's region, for classes that name none",
    ),
];

/// Flags of `whoami`, beside those of the provider itself.
pub(super) const WHOAMI: &[Flag] = &[
    flag(
        "class",
        "FILE",
        "",
        "manifest with the SecretProviderClass whose objects to try; without it the provider's own identity",
    ),
    CLASS_NAME,
    flag(
        "namespace",
        "NAME",
        "",
        "namespace of the pod; without it the class's",
    ),
    flag("service-account", "NAME", "", "ServiceAccount of the pod"),
    flag(
        "token-file",
        "FILE",
        "",
        "token of that ServiceAccount with audience sts.aliyuncs.com, as kubectl create token gives it",
    ),
];

/// Flags of `prepare-dir`.
pub(super) const PREPARE: &[Flag] = &[
    flag(
        "provider-volume",
        "DIR",
        "/etc/kubernetes/secrets-store-csi-providers",
        "directory that the provider will put its socket into",
    ),
    flag(
        "group",
        "GID",
        "65532",
        "group that the provider runs as, and that may write in the directory; 0 changes nothing",
    ),
];

/// Flags of every subcommand.
pub(super) const COMMON: &[Flag] = &[
    flag("help", "", "", "print this and exit"),
    flag("version", "", "", "print the version and exit"),
    flag("h", "", "", "print this and exit"),
];

/// What klog takes, for the sake of existing manifests.
pub(super) const IGNORED: &[Flag] = &[
    ignored("add_dir_header", ""),
    ignored("alsologtostderr", ""),
    ignored("alsologtostderrthreshold", "SEVERITY"),
    ignored("legacy_stderr_threshold_behavior", ""),
    ignored("log_backtrace_at", "LOCATION"),
    ignored("log_dir", "DIR"),
    ignored("log_file", "FILE"),
    ignored("log_file_max_size", "MB"),
    ignored("logtostderr", ""),
    ignored("one_output", ""),
    ignored("skip_headers", ""),
    ignored("skip_log_headers", ""),
    ignored("stderrthreshold", "SEVERITY"),
    ignored("vmodule", "PATTERN"),
];

const fn flag(name: &'static str, value: &'static str, default: &'static str, help: &'static str) -> Flag {
    Flag {
        name,
        value,
        default,
        help,
    }
}

const fn ignored(name: &'static str, value: &'static str) -> Flag {
    Flag {
        name,
        value,
        default: "",
        help: "",
    }
}
