//! What somebody configured and the provider does not understand is an error: nobody else's identity reads instead.
//! The provider of these tests has an identity of its own, the node's, which would read everything.

use csi_provider::grpc::Code;
use harness::driver::Volume;
use harness::{Fault, FaultRule, Service};

use crate::world::{BOTH, TOKENS, World, config, volume, with_tokens};

const PAIR: &str = "expected the keys access_key and access_secret, found ";

/// A volume with a Secret of these entries.
fn with_secret(entries: &[(&str, &str)]) -> Volume {
    let mut volume = volume("rrsa-demo", "demo-sa", BOTH);
    let entries = entries
        .iter()
        .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
    volume.secrets = Some(entries.collect());
    volume
}

/// The same volume with other parameters.
fn with_parameters(mut volume: Volume, parameters: &[(&str, &str)]) -> Volume {
    for (name, value) in parameters {
        volume.parameters.insert((*name).to_owned(), (*value).to_owned());
    }
    volume
}

/// Whoever could have been asked for credentials or values.
fn asked(world: &World) -> usize {
    [Service::Sts, Service::Kms, Service::Oos, Service::Metadata]
        .map(|service| world.asked(service).len())
        .iter()
        .sum()
}

/// What the flag `--allow-identity-fallback` does about a row.
#[derive(Clone, Copy, PartialEq, Debug)]
enum Fallback {
    /// Something is missing: the next source reads, with a warning.
    Reads,
    /// Something is wrong: still refused.
    Refuses,
}

/// A row: what, the volume, the code and the words of its message, and what comes of it with the flag.
type Row = (&'static str, Volume, Code, &'static str, Fallback);

