//! What `--help` and `--version` print.

use std::fmt::Write as _;

use super::flags::FLAGS;

/// The help.
pub fn help() -> String {
    let mut text = String::from(
        "Mounts Alibaba Cloud OOS encrypted parameters and KMS secrets into pods: a provider for the\n\
         Kubernetes Secrets Store CSI Driver. Serves the driver on DIR/alibabacloud.sock until SIGTERM.\n\n\
         Usage: csi-secrets-store-provider-alibabacloud [FLAGS]\n\n\
         Flags (with one dash or two, --flag=value or --flag value):\n",
    );
    for flag in FLAGS.iter().filter(|flag| !flag.is_ignored() && flag.name != "h") {
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
    text.push_str(
        "\nOther klog flags (logtostderr, vmodule, …) are accepted and have no effect.\n\n\
         Environment:\n  \
         ACCESS_KEY_ID, SECRET_ACCESS_KEY\n        the AccessKey pair that reads the secrets\n  \
         SSL_CERT_FILE, SSL_CERT_DIR\n        certificate authorities to trust beside the built-in ones\n",
    );
    text
}

/// The version.
pub fn version() -> String {
    format!("{} {}\n", env!("CARGO_PKG_NAME"), env!("CARGO_PKG_VERSION"))
}
