//! The services behind the one port, and how a request names the one it wants.

use std::fmt;
use std::sync::LazyLock;

use serde::{Deserialize, Serialize};

/// A service that the fake cloud plays.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Service {
    /// Key Management Service, 2016-01-20.
    Kms,
    /// CloudOps Orchestration Service, 2019-06-01.
    Oos,
    /// Security Token Service, 2015-04-01.
    Sts,
    /// The ECS instance metadata service.
    Metadata,
    /// The one Kubernetes read: a ServiceAccount.
    Kubernetes,
    /// The discovery documents of the cluster's token issuer.
    Issuer,
    /// The fake's own control API.
    Control,
    /// Nothing the fake models.
    Unknown,
}

impl Service {
    /// The OpenAPI product with that version, if it is modelled.
    pub fn of_version(version: &str) -> Option<Self> {
        [Self::Kms, Self::Oos, Self::Sts]
            .into_iter()
            .find(|service| service.version() == Some(version))
    }

    /// The service that a host name of the real cloud belongs to; none for `localhost` and the like.
    pub fn of_host(host: &str) -> Option<Self> {
        if host == METADATA_ADDRESS {
            return Some(Self::Metadata);
        }
        let name = host.strip_suffix(".aliyuncs.com")?;
        if name.ends_with(".cryptoservice.kms") {
            return Some(Self::Kms);
        }
        let product = name.split('.').next().unwrap_or(name);
        match product.strip_suffix("-vpc").unwrap_or(product) {
            "kms" => Some(Self::Kms),
            "oos" => Some(Self::Oos),
            "sts" => Some(Self::Sts),
            _ => Some(Self::Unknown),
        }
    }

    /// The API version, for services of the OpenAPI gateway.
    pub fn version(self) -> Option<&'static str> {
        match self {
            Self::Kms => Some("2016-01-20"),
            Self::Oos => Some("2019-06-01"),
            Self::Sts => Some("2015-04-01"),
            Self::Metadata | Self::Kubernetes | Self::Issuer | Self::Control | Self::Unknown => None,
        }
    }

    /// The product's name in the gateway's `Recommend` links.
    pub fn product(self) -> &'static str {
        match self {
            Self::Kms => "Kms",
            Self::Oos => "oos",
            Self::Sts => "Sts",
            Self::Metadata | Self::Kubernetes | Self::Issuer | Self::Control | Self::Unknown => "",
        }
    }
}

impl fmt::Display for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Kms => "kms",
            Self::Oos => "oos",
            Self::Sts => "sts",
            Self::Metadata => "metadata",
            Self::Kubernetes => "kubernetes",
            Self::Issuer => "issuer",
            Self::Control => "control",
            Self::Unknown => "unknown",
        })
    }
}

/// The region in a host name of the real cloud, as in `kms-vpc.cn-hangzhou.aliyuncs.com`.
pub fn region_of_host(host: &str) -> Option<&str> {
    let name = host.strip_suffix(".aliyuncs.com")?;
    let (product, region) = name.split_once('.')?;
    let known = ["kms", "kms-vpc", "oos", "oos-vpc", "sts", "sts-vpc"];
    known
        .contains(&product)
        .then_some(region)
        .filter(|region| !region.contains('.'))
}

/// Whether the real cloud has a region of this name, by `testdata/vectors/regions.json`.
pub fn is_region(name: &str) -> bool {
    #[derive(Deserialize)]
    struct Regions {
        regions: Vec<Region>,
    }
    #[derive(Deserialize)]
    struct Region {
        region: String,
    }
    static REGIONS: LazyLock<Vec<Region>> = LazyLock::new(|| {
        let text = include_str!("../../testdata/vectors/regions.json");
        serde_json::from_str::<Regions>(text)
            .expect("a test reads the file")
            .regions
    });
    REGIONS.iter().any(|region| region.region == name)
}

/// The link-local address of the instance metadata service.
pub const METADATA_ADDRESS: &str = "100.100.100.200";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn regions_of_the_real_cloud() {
        assert!(is_region("cn-hangzhou") && is_region("us-east-1"));
        assert!(!is_region("cn-hangzhuo") && !is_region(""));
    }

    #[test]
    fn hosts_name_service_and_region() {
        for (host, service, region) in [
            (
                "kms.cn-hangzhou.aliyuncs.com",
                Some(Service::Kms),
                Some("cn-hangzhou"),
            ),
            (
                "oos-vpc.eu-central-1.aliyuncs.com",
                Some(Service::Oos),
                Some("eu-central-1"),
            ),
            (
                "kst-hzz65f176a0ogplgq0000.cryptoservice.kms.aliyuncs.com",
                Some(Service::Kms),
                None,
            ),
            ("sts.aliyuncs.com", Some(Service::Sts), None),
            ("ecs.aliyuncs.com", Some(Service::Unknown), None),
            ("100.100.100.200", Some(Service::Metadata), None),
            ("localhost", None, None),
        ] {
            assert_eq!(Service::of_host(host), service, "{host}");
            assert_eq!(region_of_host(host), region, "{host}");
        }
    }
}