fn rows(world: &World) -> Vec<Row> {
    use Fallback::{Reads, Refuses};
    let token = world.token("rrsa-demo", "demo-sa");
    let pod = || world.pod("rrsa-demo", "demo-sa", BOTH);
    let plain = || volume("rrsa-demo", "demo-sa", BOTH);
    let objects = |text: &str| volume("rrsa-demo", "demo-sa", text);
    let tokens = |text: &str| with_parameters(pod(), &[(TOKENS, text)]);
    let in_secrets = |text: &str| {
        let mut volume = with_secret(&[(TOKENS, text)]);
        volume
            .parameters
            .insert("usePodServiceAccountToken".to_owned(), "true".to_owned());
        volume
    };
    let invalid = Code::InvalidArgument;
    let refused = Code::Unauthenticated;
    for (account, role) in [
        ("malformed-sa", "demo-role-for-rrsa"),
        ("blank-sa", " "),
        ("user-sa", "acs:ram::1234567890120000:user/x"),
        ("two-sa", "acs:ram::1:role/a,acs:ram::1:role/b"),
    ] {
        world.annotate(account, role);
    }
    let annotated = |account: &str| world.pod("rrsa-demo", account, BOTH);
    let name_missing = |name: &str| {
        let mut volume = pod();
        match name {
            "namespace" => volume.namespace.clear(),
            _ => volume.service_account.clear(),
        }
        volume
    };
    vec![
        // The Secret of the volume.
        (
            "ak, sk",
            with_secret(&[("ak", "LTAI"), ("sk", "canary")]),
            refused,
            "rename \"ak\" to access_key",
            Reads,
        ),
        (
            "AccessKeyID, AccessKeySecret",
            with_secret(&[("AccessKeyID", "LTAI"), ("AccessKeySecret", "canary")]),
            refused,
            "\"AccessKeyID\", \"AccessKeySecret\"; in that Secret, rename",
            Reads,
        ),
        (
            "the names of --credentials-dir",
            with_secret(&[("ACCESS_KEY_ID", "LTAI"), ("SECRET_ACCESS_KEY", "canary")]),
            refused,
            "\"ACCESS_KEY_ID\", \"SECRET_ACCESS_KEY\"; in that Secret, rename",
            Reads,
        ),
        (
            "the names of the product's Secret",
            with_secret(&[("id", "LTAI"), ("secret", "canary")]),
            refused,
            "rename \"id\"",
            Reads,
        ),
        (
            "keys of nothing",
            with_secret(&[("password", "canary")]),
            refused,
            PAIR,
            Reads,
        ),
        (
            "half a pair",
            with_secret(&[("access_key", "LTAI")]),
            refused,
            "add access_secret",
            Reads,
        ),
        (
            "the other half",
            with_secret(&[("ACCESS_SECRET", "canary")]),
            refused,
            "add access_key",
            Reads,
        ),
        (
            "ak beside the driver's tokens",
            with_secret(&[(TOKENS, "{}"), ("ak", "LTAI"), ("sk", "canary")]),
            refused,
            "found \"ak\", \"sk\";",
            Reads,
        ),
        (
            "an empty half",
            with_secret(&[("access_key", "LTAI"), ("access_secret", "")]),
            refused,
            "access_secret is empty",
            Reads,
        ),
        (
            "a value in base64 twice, cut by a line break",
            with_secret(&[("access_key", "LTAI"), ("access_secret", "canary\ncanary")]),
            refused,
            "access_secret has bytes",
            Refuses,
        ),
        (
            "two spellings with different values",
            with_secret(&[
                ("access_key", "LTAI"),
                ("ACCESS_KEY", "LTAJ"),
                ("access_secret", "canary"),
            ]),
            refused,
            "access_key appears in two spellings",
            Refuses,
        ),
        // Whether to read as the pod.
        (
            "maybe",
            with_parameters(plain(), &[("usePodServiceAccountToken", "maybe")]),
            invalid,
            "\"maybe\" is neither",
            Refuses,
        ),
        (
            "a blank",
            with_parameters(plain(), &[("usePodServiceAccountToken", " ")]),
            invalid,
            "is neither true",
            Refuses,
        ),
        (
            "true with a blank",
            with_parameters(plain(), &[("usePodServiceAccountToken", "true ")]),
            invalid,
            "is neither true",
            Refuses,
        ),
        (
            "the key in another case",
            with_parameters(plain(), &[("UsePodServiceAccountToken", "true")]),
            invalid,
            "did you mean usePodServiceAccountToken?",
            Refuses,
        ),
        (
            "the key mistyped",
            with_parameters(plain(), &[("usePodServiceAcountToken", "yes")]),
            invalid,
            "did you mean usePodServiceAccountToken?",
            Refuses,
        ),
        (
            "another provider's key",
            with_parameters(plain(), &[("usePodIdentity", "true")]),
            invalid,
            "did you mean usePodServiceAccountToken?",
            Refuses,
        ),
        // The tokens.
        (
            "no tokens",
            with_parameters(plain(), &[("usePodServiceAccountToken", "true")]),
            refused,
            "has no ServiceAccount tokens",
            Reads,
        ),
        (
            "tokens that are no JSON",
            tokens("canary"),
            refused,
            "not the JSON object that kubelet writes",
            Refuses,
        ),
        (
            "tokens that are a list",
            tokens("[]"),
            refused,
            "not the JSON object that kubelet writes",
            Refuses,
        ),
        (
            "tokens cut short",
            tokens("{\"sts.aliyuncs.com\":{\"token\":\"canary"),
            refused,
            "not the JSON object",
            Refuses,
        ),
        (
            "tokens without a token",
            tokens("{\"sts.aliyuncs.com\":{}}"),
            refused,
            "not the JSON object",
            Refuses,
        ),
        (
            "a token for nobody",
            tokens("{}"),
            refused,
            "nor any other",
            Reads,
        ),
        (
            "a token for Vault",
            with_tokens(plain(), &[("vault", &token)]),
            refused,
            "(it has \"vault\")",
            Reads,
        ),
        (
            "an empty token",
            with_tokens(plain(), &[("sts.aliyuncs.com", "")]),
            refused,
            "empty or not text",
            Refuses,
        ),
        (
            "a token that is no JWT",
            with_tokens(plain(), &[("sts.aliyuncs.com", "canary")]),
            refused,
            "not a JWT",
            Refuses,
        ),
        (
            "somebody else's token",
            with_tokens(
                volume("rrsa-demo", "plain-sa", BOTH),
                &[("sts.aliyuncs.com", &token)],
            ),
            refused,
            "not that of ServiceAccount rrsa-demo/plain-sa",
            Refuses,
        ),
        (
            "in the secrets: no JSON",
            in_secrets("canary"),
            refused,
            "not the JSON object that kubelet writes",
            Refuses,
        ),
        (
            "in the secrets: for Vault",
            in_secrets("{\"vault\":{\"token\":\"x\"}}"),
            refused,
            "(it has \"vault\")",
            Reads,
        ),
        (
            "no namespace",
            name_missing("namespace"),
            refused,
            "podInfoOnMount",
            Reads,
        ),
        (
            "no ServiceAccount",
            name_missing("account"),
            refused,
            "podInfoOnMount",
            Reads,
        ),
        // The role of the ServiceAccount.
        (
            "no annotation",
            annotated("plain-sa"),
            refused,
            "has no annotation",
            Reads,
        ),
        (
            "a blank annotation",
            annotated("blank-sa"),
            refused,
            "has no annotation",
            Reads,
        ),
        (
            "an annotation without account",
            annotated("malformed-sa"),
            refused,
            "is not a role",
            Refuses,
        ),
        (
            "an annotation of a user",
            annotated("user-sa"),
            refused,
            "is not a role",
            Refuses,
        ),
        (
            "an annotation of two roles",
            annotated("two-sa"),
            refused,
            "is not a role",
            Refuses,
        ),
        // The role of an object.
        (
            "a role without account",
            objects("- objectName: test-kms\n  crossAccountRoleArn: target\n"),
            invalid,
            "is not the ARN of a RAM role",
            Refuses,
        ),
        (
            "a role of a list",
            objects("- objectName: test-kms\n  crossAccountRoleArn: [x]\n"),
            invalid,
            "crossAccountRoleArn",
            Refuses,
        ),
        (
            "an external id alone",
            objects("- objectName: test-kms\n  crossAccountExternalId: tenant\n"),
            invalid,
            "crossAccountExternalId",
            Refuses,
        ),
        (
            "a role under a mistyped key",
            objects("- objectName: test-kms\n  crossAcountRoleArn: acs:ram::9999999999990000:role/target\n"),
            invalid,
            "did you mean crossAccountRoleArn?",
            Refuses,
        ),
        (
            "a role of the class",
            with_parameters(
                plain(),
                &[("crossAccountRoleArn", "acs:ram::9999999999990000:role/target")],
            ),
            invalid,
            "write crossAccountRoleArn into the items of objects",
            Refuses,
        ),
        (
            "the pod's identity for an object",
            objects("- objectName: test-kms\n  usePodServiceAccountToken: true\n"),
            invalid,
            "write usePodServiceAccountToken as a parameter of the class",
            Refuses,
        ),
    ]
}

