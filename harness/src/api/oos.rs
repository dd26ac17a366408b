//! OOS, 2019-06-01: secret parameters, and the read of a common one. No error codes are published for the reads; those
//! used here are the ones that public clients know.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{Call, access_denied_detail, decide, invalid, not_modelled};
use crate::clock;
use crate::error::ApiError;
use crate::sign::{missing, v3};
use crate::state::parameter::Parameter;
use crate::state::policy::Decision;
use crate::state::{Region, State};

pub(super) fn perform(state: &mut State, call: &Call<'_>) -> Result<Value, ApiError> {
    match call.action {
        "GetSecretParameter" => get_secret_parameter(state, call),
        "GetSecretParameters" => get_secret_parameters(state, call),
        "GetSecretParametersByPath" => get_secret_parameters_by_path(state, call),
        "ListSecretParameters" => list_secret_parameters(state, call),
        "GetParameter" => get_parameter(state, call),
        "CreateSecretParameter" => create_secret_parameter(state, call),
        "UpdateSecretParameter" => update_secret_parameter(state, call),
        "DeleteSecretParameter" => delete_secret_parameter(state, call),
        _ => Err(not_modelled()),
    }
}

fn get_secret_parameter(state: &State, call: &Call<'_>) -> Result<Value, ApiError> {
    let name = required(call, "Name")?;
    let with_decryption = call.params.flag("WithDecryption")?;
    let version = call.params.number("ParameterVersion", 1..=MAX_VERSION)?;
    authorise_read(state, call, "oos:GetSecretParameter", name, with_decryption)?;
    let parameter = secret_parameters(state, call).get(name).ok_or_else(not_found)?;
    let version = version.map_or_else(|| parameter.version(), |version| version as usize);
    let value = parameter.value(version).ok_or_else(not_found)?;
    let mut answer = describe(name, parameter, version, SECRET, call);
    if with_decryption {
        answer["Value"] = json!(value);
    }
    Ok(json!({ "Parameter": answer }))
}

fn get_secret_parameters(state: &State, call: &Call<'_>) -> Result<Value, ApiError> {
    let names: Vec<String> = serde_json::from_str(required(call, "Names")?).map_err(|_| invalid("Names"))?;
    if names.is_empty() || names.len() > MAX_NAMES {
        return Err(invalid("Names"));
    }
    let with_decryption = call.params.flag("WithDecryption")?;
    for name in &names {
        authorise_read(state, call, "oos:GetSecretParameters", name, with_decryption)?;
    }
    let known = secret_parameters(state, call);
    let (found, unknown): (Vec<_>, Vec<_>) = names.iter().partition(|name| known.contains_key(*name));
    let found: Vec<_> = found
        .into_iter()
        .map(|name| newest(name, &known[name], with_decryption, call))
        .collect();
    Ok(json!({ "Parameters": found, "InvalidParameters": unknown }))
}

fn get_secret_parameters_by_path(state: &State, call: &Call<'_>) -> Result<Value, ApiError> {
    let path = required(call, "Path")?;
    if !path.starts_with('/') || path.len() > MAX_PATH {
        return Err(invalid("Path"));
    }
    let recursive = call.params.flag("Recursive")?;
    let with_decryption = call.params.flag("WithDecryption")?;
    let folder = format!("{}/", path.trim_end_matches('/'));
    let below = |name: &&String| {
        name.strip_prefix(&folder)
            .is_some_and(|rest| !rest.is_empty() && (recursive || !rest.contains('/')))
    };
    let parameters = secret_parameters(state, call);
    let names: Vec<_> = parameters.keys().filter(below).collect();
    for name in &names {
        authorise_read(
            state,
            call,
            "oos:GetSecretParametersByPath",
            name,
            with_decryption,
        )?;
    }
    page(names, call, |name| {
        newest(name, &parameters[name], with_decryption, call)
    })
}

fn list_secret_parameters(state: &State, call: &Call<'_>) -> Result<Value, ApiError> {
    authorise(state, call, "oos:ListSecretParameters", "*")?;
    let parameters = secret_parameters(state, call);
    page(parameters.keys().collect(), call, |name| {
        newest(name, &parameters[name], false, call)
    })
}

