//! Values, warnings and errors of flags and variables.

mod official;

use super::*;
use crate::auth::Pair;
use crate::config::{Command, parse};

fn config(arguments: &[&str], environment: &[(&'static str, &str)]) -> Result<Config, String> {
    let arguments = arguments.iter().map(std::ffi::OsString::from);
    match parse(arguments, &environment) {
        Ok(Command::Serve(config)) => Ok(*config),
        Ok(other) => panic!("{other:?}"),
        Err(error) => Err(error.to_string()),
    }
}

/// Each part of the budget is separate, and a volume of full size fits beside them.
#[test]
fn what_is_kept_has_its_part_of_the_memory_budget() {
    const MIB: usize = 1024 * 1024;
    for (budget, copies, stale) in [
        ("64MiB", 16, 16),
        ("32MiB", 8, 8),
        ("24MiB", 6, 2),
        ("16MiB", 0, 0),
    ] {
        let budget = format!("--memory-budget={budget}");
        let off = config(&[&budget], &[]).expect("well");
        assert_eq!(
            (off.fetch.serve_stale_for, off.fetch.stale_bytes),
            (Duration::ZERO, 0)
        );
        let on = config(&[&budget, "--serve-stale-for=24h"], &[]).expect("well");
        assert_eq!(on.fetch.serve_stale_for, limits::CONFIG_MAX_SERVE_STALE_FOR);
        assert_eq!(
            (on.fetch.copies_bytes, on.fetch.stale_bytes),
            (copies * MIB, stale * MIB),
            "{budget}"
        );
        let told = on
            .warnings
            .iter()
            .filter(|warning| warning.contains("--serve-stale-for"));
        assert_eq!(told.count(), usize::from(stale == 0), "{budget}");
    }
}

#[test]
fn everything_has_a_default() {
    let config = config(&[], &[]).expect("defaults");
    assert_eq!(
        config.health,
        health::Settings {
            port: 8989,
            path: "/healthz".to_owned(),
            timeout: Duration::from_secs(5)
        }
    );
    let lane = fetch::LaneSettings {
        pulls: 10,
        per_second: 50,
    };
    assert_eq!(
        config.fetch,
        fetch::Settings {
            kms: lane,
            oos: lane,
            refresh_interval: Duration::from_secs(60),
            copies_bytes: 16 * 1024 * 1024,
            serve_stale_for: Duration::ZERO,
            stale_bytes: 0,
        }
    );
    assert_eq!(
        (config.max_response_bytes, config.memory_budget),
        (limits::MOUNT_RESPONSE_BYTES, limits::MEMORY_BUDGET_BYTES)
    );
    assert!(config.region.is_none() && config.identity.access_key.is_none() && config.warnings.is_empty());
    assert_eq!(
        config.endpoints.oos.to_string(),
        "https://oos-vpc.{region}.aliyuncs.com"
    );
}

#[test]
fn wrong_values_are_one_line_each() {
    for (arguments, environment, message) in [
        (
            &["--healthz-path=healthz"][..],
            &[][..],
            "--healthz-path=healthz: expected a path that begins with a slash",
        ),
        (
            &["--healthz-timeout=5"],
            &[],
            "--healthz-timeout=5: expected a duration such as 500ms, 5s or 1m30s, at most an hour",
        ),
        (
            &["--region=cn_hangzhou"],
            &[],
            "--region=cn_hangzhou: expected a region such as cn-hangzhou",
        ),
        (
            &["--unknown-keys=no"],
            &[],
            "--unknown-keys=no: expected warn or error",
        ),
        (
            &["--log-format=xml"],
            &[],
            "--log-format=xml: expected text or json",
        ),
        (&["--v=loud"], &[], "--v=loud: expected a number from 0 to 255"),
        (
            &["--provider-volume="],
            &[],
            "--provider-volume is empty; set it to the directory shared with the driver",
        ),
        (
            &["--memory-budget=1MiB"],
            &[],
            "--memory-budget=1MiB: expected at least 16777216 bytes for one full volume",
        ),
        (
            &["--max-response-bytes=32MiB"],
            &[],
            "--memory-budget=64MiB: expected at least 134217728 bytes for one full volume",
        ),
        (
            &["--max-response-bytes=1"],
            &[],
            "--max-response-bytes=1: expected a number of bytes such as 4194304 or 4MiB, at least 4096",
        ),
        (
            &["--kms-max-pulls-per-second=-1"],
            &[],
            "--kms-max-pulls-per-second=-1: expected a number from 0 to 100000",
        ),
        (
            &["--oos-max-pulls-per-second=100001"],
            &[],
            "--oos-max-pulls-per-second=100001: expected a number from 0 to 100000",
        ),
        (
            &["--refresh-interval=2h"],
            &[],
            "--refresh-interval=2h: expected a duration such as 500ms, 5s or 1m30s, at most an hour",
        ),
        (
            &["--serve-stale-for=24h1s"],
            &[],
            "--serve-stale-for=24h1s: expected a duration such as 500ms, 5s or 1m30s, at most a day",
        ),
        (
            &["--kms-endpoint=http://kms.example"],
            &[],
            "--kms-endpoint=http://kms.example: \"http://kms.example\" would send secrets in plain text; http:// is for loopback and 100.100.100.200 only, use https://",
        ),
        (
            &[],
            &[("ACCESS_KEY_ID", "id")],
            "ACCESS_KEY_ID is set and SECRET_ACCESS_KEY is not; set both, or neither",
        ),
        (
            &[],
            &[("SECRET_ACCESS_KEY", "canary")],
            "SECRET_ACCESS_KEY is set and ACCESS_KEY_ID is not; set both, or neither",
        ),
        (
            &[],
            &[("ACCESS_KEY_ID", "id"), ("SECRET_ACCESS_KEY", "can ary")],
            "SECRET_ACCESS_KEY: expected an AccessKey secret; remove blanks, commas and other invalid bytes",
        ),
        (
            &[],
            &[("ALICLOUD_ROLE_ARN", "acs:ram::1:role/r")],
            "ALICLOUD_ROLE_ARN is set without credentials to assume it; set ALICLOUD_OIDC_PROVIDER_ARN (RRSA), or ACCESS_KEY_ID and SECRET_ACCESS_KEY, or --credentials-dir",
        ),
    ] {
        assert_eq!(config(arguments, environment).expect_err("must fail"), message);
    }
}

#[test]
fn keys_lose_the_line_feed_that_base64_brought() {
    let config = config(
        &[],
        &[("ACCESS_KEY_ID", " id\n"), ("SECRET_ACCESS_KEY", "secret\n")],
    )
    .expect("config");
    let Some(Pair::Fixed(pair)) = &config.identity.access_key else {
        panic!("a pair from the environment")
    };
    let credentials = pair.credentials();
    assert_eq!(credentials.access_key_id, "id");
    assert_eq!(credentials.access_key_secret.expose(), b"secret");
    let debug = format!("{config:?}");
    assert!(!debug.contains("secret\""), "{debug}");
}

#[test]
fn ignored_flags_are_one_warning() {
    let config = config(&["--logtostderr", "--vmodule=a=1"], &[]).expect("config");
    assert_eq!(
        config.warnings,
        ["flags ignored because logs go to standard error: logtostderr, vmodule"]
    );
}
