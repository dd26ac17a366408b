//! The operations of each service, as functions of state, caller, parameters and time. No sockets here.

pub mod kms;
pub mod kube;
pub mod metadata;
pub mod oos;
pub mod sts;

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::error::ApiError;
use crate::ids::Ids;
use crate::service::Service;
use crate::state::State;
use crate::state::identity::{Identity, Principal};
use crate::state::policy::{self, Decision};
use crate::world::World;

/// One authenticated call of an OpenAPI operation.
#[derive(Debug)]
pub struct Call<'a> {
    /// The operation.
    pub action: &'a str,
    /// Its parameters, from query and form alike.
    pub params: &'a Params,
    /// The caller.
    pub identity: &'a Identity,
    /// The region it is about.
    pub region: &'a str,
    /// The cloud's time.
    pub now: Timestamp,
    /// Where new identifiers come from.
    pub ids: &'a Ids,
}

/// Performs an operation. The answer's `RequestId` is added by the caller.
pub fn perform(world: &mut World, service: Service, call: &Call<'_>) -> Result<Value, ApiError> {
    match service {
        Service::Kms => kms::perform(&mut world.state, call),
        Service::Oos => oos::perform(&mut world.state, call),
        Service::Sts => sts::perform(world, call),
        Service::Metadata | Service::Kubernetes | Service::Issuer | Service::Control | Service::Unknown => {
            Err(not_modelled())
        }
    }
}

/// The answer to an operation that is not modelled, here or in the real cloud.
pub fn not_modelled() -> ApiError {
    let message = "Specified api is not found, please check your url and method.";
    ApiError::gateway(404, "InvalidAction.NotFound", message)
}

/// An operation's parameters, decoded.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Params(pub Vec<(String, String)>);

impl Params {
    /// A parameter's value; the first, if it was given more than once. An empty value counts.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.0
            .iter()
            .find(|(other, _)| other == name)
            .map(|(_, value)| value.as_str())
    }

    /// A parameter's value, if it is not empty.
    pub fn filled(&self, name: &str) -> Option<&str> {
        self.text(name).filter(|value| !value.is_empty())
    }

    /// A boolean: `true` or `false`, false if absent. The Python SDK writes them with a capital.
    pub fn flag(&self, name: &str) -> Result<bool, ApiError> {
        match self.filled(name) {
            None | Some("false" | "False") => Ok(false),
            Some("true" | "True") => Ok(true),
            Some(_) => Err(invalid(name)),
        }
    }

    /// A whole number within a range.
    pub fn number(&self, name: &str, range: std::ops::RangeInclusive<u32>) -> Result<Option<u32>, ApiError> {
        match self.filled(name).map(str::parse) {
            None => Ok(None),
            Some(Ok(number)) if range.contains(&number) => Ok(Some(number)),
            Some(_) => Err(invalid(name)),
        }
    }
}

/// `InvalidParameter` in the gateway's dialect.
pub fn invalid(name: &str) -> ApiError {
    ApiError::gateway(
        400,
        "InvalidParameter",
        format!("The specified parameter {name} is not valid."),
    )
}

/// Whether the caller's policies allow an action on a resource. A session policy can only take away.
pub fn decide(state: &State, identity: &Identity, action: &str, resource: &str) -> Decision {
    let Some(account) = state.accounts.get(&identity.account) else {
        return Decision::ImplicitDeny;
    };
    let names = match &identity.principal {
        Principal::Root => return Decision::Allow,
        Principal::User { name } => account.users.get(name).map(|user| &user.policies),
        Principal::Role { name, .. } => account.roles.get(name).map(|role| &role.policies),
    };
    let policies = names
        .into_iter()
        .flatten()
        .filter_map(|name| account.policies.get(name));
    let own = policy::decide(policies, action, resource);
    match (&identity.session_policy, own) {
        (Some(session), Decision::Allow) => policy::decide(std::iter::once(session), action, resource),
        _ => own,
    }
}

/// `AccessDeniedDetail` of a refusal.
pub fn access_denied_detail(identity: &Identity, action: &str, decision: Decision) -> Value {
    let (kind, name) = match &identity.principal {
        Principal::Root => ("Root", identity.account.clone()),
        Principal::User { name } => ("SubUser", name.clone()),
        Principal::Role { name, session } => ("AssumedRoleUser", format!("{name}:{session}")),
    };
    let reason = if decision == Decision::ExplicitDeny {
        "ExplicitDeny"
    } else {
        "ImplicitDeny"
    };
    json!({
        "AuthAction": action, "AuthPrincipalType": kind, "AuthPrincipalDisplayName": name,
        "AuthPrincipalOwnerId": identity.account, "NoPermissionType": reason,
        "PolicyType": "AccountLevelIdentityBasedPolicy",
    })
}
