//! The access policy: which namespaces and ServiceAccounts may read which objects with the provider's identities.
//!
//! Without it, whoever may create a SecretProviderClass reads whatever the provider's role may read. [`Policy::parse`]
//! reads the text of a policy file, and [`Policy::decide`] says whether a Mount may go on. Both are pure. Deny by
//! default: what no rule permits is denied. `docs/access-policy.md` documents the grammar.

#![deny(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::as_conversions,
    clippy::panic
)]
#![cfg_attr(
    test,
    allow(clippy::expect_used, clippy::panic, reason = "a test that fails may panic")
)]

mod decide;
mod fields;
mod file;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzz;
mod parse;
mod pattern;

pub use decide::{Decision, Denied, Missing, Permit, Question, REMEDY, Wish};
pub use file::PolicyFile;
pub(crate) use file::{Refusal, Verdict, read};
pub use pattern::Pattern;

use crate::params::Service;

/// A policy, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// The rules. What any of them permits is permitted.
    pub rules: Vec<Rule>,
}

/// Who may read what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// Its name, unique in the policy, for messages.
    pub name: String,
    /// As whom the objects are read for the rule to count.
    pub identities: Vec<Identity>,
    /// Who: any of these, at least one.
    pub subjects: Vec<Subject>,
    /// What: any of these. A rule without objects permits nothing; it only puts its subjects under the policy.
    pub objects: Vec<Grant>,
}

/// As whom objects are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Identity {
    /// One of the provider's own identities: always under the policy.
    Provider,
    /// The role of the pod's ServiceAccount (`usePodServiceAccountToken`): under the policy where a rule says so.
    Pod,
    /// The AccessKey pair of the pod's `nodePublishSecretRef`: under the policy where a rule says so.
    NodePublishSecret,
}

/// Pods.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subject {
    /// Their namespace.
    pub namespace: Pattern,
    /// Their ServiceAccount, any of these; empty for any.
    pub service_accounts: Vec<Pattern>,
}

/// Objects of one service.
#[derive(Clone, Debug, PartialEq, Eq)]
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

impl Identity {
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

#[cfg(test)]
mod tests;
