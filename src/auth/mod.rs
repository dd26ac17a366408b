//! Which identity reads the secrets: the credential sources in their order, one file each.

mod access_key;
mod credential_cache;
mod cross_accounts;
mod error;
mod found_names;
mod identity;
mod identity_key;
mod key_files;
mod pod;
mod pod_error;
mod publish_secret;
mod recent;
mod role_session;
mod sessions;
mod source;
mod token;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

pub use access_key::{AccessKey, is_plausible};
pub use cross_accounts::CrossAccounts;
pub use error::{Error, Failure};
pub use identity::{CredentialSource, ResolvedIdentity};
pub use identity_key::{IdentityKey, SecretHasher};
pub use key_files::{KeyFiles, KeyFilesError, Pair};
pub use pod::PodIdentity;
pub use pod_error::PodError;
pub use publish_secret::{PublishSecretError, brings_pair};
pub use role_session::{Federated, RoleSession};
pub use sessions::{Sessions, Sts};
pub use source::{AUDIENCE, Request, Skipped, Source, TOKENS_KEY};
pub use token::{Claims, TokenFile};

use crate::cloud::sts::{CallerIdentity, caller_identity};
use crate::cloud::{self, Credentials, Endpoint, Target};
use crate::params::{Object, Pod};

/// The sources, asked in this order. What the pod brings comes first: its own identity when the class asks for it,
/// else its `nodePublishSecretRef`. Then the first of the provider's own that is configured counts; the others say
/// why they are not.
pub struct Chain {
    /// Tells AccessKey pairs apart.
    pub hasher: Arc<SecretHasher>,
    /// `--allow-identity-fallback`: whether what the pod brings may be passed over when a piece of it is missing.
    pub fallback: bool,
    /// RRSA of the pod's ServiceAccount.
    pub pod: PodIdentity,
    /// RRSA of the DaemonSet: `ALICLOUD_OIDC_PROVIDER_ARN` with `ALICLOUD_ROLE_ARN`.
    pub oidc_role: Configured,
    /// An AccessKey pair and `ALICLOUD_ROLE_ARN`.
    pub assumed_role: Configured,
    /// `ACCESS_KEY_ID` and `SECRET_ACCESS_KEY`, or the files of `--credentials-dir`.
    pub access_key: Configured,
    /// The worker RAM role, unless `ALIBABA_CLOUD_ECS_METADATA_DISABLED` is true.
    pub worker_role: Configured,
    /// Roles of other accounts, on top of any of these.
    pub cross_accounts: CrossAccounts,
}

/// A source of the provider's own, or why it is not configured.
pub type Configured = Result<OwnSource, &'static str>;

/// A source of the provider's own.
pub enum OwnSource {
    /// An AccessKey pair.
    AccessKey(Pair),
    /// A role by its ARN, assumed with an AccessKey pair.
    AssumedRole(String, Pair),
    /// A role by other means.
    Role(Arc<CredentialSource>),
}

impl Chain {
    /// The identity of one mount, with its credentials.
    ///
    /// # Errors
    /// There is none, or it has none.
    pub fn resolve(
        &self,
        request: &Request<'_>,
        remaining: Duration,
    ) -> Result<ResolvedIdentity, Box<Failure>> {
        let found = self.identify(request, remaining)?;
        match found.failure() {
            Some(failure) => Err(failure),
            None => Ok(found),
        }
    }

    /// The identity of one mount, which may have no credentials at present. What the pod brings comes before what the
    /// provider has; half of it is an error, not a reason to use another identity, and so is a configured
    /// source that fails.
    ///
    /// # Errors
    /// There is none, or it is not known.
    pub fn identify(
        &self,
        request: &Request<'_>,
        remaining: Duration,
    ) -> Result<ResolvedIdentity, Box<Failure>> {
        let mut skipped = Vec::new();
        match self.first(request, &mut skipped, remaining) {
            Ok(found) => Ok(found.after(skipped)),
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
        base: &ResolvedIdentity,
        objects: &[Object],
        pod: &Pod,
        remaining: &(dyn Fn() -> Duration + Sync),
    ) -> Vec<Result<ResolvedIdentity, Error>> {
        let wanted = objects.iter().filter_map(|object| object.cross_account.as_ref());
        let roles = self.cross_accounts.resolve(base, wanted, pod, remaining);
        let of_object = |object: &Object| match &object.cross_account {
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
        let sessions = self.cross_accounts.sessions();
        let (endpoint, _) = sessions.sts.endpoint();
        let target = Target {
            endpoint: &endpoint,
            credentials: whom,
            remaining,
            cancellation: None,
        };
        caller_identity(&sessions.api, &target)
    }

    /// The STS endpoint, and which setting chose it.
    pub fn sts(&self) -> (Endpoint, String) {
        self.cross_accounts.sessions().sts.endpoint()
    }

    fn first(
        &self,
        request: &Request<'_>,
        skipped: &mut Vec<Skipped>,
        remaining: Duration,
    ) -> Result<ResolvedIdentity, (Option<Source>, Error)> {
        let of = |source| move |error| (Some(source), error);
        let mut skip = |what, why: String| skipped.push(Skipped { what, why });
        // What the pod brings in part, passed over by the flag.
        let warned = |error: &dyn fmt::Display| {
            let Pod { namespace, name, .. } = request.pod;
            log::warn!(
                "pod {namespace}/{name}: reads with a fallback identity (--allow-identity-fallback): {error}"
            );
            error.to_string()
        };
        if request.pod_identity {
            match self.pod.resolve(request, remaining) {
                Err(Error::Pod(error)) if self.fallback && error.is_missing() => {
                    skip("pod identity", warned(&error));
                }
                done => return done.map_err(of(Source::Pod)),
            }
        } else {
            skip("pod identity", "usePodServiceAccountToken is not true".to_owned());
        }
        let source = Source::NodePublishSecret;
        match publish_secret::read(request.secrets) {
            Ok(Some(pair)) => return Ok(ResolvedIdentity::lasting(source, &pair, &self.hasher)),
            Ok(None) => skip("nodePublishSecretRef", "missing or empty".to_owned()),
            Err(error) if self.fallback && error.is_missing() => skip("nodePublishSecretRef", warned(&error)),
            Err(error) => return Err((Some(source), Error::PublishSecret(error))),
        }
        let own = [
            ("RRSA of the provider", Source::OidcRole, &self.oidc_role),
            (
                "AccessKey pair with role",
                Source::AssumedRole,
                &self.assumed_role,
            ),
            ("AccessKey pair", Source::AccessKey, &self.access_key),
            ("worker RAM role", Source::WorkerRole, &self.worker_role),
        ];
        for (what, source, configured) in own {
            match configured {
                Ok(own) => return self.own(own, remaining).map_err(of(source)),
                Err(why) => skip(what, (*why).to_owned()),
            }
        }
        Err((None, Error::NoSource))
    }

    fn own(&self, source: &OwnSource, remaining: Duration) -> Result<ResolvedIdentity, Error> {
        let pair = |pair: &Pair| {
            let pair = pair.get().map_err(Error::KeyFiles)?;
            Ok(ResolvedIdentity::lasting(Source::AccessKey, &pair, &self.hasher))
        };
        match source {
            OwnSource::AccessKey(of_user) => pair(of_user),
            OwnSource::AssumedRole(role_arn, of_user) => {
                let sessions = self.cross_accounts.sessions();
                let session = sessions.session(role_arn.clone(), None);
                let role = pair(of_user)?.assuming(Source::AssumedRole, session, None, sessions);
                role.resolve(remaining)
            }
            OwnSource::Role(role) => role.resolve(remaining),
        }
    }
}
