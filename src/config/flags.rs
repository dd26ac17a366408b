//! Every flag: a field for each, whose comment is its help. Parsing, help and checks of the documentation follow from
//! these lists; which subcommand takes which is in `subcommand.rs`.

use super::flag::Flag;

/// Flags that belong together.
pub(super) trait FlagSet: Default {
    /// Each of them, in the order of the help.
    fn flags(&mut self) -> Vec<&mut Flag>;
}

impl<A: FlagSet, B: FlagSet> FlagSet for (A, B) {
    fn flags(&mut self) -> Vec<&mut Flag> {
        let mut flags = self.0.flags();
        flags.append(&mut self.1.flags());
        flags
    }
}

/// Flags of whatever runs as the provider.
pub(super) type Serve = (Provider, Klog);

/// Declares sets of flags, with what stands between the words of their names. A flag is a field named as it is spelt, with
/// `_` between words; then what stands for its value in the help, nothing for a switch; then its default. Its comment is
/// its help; a flag without one is accepted for the sake of existing manifests, and ignored.
macro_rules! flag_sets {
    ($(
        $(#[doc = $about:literal])+
        $set:ident $between:literal {
            $( $(#[doc = $help:literal])? $field:ident $(: $value:ident)? $(= $default:literal)?, )+
        }
    )+) => { $(
        $(#[doc = $about])+
        pub(super) struct $set { $( $(#[doc = $help])? pub(super) $field: Flag, )+ }

        impl Default for $set {
            fn default() -> Self {
                Self { $( $field: Flag {
                    name: stringify!($field).replace('_', $between),
                    value: concat!($( stringify!($value) )?),
                    default: concat!($( $default )?),
                    help: concat!($( $help )?).trim_ascii_start(),
                    given: None,
                }, )+ }
            }
        }

        impl FlagSet for $set {
            fn flags(&mut self) -> Vec<&mut Flag> {
                vec![$( &mut self.$field, )+]
            }
        }
    )+ };
}

flag_sets! {
    /// Flags of the provider itself: whatever reads secrets as it does takes them all.
    Provider "-" {
        /// directory of the socket alibabacloud.sock, shared with the driver
        provider_volume: DIR = "/etc/kubernetes/secrets-store-csi-providers",
        /// region of classes that name none; without it the node's own, from instance metadata
        region: REGION,
        /// KMS secrets pulled at the same time, over all Mounts, 1 to 512; no rate as with the official provider
        max_concurrent_kms_secret_pulls: N = "10",
        /// OOS parameters pulled at the same time, over all Mounts, 1 to 512; no rate as with the official provider
        max_concurrent_oos_secret_pulls: N = "10",
        /// KMS secrets pulled per second, with bursts of twice as many; 0 for no limit
        kms_max_pulls_per_second: N = "50",
        /// OOS parameters pulled per second, with bursts of twice as many; 0 for no limit
        oos_max_pulls_per_second: N = "50",
        /// volumes that are mounted again may share values read so recently; 0 reads anew each time
        refresh_interval: DURATION = "60s",
        /// in an outage, values that were read so recently may be served; 0 for never, at most 24h
        serve_stale_for: DURATION = "0s",
        /// where KMS is; {region} stands for the region
        kms_endpoint: URL = "https://kms-vpc.{region}.aliyuncs.com",
        /// where OOS is; {region} stands for the region
        oos_endpoint: URL = "https://oos-vpc.{region}.aliyuncs.com",
        /// where STS is; without it as ALIBABA_CLOUD_STS_REGION says, else in the VPC of the node's region
        sts_endpoint: URL,
        /// hosts that kmsEndpoint in a SecretProviderClass may name; * stands for one label
        allowed_endpoints: HOSTS = "kms.*.aliyuncs.com,kms-vpc.*.aliyuncs.com,*.cryptoservice.kms.aliyuncs.com",
        /// PEM file with the CA of the KMS instances, from the KMS console; read again when it changes
        kms_ca_file: FILE,
        /// directory with the files ACCESS_KEY_ID and SECRET_ACCESS_KEY (or id and secret), read again when they change
        credentials_dir: DIR,
        /// read with the next identity where a piece of the asked one is missing, as the official provider does; for migrations
        allow_identity_fallback,
        /// directory with token and ca.crt for the Kubernetes API
        service_account_dir: DIR = "/var/run/secrets/kubernetes.io/serviceaccount",
        /// where the instance metadata service is
        metadata_endpoint: URL = "http://100.100.100.200",
        /// what an unknown key in a SecretProviderClass is: warn or error
        unknown_keys: MODE = "warn",
        /// who may read what with the provider's own identities; without it, everybody everything
        access_policy: FILE,
        /// most memory for requests, values and responses together
        memory_budget: BYTES = "64MiB",
        /// most bytes of one volume; the driver's --max-call-recv-msg-size
        max_response_bytes: BYTES = "4194304",
        /// how long running Mounts may take after SIGTERM
        shutdown_grace: DURATION = "10s",
        /// port of the health endpoint, on all addresses
        healthz_port: PORT = "8989",
        /// path of the health endpoint
        healthz_path: PATH = "/healthz",
        /// how long the socket may take to answer a health request
        healthz_timeout: DURATION = "5s",
        /// verbosity of the log: 0 to 3 events, 4 and more details
        v: LEVEL = "0",
        /// how log lines are written: text (as klog) or json
        log_format: FORMAT = "text",
    }

    /// Flags of `mount` beside those of the provider itself.
    Mount "-" {
        /// manifest that holds the SecretProviderClass; - is standard input
        class: FILE,
        /// which class, where the manifest holds several
        class_name: NAME,
        /// directory to write the files to, laid out as in a pod's volume
        target: DIR,
        /// the pod's namespace; without it the class's, else default
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
        /// mode of files that name none, in octal
        mode: MODE = "0644",
    }

    /// Flags of `validate`.
    Validate "-" {
        /// how to print the outcome: text or json
        output: FORMAT = "text",
        /// access policy to ask, too: may the pods that mount a class read its objects?
        access_policy: FILE,
        /// with --access-policy: namespace of classes and pods that name none; default if not given
        namespace: NAME,
        /// with --access-policy: ServiceAccount for classes that no pod here mounts; default if not given
        service_account: NAME,
        /// with --access-policy: the provider's region, for classes that name none
        region: REGION,
    }

    /// Flags of `whoami` beside those of the provider itself.
    WhoAmI "-" {
        /// manifest with the SecretProviderClass whose objects to try; without it the provider's own identity
        class: FILE,
        /// which class, where the manifest holds several
        class_name: NAME,
        /// namespace of the pod; without it the class's
        namespace: NAME,
        /// ServiceAccount of the pod
        service_account: NAME,
        /// token of that ServiceAccount with audience sts.aliyuncs.com, as kubectl create token gives it
        token_file: FILE,
    }

    /// Flags of `prepare-dir`.
    PrepareDir "-" {
        /// directory that the provider will put its socket into
        provider_volume: DIR = "/etc/kubernetes/secrets-store-csi-providers",
        /// group that the provider runs as, and that may write in the directory; 0 changes nothing
        group: GID = "65532",
    }

    /// Flags of every subcommand.
    Common "-" {
        /// print this and exit
        help,
        /// print the version and exit
        version,
        /// print this and exit
        h,
    }

    /// What klog takes.
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
