//! Names of keys or files that were found where an AccessKey pair was expected. They come from outside: messages show a
//! few of them, cut and escaped.

use std::fmt;

use crate::limits;

/// One half of an AccessKey pair.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Half {
    /// The AccessKey id.
    Id,
    /// The AccessKey secret.
    Secret,
}

/// The names, as messages show them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct FoundNames {
    shown: Vec<String>,
    more: usize,
    /// Names that may be a half of a pair in the spelling of another tool.
    spellings: Vec<(Half, String)>,
}

impl FoundNames {
    /// Adds a name.
    pub(super) fn push(&mut self, name: &str) {
        if let Some(half) = half_meant(name)
            && self.spellings_of(half).count() < 2
        {
            self.spellings.push((half, shown(name)));
        }
        if self.shown.len() < limits::NAMES_SHOWN {
            self.shown.push(shown(name));
        } else {
            self.more = self.more.saturating_add(1);
        }
    }

    fn spellings_of(&self, half: Half) -> impl Iterator<Item = &String> {
        let of_half = self.spellings.iter().filter(move |(meant, _)| *meant == half);
        of_half.map(|(_, spelling)| spelling)
    }

    /// What to do about the halves of a pair that are missing under these names.
    pub(super) fn remedy(&self, missing: &[(Half, &str)]) -> String {
        let steps = missing.iter().map(|(half, name)| {
            let mut spellings = self.spellings_of(*half);
            match (spellings.next(), spellings.next()) {
                (Some(found), None) => format!("rename {found} to {name}"),
                _ => format!("add {name}"),
            }
        });
        steps.collect::<Vec<_>>().join(" and ")
    }
}

impl fmt::Display for FoundNames {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.shown.is_empty(), self.more) {
            (true, _) => f.write_str("none"),
            (false, 0) => f.write_str(&self.shown.join(", ")),
            (false, more) => write!(f, "{} and {more} more", self.shown.join(", ")),
        }
    }
}

/// A name in quotes, in ASCII: a letter that only looks like another one shows.
fn shown(name: &str) -> String {
    let mut text: String = name.escape_default().take(limits::NAME_SHOWN_BYTES).collect();
    if text.len() >= limits::NAME_SHOWN_BYTES {
        text.push('…');
    }
    format!("\"{text}\"")
}

/// Which half of a pair a name means in the spelling of consoles, SDKs and other tools, ours included.
fn half_meant(name: &str) -> Option<Half> {
    let letters: String = name
        .chars()
        .filter(char::is_ascii_alphanumeric)
        .map(|c| c.to_ascii_lowercase())
        .take(limits::NAME_SHOWN_BYTES)
        .collect();
    let vendors = ["alibabacloud", "alicloud", "aliyun", "oss", "kms"];
    let letters = vendors
        .iter()
        .find_map(|vendor| letters.strip_prefix(vendor))
        .unwrap_or(&letters);
    match letters {
        "accesskey" | "accesskeyid" | "accessid" | "ak" | "akid" | "id" | "keyid" => Some(Half::Id),
        "accesssecret" | "accesskeysecret" | "accesssecretkey" | "aksecret" | "keysecret" | "secret"
        | "secretaccesskey" | "secretkey" | "sk" => Some(Half::Secret),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(names: &[&str]) -> FoundNames {
        let mut found = FoundNames::default();
        names.iter().for_each(|name| found.push(name));
        found
    }

    const BOTH: [(Half, &str); 2] = [(Half::Id, "access_key"), (Half::Secret, "access_secret")];

    #[test]
    fn other_spellings_are_to_be_renamed() {
        for (id, secret) in [
            ("ak", "sk"),
            ("AK", "SK"),
            ("id", "secret"),
            ("AccessKeyID", "AccessKeySecret"),
            ("accessKeyId", "accessKeySecret"),
            ("access-key", "access-secret"),
            ("access_key_id", "access_key_secret"),
            ("ACCESS_KEY_ID", "SECRET_ACCESS_KEY"),
            ("ALIBABA_CLOUD_ACCESS_KEY_ID", "ALIBABA_CLOUD_ACCESS_KEY_SECRET"),
            ("ALICLOUD_ACCESS_KEY", "ALICLOUD_SECRET_KEY"),
        ] {
            let expected = format!("rename \"{id}\" to access_key and rename \"{secret}\" to access_secret");
            assert_eq!(found(&[secret, "other", id]).remedy(&BOTH), expected);
        }
    }

    #[test]
    fn what_cannot_be_told_apart_is_not_guessed() {
        assert_eq!(
            found(&["id", "ak", "password"]).remedy(&BOTH),
            "add access_key and add access_secret"
        );
        assert_eq!(
            found(&["access_key", "sk"]).remedy(&BOTH[1..]),
            "rename \"sk\" to access_secret"
        );
    }

    #[test]
    fn names_are_few_short_and_plain() {
        assert_eq!(found(&[]).to_string(), "none");
        let text = found(&[
            "a\"; set x\n",
            "\u{202e}b",
            "\u{430}ccess_key",
            &"l".repeat(100_000),
        ])
        .to_string();
        assert_eq!(
            text,
            format!(
                r#""a\"; set x\n", "\u{{202e}}b", "\u{{430}}ccess_key", "{}…""#,
                "l".repeat(limits::NAME_SHOWN_BYTES)
            )
        );
        let many: Vec<String> = (0..1_000).map(|number| format!("k{number}")).collect();
        let text = found(&many.iter().map(String::as_str).collect::<Vec<_>>()).to_string();
        let more = 1_000 - limits::NAMES_SHOWN;
        assert!(
            text.starts_with("\"k0\", ") && text.ends_with(&format!(" and {more} more")),
            "{text}"
        );
        let hostile = "\u{10ffff}".repeat(100);
        let text = found(&vec![hostile.as_str(); 1_000]).to_string();
        assert!(
            text.is_char_boundary(0) && text.len() < 400,
            "{} bytes",
            text.len()
        );
    }
}
