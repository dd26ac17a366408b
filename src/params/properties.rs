//! Properties that hold for whatever is written: no panic, no path that the driver refuses, no secret in a message.
//!
//! The driver's rules are written a second time for this, in `fuzzing/driver_rules.rs`.

use proptest::prelude::*;

use super::file_name::Paths;
use super::*;
use crate::fuzzing::driver_rules::driver_accepts;
use crate::limits;
use crate::secret::Secret;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn any_attributes_are_read_or_refused(attributes in ".{0,200}", permission in ".{0,10}") {
        let input = Input { attributes: &attributes, permission: &permission };
        let _ = parse(&input, &Options::default());
    }

    /// Both ways: nothing is refused that the driver and our bounds accept.
    #[test]
    fn a_path_is_accepted_exactly_if_the_driver_accepts_it(path in paths()) {
        let admitted = path.len() <= limits::PATH_BYTES && path.split('/').count() <= limits::PATH_COMPONENTS;
        prop_assert_eq!(FileName::parse(&path).is_ok(), driver_accepts(&path) && admitted, "{:?}", path);
    }

    /// A path is taken exactly if it neither equals nor nests with one taken before.
    #[test]
    fn paths_clash_exactly_if_they_are_equal_or_nest(paths in prop::collection::vec("[ab-]{1,2}(/[ab-]{1,2}){0,2}", 1..12)) {
        let mut taken: Vec<String> = Vec::new();
        let owner = Place::default();
        let mut set = Paths::default();
        for path in paths {
            let nests = |other: &String| path.starts_with(&format!("{other}/")) || other.starts_with(&format!("{path}/"));
            let clashes = taken.iter().any(|other| *other == path || nests(other));
            prop_assert_eq!(set.take(&FileName::parse(&path).unwrap(), &owner).is_err(), clashes, "{} in {:?}", path, taken);
            if !clashes {
                taken.push(path);
            }
        }
    }

    #[test]
    fn any_yaml_is_read_or_refused(objects in yaml_tokens(), strict: bool) {
        check(&[("objects", &objects)], &["{\"a\":{\"b\":[1]}}"], strict)?;
    }

    /// Whatever a key is called: where its name is a literal, the suggestion mounts its value.
    #[test]
    fn a_key_that_stands_as_a_literal_is_suggested_as_a_key(key in prop_oneof![".{0,12}", r#"[a'"`\\\\|. \n]{0,8}"#]) {
        let value = serde_json::json!({ &key: CANARY, "other": 1 }).to_string();
        let json = serde_json::Value::from(key.as_str()).to_string();
        let literal = format!("`{}`", json.replace('`', "\\`"));
        let message = tests::mounted(&tests::yaml_of(&literal), &value).unwrap_err();
        prop_assert!(!message.contains(CANARY));
        let suggested = tests::suggestions(&message);
        prop_assert_eq!(suggested.len(), 2, "{}", &message);
        let mounted = tests::mounted(&suggested[0], &value);
        prop_assert_eq!(mounted.as_deref(), Ok(CANARY), "{}", message);
        prop_assert_eq!(tests::mounted(&suggested[1], &value), Ok(key));
    }

    #[test]
    fn whatever_is_mounted_the_driver_accepts(
        objects in items(),
        translation in prop::sample::select(vec!["", "False", "/", ".", "-", "\n"]),
        values in prop::collection::vec(prop_oneof![documents(), Just(CANARY.to_owned())], 1..5),
    ) {
        let values: Vec<&str> = values.iter().map(String::as_str).collect();
        check(&[("objects", &objects), ("pathTranslation", translation)], &values, false)?;
    }
}

/// What must never be seen in a message.
const CANARY: &str = "canary-7f3a";

/// Parses and renders, and judges what comes out.
fn check(parameters: &[(&str, &str)], values: &[&str], strict: bool) -> Result<(), TestCaseError> {
    let attributes: std::collections::BTreeMap<_, _> = parameters.iter().copied().collect();
    let attributes = serde_json::to_string(&attributes).unwrap();
    let options = Options {
        unknown_keys: if strict {
            UnknownKeys::Error
        } else {
            UnknownKeys::Warn
        },
    };
    let input = Input {
        attributes: &attributes,
        permission: "420",
    };
    let plan = match parse(&input, &options) {
        Ok(plan) => plan,
        Err(problems) => return check_message(&problems),
    };
    prop_assert!(!plan.objects.is_empty());
    let values: Vec<Secret> = values
        .iter()
        .map(|value| Secret::from((*value).to_owned()))
        .collect();
    let fetched: Vec<Option<&Secret>> = (0..plan.objects.len())
        .map(|index| values.get(index % values.len()))
        .zip(&plan.objects)
        .map(|(value, object)| value.filter(|_| !object.optional))
        .collect();
    let files = match plan.render(&fetched) {
        Ok(files) => files,
        Err(problems) => return check_message(&problems),
    };
    for (index, file) in files.iter().enumerate() {
        let path = file.path.as_str();
        prop_assert!(driver_accepts(path), "{path:?}");
        prop_assert!(file.mode.bits() <= 0o777);
        for other in &files[..index] {
            let other = other.path.as_str();
            prop_assert!(path != other, "{path:?} twice");
            prop_assert!(!path.starts_with(&format!("{other}/")), "{path:?} in {other:?}");
            prop_assert!(!other.starts_with(&format!("{path}/")), "{other:?} in {path:?}");
        }
    }
    Ok(())
}

