//! OOS, 2019-06-01: secret parameters. No error codes are published for these operations; those used here are the
//! ones that public clients know.

use serde_json::{Value, json};

use super::{Call, access_denied_detail, decide, not_modelled};
use crate::clock;
use crate::error::ApiError;
use crate::sign::missing;
use crate::state::State;
use crate::state::parameter::Parameter;
use crate::state::policy::Decision;

pub(super) fn perform(state: &mut State, call: &Call<'_>) -> Result<Value, ApiError> {
    match call.action {
        "GetSecretParameter" => get_secret_parameter(state, call),
        _ => Err(not_modelled()),
    }
}

fn get_secret_parameter(state: &State, call: &Call<'_>) -> Result<Value, ApiError> {
    let name = call.params.filled("Name").ok_or_else(|| missing("Name"))?;
    let with_decryption = call.params.flag("WithDecryption")?;
    let version = call.params.number("ParameterVersion", 1..=MAX_VERSION)?;
    authorise(state, call, "oos:GetSecretParameter", name)?;
    if with_decryption {
        authorise_value(state, call, name)?;
    }
    let region = state.region(&call.identity.account, call.region);
    let parameter = region
        .and_then(|region| region.parameters.get(name))
        .ok_or_else(not_found)?;
    let version = version.map_or_else(|| parameter.version(), |version| version as usize);
    let value = parameter.value(version).ok_or_else(not_found)?;
    let mut answer = describe(name, parameter, version, call);
    if with_decryption {
        answer["Value"] = json!(value);
    }
    Ok(json!({ "Parameter": answer }))
}

/// What is said about a parameter besides its value.
fn describe(name: &str, parameter: &Parameter, version: usize, call: &Call<'_>) -> Value {
    let owner = format!("root({})", call.identity.account);
    json!({
        "Id": id(name, call),
        "Name": name,
        "Type": "Secret",
        "ParameterVersion": version,
        "ShareType": "Private",
        "KeyId": "80e9409f-78fa-42ab-84bd-83f40c000000",
        "Description": parameter.description,
        "Constraints": "{}",
        "Tags": parameter.tags,
        "CreatedBy": owner,
        "CreatedDate": clock::format(parameter.created),
        "UpdatedBy": owner,
        "UpdatedDate": clock::format(parameter.updated),
    })
}

fn id(name: &str, call: &Call<'_>) -> String {
    let hash =
        crate::sign::v3::payload_hash(format!("{}/{}/{name}", call.identity.account, call.region).as_bytes());
    format!("p-{}", &hash[..20])
}

fn authorise(state: &State, call: &Call<'_>, action: &str, name: &str) -> Result<(), ApiError> {
    let account = &call.identity.account;
    allow(
        state,
        call,
        action,
        &format!("acs:oos:{}:{account}:secretparameter/{name}", call.region),
    )
}

/// The value is kept as a KMS secret, so reading it takes that permission as well.
fn authorise_value(state: &State, call: &Call<'_>, name: &str) -> Result<(), ApiError> {
    let account = &call.identity.account;
    allow(
        state,
        call,
        "kms:GetSecretValue",
        &format!("acs:kms:{}:{account}:secret/{name}", call.region),
    )
}

fn allow(state: &State, call: &Call<'_>, action: &str, resource: &str) -> Result<(), ApiError> {
    let decision = decide(state, call.identity, action, resource);
    if decision == Decision::Allow {
        return Ok(());
    }
    let message =
        "User not authorized to operate on the specified resource, or this API doesn't support RAM.";
    let mut error = ApiError::gateway(403, "Forbidden.RAM", message);
    error.denied = Some(access_denied_detail(call.identity, action, decision));
    Err(error)
}

fn not_found() -> ApiError {
    ApiError::gateway(
        404,
        "EntityNotExists.Parameter",
        "The specified parameter does not exist.",
    )
}

/// The schema's limit; the page says 100.
const MAX_VERSION: u32 = 200;
