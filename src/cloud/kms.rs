//! KMS `GetSecretValue`, API version 2016-01-20.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde::de::IgnoredAny;
use zeroize::Zeroizing;

use super::api::{Api, Operation, Target};
use super::error::Error;
use super::value::{TextOrNumber, Value};
use crate::secret::Secret;
use crate::sign::{Parameter, parameter};

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

const OPERATION: Operation = ("GetSecretValue", "2016-01-20");

impl GetSecretValue<'_> {
    /// Asks KMS.
    ///
    /// # Errors
    /// See [`Error`]; also an answer without `SecretData` or `VersionId`, one about something else than was asked for, or
    /// binary data that is not base64.
    pub fn call(&self, api: &Api, target: &Target<'_>) -> Result<Value, Error> {
        let body = api.call(target, OPERATION, &self.parameters())?;
        self.parse(&body)
            .map_err(|problem| Error::unusable(target.endpoint, &body, problem))
    }

    fn parameters(&self) -> Vec<Parameter> {
        let parameters = [
            Some(parameter("SecretName", self.secret_name)),
            self.version_id.map(|id| parameter("VersionId", id)),
            self.version_stage.map(|stage| parameter("VersionStage", stage)),
        ];
        parameters.into_iter().flatten().collect()
    }

    fn parse(&self, body: &Secret) -> Result<Value, &'static str> {
        let answer: Answer<'_> = serde_json::from_slice(body.expose())
            .map_err(|_| "it is not the JSON object of GetSecretValue")?;
        self.check(&answer)?;
        value(answer)
    }

    /// Whether an answer matches the request, as far as it tells. It comes from KMS, but not always without
    /// something in between.
    fn check(&self, answer: &Answer<'_>) -> Result<(), &'static str> {
        if let Some(name) = &answer.secret_name
            && !bare_name(&name.text()).eq_ignore_ascii_case(bare_name(self.secret_name))
        {
            return Err("it is not the requested secret");
        }
        // KMS documents that it ignores VersionId for secrets that it manages itself.
        let is_generic = answer
            .secret_type
            .as_deref()
            .is_none_or(|kind| kind.eq_ignore_ascii_case("Generic"));
        if let (Some(asked), Some(given), true) = (self.version_id, &answer.version_id, is_generic)
            && given.text() != asked
        {
            return Err("it is not the requested version");
        }
        // What KMS makes of a version and a stage that disagree is not documented.
        if let (Some(asked), None, Some(Stages::Listed { stages })) =
            (self.version_stage, self.version_id, &answer.version_stages)
            && !stages.iter().any(|stage| stage == asked)
        {
            return Err("its version does not have the requested stage");
        }
        Ok(())
    }
}

/// The name of a secret, also of one that is named by its ARN.
pub fn bare_name(name: &str) -> &str {
    match name.split_once(":secret/") {
        Some((head, bare)) if head.starts_with("acs:") => bare,
        _ => name,
    }
}

#[derive(Deserialize)]
struct Answer<'a> {
    #[serde(rename = "SecretName")]
    secret_name: Option<TextOrNumber>,
    #[serde(rename = "SecretType")]
    secret_type: Option<String>,
    #[serde(rename = "VersionStages")]
    version_stages: Option<Stages>,
    #[serde(rename = "SecretData", borrow)]
    secret_data: Option<Cow<'a, str>>,
    #[serde(rename = "SecretDataType")]
    secret_data_type: Option<String>,
    #[serde(rename = "VersionId")]
    version_id: Option<TextOrNumber>,
}

/// `{"VersionStage":["ACSCurrent"]}`; what has another form tells nothing.
#[derive(Deserialize)]
#[serde(untagged)]
enum Stages {
    Listed {
        #[serde(rename = "VersionStage")]
        stages: Vec<String>,
    },
    Unknown(IgnoredAny),
}

fn value(answer: Answer<'_>) -> Result<Value, &'static str> {
    let data = answer.secret_data.ok_or("it has no SecretData")?;
    let data = Zeroizing::new(data.into_owned());
    let version = answer
        .version_id
        .ok_or("it has no VersionId")?
        .text()
        .into_owned();
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

    const NEWEST: GetSecretValue<'_> = GetSecretValue {
        secret_name: "s",
        version_id: None,
        version_stage: None,
    };

    fn value(body: &str) -> Result<(Vec<u8>, String), &'static str> {
        let value = NEWEST.parse(&Secret::from(body.to_owned()))?;
        Ok((value.contents.expose().to_vec(), value.version))
    }

    #[test]
    fn what_the_answer_is_about() {
        let arn = "acs:kms:cn-hangzhou:1234567890120000:secret/s";
        let (other, version, stage) = (
            Err("it is not the requested secret"),
            Err("it is not the requested version"),
            Err("its version does not have the requested stage"),
        );
        for (name, id, label, says, expected) in [
            ("s", None, None, r#""SecretName":"s""#, Ok(())),
            ("s", None, None, r#""SecretName":"t""#, other),
            ("s", None, None, r#""SecretName":"""#, other),
            ("s", None, None, r#""SecretName":null"#, Ok(())),
            ("7", None, None, r#""SecretName":7"#, Ok(())),
            (arn, None, None, r#""SecretName":"s""#, Ok(())),
            (arn, None, None, r#""SecretName":"t""#, other),
            (
                arn,
                None,
                None,
                r#""SecretName":"acs:kms:cn-hangzhou:1234567890120000:secret/s""#,
                Ok(()),
            ),
            ("s", Some("v1"), None, r#""SecretType":"Generic""#, Ok(())),
            ("s", Some("v2"), None, r#""SecretType":"Generic""#, version),
            ("s", Some("v2"), None, r#""SecretName":"s""#, version),
            ("s", Some("v2"), None, r#""SecretType":"Rds""#, Ok(())),
            (
                "s",
                None,
                Some("ACSPrevious"),
                r#""VersionStages":{"VersionStage":["x","ACSPrevious"]}"#,
                Ok(()),
            ),
            (
                "s",
                None,
                Some("ACSPrevious"),
                r#""VersionStages":{"VersionStage":["ACSCurrent"]}"#,
                stage,
            ),
            (
                "s",
                None,
                Some("ACSPrevious"),
                r#""VersionStages":{"VersionStage":[]}"#,
                stage,
            ),
            (
                "s",
                Some("v1"),
                Some("ACSPrevious"),
                r#""VersionStages":{"VersionStage":["ACSCurrent"]}"#,
                Ok(()),
            ),
            (
                "s",
                None,
                Some("ACSPrevious"),
                r#""VersionStages":["ACSCurrent"]"#,
                Ok(()),
            ),
            (
                "s",
                None,
                Some("ACSPrevious"),
                r#""VersionStages":"ACSCurrent""#,
                Ok(()),
            ),
        ] {
            let asked = GetSecretValue {
                secret_name: name,
                version_id: id,
                version_stage: label,
            };
            let body = format!(r#"{{"SecretData":"x","VersionId":"v1",{says}}}"#);
            let outcome = asked.parse(&Secret::from(body.clone())).map(drop);
            assert_eq!(outcome, expected, "{asked:?} {body}");
        }
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
                r#"{"SecretData":"x","SecretData":"y","VersionId":"v1"}"#,
                "it is not the JSON object of GetSecretValue",
            ),
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
