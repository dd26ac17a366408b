//! Where an identity comes from, and what a mount brings that bears on it.

use std::fmt;

use crate::metrics;
use crate::params::Pod;
use crate::secret::Secret;

/// The audience that STS asks of a token.
pub const AUDIENCE: &str = "sts.aliyuncs.com";

/// The key of the tokens, in the attributes and in the driver's secrets.
pub const TOKENS_KEY: &str = "csi.storage.k8s.io/serviceAccount.tokens";

/// What one mount brings that bears on its identity.
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
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
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

impl Source {
    /// As metrics count renewals; none if its credentials do not end.
    pub(super) const fn renewed(self) -> Option<metrics::Identity> {
        match self {
            Self::AccessKey | Self::NodePublishSecret => None,
            Self::AssumedRole => Some(metrics::Identity::AssumedRole),
            Self::CrossAccount => Some(metrics::Identity::CrossAccount),
            Self::OidcRole => Some(metrics::Identity::OidcRole),
            Self::Pod => Some(metrics::Identity::PodRole),
            Self::WorkerRole => Some(metrics::Identity::WorkerRole),
        }
    }
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