fn check_message(problems: &Problems) -> Result<(), TestCaseError> {
    let message = problems.to_string();
    prop_assert!(!message.is_empty());
    prop_assert!(!message.contains('\n'), "{message}");
    prop_assert!(
        message.len() <= limits::PROBLEMS_MESSAGE_BYTES + 100,
        "{}",
        message.len()
    );
    prop_assert!(!format!("{message}{problems:?}").contains(CANARY), "{message}");
    Ok(())
}

/// Paths of a few components, one of them wrong more often than not.
fn paths() -> impl Strategy<Value = String> {
    let good = || {
        prop::sample::select(vec!["a", "b..", "a b", "é", "\\", "\n", "a..b", ".a"]).prop_map(str::to_owned)
    };
    let odd = prop_oneof![
        prop::sample::select(vec!["", ".", "..", "...", "..a", "\0", "a/"]).prop_map(str::to_owned),
        (254..258_usize).prop_map(|n| "n".repeat(n)),
        (30..34_usize).prop_map(|n| vec!["a"; n].join("/")),
        (11..14_usize).prop_map(|n| vec!["n".repeat(250); n].join("/")),
    ];
    let around = || prop::collection::vec(good(), 0..3);
    (around(), odd, around()).prop_map(|(before, odd, after)| [before, vec![odd], after].concat().join("/"))
}

/// Pieces of YAML in any order.
fn yaml_tokens() -> impl Strategy<Value = String> {
    let token = prop::sample::select(vec![
        "- ",
        "\n",
        "  ",
        "objectName: ",
        "objectType: ",
        "objectAlias: ",
        "jmesPath: ",
        "path: ",
        "optional: ",
        "oos",
        "a",
        "b/c",
        "..",
        "\"*\"",
        "'x'",
        "[",
        "]",
        "{",
        "}",
        ", ",
        ": ",
        "&x ",
        "*x",
        "<<: ",
        "!!str ",
        "~",
        "---\n",
        "...\n",
        "# c\n",
        "|\n",
        ">-\n",
        "\t",
        "\r\n",
        "\u{feff}",
        "? ",
        "\"",
        "'",
        "é",
        "\0",
        "0400",
        "true",
    ]);
    prop::collection::vec(token, 0..40).prop_map(|tokens| tokens.concat())
}

/// Items that mostly parse, with names that try to climb, clash and nest.
fn items() -> impl Strategy<Value = String> {
    let name = || {
        let piece = prop::sample::select(vec![
            "a", "b", "..", ".", "/", "//", "..a", " ", "\\u0000", "\\n", "é", "a:b",
        ]);
        prop::collection::vec(piece, 0..5).prop_map(|pieces| format!("\"{}\"", pieces.concat()))
    };
    let part = prop_oneof![
        name().prop_map(|alias| format!("{{path: a, objectAlias: {alias}}}")),
        name().prop_map(|prefix| format!("{{path: \"*\", prefix: {prefix}, optional: true}}")),
        Just("{path: b, optional: true}".to_owned()),
        Just("{path: 'to_string(@)', objectAlias: c, filePermission: '0400'}".to_owned()),
        Just("{path: 'a.b[*] | [0]', objectAlias: d, objectEncoding: base64, optional: true}".to_owned()),
    ];
    let item = (
        name(),
        name(),
        prop::collection::vec(part, 0..3),
        any::<[bool; 4]>(),
    )
        .prop_map(|(name, alias, parts, [typed, aliased, whole, optional])| {
            let mut item = format!("- objectName: {name}\n");
            if typed {
                item += "  objectType: oos\n";
            }
            if aliased {
                item += &format!("  objectAlias: {alias}\n");
            }
            if !parts.is_empty() {
                item += &format!(
                    "  mountWholeSecret: {whole}\n  jmesPath: [{}]\n",
                    parts.join(", ")
                );
            }
            if optional && parts.is_empty() {
                item += "  optional: yes\n";
            }
            item
        });
    prop::collection::vec(item, 1..5).prop_map(|items| items.concat())
}

/// JSON objects whose keys are as bad as file names can be, and whose values must not be told.
fn documents() -> impl Strategy<Value = String> {
    let key = prop::sample::select(vec!["a", "b", "..", "a/b", "/", "", ".", "..a", "x\\u0000", "é"]);
    let canary = format!("\"{CANARY}\"");
    let value = prop_oneof![
        Just(canary.clone()),
        Just("1".to_owned()),
        Just("null".to_owned()),
        Just(format!("{{\"b\":[{canary}]}}")),
        Just("12345678901234567890123".to_owned()),
    ];
    prop::collection::vec((key, value), 0..5).prop_map(|entries| {
        let entries: Vec<String> = entries
            .iter()
            .map(|(key, value)| format!("\"{key}\":{value}"))
            .collect();
        format!("{{{}}}", entries.join(","))
    })
}
