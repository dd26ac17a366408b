//! The keys of the grammar.
//!
//! `docs/parameters.md` has a section for each; a test checks that they agree.

use crate::diagnostic::nearest;
use crate::params::names::parse_boolean;

/// Parameters of the class. Matched exactly, as the official provider does: it ignores `Region`.
pub const CLASS: &[&str] = &[
    "objects",
    "region",
    "pathTranslation",
    "filePermission",
    "usePodServiceAccountToken",
];

/// Keys of an item of `objects`.
pub const OBJECT: &[&str] = &[
    "objectName",
    "objectType",
    "objectAlias",
    "objectVersion",
    "objectVersionLabel",
    "objectEncoding",
    "filePermission",
    "jmesPath",
    "mountWholeSecret",
    "optional",
    "region",
    "kmsEndpoint",
    "crossAccountRoleArn",
    "crossAccountExternalId",
];

/// Keys of an entry of `jmesPath`.
pub const PART: &[&str] = &[
    "path",
    "objectAlias",
    "objectEncoding",
    "filePermission",
    "optional",
    "prefix",
];

/// Keys that choose the identity. A mistyped one is an error, because the wrong identity would read.
const IDENTITY: [&str; 2] = ["usePodServiceAccountToken", "crossAccountRoleArn"];

/// Where an AccessKey pair is named, in the pod's volume.
const PAIR: &str = "nodePublishSecretRef";

/// Keys of other tools that choose the identity, and the key to write here. Not `token`: it has many meanings.
const ELSEWHERE: [(&str, &str); 6] = [
    ("usePodIdentity", IDENTITY[0]),
    ("role", IDENTITY[1]),
    ("ak", PAIR),
    ("sk", PAIR),
    ("accessKeyId", PAIR),
    ("accessKeySecret", PAIR),
];

/// As `roleArn`, in bytes. A shorter word is not an attempt at one of these long names, and compared with none.
pub(super) const SHORTEST_ATTEMPT: usize = 7;

/// Whether the value of such a key asks for anything.
pub(super) fn asks(text: &str) -> bool {
    !text.is_empty() && !matches!(parse_boolean(text), Ok(false))
}

/// What to write instead of a key that is not among `known`, if it was probably meant to choose the identity.
pub(super) fn identity_suggestion(key: &str, known: &[&'static str]) -> Option<String> {
    let elsewhere = ELSEWHERE.iter().find(|(word, _)| word.eq_ignore_ascii_case(key));
    let meant = match elsewhere {
        Some((_, meant)) => *meant,
        None if key.len() < SHORTEST_ATTEMPT => return None,
        None => {
            // Two comparisons for most keys, and all of them for the few that are left.
            nearest(key, &IDENTITY)?;
            let meant = nearest(key, &[CLASS, OBJECT].concat())?;
            IDENTITY.into_iter().find(|it| *it == meant)?
        }
    };
    Some(match meant {
        PAIR => format!("put the pair into a Secret and set {PAIR} in the pod's volume"),
        _ if known.contains(&meant) => format!("did you mean {meant}?"),
        _ if CLASS.contains(&meant) => format!("write {meant} as a parameter of the class"),
        _ => format!("write {meant} into the items of objects"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnostic::nearest;

    #[test]
    fn the_nearest_key_is_the_one_a_person_would_name() {
        for (typo, meant) in [
            ("objectname", Some("objectName")),
            ("objctName", Some("objectName")),
            ("name", Some("objectName")),
            ("alias", Some("objectAlias")),
            ("team", None),
            ("jmespaths", Some("jmesPath")),
            ("objectVerion", Some("objectVersion")),
            ("objectVersionlable", Some("objectVersionLabel")),
            ("filePermissions", Some("filePermission")),
            ("crossAccountRoleARN", Some("crossAccountRoleArn")),
            ("x", None),
            ("", None),
        ] {
            assert_eq!(nearest(typo, OBJECT), meant, "{typo}");
        }
    }

    /// Mistyped, in another case, at the wrong place, or in the words of another provider.
    #[test]
    fn keys_about_identity_are_known_by_what_they_resemble() {
        for (key, meant) in [
            ("UsePodServiceAccountToken", "usePodServiceAccountToken"),
            ("usePodServiceAcountToken", "usePodServiceAccountToken"),
            ("useServiceAccountToken", "usePodServiceAccountToken"),
            ("serviceAccountToken", "usePodServiceAccountToken"),
            ("usepodidentity", "usePodServiceAccountToken"),
            ("crossAccountRole", "crossAccountRoleArn"),
            ("crossAcountRoleArn", "crossAccountRoleArn"),
            ("roleArn", "crossAccountRoleArn"),
            ("role", "crossAccountRoleArn"),
            ("AK", "nodePublishSecretRef"),
            ("sk", "nodePublishSecretRef"),
            ("accessKeyID", "nodePublishSecretRef"),
            ("accesskeysecret", "nodePublishSecretRef"),
        ] {
            for known in [CLASS, OBJECT] {
                let told = identity_suggestion(key, known).unwrap_or_default();
                assert!(told.contains(meant), "{key}: {told:?}");
            }
        }
        for key in [
            "roleName",
            "roles",
            "token",
            "key",
            "secretPath",
            "objectname",
            "regoin",
            "crossAccountExternalID",
            "arn",
            "",
        ] {
            assert_eq!(identity_suggestion(key, CLASS), None, "{key}");
        }
        assert_eq!(
            identity_suggestion("roleArn", CLASS).as_deref(),
            Some("write crossAccountRoleArn into the items of objects")
        );
        assert_eq!(
            identity_suggestion("usePodServiceAccountToken", OBJECT).as_deref(),
            Some("write usePodServiceAccountToken as a parameter of the class")
        );
    }
}