/// A common parameter: not encrypted, so its value always comes along.
fn get_parameter(state: &State, call: &Call<'_>) -> Result<Value, ApiError> {
    let name = required(call, "Name")?;
    let version = call.params.number("ParameterVersion", 1..=MAX_VERSION)?;
    let account = &call.identity.account;
    allow(
        state,
        call,
        "oos:GetParameter",
        &format!("acs:oos:{}:{account}:parameter/{name}", call.region),
    )?;
    let region = state.region(account, call.region).ok_or_else(not_found)?;
    let parameter = region.common_parameters.get(name).ok_or_else(not_found)?;
    let version = version.map_or_else(|| parameter.version(), |version| version as usize);
    let mut answer = describe(name, parameter, version, COMMON, call);
    answer["Value"] = json!(parameter.value(version).ok_or_else(not_found)?);
    Ok(json!({ "Parameter": answer }))
}

fn create_secret_parameter(state: &mut State, call: &Call<'_>) -> Result<Value, ApiError> {
    let name = required(call, "Name")?;
    check_name(name)?;
    let value = value(call)?;
    authorise(state, call, "oos:CreateSecretParameter", name)?;
    let parameters = &mut region_mut(state, call).parameters;
    if parameters.contains_key(name) {
        let message = "The specified parameter already exists.";
        return Err(ApiError::gateway(409, "EntityAlreadyExists.Parameter", message));
    }
    let mut parameter = Parameter::new(value, call.now);
    parameter.description = call.params.text("Description").unwrap_or_default().to_owned();
    if let Some(tags) = call.params.filled("Tags") {
        parameter.tags = serde_json::from_str(tags).map_err(|_| invalid("Tags"))?;
    }
    let answer = describe(name, &parameter, 1, SECRET, call);
    parameters.insert(name.to_owned(), parameter);
    Ok(json!({ "Parameter": answer }))
}

fn update_secret_parameter(state: &mut State, call: &Call<'_>) -> Result<Value, ApiError> {
    let name = required(call, "Name")?;
    authorise(state, call, "oos:UpdateSecretParameter", name)?;
    let value = call.params.text("Value").map(|_| value(call)).transpose()?;
    let parameter = region_mut(state, call)
        .parameters
        .get_mut(name)
        .ok_or_else(not_found)?;
    if let Some(value) = value {
        parameter.put(value, call.now);
    }
    if let Some(description) = call.params.text("Description") {
        parameter.description = description.to_owned();
        parameter.updated = call.now;
    }
    Ok(json!({ "Parameter": describe(name, parameter, parameter.version(), SECRET, call) }))
}

fn delete_secret_parameter(state: &mut State, call: &Call<'_>) -> Result<Value, ApiError> {
    let name = required(call, "Name")?;
    authorise(state, call, "oos:DeleteSecretParameter", name)?;
    region_mut(state, call)
        .parameters
        .remove(name)
        .ok_or_else(not_found)?;
    Ok(json!({}))
}

/// One page of names, each described.
fn page(
    names: Vec<&String>,
    call: &Call<'_>,
    describe: impl Fn(&String) -> Value,
) -> Result<Value, ApiError> {
    let size = call.params.number("MaxResults", 1..=100)?.unwrap_or(50) as usize;
    let start = match call.params.filled("NextToken") {
        None => 0,
        Some(token) => {
            let number = token
                .strip_prefix(TOKEN_PREFIX)
                .and_then(|number| number.parse().ok());
            number.ok_or_else(|| invalid("NextToken"))?
        }
    };
    let total = names.len();
    let parameters: Vec<_> = names.into_iter().skip(start).take(size).map(describe).collect();
    let mut answer = json!({ "Parameters": parameters, "MaxResults": size, "TotalCount": total });
    if start.saturating_add(size) < total {
        answer["NextToken"] = json!(format!("{TOKEN_PREFIX}{}", start + size));
    }
    Ok(answer)
}

