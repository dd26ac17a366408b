//! Pod identity: RRSA of the pod's ServiceAccount. The token comes with the request and stays in memory; the role
//! stands in an annotation of the ServiceAccount; who the pod is, kubelet says.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer as _};

use super::kept::{Kept, Lent};
use super::key::{Identity, IdentityKey};
use super::sessions::{RoleSession, Sessions};
use super::table::Table;
use super::{Error, Lender, Request, Resolved, Source};
use crate::cloud::kubernetes::{self, Kubernetes};
use crate::limits;
use crate::metrics;
use crate::params::RoleArn;
use crate::secret::Secret;
use crate::sync::SingleFlight;

/// The audience that STS asks of a token.
pub const AUDIENCE: &str = "sts.aliyuncs.com";

/// The key of the tokens, in the attributes and in the driver's secrets.
pub const TOKENS_KEY: &str = "csi.storage.k8s.io/serviceAccount.tokens";

/// The identities of pods.
pub struct PodIdentity {
    provider_arn: Option<String>,
    kubernetes: Kubernetes,
    sessions: Arc<Sessions>,
    roles: Table<(String, String), SingleFlight<Annotation, PodError>>,
    kept: Table<IdentityKey, Kept>,
}

/// The role that a ServiceAccount names, and when that was read.
#[derive(Clone)]
struct Annotation {
    read: Instant,
    role_arn: String,
}

/// Why a pod's identity is not to be had: which piece is missing, and what to configure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PodError {
    /// The ServiceAccount has no annotation.
    Annotation {
        /// `namespace/name`
        account: String,
    },
    /// The annotation is no role.
    AnnotationMalformed {
        /// `namespace/name`
        account: String,
    },
    /// There are tokens, and none for STS.
    Audience {
        /// The audiences there are.
        present: Vec<String>,
    },
    /// The annotation cannot be read.
    Kubernetes {
        /// `namespace/name`
        account: String,
        /// Why not.
        error: kubernetes::Error,
    },
    /// The driver did not say who the pod is.
    NoAccount,
    /// No tokens.
    NoTokens,
    /// The OIDC provider is not configured.
    Provider,
    /// The token belongs to another ServiceAccount.
    Subject {
        /// `namespace/name` of the pod.
        account: String,
    },
    /// The tokens are no JSON, or the token is no JWT.
    Token(&'static str),
}

impl fmt::Display for PodError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("usePodServiceAccountToken is true, and ")?;
        match self {
            Self::Annotation { account } => write!(
                f,
                "ServiceAccount {account} has no annotation {}; annotate it with the ARN of the pod's RAM role",
                kubernetes::ROLE_ANNOTATION
            ),
            Self::AnnotationMalformed { account } => write!(
                f,
                "the annotation {} of ServiceAccount {account} is not a role; write acs:ram::<account id>:role/<name>",
                kubernetes::ROLE_ANNOTATION
            ),
            Self::Audience { present } => {
                write!(f, "the request has no ServiceAccount token of audience {AUDIENCE}")?;
                match present.is_empty() {
                    true => f.write_str(", nor any other")?,
                    false => write!(f, " (it has {})", present.join(", "))?,
                }
                f.write_str("; add {audience: sts.aliyuncs.com} to tokenRequests of the CSIDriver object (secrets-store-csi-driver chart: tokenRequests)")
            }
            Self::Kubernetes { account, error } => {
                write!(f, "the annotation {} of ServiceAccount {account} cannot be read: {error}", kubernetes::ROLE_ANNOTATION)
            }
            Self::NoAccount => f.write_str(
                "the driver did not say which ServiceAccount the pod runs as; set podInfoOnMount: true in the CSIDriver object",
            ),
            Self::NoTokens => f.write_str(
                "the request has no ServiceAccount tokens; add {audience: sts.aliyuncs.com} to tokenRequests of the CSIDriver object (secrets-store-csi-driver chart: tokenRequests)",
            ),
            Self::Provider => f.write_str(
                "the provider does not know the cluster's OIDC provider; set ALICLOUD_OIDC_PROVIDER_ARN, or ALICLOUD_ACCOUNT_ID and ALICLOUD_CLUSTER_ID, in its environment",
            ),
            Self::Subject { account } => write!(
                f,
                "the token in the request is not that of ServiceAccount {account}; remove {TOKENS_KEY} from the SecretProviderClass and the volume, kubelet puts it there"
            ),
            Self::Token(problem) => write!(
                f,
                "the ServiceAccount tokens in the request cannot be read: {problem}; they must come from kubelet (tokenRequests of the CSIDriver object)"
            ),
        }
    }
}

impl PodError {
    /// Whether something is missing, as opposed to wrong: what the official provider passes over in silence.
    pub(super) const fn is_missing(&self) -> bool {
        !matches!(
            self,
            Self::AnnotationMalformed { .. } | Self::Subject { .. } | Self::Token(_)
        )
    }

