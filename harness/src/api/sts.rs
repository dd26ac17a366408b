//! STS, 2015-04-01: role sessions. AssumeRole is for RAM users and roles; AssumeRoleWithOIDC carries no signature, its
//! proof is the token.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::{Call, Params, access_denied_detail, decide, not_modelled};
use crate::clock;
use crate::error::ApiError;
use crate::ids::Ids;
use crate::oidc::jwt::Claims;
use crate::sign::missing;
use crate::state::identity::{Identity, Principal};
use crate::state::policy::{Decision, Policy, TrustedPrincipal, matches};
use crate::state::{Role, State};
use crate::world::{NewSession, TemporaryKeys, World};

pub(super) fn perform(world: &mut World, call: &Call<'_>) -> Result<Value, ApiError> {
    match call.action {
        "AssumeRole" => assume_role(world, call),
        "GetCallerIdentity" => Ok(caller(call.identity)),
        _ => Err(not_modelled()),
    }
}

fn assume_role(world: &mut World, call: &Call<'_>) -> Result<Value, ApiError> {
    let request = SessionRequest::read(call.params)?;
    if call.identity.principal == Principal::Root {
        return Err(no_permission("Roles may not be assumed by root accounts."));
    }
    let external_id = call.params.filled("ExternalId");
    if external_id.is_some_and(|id| !is_external_id(id)) {
        return Err(invalid("ExternalId", "The specified ExternalId is not valid."));
    }
    let decision = decide(&world.state, call.identity, "sts:AssumeRole", request.role.arn);
    if decision != Decision::Allow {
        let mut error = no_permission(NOT_AUTHORIZED);
        error.denied = Some(access_denied_detail(call.identity, "sts:AssumeRole", decision));
        return Err(error);
    }
    let role = request.role.find(&world.state)?;
    let context = external_id.map(|id| ("sts:ExternalId", id)).into_iter().collect();
    if !role
        .trust
        .allows(|principal| trusts(principal, call.identity), &context)
    {
        return Err(no_permission(NOT_AUTHORIZED));
    }
    // A role that another role assumes lives an hour at most.
    let longest = match call.identity.principal {
        Principal::Role { .. } => DEFAULT_DURATION_SECONDS,
        Principal::Root | Principal::User { .. } => role.max_session_duration,
    };
    let lifetime = request.lifetime(longest)?;
    Ok(open(world, &request, lifetime, call.now, call.ids))
}

/// AssumeRoleWithOIDC: the caller is whoever the token says, if the provider's keys have signed it.
pub fn assume_role_with_oidc(
    world: &mut World,
    params: &Params,
    now: Timestamp,
    ids: &Ids,
) -> Result<Value, ApiError> {
    let provider_arn = params
        .filled("OIDCProviderArn")
        .ok_or_else(|| missing("OIDCProviderArn"))?;
    let token = params.filled("OIDCToken").ok_or_else(|| missing("OIDCToken"))?;
    let request = SessionRequest::read(params)?;
    let claims = verified_claims(world, provider_arn, token, now)?;
    let role = request.role.find(&world.state)?;
    let trusted = claims.aud.iter().any(|audience| {
        let context = BTreeMap::from([
            ("oidc:iss", claims.iss.as_str()),
            ("oidc:sub", claims.sub.as_str()),
            ("oidc:aud", audience.as_str()),
        ]);
        role.trust.allows(
            |principal| principal.federated.iter().any(|arn| arn == provider_arn),
            &context,
        )
    });
    if !trusted {
        return Err(oidc_no_permission());
    }
    let lifetime = request.lifetime(role.max_session_duration)?;
    let audiences: Vec<_> = claims.aud.iter().map(String::as_str).collect();
    let mut answer = open(world, &request, lifetime, now, ids);
    answer["OIDCTokenInfo"] = json!({
        "Subject": claims.sub,
        "Issuer": claims.iss,
        "ClientIds": audiences.join(","),
        "ExpirationTime": seconds(claims.exp),
        "IssuanceTime": seconds(claims.iat),
        "VerificationInfo": "Success",
    });
    Ok(answer)
}