#[test]
fn what_is_not_understood_is_refused_and_nobody_else_reads() {
    let world = World::new();
    for (what, volume, code, words, fallback) in rows(&world) {
        world.cloud.clear_requests();
        let status = world.start(&world.for_pods()).mount(&volume).expect_err(what);
        assert_eq!(status.code, code, "{what}: {}", status.message);
        assert!(status.message.contains(words), "{what}: {}", status.message);
        assert!(!status.message.contains("canary"), "{what}: {}", status.message);
        assert_eq!(asked(&world), 0, "{what}: somebody was asked");

        let lenient = world.start(&world.for_pods().argument("--allow-identity-fallback"));
        match (fallback, lenient.mount(&volume)) {
            (Fallback::Reads, Ok(_)) => {
                let readers = world.readers();
                assert!(
                    readers.len() == 1 && readers.iter().all(|reader| reader.contains("worker-role")),
                    "{what}: {readers:?}"
                );
            }
            (Fallback::Refuses, Err(status)) => {
                assert_eq!(status.code, code, "{what}: {}", status.message);
                assert_eq!(asked(&world), 0, "{what}: somebody was asked");
            }
            (_, outcome) => panic!("{what}: {fallback:?}, and {outcome:?}"),
        }
    }
}

/// Absent, null and empty is nothing: the provider's own identity reads, as it always has.
#[test]
fn nothing_is_no_reason_to_refuse() {
    let world = World::new();
    let provider = world.start(&world.for_pods());
    let plain = || volume("rrsa-demo", "demo-sa", BOTH);
    for (what, volume) in [
        ("no Secret", plain()),
        ("an empty Secret", with_secret(&[])),
        ("the driver's tokens", with_secret(&[(TOKENS, "{}")])),
        (
            "what the driver may add",
            with_secret(&[("csi.storage.k8s.io/new", "x")]),
        ),
        (
            "an empty parameter",
            with_parameters(plain(), &[("usePodServiceAccountToken", "")]),
        ),
        (
            "no",
            with_parameters(plain(), &[("usePodServiceAccountToken", "No")]),
        ),
        (
            "another's no",
            with_parameters(plain(), &[("usePodIdentity", "false")]),
        ),
    ] {
        world.cloud.clear_requests();
        provider.reads(&volume);
        let readers = world.readers();
        assert!(
            readers.len() == 1 && readers.iter().all(|reader| reader.contains("worker-role")),
            "{what}: {readers:?}"
        );
    }
}