    /// Whether the Kubernetes API could not be asked, as opposed to having refused.
    pub(super) const fn is_outage(&self) -> bool {
        let Self::Kubernetes { error, .. } = self else {
            return false;
        };
        match error {
            kubernetes::Error::Http(error) => error.is_transient(),
            kubernetes::Error::Status(status) => *status >= 500 || *status == 429,
            // Cut off, or from something in between: no refusal.
            kubernetes::Error::Answer(_) => true,
            _ => false,
        }
    }
}

impl PodIdentity {
    /// Pods whose tokens `provider_arn` vouches for.
    pub fn new(provider_arn: Option<String>, kubernetes: Kubernetes, sessions: Arc<Sessions>) -> Self {
        let clock = || Arc::clone(&sessions.clock);
        Self {
            provider_arn,
            kubernetes,
            roles: Table::new(clock()),
            kept: Table::new(clock()),
            sessions,
        }
    }

    /// The identity of the pod that asks. Nothing that is kept is looked at before the token is known to be this
    /// pod's.
    pub(super) fn resolve(
        self: &Arc<Self>,
        request: &Request<'_>,
        remaining: Duration,
    ) -> Result<Resolved, Error> {
        let (namespace, account) = (&request.pod.namespace, &request.pod.service_account);
        if namespace.is_empty() || account.is_empty() {
            return Err(Error::Pod(PodError::NoAccount));
        }
        let token = token(request).map_err(Error::Pod)?;
        let claims = Claims::of(&token).ok_or(Error::Pod(PodError::Token(
            "the token is not a JWT with a subject",
        )))?;
        if claims.subject != format!("system:serviceaccount:{namespace}:{account}") {
            let account = format!("{namespace}/{account}");
            return Err(Error::Pod(PodError::Subject { account }));
        }
        let provider_arn = self.provider_arn.clone().ok_or(Error::Pod(PodError::Provider))?;
        let role_arn = self.role(namespace, account, remaining).map_err(Error::Pod)?;
        let identity: IdentityKey = Identity::Pod {
            namespace: namespace.clone(),
            service_account: account.clone(),
            provider_arn: provider_arn.clone(),
            role_arn: role_arn.clone(),
        }
        .into();
        let session = RoleSession {
            session_name: self.sessions.name(Some((namespace, account))),
            role_arn,
        };
        let kept = self
            .kept
            .get(&identity, || Kept::new(Arc::clone(&self.sessions.clock)));
        let lender = PodLender {
            sessions: Arc::clone(&self.sessions),
            kept,
            provider_arn,
            token,
            identity,
            session: session.clone(),
        };
        Resolved::lent(Source::Pod, Some(session), Arc::new(lender), remaining)
    }

    /// The role that the ServiceAccount names. Those who ask at the same time wait for one answer, or for one silence.
    fn role(&self, namespace: &str, name: &str, remaining: Duration) -> Result<String, PodError> {
        let entry = self
            .roles
            .get(&(namespace.to_owned(), name.to_owned()), SingleFlight::default);
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
        let clock = &self.sessions.clock;
        let read = clock.now();
        let answer = self.kubernetes.role_annotation(namespace, name, remaining);
        let outcome = match &answer {
            Ok(_) => Some(metrics::Outcome::Ok),
            Err(error) => error.outcome(),
        };
        if let Some(outcome) = outcome {
            let elapsed = clock.now().saturating_duration_since(read);
            let wall = clock.wall().as_second();
            self.sessions
                .api
                .metrics()
                .backend_call("GetServiceAccount", outcome, elapsed, wall);
        }
        match answer {
            Ok(Some(role_arn)) if RoleArn::new(&role_arn).is_some() => Ok(Annotation { read, role_arn }),
            Ok(Some(_)) => Err(PodError::AnnotationMalformed { account }),
            Ok(None) => Err(PodError::Annotation { account }),
            Err(error) => Err(PodError::Kubernetes { account, error }),
        }
    }
}

/// The credentials of one pod, with the token that it came with.
struct PodLender {
    sessions: Arc<Sessions>,
    kept: Arc<Kept>,
    provider_arn: String,
    token: Secret,
    identity: IdentityKey,
    session: RoleSession,
}

impl Lender for PodLender {
    fn kept(&self) -> &Kept {
        &self.kept
    }

    fn lend(&self, remaining: Duration) -> Result<Lent, Error> {
        let metrics = self.sessions.api.metrics();
        self.kept
            .get_counted(metrics, metrics::Identity::PodRole, remaining, |remaining| {
                let temporary =
                    self.sessions
                        .with_token(&self.provider_arn, &self.session, &self.token, remaining)?;
                Ok(Lent::new(temporary, self.identity.clone()))
            })
    }

    fn identity(&self) -> Option<IdentityKey> {
        Some(self.identity.clone())
    }
}

