//! Where the services are, whom connections trust, and which proxy they take.

use std::path::{Path, PathBuf};

use super::ConfigError;
use super::args::Args;
use super::environment::Environment;
use super::identity::yes_or_no;
use super::settings::near_region;
use super::values::{checked, invalid};
use crate::cloud::Endpoint;
use crate::http::{CaFile, Proxies, Roots};

/// Where STS is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StsSetting {
    /// At this endpoint.
    Fixed {
        /// The host.
        endpoint: Endpoint,
        /// What says so.
        setting: &'static str,
    },
    /// In the node's region.
    Regional {
        /// Whether the VPC's endpoint is meant even where none is known.
        vpc: bool,
    },
}

/// The Kubernetes API, as a pod finds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cluster {
    /// Where it is; `None` outside of a cluster.
    pub server: Option<Endpoint>,
    /// Where `token` and `ca.crt` are.
    pub credentials: PathBuf,
}

/// As the flag says, else where the SDK's own variables lead, else the node's region.
///
/// STS gives the same identity wherever it is, so a variable that cannot be read leaves the choice to the default.
pub(super) fn sts(
    args: &Args,
    environment: &dyn Environment,
    warnings: &mut Vec<String>,
) -> Result<StsSetting, ConfigError> {
    const REGION: &str = "ALIBABA_CLOUD_STS_REGION";
    const VPC: &str = "ALIBABA_CLOUD_VPC_ENDPOINT_ENABLED";
    let fixed = |endpoint, setting| StsSetting::Fixed { endpoint, setting };
    if !args.value("sts-endpoint").is_empty() {
        return Ok(fixed(checked(args, "sts-endpoint")?, "--sts-endpoint"));
    }
    let vpc = environment.variable(VPC)?.and_then(|text| {
        let vpc = yes_or_no(VPC, &text, warnings);
        if vpc.is_none() {
            warnings.push(format!("{VPC}: expected true or false; it has no effect"));
        }
        vpc
    });
    let region = environment.variable(REGION)?.and_then(|text| {
        let region = near_region(&text);
        match &region {
            None => warnings.push(format!(
                "{REGION}: expected a region such as cn-hangzhou; it has no effect"
            )),
            Some(region) if region.as_str() != text.trim() => {
                warnings.push(format!("{REGION}: expected lower case, using {region}"));
            }
            Some(_) => {}
        }
        region
    });
    let host = |host: &str, setting: &'static str| {
        let endpoint = host
            .parse()
            .map_err(|error| ConfigError::new(format!("{setting}: {error}")))?;
        Ok(fixed(endpoint, setting))
    };
    match (region, vpc) {
        (Some(region), vpc) => {
            let product = if vpc == Some(true) { "sts-vpc" } else { "sts" };
            host(&format!("{product}.{region}.aliyuncs.com"), REGION)
        }
        (None, Some(false)) => host("sts.aliyuncs.com", VPC),
        (None, vpc) => Ok(StsSetting::Regional {
            vpc: vpc == Some(true),
        }),
    }
}

/// The cluster's API server, from the variables that kubelet gives every pod.
pub(super) fn cluster(args: &Args, environment: &dyn Environment) -> Result<Cluster, ConfigError> {
    let host = environment.variable("KUBERNETES_SERVICE_HOST")?;
    let port = environment.variable("KUBERNETES_SERVICE_PORT")?;
    let server = match (host, port) {
        (Some(host), Some(port)) => {
            let host = if host.contains(':') {
                format!("[{host}]")
            } else {
                host
            };
            let server = format!("https://{host}:{port}").parse();
            Some(server.map_err(|error| {
                ConfigError::new(format!(
                    "KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT: {error}"
                ))
            })?)
        }
        _ => None,
    };
    Ok(Cluster {
        server,
        credentials: PathBuf::from(args.value("service-account-dir")),
    })
}

/// `HTTPS_PROXY` and `NO_PROXY`, in capitals or not; capitals come first.
pub(super) fn proxies(environment: &dyn Environment) -> Result<Proxies, ConfigError> {
    let either = |capitals, small| -> Result<String, ConfigError> {
        let value = match environment.variable(capitals)? {
            Some(value) => Some(value),
            None => environment.variable(small)?,
        };
        Ok(value.unwrap_or_default())
    };
    let (proxy, direct) = (
        either("HTTPS_PROXY", "https_proxy")?,
        either("NO_PROXY", "no_proxy")?,
    );
    Proxies::new(&proxy, &direct).map_err(|error| ConfigError::new(format!("HTTPS_PROXY: {error}")))
}

/// The private authorities of KMS instances.
pub(super) fn kms_ca(args: &Args, roots: &Roots) -> Result<Option<CaFile>, ConfigError> {
    match args.value("kms-ca-file") {
        "" => Ok(None),
        path => CaFile::beside(roots, path)
            .map(Some)
            .map_err(|error| invalid(args, "kms-ca-file", &error)),
    }
}

/// Built-in roots and those of `SSL_CERT_FILE` and of the directories in `SSL_CERT_DIR`, as in OpenSSL and Go.
pub(super) fn roots(environment: &dyn Environment, warnings: &mut Vec<String>) -> Result<Roots, ConfigError> {
    let mut roots = Roots::built_in();
    if let Some(file) = environment.variable("SSL_CERT_FILE")? {
        match roots.add_file(file.as_ref()) {
            // As for the directories below: images set this variable, too.
            Err(error) if !Path::new(&file).exists() => warnings.push(format!("SSL_CERT_FILE: {error}")),
            added => added.map_err(|error| ConfigError::new(format!("SSL_CERT_FILE: {error}")))?,
        }
    }
    if let Some(directories) = environment.variable("SSL_CERT_DIR")? {
        for directory in directories.split(':').filter(|directory| !directory.is_empty()) {
            // Base images set this variable to directories that need not be there.
            if let Err(error) = roots.add_directory(directory.as_ref()) {
                warnings.push(format!("SSL_CERT_DIR: {error}"));
            }
        }
    }
    Ok(roots)
}
