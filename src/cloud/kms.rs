//! KMS `GetSecretValue`, API version 2016-01-20.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use zeroize::Zeroizing;

use super::api::{Api, Operation, Target};
use super::{Error, Value};
use crate::secret::Secret;
use crate::sign::Parameter;

/// Which version of which secret.
#[derive(Clone, Copy, Debug)]
pub struct GetSecretValue<'a> {
    /// Name or ARN.
    pub secret_name: &'a str,
    /// A pinned version.
    pub version_id: Option<&'a str>,
    /// A stage; the API's default is `ACSCurrent`.
    pub version_stage: Option<&'a str>,
}

impl GetSecretValue<'_> {
    /// Asks KMS.
    ///
    /// # Errors
    /// See [`Error`]; also an answer without `SecretData` or `VersionId`, or binary data that is not base64.
    pub fn call(&self, api: &Api, target: &Target<'_>) -> Result<Value, Error> {
        let operation = Operation {
            action: "GetSecretValue",
            version: "2016-01-20",
        };
        let body = api.call(target, operation, &self.parameters())?;
        parse(&body).map_err(|problem| Error::unusable(target.endpoint, &body, problem))
    }

    fn parameters(&self) -> Vec<Parameter> {
        let mut parameters = vec![("SecretName".to_owned(), self.secret_name.to_owned())];
        parameters.extend(self.version_id.map(|id| ("VersionId".to_owned(), id.to_owned())));
        parameters.extend(
            self.version_stage
                .map(|stage| ("VersionStage".to_owned(), stage.to_owned())),
        );
        parameters
    }
}

#[derive(Deserialize)]
struct Answer<'a> {
    #[serde(rename = "SecretData", borrow)]
    secret_data: Option<Cow<'a, str>>,
    #[serde(rename = "SecretDataType")]
    secret_data_type: Option<String>,
    #[serde(rename = "VersionId")]
    version_id: Option<super::oos::TextOrNumber>,
}

fn parse(body: &Secret) -> Result<Value, &'static str> {
    let answer: Answer<'_> =
        serde_json::from_slice(body.expose()).map_err(|_| "it is not the JSON object of GetSecretValue")?;
    let data = answer.secret_data.ok_or("it has no SecretData")?;
    let data = Zeroizing::new(data.into_owned());
    let version = answer.version_id.ok_or("it has no VersionId")?.into_text();
    if version.is_empty() {
        return Err("its VersionId is empty");
    }
    let contents = match answer.secret_data_type.as_deref() {
        Some("binary") => STANDARD
            .decode(data.as_bytes())
            .map_err(|_| "its SecretData is binary and not base64")?,
        Some("text") | None => data.as_bytes().to_vec(),
        Some(_) => return Err("its SecretDataType is neither text nor binary"),
    };
    Ok(Value {
        contents: Secret::new(contents),
        version,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(body: &str) -> Result<(Vec<u8>, String), &'static str> {
        parse(&Secret::from(body.to_owned())).map(|value| (value.contents.expose().to_vec(), value.version))
    }

    #[test]
    fn text_and_binary() {
        let text = r#"{"SecretData":"päss\n","SecretDataType":"text","VersionId":"v1","Unknown":{}}"#;
        assert_eq!(value(text), Ok(("päss\n".as_bytes().to_vec(), "v1".to_owned())));
        assert_eq!(
            value(r#"{"SecretData":"","VersionId":"v1"}"#),
            Ok((vec![], "v1".to_owned()))
        );
        let binary = r#"{"SecretData":"AAEC/w==","SecretDataType":"binary","VersionId":2}"#;
        assert_eq!(value(binary), Ok((vec![0, 1, 2, 255], "2".to_owned())));
    }

    #[test]
    fn what_is_missing_is_an_error_not_an_empty_file() {
        for (body, problem) in [
            ("", "it is not the JSON object of GetSecretValue"),
            ("[]", "it is not the JSON object of GetSecretValue"),
            ("null", "it is not the JSON object of GetSecretValue"),
            ("<html>", "it is not the JSON object of GetSecretValue"),
            ("{}", "it has no SecretData"),
            (r#"{"SecretData":null,"VersionId":"v1"}"#, "it has no SecretData"),
            (r#"{"secretData":"x","versionId":"v1"}"#, "it has no SecretData"),
            (r#"{"SecretData":"x"}"#, "it has no VersionId"),
            (r#"{"SecretData":"x","VersionId":""}"#, "its VersionId is empty"),
            (
                r#"{"SecretData":"AAE","SecretDataType":"binary","VersionId":"v1"}"#,
                "its SecretData is binary and not base64",
            ),
            (
                r#"{"SecretData":"x","SecretDataType":"blob","VersionId":"v1"}"#,
                "its SecretDataType is neither text nor binary",
            ),
        ] {
            assert_eq!(value(body), Err(problem), "{body}");
        }
    }
}
