//! The AccessKey pair that a pod brings: the Secret that its volume names by `nodePublishSecretRef`.

use std::fmt;

use serde::Deserializer as _;
use serde::de::{IgnoredAny, MapAccess, Visitor};
use zeroize::Zeroizing;

use super::access_key::{AccessKey, is_plausible};
use super::found_names::{FoundNames, Half};
use crate::secret::Secret;

/// What the keys begin with that kubelet and the driver add, such as [`super::source::TOKENS_KEY`] from Kubernetes 1.35 on.
const DRIVERS: &str = "csi.storage.k8s.io/";

/// Why a Secret that is there is not an AccessKey pair. Its keys are named, its values never.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublishSecretError {
    problem: Problem,
    found: FoundNames,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Problem {
    /// Keys that differ in case only, with different values.
    Ambiguous(Half),
    /// A half without a value.
    Empty(Half),
    /// A value that no AccessKey has.
    Malformed(Half),
    /// Halves without a key.
    Missing(Vec<(Half, &'static str)>),
    /// Something else than an object of texts.
    Unreadable,
}

impl fmt::Display for PublishSecretError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const OR_REMOVE: &str = ", or remove nodePublishSecretRef from the pod's volume";
        let (wrong, remedy) = match &self.problem {
            Problem::Ambiguous(half) => (
                format!("{} appears in two spellings with different values; ", half.key()),
                format!("keep one {}", half.key()),
            ),
            Problem::Empty(half) => (
                format!("{} is empty; ", half.key()),
                format!("set {}{OR_REMOVE}", half.key()),
            ),
            Problem::Malformed(half) => (
                format!("{} has bytes invalid in an AccessKey; ", half.key()),
                format!(
                    "set {} to the AccessKey as the RAM console shows it, without blanks, line breaks or a second base64",
                    half.key()
                ),
            ),
            Problem::Missing(missing) => (
                String::new(),
                format!("in that Secret, {}{OR_REMOVE}", self.found.remedy(missing)),
            ),
            Problem::Unreadable => (
                "it is not a JSON object of strings; ".to_owned(),
                "check that the caller is the Secrets Store CSI Driver".to_owned(),
            ),
        };
        write!(
            f,
            "the Secret of the pod's nodePublishSecretRef cannot be used: {wrong}expected the keys access_key and access_secret, found {}; {remedy}",
            self.found
        )
    }
}

impl std::error::Error for PublishSecretError {}

impl PublishSecretError {
    /// Whether something is missing, as opposed to wrong: what the official provider passes over in silence.
    pub(super) const fn is_missing(&self) -> bool {
        matches!(self.problem, Problem::Empty(_) | Problem::Missing(_))
    }
}

impl Half {
    const ALL: [Self; 2] = [Self::Id, Self::Secret];

    /// The key of this half; any case will do.
    const fn key(self) -> &'static str {
        match self {
            Self::Id => "access_key",
            Self::Secret => "access_secret",
        }
    }
}

/// Reads the request's `secrets`: `null`, nothing, or a JSON object of strings. `None` without any entry but the driver's
/// own. Whatever else is there must hold a pair, beside which there may be other keys.
pub(super) fn read(secrets: &str) -> Result<Option<AccessKey>, PublishSecretError> {
    if secrets.is_empty() {
        return Ok(None);
    }
    let mut entries = Entries::default();
    let mut reader = serde_json::Deserializer::from_str(secrets);
    let outcome = reader
        .deserialize_any(&mut entries)
        .and_then(|()| reader.end())
        .map_err(|_| Problem::Unreadable)
        .and_then(|()| entries.pair());
    outcome.map_err(|problem| PublishSecretError {
        problem,
        found: entries.found,
    })
}

/// What an object of texts has, picked out of it entry by entry: a Secret may have a hundred thousand.
#[derive(Default)]
struct Entries {
    found: FoundNames,
    is_any: bool,
    halves: [Value; 2],
}

/// What stands under one key, in any case of it.
#[derive(Default)]
struct Value {
    text: Option<Secret>,
    is_ambiguous: bool,
}

impl Entries {
    fn put(&mut self, key: &str, text: &str) {
        let mut halves = Half::ALL.iter().zip(&mut self.halves);
        let Some((_, value)) = halves.find(|(half, _)| key.eq_ignore_ascii_case(half.key())) else {
            return;
        };
        let text = Secret::from(text.trim().to_owned());
        match &value.text {
            // Empty counts as absent.
            Some(other) if !other.is_empty() => {
                value.is_ambiguous |= !text.is_empty() && other.expose() != text.expose();
            }
            _ => value.text = Some(text),
        }
    }

