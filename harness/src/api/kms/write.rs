//! The operations that create, change and delete secrets.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::SignedDuration;
use serde_json::{Value, json};

use super::{
    Target, as_backend, exists, flag, in_delete_window, invalid, is_gone, not_found, reject_planned_deletion,
    required,
};
use crate::api::Call;
use crate::clock;
use crate::error::ApiError;
use crate::state::State;
use crate::state::secret::{CURRENT, Secret, SecretKind, SecretValue};

pub(super) fn create_secret(state: &mut State, call: &Call<'_>) -> Result<Value, ApiError> {
    let target = Target::authorised(state, call, "kms:CreateSecret")?;
    let kind = match call.params.filled("SecretType") {
        None => SecretKind::Generic,
        Some(name) => SecretKind::of_name(name).ok_or_else(|| invalid("SecretType"))?,
    };
    check_name(&target.name, kind)?;
    let version_id = version_id(call)?;
    let value = value(call)?;
    if let Some(old) = target.region(state).secrets.get(&target.name)
        && !is_gone(old, call.now)
    {
        return Err(if old.planned_deletion.is_some() {
            in_delete_window()
        } else {
            exists()
        });
    }
    let secret = Secret {
        kind,
        description: call.params.text("Description").unwrap_or_default().to_owned(),
        extended_config: call.params.filled("ExtendedConfig").map(String::from),
        rotation_interval_seconds: rotation_interval(call)?,
        ..Secret::new(version_id, value, call.now)
    };
    target.region(state).secrets.insert(target.name.clone(), secret);
    Ok(json!({
        "Arn": target.arn(), "SecretName": target.name, "VersionId": version_id, "SecretType": kind.name(),
    }))
}

pub(super) fn put_secret_value(state: &mut State, call: &Call<'_>) -> Result<Value, ApiError> {
    let target = Target::authorised(state, call, "kms:PutSecretValue")?;
    let (version_id, value) = (version_id(call)?, value(call)?);
    let stages: Vec<String> = match call.params.filled("VersionStages") {
        None => vec![CURRENT.into()],
        Some(text) => serde_json::from_str(text).map_err(|_| invalid("VersionStages"))?,
    };
    let secret = target.secret_mut(state)?;
    reject_planned_deletion(secret)?;
    if secret.kind != SecretKind::Generic {
        let message = "The versions of a managed secret are made by its rotation.";
        return Err(ApiError::backend(400, "UnsupportedOperation", message));
    }
    if secret.version(version_id).is_some() {
        return Err(exists());
    }
    secret.put(version_id, value, &stages, call.now);
    Ok(json!({
        "SecretName": target.name, "VersionId": version_id, "VersionStages": { "VersionStage": stages },
    }))
}

pub(super) fn update_secret_version_stage(state: &mut State, call: &Call<'_>) -> Result<Value, ApiError> {
    let target = Target::authorised(state, call, "kms:UpdateSecretVersionStage")?;
    let stage = required(call, "VersionStage")?;
    let (from, to) = (
        call.params.filled("RemoveFromVersion"),
        call.params.filled("MoveToVersion"),
    );
    let secret = target.secret_mut(state)?;
    reject_planned_deletion(secret)?;
    for version in from.iter().chain(&to) {
        secret.version(version).ok_or_else(not_found)?;
    }
    let holder = secret.version_at(stage).map(|version| version.id.clone());
    if from.is_some() && from != holder.as_deref() {
        return Err(invalid("RemoveFromVersion"));
    }
    match to {
        Some(to) => secret.move_stage(stage, to),
        // The current version can only be replaced.
        None if from.is_none() || stage == CURRENT => return Err(invalid("MoveToVersion")),
        None => secret.remove_stage(stage),
    }
    Ok(json!({ "SecretName": target.name }))
}

pub(super) fn delete_secret(state: &mut State, call: &Call<'_>) -> Result<Value, ApiError> {
    let target = Target::authorised(state, call, "kms:DeleteSecret")?;
    let days = call
        .params
        .number("RecoveryWindowInDays", 7..=30)
        .map_err(as_backend)?;
    let at_once = flag(call, "ForceDeleteWithoutRecovery")?;
    let secret = target.secret_mut(state)?;
    if at_once {
        target.region(state).secrets.remove(&target.name);
        return Ok(json!({ "SecretName": target.name, "PlannedDeleteTime": clock::format(call.now) }));
    }
    reject_planned_deletion(secret)?;
    let window = SignedDuration::from_hours(24 * i64::from(days.unwrap_or(DEFAULT_WINDOW_DAYS)));
    let at = call.now.saturating_add(window).unwrap_or(call.now);
    secret.planned_deletion = Some(at);
    Ok(json!({ "SecretName": target.name, "PlannedDeleteTime": clock::format(at) }))
}

pub(super) fn restore_secret(state: &mut State, call: &Call<'_>) -> Result<Value, ApiError> {
    let target = Target::authorised(state, call, "kms:RestoreSecret")?;
    target.secret_mut(state)?.planned_deletion = None;
    Ok(json!({ "SecretName": target.name }))
}

fn check_name(name: &str, kind: SecretKind) -> Result<(), ApiError> {
    let fits = name
        .chars()
        .all(|c| c.is_ascii_alphanumeric() || "_/+=.-@".contains(c));
    let reserved = name.starts_with("acs/");
    let may_be_reserved = matches!(
        kind,
        SecretKind::RAMCredentials | SecretKind::ECS | SecretKind::PolarDB
    );
    if fits && name.len() <= MAX_NAME && (!reserved || may_be_reserved) {
        Ok(())
    } else {
        Err(invalid("SecretName"))
    }
}

fn version_id<'a>(call: &Call<'a>) -> Result<&'a str, ApiError> {
    let id = required(call, "VersionId")?;
    if id.len() <= MAX_VERSION_ID {
        Ok(id)
    } else {
        Err(invalid("VersionId"))
    }
}

fn value(call: &Call<'_>) -> Result<SecretValue, ApiError> {
    let data = required(call, "SecretData")?;
    if data.len() > MAX_VALUE {
        return Err(invalid("SecretData"));
    }
    match call.params.filled("SecretDataType").unwrap_or("text") {
        "text" => Ok(SecretValue::Text(data.to_owned())),
        "binary" => STANDARD
            .decode(data)
            .map(SecretValue::Binary)
            .map_err(|_| invalid("SecretData")),
        _ => Err(invalid("SecretDataType")),
    }
}

/// `7d`, `6h`, `90m`, `604800s`
fn rotation_interval(call: &Call<'_>) -> Result<Option<u64>, ApiError> {
    if !flag(call, "EnableAutomaticRotation")? {
        return Ok(None);
    }
    let text = required(call, "RotationInterval")?;
    let (number, unit) = text.split_at(text.len().saturating_sub(1));
    let seconds = match unit {
        "d" => 86_400,
        "h" => 3600,
        "m" => 60,
        "s" => 1,
        _ => return Err(invalid("RotationInterval")),
    };
    let number: u64 = number.parse().map_err(|_| invalid("RotationInterval"))?;
    number
        .checked_mul(seconds)
        .map(Some)
        .ok_or_else(|| invalid("RotationInterval"))
}

/// Current pages; older metadata says 64.
const MAX_NAME: usize = 192;
const MAX_VERSION_ID: usize = 64;
/// Whether it counts before or after base64 is not documented; here it is what was sent.
const MAX_VALUE: usize = 30_720;
const DEFAULT_WINDOW_DAYS: u32 = 30;
