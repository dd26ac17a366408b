//! The AccessKey pair that a pod brings: the Secret that its volume names by `nodePublishSecretRef`.

use std::fmt;

use serde::Deserializer as _;
use serde::de::{MapAccess, Visitor};
use zeroize::Zeroizing;

use super::{AccessKey, Error};
use crate::secret::Secret;

/// Reads the request's `secrets`: `null`, nothing, or a JSON object of texts. The pair's keys are `access_key` and
/// `access_secret` in any case; other keys are somebody else's. `None` without either.
pub(super) fn read(secrets: &str) -> Result<Option<AccessKey>, Error> {
    if secrets.is_empty() {
        return Ok(None);
    }
    let mut reader = serde_json::Deserializer::from_str(secrets);
    let halves = reader
        .deserialize_any(Halves)
        .and_then(|it| reader.end().map(|()| it));
    match halves.map_err(|_| Error::PublishSecretUnreadable)? {
        (None, None) => Ok(None),
        (Some(id), Some(secret)) if is_plausible(&id) && secret.expose_str().is_some_and(is_plausible) => {
            Ok(Some(AccessKey::new(id, secret)))
        }
        (Some(_), Some(_)) => Err(Error::PublishSecretMalformed),
        (Some(_), None) => Err(Error::PublishSecretHalf {
            missing: "access_secret",
        }),
        (None, Some(_)) => Err(Error::PublishSecretHalf {
            missing: "access_key",
        }),
    }
}

/// Picks both halves out of an object of texts, entry by entry: a Secret may have a hundred thousand.
struct Halves;

impl<'de> Visitor<'de> for Halves {
    type Value = (Option<String>, Option<Secret>);

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of texts")
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok((None, None))
    }

    fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Self::Value, M::Error> {
        let (mut id, mut secret) = (None, None);
        while let Some(key) = map.next_key::<String>()? {
            let value = Zeroizing::new(map.next_value::<String>()?);
            if key.eq_ignore_ascii_case("access_key") {
                id = Some(value.trim().to_owned());
            } else if key.eq_ignore_ascii_case("access_secret") {
                secret = Some(Secret::from(value.trim().to_owned()));
            }
        }
        Ok((id, secret))
    }
}

/// Whether the request's `secrets` hold a pair.
///
/// # Errors
/// They hold something that is none.
pub fn brings_pair(secrets: &str) -> Result<bool, Error> {
    read(secrets).map(|pair| pair.is_some())
}

/// Whether a text can be half of a pair. It becomes part of a header, in which a comma would end it.
pub fn is_plausible(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b',')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(secrets: &str) -> Result<Option<(String, String)>, Error> {
        let text = |key: &AccessKey| {
            let credentials = key.credentials();
            let secret = credentials
                .access_key_secret
                .expose_str()
                .unwrap_or_default()
                .to_owned();
            (credentials.access_key_id.clone(), secret)
        };
        read(secrets).map(|key| key.as_ref().map(text))
    }

    #[test]
    fn nothing_is_nothing() {
        for secrets in ["", "null", "{}", r#"{"token":"x"}"#] {
            assert_eq!(pair(secrets), Ok(None), "{secrets}");
        }
    }

    #[test]
    fn a_pair_in_any_case_without_its_line_feeds() {
        let expected = Ok(Some(("id".to_owned(), "secret".to_owned())));
        assert_eq!(pair(r#"{"access_key":"id","access_secret":"secret"}"#), expected);
        assert_eq!(
            pair(r#"{"ACCESS_KEY":"id\n","Access_Secret":" secret\n","other":""}"#),
            expected
        );
    }

    #[test]
    fn halves_and_nonsense_are_refused_without_being_quoted() {
        for (secrets, error) in [
            (
                r#"{"access_key":"id"}"#,
                Error::PublishSecretHalf {
                    missing: "access_secret",
                },
            ),
            (
                r#"{"access_secret":"canary"}"#,
                Error::PublishSecretHalf {
                    missing: "access_key",
                },
            ),
            (
                r#"{"access_key":"id","access_secret":""}"#,
                Error::PublishSecretMalformed,
            ),
            (
                r#"{"access_key":"i,d","access_secret":"canary"}"#,
                Error::PublishSecretMalformed,
            ),
            (r#"["canary"]"#, Error::PublishSecretUnreadable),
            (r#"{"access_key":1}"#, Error::PublishSecretUnreadable),
        ] {
            assert_eq!(pair(secrets), Err(error.clone()), "{secrets}");
            assert!(!error.to_string().contains("canary"));
        }
    }
}
