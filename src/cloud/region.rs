//! The node's region: the flag's, else what the metadata service says. And the regions whose STS can be asked
//! from inside a VPC.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use super::metadata::Metadata;
use crate::clock::Clock;
use crate::limits;
use crate::params::Region;
use crate::sync::SingleFlight;

/// The default region.
pub struct NodeRegion {
    configured: Option<Region>,
    metadata: Option<Arc<Metadata>>,
    clock: Arc<dyn Clock>,
    known: SingleFlight<Region, String>,
    unknown_since: Mutex<Option<Instant>>,
}

impl NodeRegion {
    /// `configured` is the flag's region; without it, instance metadata (`metadata`) is asked at the first use, if there is
    /// such a service.
    pub fn new(configured: Option<Region>, metadata: Option<Arc<Metadata>>, clock: Arc<dyn Clock>) -> Self {
        Self {
            configured,
            metadata,
            clock,
            known: SingleFlight::default(),
            unknown_since: Mutex::new(None),
        }
    }

    /// The default region for callers that can do without: outside of the cloud, where no metadata service answers, it
    /// is asked only at intervals.
    pub fn guess(&self) -> Option<Region> {
        let mut unknown_since = self.unknown_since.lock().unwrap_or_else(PoisonError::into_inner);
        let now = self.clock.now();
        if let Some(since) = *unknown_since
            && now.saturating_duration_since(since) < limits::REGION_RETRY_PAUSE
        {
            return None;
        }
        let region = self.resolve().ok();
        *unknown_since = region.is_none().then_some(now);
        region
    }

    /// The default region. The node is asked until it has answered once: its metadata service may come up late.
    /// Those who ask at the same time wait for one answer, or for one silence.
    ///
    /// # Errors
    /// Why there is none, in words.
    pub fn resolve(&self) -> Result<Region, String> {
        if let Some(region) = &self.configured {
            return Ok(region.clone());
        }
        self.known.put(|_| true, |_| true, || self.ask())
    }

    fn ask(&self) -> Result<Region, String> {
        let metadata = self
            .metadata
            .as_ref()
            .ok_or("instance metadata is disabled (ALIBABA_CLOUD_ECS_METADATA_DISABLED)")?;
        let text = metadata.region().map_err(|error| error.to_string())?;
        let region = Region::new(&text).ok_or("instance metadata: the answer is not a region name")?;
        log::info!("region of the node: {region}");
        Ok(region)
    }
}

/// Whether official metadata names `sts-vpc.<region>.aliyuncs.com`.
pub fn has_sts_in_vpc(region: &Region) -> bool {
    STS_IN_VPC.binary_search(&region.as_str()).is_ok()
}

/// Sorted; a test holds it against `testdata/vectors/regions.json`.
const STS_IN_VPC: &[&str] = &[
    "ap-northeast-1",
    "ap-northeast-2",
    "ap-southeast-1",
    "ap-southeast-3",
    "ap-southeast-5",
    "ap-southeast-7",
    "cn-beijing",
    "cn-beijing-finance-1",
    "cn-chengdu",
    "cn-fuzhou",
    "cn-guangzhou",
    "cn-hangzhou",
    "cn-heyuan",
    "cn-hongkong",
    "cn-huhehaote",
    "cn-nanjing",
    "cn-qingdao",
    "cn-shanghai",
    "cn-shanghai-finance-1",
    "cn-shenzhen",
    "cn-shenzhen-finance-1",
    "cn-wuhan-lr",
    "cn-wulanchabu",
    "cn-zhangjiakou",
    "eu-central-1",
    "eu-west-1",
    "me-central-1",
    "me-east-1",
    "na-south-1",
    "us-east-1",
    "us-west-1",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_is_that_of_official_metadata() {
        let vectors = include_str!("../../testdata/vectors/regions.json");
        let vectors: serde_json::Value = serde_json::from_str(vectors).expect("JSON");
        let regions = vectors["regions"].as_array().expect("regions");
        let mut listed: Vec<&str> = Vec::new();
        for entry in regions {
            let region = entry["region"].as_str().expect("region");
            assert!(Region::new(region).is_some(), "{region}");
            if let Some(host) = entry["sts"]["vpc"].as_str() {
                assert_eq!(host, format!("sts-vpc.{region}.aliyuncs.com"));
                listed.push(region);
            }
        }
        listed.sort_unstable();
        assert_eq!(STS_IN_VPC, listed);
        assert!(has_sts_in_vpc(&Region::new("cn-hangzhou").expect("region")));
        assert!(!has_sts_in_vpc(&Region::new("cn-nowhere").expect("region")));
    }
}
