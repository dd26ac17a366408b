//! Request quotas: one bucket per account, region and group of operations, filled at the group's rate, holding one
//! second's worth.

use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, Instant};

use serde::Deserialize;

use crate::error::ApiError;
use crate::service::Service;

/// Which quotas hold.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Quotas {
    /// None: tests are not throttled.
    #[default]
    Off,
    /// As published.
    Published,
    /// Requests per second by group; groups that are not named have no quota.
    Custom(BTreeMap<Group, u32>),
}

/// Operations that share a quota.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Group {
    /// KMS GetSecretValue.
    KmsRead,
    /// KMS metadata and lists.
    KmsList,
    /// KMS creation and deletion.
    KmsWrite,
    /// OOS, all operations. No number is published.
    Oos,
    /// STS AssumeRole and AssumeRoleWithOIDC.
    StsAssumeRole,
}

impl Group {
    /// The group of an operation, if it has one.
    pub fn of(service: Service, action: &str) -> Option<Self> {
        match (service, action) {
            (Service::Kms, "GetSecretValue") => Some(Self::KmsRead),
            (Service::Kms, "CreateSecret" | "DeleteSecret" | "RestoreSecret") => Some(Self::KmsWrite),
            (Service::Kms, _) => Some(Self::KmsList),
            (Service::Oos, _) => Some(Self::Oos),
            (Service::Sts, "AssumeRole" | "AssumeRoleWithOIDC") => Some(Self::StsAssumeRole),
            _ => None,
        }
    }

    fn published(self) -> Option<u32> {
        match self {
            Self::KmsRead => Some(450),
            Self::KmsList => Some(40),
            Self::KmsWrite => Some(10),
            Self::Oos => None,
            Self::StsAssumeRole => Some(100),
        }
    }
}

impl Quotas {
    /// Requests per second for a group, if limited.
    pub fn per_second(&self, group: Group) -> Option<u32> {
        match self {
            Self::Off => None,
            Self::Published => group.published(),
            Self::Custom(rates) => rates.get(&group).copied(),
        }
    }
}

/// The buckets in use.
#[derive(Debug, Default)]
pub struct Buckets {
    buckets: HashMap<(String, String, Group), Bucket>,
}

#[derive(Debug)]
struct Bucket {
    tokens: f64,
    filled: Instant,
}

impl Buckets {
    /// Takes one request out of a bucket; if it is empty, says how long to wait.
    pub fn take(
        &mut self,
        account: &str,
        region: &str,
        group: Group,
        per_second: u32,
        now: Instant,
    ) -> Result<(), Duration> {
        let rate = f64::from(per_second);
        let key = (account.to_owned(), region.to_owned(), group);
        let bucket = self.buckets.entry(key).or_insert(Bucket {
            tokens: rate,
            filled: now,
        });
        let elapsed = now.saturating_duration_since(bucket.filled).as_secs_f64();
        bucket.tokens = rate.min(bucket.tokens + elapsed * rate);
        bucket.filled = now;
        if bucket.tokens >= 1.0 {
            bucket.tokens -= 1.0;
            return Ok(());
        }
        let wait = (1.0 - bucket.tokens) / rate.max(f64::MIN_POSITIVE);
        Err(Duration::try_from_secs_f64(wait).unwrap_or(Duration::MAX))
    }
}

/// The refusal of a throttled request, in the dialect of its service. The KMS backend gives no hint; the gateway says
/// in a header how many milliseconds are left.
pub fn throttled(service: Service, per_second: u32, wait: Duration) -> ApiError {
    if service == Service::Kms {
        return ApiError::backend(429, "Rejected.Throttling", "QPS Limit Exceeded");
    }
    let mut error = gateway_throttled();
    let left = wait.as_millis().max(1);
    error.headers = vec![(
        "x-ratelimit-user-api".into(),
        format!(
            "Limit:{per_second},Remain:0,TimeLeft:{left},Reset:{}",
            left.div_ceil(1000)
        ),
    )];
    error
}

/// The gateway's throttling, whose status is 400.
pub fn gateway_throttled() -> ApiError {
    ApiError::gateway(
        400,
        "Throttling.User",
        "Request was denied due to user flow control.",
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock;

    #[test]
    fn a_bucket_holds_one_second_and_fills_at_its_rate() {
        let mut buckets = Buckets::default();
        let start = clock::monotonic();
        let mut take = |after_ms| {
            buckets
                .take(
                    "a",
                    "r",
                    Group::KmsRead,
                    2,
                    start + Duration::from_millis(after_ms),
                )
                .map_err(|wait| wait.as_millis())
        };
        assert_eq!([take(0), take(0)], [Ok(()), Ok(())]);
        assert_eq!(take(0), Err(500));
        assert_eq!(take(250), Err(250));
        assert_eq!([take(500), take(500)], [Ok(()), Err(500)]);
        assert_eq!([take(9000), take(9000), take(9000)], [Ok(()), Ok(()), Err(500)]);
    }

    #[test]
    fn accounts_regions_and_groups_have_buckets_of_their_own() {
        let mut buckets = Buckets::default();
        let now = clock::monotonic();
        for (account, region, group) in [
            ("a", "r", Group::KmsRead),
            ("b", "r", Group::KmsRead),
            ("a", "s", Group::KmsRead),
            ("a", "r", Group::Oos),
        ] {
            assert!(buckets.take(account, region, group, 1, now).is_ok());
            assert!(buckets.take(account, region, group, 1, now).is_err());
        }
    }
}
