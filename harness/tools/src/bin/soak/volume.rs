//! What a Mount asks for, and what it must bring.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::{Duration, Instant};

use harness::driver::{Code, MountResponse, Volume};

use crate::clients::mix;
use crate::stand::{REFRESH, Stand};
use crate::values::{self, ROTATED, STEADY, Values};

const OWN: &str = "as the provider's role";
const PAIR: &str = "as the pod's AccessKey pair";
const POD: &str = "as the pod's role";
const OTHER_POD: &str = "as another pod's role";
const CROSS_ACCOUNT: &str = "as a role of another account";

/// Who reads.
pub(crate) const IDENTITIES: [&str; 5] = [OWN, PAIR, POD, OTHER_POD, CROSS_ACCOUNT];

const TARGET_ROLE: &str = "acs:ram::9999999999990000:role/target";

/// One file.
enum Content {
    Exactly(Vec<u8>),
    /// A part of a rotated secret or parameter, or all of it.
    Rotated {
        at: usize,
        oos: bool,
        whole: bool,
    },
}

/// What a Mount must bring.
pub(crate) struct Expected {
    pub(crate) identity: &'static str,
    /// The code that it must end with, if it is not to succeed.
    pub(crate) refused: Option<Code>,
    files: BTreeMap<String, Content>,
    /// How old a value may be when the Mount begins.
    age: Duration,
    /// How old it may be in an outage.
    stale: Duration,
}

/// How a right Mount came by its values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Right {
    /// As without an outage, as far as can be told.
    Fresh,
    /// By one at least that only an outage allows.
    Stale,
}

impl Expected {
    /// No files, but this code.
    pub(crate) fn refused(code: Code) -> Self {
        Self {
            identity: OWN,
            refused: Some(code),
            files: BTreeMap::new(),
            age: Duration::ZERO,
            stale: Duration::ZERO,
        }
    }

    /// Exactly the files, none of them older than it may be, all files of one secret from one generation and with its
    /// version.
    pub(crate) fn check(
        &self,
        values: &Values,
        began: Instant,
        response: &MountResponse,
    ) -> Result<Right, String> {
        if self.refused.is_some() {
            return Err("it had to be refused".to_owned());
        }
        let names: Vec<&str> = response.files.iter().map(|file| file.path.as_str()).collect();
        if response.files.len() != self.files.len() {
            return Err(format!(
                "{} files instead of {}: {names:?}",
                names.len(),
                self.files.len()
            ));
        }
        let before = |age| began.checked_sub(age).unwrap_or(began);
        let mut right = Right::Fresh;
        let versions: BTreeMap<&str, &str> = response
            .object_version
            .iter()
            .map(|it| (it.id.as_str(), it.version.as_str()))
            .collect();
        let mut generations = BTreeMap::new();
        for file in &response.files {
            let problem = |what: &str| Err(format!("file {} {what}", file.path));
            match self.files.get(&file.path) {
                None => return problem("was not asked for"),
                Some(Content::Exactly(bytes)) if *bytes == file.contents => {}
                Some(Content::Exactly(_)) => return problem("holds something else"),
                Some(Content::Rotated { at, oos, whole }) => {
                    let Some(generation) = generation(*at, *whole, &file.contents) else {
                        return problem("holds something else");
                    };
                    if !values.was_current_after(*at, generation, before(self.age)) {
                        right = Right::Stale;
                        if !values.was_current_after(*at, generation, before(self.stale)) {
                            return problem(&format!("is too old: generation {generation}"));
                        }
                    }
                    let version = values::version(*oos, generation);
                    if versions.get(file.path.as_str()) != Some(&version.as_str()) {
                        return problem(&format!(
                            "of generation {generation} has another version: {versions:?}"
                        ));
                    }
                    if *generations.entry((at, oos)).or_insert(generation) != generation {
                        return problem("is of another generation than a file of the same secret");
                    }
                }
            }
        }
        Ok(right)
    }
}

/// The generation that a rotated value says it is of.
fn generation(at: usize, whole: bool, contents: &[u8]) -> Option<usize> {
    let text = std::str::from_utf8(contents).ok()?;
    let part = if whole { text.split('"').nth(3)? } else { text };
    let generation = part.strip_prefix(&format!("{at} "))?.parse().ok()?;
    (!whole || text == values::rotated_json(at, generation)).then_some(generation)
}

