//! Pod identity: RRSA of the pod's ServiceAccount. The token comes with the request; the role stands in an annotation of
//! the ServiceAccount; who the pod is, kubelet says.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::error::Error;
use super::identity::{CredentialSource, ResolvedIdentity};
use super::identity_key::IdentityKey;
use super::pod_error::PodError;
use super::recent::Recent;
use super::role_session::RoleSession;
use super::sessions::Sessions;
use super::source::{Request, Source};
use super::token::{Claims, token};
use crate::cloud::counted;
use crate::cloud::kubernetes::{self, Kubernetes};
use crate::limits;
use crate::metrics::Outcome;
use crate::params::RoleArn;
use crate::sync::SingleFlight;

/// The identities of pods.
pub struct PodIdentity {
    provider_arn: Option<String>,
    kubernetes: Kubernetes,
    sessions: Arc<Sessions>,
    roles: Recent<[String; 2], SingleFlight<Annotation, PodError>>,
}

/// The role that a ServiceAccount names, and when that was read.
#[derive(Clone)]
struct Annotation {
    read: Instant,
    role_arn: String,
}

impl PodIdentity {
    /// Pods whose tokens `provider_arn` vouches for.
    pub fn new(provider_arn: Option<String>, kubernetes: Kubernetes, sessions: Arc<Sessions>) -> Self {
        Self {
            provider_arn,
            kubernetes,
            roles: Recent::new(Arc::clone(&sessions.clock)),
            sessions,
        }
    }

    /// The identity of the pod that asks. Nothing that is kept is looked at before the token is known to be this
    /// pod's.
    pub(super) fn resolve(
        &self,
        request: &Request<'_>,
        remaining: Duration,
    ) -> Result<ResolvedIdentity, Error> {
        let source = self.source(request, remaining).map_err(Error::Pod)?;
        source.resolve(remaining)
    }

    fn source(&self, request: &Request<'_>, remaining: Duration) -> Result<Arc<CredentialSource>, PodError> {
        let (namespace, account) = (&request.pod.namespace, &request.pod.service_account);
        if namespace.is_empty() || account.is_empty() {
            return Err(PodError::NoAccount);
        }
        let token = token(request)?;
        let claims = Claims::of(&token).ok_or(PodError::Token("the token is not a JWT with a subject"))?;
        if claims.subject != format!("system:serviceaccount:{namespace}:{account}") {
            return Err(PodError::Subject(format!("{namespace}/{account}")));
        }
        let provider_arn = self.provider_arn.clone().ok_or(PodError::Provider)?;
        let role_arn = self.role(namespace, account, remaining)?;
        let names = [namespace, account, &provider_arn, &role_arn].map(Clone::clone);
        let session = self.sessions.session(role_arn, Some(request.pod));
        let assume = move |sessions: &Sessions, session: &RoleSession, remaining| {
            sessions.with_token(&provider_arn, session, &token, remaining)
        };
        let identity = IdentityKey::new(Source::Pod, names);
        Ok(CredentialSource::role(
            Source::Pod,
            session,
            identity,
            &self.sessions,
            assume,
        ))
    }

    /// The role that the ServiceAccount names. Those who ask at the same time wait for one answer, or for one silence.
    fn role(&self, namespace: &str, name: &str, remaining: Duration) -> Result<String, PodError> {
        let key = [namespace.to_owned(), name.to_owned()];
        let entry = self.roles.get(&key, SingleFlight::default);
        let now = self.sessions.clock.now();
        let is_young =
            |known: &Annotation| now.saturating_duration_since(known.read) < limits::ANNOTATION_AGE;
        let known = entry.put(is_young, PodError::is_outage, || {
            self.annotation(namespace, name, remaining)
        })?;
        Ok(known.role_arn)
    }

    fn annotation(&self, namespace: &str, name: &str, remaining: Duration) -> Result<Annotation, PodError> {
        let account = format!("{namespace}/{name}");
        let Sessions { api, clock, .. } = &*self.sessions;
        let read = clock.now();
        let outcome = |answer: &Result<_, kubernetes::Error>| match answer {
            Ok(_) => Some(Outcome::Ok),
            Err(error) => error.outcome(),
        };
        let answer = counted(api.metrics(), &**clock, "GetServiceAccount", outcome, || {
            self.kubernetes.role_annotation(namespace, name, remaining)
        });
        match answer {
            Ok(Some(role_arn)) if RoleArn::new(&role_arn).is_some() => Ok(Annotation { read, role_arn }),
            Ok(Some(_)) => Err(PodError::AnnotationMalformed(account)),
            Ok(None) => Err(PodError::Annotation(account)),
            Err(error) => Err(PodError::Kubernetes { account, error }),
        }
    }
}
