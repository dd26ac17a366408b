//! ServiceAccount tokens: the provider's own, in a file, and a pod's, which comes with the request and stays in memory.

use std::fmt;
use std::path::PathBuf;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer as _};

use super::error::Error;
use super::pod_error::PodError;
use super::source::{AUDIENCE, Request};
use crate::cloud::kubernetes::read_token;
use crate::limits;
use crate::secret::Secret;

/// The provider's own token: its file and its identity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenFile {
    /// `acs:ram::<account>:oidc-provider/<name>`
    pub provider_arn: String,
    /// The projected file; kubelet renews it, so it is read at each use.
    pub path: PathBuf,
}

impl TokenFile {
    /// Whether there is a token to be read.
    ///
    /// # Errors
    /// Why there is none.
    pub fn check(&self) -> Result<(), Error> {
        self.read().map(drop)
    }

    pub(super) fn read(&self) -> Result<Secret, Error> {
        read_token(&self.path).map_err(|problem| Error::TokenFile {
            path: self.path.display().to_string(),
            problem,
        })
    }
}

/// The token for STS: from the attributes, where every driver puts it, else from the driver's secrets, where clusters
/// with `serviceAccountTokenInSecrets` have it too.
pub(super) fn token(request: &Request<'_>) -> Result<Secret, PodError> {
    let text = match request.tokens {
        Some(tokens) => tokens,
        None => &in_secrets(request.secrets)?,
    };
    let (token, present) =
        pick(text).map_err(|_| PodError::Token("they are not the JSON object that kubelet writes"))?;
    let token = token.ok_or(PodError::Audience(present))?;
    if token.is_empty() || !token.expose().iter().all(u8::is_ascii_graphic) {
        return Err(PodError::Token("the token is empty or not text"));
    }
    if token.len() > limits::TOKEN_BYTES {
        return Err(PodError::Token("the token is longer than STS accepts"));
    }
    Ok(token)
}

fn in_secrets(secrets: &str) -> Result<Secret, PodError> {
    if secrets.is_empty() {
        return Err(PodError::NoTokens);
    }
    let secrets: Option<Secrets> = serde_json::from_str(secrets)
        .map_err(|_| PodError::Token("the driver's secrets are not a JSON object of strings"))?;
    let tokens = secrets.and_then(|it| it.tokens).filter(|text| !text.is_empty());
    tokens.map(Secret::from).ok_or(PodError::NoTokens)
}

/// The token for STS, and some of the other audiences there are.
fn pick(tokens: &Secret) -> serde_json::Result<(Option<Secret>, Vec<String>)> {
    let mut reader = serde_json::Deserializer::from_slice(tokens.expose());
    let picked = reader.deserialize_map(Tokens)?;
    reader.end().map(|()| picked)
}

/// Reads tokens entry by entry: there are two or three, and a hundred thousand if not from kubelet.
struct Tokens;

impl<'de> Visitor<'de> for Tokens {
    type Value = (Option<Secret>, Vec<String>);

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of tokens")
    }

    fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Self::Value, M::Error> {
        let (mut wanted, mut present) = (None, Vec::new());
        while let Some(audience) = map.next_key::<String>()? {
            let token = Secret::from(map.next_value::<Token>()?.token);
            if audience == AUDIENCE {
                wanted = Some(token);
            } else if present.len() < 8 {
                present.push(format!("{:?}", audience.chars().take(80).collect::<String>()));
            }
        }
        Ok((wanted, present))
    }
}

#[derive(Deserialize)]
struct Secrets {
    #[serde(rename = "csi.storage.k8s.io/serviceAccount.tokens")]
    tokens: Option<String>,
}

#[derive(Deserialize)]
struct Token {
    token: String,
}

/// What a token says of itself. It proves nothing, as only STS checks the signature. It keeps a token out
/// that plainly belongs to another account, and tells people what they gave.
#[derive(Deserialize)]
pub struct Claims {
    /// `system:serviceaccount:<namespace>:<name>`
    #[serde(rename = "sub")]
    pub subject: String,
    /// When it ends, in seconds since 1970.
    #[serde(rename = "exp")]
    pub ends: Option<i64>,
}

impl Claims {
    /// Those of a token; none if it is no JWT with a subject.
    pub(super) fn of(token: &Secret) -> Option<Self> {
        let payload = token.expose().split(|byte| *byte == b'.').nth(1)?;
        let payload = URL_SAFE_NO_PAD.decode(payload).map(Secret::new).ok()?;
        serde_json::from_slice(payload.expose()).ok()
    }

    /// Those of the token for STS among the tokens of a mount's attributes.
    pub fn among(tokens: &Secret) -> Option<Self> {
        Self::of(&pick(tokens).ok()?.0?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What stands where tokens are looked for and cannot be read is wrong, and not merely missing.
    #[test]
    fn secrets_that_cannot_be_read_are_wrong_rather_than_missing() {
        let pod = crate::params::Pod::default();
        for (secrets, is_missing) in [
            ("", true),
            ("null", true),
            ("{}", true),
            (r#"{"csi.storage.k8s.io/serviceAccount.tokens":null}"#, true),
            (r#"{"csi.storage.k8s.io/serviceAccount.tokens":"{}"}"#, true),
            (r#"{"csi.storage.k8s.io/serviceAccount.tokens":"canary"}"#, false),
            (r#"{"csi.storage.k8s.io/serviceAccount.tokens":1}"#, false),
            (r#"["canary"]"#, false),
            ("canary", false),
        ] {
            let request = Request {
                pod: &pod,
                pod_identity: true,
                tokens: None,
                secrets,
            };
            let error = token(&request).map(drop).expect_err(secrets);
            assert_eq!(error.is_missing(), is_missing, "{secrets}: {error}");
            assert!(!error.to_string().contains("canary"), "{error}");
        }
    }
}
