//! The provider's configuration: every value checked, nothing left to fail later.

#[cfg(test)]
mod tests;

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use super::args::Args;
use super::environment::{Environment, NotText};
use super::identity::{Identity, switch};
use super::memory::{copies_bytes, max_response_bytes, memory_budget};
use super::network::{self, Cluster, StsSetting};
use super::units::{go_duration, go_integer};
use super::values::{checked, duration, duration_up_to, invalid, moved_into, parsed};
use crate::cloud::Endpoint;
use crate::cloud::endpoint::AllowedHosts;
use crate::fetch;
use crate::health::{self, METRICS_PATH, READY_PATH};
use crate::http::{CaFile, Proxies, Roots};
use crate::limits;
use crate::logger::LogFormat;
use crate::mount::Endpoints;
use crate::params::{Options, Region, UnknownKeys};

/// Everything the provider is told from outside.
#[derive(Debug)]
pub struct Config {
    /// Directory of the socket.
    pub provider_volume: PathBuf,
    /// The health endpoint.
    pub health: health::Settings,
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
        let region = region(args, &mut warnings)?;
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
            health: health::Settings {
                port: health_port(args, &mut warnings)?,
                path: health_path(args, &mut warnings)?,
                timeout: health_timeout(args, &mut warnings)?,
            },
            region,
            fetch: fetch::Settings {
                kms: lane(
                    args,
                    "max-concurrent-kms-secret-pulls",
                    "kms-max-pulls-per-second",
                    &mut warnings,
                )?,
                oos: lane(
                    args,
                    "max-concurrent-oos-secret-pulls",
                    "oos-max-pulls-per-second",
                    &mut warnings,
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
            hardened_metadata_only: switch(environment, "ALIBABA_CLOUD_IMDSV1_DISABLED", &mut warnings)?,
            identity: Identity::new(environment, credentials_dir, fallback, &mut warnings)?,
            sts: network::sts(args, environment, &mut warnings)?,
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
            verbosity: verbosity(args, &mut warnings)?,
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

fn region(args: &Args, warnings: &mut Vec<String>) -> Result<Option<Region>, ConfigError> {
    let text = args.value("region");
    if text.is_empty() {
        return Ok(None);
    }
    if text.trim().is_empty() {
        warnings.push("--region is blank: classes that name no region use the node's own".to_owned());
        return Ok(None);
    }
    let region =
        near_region(text).ok_or_else(|| invalid(args, "region", &"expected a region such as cn-hangzhou"))?;
    if region.as_str() != text {
        warnings.push(format!(
            "--region: expected lower case without blanks, using {region}"
        ));
    }
    Ok(Some(region))
}

/// The region that a host name of this text would be in: capitals do not count there.
pub(super) fn near_region(text: &str) -> Option<Region> {
    Region::new(&text.trim().to_ascii_lowercase())
}

fn health_port(args: &Args, warnings: &mut Vec<String>) -> Result<u16, ConfigError> {
    const NAME: &str = "healthz-port";
    let wrong = || invalid(args, NAME, &"expected a port from 0 to 65535");
    let given = go_integer(args.value(NAME)).ok_or_else(wrong)?;
    if let Ok(port) = u16::try_from(given) {
        return Ok(port);
    }
    let default = args.default(NAME);
    warnings.push(format!(
        "--{NAME}={}: expected a port from 0 to 65535, using {default}",
        args.value(NAME)
    ));
    default.parse().map_err(|_| wrong())
}

fn health_path(args: &Args, warnings: &mut Vec<String>) -> Result<String, ConfigError> {
    let path = args.value("healthz-path");
    if !path.starts_with('/') {
        return Err(invalid(
            args,
            "healthz-path",
            &"expected a path that begins with a slash",
        ));
    }
    let lost = match path {
        READY_PATH => "readiness has",
        METRICS_PATH => "metrics have",
        // As a request writes it.
        _ => {
            return Ok(path.bytes().fold(String::new(), |mut encoded, byte| {
                if byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@/%[]".contains(&byte) {
                    encoded.push(char::from(byte));
                } else {
                    encoded.push_str(&format!("%{byte:02X}"));
                }
                encoded
            }));
        }
    };
    warnings.push(format!(
        "--healthz-path={path}: {lost} no path on this port, because the health check takes it; set another path"
    ));
    Ok(path.to_owned())
}

/// The official provider takes any duration, also those with which no check can pass.
fn health_timeout(args: &Args, warnings: &mut Vec<String>) -> Result<Duration, ConfigError> {
    const NAME: &str = "healthz-timeout";
    const MOST: Duration = Duration::from_secs(3600);
    let text = args.value(NAME);
    let given = match text.strip_prefix('-') {
        Some(rest) if rest.starts_with('+') => None,
        Some(rest) => go_duration(rest).map(|_| Duration::ZERO),
        None => go_duration(text),
    };
    let (used, why) = match given {
        // Says what a duration is.
        None => return duration(args, NAME),
        Some(Duration::ZERO) => (args.default(NAME), "a health check needs some time"),
        Some(more) if more > MOST => ("1h", "expected at most an hour"),
        Some(timeout) => return Ok(timeout),
    };
    warnings.push(format!("--{NAME}={text}: {why}, using {used}"));
    go_duration(used).ok_or_else(|| invalid(args, NAME, &why))
}

fn unknown_keys(args: &Args) -> Result<UnknownKeys, ConfigError> {
    match args.value("unknown-keys") {
        "warn" => Ok(UnknownKeys::Warn),
        "error" => Ok(UnknownKeys::Error),
        _ => Err(invalid(args, "unknown-keys", &"expected warn or error")),
    }
}

fn verbosity(args: &Args, warnings: &mut Vec<String>) -> Result<u8, ConfigError> {
    // klog reads it in base 10 only.
    let given: i64 = parsed(args, "v", "a number from 0 to 255")?;
    let level = u8::try_from(given.max(0)).unwrap_or(u8::MAX);
    if i64::from(level) != given {
        warnings.push(format!(
            "--v={}: expected 0 to 255, using {level}; from 4 on the log has details",
            args.value("v")
        ));
    }
    Ok(level)
}

fn lane(
    args: &Args,
    most_pulls: &'static str,
    per_second: &'static str,
    warnings: &mut Vec<String>,
) -> Result<fetch::LaneSettings, ConfigError> {
    let expected = format!("a number from 0 to {}", limits::CONFIG_MAX_PULLS_PER_SECOND);
    let rate: u32 = parsed(args, per_second, &expected)?;
    if rate > limits::CONFIG_MAX_PULLS_PER_SECOND {
        return Err(invalid(args, per_second, &format!("expected {expected}")));
    }
    let means = format!(
        "it is how many are pulled at the same time, and no rate as with the official provider: that is --{per_second}"
    );
    Ok(fetch::LaneSettings {
        pulls: moved_into(args, most_pulls, (1, limits::CONFIG_MAX_PULLS), &means, warnings)?,
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
