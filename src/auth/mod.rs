//! Which identity reads the secrets: the credential sources in their order, one file each.

mod access_key;
mod cross_account;
mod error;
mod found_names;
mod kept;
mod key;
mod key_files;
mod pod;
mod publish_secret;
mod resolved;
mod role;
mod sessions;
mod table;
mod worker;

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

pub use access_key::{AccessKey, Pair};
pub use cross_account::CrossAccounts;
pub use error::{Error, Failure};
pub use key::{IdentityKey, SecretHasher};
pub use key_files::{KeyFiles, KeyFilesError};
pub use pod::{AUDIENCE, Claims, PodError, PodIdentity, TOKENS_KEY};
pub use publish_secret::{PublishSecretError, brings_pair, is_plausible};
pub use resolved::Resolved;
pub use role::{AssumedRole, OidcRole, TokenFile};
pub use sessions::{Federated, RoleSession, Sessions, Sts};
pub use worker::WorkerRole;

use resolved::Lender;

use crate::cloud::sts::CallerIdentity;
use crate::cloud::{self, Credentials, Endpoint};
use crate::params::{CrossAccount, Object, Pod};
use crate::secret::Secret;

/// The sources, asked in this order. What the pod brings comes first: its own identity when the class asks for it,
/// else its `nodePublishSecretRef`. Then the first of the provider's own that is configured counts; the others say
/// why they are not.
#[derive(Debug)]
pub struct Chain {
    /// Tells AccessKey pairs apart.
    pub hasher: Arc<SecretHasher>,
    /// `--allow-identity-fallback`: whether what the pod brings may be passed over when a piece of it is missing.
    pub fallback: bool,
    /// RRSA of the pod's ServiceAccount.
    pub pod: Arc<PodIdentity>,
    /// RRSA of the DaemonSet: `ALICLOUD_OIDC_PROVIDER_ARN` with `ALICLOUD_ROLE_ARN`.
    pub oidc_role: Configured<Arc<OidcRole>>,
    /// An AccessKey pair and `ALICLOUD_ROLE_ARN`.
    pub assumed_role: Configured<Arc<AssumedRole>>,
    /// `ACCESS_KEY_ID` and `SECRET_ACCESS_KEY`, or the files of `--credentials-dir`.
    pub access_key: Configured<Pair>,
    /// The worker RAM role, unless `ALIBABA_CLOUD_ECS_METADATA_DISABLED` is true.
    pub worker_role: Configured<Arc<WorkerRole>>,
    /// Roles of other accounts, on top of any of these.
    pub cross_accounts: CrossAccounts,
}

/// A source, or why it is not configured.
pub type Configured<T> = Result<T, &'static str>;

/// What one Mount brings that bears on its identity.
#[derive(Clone, Copy)]
pub struct Request<'a> {
    /// Who asks, as kubelet vouches for it.
    pub pod: &'a Pod,
    /// `usePodServiceAccountToken`
    pub pod_identity: bool,
    /// The ServiceAccount tokens of the attributes: JSON text, by audience.
    pub tokens: Option<&'a Secret>,
    /// The driver's secrets: JSON text of the `nodePublishSecretRef`.
    pub secrets: &'a str,
}

/// Where credentials come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// A long-lived AccessKey pair.
    AccessKey,
    /// A role, assumed with the AccessKey pair.
    AssumedRole,
    /// A role that an object names, assumed with one of the others.
    CrossAccount,
    /// The AccessKey pair of the pod's `nodePublishSecretRef`.
    NodePublishSecret,
    /// A role, assumed with the provider's own ServiceAccount token.
    OidcRole,
    /// A role, assumed with the token of the pod's ServiceAccount.
    Pod,
    /// The role of the node.
    WorkerRole,
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::AccessKey => "AccessKey pair of the provider",
            Self::AssumedRole => "role of the provider, assumed with its AccessKey pair",
            Self::CrossAccount => "crossAccountRoleArn",
            Self::NodePublishSecret => "AccessKey pair of the pod's nodePublishSecretRef",
            Self::OidcRole => "role of the provider, assumed with its ServiceAccount token (RRSA)",
            Self::Pod => "identity of the pod's ServiceAccount (RRSA)",
            Self::WorkerRole => "worker RAM role of the node",
        })
    }
}

/// A source that was passed over, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Skipped {
    /// The source in short.
    pub what: &'static str,
    /// Why it does not count.
    pub why: String,
}

impl Chain {
    /// The identity of one Mount, with its credentials.
    ///
    /// # Errors
    /// There is none, or it has none.
    pub fn resolve(&self, request: &Request<'_>, remaining: Duration) -> Result<Resolved, Box<Failure>> {
        let found = self.identify(request, remaining)?;
        match found.failure() {
            Some(failure) => Err(failure),
            None => Ok(found),
        }
    }