/// A directory of credentials that is there and is not understood: the provider does not start, rather than read with
/// the role of the node.
#[test]
fn credentials_dirs() {
    let world = World::new();
    let (id, secret) = world.cloud.access_key();
    for (at, (files, words)) in [
        (
            &["ak", "sk"][..],
            "rename \"ak\" to ACCESS_KEY_ID and rename \"sk\" to SECRET_ACCESS_KEY",
        ),
        (
            &["access_key", "access_secret"],
            "rename \"access_key\" to ACCESS_KEY_ID",
        ),
        (&["password"], "found \"password\"; add ACCESS_KEY_ID"),
        (&[], "found none; add"),
        (&["id"], "there is id and no secret"),
        (
            &["SECRET_ACCESS_KEY"],
            "there is SECRET_ACCESS_KEY and no ACCESS_KEY_ID",
        ),
        (
            &["id", "SECRET_ACCESS_KEY"],
            "there is SECRET_ACCESS_KEY and no ACCESS_KEY_ID",
        ),
        (
            &["id", "secret", "ACCESS_KEY_ID", "SECRET_ACCESS_KEY"],
            "differ from id and secret",
        ),
    ]
    .into_iter()
    .enumerate()
    {
        let directory = format!("keys-{at}");
        std::fs::create_dir(world.path(&directory)).expect("directory");
        for (number, file) in files.iter().enumerate() {
            world.put(&format!("{directory}/{file}"), &format!("canary{number}"));
        }
        let setup = world
            .nobody()
            .argument(format!("--credentials-dir={}", world.path(&directory).display()))
            .argument("--allow-identity-fallback");
        let error = config(&setup).map(drop).expect_err("not understood");
        assert!(error.contains(words), "{files:?}: {error}");
        assert!(!error.contains("canary"), "{error}");
    }
    // Files that make no sense any more under a running provider.
    std::fs::create_dir(world.path("keys")).expect("directory");
    world.put("keys/id", &id);
    world.put("keys/secret", &secret);
    let provider = world.start(
        &world
            .nobody()
            .argument(format!("--credentials-dir={}", world.path("keys").display())),
    );
    provider.reads(&volume("default", "web", BOTH));
    std::fs::rename(world.path("keys/id"), world.path("keys/ak")).expect("rename");
    std::fs::rename(world.path("keys/secret"), world.path("keys/sk")).expect("rename");
    world.cloud.clear_requests();
    let message = provider.refuses(&volume("default", "web", BOTH));
    assert!(message.contains("rename \"ak\" to ACCESS_KEY_ID"), "{message}");
    assert_eq!(asked(&world), 0);
}

/// Nor do copies for outages serve a Secret that cannot be used, which were read as the provider.
#[test]
fn copies_for_outages_do_not_serve_it() {
    let world = World::new();
    let theirs = || with_secret(&[("ak", "LTAI"), ("sk", "canary")]);
    let keeping = world.start(&world.nobody().argument("--serve-stale-for=4h"));
    let plain = volume("rrsa-demo", "demo-sa", BOTH);
    keeping.reads(&plain);
    for service in [Service::Kms, Service::Oos] {
        let unavailable = Fault::error(503, "ServiceUnavailable", "m");
        world.cloud.inject(FaultRule::new(unavailable).service(service));
    }
    keeping.reads(&plain);
    world.cloud.clear_requests();
    let message = keeping.refuses(&theirs());
    assert!(message.contains(PAIR), "{message}");
    assert_eq!(asked(&world), 0);
}

/// Two identities of one pod: that of its ServiceAccount counts, whatever the Secret holds.
#[test]
fn the_pods_service_account_comes_before_its_secret() {
    let world = World::new();
    let provider = world.start(&world.for_pods());
    for secret in [
        &[("ak", "LTAI"), ("sk", "canary")],
        &[("access_key", "LTAI"), ("access_secret", "canary")],
    ] {
        let mut volume = world.pod("rrsa-demo", "demo-sa", BOTH);
        volume.secrets = with_secret(secret).secrets;
        world.cloud.clear_requests();
        provider.reads(&volume);
        let readers = world.readers();
        assert!(
            readers.iter().all(|reader| reader.contains("demo-sa@rrsa-demo")),
            "{readers:?}"
        );
    }
}