    fn pair(&mut self) -> Result<Option<AccessKey>, Problem> {
        if !self.is_any {
            return Ok(None);
        }
        let halves = || Half::ALL.into_iter().zip(&self.halves);
        if let Some((half, _)) = halves().find(|(_, value)| value.is_ambiguous) {
            return Err(Problem::Ambiguous(half));
        }
        let [Some(id), Some(secret)] = self.halves.each_ref().map(|value| value.text.as_ref()) else {
            let missing = halves().filter(|(_, value)| value.text.is_none());
            return Err(Problem::Missing(
                missing.map(|(half, _)| (half, half.key())).collect(),
            ));
        };
        let texts = || Half::ALL.into_iter().zip([id, secret]);
        if let Some((half, _)) = texts().find(|(_, text)| text.is_empty()) {
            return Err(Problem::Empty(half));
        }
        if let Some((half, _)) = texts().find(|(_, text)| !text.expose_str().is_some_and(is_plausible)) {
            return Err(Problem::Malformed(half));
        }
        let id = id.expose_str().unwrap_or_default().to_owned();
        Ok(Some(AccessKey::new(id, secret.duplicate())))
    }
}

impl<'de> Visitor<'de> for &mut Entries {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of texts")
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<(), E> {
        if text.is_empty() {
            Ok(())
        } else {
            Err(E::custom("text")) // not told, and not quoted either
        }
    }

    fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<(), M::Error> {
        while let Some(key) = map.next_key::<String>()? {
            if key.starts_with(DRIVERS) {
                map.next_value::<IgnoredAny>()?;
                continue;
            }
            self.is_any = true;
            self.found.push(&key);
            // null as an empty text, as in the attributes.
            let value = Zeroizing::new(map.next_value::<Option<String>>()?);
            self.put(&key, value.as_deref().unwrap_or_default());
        }
        Ok(())
    }
}

