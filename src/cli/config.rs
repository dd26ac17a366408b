//! The provider's configuration: every value checked, nothing left to fail later.

#[cfg(test)]
mod tests;

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use super::args::Args;
use super::environment::{Environment, NotText};
use super::identity::{Identity, switch};
use super::logger::LogFormat;
use super::memory::{copies_bytes, max_response_bytes, memory_budget};
use super::network::{self, Cluster, StsSetting};
use super::values::{checked, duration, duration_up_to, invalid, parsed, positive_duration};
use crate::cloud::Endpoint;
use crate::cloud::endpoint::AllowedHosts;
use crate::fetch;
use crate::health::{self, METRICS_PATH, READY_PATH};
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
            health: health::Settings {
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
