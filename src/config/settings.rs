//! The provider's configuration, every value checked.

#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::time::Duration;

use super::environment::{Environment, Variables};
use super::error::ConfigError;
use super::flag::Flag;
use super::flags::{FlagSet as _, Serve};
use super::identity::Identity;
use super::memory;
use super::network::{self, Cluster, StsSetting, near_region};
use super::units::go_duration;
use crate::cloud::Endpoint;
use crate::cloud::endpoint::AllowedHosts;
use crate::fetch;
use crate::health::{self, METRICS_PATH, READY_PATH};
use crate::http::{CaFile, Proxies, Roots};
use crate::limits;
use crate::logger::LogFormat;
use crate::mount::Endpoints;
use crate::params::{Options, Region, UnknownKeys};

/// The provider's configuration.
#[derive(Debug)]
pub struct Config {
    /// Directory of the socket.
    pub provider_volume: PathBuf,
    /// The health endpoint.
    pub health: health::Settings,
    /// Region of classes that name none; `None` asks the node.
    pub region: Option<Region>,
    /// Concurrency, rates and caching of reads.
    pub fetch: fetch::Settings,
    /// KMS and OOS endpoints.
    pub endpoints: Endpoints,
    /// Endpoint of the instance metadata service.
    pub metadata: Endpoint,
    /// Whether to require session tokens for instance metadata.
    pub hardened_metadata_only: bool,
    /// The provider's own identity.
    pub identity: Identity,
    /// The STS endpoint.
    pub sts: StsSetting,
    /// The Kubernetes API.
    pub cluster: Cluster,
    /// Which hosts a SecretProviderClass may name.
    pub allowed_hosts: AllowedHosts,
    /// Trusted certificate authorities.
    pub roots: Roots,
    /// Private CA of KMS instances.
    pub kms_ca: Option<CaFile>,
    /// Which requests go through a proxy.
    pub proxies: Proxies,
    /// How strictly parameters are read.
    pub options: Options,
    /// The access policy file.
    pub access_policy: Option<PathBuf>,
    /// Limit of requests, values and responses together, in bytes.
    pub memory_budget: usize,
    /// Size limit of one volume, in bytes.
    pub max_response_bytes: usize,
    /// Grace period for running mounts after SIGTERM.
    pub shutdown_grace: Duration,
    /// Log verbosity, as in klog.
    pub verbosity: u8,
    /// Log format.
    pub log_format: LogFormat,
    /// Warnings to log at start.
    pub warnings: Vec<String>,
}

impl Config {
    pub(super) fn new((flags, mut klog): Serve, environment: &dyn Environment) -> Result<Self, ConfigError> {
        let mut variables = Variables::new(environment, flags.allow_identity_fallback.is_on());
        let klog = klog.flags().into_iter();
        let ignored = klog
            .filter(|flag| flag.given.is_some())
            .map(|flag| flag.name.as_str());
        let ignored: Vec<&str> = ignored.collect();
        if !ignored.is_empty() {
            variables.warn(format!(
                "flags ignored because logs go to standard error: {}",
                ignored.join(", ")
            ));
        }
        let region = region(&flags.region, &mut variables.warnings)?;
        let roots = network::roots(&mut variables)?;
        let max_response_bytes = memory::max_response_bytes(&flags.max_response_bytes)?;
        let memory_budget = memory::budget(&flags.memory_budget, max_response_bytes)?;
        let copies_bytes = memory::copies_bytes(memory_budget, 0, max_response_bytes);
        let serve_stale_for = flags
            .serve_stale_for
            .duration_up_to(limits::CONFIG_MAX_SERVE_STALE_FOR, "a day")?;
        let mut stale_bytes = 0;
        if !serve_stale_for.is_zero() {
            stale_bytes = memory::copies_bytes(memory_budget, copies_bytes, max_response_bytes);
            if stale_bytes == 0 {
                let why = "--memory-budget leaves no room beside one full volume";
                variables.warn(format!("--serve-stale-for has no effect: {why}"));
            }
        }
        Ok(Self {
            provider_volume: provider_volume(&flags.provider_volume)?,
            health: health::Settings {
                port: health_port(&flags.healthz_port, &mut variables.warnings)?,
                path: health_path(&flags.healthz_path, &mut variables.warnings)?,
                timeout: health_timeout(&flags.healthz_timeout, &mut variables.warnings)?,
            },
            region,
            fetch: fetch::Settings {
                kms: lane(
                    &flags.max_concurrent_kms_secret_pulls,
                    &flags.kms_max_pulls_per_second,
                    &mut variables.warnings,
                )?,
                oos: lane(
                    &flags.max_concurrent_oos_secret_pulls,
                    &flags.oos_max_pulls_per_second,
                    &mut variables.warnings,
                )?,
                refresh_interval: flags.refresh_interval.duration()?,
                copies_bytes,
                serve_stale_for,
                stale_bytes,
            },
            endpoints: Endpoints {
                kms: flags.kms_endpoint.parsed()?,
                oos: flags.oos_endpoint.parsed()?,
            },
            metadata: flags.metadata_endpoint.parsed()?,
            hardened_metadata_only: variables.switch("ALIBABA_CLOUD_IMDSV1_DISABLED")?,
            identity: Identity::new(&mut variables, &flags.credentials_dir)?,
            sts: network::sts(&flags.sts_endpoint, &mut variables)?,
            cluster: network::cluster(flags.service_account_dir.text().into(), &variables)?,
            allowed_hosts: flags.allowed_endpoints.parsed()?,
            kms_ca: network::kms_ca(&flags.kms_ca_file, &roots)?,
            roots,
            proxies: network::proxies(&variables)?,
            options: Options {
                unknown_keys: flags
                    .unknown_keys
                    .one_of(&[("warn", UnknownKeys::Warn), ("error", UnknownKeys::Error)])?,
            },
            access_policy: flags.access_policy.path(),
            memory_budget,
            max_response_bytes,
            shutdown_grace: flags.shutdown_grace.duration()?,
            verbosity: verbosity(&flags.v, &mut variables.warnings)?,
            log_format: flags
                .log_format
                .one_of(&[("text", LogFormat::Text), ("json", LogFormat::Json)])?,
            warnings: variables.warnings,
        })
    }

