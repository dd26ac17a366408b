//! OOS `GetSecretParameter`, API version 2019-06-01.

use std::borrow::Cow;

use serde::Deserialize;

use super::api::{Api, Operation, Target};
use super::{Error, Value};
use crate::secret::Secret;
use crate::sign::Parameter;

/// Which version of which encrypted parameter.
#[derive(Clone, Copy, Debug)]
pub struct GetSecretParameter<'a> {
    /// The name.
    pub name: &'a str,
    /// A pinned version; the newest without one.
    pub parameter_version: Option<&'a str>,
}

impl GetSecretParameter<'_> {
    /// Asks OOS for the decrypted value.
    ///
    /// # Errors
    /// See [`Error`]; also an answer without `Parameter.Value` or `Parameter.ParameterVersion`.
    pub fn call(&self, api: &Api, target: &Target<'_>) -> Result<Value, Error> {
        let operation = Operation {
            action: "GetSecretParameter",
            version: "2019-06-01",
        };
        let body = api.call(target, operation, &self.parameters())?;
        parse(&body).map_err(|problem| Error::unusable(target.endpoint, &body, problem))
    }

    fn parameters(&self) -> Vec<Parameter> {
        let mut parameters = vec![
            ("Name".to_owned(), self.name.to_owned()),
            ("WithDecryption".to_owned(), "true".to_owned()),
        ];
        parameters.extend(
            self.parameter_version
                .map(|version| ("ParameterVersion".to_owned(), version.to_owned())),
        );
        parameters
    }
}

#[derive(Deserialize)]
struct Answer<'a> {
    #[serde(rename = "Parameter", borrow)]
    parameter: Option<Parameters<'a>>,
}

#[derive(Deserialize)]
struct Parameters<'a> {
    #[serde(rename = "Value", borrow)]
    value: Option<Cow<'a, str>>,
    #[serde(rename = "ParameterVersion")]
    parameter_version: Option<TextOrNumber>,
}

/// The gateway is known to write numbers as texts and the reverse.
#[derive(Deserialize)]
#[serde(untagged)]
pub(super) enum TextOrNumber {
    Number(u64),
    Text(String),
}

impl TextOrNumber {
    pub(super) fn into_text(self) -> String {
        match self {
            Self::Number(number) => number.to_string(),
            Self::Text(text) => text,
        }
    }
}

fn parse(body: &Secret) -> Result<Value, &'static str> {
    let answer: Answer<'_> = serde_json::from_slice(body.expose())
        .map_err(|_| "it is not the JSON object of GetSecretParameter")?;
    let parameter = answer.parameter.ok_or("it has no Parameter")?;
    let value = parameter.value.ok_or("its Parameter has no Value")?;
    let contents = Secret::from(value.into_owned());
    let version = parameter
        .parameter_version
        .ok_or("its Parameter has no ParameterVersion")?
        .into_text();
    if version.is_empty() {
        return Err("its ParameterVersion is empty");
    }
    Ok(Value { contents, version })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(body: &str) -> Result<(Vec<u8>, String), &'static str> {
        parse(&Secret::from(body.to_owned())).map(|value| (value.contents.expose().to_vec(), value.version))
    }

    #[test]
    fn value_and_version() {
        let body = r#"{"RequestId":"r","Parameter":{"Name":"n","Value":"a\"b","ParameterVersion":3}}"#;
        assert_eq!(value(body), Ok((b"a\"b".to_vec(), "3".to_owned())));
        let body = r#"{"Parameter":{"Value":"","ParameterVersion":"3"}}"#;
        assert_eq!(value(body), Ok((vec![], "3".to_owned())));
    }

    #[test]
    fn what_is_missing_is_an_error_not_an_empty_file() {
        for (body, problem) in [
            ("", "it is not the JSON object of GetSecretParameter"),
            ("null", "it is not the JSON object of GetSecretParameter"),
            (
                r#"{"Parameter":[]}"#,
                "it is not the JSON object of GetSecretParameter",
            ),
            ("{}", "it has no Parameter"),
            (r#"{"Parameter":null}"#, "it has no Parameter"),
            (r#"{"Parameter":{}}"#, "its Parameter has no Value"),
            (
                r#"{"Parameter":{"Value":null,"ParameterVersion":1}}"#,
                "its Parameter has no Value",
            ),
            (
                r#"{"Parameter":{"Value":7,"ParameterVersion":1}}"#,
                "it is not the JSON object of GetSecretParameter",
            ),
            (
                r#"{"Parameter":{"Value":"v"}}"#,
                "its Parameter has no ParameterVersion",
            ),
            (
                r#"{"Parameter":{"Value":"v","ParameterVersion":""}}"#,
                "its ParameterVersion is empty",
            ),
        ] {
            assert_eq!(value(body), Err(problem), "{body}");
        }
    }
}
