//! What goes wrong, and what the reader of the pod's events is told.

use harness::driver::Code;
use harness::driver::{MountRequest, Volume};
use harness::{FakeCloud, Fault, FaultRule, Service};

use crate::world::{World, provider_of, request};

/// Bad parameters: INVALID_ARGUMENT that names item and field, and nothing is fetched.
#[test]
fn bad_parameters_fetch_nothing() {
    let world = World::start();
    let object = |text: &str| request(text);
    let raw = |attributes: &str| MountRequest {
        attributes: attributes.to_owned(),
        ..request("")
    };
    for (what, request, words) in [
        ("no attributes", raw(""), &["attributes"][..]),
        ("malformed attributes", raw("{"), &["attributes"]),
        ("attributes that are a list", raw("[]"), &["attributes"]),
        (
            "no objects",
            Volume::new([("region", "cn-hangzhou")]).request(),
            &["objects"],
        ),
        (
            "objects that are no YAML",
            object("- objectName: [\n"),
            &["objects"],
        ),
        ("objects that are a text", object("name"), &["objects"]),
        ("an empty item", object("- objectName: a\n- \n"), &["item 2"]),
        (
            "unknown type",
            object("- objectName: a\n  objectType: ssm\n"),
            &["item 1", "objectType", "ssm"],
        ),
        ("no name", object("- objectAlias: a\n"), &["item 1", "objectName"]),
        (
            "a name that climbs out",
            object("- objectName: a\n  objectAlias: ../a\n"),
            &["item 1", "objectAlias"],
        ),
        (
            "a name that is the way up",
            object("- objectName: a\n  objectAlias: \"..\"\n"),
            &["item 1", "objectAlias"],
        ),
        (
            "the mount itself",
            object("- objectName: a\n  objectAlias: .\n"),
            &["item 1", "objectAlias"],
        ),
        (
            "two files of one name",
            object("- objectName: a\n- objectName: b\n  objectAlias: a\n"),
            &["item 1", "item 2"],
        ),
        (
            "an alias in jmesPath that climbs out",
            object("- objectName: a\n  jmesPath:\n  - path: b\n    objectAlias: ../../evil\n"),
            &["item 1", "objectAlias"],
        ),
    ] {
        let status = world.driver.mount(request).expect_err(what);
        assert_eq!(status.code(), Code::InvalidArgument, "{what}: {status}");
        for word in words {
            assert!(
                status.message().contains(word),
                "{what}: {:?} does not name {word:?}",
                status.message()
            );
        }
    }
    let mut volume = Volume::new([
        ("objects", "- objectName: /etc/passwd\n"),
        ("region", "cn-hangzhou"),
    ]);
    volume
        .parameters
        .insert("pathTranslation".to_owned(), "False".to_owned());
    // Leading slashes are stripped with translation off, as the official provider does; an alias cannot be absolute.
    volume.parameters.insert(
        "objects".to_owned(),
        "- objectName: a\n  objectAlias: \"\"\n  objectType: 7\n".to_owned(),
    );
    let status = world
        .driver
        .mount(volume.request())
        .expect_err("a number as a type");
    assert_eq!(status.code(), Code::InvalidArgument, "{status}");
    assert!(world.cloud.requests().is_empty(), "{:?}", world.cloud.requests());
}

/// The cloud's refusals, each with its code and with the request id.
#[test]
fn refusals_of_the_cloud() {
    let world = World::start();
    let status = world
        .mount("- objectName: missing\n")
        .expect_err("missing secret");
    assert_eq!(status.code(), Code::NotFound);
    for words in [
        "item 1 \"missing\" (kms)",
        "Forbidden.ResourceNotFound",
        "request id",
        "check objectName",
    ] {
        assert!(status.message().contains(words), "{}", status.message());
    }
    let status = world
        .mount("- objectName: missing\n  objectType: oos\n")
        .expect_err("missing parameter");
    assert_eq!(status.code(), Code::NotFound);
    assert!(
        status.message().contains("EntityNotExists.Parameter"),
        "{}",
        status.message()
    );
}

/// All failures of a Mount are told at once, and no file is returned beside them.
#[test]
fn one_failed_object_fails_the_mount() {
    let world = World::start();
    let status = world
        .mount("- objectName: test\n  objectType: oos\n- objectName: gone\n- objectName: lost\n  objectType: oos\n")
        .expect_err("two are missing");
    assert_eq!(status.code(), Code::NotFound);
    assert!(
        status.message().contains("item 2 \"gone\" (kms)"),
        "{}",
        status.message()
    );
    assert!(
        status.message().contains("item 3 \"lost\" (oos)"),
        "{}",
        status.message()
    );
    assert!(!status.message().contains("item 1"), "{}", status.message());
}

