//! KMS, 2016-01-20: secrets. Keys, encryption and RotateSecret are out of scope.

mod read;
mod write;

use jiff::Timestamp;
use serde_json::Value;

use super::{Call, access_denied_detail, decide, not_modelled};
use crate::error::ApiError;
use crate::state::policy::Decision;
use crate::state::secret::Secret;
use crate::state::{Region, State};

pub(super) fn perform(state: &mut State, call: &Call<'_>) -> Result<Value, ApiError> {
    match call.action {
        "GetSecretValue" => read::get_secret_value(state, call),
        "DescribeSecret" => read::describe_secret(state, call),
        "ListSecrets" => read::list_secrets(state, call),
        "ListSecretVersionIds" => read::list_secret_version_ids(state, call),
        "CreateSecret" => write::create_secret(state, call),
        "PutSecretValue" => write::put_secret_value(state, call),
        "UpdateSecretVersionStage" => write::update_secret_version_stage(state, call),
        "DeleteSecret" => write::delete_secret(state, call),
        "RestoreSecret" => write::restore_secret(state, call),
        _ => Err(not_modelled()),
    }
}

/// The secret that a call is about, by name or by ARN.
struct Target {
    account: String,
    region: String,
    name: String,
    now: Timestamp,
}

impl Target {
    /// Reads `SecretName` and checks that the caller may do `action` with that secret.
    fn authorised(state: &State, call: &Call<'_>, action: &str) -> Result<Self, ApiError> {
        let target = Self::of(call)?;
        target.authorise(state, call, action)?;
        Ok(target)
    }

    fn of(call: &Call<'_>) -> Result<Self, ApiError> {
        let text = required(call, "SecretName")?;
        let (account, region, name) = match text.strip_prefix("acs:kms:") {
            None => (call.identity.account.as_str(), call.region, text),
            Some(arn) => {
                let parts: Vec<_> = arn.splitn(3, ':').collect();
                let [region, account, resource] = parts[..] else {
                    return Err(invalid("SecretName"));
                };
                (
                    account,
                    region,
                    resource
                        .strip_prefix("secret/")
                        .ok_or_else(|| invalid("SecretName"))?,
                )
            }
        };
        Ok(Self {
            account: account.into(),
            region: region.into(),
            name: name.into(),
            now: call.now,
        })
    }

    fn arn(&self) -> String {
        format!("acs:kms:{}:{}:secret/{}", self.region, self.account, self.name)
    }

    fn authorise(&self, state: &State, call: &Call<'_>, action: &str) -> Result<(), ApiError> {
        let decision = decide(state, call.identity, action, &self.arn());
        // Another account's secret needs that account's consent too, by a secret policy; none is modelled.
        if decision == Decision::Allow && self.account == call.identity.account {
            return Ok(());
        }
        let message = format!(
            "This operation for {} is forbidden by permission system.",
            self.arn()
        );
        let mut error = ApiError::backend(403, "Forbidden.NoPermission", message);
        error.denied = Some(access_denied_detail(call.identity, action, decision));
        Err(error)
    }

    /// The secret, even if its deletion is planned; not once the recovery window is over.
    fn secret<'a>(&self, state: &'a State) -> Result<&'a Secret, ApiError> {
        let region = state.region(&self.account, &self.region);
        let secret = region.and_then(|region| region.secrets.get(&self.name));
        secret
            .filter(|secret| !is_gone(secret, self.now))
            .ok_or_else(not_found)
    }

    fn secret_mut<'a>(&self, state: &'a mut State) -> Result<&'a mut Secret, ApiError> {
        let secret = self.region(state).secrets.get_mut(&self.name);
        secret
            .filter(|secret| !is_gone(secret, self.now))
            .ok_or_else(not_found)
    }

    fn region<'a>(&self, state: &'a mut State) -> &'a mut Region {
        let account = state.accounts.entry(self.account.clone()).or_default();
        account.regions.entry(self.region.clone()).or_default()
    }
}

fn is_gone(secret: &Secret, now: Timestamp) -> bool {
    secret.planned_deletion.is_some_and(|at| at <= now)
}

fn reject_planned_deletion(secret: &Secret) -> Result<(), ApiError> {
    match secret.planned_deletion {
        None => Ok(()),
        Some(_) => Err(in_delete_window()),
    }
}

fn in_delete_window() -> ApiError {
    ApiError::backend(409, "Rejected.ResourceInDeleteWindow", "secret in delete peroid")
}

fn not_found() -> ApiError {
    ApiError::backend(404, "Forbidden.ResourceNotFound", "Resource not found.")
}

fn exists() -> ApiError {
    ApiError::backend(409, "Rejected.ResourceExist", "The resource already exists.")
}

fn invalid(name: &str) -> ApiError {
    as_backend(super::invalid(name))
}

fn required<'a>(call: &Call<'a>, name: &str) -> Result<&'a str, ApiError> {
    call.params.filled(name).ok_or_else(|| {
        ApiError::backend(
            400,
            "MissingParameter",
            format!("The parameter {name} needs to be provided."),
        )
    })
}

fn flag(call: &Call<'_>, name: &str) -> Result<bool, ApiError> {
    call.params.flag(name).map_err(as_backend)
}

fn as_backend(error: ApiError) -> ApiError {
    ApiError::backend(error.status, error.code, error.message)
}