/// Whether the request's `secrets` hold a pair.
///
/// # Errors
/// They hold something that is none.
pub fn brings_pair(secrets: &str) -> Result<bool, PublishSecretError> {
    read(secrets).map(|pair| pair.is_some())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits;

    /// What is read: a pair, nothing, or the message.
    fn told(secrets: &str) -> String {
        match read(secrets) {
            Ok(None) => "nothing".to_owned(),
            Ok(Some(pair)) => {
                let credentials = pair.credentials();
                let secret = credentials.access_key_secret.expose_str().unwrap_or_default();
                format!("{} {secret}", credentials.access_key_id)
            }
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn nothing_is_nothing() {
        for secrets in [
            "",
            "null",
            "{}",
            " {} ",
            "\"\"",
            r#"{"csi.storage.k8s.io/serviceAccount.tokens":"{}"}"#,
            r#"{"csi.storage.k8s.io/serviceAccount.tokens":null,"csi.storage.k8s.io/new":"x"}"#,
        ] {
            assert_eq!(told(secrets), "nothing", "{secrets}");
            assert_eq!(brings_pair(secrets), Ok(false), "{secrets}");
        }
    }

    #[test]
    fn a_pair_in_any_case_without_its_line_feeds() {
        for secrets in [
            r#"{"access_key":"id","access_secret":"secret"}"#,
            r#"{"ACCESS_KEY":"id\n","Access_Secret":" secret\n"}"#,
            r#"{"access_key":"id","access_secret":"secret","other":"","ak":null,"sk":"x"}"#,
            r#"{"access_key":"id","ACCESS_KEY":"id\n","access_secret":"secret"}"#,
            // An empty second spelling counts as absent, whichever comes first.
            r#"{"ACCESS_KEY":"","access_key":"id","access_secret":"secret","ACCESS_SECRET":" \n"}"#,
            r#"{"access_key":"id","ACCESS_KEY":null,"ACCESS_SECRET":"","access_secret":"secret"}"#,
            r#"{"csi.storage.k8s.io/serviceAccount.tokens":"{}","access_key":"id","access_secret":"secret"}"#,
        ] {
            assert_eq!(told(secrets), "id secret", "{secrets}");
            assert_eq!(brings_pair(secrets), Ok(true), "{secrets}");
        }
    }

    /// Whatever is there but not a pair is refused: by its keys, and whether `--allow-identity-fallback` passes it over.
    #[test]
    fn what_is_there_and_cannot_be_used_is_refused_by_its_keys() {
        const OR_REMOVE: &str = ", or remove nodePublishSecretRef from the pod's volume";
        let rename = |id: &str, secret: &str| {
            format!(
                "found \"{id}\", \"{secret}\"; in that Secret, rename \"{id}\" to access_key and rename \"{secret}\" to access_secret{OR_REMOVE}"
            )
        };
        let tokens = r#""csi.storage.k8s.io/serviceAccount.tokens":"{}""#;
        for (secrets, words, is_missing) in [
            (r#"{"ak":"LTAI","sk":"canary"}"#, rename("ak", "sk"), true),
            (
                r#"{"AccessKeyID":"LTAI","AccessKeySecret":"canary"}"#,
                rename("AccessKeyID", "AccessKeySecret"),
                true,
            ),
            (r#"{"id":"LTAI","secret":"canary"}"#, rename("id", "secret"), true),
            (
                r#"{"ACCESS_KEY_ID":"LTAI","SECRET_ACCESS_KEY":"canary"}"#,
                rename("ACCESS_KEY_ID", "SECRET_ACCESS_KEY"),
                true,
            ),
            (
                r#"{" access_key":"LTAI","access_secret ":"canary"}"#,
                rename(" access_key", "access_secret "),
                true,
            ),
            (
                &format!(r#"{{{tokens},"ak":"LTAI","sk":"canary"}}"#),
                rename("ak", "sk"),
                true,
            ),
            (
                r#"{"password":"canary"}"#,
                format!("found \"password\"; in that Secret, add access_key and add access_secret{OR_REMOVE}"),
                true,
            ),
            (
                r#"{"":"canary"}"#,
                "found \"\"; in that Secret, add access_key".to_owned(),
                true,
            ),
            (
                r#"{"access_key":"LTAI"}"#,
                format!("found \"access_key\"; in that Secret, add access_secret{OR_REMOVE}"),
                true,
            ),
            (
                r#"{"access_secret":"canary"}"#,
                format!("found \"access_secret\"; in that Secret, add access_key{OR_REMOVE}"),
                true,
            ),
            (
                r#"{"access_key":"LTAI","sk":"canary"}"#,
                format!("rename \"sk\" to access_secret{OR_REMOVE}"),
                true,
            ),
            (
                r#"{"\u0430ccess_key":"LTAI","access_secret":"canary"}"#,
                r#"found "\u{430}ccess_key", "access_secret"; in that Secret, add access_key"#.to_owned(),
                true,
            ),
            (
                r#"{"access_key":"LTAI","access_secret":""}"#,
                "used: access_secret is empty; expected".to_owned(),
                true,
            ),
            (
                r#"{"access_key":" \n","access_secret":"canary"}"#,
                "used: access_key is empty; expected".to_owned(),
                true,
            ),
            (
                r#"{"access_key":null,"access_secret":null}"#,
                "used: access_key is empty; expected".to_owned(),
                true,
            ),
            (
                r#"{"access_key":"LT,AI","access_secret":"canary"}"#,
                "access_key has bytes invalid in an AccessKey".to_owned(),
                false,
            ),
            (
                r#"{"access_key":"LTAI","access_secret":"canary canary"}"#,
                "access_secret has bytes invalid in an AccessKey".to_owned(),
                false,
            ),
            (
                r#"{"access_key":"LTAI","ACCESS_KEY":"LTAJ","access_secret":"canary"}"#,
                "access_key appears in two spellings with different values".to_owned(),
                false,
            ),
            (
                r#"{"access_key":"LTAI","access_secret":"canary","access_secret":"canary2"}"#,
                "access_secret appears in two spellings".to_owned(),
                false,
            ),
            (
                r#"["canary"]"#,
                "found none; check that the caller is the Secrets Store CSI Driver".to_owned(),
                false,
            ),
            (r#""canary""#, "not a JSON object of strings".to_owned(), false),
            ("1", "not a JSON object of strings".to_owned(), false),
            ("true", "not a JSON object of strings".to_owned(), false),
            (" ", "not a JSON object of strings".to_owned(), false),
            ("canary", "not a JSON object of strings".to_owned(), false),
            (
                r#"{"access_key":1}"#,
                "it is not a JSON object of strings; expected the keys access_key and access_secret, found \"access_key\"; "
                    .to_owned(),
                false,
            ),
            (
                r#"{"access_key":"LTAI","access_secret":"canary"} x"#,
                "found \"access_key\", \"access_secret\"; check".to_owned(),
                false,
            ),
            (
                r#"{"access_key":"LTAI","access_secret":{"canary":"canary"}}"#,
                "not a JSON object of strings".to_owned(),
                false,
            ),
        ] {
            let error = read(secrets).map(drop).expect_err(secrets);
            let told = error.to_string();
            assert!(told.contains(&words), "{secrets}: {told:?} lacks {words:?}");
            assert!(
                told.contains("expected the keys access_key and access_secret, found "),
                "{told}"
            );
            assert_eq!(error.is_missing(), is_missing, "{secrets}");
            for value in ["canary", "LTA"] {
                assert!(!format!("{told} {error:?}").contains(value), "{secrets}: {told}");
            }
            assert_eq!(brings_pair(secrets), Err(error), "{secrets}");
        }
    }

    /// A pod's event has room for 1,024 bytes, of which the driver and kubelet take some.
    #[test]
    fn a_hostile_secret_makes_no_long_message() {
        let mut secrets: std::collections::BTreeMap<String, &str> = (0..100_000)
            .map(|number| (format!("\u{10ffff}\"\n{number}{}", "x".repeat(50)), "canary"))
            .collect();
        secrets.insert(format!("a{}k", "-".repeat(1_000)), "canary");
        secrets.insert(format!("s{}k", "-".repeat(1_000)), "canary");
        let told = told(&serde_json::to_string(&secrets).expect("JSON"));
        assert!(told.len() < 700, "{} bytes: {told}", told.len());
        let more = secrets.len() - limits::NAMES_SHOWN;
        assert!(
            told.contains(&format!("and {more} more; in that Secret, rename \"a---")),
            "{told}"
        );
        assert!(!told.contains('\n') && !told.contains("canary"), "{told}");
    }
}