/// A pod's event holds 1,024 bytes, some 200 of them the driver's and kubelet's: the gravest failure comes first, and
/// what befell many objects is told once.
#[test]
fn many_failures_fit_into_an_event() {
    let world = World::start();
    let mut objects: Vec<String> = (1..=12).map(|at| format!("- objectName: gone-{at}\n")).collect();
    objects.push("- objectName: forbidden\n".to_owned());
    let status = world.mount(&objects.concat()).expect_err("nothing is there");
    let message = status.message();
    assert_eq!(status.code(), Code::PermissionDenied, "{message}");
    assert!(
        message.starts_with("item 13 \"forbidden\" (kms): ") && message.contains("kms:GetSecretValue"),
        "{message}"
    );
    assert_eq!(
        message.matches("Forbidden.ResourceNotFound").count(),
        1,
        "{message}"
    );
    assert_eq!(message.matches("request id").count(), 2, "{message}");
    assert!(
        message.contains("; the same for item 2 \"gone-2\" (kms), ")
            && message.contains("\"gone-9\" (kms) and 3 more"),
        "{message}"
    );
    // Who read, and which sources were passed over, may be cut.
    let (essential, _) = message.split_once(" (read as: ").expect("the identity");
    assert!(essential.len() <= 800, "{} bytes: {essential}", essential.len());
    assert!(message.contains("skipped"), "{message}");

    let status = world.mount("- objectName: gone\n").expect_err("missing");
    assert!(!status.message().contains("skipped"), "{}", status.message());
    assert!(status.message().contains("read as: "), "{}", status.message());
}

/// What is there and cannot be read for the state it is in is nobody's bad parameter.
#[test]
fn a_key_that_is_disabled() {
    let world = World::start();
    let disabled = Fault::Error {
        status: 409,
        code: "Rejected.Disabled".to_owned(),
        message: "The key is disabled.".to_owned(),
        dialect: None,
    };
    world.cloud.inject(FaultRule::new(disabled).service(Service::Kms));
    let status = world.mount("- objectName: test-kms\n").expect_err("refused");
    assert_eq!(status.code(), Code::FailedPrecondition, "{status}");
    assert!(
        status.message().contains("enable the KMS key that encrypts it"),
        "{status}"
    );
}

#[test]
fn credentials_that_are_wrong_or_absent() {
    let cloud = FakeCloud::start().expect("fake cloud");
    let (id, _) = cloud.access_key();
    let ask = |id: &str, secret: &str| {
        let builder = provider_of(&cloud)
            .variable("ALIBABA_CLOUD_ECS_METADATA_DISABLED", "true")
            .variable("ACCESS_KEY_ID", id)
            .variable("SECRET_ACCESS_KEY", secret);
        let provider = builder.start().expect("provider");
        let driver = harness::driver::Driver::new(provider.socket());
        let status = driver
            .mount(request("- objectName: test\n  objectType: oos\n"))
            .expect_err("refused");
        (status, provider.log())
    };
    let (status, log) = ask(&id, "canary-wrong-secret");
    assert_eq!(status.code(), Code::Unauthenticated, "{status}");
    assert!(
        status.message().contains("SignatureDoesNotMatch"),
        "{}",
        status.message()
    );
    assert!(
        !status.message().contains("canary") && !log.contains("canary"),
        "{status} {log}"
    );

    let (status, _) = ask("LTAIunknown", "secret");
    assert_eq!(status.code(), Code::Unauthenticated, "{status}");
    assert!(
        status.message().contains("InvalidAccessKeyId.NotFound"),
        "{}",
        status.message()
    );

    let (status, _) = ask("", "");
    assert_eq!(status.code(), Code::Unauthenticated, "{status}");
    assert!(status.message().contains("ACCESS_KEY_ID"), "{}", status.message());
}

/// What the pod brings comes before what the provider has, and half of it is no reason to fall back.
#[test]
fn node_publish_secrets() {
    let world = World::start();
    let (id, secret) = world.cloud.access_key();
    let ask = |world: &World, pairs: &[(&str, &str)]| {
        let mut volume = Volume::new([
            ("objects", "- objectName: test\n  objectType: oos\n"),
            ("region", "cn-hangzhou"),
        ]);
        volume.secrets = Some(
            pairs
                .iter()
                .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
                .collect(),
        );
        world.driver.mount(volume.request())
    };
    let nobody = World::with(|provider, _| {
        provider
            .variable("ACCESS_KEY_ID", "")
            .variable("SECRET_ACCESS_KEY", "")
    });
    let (their_id, their_secret) = nobody.cloud.access_key();
    ask(
        &nobody,
        &[("access_key", &their_id), ("access_secret", &their_secret)],
    )
    .expect("the pod's own pair");

    let status = ask(
        &world,
        &[("access_key", "LTAIunknown"), ("access_secret", &secret)],
    )
    .expect_err("unknown key");
    assert_eq!(status.code(), Code::Unauthenticated);
    assert!(status.message().contains("nodePublishSecretRef"), "{status}");

    let status = ask(&world, &[("access_key", &id)]).expect_err("half a pair");
    assert_eq!(status.code(), Code::Unauthenticated);
    assert!(status.message().contains("access_secret"), "{status}");
}

