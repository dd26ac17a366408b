//! OOS `GetSecretParameter`, API version 2019-06-01.

use std::borrow::Cow;

use serde::Deserialize;

use super::api::{Api, Operation, Target};
use super::error::Error;
use super::value::{TextOrNumber, Value};
use crate::secret::Secret;
use crate::sign::{Parameter, parameter};

/// Which version of which encrypted parameter.
#[derive(Clone, Copy, Debug)]
pub struct GetSecretParameter<'a> {
    /// The name.
    pub name: &'a str,
    /// A pinned version; the newest without one.
    pub parameter_version: Option<&'a str>,
}

const OPERATION: Operation = ("GetSecretParameter", "2019-06-01");

impl GetSecretParameter<'_> {
    /// Asks OOS for the decrypted value.
    ///
    /// # Errors
    /// See [`Error`]; also an answer without `Parameter.Value` or `Parameter.ParameterVersion`, or one about something
    /// else than was asked for.
    pub fn call(&self, api: &Api, target: &Target<'_>) -> Result<Value, Error> {
        let body = api.call(target, OPERATION, &self.parameters())?;
        self.parse(&body)
            .map_err(|problem| Error::unusable(target.endpoint, &body, problem))
    }

    fn parameters(&self) -> Vec<Parameter> {
        let version = self.parameter_version;
        let parameters = [
            Some(parameter("Name", self.name)),
            Some(parameter("WithDecryption", "true")),
            version.map(|version| parameter("ParameterVersion", version)),
        ];
        parameters.into_iter().flatten().collect()
    }

    fn parse(&self, body: &Secret) -> Result<Value, &'static str> {
        let answer: Answer<'_> = serde_json::from_slice(body.expose())
            .map_err(|_| "it is not the JSON object of GetSecretParameter")?;
        let parameter = answer.parameter.ok_or("it has no Parameter")?;
        self.check(&parameter)?;
        value(parameter)
    }

    /// Whether an answer matches the request, as far as it tells.
    fn check(&self, parameter: &Parameters<'_>) -> Result<(), &'static str> {
        let plain = |name: &str| name.trim_start_matches('/').to_ascii_lowercase();
        if let Some(name) = &parameter.name
            && plain(&name.text()) != plain(self.name)
        {
            return Err("it is not the requested parameter");
        }
        if let (Some(asked), Some(given)) = (self.parameter_version, &parameter.parameter_version)
            && given.text() != asked
        {
            return Err("it is not the requested version");
        }
        Ok(())
    }
}

#[derive(Deserialize)]
struct Answer<'a> {
    #[serde(rename = "Parameter", borrow)]
    parameter: Option<Parameters<'a>>,
}

#[derive(Deserialize)]
struct Parameters<'a> {
    #[serde(rename = "Name")]
    name: Option<TextOrNumber>,
    #[serde(rename = "Value", borrow)]
    value: Option<Cow<'a, str>>,
    #[serde(rename = "ParameterVersion")]
    parameter_version: Option<TextOrNumber>,
}

fn value(parameter: Parameters<'_>) -> Result<Value, &'static str> {
    let value = parameter.value.ok_or("its Parameter has no Value")?;
    let contents = Secret::from(value.into_owned());
    let version = parameter
        .parameter_version
        .ok_or("its Parameter has no ParameterVersion")?
        .text()
        .into_owned();
    if version.is_empty() {
        return Err("its ParameterVersion is empty");
    }
    Ok(Value { contents, version })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(body: &str) -> Result<(Vec<u8>, String), &'static str> {
        let newest = GetSecretParameter {
            name: "n",
            parameter_version: None,
        };
        let value = newest.parse(&Secret::from(body.to_owned()))?;
        Ok((value.contents.expose().to_vec(), value.version))
    }

    #[test]
    fn what_the_answer_is_about() {
        let (other, version) = (
            Err("it is not the requested parameter"),
            Err("it is not the requested version"),
        );
        for (name, pinned, says, expected) in [
            ("n", None, r#""Name":"n","ParameterVersion":3"#, Ok(())),
            ("n", None, r#""ParameterVersion":3"#, Ok(())),
            ("n", None, r#""Name":"m","ParameterVersion":3"#, other),
            ("7", None, r#""Name":7,"ParameterVersion":3"#, Ok(())),
            ("/a/n", None, r#""Name":"a/n","ParameterVersion":3"#, Ok(())),
            ("n", Some("3"), r#""ParameterVersion":3"#, Ok(())),
            ("n", Some("3"), r#""ParameterVersion":"3""#, Ok(())),
            ("n", Some("2"), r#""ParameterVersion":3"#, version),
        ] {
            let asked = GetSecretParameter {
                name,
                parameter_version: pinned,
            };
            let body = format!(r#"{{"Parameter":{{"Value":"x",{says}}}}}"#);
            let outcome = asked.parse(&Secret::from(body.clone())).map(drop);
            assert_eq!(outcome, expected, "{asked:?} {body}");
        }
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
                r#"{"Parameter":{"Value":"v","ParameterVersion":1,"Value":"w"}}"#,
                "it is not the JSON object of GetSecretParameter",
            ),
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
