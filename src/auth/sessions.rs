//! Sessions of roles: STS is asked for them here and nowhere else.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use sha2::{Digest as _, Sha256};

use super::credential_cache::CredentialCache;
use super::error::Error;
use super::identity_key::IdentityKey;
use super::recent::Recent;
use super::role_session::{Federated, RoleSession};
use super::source::Source;
use super::token::Claims;
use crate::clock::Clock;
use crate::cloud::region::has_sts_in_vpc;
use crate::cloud::sts::{AssumeRole, Temporary};
use crate::cloud::{self, Api, Credentials, Endpoint, NodeRegion, Target};
use crate::limits;
use crate::params::Pod;
use crate::secret::Secret;
use crate::sync::BoundedMap;

/// Opens sessions of roles at STS.
pub struct Sessions {
    pub(super) api: Api,
    pub(super) sts: Sts,
    /// Where the time comes from.
    pub clock: Arc<dyn Clock>,
    name: Option<String>,
    duration_seconds: u32,
    /// Roles whose MaxSessionDuration is shorter than that.
    limited: Mutex<BoundedMap<String, ()>>,
    caches: Recent<IdentityKey, CredentialCache>,
    /// Those of roles that classes name, which are as many as a tenant likes: they make room for each other only.
    cross_account_caches: Recent<IdentityKey, CredentialCache>,
}

/// Every role allows it, and a role assumed with another role's credentials allows no more.
const HOUR: u32 = 3600;

/// The STS endpoint.
#[derive(Clone)]
pub enum Sts {
    /// Where flag or variables say.
    Fixed {
        /// The host.
        endpoint: Endpoint,
        /// What says so, for messages.
        setting: &'static str,
    },
    /// In the node's region: the VPC's endpoint where there is one, else the global one.
    Regional {
        /// Which region.
        node: Arc<NodeRegion>,
        /// `ALIBABA_CLOUD_VPC_ENDPOINT_ENABLED`: the VPC's endpoint even where none is known.
        vpc: bool,
    },
}

/// Kubernetes' names make none that is longer.
const SUBJECT_BYTES: usize = 600;

impl Sts {
    /// The endpoint, and what decided for it.
    pub fn endpoint(&self) -> (Endpoint, String) {
        let (region, vpc) = match self {
            Self::Fixed { endpoint, setting } => return (endpoint.clone(), format!("set by {setting}")),
            Self::Regional { node, vpc } => (node.guess(), *vpc),
        };
        let mut host = "sts.aliyuncs.com".to_owned();
        let why = match region {
            Some(region) if vpc || has_sts_in_vpc(&region) => {
                host = format!("sts-vpc.{region}.aliyuncs.com");
                format!("the VPC endpoint of the node's region {region}")
            }
            Some(region) => format!("the global one, because no VPC endpoint is known for region {region}"),
            None => "the global one, because the node's region is unknown (--region)".to_owned(),
        };
        match host.parse() {
            Ok(endpoint) => (endpoint, why),
            Err(_) => unreachable!("a region's letters make a host"),
        }
    }
}

impl Sessions {
    /// Sessions of the environment's `name` and duration, `ALICLOUD_ROLE_SESSION_NAME` and
    /// `ALICLOUD_ROLE_SESSION_EXPIRATION`.
    pub fn new(
        api: Api,
        sts: Sts,
        clock: Arc<dyn Clock>,
        name: Option<String>,
        duration_seconds: u32,
    ) -> Self {
        Self {
            api,
            sts,
            caches: Recent::new(Arc::clone(&clock)),
            cross_account_caches: Recent::new(Arc::clone(&clock)),
            clock,
            name,
            duration_seconds,
            limited: Mutex::new(BoundedMap::new(limits::IDENTITIES)),
        }
    }

    /// The session of a role: named by the environment, else `account@namespace` of the pod that asks, else the
    /// provider.
    pub(super) fn session(&self, role_arn: String, pod: Option<&Pod>) -> RoleSession {
        let pod = pod.filter(|pod| !pod.namespace.is_empty() && !pod.service_account.is_empty());
        let session_name = match (&self.name, pod) {
            (Some(name), _) => name.clone(),
            (None, Some(pod)) => session_name(&pod.namespace, &pod.service_account),
            (None, None) => env!("CARGO_PKG_NAME").to_owned(),
        };
        RoleSession {
            role_arn,
            session_name,
        }
    }

    /// Where an identity's temporary credentials are kept; all callers share them.
    pub(super) fn cache(&self, source: Source, identity: &IdentityKey) -> Arc<CredentialCache> {
        let caches = match source {
            Source::CrossAccount => &self.cross_account_caches,
            _ => &self.caches,
        };
        caches.get(identity, || CredentialCache::new(Arc::clone(&self.clock)))
    }