/// The volume that goes with a wild number.
pub(crate) fn volume(stand: &Stand, chance: u64, number: u64, caller: u64) -> (Volume, Expected) {
    // A few hundred volumes that are mounted again and again, each of one class, and as many that are never seen again.
    let known = chance.is_multiple_of(2).then_some((chance / 2) % 300);
    let chance = known.map_or(chance, mix);
    let identity = IDENTITIES
        .get(usize::try_from(chance / 3 % 8).unwrap_or_default())
        .copied()
        .unwrap_or(OWN);
    let mut expected = Expected {
        identity,
        refused: None,
        files: BTreeMap::new(),
        age: Duration::ZERO,
        stale: stand.stale,
    };
    let objects = if identity == OTHER_POD {
        other_pods_objects(chance, &mut expected)
    } else {
        objects(chance, &mut expected)
    };
    let mut volume = Volume::new([("objects", objects)]);
    volume.pod = format!("pod-{caller}");
    volume.uid = if let Some(known) = known {
        expected.age = REFRESH;
        format!("known-{known}")
    } else {
        format!("new-{number}")
    };
    match identity {
        PAIR => volume.secrets = Some(stand.pair.clone()),
        POD => stand.with_token(&mut volume, "demo-sa"),
        OTHER_POD => stand.with_token(&mut volume, "other-sa"),
        _ => {}
    }
    (volume, expected)
}

/// One object, several, or very many; of both services; some with parts, some of another account.
fn objects(chance: u64, expected: &mut Expected) -> String {
    let count = match chance / 7 % 200 {
        0 => 100,
        1..10 => 20,
        10..100 => 3,
        _ => 1,
    };
    let mut objects = String::new();
    for item in 0..count {
        let number = (chance / 11 + item) % STEADY;
        let file = format!("file-{item}");
        let kind = (chance / 13 + item) % 5;
        if expected.identity != CROSS_ACCOUNT && kind == 0 {
            let at = usize::try_from(number).unwrap_or_default() % ROTATED;
            let name = values::rotated_name(at);
            let _ = writeln!(objects, "- objectName: {name}\n  objectAlias: {file}.whole");
            let oos = item.is_multiple_of(2);
            if oos {
                objects.push_str("  objectType: oos\n");
            }
            let _ = writeln!(
                objects,
                "  jmesPath:\n  - {{path: a, objectAlias: {file}.a}}\n  - {{path: b, objectAlias: {file}.b}}"
            );
            for (part, whole) in [("whole", true), ("a", false), ("b", false)] {
                expected
                    .files
                    .insert(format!("{file}.{part}"), Content::Rotated { at, oos, whole });
            }
            continue;
        }
        let name = values::steady_name(number);
        let _ = writeln!(objects, "- objectName: {name}\n  objectAlias: {file}");
        let oos = kind == 1;
        if oos {
            objects.push_str("  objectType: oos\n");
        }
        // The same name, and another account's value.
        let text = if expected.identity == CROSS_ACCOUNT && item.is_multiple_of(2) {
            let _ = writeln!(objects, "  crossAccountRoleArn: {TARGET_ROLE}");
            values::other_account(number)
        } else if oos {
            values::steady_oos(number)
        } else {
            values::steady_kms(number)
        };
        expected.files.insert(file, Content::Exactly(text.into_bytes()));
    }
    objects
}

/// What this pod's role may read, or what only others may: that must be refused, however fresh a copy of theirs is.
fn other_pods_objects(chance: u64, expected: &mut Expected) -> String {
    if chance.is_multiple_of(5) {
        expected.refused = Some(Code::PermissionDenied);
        return format!("- objectName: {}\n", values::steady_name(chance % STEADY));
    }
    for (file, text) in [("kms", "a secret of team B"), ("oos", "a parameter of team B")] {
        expected
            .files
            .insert(file.to_owned(), Content::Exactly(text.as_bytes().to_vec()));
    }
    "- objectName: team-b\n  objectAlias: kms\n- objectName: team-b\n  objectAlias: oos\n  objectType: oos\n"
        .to_owned()
}