    /// Lowers the memory budget to fit this process's memory limit, in bytes, so that the kernel does not kill the
    /// process. Returns a warning if it did.
    pub fn fit_memory(&mut self, limit: u64) -> Option<String> {
        memory::fit(
            &mut self.memory_budget,
            &mut self.fetch,
            self.max_response_bytes,
            limit,
        )
    }
}

pub(super) fn provider_volume(flag: &Flag) -> Result<PathBuf, ConfigError> {
    flag.path().ok_or_else(|| {
        ConfigError::new("--provider-volume is empty; set it to the directory shared with the driver")
    })
}

fn region(flag: &Flag, warnings: &mut Vec<String>) -> Result<Option<Region>, ConfigError> {
    let Some(text) = flag.filled() else {
        return Ok(None);
    };
    if text.trim().is_empty() {
        warnings.push("--region is blank: classes without a region use the node's region".to_owned());
        return Ok(None);
    }
    let region = near_region(text).ok_or_else(|| flag.invalid("expected a region such as cn-hangzhou"))?;
    if region.as_str() != text {
        warnings.push(format!(
            "--region: expected lower case without blanks, using {region}"
        ));
    }
    Ok(Some(region))
}

fn health_port(flag: &Flag, warnings: &mut Vec<String>) -> Result<u16, ConfigError> {
    const EXPECTED: &str = "expected a port from 0 to 65535";
    let given = flag.integer().ok_or_else(|| flag.invalid(EXPECTED))?;
    let default = flag.default.parse().map_err(|_| flag.invalid(EXPECTED))?;
    Ok(u16::try_from(given).unwrap_or_else(|_| {
        warnings.push(flag.using(default, EXPECTED));
        default
    }))
}

fn health_path(flag: &Flag, warnings: &mut Vec<String>) -> Result<String, ConfigError> {
    let path = flag.text();
    if !path.starts_with('/') {
        return Err(flag.invalid("expected a path that begins with a slash"));
    }
    let lost = match path {
        READY_PATH => "readiness has",
        METRICS_PATH => "metrics have",
        // Percent-encoded, as in requests.
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

/// The official provider accepts any duration, even one with which every check fails.
fn health_timeout(flag: &Flag, warnings: &mut Vec<String>) -> Result<Duration, ConfigError> {
    const MOST: Duration = Duration::from_secs(3600);
    let text = flag.text();
    let given = match text.strip_prefix('-') {
        Some(rest) if rest.starts_with('+') => None,
        Some(rest) => go_duration(rest).map(|_| Duration::ZERO),
        None => go_duration(text),
    };
    let (used, why) = match given {
        // Its error explains durations.
        None => return flag.duration(),
        Some(Duration::ZERO) => (flag.default, "expected more than 0"),
        Some(more) if more > MOST => ("1h", "expected at most an hour"),
        Some(timeout) => return Ok(timeout),
    };
    warnings.push(flag.using(used, why));
    go_duration(used).ok_or_else(|| flag.invalid(why))
}

fn verbosity(flag: &Flag, warnings: &mut Vec<String>) -> Result<u8, ConfigError> {
    // klog reads it in base 10 only.
    let given = flag.text().parse().ok();
    let level = flag.moved_into(given, (0, 255), "details are logged from 4", warnings)?;
    Ok(u8::try_from(level).unwrap_or(u8::MAX))
}

fn lane(
    most_pulls: &Flag,
    per_second: &Flag,
    warnings: &mut Vec<String>,
) -> Result<fetch::LaneSettings, ConfigError> {
    const MOST: u32 = limits::CONFIG_MAX_PULLS_PER_SECOND;
    let rate = per_second.text().parse().ok().filter(|rate| *rate <= MOST);
    let rate = rate.ok_or_else(|| per_second.invalid(format!("expected a number from 0 to {MOST}")))?;
    let means = format!(
        "this limits concurrent reads, not the rate as in the official provider; for the rate, set --{}",
        per_second.name
    );
    Ok(fetch::LaneSettings {
        pulls: most_pulls.moved_into(
            most_pulls.integer(),
            (1, limits::CONFIG_MAX_PULLS),
            &means,
            warnings,
        )?,
        per_second: rate,
    })
}