fn verified_claims(
    world: &World,
    provider_arn: &str,
    token: &str,
    now: Timestamp,
) -> Result<Claims, ApiError> {
    let provider = provider_arn
        .strip_prefix("acs:ram::")
        .and_then(|rest| rest.split_once(":oidc-provider/"))
        .and_then(|(account, name)| world.state.accounts.get(account)?.oidc_providers.get(name))
        .ok_or_else(oidc_no_permission)?;
    let token_error = |kind: &str, message: &str| {
        ApiError::gateway(400, format!("AuthenticationFail.OIDCToken.{kind}"), message)
    };
    if !(4..=20_000).contains(&token.len()) {
        return Err(token_error("Invalid", "This JsonWebToken is invalid."));
    }
    let keys = provider.jwks.as_ref().unwrap_or_else(|| world.issuer.keys());
    let claims = keys
        .verify(token)
        .map_err(|_| token_error("Invalid", "This JsonWebToken is invalid."))?;
    if claims.iss != provider.issuer {
        return Err(token_error("IssuerNotMatch", "Invalid issuer."));
    }
    if claims.is_expired(now) {
        return Err(token_error("Expired", "This JsonWebToken is expired."));
    }
    if !claims
        .aud
        .iter()
        .any(|audience| provider.client_ids.contains(audience))
    {
        return Err(token_error("AudienceNotMatch", "Invalid audience."));
    }
    Ok(claims)
}

fn caller(identity: &Identity) -> Value {
    let (kind, field, id) = match &identity.principal {
        Principal::Root => ("Account", "UserId", identity.account.clone()),
        Principal::User { name } => ("RAMUser", "UserId", stable_id(name)),
        Principal::Role { name, .. } => ("AssumedRoleUser", "RoleId", stable_id(name)),
    };
    let principal = match &identity.principal {
        Principal::Role { session, .. } => format!("{id}:{session}"),
        Principal::Root | Principal::User { .. } => id.clone(),
    };
    json!({
        "IdentityType": kind, "AccountId": identity.account, "PrincipalId": principal, field: id,
        "Arn": identity.arn(),
    })
}

/// What both operations ask for.
struct SessionRequest<'a> {
    role: RoleName<'a>,
    session_name: &'a str,
    duration_seconds: Option<&'a str>,
    policy: Option<Policy>,
}

impl<'a> SessionRequest<'a> {
    fn read(params: &'a Params) -> Result<Self, ApiError> {
        let arn = params.filled("RoleArn").ok_or_else(|| missing("RoleArn"))?;
        let session_name = params
            .filled("RoleSessionName")
            .ok_or_else(|| missing("RoleSessionName"))?;
        let fits = session_name
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || ".@-_".contains(c));
        if !fits || !(2..=64).contains(&session_name.len()) {
            return Err(invalid(
                "RoleSessionName",
                "The parameter RoleSessionName is wrongly formed.",
            ));
        }
        let policy = params.filled("Policy").map(read_policy).transpose()?;
        let duration_seconds = params.filled("DurationSeconds");
        Ok(Self {
            role: RoleName::parse(arn)?,
            session_name,
            duration_seconds,
            policy,
        })
    }

    fn lifetime(&self, longest: u32) -> Result<SignedDuration, ApiError> {
        let wrong = || {
            invalid(
                "DurationSeconds",
                "The Min/Max value of DurationSeconds is 15min/1hr.",
            )
        };
        let seconds: u32 = match self.duration_seconds {
            None => DEFAULT_DURATION_SECONDS,
            Some(text) => text.parse().map_err(|_| wrong())?,
        };
        if (MIN_DURATION_SECONDS..=longest).contains(&seconds) {
            Ok(SignedDuration::from_secs(seconds.into()))
        } else {
            Err(wrong())
        }
    }
}

/// `acs:ram::<account>:role/<name>`
struct RoleName<'a> {
    arn: &'a str,
    account: &'a str,
    name: &'a str,
}

