//! Every flag and variable of the official provider, with values that it accepts. This provider accepts them too, with a
//! warning if the meaning differs; or refuses them, and `docs/migrate.md` says so.
//!
//! What the official provider accepts was tested with its flags in Go 1.26 and read in its SDK, credentials-go 1.4.6.

use std::collections::BTreeSet;

use super::*;
use crate::config::flags::Klog;

/// Flags of the official provider except klog's, and the variables that it and its SDK read.
const SETTINGS: [&str; 27] = [
    "--provider-volume",
    "--healthz-port",
    "--healthz-path",
    "--healthz-timeout",
    "--max-concurrent-kms-secret-pulls",
    "--max-concurrent-oos-secret-pulls",
    "--region",
    "--v",
    "ACCESS_KEY_ID",
    "SECRET_ACCESS_KEY",
    "ALICLOUD_ROLE_ARN",
    "ALICLOUD_OIDC_PROVIDER_ARN",
    "ALICLOUD_ACCOUNT_ID",
    "ALICLOUD_CLUSTER_ID",
    "ALICLOUD_ROLE_SESSION_NAME",
    "ALICLOUD_ROLE_SESSION_EXPIRATION",
    "ALIBABA_CLOUD_STS_REGION",
    "ALIBABA_CLOUD_VPC_ENDPOINT_ENABLED",
    "ALIBABA_CLOUD_ECS_METADATA",
    "ALIBABA_CLOUD_ECS_METADATA_DISABLED",
    "ALIBABA_CLOUD_IMDSV1_DISABLED",
    "HTTPS_PROXY",
    "NO_PROXY",
    "ALICLOUD_OIDC_TOKEN_FILE",
    "SSL_CERT_FILE",
    "KUBERNETES_SERVICE_HOST",
    "KUBERNETES_SERVICE_PORT",
];

