use super::*;
use crate::limits;
use crate::secret::Secret;

fn attributes(parameters: &[(&str, &str)]) -> String {
    let map: std::collections::BTreeMap<_, _> = parameters.iter().copied().collect();
    serde_json::to_string(&map).unwrap()
}

fn plan_of(parameters: &[(&str, &str)]) -> Result<Plan, Problems> {
    parse(
        &Input {
            attributes: &attributes(parameters),
            permission: "420",
        },
        &Options::default(),
    )
}

fn objects(text: &str) -> Result<Plan, Problems> {
    plan_of(&[("objects", text)])
}

/// Path, mode and contents of each file.
fn files(plan: &Plan, values: &[&str]) -> Vec<(String, String, String)> {
    let values: Vec<Secret> = values
        .iter()
        .map(|value| Secret::from((*value).to_owned()))
        .collect();
    let values: Vec<Option<&Secret>> = values.iter().map(Some).collect();
    plan.render(&values)
        .unwrap()
        .iter()
        .map(|file| {
            let contents = file.contents.expose_str().unwrap().to_owned();
            (file.path.to_string(), file.mode.to_string(), contents)
        })
        .collect()
}

fn problem(objects_text: &str) -> String {
    objects(objects_text).unwrap_err().to_string()
}

#[test]
fn the_documented_json_example_becomes_three_files() {
    let text = "- objectName: \"MySecret\"\n  objectType: \"oos\"\n  jmesPath:\n    - path: \"username\"\n      \
                objectAlias: \"username\"\n    - path: \"password\"\n      objectAlias: \"password\"\n";
    let plan = objects(text).unwrap();
    assert_eq!(plan.objects[0].service, Service::Oos);
    let json = "{\"username\":\"testuser\",\"password\":\"testpassword\"}";
    let expected = [
        ("MySecret", json),
        ("username", "testuser"),
        ("password", "testpassword"),
    ];
    let expected: Vec<_> = expected
        .map(|(path, text)| (path.to_owned(), "0644".to_owned(), text.to_owned()))
        .into();
    assert_eq!(files(&plan, &[json]), expected);
}

#[test]
fn the_documented_two_item_form_is_one_object() {
    let plan = objects("- objectName: \"test\"\n- objectType: \"oos\"\n").unwrap();
    assert_eq!(plan.objects.len(), 1);
    assert_eq!(plan.objects[0].service, Service::Oos);
    assert_eq!(plan.warnings.len(), 1);
}

#[test]
fn slashes_are_translated_as_the_parameter_says() {
    for (translation, name, path) in [
        ("", "My/Path/Secret", "My_Path_Secret"),
        ("False", "My/Path/Secret", "My/Path/Secret"),
        ("fAlse", "/prod/db", "prod/db"),
        ("-", "a/b", "a-b"),
        ("é", "a/b", "aéb"),
    ] {
        let text = format!("- objectName: {name}");
        let plan = plan_of(&[("objects", &text), ("pathTranslation", translation)]).unwrap();
        assert_eq!(files(&plan, &["v"])[0].0, path);
    }
}

#[test]
fn scalars_stay_as_written() {
    for (text, expected) in [
        ("0123", "0123"),
        ("1.10", "1.10"),
        ("1e3", "1e3"),
        ("yes", "yes"),
        ("'~'", "~"),
    ] {
        let plan = objects(&format!("- objectName: n\n  objectVersion: {text}")).unwrap();
        assert_eq!(plan.objects[0].version, Some(expected.to_owned()));
    }
    let plan = objects("- objectName: n\n  objectVersion: ~\n  objectAlias:\n").unwrap();
    assert_eq!(plan.objects[0].version, None);
}

#[test]
fn versions_belong_to_their_service() {
    let plan = objects("- {objectName: a, objectVersion: v1, objectVersionLabel: ACSPrevious}").unwrap();
    assert_eq!(plan.objects[0].version, Some("v1".to_owned()));
    assert_eq!(plan.objects[0].stage.as_deref(), Some("ACSPrevious"));
    let plan = objects("- {objectName: a, objectType: oos, objectVersion: 7}").unwrap();
    assert_eq!(plan.objects[0].version, Some("7".to_owned()));
    for bad in ["0", "01", "-1", "1.0", "v1", "99999999999"] {
        let text = format!("- {{objectName: a, objectType: oos, objectVersion: \"{bad}\"}}");
        assert!(problem(&text).contains("whole number"), "{bad}");
    }
    assert!(
        problem("- {objectName: a, objectType: oos, objectVersionLabel: x}").contains("no version labels")
    );
}

