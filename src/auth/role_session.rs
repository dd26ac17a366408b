//! Which session of which role, and who asks for it.

use std::fmt;

/// A role and the name of its session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoleSession {
    /// `acs:ram::<account>:role/<name>`
    pub role_arn: String,
    /// As the audit trail shows it.
    pub session_name: String,
}

/// Who asks for a role by a token: what the role's trust policy must let in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Federated {
    /// `acs:ram::<account>:oidc-provider/<name>`
    pub provider_arn: String,
    /// The token's subject, as it claims; none if it cannot be read.
    pub subject: Option<String>,
}

impl fmt::Display for RoleSession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "role {} session {}", self.role_arn, self.session_name)
    }
}