    /// A role, by a token of a cluster's OIDC provider.
    pub(super) fn with_token(
        &self,
        provider_arn: &str,
        session: &RoleSession,
        token: &Secret,
        remaining: Duration,
    ) -> Result<Temporary, Error> {
        let is_plain = |subject: &String| {
            subject.len() <= SUBJECT_BYTES && subject.bytes().all(|it| it.is_ascii_graphic())
        };
        let federated = Federated {
            provider_arn: provider_arn.to_owned(),
            subject: Claims::of(token).map(|claims| claims.subject).filter(is_plain),
        };
        self.open(
            session,
            self.duration_seconds,
            Some(federated),
            |role, endpoint| role.with_token(&self.api, endpoint, provider_arn, token, remaining),
        )
    }

    /// A role, by other credentials.
    pub(super) fn with_credentials(
        &self,
        credentials: &Credentials,
        session: &RoleSession,
        external_id: Option<&str>,
        remaining: Duration,
    ) -> Result<Temporary, Error> {
        let wanted = match credentials.security_token {
            Some(_) => self.duration_seconds.min(HOUR),
            None => self.duration_seconds,
        };
        self.open(session, wanted, None, |role, endpoint| {
            let target = Target {
                endpoint,
                credentials,
                remaining,
                cancellation: None,
            };
            role.with_credentials(&self.api, &target, external_id)
        })
    }

    /// Asks for a session of the `wanted` duration, and for an hour if STS refuses that. STS does not tell how long a
    /// role's sessions may be.
    fn open(
        &self,
        session: &RoleSession,
        wanted: u32,
        federated: Option<Federated>,
        ask: impl Fn(&AssumeRole<'_>, &Endpoint) -> Result<Temporary, cloud::Error>,
    ) -> Result<Temporary, Error> {
        let RoleSession {
            role_arn,
            session_name,
        } = session;
        let (endpoint, sts) = self.sts.endpoint();
        let ask = |duration_seconds| {
            let role = AssumeRole {
                role_arn,
                session_name,
                duration_seconds,
            };
            ask(&role, &endpoint)
        };
        let limited = || self.limited.lock().unwrap_or_else(PoisonError::into_inner);
        let is_limited = limited().get(role_arn).is_some();
        let mut asked = ask(if is_limited { wanted.min(HOUR) } else { wanted });
        if let Err(cloud::Error::Api(error)) = &asked
            && error.code == "InvalidParameter.DurationSeconds"
            && wanted > HOUR
            && !is_limited
        {
            let why = error.to_string();
            asked = ask(HOUR);
            if asked.is_ok() && limited().peek(role_arn).is_none() {
                log::warn!(
                    "ALICLOUD_ROLE_SESSION_EXPIRATION is longer than the MaxSessionDuration of {role_arn}, using 3600 s for this role: {why}"
                );
                limited().insert(role_arn.clone(), ());
            }
        }
        asked.map_err(|error| Error::Role {
            session: session.clone(),
            error: Box::new(error),
            sts,
            federated: federated.map(Box::new),
        })
    }
}

/// `account@namespace`, which neither can contain, within 64 characters: longer ones are cut, and end in a part of
/// their hash, so that two of them stay apart.
fn session_name(namespace: &str, account: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    let clean = |text: &str| -> String { text.chars().map(|c| if plain(c) { c } else { '_' }).collect() };
    let whole = format!("{}@{}", clean(account), clean(namespace));
    if whole.len() <= limits::SESSION_NAME_BYTES {
        return whole;
    }
    let hash = Sha256::digest(format!("{account}@{namespace}"));
    let mark: String = hash.iter().take(4).map(|byte| format!("{byte:02x}")).collect();
    let part = |text: &str, most: usize| -> String { text.chars().take(most).collect() };
    // 27 + 1 + 27 + 1 + 8
    format!(
        "{}@{}-{mark}",
        part(&clean(account), 27),
        part(&clean(namespace), 27)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn session_names_tell_who_asked_within_64_characters() {
        assert_eq!(session_name("rrsa-demo", "demo-sa"), "demo-sa@rrsa-demo");
        let long = session_name(&"n".repeat(63), &"s".repeat(253));
        assert_eq!(long.len(), 64, "{long}");
        let other = session_name(&"n".repeat(63), &format!("{}t", "s".repeat(252)));
        assert_ne!(long, other);
        for name in [&long, &other, &session_name("a b", "ü/@")] {
            assert!(
                name.bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || b".@-_".contains(&byte)),
                "{name}"
            );
        }
    }
}
