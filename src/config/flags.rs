//! Every flag is a field here, and its comment is its help. Parsing, help and the documentation checks use these lists;
//! `SUBCOMMANDS` says which subcommand takes which set.

use super::flag::Flag;

/// A set of flags.
pub(super) trait FlagSet: Default {
    /// All flags, in the order of the help.
    fn flags(&mut self) -> Vec<&mut Flag>;
}

impl<A: FlagSet, B: FlagSet> FlagSet for (A, B) {
    fn flags(&mut self) -> Vec<&mut Flag> {
        let mut flags = self.0.flags();
        flags.append(&mut self.1.flags());
        flags
    }
}

/// Flags of every subcommand that runs as the provider.
pub(super) type Serve = (Provider, Klog);

/// Declares sets of flags, each with the separator of words in its flags' names. A flag is `name: PLACEHOLDER = default`,
/// with `_` between words; a switch has no placeholder. Its comment is its help; a flag without one is accepted for
/// existing manifests, and ignored.
macro_rules! flag_sets {
    ($(
        $(#[doc = $about:literal])+
        $set:ident $between:literal {
            $( $(#[doc = $help:literal])? $field:ident $(: $value:ident)? $(= $default:literal)?, )*
        }
    )+) => { $(
        $(#[doc = $about])+
        pub(super) struct $set { $( $(#[doc = $help])? pub(super) $field: Flag, )* }

        impl Default for $set {
            fn default() -> Self {
                Self { $( $field: Flag {
                    name: stringify!($field).replace('_', $between),
                    value: concat!($( stringify!($value) )?),
                    default: concat!($( $default )?),
                    help: concat!($( $help )?).trim_ascii_start(),
                    given: None,
                }, )* }
            }
        }

        impl FlagSet for $set {
            fn flags(&mut self) -> Vec<&mut Flag> {
                vec![$( &mut self.$field, )*]
            }
        }
    )+ };
}

flag_sets! {
    /// Flags of the provider; every subcommand that runs as the provider takes them too.
    Provider "-" {
        /// directory of the socket alibabacloud.sock, shared with the driver
        provider_volume: DIR = "/etc/kubernetes/secrets-store-csi-providers",
        /// region for classes that name none; by default the node's region, from instance metadata
        region: REGION,
        /// concurrent KMS reads over all mounts, 1 to 512; not a rate, unlike in the official provider
        max_concurrent_kms_secret_pulls: N = "10",
        /// concurrent OOS reads over all mounts, 1 to 512; not a rate, unlike in the official provider
        max_concurrent_oos_secret_pulls: N = "10",
        /// rate limit for KMS reads, per second; bursts up to twice that; 0 disables it
        kms_max_pulls_per_second: N = "50",
        /// rate limit for OOS reads, per second; bursts up to twice that; 0 disables it
        oos_max_pulls_per_second: N = "50",
        /// repeated mounts may reuse values read within this time; 0 disables it
        refresh_interval: DURATION = "60s",
        /// in an outage, values read within this time may be served; at most 24h, 0 disables it
        serve_stale_for: DURATION = "0s",
        /// KMS endpoint; {region} is replaced by the region
        kms_endpoint: URL = "https://kms-vpc.{region}.aliyuncs.com",
        /// OOS endpoint; {region} is replaced by the region
        oos_endpoint: URL = "https://oos-vpc.{region}.aliyuncs.com",
        /// STS endpoint; by default from ALIBABA_CLOUD_STS_REGION, else in the VPC of the node's region
        sts_endpoint: URL,
        /// hosts that kmsEndpoint in a SecretProviderClass may name; * matches one label
        allowed_endpoints: HOSTS = "kms.*.aliyuncs.com,kms-vpc.*.aliyuncs.com,*.cryptoservice.kms.aliyuncs.com",
        /// PEM file with the CA of the KMS instances, from the KMS console; reloaded when it changes
        kms_ca_file: FILE,
        /// directory with the files ACCESS_KEY_ID and SECRET_ACCESS_KEY (or id and secret); reloaded when they change
        credentials_dir: DIR,
        /// use the next identity if part of the requested one is missing, like the official provider; for migrations
        allow_identity_fallback,
        /// directory with token and ca.crt for the Kubernetes API
        service_account_dir: DIR = "/var/run/secrets/kubernetes.io/serviceaccount",
        /// endpoint of the instance metadata service
        metadata_endpoint: URL = "http://100.100.100.200",
        /// how to treat unknown keys in a SecretProviderClass: warn or error
        unknown_keys: MODE = "warn",
        /// access policy file; without it, every namespace may read everything the provider's identity can
        access_policy: FILE,
        /// memory limit for requests, values and responses together
        memory_budget: BYTES = "64MiB",
        /// size limit of one volume, equal to the driver's --max-call-recv-msg-size
        max_response_bytes: BYTES = "4194304",
        /// grace period for running mounts after SIGTERM
        shutdown_grace: DURATION = "10s",
        /// port of the health endpoint, on all addresses
        healthz_port: PORT = "8989",
        /// path of the health endpoint
        healthz_path: PATH = "/healthz",
        /// timeout for the socket to answer a health check
        healthz_timeout: DURATION = "5s",
        /// log verbosity: events from 0, details from 4
        v: LEVEL = "0",
        /// log format: text (like klog) or json
        log_format: FORMAT = "text",
    }

    /// Flags of the commands that mount once, in addition to the provider's.
    Once "-" {
        /// manifest that holds the SecretProviderClass; - is standard input
        class: FILE,
        /// name of the class, if the manifest holds several
        class_name: NAME,
        /// the pod's namespace; by default the class's, else default
        namespace: NAME,
        /// the pod's name
        pod: NAME = "mount",
        /// the pod's uid
        pod_uid: UID = "00000000-0000-4000-8000-000000000000",
        /// the pod's ServiceAccount
        service_account: NAME = "default",
        /// the pod's ServiceAccount token for the audience sts.aliyuncs.com
        token_file: FILE,
        /// manifest of the Secret that nodePublishSecretRef names
        publish_secret: FILE,
    }

    /// Flags of `mount`.
    Mount "-" {
        /// directory to write the files to, laid out as in a pod's volume
        target: DIR,
        /// default file mode, in octal
        mode: MODE = "0644",
        /// keep the files fresh until SIGTERM: mount again every --refresh-interval, and at once after SIGHUP
        watch,
        /// with --watch: file that is written after each mount that succeeds
        ready_file: FILE,
        /// exit with 0 if --ready-file was written within three refresh intervals, else with 1, and mount nothing
        check_ready,
        /// with --watch: file that is written after each change of the values
        changed_file: FILE,
        /// with --watch: process to signal after each change, by the number in this file
        pid_file: FILE,
        /// with --pid-file: the signal: HUP, INT, QUIT, TERM, USR1 or USR2
        signal: NAME = "HUP",
    }

    /// Flags of `exec`.
    Exec "-" {
        /// variables and the files that they hold: NAME=FILE, separated by commas
        env: LIST,
        /// variables that hold the path of a file in memory with the contents: NAME=FILE, separated by commas
        file_env: LIST,
        /// a variable for each other file, named after it: db/password becomes DB_PASSWORD
        env_from_files,
    }

    /// Flags of `validate`.
    Validate "-" {
        /// output format: text or json
        output: FORMAT = "text",
        /// access policy to check: may the pods that mount a class read its objects?
        access_policy: FILE,
        /// with --access-policy: namespace for classes and pods that name none; default if not set
        namespace: NAME,
        /// with --access-policy: ServiceAccount for classes that no pod here mounts; default if not set
        service_account: NAME,
        /// with --access-policy: the provider's region, for classes that name none
        region: REGION,
    }

    /// Flags of `whoami`, in addition to the provider's.
    WhoAmI "-" {
        /// manifest with the SecretProviderClass to test; without it, tests the provider's own identity
        class: FILE,
        /// name of the class, if the manifest holds several
        class_name: NAME,
        /// the pod's namespace; by default the class's
        namespace: NAME,
        /// the pod's ServiceAccount
        service_account: NAME,
        /// token of that ServiceAccount for the audience sts.aliyuncs.com, from kubectl create token
        token_file: FILE,
    }

    /// Flags of `prepare-dir`.
    PrepareDir "-" {
        /// directory of the provider's socket
        provider_volume: DIR = "/etc/kubernetes/secrets-store-csi-providers",
        /// the provider's group, which gets write access to the directory; 0 changes nothing
        group: GID = "65532",
    }

    /// `prepare-bin` has no flags of its own.
    PrepareBin "-" {}

    /// Flags of every subcommand.
    Common "-" {
        /// print this help and exit
        help,
        /// print the version and exit
        version,
        /// print this help and exit
        h,
    }

    /// Flags of klog.
    Klog "_" {
        add_dir_header,
        alsologtostderr,
        alsologtostderrthreshold: SEVERITY,
        legacy_stderr_threshold_behavior,
        log_backtrace_at: LOCATION,
        log_dir: DIR,
        log_file: FILE,
        log_file_max_size: MB,
        logtostderr,
        one_output,
        skip_headers,
        skip_log_headers,
        stderrthreshold: SEVERITY,
        vmodule: PATTERN,
    }
}
