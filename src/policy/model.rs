//! What a policy consists of.

use std::fmt;

use super::pattern::Pattern;
use crate::params::Service;

/// A policy, checked.
#[derive(Clone, Debug)]
pub struct Policy {
    /// The rules. What any of them permits is permitted.
    pub rules: Vec<Rule>,
}

/// Who may read what.
#[derive(Clone, Debug)]
pub struct Rule {
    /// Its name, unique in the policy, for messages.
    pub name: String,
    /// The identities that the rule applies to.
    pub identities: Vec<Principal>,
    /// Who: any of these, at least one.
    pub subjects: Vec<Subject>,
    /// What: any of these. A rule without objects permits nothing; it only puts its subjects under the policy.
    pub objects: Vec<Grant>,
}

/// The kind of identity that reads objects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Principal {
    /// One of the provider's own identities: always under the policy.
    Provider,
    /// The role of the pod's ServiceAccount (`usePodServiceAccountToken`): under the policy where a rule says so.
    Pod,
    /// The AccessKey pair of the pod's `nodePublishSecretRef`: under the policy where a rule says so.
    NodePublishSecret,
}

/// Pods.
#[derive(Clone, Debug)]
pub struct Subject {
    /// Their namespace.
    pub namespace: Pattern,
    /// Their ServiceAccount, any of these; empty for any.
    pub service_accounts: Vec<Pattern>,
}

/// Objects of one service.
#[derive(Clone, Debug)]
pub struct Grant {
    /// The service.
    pub service: Service,
    /// The `objectName`, any of these, at least one. A name that is an ARN needs a pattern that begins with `acs:`,
    /// or `*`.
    pub names: Vec<Pattern>,
    /// The region, any of these; empty for any.
    pub regions: Vec<Pattern>,
    /// Roles that may be assumed to read them, beside none at all.
    pub cross_account_roles: Vec<Pattern>,
    /// Hosts that a class may name as `kmsEndpoint`, beside none at all.
    pub kms_endpoints: Vec<Pattern>,
}

impl Principal {
    /// All of them, in the order of the documentation.
    pub const ALL: [Self; 3] = [Self::Provider, Self::Pod, Self::NodePublishSecret];

    /// As a policy writes it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Provider => "provider",
            Self::Pod => "podIdentity",
            Self::NodePublishSecret => "nodePublishSecret",
        }
    }
}

impl fmt::Display for Principal {
    /// As messages call it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Provider => "the provider's identity",
            Self::Pod => "the pod's identity",
            Self::NodePublishSecret => "the pod's nodePublishSecretRef",
        })
    }
}
