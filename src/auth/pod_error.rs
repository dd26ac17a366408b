//! Why a pod's identity is not available.

use std::fmt;

use super::source::{AUDIENCE, TOKENS_KEY};
use crate::cloud::kubernetes;

/// Why a pod's identity is not available: which piece is missing, and what to configure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PodError {
    /// The ServiceAccount, `namespace/name`, has no annotation.
    Annotation(String),
    /// The annotation is not a role's ARN.
    AnnotationMalformed(String),
    /// There are tokens of these audiences, and none for STS.
    Audience(Vec<String>),
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
    /// The token belongs to another ServiceAccount than the pod's, `namespace/name`.
    Subject(String),
    /// The tokens are no JSON, or the token is no JWT.
    Token(&'static str),
}

impl fmt::Display for PodError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("usePodServiceAccountToken is true, and ")?;
        match self {
            Self::Annotation(account) => write!(
                f,
                "ServiceAccount {account} has no annotation {}; annotate it with the ARN of the pod's RAM role",
                kubernetes::ROLE_ANNOTATION
            ),
            Self::AnnotationMalformed(account) => write!(
                f,
                "the annotation {} of ServiceAccount {account} is not a role; write acs:ram::<account id>:role/<name>",
                kubernetes::ROLE_ANNOTATION
            ),
            Self::Audience(present) => {
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
            Self::Subject(account) => write!(
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
            Self::AnnotationMalformed(_) | Self::Subject(_) | Self::Token(_)
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
}
