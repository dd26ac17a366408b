//! The access policy: which namespaces and ServiceAccounts may read which objects with the provider's identities.
//!
//! Without it, every SecretProviderClass gives access to whatever the provider's role may read. [`Policy::parse`]
//! reads the text of a policy file, and [`Policy::decide`] says whether a mount may go on. Both are pure. Deny by
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
mod file;
mod model;
mod parse;
mod pattern;

pub use decide::{Decision, Limit, Missing, Permit, Question, REMEDY};
pub use file::PolicyFile;
pub(crate) use file::{Refusal, Verdict, read};
pub use model::{Grant, Policy, Principal, Rule, Subject};
pub use pattern::Pattern;

#[cfg(test)]
mod tests;