/// The result of a value here.
enum Here {
    /// It starts without a warning.
    Starts,
    /// It starts with one warning that contains this.
    Warns(&'static str),
    /// It fails with one line that contains this.
    Refuses(&'static str),
}
use Here::{Refuses, Starts, Warns};

/// Other variables that a value needs to take effect.
type Variables = &'static [(&'static str, &'static str)];
const ALONE: Variables = &[];
const PAIR: Variables = &[("ACCESS_KEY_ID", "id"), ("SECRET_ACCESS_KEY", "canary")];
const ROLE: Variables = &[
    ("ALICLOUD_ROLE_ARN", "acs:ram::1234567890123456:role/reader"),
    ("ACCESS_KEY_ID", "id"),
    ("SECRET_ACCESS_KEY", "canary"),
];
const OIDC: Variables = &[("ALICLOUD_OIDC_PROVIDER_ARN", "acs:ram::1:oidc-provider/p")];
const ACCOUNT: Variables = &[("ALICLOUD_ACCOUNT_ID", "1234567890123456")];

const KMS: &str = "--max-concurrent-kms-secret-pulls";
const OOS: &str = "--max-concurrent-oos-secret-pulls";
const NO_PULLS: Here = Refuses("expected a number from 1 to 512");
const LEAST_PULL: Here = Warns(
    "expected 1 to 512, using 1; this limits concurrent reads, not the rate as in the official provider; for the rate, set --",
);
const MOST_PULLS: Here = Warns(
    "expected 1 to 512, using 512; this limits concurrent reads, not the rate as in the official provider; for the rate, set --",
);
const OTHER_NAME: Here = Warns(
    "ALICLOUD_ROLE_SESSION_NAME: expected 2 to 64 letters, digits and any of . @ - _; other characters become - and the name is cut at 64, so the audit trail shows another name",
);
const NO_NAME: Here = Warns(
    "ALICLOUD_ROLE_SESSION_NAME: expected 2 to 64 letters, digits and any of . @ - _; using the default names",
);
const AN_HOUR: Here = Warns("ALICLOUD_ROLE_SESSION_EXPIRATION: expected 900 to 43200 seconds, using 3600");
const SHORTEST: Here = Warns("ALICLOUD_ROLE_SESSION_EXPIRATION: expected 900 to 43200 seconds, using 900");
const LONGEST: Here = Warns("ALICLOUD_ROLE_SESSION_EXPIRATION: expected 900 to 43200 seconds, using 43200");
const NO_ROLE: Here = Refuses("ALICLOUD_ROLE_ARN: expected acs:ram::<account id>:role/<name>");
const NO_OIDC: Here =
    Refuses("ALICLOUD_OIDC_PROVIDER_ARN: expected acs:ram::<account id>:oidc-provider/<name>");
const NO_OIDC_PARTS: Here = Refuses(
    "ALICLOUD_ACCOUNT_ID and ALICLOUD_CLUSTER_ID: expected the account's number and the cluster's id",
);
const NO_KEY: Here =
    Refuses("ACCESS_KEY_ID: expected an AccessKey ID; remove blanks, commas and other invalid bytes");
const NO_SECRET: Here =
    Refuses("SECRET_ACCESS_KEY: expected an AccessKey secret; remove blanks, commas and other invalid bytes");
const NO_WORKER_ROLE: Here =
    Refuses("ALIBABA_CLOUD_ECS_METADATA: expected the name of the node's RAM role, without its ARN");
const NO_IDENTITY: Here = Refuses(
    "ALIBABA_CLOUD_ECS_METADATA_DISABLED: expected true or false; the official provider reads this value as false, and no other identity is configured; remove the variable",
);
const NO_REGION: Here = Refuses("expected a region such as cn-hangzhou");
const LOWER_REGION: Here = Warns("--region: expected lower case without blanks, using cn-hangzhou");
const NO_STS_REGION: Here =
    Warns("ALIBABA_CLOUD_STS_REGION: expected a region such as cn-hangzhou; it has no effect");
const READ_AS_TRUE: &str = " is read as true; the official provider accepts only the word true";
const NO_TIME: Here = Warns("expected more than 0, using 5s");
const NO_DURATION: Here = Refuses("expected a duration such as 500ms, 5s or 1m30s, at most an hour");
const NO_PORT: Here = Refuses("expected a port from 0 to 65535");
const OTHER_PORT: Here = Warns("expected a port from 0 to 65535, using 8989");
const NO_PROXY: Here = Refuses("HTTPS_PROXY: only http:// and https:// proxies are supported");

/// A setting, other variables, a value, and the result. Messages about a flag begin with the flag and its value.
#[rustfmt::skip]
const VALUES: &[(&str, Variables, &str, Here)] = &[
    ("--provider-volume", ALONE, "relative/dir", Starts),
    ("--provider-volume", ALONE, "/trailing/", Starts),
    ("--provider-volume", ALONE, "", Refuses(" is empty; set it to the directory shared with the driver")),
    ("--healthz-port", ALONE, "0", Starts),
    ("--healthz-port", ALONE, "+8989", Starts),
    ("--healthz-port", ALONE, "0x231d", Starts),
    ("--healthz-port", ALONE, "8_989", Starts),
    ("--healthz-port", ALONE, "-1", OTHER_PORT),
    ("--healthz-port", ALONE, "65536", OTHER_PORT),
    ("--healthz-port", ALONE, "99999", OTHER_PORT),
    ("--healthz-port", ALONE, "http", NO_PORT),
    ("--healthz-port", ALONE, "", NO_PORT),
    ("--healthz-path", ALONE, "/", Starts),
    ("--healthz-path", ALONE, "/live/", Starts),
    ("--healthz-path", ALONE, "/a b?ü", Starts),
    ("--healthz-path", ALONE, "/readyz", Warns("readiness has no path on this port, because the health check takes it; set another path")),
    ("--healthz-path", ALONE, "/metrics", Warns("metrics have no path on this port, because the health check takes it; set another path")),
    ("--healthz-path", ALONE, "healthz", Refuses("expected a path that begins with a slash")),
    ("--healthz-path", ALONE, "", Refuses("expected a path that begins with a slash")),
    ("--healthz-timeout", ALONE, "1m30s", Starts),
    ("--healthz-timeout", ALONE, "+.5s", Starts),
    ("--healthz-timeout", ALONE, "1h", Starts),
    ("--healthz-timeout", ALONE, "0", NO_TIME),
    ("--healthz-timeout", ALONE, "-0", NO_TIME),
    ("--healthz-timeout", ALONE, "0s", NO_TIME),
    ("--healthz-timeout", ALONE, "-5s", NO_TIME),
    ("--healthz-timeout", ALONE, "1h1ns", Warns("expected at most an hour, using 1h")),
    ("--healthz-timeout", ALONE, "2000000h", Warns("expected at most an hour, using 1h")),
    ("--healthz-timeout", ALONE, "5", NO_DURATION),
    ("--healthz-timeout", ALONE, "-+5s", NO_DURATION),
    ("--healthz-timeout", ALONE, "", NO_DURATION),
    (KMS, ALONE, "1", Starts),
    (KMS, ALONE, "512", Starts),
    (KMS, ALONE, "+5", Starts),
    (KMS, ALONE, "0x10", Starts),
    (KMS, ALONE, "0b1", Starts),
    (KMS, ALONE, "0o17", Starts),
    (KMS, ALONE, "1_00", Starts),
    (KMS, ALONE, "0", LEAST_PULL),
    (KMS, ALONE, "-1", LEAST_PULL),
    (KMS, ALONE, "-99999999999999999999", LEAST_PULL),
    (KMS, ALONE, "513", MOST_PULLS),
    (KMS, ALONE, "1000", MOST_PULLS),
    (KMS, ALONE, "1_000", MOST_PULLS),
    (KMS, ALONE, "1000000", MOST_PULLS),
    (KMS, ALONE, "99999999999999999999", MOST_PULLS),
    (KMS, ALONE, "ten", NO_PULLS),
    (KMS, ALONE, "1.5", NO_PULLS),
    (KMS, ALONE, "08", NO_PULLS),
    (KMS, ALONE, "", NO_PULLS),
    (OOS, ALONE, "20", Starts),
    (OOS, ALONE, "0", LEAST_PULL),
    (OOS, ALONE, "-1", LEAST_PULL),
    (OOS, ALONE, "1000000", MOST_PULLS),
    (OOS, ALONE, "10/s", NO_PULLS),
    ("--region", ALONE, "", Starts),
    ("--region", ALONE, "cn-hangzhou", Starts),
    ("--region", ALONE, "CN-Hangzhou", LOWER_REGION),
    ("--region", ALONE, "cn-hangzhou\n", LOWER_REGION),
    ("--region", ALONE, " ", Warns("--region is blank: classes without a region use the node's region")),
    ("--region", ALONE, "cn_hangzhou", NO_REGION),
    ("--region", ALONE, "__ACK_REGION_ID__", NO_REGION),
    ("--region", ALONE, "evil.example.com/", NO_REGION),
    ("--region", ALONE, "two\nlines", NO_REGION),
    ("--v", ALONE, "5", Starts),
    ("--v", ALONE, "-1", Warns("expected 0 to 255, using 0; details are logged from 4")),
    ("--v", ALONE, "256", Warns("expected 0 to 255, using 255; details are logged from 4")),
    ("--v", ALONE, "2147483647", Warns("expected 0 to 255, using 255; details are logged from 4")),
    ("--v", ALONE, "loud", Refuses("expected a number from 0 to 255")),
    ("--v", ALONE, "", Refuses("expected a number from 0 to 255")),
    ("ACCESS_KEY_ID", &[("SECRET_ACCESS_KEY", "canary")], "id\n", Starts),
    ("ACCESS_KEY_ID", ALONE, "", Starts),
    ("ACCESS_KEY_ID", ALONE, "id", Refuses("ACCESS_KEY_ID is set and SECRET_ACCESS_KEY is not; set both, or neither")),
    ("ACCESS_KEY_ID", &[("SECRET_ACCESS_KEY", "canary")], " ", NO_KEY),
    ("ACCESS_KEY_ID", &[("SECRET_ACCESS_KEY", "canary")], "an id", NO_KEY),
    ("SECRET_ACCESS_KEY", ALONE, "canary", Refuses("SECRET_ACCESS_KEY is set and ACCESS_KEY_ID is not; set both, or neither")),
    ("SECRET_ACCESS_KEY", &[("ACCESS_KEY_ID", "id")], "\t", NO_SECRET),
    ("SECRET_ACCESS_KEY", &[("ACCESS_KEY_ID", "id")], "can ary", NO_SECRET),
    ("ALICLOUD_ROLE_ARN", PAIR, " acs:ram::1234567890123456:role/reader\n", Starts),
    ("ALICLOUD_ROLE_ARN", PAIR, "", Starts),
    ("ALICLOUD_ROLE_ARN", PAIR, " ", NO_ROLE),
    ("ALICLOUD_ROLE_ARN", PAIR, "reader", NO_ROLE),
    ("ALICLOUD_ROLE_ARN", PAIR, "acs:ram::1234567890123456:role/a reader", NO_ROLE),
    ("ALICLOUD_ROLE_ARN", PAIR, "acs:ram::1.2e15:role/reader", NO_ROLE),
    ("ALICLOUD_ROLE_ARN", ALONE, "acs:ram::1:role/reader", Refuses("ALICLOUD_ROLE_ARN is set without credentials to assume it; ")),
    ("ALICLOUD_OIDC_PROVIDER_ARN", ROLE, " acs:ram::1:oidc-provider/ack-rrsa-c1\n", Starts),
    ("ALICLOUD_OIDC_PROVIDER_ARN", ROLE, "", Starts),
    ("ALICLOUD_OIDC_PROVIDER_ARN", ROLE, " ", NO_OIDC),
    ("ALICLOUD_OIDC_PROVIDER_ARN", ROLE, "ack-rrsa-c1", NO_OIDC),
    ("ALICLOUD_OIDC_PROVIDER_ARN", ROLE, "acs:ram::1:role/reader", NO_OIDC),
    ("ALICLOUD_OIDC_PROVIDER_ARN", ROLE, "acs:ram:::oidc-provider/ack-rrsa-c1", NO_OIDC),
    ("ALICLOUD_OIDC_PROVIDER_ARN", ROLE, "acs:ram::1:oidc-provider/ack rrsa", NO_OIDC),
    ("ALICLOUD_CLUSTER_ID", ACCOUNT, "c1\n", Starts),
    ("ALICLOUD_CLUSTER_ID", ACCOUNT, " ", NO_OIDC_PARTS),
    ("ALICLOUD_CLUSTER_ID", ACCOUNT, "", Refuses("ALICLOUD_ACCOUNT_ID is set and ALICLOUD_CLUSTER_ID is not; set both, or neither")),
    ("ALICLOUD_CLUSTER_ID", ALONE, "c1", Refuses("ALICLOUD_CLUSTER_ID is set and ALICLOUD_ACCOUNT_ID is not; set both, or neither")),
    ("ALICLOUD_ACCOUNT_ID", &[("ALICLOUD_CLUSTER_ID", "c1")], "1.2345e+15", NO_OIDC_PARTS),
    ("ALICLOUD_ACCOUNT_ID", &[("ALICLOUD_OIDC_PROVIDER_ARN", "acs:ram::1:oidc-provider/p")], "1", Starts),
    ("ALICLOUD_ROLE_SESSION_NAME", ROLE, "audit-me\n", Starts),
    ("ALICLOUD_ROLE_SESSION_NAME", ROLE, "", Starts),
    ("ALICLOUD_ROLE_SESSION_NAME", ROLE, "team/shop: prod", OTHER_NAME),
    ("ALICLOUD_ROLE_SESSION_NAME", ROLE, "生产", OTHER_NAME),
    ("ALICLOUD_ROLE_SESSION_NAME", ROLE, "more-than-sixty-four-characters-more-than-sixty-four-characters-00", OTHER_NAME),
    ("ALICLOUD_ROLE_SESSION_NAME", ROLE, "x", NO_NAME),
    ("ALICLOUD_ROLE_SESSION_NAME", ROLE, " ", NO_NAME),
    ("ALICLOUD_ROLE_SESSION_EXPIRATION", ROLE, "900", Starts),
    ("ALICLOUD_ROLE_SESSION_EXPIRATION", ROLE, "43200", Starts),
    ("ALICLOUD_ROLE_SESSION_EXPIRATION", ROLE, " +3600\n", Starts),
    ("ALICLOUD_ROLE_SESSION_EXPIRATION", ROLE, "", Starts),
    ("ALICLOUD_ROLE_SESSION_EXPIRATION", ROLE, "0", AN_HOUR),
    ("ALICLOUD_ROLE_SESSION_EXPIRATION", ROLE, "abc", AN_HOUR),
    ("ALICLOUD_ROLE_SESSION_EXPIRATION", ROLE, "1h", AN_HOUR),
    ("ALICLOUD_ROLE_SESSION_EXPIRATION", ROLE, "3600s", AN_HOUR),
    ("ALICLOUD_ROLE_SESSION_EXPIRATION", ROLE, "99999999999999999999", AN_HOUR),
    ("ALICLOUD_ROLE_SESSION_EXPIRATION", ROLE, " ", AN_HOUR),
    ("ALICLOUD_ROLE_SESSION_EXPIRATION", ROLE, "-1", SHORTEST),
    ("ALICLOUD_ROLE_SESSION_EXPIRATION", ROLE, "899", SHORTEST),
    ("ALICLOUD_ROLE_SESSION_EXPIRATION", ROLE, "43201", LONGEST),
    ("ALICLOUD_ROLE_SESSION_EXPIRATION", ROLE, "4294967296", LONGEST),
    ("ALIBABA_CLOUD_STS_REGION", ALONE, "cn-hangzhou", Starts),
    ("ALIBABA_CLOUD_STS_REGION", ALONE, "CN-Hangzhou", Warns("ALIBABA_CLOUD_STS_REGION: expected lower case, using cn-hangzhou")),
    ("ALIBABA_CLOUD_STS_REGION", ALONE, "cn_hangzhou", NO_STS_REGION),
    ("ALIBABA_CLOUD_STS_REGION", ALONE, "evil.example.com/", NO_STS_REGION),
    ("ALIBABA_CLOUD_STS_REGION", ALONE, " ", NO_STS_REGION),
    ("ALIBABA_CLOUD_VPC_ENDPOINT_ENABLED", ALONE, "True", Starts),
    ("ALIBABA_CLOUD_VPC_ENDPOINT_ENABLED", ALONE, "no", Starts),
    ("ALIBABA_CLOUD_VPC_ENDPOINT_ENABLED", ALONE, "1", Warns(READ_AS_TRUE)),
    ("ALIBABA_CLOUD_VPC_ENDPOINT_ENABLED", ALONE, "maybe", Warns("ALIBABA_CLOUD_VPC_ENDPOINT_ENABLED: expected true or false; it has no effect")),
    ("ALIBABA_CLOUD_ECS_METADATA", ALONE, "worker-role\n", Starts),
    ("ALIBABA_CLOUD_ECS_METADATA", ALONE, " ", NO_WORKER_ROLE),
    ("ALIBABA_CLOUD_ECS_METADATA", ALONE, "acs:ram::1:role/worker", NO_WORKER_ROLE),
    ("ALIBABA_CLOUD_ECS_METADATA", ALONE, "../user-data", NO_WORKER_ROLE),
    ("ALIBABA_CLOUD_ECS_METADATA_DISABLED", ALONE, "TRUE", Starts),
    ("ALIBABA_CLOUD_ECS_METADATA_DISABLED", ALONE, "0", Starts),
    ("ALIBABA_CLOUD_ECS_METADATA_DISABLED", ALONE, " ", Starts),
    ("ALIBABA_CLOUD_ECS_METADATA_DISABLED", ALONE, "1", NO_IDENTITY),
    ("ALIBABA_CLOUD_ECS_METADATA_DISABLED", ALONE, "yes", NO_IDENTITY),
    ("ALIBABA_CLOUD_ECS_METADATA_DISABLED", ALONE, "TRUE ", NO_IDENTITY),
    ("ALIBABA_CLOUD_ECS_METADATA_DISABLED", PAIR, "1", Warns(READ_AS_TRUE)),
    ("ALIBABA_CLOUD_ECS_METADATA_DISABLED", OIDC, "yes", Warns(READ_AS_TRUE)),
    ("ALIBABA_CLOUD_ECS_METADATA_DISABLED", PAIR, "TRUE ", Warns(READ_AS_TRUE)),
    ("ALIBABA_CLOUD_ECS_METADATA_DISABLED", PAIR, "disabled", Refuses("ALIBABA_CLOUD_ECS_METADATA_DISABLED: expected true or false")),
    ("ALIBABA_CLOUD_ECS_METADATA_DISABLED", ALONE, "disabled", Refuses("ALIBABA_CLOUD_ECS_METADATA_DISABLED: expected true or false")),
    ("ALIBABA_CLOUD_IMDSV1_DISABLED", ALONE, "true", Starts),
    ("ALIBABA_CLOUD_IMDSV1_DISABLED", ALONE, "On", Warns(READ_AS_TRUE)),
    ("ALIBABA_CLOUD_IMDSV1_DISABLED", ALONE, "v2", Refuses("ALIBABA_CLOUD_IMDSV1_DISABLED: expected true or false")),
    ("HTTPS_PROXY", ALONE, "http://user:password@proxy:3128", Starts),
    ("HTTPS_PROXY", ALONE, " ", Starts),
    ("HTTPS_PROXY", ALONE, "socks5://proxy:1080", NO_PROXY),
    ("NO_PROXY", ALONE, "10.0.0.0/99,,*:x", Starts),
    ("ALICLOUD_OIDC_TOKEN_FILE", ALONE, "/does/not/exist", Starts),
    // Go's own, and client-go's.
    ("SSL_CERT_FILE", ALONE, "/does/not/exist", Warns("SSL_CERT_FILE: certificates of /does/not/exist: No such file or directory (os error 2)")),
    ("SSL_CERT_FILE", ALONE, concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"), Refuses("SSL_CERT_FILE: certificates of ")),
    ("KUBERNETES_SERVICE_HOST", &[("KUBERNETES_SERVICE_PORT", "443")], "fd00::1", Starts),
    ("KUBERNETES_SERVICE_HOST", &[("KUBERNETES_SERVICE_PORT", "443")], "a host", Refuses("KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT: ")),
    ("KUBERNETES_SERVICE_PORT", &[("KUBERNETES_SERVICE_HOST", "10.0.0.1")], "https", Refuses("KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT: ")),
];

/// The configuration of a row.
fn tried(setting: &'static str, beside: Variables, value: &'static str) -> Result<Config, String> {
    let flag = format!("{setting}={value}");
    if setting.starts_with("--") {
        return config(&[&flag], beside);
    }
    let environment = [beside, &[(setting, value)]].concat();
    config(&[], &environment)
}

#[test]
fn what_starts_there_starts_here_or_is_refused_in_one_line() {
    for (setting, beside, value, here) in VALUES {
        let flag = if setting.starts_with("--") { *setting } else { "" };
        let row = format!("{setting}={value}");
        match (tried(setting, beside, value), here) {
            (Ok(config), Starts) => assert_eq!(config.warnings, [""; 0], "{row}"),
            (Ok(config), Warns(text)) => {
                let [warning] = config.warnings.as_slice() else {
                    panic!("{row}: expected one warning, found {:?}", config.warnings)
                };
                assert!(
                    warning.contains(text) && warning.starts_with(setting),
                    "{row}: {warning}"
                );
                // It may come from a Secret.
                let is_told = warning.contains(value.trim()) && value.trim().len() > 3;
                assert!(!is_told || !setting.starts_with("ALICLOUD_"), "{row}: {warning}");
            }
            (Err(message), Refuses(text)) => {
                let begins = if flag.is_empty() { text } else { flag };
                assert!(
                    message.contains(text) && message.lines().count() == 1,
                    "{row}: {message}"
                );
                assert!(message.starts_with(begins), "{row}: {message}");
                assert!(!message.contains("canary"), "{row}: {message}");
            }
            (Ok(config), Refuses(_)) => panic!("{row} starts with {:?}", config.warnings),
            (Err(message), _) => panic!("{row}: {message}"),
        }
    }
}

/// Each setting has a value that starts and, where there can be one, a value that does not.
#[test]
fn the_table_holds_every_official_setting() {
    let tried: BTreeSet<&str> = VALUES.iter().map(|(setting, ..)| *setting).collect();
    assert_eq!(tried, BTreeSet::from(SETTINGS));
    for name in [
        "add_dir_header",
        "alsologtostderr",
        "alsologtostderrthreshold",
        "legacy_stderr_threshold_behavior",
        "log_backtrace_at",
        "log_dir",
        "log_file",
        "log_file_max_size",
        "logtostderr",
        "one_output",
        "skip_headers",
        "skip_log_headers",
        "stderrthreshold",
        "vmodule",
    ] {
        let mut klog = Klog::default();
        let flag = klog.flags().into_iter().find(|flag| flag.name == name);
        let value = if flag.expect(name).is_switch() { "T" } else { "1" };
        let config = config(&[&format!("-{name}={value}")], &[]).expect(name);
        assert_eq!(config.warnings.len(), 1, "{name}");
    }
}

/// A section of the guide.
fn section(heading: &str) -> &'static str {
    let guide = include_str!("../../../../docs/migrate.md");
    let (_, rest) = guide.split_once(heading).expect("a section");
    rest.split("\n### ")
        .next()
        .and_then(|rest| rest.split("\n## ").next())
        .expect("a section")
}

fn refused_section() -> &'static str {
    section("\n### Values that are refused\n")
}

/// The migration guide names every setting with values that are refused or read differently.
#[test]
fn the_guide_names_whatever_does_not_start_without_a_word() {
    let warned = section("\n### Values that start with a warning\n");
    for (setting, _, value, here) in VALUES {
        let section = match here {
            Starts => continue,
            Warns(_) => warned,
            Refuses(_) => refused_section(),
        };
        assert!(
            section.contains(&format!("`{setting}`")),
            "{setting}={value} is not in its section of docs/migrate.md"
        );
    }
}

/// `--allow-identity-fallback` skips one of two keys, and a role without credentials to assume it, like the official
/// provider. Complete but malformed values are still refused, because they fail there too.
#[test]
fn the_fallback_passes_over_halves() {
    for environment in [
        &[("ACCESS_KEY_ID", "id")][..],
        &[("SECRET_ACCESS_KEY", "canary")],
        &[("ALICLOUD_ACCOUNT_ID", "1")],
        &[("ALICLOUD_CLUSTER_ID", "c1")],
        &[("ALICLOUD_ROLE_ARN", "acs:ram::1:role/r")],
        &[("ALICLOUD_ROLE_ARN", "malformed")],
    ] {
        let config = config(&["--allow-identity-fallback"], environment).expect("skipped");
        let [warning] = config.warnings.as_slice() else {
            panic!("one warning: {:?}", config.warnings)
        };
        assert!(warning.contains("(skipped because of --allow-identity-fallback)"));
        let identity = &config.identity;
        assert!(identity.access_key.is_none() && identity.role_arn.is_none() && identity.token.is_none());
    }
    for (beside, malformed) in [
        (PAIR, ("ALICLOUD_ROLE_ARN", "malformed")),
        (PAIR, ("ALICLOUD_OIDC_PROVIDER_ARN", "malformed")),
        (&[("ACCESS_KEY_ID", "id")], ("SECRET_ACCESS_KEY", " ")),
    ] {
        let environment = [beside, &[malformed]].concat();
        config(&["--allow-identity-fallback"], &environment).expect_err("malformed");
    }
}

/// In the official provider such an argument ends the flags. One of the flags after it may be `--access-policy`.
#[test]
fn an_argument_that_is_no_flag_is_refused() {
    for stray in ["true", "", "-", "two\nlines", "--two\nlines=1"] {
        let arguments = ["--logtostderr", stray, "--access-policy=/policy"];
        let message = config(&arguments, &[]).expect_err("refused");
        assert_eq!(message.lines().count(), 1, "{message}");
    }
    assert!(refused_section().contains("`true` of `--logtostderr true`"));
    // Nothing follows: both providers accept it.
    config(&["--v=1", "--"], &[]).expect("the end of the flags");
    config(&["--v=1", "--", "--v=2"], &[]).expect_err("refused");
}

#[test]
fn numbers_move_to_the_nearest_bound() {
    for (value, pulls) in [
        ("0", 1),
        ("-7", 1),
        ("0x10", 16),
        ("017", 15),
        ("512", 512),
        ("513", 512),
        ("99999999999999999999", 512),
    ] {
        let arguments = [format!("{KMS}={value}"), format!("{OOS}={value}")];
        let config = config(&[&arguments[0], &arguments[1]], &[]).expect(value);
        assert_eq!(
            (config.fetch.kms.pulls, config.fetch.oos.pulls),
            (pulls, pulls),
            "{value}"
        );
        // The rate is another flag.
        assert_eq!(config.fetch.kms.per_second, 50);
    }
    for (value, seconds) in [
        ("", 3600),
        ("0", 3600),
        ("1h", 3600),
        ("-1", 900),
        ("1", 900),
        ("901", 901),
        ("7200\n", 7200),
        ("86400", 43_200),
    ] {
        let config = tried("ALICLOUD_ROLE_SESSION_EXPIRATION", ROLE, value).expect(value);
        assert_eq!(config.identity.duration_seconds, seconds, "{value}");
    }
    for (value, level) in [("-1", 0), ("4", 4), ("1000", 255)] {
        assert_eq!(tried("--v", ALONE, value).expect(value).verbosity, level);
    }
    for (value, port) in [("0", 0), ("0x231e", 8990), ("-1", 8989), ("99999", 8989)] {
        assert_eq!(
            tried("--healthz-port", ALONE, value).expect(value).health.port,
            port
        );
    }
    for (value, seconds) in [("-5s", 5), ("0", 5), ("90m", 3600), ("7s", 7)] {
        let timeout = tried("--healthz-timeout", ALONE, value)
            .expect(value)
            .health
            .timeout;
        assert_eq!(timeout, Duration::from_secs(seconds), "{value}");
    }
}

#[test]
fn texts_become_what_they_can_mean() {
    let sixty_four = "more-than-sixty-four-characters-more-than-sixty-four-characters-";
    for (given, name) in [
        ("audit-me\n", Some("audit-me")),
        ("team/shop: prod", Some("team-shop--prod")),
        ("生产", Some("--")),
        ("a@b.c_d", Some("a@b.c_d")),
        (
            "more-than-sixty-four-characters-more-than-sixty-four-characters-00",
            Some(sixty_four),
        ),
        ("x", None),
        ("é", None),
        ("", None),
    ] {
        let config = tried("ALICLOUD_ROLE_SESSION_NAME", ROLE, given).expect(given);
        assert_eq!(config.identity.session_name.as_deref(), name, "{given}");
    }
    for (given, path) in [
        ("/a b?ü", "/a%20b%3F%C3%BC"),
        ("/live/", "/live/"),
        ("/readyz", "/readyz"),
    ] {
        assert_eq!(
            tried("--healthz-path", ALONE, given).expect(given).health.path,
            path
        );
    }
    let region = |given| tried("--region", ALONE, given).expect(given).region;
    assert_eq!(region(" CN-Hangzhou\n"), Region::new("cn-hangzhou"));
    assert_eq!(region(" "), None);
    for (given, is_used) in [("1", false), ("Yes", false), ("off", true), ("", true)] {
        let config = tried("ALIBABA_CLOUD_ECS_METADATA_DISABLED", PAIR, given).expect(given);
        assert_eq!(config.identity.worker_role, is_used, "{given}");
    }
    let sts = |name, given| tried(name, ALONE, given).expect(given).sts;
    let default = StsSetting::Regional { vpc: false };
    assert_eq!(sts("ALIBABA_CLOUD_STS_REGION", "evil.example.com/"), default);
    assert_eq!(sts("ALIBABA_CLOUD_VPC_ENDPOINT_ENABLED", "maybe"), default);
    let StsSetting::Fixed { endpoint, .. } = sts("ALIBABA_CLOUD_STS_REGION", "CN-Hangzhou") else {
        panic!("a region names a host")
    };
    assert_eq!(endpoint.to_string(), "sts.cn-hangzhou.aliyuncs.com");
}
