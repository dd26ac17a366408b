//! The texts of `--help` and `--version`.

use super::flag::Flag;
use super::subcommand::Subcommand;

/// The help of a subcommand with these flags. That of the first, which is the default, lists all subcommands.
pub(super) fn help(subcommand: &Subcommand, all: &[Subcommand], flags: &[&mut Flag]) -> String {
    let Subcommand {
        name,
        operands,
        about,
        ..
    } = subcommand;
    let is_default = all.first().is_some_and(|first| first.name == *name);
    let name = if is_default { "[SUBCOMMAND]" } else { name };
    let usage = format!("csi-secrets-store-provider-alibabacloud {name} [FLAGS] {operands}");
    let mut text = format!("{about}\nUsage: {}\n", usage.trim_end());
    if is_default {
        text.push_str("\nSubcommands (each has its own --help):\n");
        for Subcommand { name, summary, .. } in all {
            text.push_str(&format!("  {name:<12}{summary}\n"));
        }
    }
    text.push_str("\nFlags (with one dash or two, --flag=value or --flag value):\n");
    for flag in flags.iter().filter(|flag| !flag.is_ignored() && flag.name != "h") {
        let heading = format!("{} {}", flag.name, flag.value);
        text.push_str(&format!("  --{}\n        {}", heading.trim_end(), flag.help));
        if !flag.default.is_empty() {
            text.push_str(&format!(" [{}]", flag.default));
        }
        text.push('\n');
    }
    // A subcommand with klog's flags runs as the provider, and reads its environment.
    if flags.iter().any(|flag| flag.is_ignored()) {
        text.push_str("\nOther klog flags (logtostderr, vmodule, …) are accepted and have no effect.\n");
        text.push_str(ENVIRONMENT);
    }
    text
}

const ENVIRONMENT: &str = "\nEnvironment:\n  \
         ACCESS_KEY_ID, SECRET_ACCESS_KEY\n        the AccessKey pair that reads the secrets, or assumes ALICLOUD_ROLE_ARN\n  \
         ALICLOUD_ROLE_ARN, ALICLOUD_ROLE_SESSION_NAME, ALICLOUD_ROLE_SESSION_EXPIRATION\n        the role to assume, its session name, and the session duration in seconds\n  \
         ALICLOUD_OIDC_PROVIDER_ARN, or ALICLOUD_ACCOUNT_ID and ALICLOUD_CLUSTER_ID\n        assume the role with the provider's own ServiceAccount token (RRSA)\n  \
         ALICLOUD_OIDC_TOKEN_FILE\n        path of that token\n  \
         ALIBABA_CLOUD_STS_REGION, ALIBABA_CLOUD_VPC_ENDPOINT_ENABLED\n        region of the STS endpoint, and whether to use its VPC endpoint\n  \
         ALIBABA_CLOUD_ECS_METADATA, ALIBABA_CLOUD_ECS_METADATA_DISABLED, ALIBABA_CLOUD_IMDSV1_DISABLED\n        name of the worker RAM role, whether to disable it, whether to require metadata session tokens\n  \
         SSL_CERT_FILE, SSL_CERT_DIR\n        additional trusted certificate authorities\n";

pub(super) fn version() -> String {
    format!("{} {}\n", env!("CARGO_PKG_NAME"), env!("CARGO_PKG_VERSION"))
}