    /// The identity of one Mount, which may have no credentials at present. What the pod brings comes before what the
    /// provider has; half of it is an error rather than a reason to read as somebody else, and so is a configured
    /// source that fails.
    ///
    /// # Errors
    /// There is none, or it is not known.
    pub fn identify(&self, request: &Request<'_>, remaining: Duration) -> Result<Resolved, Box<Failure>> {
        let mut skipped = Vec::new();
        let found = self.first(request, &mut skipped, remaining);
        match found {
            Ok(mut resolved) => {
                resolved.skipped = skipped;
                Ok(resolved)
            }
            Err((source, error)) => Err(Box::new(Failure {
                error,
                source,
                skipped,
            })),
        }
    }

    /// The identity of each object: `base`, or the role that the object names, which may have no credentials at
    /// present. Each role is assumed once, and all of them side by side.
    pub fn for_objects(
        &self,
        base: &Resolved,
        objects: &[Object],
        pod: &Pod,
        remaining: &(dyn Fn() -> Duration + Sync),
    ) -> Vec<Result<Resolved, Error>> {
        let mut wanted: Vec<&CrossAccount> = Vec::new();
        for account in objects.iter().filter_map(|object| object.cross_account.as_ref()) {
            if !wanted.contains(&account) {
                wanted.push(account);
            }
        }
        let roles = self.cross_accounts.resolve(base, &wanted, pod, remaining);
        let roles: HashMap<&CrossAccount, Result<Resolved, Error>> = wanted.into_iter().zip(roles).collect();
        let of_object = |object: &Object| match object.cross_account.as_ref() {
            None => Ok(base.clone()),
            Some(account) => roles.get(account).cloned().unwrap_or(Err(Error::NoSource)),
        };
        objects.iter().map(of_object).collect()
    }

    /// Who an identity is, as STS sees it.
    ///
    /// # Errors
    /// See [`cloud::Error`].
    pub fn caller(&self, whom: &Credentials, remaining: Duration) -> Result<CallerIdentity, cloud::Error> {
        self.cross_accounts.sessions().caller(whom, remaining)
    }

    /// Where STS is, and what decided for it.
    pub fn sts(&self) -> (Endpoint, String) {
        self.cross_accounts.sessions().sts.endpoint()
    }

    fn first(
        &self,
        request: &Request<'_>,
        skipped: &mut Vec<Skipped>,
        remaining: Duration,
    ) -> Result<Resolved, (Option<Source>, Error)> {
        let mut skip = |what, why: String| skipped.push(Skipped { what, why });
        let of = |source| move |error| (Some(source), error);
        if request.pod_identity {
            match self.pod.resolve(request, remaining) {
                Err(Error::Pod(error)) if self.fallback && error.is_missing() => {
                    self.warn(request, &error);
                    skip("pod identity", error.to_string());
                }
                done => return done.map_err(of(Source::Pod)),
            }
        } else {
            skip("pod identity", "usePodServiceAccountToken is not true".to_owned());
        }
        match publish_secret::read(request.secrets) {
            Ok(Some(pair)) => return Ok(self.pair(Source::NodePublishSecret, &pair)),
            Ok(None) => skip("nodePublishSecretRef", "there is none, or it is empty".to_owned()),
            Err(error) if self.fallback && error.is_missing() => {
                self.warn(request, &error);
                skip("nodePublishSecretRef", error.to_string());
            }
            Err(error) => return Err((Some(Source::NodePublishSecret), Error::PublishSecret(error))),
        }
        match &self.oidc_role {
            Ok(role) => {
                let session = Some(role.session.clone());
                return Resolved::lent(Source::OidcRole, session, Arc::clone(role) as _, remaining)
                    .map_err(of(Source::OidcRole));
            }
            Err(why) => skip("RRSA of the provider", (*why).to_owned()),
        }
        match &self.assumed_role {
            Ok(role) => {
                let session = Some(role.session.clone());
                return Resolved::lent(Source::AssumedRole, session, Arc::clone(role) as _, remaining)
                    .map_err(of(Source::AssumedRole));
            }
            Err(why) => skip("AccessKey pair with role", (*why).to_owned()),
        }
        match &self.access_key {
            Ok(pair) => {
                let pair = pair.get().map_err(of(Source::AccessKey))?;
                return Ok(self.pair(Source::AccessKey, &pair));
            }
            Err(why) => skip("AccessKey pair", (*why).to_owned()),
        }
        match &self.worker_role {
            Ok(role) => {
                return Resolved::lent(Source::WorkerRole, None, Arc::clone(role) as _, remaining)
                    .map_err(of(Source::WorkerRole));
            }
            Err(why) => skip("worker RAM role", (*why).to_owned()),
        }
        Err((None, Error::NoSource))
    }

    fn pair(&self, source: Source, pair: &AccessKey) -> Resolved {
        Resolved::lasting(source, pair.credentials(), pair.identity(&self.hasher))
    }

    fn warn(&self, request: &Request<'_>, error: &dyn fmt::Display) {
        let Pod { namespace, name, .. } = request.pod;
        log::warn!(
            "pod {namespace}/{name}: reads with another identity than it asks for, as --allow-identity-fallback says: {error}"
        );
    }
}
