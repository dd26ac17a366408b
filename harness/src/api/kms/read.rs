//! The operations that change nothing.

use serde_json::{Value, json};

use super::{Target, as_backend, flag, invalid, is_gone, not_found, reject_planned_deletion};
use crate::api::{Call, decide};
use crate::clock;
use crate::error::ApiError;
use crate::state::State;
use crate::state::policy::Decision;
use crate::state::secret::{CURRENT, PREVIOUS, Secret, SecretKind, SecretVersion};

pub(super) fn get_secret_value(state: &State, call: &Call<'_>) -> Result<Value, ApiError> {
    let outcome = secret_value(state, call);
    if flag(call, "DryRun")? {
        Err(dry_run(outcome))
    } else {
        outcome
    }
}

fn secret_value(state: &State, call: &Call<'_>) -> Result<Value, ApiError> {
    let target = Target::authorised(state, call, "kms:GetSecretValue")?;
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
    });
    add_rotation(&mut answer, secret, flag(call, "FetchExtendedConfig")?);
    Ok(answer)
}

/// A dry run always fails; the code says how the real call would have ended.
fn dry_run(outcome: Result<Value, ApiError>) -> ApiError {
    match outcome {
        Ok(_) => ApiError::backend(400, "DryRunOperationError", "The request would have succeeded."),
        Err(error) if error.status == 403 => ApiError::backend(400, "AccessDeniedError", error.message),
        Err(error) => ApiError::backend(400, "ValidationError", error.message),
    }
}

/// Both given: the version must hold the stage. Managed secrets ignore `VersionId` and know two stages.
fn version_asked_for<'a>(secret: &'a Secret, call: &Call<'_>) -> Result<&'a SecretVersion, ApiError> {
    let stage = call.params.filled("VersionStage");
    let version = match call.params.filled("VersionId") {
        Some(id) if secret.kind == SecretKind::Generic => secret
            .version(id)
            .filter(|version| stage.is_none_or(|stage| version.stages.iter().any(|other| other == stage))),
        _ => {
            let stage = stage.unwrap_or(CURRENT);
            if secret.kind != SecretKind::Generic && stage != CURRENT && stage != PREVIOUS {
                return Err(invalid("VersionStage"));
            }
            secret.version_at(stage)
        }
    };
    version.ok_or_else(not_found)
}

pub(super) fn describe_secret(state: &State, call: &Call<'_>) -> Result<Value, ApiError> {
    let target = Target::authorised(state, call, "kms:DescribeSecret")?;
    let secret = target.secret(state)?;
    let mut answer = summary(&target.name, secret);
    answer["Arn"] = json!(target.arn());
    answer["Description"] = json!(secret.description);
    answer["EncryptionKeyId"] = json!("");
    add_rotation(&mut answer, secret, true);
    Ok(answer)
}

pub(super) fn list_secrets(state: &State, call: &Call<'_>) -> Result<Value, ApiError> {
    let account = &call.identity.account;
    let all = format!("acs:kms:{}:{account}:secret", call.region);
    if decide(state, call.identity, "kms:ListSecrets", &all) != Decision::Allow {
        let message = format!("This operation for {all} is forbidden by permission system.");
        return Err(ApiError::backend(403, "Forbidden.NoPermission", message));
    }
    let secrets = state.region(account, call.region).map(|region| &region.secrets);
    let summaries: Vec<_> = secrets
        .into_iter()
        .flatten()
        .filter(|(_, secret)| !is_gone(secret, call.now))
        .map(|(name, secret)| summary(name, secret))
        .collect();
    let page = Page::of(call)?;
    Ok(page.answer(
        summaries.len(),
        "SecretList",
        &json!({ "Secret": page.cut(&summaries) }),
    ))
}

pub(super) fn list_secret_version_ids(state: &State, call: &Call<'_>) -> Result<Value, ApiError> {
    let target = Target::authorised(state, call, "kms:ListSecretVersionIds")?;
    let with_deprecated = flag(call, "IncludeDeprecated")?;
    let versions: Vec<_> = target
        .secret(state)?
        .versions
        .iter()
        .filter(|version| with_deprecated || !version.stages.is_empty())
        .map(|version| {
            json!({
                "VersionId": version.id,
                "CreateTime": clock::format(version.created),
                "VersionStages": { "VersionStage": version.stages },
            })
        })
        .collect();
    let page = Page::of(call)?;
    let mut answer = page.answer(
        versions.len(),
        "VersionIds",
        &json!({ "VersionId": page.cut(&versions) }),
    );
    answer["SecretName"] = json!(target.name);
    Ok(answer)
}

/// What lists and descriptions share.
fn summary(name: &str, secret: &Secret) -> Value {
    let updated = secret
        .versions
        .iter()
        .map(|version| version.created)
        .max()
        .unwrap_or(secret.created);
    let mut answer = json!({
        "SecretName": name,
        "SecretType": secret.kind.name(),
        "CreateTime": clock::format(secret.created),
        "UpdateTime": clock::format(updated),
    });
    if let Some(at) = secret.planned_deletion {
        answer["PlannedDeleteTime"] = json!(clock::format(at));
    }
    answer
}

fn add_rotation(answer: &mut Value, secret: &Secret, with_config: bool) {
    let enabled = secret.rotation_interval_seconds.is_some();
    answer["AutomaticRotation"] = json!(if enabled { "Enabled" } else { "Disabled" });
    if let Some(seconds) = secret.rotation_interval_seconds {
        let last = secret
            .versions
            .iter()
            .map(|version| version.created)
            .max()
            .unwrap_or(secret.created);
        let interval = jiff::SignedDuration::from_secs(i64::try_from(seconds).unwrap_or(i64::MAX));
        answer["RotationInterval"] = json!(format!("{seconds}s"));
        answer["LastRotationDate"] = json!(clock::format(last));
        answer["NextRotationDate"] = json!(clock::format(last.saturating_add(interval).unwrap_or(last)));
    }
    if let Some(config) = secret.extended_config.as_ref().filter(|_| with_config) {
        answer["ExtendedConfig"] = json!(config);
    }
}

/// One page of a list.
struct Page {
    number: usize,
    size: usize,
}

impl Page {
    fn of(call: &Call<'_>) -> Result<Self, ApiError> {
        let number = |name, range, default| {
            call.params
                .number(name, range)
                .map(|number| number.unwrap_or(default) as usize)
                .map_err(as_backend)
        };
        Ok(Self {
            number: number("PageNumber", 1..=u32::MAX, 1)?,
            size: number("PageSize", 1..=100, 10)?,
        })
    }

    fn cut<'a>(&self, all: &'a [Value]) -> Vec<&'a Value> {
        all.iter()
            .skip((self.number - 1).saturating_mul(self.size))
            .take(self.size)
            .collect()
    }

    fn answer(&self, total: usize, name: &str, list: &Value) -> Value {
        json!({ "PageNumber": self.number, "PageSize": self.size, "TotalCount": total, name: list })
    }
}