#[test]
fn paths_that_the_driver_would_refuse_are_refused_here() {
    for alias in ["..", "../x", "a/../b", "..data", ".", "a/./b", "a//b", "a/"] {
        let objects = format!("- {{objectName: n, objectAlias: \"{alias}\"}}");
        let plan = plan_of(&[("objects", &objects), ("pathTranslation", "False")]);
        assert!(plan.unwrap_err().to_string().contains("file name"), "{alias}");
        let objects = format!("- {{objectName: n, jmesPath: [{{path: a, objectAlias: \"{alias}\"}}]}}");
        let plan = plan_of(&[("objects", &objects), ("pathTranslation", "False")]);
        assert!(
            plan.unwrap_err().to_string().contains("jmesPath[1].objectAlias"),
            "{alias}"
        );
    }
    for alias in ["prod/db", "a/..b", ".a", "%2e%2e/x", "a b"] {
        let objects = format!("- {{objectName: n, objectAlias: \"{alias}\"}}");
        plan_of(&[("objects", &objects), ("pathTranslation", "False")]).unwrap();
    }
}

#[test]
fn equal_and_nesting_paths_name_both_items() {
    let text = problem("- {objectName: a, objectType: kms}\n- {objectName: a, objectType: oos}\n");
    assert!(
        text.contains("item 2 \"a\"") && text.contains("taken by item 1 \"a\""),
        "{text}"
    );
    for pair in [["conf", "conf/x"], ["conf/x", "conf"]] {
        let objects = format!("- objectName: {}\n- objectName: {}", pair[0], pair[1]);
        let text = plan_of(&[("objects", &objects), ("pathTranslation", "False")])
            .unwrap_err()
            .to_string();
        assert!(text.contains("item 1") && text.contains("item 2"), "{text}");
    }
}

#[test]
fn all_problems_are_told_at_once_with_their_places() {
    let text =
        "- objectName: a\n  objectType: ooss\n- objectAlias: x\n-\n- objectName: b\n  objectAlias: ..\n";
    let problems = plan_of(&[("objects", text), ("region", "CN Hangzhou")]).unwrap_err();
    let places: Vec<_> = problems
        .iter()
        .map(|problem| (problem.place.item, problem.place.at.map(|at| at.line)))
        .collect();
    assert_eq!(
        places,
        [
            (None, None),
            (Some(1), Some(2)),
            (Some(2), Some(3)),
            (Some(3), Some(4)),
            (Some(4), Some(6))
        ]
    );
}

