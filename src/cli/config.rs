//! The provider's configuration: every value checked, nothing left to fail later.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use super::args::Args;
use super::environment::{Environment, NotText};
use super::identity::{Identity, switch};
use super::logger::LogFormat;
use super::memory::{copies_bytes, max_response_bytes, memory_budget};
use super::network::{self, Cluster, StsSetting};
use super::units::go_duration;
use crate::cloud::Endpoint;
use crate::cloud::endpoint::AllowedHosts;
use crate::fetch;
use crate::health::{METRICS_PATH, READY_PATH};
use crate::http::{CaFile, Proxies, Roots};
use crate::limits;
use crate::mount::Endpoints;
use crate::params::{Options, Region, UnknownKeys};

/// Everything the provider is told from outside.
#[derive(Debug)]
pub struct Config {
    /// Directory of the socket.
    pub provider_volume: PathBuf,
    /// The health endpoint.
    pub health: Health,
    /// Region of classes that name none; `None` asks the node.
    pub region: Option<Region>,
    /// How values are pulled, and shared.
    pub fetch: fetch::Settings,
    /// Where KMS and OOS are.
    pub endpoints: Endpoints,
    /// Where the instance metadata service is.
    pub metadata: Endpoint,
    /// Never ask it without a session token.
    pub hardened_metadata_only: bool,
    /// Who the provider is.
    pub identity: Identity,
    /// Where STS is.
    pub sts: StsSetting,
    /// Where the Kubernetes API is.
    pub cluster: Cluster,
    /// Which hosts a SecretProviderClass may name.
    pub allowed_hosts: AllowedHosts,
    /// Trusted certificate authorities.
    pub roots: Roots,
    /// Those of KMS instances.
    pub kms_ca: Option<CaFile>,
    /// Which requests go through a proxy.
    pub proxies: Proxies,
    /// How strictly parameters are read.
    pub options: Options,
    /// The file that says who may read what with the provider's own identities.
    pub access_policy: Option<PathBuf>,
    /// Most bytes of requests, values and responses together.
    pub memory_budget: usize,
    /// Most bytes of one volume.
    pub max_response_bytes: usize,
    /// How long running Mounts may take after the order to stop.
    pub shutdown_grace: Duration,
    /// Log level as klog counts it.
    pub verbosity: u8,
    /// How log lines are written.
    pub log_format: LogFormat,
    /// What is worth telling, though nothing is wrong.
    pub warnings: Vec<String>,
}

/// The health endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Health {
    /// TCP port on all addresses; 0 takes any.
    pub port: u16,
    /// Path, with its slash.
    pub path: String,
    /// How long the socket may take to answer.
    pub timeout: Duration,
}

/// What is wrong with a flag or a variable, in one line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError(String);

