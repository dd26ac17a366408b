//! KMS, 2016-01-20: secrets.

use serde_json::{Value, json};

use super::{Call, access_denied_detail, decide, not_modelled};
use crate::clock;
use crate::error::ApiError;
use crate::state::State;
use crate::state::policy::Decision;
use crate::state::secret::{CURRENT, PREVIOUS, Secret, SecretKind, SecretVersion};

pub(super) fn perform(state: &mut State, call: &Call<'_>) -> Result<Value, ApiError> {
    match call.action {
        "GetSecretValue" => get_secret_value(state, call),
        _ => Err(not_modelled()),
    }
}

fn get_secret_value(state: &State, call: &Call<'_>) -> Result<Value, ApiError> {
    let target = Target::of(call)?;
    target.authorise(state, call, "kms:GetSecretValue")?;
    let secret = target.secret(state)?;
    reject_planned_deletion(secret)?;
    let version = version_asked_for(secret, call)?;
    let mut answer = json!({
        "SecretName": target.name,
        "VersionId": version.id,
        "SecretData": version.value.data(),
        "SecretDataType": version.value.data_type(),
        "SecretType": secret.kind.name(),
        "VersionStages": { "VersionStage": version.stages },
        "CreateTime": clock::format(version.created),
        "AutomaticRotation": if secret.rotation_interval_seconds.is_some() { "Enabled" } else { "Disabled" },
    });
    if let Some(seconds) = secret.rotation_interval_seconds {
        answer["RotationInterval"] = json!(format!("{seconds}s"));
        answer["LastRotationDate"] = json!(clock::format(version.created));
    }
    if let Some(config) = &secret.extended_config
        && call.params.flag("FetchExtendedConfig").map_err(as_backend)?
    {
        answer["ExtendedConfig"] = json!(config);
    }
    Ok(answer)
}

/// Both given: the version must hold the stage. Managed secrets ignore `VersionId` and know two stages.
fn version_asked_for<'a>(secret: &'a Secret, call: &Call<'_>) -> Result<&'a SecretVersion, ApiError> {
    let stage = call.params.filled("VersionStage");
    if secret.kind != SecretKind::Generic {
        let stage = stage.unwrap_or(CURRENT);
        if stage != CURRENT && stage != PREVIOUS {
            return Err(invalid("VersionStage"));
        }
        return secret.version_at(stage).ok_or_else(not_found);
    }
    let version = match call.params.filled("VersionId") {
        Some(id) => secret
            .version(id)
            .filter(|version| stage.is_none_or(|stage| version.stages.iter().any(|other| other == stage))),
        None => secret.version_at(stage.unwrap_or(CURRENT)),
    };
    version.ok_or_else(not_found)
}

/// The secret that a call is about, by name or by ARN.
struct Target {
    account: String,
    region: String,
    name: String,
}

impl Target {
    fn of(call: &Call<'_>) -> Result<Self, ApiError> {
        let text = call
            .params
            .filled("SecretName")
            .ok_or_else(|| missing("SecretName"))?;
        let Some(arn) = text.strip_prefix("acs:kms:") else {
            let (account, region) = (call.identity.account.clone(), call.region.to_owned());
            return Ok(Self {
                account,
                region,
                name: text.to_owned(),
            });
        };
        let parts: Vec<_> = arn.splitn(3, ':').collect();
        match parts[..] {
            [region, account, resource] => {
                let name = resource
                    .strip_prefix("secret/")
                    .ok_or_else(|| invalid("SecretName"))?;
                Ok(Self {
                    account: account.into(),
                    region: region.into(),
                    name: name.into(),
                })
            }
            _ => Err(invalid("SecretName")),
        }
    }

    fn arn(&self) -> String {
        format!("acs:kms:{}:{}:secret/{}", self.region, self.account, self.name)
    }

    fn authorise(&self, state: &State, call: &Call<'_>, action: &str) -> Result<(), ApiError> {
        let decision = decide(state, call.identity, action, &self.arn());
        // Another account's secret needs that account's consent too, which a secret policy would give; none is modelled.
        let foreign = self.account != call.identity.account;
        if decision == Decision::Allow && !foreign {
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

    fn secret<'a>(&self, state: &'a State) -> Result<&'a Secret, ApiError> {
        state
            .region(&self.account, &self.region)
            .and_then(|r| r.secrets.get(&self.name))
            .ok_or_else(not_found)
    }
}

fn reject_planned_deletion(secret: &Secret) -> Result<(), ApiError> {
    match secret.planned_deletion {
        None => Ok(()),
        Some(_) => Err(ApiError::backend(
            409,
            "Rejected.ResourceInDeleteWindow",
            "secret in delete peroid",
        )),
    }
}

fn not_found() -> ApiError {
    ApiError::backend(404, "Forbidden.ResourceNotFound", "Resource not found.")
}

fn invalid(name: &str) -> ApiError {
    as_backend(super::invalid(name))
}

fn missing(name: &str) -> ApiError {
    ApiError::backend(
        400,
        "MissingParameter",
        format!("The parameter {name} needs to be provided."),
    )
}

fn as_backend(error: ApiError) -> ApiError {
    ApiError::backend(error.status, error.code, error.message)
}
