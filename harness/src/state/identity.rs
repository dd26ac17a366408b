//! Who a request is from, and the keys that prove it.

use std::fmt;

use jiff::Timestamp;
use serde::Deserialize;

use super::policy::Policy;
use crate::clock;

/// An authenticated caller.
#[derive(Clone, Debug, PartialEq)]
pub struct Identity {
    /// The account id.
    pub account: String,
    /// Who it is within the account.
    pub principal: Principal,
    /// The `Policy` of an AssumeRole call, which narrows the role's rights.
    pub session_policy: Option<Policy>,
}

/// Who somebody is within an account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Principal {
    /// The account itself.
    Root,
    /// A RAM user.
    User {
        /// The user's name.
        name: String,
    },
    /// A session of a RAM role.
    Role {
        /// The role's name.
        name: String,
        /// The session's name.
        session: String,
    },
}

impl Identity {
    /// The caller's ARN as GetCallerIdentity writes it.
    pub fn arn(&self) -> String {
        let account = &self.account;
        match &self.principal {
            Principal::Root => format!("acs:ram::{account}:root"),
            Principal::User { name } => format!("acs:ram::{account}:user/{name}"),
            Principal::Role { name, session } => format!("acs:ram::{account}:assumed-role/{name}/{session}"),
        }
    }
}

/// What proves an identity: a secret, and for temporary keys a token with an end.
#[derive(Clone)]
pub struct Credential {
    /// The AccessKey secret.
    pub secret: String,
    /// False for a disabled key.
    pub active: bool,
    /// Set for temporary keys.
    pub session: Option<Session>,
    /// Whom it proves.
    pub identity: Identity,
}

/// The part of a temporary credential that a fixed key has not.
#[derive(Clone)]
pub struct Session {
    /// The security token.
    pub token: String,
    /// When it ends.
    pub expires: Timestamp,
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credential")
            .field("identity", &self.identity)
            .finish_non_exhaustive()
    }
}

/// A fixed AccessKey pair.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StaticKey {
    /// The AccessKey id.
    pub id: String,
    /// The AccessKey secret.
    pub secret: String,
    /// False for a disabled key.
    #[serde(default = "active")]
    pub active: bool,
}

/// A role session with fixed keys.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FixedSession {
    /// The session's name.
    pub name: String,
    /// The AccessKey id, `STS.…`.
    pub id: String,
    /// The AccessKey secret.
    pub secret: String,
    /// The security token.
    pub token: String,
    /// When it ends.
    pub expires: Time,
}

impl fmt::Debug for StaticKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "StaticKey({})", self.id)
    }
}

impl fmt::Debug for FixedSession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FixedSession({}, {})", self.name, self.id)
    }
}

/// A time in a state file, written `2026-05-04T03:02:01Z`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(try_from = "String")]
pub struct Time(pub Timestamp);

impl TryFrom<String> for Time {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        clock::parse(&text)
            .map(Self)
            .ok_or_else(|| format!("{text:?} is not a time like 2026-05-04T03:02:01Z"))
    }
}

fn active() -> bool {
    true
}