impl<'a> RoleName<'a> {
    fn parse(arn: &'a str) -> Result<Self, ApiError> {
        arn.strip_prefix("acs:ram::")
            .and_then(|rest| rest.split_once(":role/"))
            .filter(|(account, name)| !account.is_empty() && !name.is_empty())
            .map(|(account, name)| Self { arn, account, name })
            .ok_or_else(|| invalid("RoleArn", "The parameter RoleArn is wrongly formed."))
    }

    fn find(&self, state: &'a State) -> Result<&'a Role, ApiError> {
        let account = state.accounts.get(self.account);
        account
            .and_then(|account| account.roles.get(self.name))
            .ok_or_else(|| ApiError::gateway(404, "EntityNotExist.Role", "The specified Role not exists ."))
    }
}

fn open(
    world: &mut World,
    request: &SessionRequest<'_>,
    lifetime: SignedDuration,
    now: Timestamp,
    ids: &Ids,
) -> Value {
    let RoleName { account, name, arn } = request.role;
    let policy = request.policy.clone();
    let session = NewSession {
        account,
        role: name,
        name: request.session_name,
        policy,
        lifetime,
    };
    let keys = world.open_session(session, now, ids);
    json!({
        "AssumedRoleUser": {
            "AssumedRoleId": format!("{}:{}", stable_id(name), request.session_name),
            "Arn": format!("{arn}/{}", request.session_name),
        },
        "Credentials": credentials(&keys),
    })
}

fn credentials(keys: &TemporaryKeys) -> Value {
    json!({
        "AccessKeyId": keys.id,
        "AccessKeySecret": keys.secret,
        "SecurityToken": keys.token,
        "Expiration": clock::format(keys.expires),
    })
}

/// Whether a trust statement's principal means this caller: by name, or its whole account.
pub fn trusts(principal: &TrustedPrincipal, caller: &Identity) -> bool {
    let account = &caller.account;
    let own = match &caller.principal {
        Principal::Root => return false,
        Principal::User { name } => format!("acs:ram::{account}:user/{name}"),
        Principal::Role { name, .. } => format!("acs:ram::{account}:role/{name}"),
    };
    let root = format!("acs:ram::{account}:root");
    principal.ram.iter().any(|arn| *arn == root || matches(arn, &own))
}

fn read_policy(text: &str) -> Result<Policy, ApiError> {
    if text.chars().count() > MAX_POLICY {
        return Err(invalid(
            "PolicySize",
            "The size of Policy must be smaller than 2048 bytes.",
        ));
    }
    serde_json::from_str(text).map_err(|_| {
        invalid(
            "PolicyGrammar",
            "The parameter Policy has not passed grammar check.",
        )
    })
}

fn is_external_id(text: &str) -> bool {
    (2..=1224).contains(&text.len())
        && text
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "_+=,.@:/-".contains(c))
}

/// A long number as RAM's ids are, the same for the same name.
fn stable_id(name: &str) -> String {
    let hash = name.bytes().fold(0xCBF2_9CE4_8422_2325, |hash: u64, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01B3)
    });
    format!("3{:017}", hash % 100_000_000_000_000_000)
}

fn seconds(since_1970: i64) -> String {
    Timestamp::from_second(since_1970)
        .map(clock::format)
        .unwrap_or_default()
}

fn invalid(what: &str, message: &str) -> ApiError {
    ApiError::gateway(400, format!("InvalidParameter.{what}"), message)
}

fn no_permission(message: &str) -> ApiError {
    ApiError::gateway(403, "NoPermission", message)
}

fn oidc_no_permission() -> ApiError {
    let message = "This operation is forbidden by permission system.";
    ApiError::gateway(403, "AuthenticationFail.NoPermission", message)
}

const NOT_AUTHORIZED: &str = "You are not authorized to do this action. You should be authorized by RAM.";
const DEFAULT_DURATION_SECONDS: u32 = 3600;
const MIN_DURATION_SECONDS: u32 = 900;
/// Current pages; older ones say 1,024.
const MAX_POLICY: usize = 2048;
