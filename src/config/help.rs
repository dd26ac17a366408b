//! What `--help` and `--version` print.

use std::fmt::Write as _;

use super::flags::Flag;
use super::subcommand::{SERVE, SUBCOMMANDS, Subcommand};

/// The help of a subcommand.
pub(super) fn help(subcommand: &Subcommand) -> String {
    let mut text = subcommand.about.to_owned();
    let is_default = subcommand.name == SERVE.name;
    let name = if is_default {
        "[SUBCOMMAND]".to_owned()
    } else {
        subcommand.name.to_owned()
    };
    let operands = subcommand.operands;
    let _ = writeln!(
        text,
        "\nUsage: csi-secrets-store-provider-alibabacloud {}",
        format!("{name} [FLAGS] {operands}").trim_end()
    );
    if is_default {
        text.push_str("\nSubcommands (each has a --help of its own):\n");
        for subcommand in SUBCOMMANDS {
            let _ = writeln!(text, "  {:<12}{}", subcommand.name, subcommand.summary);
        }
    }
    text.push_str("\nFlags (with one dash or two, --flag=value or --flag value):\n");
    for flag in subcommand
        .flags()
        .filter(|flag| !flag.is_ignored() && flag.name != "h")
    {
        let heading = if flag.is_switch() {
            flag.name.to_owned()
        } else {
            format!("{} {}", flag.name, flag.value)
        };
        let default = if flag.default.is_empty() {
            String::new()
        } else {
            format!(" [{}]", flag.default)
        };
        let _ = writeln!(text, "  --{heading}\n        {}{default}", flag.help);
    }
    if subcommand.flags().any(Flag::is_ignored) {
        text.push_str("\nOther klog flags (logtostderr, vmodule, …) are accepted and have no effect.\n");
    }
    if subcommand.reads_environment {
        text.push_str(ENVIRONMENT);
    }
    text
}

const ENVIRONMENT: &str = "\nEnvironment:\n  \
         ACCESS_KEY_ID, SECRET_ACCESS_KEY\n        the AccessKey pair that reads the secrets, or assumes ALICLOUD_ROLE_ARN\n  \
         ALICLOUD_ROLE_ARN, ALICLOUD_ROLE_SESSION_NAME, ALICLOUD_ROLE_SESSION_EXPIRATION\n        the role to assume, its session's name, and for how many seconds\n  \
         ALICLOUD_OIDC_PROVIDER_ARN, or ALICLOUD_ACCOUNT_ID and ALICLOUD_CLUSTER_ID\n        assume the role with the provider's own ServiceAccount token (RRSA)\n  \
         ALICLOUD_OIDC_TOKEN_FILE\n        where that token is\n  \
         ALIBABA_CLOUD_STS_REGION, ALIBABA_CLOUD_VPC_ENDPOINT_ENABLED\n        a regional endpoint of STS, and whether the one in the VPC\n  \
         ALIBABA_CLOUD_ECS_METADATA, ALIBABA_CLOUD_ECS_METADATA_DISABLED, ALIBABA_CLOUD_IMDSV1_DISABLED\n        the worker RAM role by name, whether not to use it, whether to ask with session tokens only\n  \
         SSL_CERT_FILE, SSL_CERT_DIR\n        certificate authorities to trust beside the built-in ones\n";

/// The version.
pub(super) fn version() -> String {
    format!("{} {}\n", env!("CARGO_PKG_NAME"), env!("CARGO_PKG_VERSION"))
}