/// A Secret with other keys than access_key and access_secret is no reason to read as the provider, which could.
#[test]
fn node_publish_secrets_with_other_keys() {
    let world = World::with(|provider, _| provider.argument("--v=10"));
    let ask = |world: &World, secrets: &str| {
        let request = MountRequest {
            secrets: secrets.to_owned(),
            ..request("- objectName: test\n  objectType: oos\n")
        };
        world.driver.mount(request)
    };
    let expected = "expected the keys access_key and access_secret, found ";
    let refused = [
        (
            r#"{"ak":"canary-id","sk":"canary-secret"}"#,
            "\"ak\", \"sk\"; in that Secret, rename",
        ),
        (
            r#"{"AccessKeyID":"canary-id","AccessKeySecret":"canary-secret"}"#,
            "\"AccessKeyID\", \"AccessKeySecret\"; in that Secret, rename",
        ),
        (
            r#"{"ACCESS_KEY_ID":"canary-id","SECRET_ACCESS_KEY":"canary-secret"}"#,
            "\"ACCESS_KEY_ID\", \"SECRET_ACCESS_KEY\"; in that Secret, rename",
        ),
        (
            r#"{"id":"canary-id","secret":"canary-secret"}"#,
            "\"id\", \"secret\"; in that Secret, rename",
        ),
        (
            r#"{"password":"canary-secret"}"#,
            "\"password\"; in that Secret, add",
        ),
        (
            r#"{"access_key":"canary-id"}"#,
            "\"access_key\"; in that Secret, add access_secret",
        ),
        (
            r#"{"access_key":"canary-id","access_secret":"canary secret"}"#,
            "\"access_key\", \"access_secret\"; set access_secret",
        ),
        (r#"["canary-secret"]"#, "none; check"),
    ];
    for (secrets, words) in refused {
        let status = ask(&world, secrets).expect_err(secrets);
        assert_eq!(status.code(), Code::Unauthenticated, "{status}");
        assert!(
            status.message().contains(&format!("{expected}{words}")),
            "{words}: {status}"
        );
        assert!(!status.message().contains("canary"), "{status}");
    }
    let asked = world.cloud.requests();
    assert!(asked.is_empty(), "{asked:?}");
    assert!(
        !world.provider.log().contains("canary"),
        "{}",
        world.provider.log()
    );

    let user = "acs:ram::1234567890120000:user/csi-provider";
    let readers = |world: &World| {
        let reads = world.cloud.requests_of(Service::Oos);
        world.cloud.clear_requests();
        reads
            .into_iter()
            .map(|read| read.identity.unwrap_or_default())
            .collect::<Vec<_>>()
    };
    for secrets in [
        "",
        "null",
        "{}",
        r#"{"csi.storage.k8s.io/serviceAccount.tokens":"{\"sts.aliyuncs.com\":{\"token\":\"x\"}}"}"#,
    ] {
        ask(&world, secrets).expect(secrets);
        assert_eq!(readers(&world), [user], "{secrets}");
    }
    let lenient = World::with(|provider, _| provider.argument("--allow-identity-fallback"));
    ask(&lenient, refused[0].0).expect("the next source");
    assert_eq!(readers(&lenient), [user]);
    let log = lenient.provider.log();
    assert!(
        log.contains("reads with a fallback identity") && log.contains("rename") && !log.contains("canary"),
        "{log}"
    );
}

/// No secret in the log, at the finest level, nor in any error.
#[test]
fn nothing_secret_is_logged() {
    let world = World::with(|provider, _| provider.argument("--v=10"));
    world
        .cloud
        .set_kms_text("canary", r#"{"inner":"canary-kms-value"}"#);
    world.cloud.set_oos("canary", "canary-oos-value");
    let (_, access_key_secret) = world.cloud.access_key();
    let objects = "- objectName: canary\n- objectName: canary\n  objectType: oos\n  objectAlias: other\n";
    world.mount(objects).expect("mount");
    let mut volume = Volume::new([(
        "objects",
        "- objectName: canary\n  jmesPath:\n  - path: inner.deeper\n    objectAlias: x\n",
    )]);
    let (id, secret) = world.cloud.access_key();
    volume.secrets = Some(
        [
            ("access_key", id.as_str()),
            ("access_secret", &secret),
            ("password", "canary-publish-secret"),
        ]
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .into(),
    );
    volume.parameters.insert(
        "csi.storage.k8s.io/serviceAccount.tokens".to_owned(),
        "canary-token".to_owned(),
    );
    let status = world.driver.mount(volume.request()).expect_err("null result");
    let log = world.provider.log();
    for secret in [
        "canary-kms-value",
        "canary-oos-value",
        "canary-publish-secret",
        "canary-token",
        &access_key_secret,
    ] {
        assert!(!log.contains(secret), "{secret} in the log: {log}");
        assert!(!status.message().contains(secret), "{secret} in {status}");
    }
    assert!(log.contains("mounted"), "{log}");
}
