//! Endpoints, trusted certificate authorities and proxies.

use std::path::{Path, PathBuf};

use super::environment::Variables;
use super::error::ConfigError;
use super::flag::Flag;
use crate::cloud::Endpoint;
use crate::http::{CaFile, Proxies, Roots};
use crate::params::Region;

/// The STS endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StsSetting {
    /// This endpoint.
    Fixed {
        /// The host.
        endpoint: Endpoint,
        /// The flag or variable that sets it.
        setting: &'static str,
    },
    /// The one in the node's region.
    Regional {
        /// Whether to use the VPC endpoint even in regions not known to have one.
        vpc: bool,
    },
}

/// The Kubernetes API, as a pod finds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cluster {
    /// Its endpoint; `None` outside of a cluster.
    pub server: Option<Endpoint>,
    /// Directory of `token` and `ca.crt`.
    pub credentials: PathBuf,
}

/// From the flag, else from the SDK's variables, else the node's region.
///
/// STS issues the same identity in every region, so an invalid variable is a warning, and the default applies.
pub(super) fn sts(flag: &Flag, variables: &mut Variables<'_>) -> Result<StsSetting, ConfigError> {
    const REGION: &str = "ALIBABA_CLOUD_STS_REGION";
    const VPC: &str = "ALIBABA_CLOUD_VPC_ENDPOINT_ENABLED";
    if flag.filled().is_some() {
        return Ok(StsSetting::Fixed {
            endpoint: flag.parsed()?,
            setting: "--sts-endpoint",
        });
    }
    let mut vpc = None;
    if let Some(text) = variables.text(VPC)? {
        vpc = variables.yes_or_no(VPC, &text);
        if vpc.is_none() {
            variables.warn(format!("{VPC}: expected true or false; it has no effect"));
        }
    }
    let mut region = None;
    if let Some(text) = variables.text(REGION)? {
        region = near_region(&text);
        match &region {
            None => variables.warn(format!(
                "{REGION}: expected a region such as cn-hangzhou; it has no effect"
            )),
            Some(region) if region.as_str() != text.trim() => {
                variables.warn(format!("{REGION}: expected lower case, using {region}"));
            }
            Some(_) => {}
        }
    }
    let (host, setting) = match (region, vpc) {
        (Some(region), Some(true)) => (format!("sts-vpc.{region}.aliyuncs.com"), REGION),
        (Some(region), _) => (format!("sts.{region}.aliyuncs.com"), REGION),
        (None, Some(false)) => ("sts.aliyuncs.com".to_owned(), VPC),
        (None, vpc) => {
            return Ok(StsSetting::Regional {
                vpc: vpc == Some(true),
            });
        }
    };
    let endpoint = host
        .parse()
        .map_err(|error| ConfigError::new(format!("{setting}: {error}")))?;
    Ok(StsSetting::Fixed { endpoint, setting })
}

/// Parses a region, ignoring case and surrounding blanks.
pub(super) fn near_region(text: &str) -> Option<Region> {
    Region::new(&text.trim().to_ascii_lowercase())
}

/// The cluster's API server, from the variables that kubelet gives every pod.
pub(super) fn cluster(credentials: PathBuf, variables: &Variables<'_>) -> Result<Cluster, ConfigError> {
    const NAMES: &str = "KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT";
    let host = variables.text("KUBERNETES_SERVICE_HOST")?;
    let port = variables.text("KUBERNETES_SERVICE_PORT")?;
    let url = host.zip(port).map(|(host, port)| match host.contains(':') {
        true => format!("https://[{host}]:{port}"),
        false => format!("https://{host}:{port}"),
    });
    let server = url.map(|url| url.parse()).transpose();
    Ok(Cluster {
        server: server.map_err(|error| ConfigError::new(format!("{NAMES}: {error}")))?,
        credentials,
    })
}

/// `HTTPS_PROXY` and `NO_PROXY`, in upper or lower case; upper case wins.
pub(super) fn proxies(variables: &Variables<'_>) -> Result<Proxies, ConfigError> {
    let either = |capitals, small| -> Result<String, ConfigError> {
        let capitals = variables.text(capitals)?;
        let value = capitals.map_or_else(|| variables.text(small), |value| Ok(Some(value)))?;
        Ok(value.unwrap_or_default())
    };
    let proxy = either("HTTPS_PROXY", "https_proxy")?;
    let direct = either("NO_PROXY", "no_proxy")?;
    Proxies::new(&proxy, &direct).map_err(|error| ConfigError::new(format!("HTTPS_PROXY: {error}")))
}

/// The private CA of KMS instances.
pub(super) fn kms_ca(flag: &Flag, roots: &Roots) -> Result<Option<CaFile>, ConfigError> {
    let file = flag.filled().map(|path| CaFile::beside(roots, path));
    file.transpose().map_err(|error| flag.invalid(error))
}

/// Built-in roots and those of `SSL_CERT_FILE` and of the directories in `SSL_CERT_DIR`, as in OpenSSL and Go.
pub(super) fn roots(variables: &mut Variables<'_>) -> Result<Roots, ConfigError> {
    let mut roots = Roots::built_in();
    if let Some(file) = variables.text("SSL_CERT_FILE")? {
        match roots.add_file(file.as_ref()) {
            // Base images set this variable to files that may not exist.
            Err(error) if !Path::new(&file).exists() => variables.warn(format!("SSL_CERT_FILE: {error}")),
            added => added.map_err(|error| ConfigError::new(format!("SSL_CERT_FILE: {error}")))?,
        }
    }
    if let Some(directories) = variables.text("SSL_CERT_DIR")? {
        for directory in directories.split(':').filter(|directory| !directory.is_empty()) {
            // Base images set this variable to directories that may not exist.
            if let Err(error) = roots.add_directory(directory.as_ref()) {
                variables.warn(format!("SSL_CERT_DIR: {error}"));
            }
        }
    }
    Ok(roots)
}