fn newest(name: &str, parameter: &Parameter, with_decryption: bool, call: &Call<'_>) -> Value {
    let version = parameter.version();
    let mut answer = describe(name, parameter, version, SECRET, call);
    if with_decryption {
        answer["Value"] = json!(parameter.value(version));
    }
    answer
}

/// What is said about a parameter besides its value.
fn describe(name: &str, parameter: &Parameter, version: usize, kind: &str, call: &Call<'_>) -> Value {
    let account = &call.identity.account;
    let owner = format!("root({account})");
    let hash = v3::payload_hash(format!("{account}/{}/{kind}/{name}", call.region).as_bytes());
    let mut answer = json!({
        "Id": format!("p-{}", &hash[..20]),
        "Name": name,
        "Type": kind,
        "ParameterVersion": version,
        "ShareType": "Private",
        "Description": parameter.description,
        "Constraints": "{}",
        "Tags": parameter.tags,
        "CreatedBy": owner,
        "CreatedDate": clock::format(parameter.created),
        "UpdatedBy": owner,
        "UpdatedDate": clock::format(parameter.updated),
    });
    if kind == SECRET {
        answer["KeyId"] = json!("80e9409f-78fa-42ab-84bd-83f40c000000");
    }
    answer
}

fn secret_parameters<'a>(state: &'a State, call: &Call<'_>) -> &'a BTreeMap<String, Parameter> {
    static NONE: BTreeMap<String, Parameter> = BTreeMap::new();
    state
        .region(&call.identity.account, call.region)
        .map_or(&NONE, |region| &region.parameters)
}

fn region_mut<'a>(state: &'a mut State, call: &Call<'_>) -> &'a mut Region {
    let account = state.accounts.entry(call.identity.account.clone()).or_default();
    account.regions.entry(call.region.to_owned()).or_default()
}

/// Reading a value takes KMS's permission as well, since that is where it is kept.
fn authorise_read(
    state: &State,
    call: &Call<'_>,
    action: &str,
    name: &str,
    with_decryption: bool,
) -> Result<(), ApiError> {
    authorise(state, call, action, name)?;
    let account = &call.identity.account;
    let value = format!("acs:kms:{}:{account}:secret/{name}", call.region);
    if with_decryption {
        allow(state, call, "kms:GetSecretValue", &value)
    } else {
        Ok(())
    }
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

/// `/` is in the documented paths though not in the documented character set.
fn check_name(name: &str) -> Result<(), ApiError> {
    let fits = name
        .chars()
        .all(|c| c.is_ascii_alphanumeric() || "-_/".contains(c));
    let upper = name.to_ascii_uppercase();
    let reserved = RESERVED_PREFIXES.iter().any(|prefix| upper.starts_with(prefix));
    if fits && name.len() <= MAX_NAME && !reserved {
        Ok(())
    } else {
        Err(invalid("Name"))
    }
}

fn value<'a>(call: &Call<'a>) -> Result<&'a str, ApiError> {
    let value = required(call, "Value")?;
    if value.chars().count() <= MAX_VALUE {
        Ok(value)
    } else {
        Err(invalid("Value"))
    }
}

fn required<'a>(call: &Call<'a>, name: &str) -> Result<&'a str, ApiError> {
    call.params.filled(name).ok_or_else(|| missing(name))
}

fn not_found() -> ApiError {
    ApiError::gateway(
        404,
        "EntityNotExists.Parameter",
        "The specified parameter does not exist.",
    )
}

const SECRET: &str = "Secret";
const COMMON: &str = "String";
const TOKEN_PREFIX: &str = "page-";
const RESERVED_PREFIXES: &[&str] = &["ALIYUN", "ACS", "ALIBABA", "ALICLOUD", "OOS"];
const MAX_NAMES: usize = 10;
const MAX_NAME: usize = 180;
const MAX_PATH: usize = 200;
const MAX_VALUE: usize = 4096;
/// The schema's limit; the page says 100.
const MAX_VERSION: u32 = 200;