/// The token for STS: from the attributes, where every driver puts it, else from the driver's secrets, where clusters
/// with `serviceAccountTokenInSecrets` have it too.
fn token(request: &Request<'_>) -> Result<Secret, PodError> {
    let in_secrets = || -> Result<Secret, PodError> {
        if request.secrets.is_empty() {
            return Err(PodError::NoTokens);
        }
        let secrets: Option<Secrets> = serde_json::from_str(request.secrets)
            .map_err(|_| PodError::Token("the driver's secrets are not a JSON object of texts"))?;
        let tokens = secrets.and_then(|it| it.tokens).filter(|text| !text.is_empty());
        tokens.map(Secret::from).ok_or(PodError::NoTokens)
    };
    let from_secrets;
    let text = match request.tokens {
        Some(tokens) => tokens,
        None => {
            from_secrets = in_secrets()?;
            &from_secrets
        }
    };
    let (token, present) =
        pick(text).map_err(|_| PodError::Token("they are not the JSON object that kubelet writes"))?;
    let token = token.ok_or(PodError::Audience { present })?;
    let fits = token.expose().iter().all(u8::is_ascii_graphic) && !token.is_empty();
    match token.len() {
        _ if !fits => Err(PodError::Token("the token is empty or not text")),
        length if length > limits::TOKEN_BYTES => Err(PodError::Token("the token is longer than STS takes")),
        _ => Ok(token),
    }
}

/// The token for STS, and some of the other audiences there are.
fn pick(tokens: &Secret) -> serde_json::Result<(Option<Secret>, Vec<String>)> {
    let mut reader = serde_json::Deserializer::from_slice(tokens.expose());
    let picked = reader.deserialize_map(Tokens)?;
    reader.end().map(|()| picked)
}

/// Reads tokens entry by entry: there are two or three, and a hundred thousand if somebody else than kubelet writes them.
struct Tokens;

impl<'de> Visitor<'de> for Tokens {
    type Value = (Option<Secret>, Vec<String>);

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of tokens")
    }

    fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Self::Value, M::Error> {
        let (mut wanted, mut present) = (None, Vec::new());
        while let Some(audience) = map.next_key::<String>()? {
            let token = Secret::from(map.next_value::<Token>()?.token);
            if audience == AUDIENCE {
                wanted = Some(token);
            } else if present.len() < 8 {
                present.push(format!("{:?}", audience.chars().take(80).collect::<String>()));
            }
        }
        Ok((wanted, present))
    }
}

#[derive(Deserialize)]
struct Secrets {
    #[serde(rename = "csi.storage.k8s.io/serviceAccount.tokens")]
    tokens: Option<String>,
}

#[derive(Deserialize)]
struct Token {
    token: String,
}

/// What a token says of itself. It proves nothing, as nobody has checked the signature; STS does. It keeps a token out
/// that is plainly somebody else's, and tells people what they gave.
#[derive(Deserialize)]
pub struct Claims {
    /// `system:serviceaccount:<namespace>:<name>`
    #[serde(rename = "sub")]
    pub subject: String,
    /// When it ends, in seconds since 1970.
    #[serde(rename = "exp")]
    pub ends: Option<i64>,
}

impl Claims {
    /// Those of a token; none if it is no JWT with a subject.
    pub(super) fn of(token: &Secret) -> Option<Self> {
        let payload = token.expose().split(|byte| *byte == b'.').nth(1)?;
        let payload = URL_SAFE_NO_PAD.decode(payload).map(Secret::new).ok()?;
        serde_json::from_slice(payload.expose()).ok()
    }

    /// Those of the token for STS among the tokens of a Mount's attributes.
    pub fn among(tokens: &Secret) -> Option<Self> {
        Self::of(&pick(tokens).ok()?.0?)
    }
}

impl fmt::Debug for PodIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PodIdentity")
            .field("provider_arn", &self.provider_arn)
            .field("kubernetes", &self.kubernetes)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_broken_answer_is_an_outage_and_a_refusal_is_none() {
        for (error, outage) in [
            (kubernetes::Error::Answer("cut short"), true),
            (kubernetes::Error::Status(503), true),
            (kubernetes::Error::Forbidden, false),
            (kubernetes::Error::NotFound, false),
            (kubernetes::Error::Unauthorized, false),
        ] {
            let account = "shop/web".to_owned();
            let told = error.to_string();
            let error = PodError::Kubernetes { account, error };
            assert_eq!(error.is_outage(), outage, "{told}");
        }
    }
    /// What stands where tokens are looked for and cannot be read is wrong, and not merely missing.
    #[test]
    fn secrets_that_cannot_be_read_are_wrong_rather_than_missing() {
        let pod = crate::params::Pod::default();
        for (secrets, is_missing) in [
            ("", true),
            ("null", true),
            ("{}", true),
            (r#"{"csi.storage.k8s.io/serviceAccount.tokens":null}"#, true),
            (r#"{"csi.storage.k8s.io/serviceAccount.tokens":"{}"}"#, true),
            (r#"{"csi.storage.k8s.io/serviceAccount.tokens":"canary"}"#, false),
            (r#"{"csi.storage.k8s.io/serviceAccount.tokens":1}"#, false),
            (r#"["canary"]"#, false),
            ("canary", false),
        ] {
            let request = Request {
                pod: &pod,
                pod_identity: true,
                tokens: None,
                secrets,
            };
            let error = token(&request).map(drop).expect_err(secrets);
            assert_eq!(error.is_missing(), is_missing, "{secrets}: {error}");
            assert!(!error.to_string().contains("canary"), "{error}");
        }
    }
}