/// Equal for what an author would call the same class, whatever kubelet says beside it.
#[test]
fn the_digest_is_of_the_class_and_of_nothing_else() {
    let digest = |attributes: &str| {
        let input = Input {
            attributes,
            permission: "420",
        };
        parse(&input, &Options::default()).unwrap().parameters
    };
    let class = [
        r#""objects":"- objectName: a\n""#,
        r#""region":"cn-hangzhou""#,
        r#""team":"x""#,
        r#""owner":"y""#,
    ];
    let with = |more: &[&str]| digest(&format!("{{{}}}", [&class, more].concat().join(",")));
    let same = with(&[]);
    let mut reversed = class;
    reversed.reverse();
    assert_eq!(
        digest(&format!("{{ {} }}", reversed.join(" , "))),
        same,
        "order and space"
    );
    assert_eq!(
        digest(r#"{"team":"\u0078","owner":"y","objects":"- objectName: \u0061\n","region":"cn-hangzhou"}"#),
        same,
        "as Go escapes"
    );
    for not_of_the_class in [
        r#""csi.storage.k8s.io/pod.uid":"u""#,
        r#""csi.storage.k8s.io/pod.name":"p""#,
        r#""csi.storage.k8s.io/pod.namespace":"n""#,
        r#""csi.storage.k8s.io/serviceAccount.name":"s""#,
        r#""csi.storage.k8s.io/serviceAccount.tokens":"{\"a\":{\"token\":\"t\"}}""#,
        r#""csi.storage.k8s.io/ephemeral":"true""#,
        r#""secretProviderClass":"web""#,
        r#""pathTranslation":null"#,
        r#""filePermission":"""#,
    ] {
        assert_eq!(with(&[not_of_the_class]), same, "{not_of_the_class}");
    }
    let mut all = vec![same];
    for of_the_class in [
        r#""objects":"- objectName: b\n""#,
        r#""objects":"- objectName: a""#,
        r#""objects":"- objectName: a\n  region: cn-beijing\n""#,
        r#""region":"cn-beijing""#,
        r#""region":"""#,
        r#""pathTranslation":"False""#,
        r#""filePermission":"0600""#,
        r#""usePodServiceAccountToken":"true""#,
        r#""usePodServiceAccountToken":"false""#,
        r#""regio":"ncn-hangzhou""#,
        r#""teamx":"""#,
        r#""x":"1""#,
        r#""x":"1","y":"2""#,
        r#""x":"2","y":"1""#,
    ] {
        let digest = with(&[of_the_class]);
        assert!(!all.contains(&digest), "{of_the_class}");
        all.push(digest);
    }
    let swapped = r#"{"objects":"- objectName: a\n","region":"cn-hangzhou","team":"y","owner":"x"}"#;
    assert!(!all.contains(&digest(swapped)), "values that change places");
    // Of a key that comes twice, the last one counts, as in the plan.
    let twice = with(&[r#""region":"cn-beijing""#, r#""region":"cn-hangzhou""#]);
    assert_eq!(twice, same);
}

#[test]
fn permission_is_the_default_mode() {
    for (permission, mode) in [
        ("420", "0644"),
        (" 256 ", "0400"),
        ("", "0644"),
        ("x", "0644"),
        ("-1", "0644"),
        ("4095", "0777"),
        ("0", "0000"),
    ] {
        let input = Input {
            attributes: &attributes(&[("objects", "- objectName: n")]),
            permission,
        };
        let plan = parse(&input, &Options::default()).unwrap();
        assert_eq!(files(&plan, &["v"])[0].1, mode, "{permission:?}");
    }
}

#[test]
fn no_token_is_ever_printed() {
    let canary = "canary-5e0c";
    let tokens = "csi.storage.k8s.io/serviceAccount.tokens";
    let plan = plan_of(&[("objects", "- objectName: n"), (tokens, canary)]).unwrap();
    assert_eq!(plan.tokens.as_ref().and_then(Secret::expose_str), Some(canary));
    assert!(!format!("{plan:?}").contains(canary));
    for text in [
        format!("{{\"{tokens}\": [\"{canary}\"]}}"),
        format!("\"{canary}\""),
        format!("{{\"{tokens}\": \"{canary}"),
        format!("[\"{canary}\"]"),
    ] {
        let error = parse(
            &Input {
                attributes: &text,
                permission: "",
            },
            &Options::default(),
        )
        .unwrap_err();
        assert!(!format!("{error} {error:?}").contains(canary));
    }
}

#[test]
fn values_are_never_printed() {
    let plan = objects("- {objectName: n, jmesPath: [{path: a}, {path: 'sum(@)', objectAlias: s}]}").unwrap();
    for value in [
        "{\"b\":\"canary\"}",
        "canary",
        "{\"a\":\"canary\"",
        "\"canary\"",
        "[\"canary\"]",
    ] {
        let error = plan.render(&[Some(&Secret::from(value.to_owned()))]).unwrap_err();
        assert!(
            !format!("{error} {error:?}").contains("canary"),
            "{value}: {error}"
        );
    }
    for encoding in ["base64", "base64url", "hex"] {
        let whole = objects(&format!("- {{objectName: n, objectEncoding: {encoding}}}")).unwrap();
        let part = format!("- {{objectName: n, jmesPath: [{{path: a, objectEncoding: {encoding}}}]}}");
        for plan in [whole, objects(&part).unwrap()] {
            let error = plan
                .render(&[Some(&Secret::from("{\"a\":\"*canary*\"}".to_owned()))])
                .unwrap_err();
            assert!(
                !format!("{error} {error:?}").contains("canary"),
                "{encoding}: {error}"
            );
        }
    }
}

/// The suggestions of a message: whatever stands after `path: `, as YAML.
pub(super) fn suggestions(message: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (at, begin) in message.match_indices("path: ") {
        let rest = &message[at + begin.len()..];
        let quote = rest.chars().next().unwrap();
        let mut chars = rest.char_indices().skip(1).peekable();
        while let Some((end, c)) = chars.next() {
            if c == '\\' && quote == '"' || c == '\'' && chars.peek().is_some_and(|(_, next)| *next == '\'') {
                chars.next();
            } else if c == quote {
                found.push(rest[..=end].to_owned());
                break;
            }
        }
    }
    found
}

/// What is mounted for a `path` in YAML.
pub(super) fn mounted(path: &str, value: &str) -> Result<String, String> {
    let text =
        format!("- {{objectName: n, mountWholeSecret: false, jmesPath: [{{path: {path}, objectAlias: x}}]}}");
    let plan = objects(&text).map_err(|problems| problems.to_string())?;
    let files = plan.render(&[Some(&Secret::from(value.to_owned()))]);
    let files = files.map_err(|problems| problems.to_string())?;
    Ok(files[0].contents.expose_str().unwrap().to_owned())
}

/// A path as YAML without a helper.
pub(super) fn yaml_of(expression: &str) -> String {
    let escaped: String = expression
        .chars()
        .map(|c| format!("\\U{:08x}", u32::from(c)))
        .collect();
    format!("\"{escaped}\"")
}

/// The suggestion mounts the value of the key, or the text where the text was meant.
#[test]
fn a_literal_that_names_a_key_is_refused_and_the_suggestion_mounts_the_key() {
    let value = r#"{"db.password":"dotted","db":{"password":"nested","api-key":"k","it's":"i"},"password":"p",
        "5432":"port","it's":"quote","say \"x\"":"said","a\\b":"slash"," blank ":"blank","line\nfeed":"fed",
        "next\u0085":"nel","é😀":"e","":"empty","a|b":"pipe","`":"tick","users":[{"name":"root"}],"user":"u"}"#;
    for (expression, text, expected) in [
        ("'db.password'", "db.password", "dotted"),
        ("`\"db.password\"`", "db.password", "dotted"),
        ("'db.api-key'", "db.api-key", "k"),
        ("'$.db.api-key'", "$.db.api-key", "k"),
        ("'db.\"it\\'s\"'", "db.\"it's\"", "i"),
        ("'users[0].name'", "users[0].name", "root"),
        ("'\"db.password\"'", "\"db.password\"", "dotted"),
        ("'password'", "password", "p"),
        (" 'password' ", "password", "p"),
        ("'\tpassword '", "\tpassword ", "p"),
        ("`5432`", "5432", "port"),
        ("'it\\'s'", "it's", "quote"),
        ("'say \"x\"'", "say \"x\"", "said"),
        ("'a\\b'", "a\\b", "slash"),
        ("' blank '", " blank ", "blank"),
        ("'line\nfeed'", "line\nfeed", "fed"),
        ("`\"line\\nfeed\"`", "line\nfeed", "fed"),
        ("'next\u{85}'", "next\u{85}", "nel"),
        ("'é😀'", "é😀", "e"),
        ("''", "", "empty"),
        ("'a|b'", "a|b", "pipe"),
        ("`\"\\`\"`", "`", "tick"),
        ("'password' || '1'", "password", "p"),
        ("`null` || 'password'", "password", "p"),
        ("user | 'password'", "password", "p"),
        ("to_string('user')", "user", "u"),
        ("join('-', ['user', 'password'])", "user-password", "u-p"),
        ("join('.', ['db', 'password'])", "db.password", "dotted"),
        ("not_null('user', password)", "user", "u"),
        ("{a: 'user', b: password}.a", "user", "u"),
        ("length('user')", "4", "1"),
        ("to_array('users') | [0]", "users", "{\"name\":\"root\"}"),
    ] {
        let message = mounted(&yaml_of(expression), value).unwrap_err();
        assert!(
            message.contains("never reads the value"),
            "{expression}: {message}"
        );
        let suggested = suggestions(&message);
        assert_eq!(suggested.len(), 2, "{message}");
        assert_eq!(
            mounted(&suggested[0], value).as_deref(),
            Ok(expected),
            "{message}"
        );
        assert_eq!(mounted(&suggested[1], value).as_deref(), Ok(text), "{message}");
    }
}

#[test]
fn literals_cost_steps_and_are_mounted_by_no_one_who_has_none_left() {
    let literals = vec!["'x'"; 200].join(",");
    let text: String = (0..100)
        .map(|i| format!("- {{objectName: n, objectAlias: a{i}, mountWholeSecret: false, jmesPath: [{{path: \"[{literals}]\", objectAlias: b{i}}}]}}\n"))
        .collect();
    let value = Secret::from("{\"a\":1}".to_owned());
    let error = objects(&text)
        .unwrap()
        .render(&vec![Some(&value); 100])
        .unwrap_err();
    assert!(error.to_string().contains("needs too many steps"), "{error}");
}

#[test]
fn a_plan_can_be_shared_between_threads() {
    fn shared<T: Send + Sync>() {}
    shared::<Plan>();
    shared::<RenderedFile>();
}

#[test]
fn files_and_bytes_are_bounded() {
    let keys: Vec<String> = (0..=limits::FILES).map(|key| format!("\"k{key}\":1")).collect();
    let value = Secret::from(format!("{{{}}}", keys.join(",")));
    let plan = objects("- {objectName: n, mountWholeSecret: false, jmesPath: \"*\"}").unwrap();
    assert!(
        plan.render(&[Some(&value)])
            .unwrap_err()
            .to_string()
            .contains("more than 4096 files")
    );
    let value = Secret::from(format!("{{{}}}", keys[1..].join(",")));
    assert_eq!(plan.render(&[Some(&value)]).unwrap().len(), limits::FILES);

    let parts = (0..5)
        .map(|part| format!("{{path: p, objectAlias: %-{part}}}"))
        .collect::<Vec<_>>()
        .join(", ");
    let item = format!("- {{objectName: '%', jmesPath: [{parts}]}}\n");
    let text: String = (0..700)
        .map(|index| item.replace('%', &index.to_string()))
        .collect();
    assert!(problem(&text).contains("4200 files are more than the limit of 4096"));

    let half = Secret::new(vec![b'x'; limits::RENDERED_BYTES / 2]);
    let plan = objects("- objectName: a\n- objectName: b\n- objectName: c\n").unwrap();
    let more = plan.render(&[Some(&half), Some(&half), Some(&Secret::from("x".to_owned()))]);
    assert!(more.unwrap_err().to_string().contains("8388608 bytes"));
    assert_eq!(
        plan.render(&[Some(&half), Some(&half), Some(&Secret::default())])
            .unwrap()
            .len(),
        3
    );
}

/// Whatever does not fit says so, and has the same files with more room.
#[test]
fn files_have_so_much_room() {
    let room = |files, evaluation| Room { files, evaluation };
    let fits = |text: &str, value: &str, room| {
        let plan = objects(text).unwrap();
        let value = Secret::from(value.to_owned());
        let files = match plan.render_within(&[Some(&value)], room) {
            Ok(files) => Some(files),
            Err(Unrendered::NoRoom) => None,
            Err(Unrendered::Problems(problems)) => panic!("{problems}"),
        };
        let whole = plan.render(&[Some(&value)]).unwrap();
        let bytes = |files: &[RenderedFile]| -> Vec<Vec<u8>> {
            files.iter().map(|file| file.contents.expose().to_vec()).collect()
        };
        assert!(files.as_ref().is_none_or(|files| bytes(files) == bytes(&whole)));
        files.is_some()
    };
    let whole = "- objectName: n\n";
    assert!(fits(whole, "12345678", room(8, 0)));
    assert!(!fits(whole, "123456789", room(8, 0)));
    let twice =
        "- objectName: n\n  mountWholeSecret: false\n  jmesPath: [{path: '[a,a,a]', objectAlias: x}]\n";
    let value = r#"{"a":"0123456789"}"#;
    assert!(fits(twice, value, room(60, 1_000)));
    assert!(!fits(twice, value, room(30, 1_000)), "the file");
    assert!(!fits(twice, value, room(60, 150)), "what the expression builds");
    let many = format!(r#"{{"a":1,"b":[{}1]}}"#, "1,".repeat(100));
    let one = "- objectName: n\n  mountWholeSecret: false\n  jmesPath: [{path: a, objectAlias: x}]\n";
    assert!(fits(one, &many, room(10, 10_000)));
    assert!(!fits(one, &many, room(10, 6_000)), "the document");
    assert!(fits(one, &many, Room::WHOLE));
}

#[test]
fn attributes_are_bounded() {
    let text = format!(
        "{{\"objects\":\"- objectName: n\"}}{}",
        " ".repeat(limits::ATTRIBUTES_BYTES)
    );
    let input = Input {
        attributes: &text,
        permission: "",
    };
    let error = parse(&input, &Options::default()).unwrap_err().to_string();
    assert!(error.contains("more than the limit of 1572864"), "{error}");
}

#[test]
fn problems_past_the_bound_are_counted() {
    let text: String = (0..500)
        .map(|i| format!("- {{objectName: n{i}, objectType: x}}\n"))
        .collect();
    let problems = objects(&text).unwrap_err();
    assert_eq!(problems.iter().count(), limits::PROBLEMS);
    let message = problems.to_string();
    let told = message.matches("objectType").count();
    assert!(
        message.ends_with(&format!("| and {} more", 500 - told)),
        "{message}"
    );
}

#[test]
fn only_so_many_unknown_keys_are_told() {
    let keys: String = (0..5_000).map(|key| format!("  k{key}: v\n")).collect();
    let text = format!("- objectName: n\n{keys}");
    assert_eq!(objects(&text).unwrap().warnings.len(), limits::PROBLEMS);
    let options = Options {
        unknown_keys: UnknownKeys::Error,
    };
    let input = Input {
        attributes: &attributes(&[("objects", &text)]),
        permission: "",
    };
    let message = parse(&input, &options).unwrap_err().to_string();
    let told = message.matches("unknown").count();
    assert!(
        message.ends_with(&format!("| and {} more", 5_000 - told)),
        "{message}"
    );
}

/// However many unknown keys come first, none that chooses the identity is ignored.
#[test]
fn a_key_about_identity_is_refused_after_any_number_of_others() {
    for others in [
        0,
        limits::UNKNOWN_KEYS_COMPARED - 1,
        limits::UNKNOWN_KEYS_COMPARED,
    ] {
        let others: String = (0..others).map(|key| format!("  unknown{key}: v\n")).collect();
        let text = |key: &str| format!("- objectName: n\n{others}  {key}\n");
        let message = problem(&text("crossAccountRole: acs:ram::1:role/r"));
        assert!(
            message.contains("\"crossAccountRole\"") && message.contains("would choose the identity"),
            "{message}"
        );
        assert!(objects(&text("crossAccountRole: ''")).is_ok(), "asks for nothing");
    }
}

#[test]
fn short_words_for_an_identity_are_refused_and_other_short_words_are_not() {
    for (key, remedy) in [
        ("role", "crossAccountRoleArn"),
        ("ak", "nodePublishSecretRef"),
        ("SK", "nodePublishSecretRef"),
        ("accessKeyId", "nodePublishSecretRef"),
    ] {
        for parameters in [
            &[("objects", "- objectName: n"), (key, "canary-91")][..],
            &[("objects", &format!("- objectName: n\n  {key}: canary-91"))],
        ] {
            let message = plan_of(parameters).unwrap_err().to_string();
            assert!(
                message.contains(remedy) && !message.contains("canary"),
                "{message}"
            );
        }
    }
    for key in ["token", "arn", "key", "team", "rôle"] {
        let plan = plan_of(&[("objects", "- objectName: n"), (key, "x")]).unwrap();
        assert_eq!(plan.warnings.len(), 1, "{key}");
    }
}

#[test]
fn work_on_values_is_bounded_over_the_whole_class() {
    let text: String = (0..500)
        .map(|i| {
            format!(
                "- {{objectName: n, objectAlias: a{i}, jmesPath: [{{path: length(@), objectAlias: b{i}}}]}}\n"
            )
        })
        .collect();
    let plan = objects(&text).unwrap();
    let large = Secret::from(format!("[{}0]", "0,".repeat(15_000)));
    let error = plan.render(&vec![Some(&large); 500]).unwrap_err();
    assert_eq!(error.iter().count(), 1, "{error}");
    assert!(error.to_string().contains("needs too many steps"), "{error}");
    let small = Secret::from("[0]".to_owned());
    assert_eq!(plan.render(&vec![Some(&small); 500]).unwrap().len(), 1_000);
}