impl ConfigError {
    pub(super) fn new(message: impl Into<String>) -> Self {
        Self(message.into())
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for ConfigError {}

impl From<NotText> for ConfigError {
    fn from(NotText(name): NotText) -> Self {
        Self::new(format!("{name} is not UTF-8"))
    }
}

impl Config {
    pub(super) fn new(args: &Args, environment: &dyn Environment) -> Result<Self, ConfigError> {
        let mut warnings = Vec::new();
        let ignored: Vec<&str> = args.ignored().collect();
        if !ignored.is_empty() {
            warnings.push(format!(
                "flags without effect here, the log goes to standard error: {}",
                ignored.join(", ")
            ));
        }
        let region = match args.value("region") {
            "" => None,
            text => Some(
                Region::new(text)
                    .ok_or_else(|| invalid(args, "region", &"expected a region such as cn-hangzhou"))?,
            ),
        };
        let roots = network::roots(environment, &mut warnings)?;
        let fallback = args.is_given("allow-identity-fallback");
        let credentials_dir = args.value("credentials-dir");
        let max_response_bytes = max_response_bytes(args)?;
        let memory_budget = memory_budget(args, max_response_bytes)?;
        let copies_bytes = copies_bytes(memory_budget, 0, max_response_bytes);
        let (serve_stale_for, stale_bytes) = serve_stale(
            args,
            memory_budget,
            copies_bytes,
            max_response_bytes,
            &mut warnings,
        )?;
        Ok(Self {
            provider_volume: provider_volume(args)?,
            health: Health {
                port: parsed(args, "healthz-port", "a port from 0 to 65535")?,
                path: health_path(args)?,
                timeout: positive_duration(args, "healthz-timeout")?,
            },
            region,
            fetch: fetch::Settings {
                kms: lane(
                    args,
                    "max-concurrent-kms-secret-pulls",
                    "kms-max-pulls-per-second",
                )?,
                oos: lane(
                    args,
                    "max-concurrent-oos-secret-pulls",
                    "oos-max-pulls-per-second",
                )?,
                refresh_interval: duration(args, "refresh-interval")?,
                copies_bytes,
                serve_stale_for,
                stale_bytes,
            },
            endpoints: Endpoints {
                kms: checked(args, "kms-endpoint")?,
                oos: checked(args, "oos-endpoint")?,
            },
            metadata: checked(args, "metadata-endpoint")?,
            hardened_metadata_only: switch(environment, "ALIBABA_CLOUD_IMDSV1_DISABLED")?,
            identity: Identity::new(environment, credentials_dir, fallback, &mut warnings)?,
            sts: network::sts(args, environment)?,
            cluster: network::cluster(args, environment)?,
            allowed_hosts: checked(args, "allowed-endpoints")?,
            kms_ca: network::kms_ca(args, &roots)?,
            roots,
            proxies: network::proxies(environment)?,
            options: Options {
                unknown_keys: unknown_keys(args)?,
            },
            access_policy: match args.value("access-policy") {
                "" => None,
                file => Some(PathBuf::from(file)),
            },
            memory_budget,
            max_response_bytes,
            shutdown_grace: duration(args, "shutdown-grace")?,
            verbosity: verbosity(args)?,
            log_format: log_format(args)?,
            warnings,
        })
    }
}

pub(super) fn provider_volume(args: &Args) -> Result<PathBuf, ConfigError> {
    match args.value("provider-volume") {
        "" => Err(ConfigError::new(
            "--provider-volume is empty; name the directory that the driver shares",
        )),
        directory => Ok(PathBuf::from(directory)),
    }
}

fn health_path(args: &Args) -> Result<String, ConfigError> {
    let path = args.value("healthz-path");
    let well_formed =
        path.starts_with('/') && path.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'?');
    if matches!(path, READY_PATH | METRICS_PATH) {
        Err(invalid(
            args,
            "healthz-path",
            &"this path is taken on the same port",
        ))
    } else if well_formed {
        Ok(path.to_owned())
    } else {
        Err(invalid(
            args,
            "healthz-path",
            &"expected a path that begins with a slash",
        ))
    }
}

fn pulls(args: &Args, name: &'static str) -> Result<usize, ConfigError> {
    let expected = format!("a number from 1 to {}", limits::CONFIG_MAX_PULLS);
    let pulls: usize = parsed(args, name, &expected)?;
    if (1..=limits::CONFIG_MAX_PULLS).contains(&pulls) {
        Ok(pulls)
    } else {
        Err(invalid(args, name, &format!("expected {expected}")))
    }
}

fn unknown_keys(args: &Args) -> Result<UnknownKeys, ConfigError> {
    match args.value("unknown-keys") {
        "warn" => Ok(UnknownKeys::Warn),
        "error" => Ok(UnknownKeys::Error),
        _ => Err(invalid(args, "unknown-keys", &"expected warn or error")),
    }
}

fn verbosity(args: &Args) -> Result<u8, ConfigError> {
    parsed(args, "v", "a number from 0 to 255")
}

fn lane(
    args: &Args,
    most_pulls: &'static str,
    per_second: &'static str,
) -> Result<fetch::LaneSettings, ConfigError> {
    let expected = format!("a number from 0 to {}", limits::CONFIG_MAX_PULLS_PER_SECOND);
    let rate: u32 = parsed(args, per_second, &expected)?;
    if rate > limits::CONFIG_MAX_PULLS_PER_SECOND {
        return Err(invalid(args, per_second, &format!("expected {expected}")));
    }
    Ok(fetch::LaneSettings {
        pulls: pulls(args, most_pulls)?,
        per_second: rate,
    })
}

/// How long values are kept for outages, and in how many bytes.
fn serve_stale(
    args: &Args,
    memory_budget: usize,
    taken: usize,
    max_response_bytes: usize,
    warnings: &mut Vec<String>,
) -> Result<(Duration, usize), ConfigError> {
    let duration = duration_up_to(
        args,
        "serve-stale-for",
        limits::CONFIG_MAX_SERVE_STALE_FOR,
        "a day",
    )?;
    if duration.is_zero() {
        return Ok((duration, 0));
    }
    let bytes = copies_bytes(memory_budget, taken, max_response_bytes);
    if bytes == 0 {
        warnings.push(
            "--serve-stale-for has no effect: --memory-budget leaves no room beside one full volume"
                .to_owned(),
        );
    }
    Ok((duration, bytes))
}

fn log_format(args: &Args) -> Result<LogFormat, ConfigError> {
    match args.value("log-format") {
        "json" => Ok(LogFormat::Json),
        "text" => Ok(LogFormat::Text),
        _ => Err(invalid(args, "log-format", &"expected text or json")),
    }
}

fn parsed<T: FromStr>(args: &Args, name: &'static str, expected: &str) -> Result<T, ConfigError> {
    args.value(name)
        .parse()
        .map_err(|_| invalid(args, name, &format!("expected {expected}")))
}

pub(super) fn checked<T: FromStr<Err: fmt::Display>>(
    args: &Args,
    name: &'static str,
) -> Result<T, ConfigError> {
    args.value(name)
        .parse()
        .map_err(|error: T::Err| invalid(args, name, &error))
}

fn positive_duration(args: &Args, name: &'static str) -> Result<Duration, ConfigError> {
    let duration = duration(args, name)?;
    if duration.is_zero() {
        Err(invalid(args, name, &"expected more than nothing"))
    } else {
        Ok(duration)
    }
}

fn duration(args: &Args, name: &'static str) -> Result<Duration, ConfigError> {
    duration_up_to(args, name, Duration::from_secs(3600), "an hour")
}

fn duration_up_to(
    args: &Args,
    name: &'static str,
    most: Duration,
    in_words: &str,
) -> Result<Duration, ConfigError> {
    let duration = go_duration(args.value(name)).filter(|duration| *duration <= most);
    duration.ok_or_else(|| {
        let expected = format!("expected a duration such as 500ms, 5s or 1m30s, at most {in_words}");
        invalid(args, name, &expected)
    })
}

pub(super) fn invalid(args: &Args, name: &'static str, problem: &dyn fmt::Display) -> ConfigError {
    ConfigError::new(format!("--{name}={}: {problem}", args.value(name)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::Pair;
    use crate::cli::subcommand::SERVE;

    fn config(arguments: &[&str], environment: &[(&'static str, &str)]) -> Result<Config, String> {
        let args = Args::parse(&SERVE, arguments.iter().map(std::ffi::OsString::from))
            .map_err(|error| error.to_string())?;
        Config::new(&args, &environment).map_err(|error| error.to_string())
    }

    /// Each part of the budget by itself, and a volume of full size beside all of them.
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
            Health {
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
        assert!(
            config.region.is_none() && config.identity.access_key.is_none() && config.warnings.is_empty()
        );
        assert_eq!(
            config.endpoints.oos.to_string(),
            "https://oos-vpc.{region}.aliyuncs.com"
        );
    }

    #[test]
    fn wrong_values_are_one_line_each() {
        for (arguments, environment, message) in [
            (
                &["--healthz-port=99999"][..],
                &[][..],
                "--healthz-port=99999: expected a port from 0 to 65535",
            ),
            (
                &["--healthz-path=healthz"],
                &[],
                "--healthz-path=healthz: expected a path that begins with a slash",
            ),
            (
                &["--healthz-path=/metrics"],
                &[],
                "--healthz-path=/metrics: this path is taken on the same port",
            ),
            (
                &["--healthz-timeout=5"],
                &[],
                "--healthz-timeout=5: expected a duration such as 500ms, 5s or 1m30s, at most an hour",
            ),
            (
                &["--healthz-timeout=0s"],
                &[],
                "--healthz-timeout=0s: expected more than nothing",
            ),
            (
                &["--max-concurrent-kms-secret-pulls=0"],
                &[],
                "--max-concurrent-kms-secret-pulls=0: expected a number from 1 to 512",
            ),
            (
                &["--max-concurrent-oos-secret-pulls=-1"],
                &[],
                "--max-concurrent-oos-secret-pulls=-1: expected a number from 1 to 512",
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
                "--provider-volume is empty; name the directory that the driver shares",
            ),
            (
                &["--memory-budget=1MiB"],
                &[],
                "--memory-budget=1MiB: less than 16777216 bytes cannot hold one full volume",
            ),
            (
                &["--max-response-bytes=32MiB"],
                &[],
                "--memory-budget=64MiB: less than 134217728 bytes cannot hold one full volume",
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
                "SECRET_ACCESS_KEY is no AccessKey secret; it has blanks, commas or other bytes that none has",
            ),
            (
                &[],
                &[("ALICLOUD_ROLE_ARN", "acs:ram::1:role/r")],
                "ALICLOUD_ROLE_ARN is set, and nothing to assume it with: set ALICLOUD_OIDC_PROVIDER_ARN (RRSA), or ACCESS_KEY_ID and SECRET_ACCESS_KEY, or --credentials-dir",
            ),
            (
                &[],
                &[("SSL_CERT_FILE", "/does/not/exist")],
                "SSL_CERT_FILE: certificates of /does/not/exist: No such file or directory (os error 2)",
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
            panic!("a pair of the environment")
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
            ["flags without effect here, the log goes to standard error: logtostderr, vmodule"]
        );
    }
}
