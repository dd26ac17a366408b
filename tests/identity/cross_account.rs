//! `crossAccountRoleArn` and `crossAccountExternalId`, object by object.

use csi_provider::grpc::Code;

use crate::world::{GUARDED, TARGET, World, volume};

#[test]
fn objects_of_two_accounts_in_one_volume() {
    let world = World::new();
    let provider = world.start(&world.nobody());
    let objects = format!(
        "- objectName: test-kms\n- objectName: test-kms\n  objectAlias: theirs\n  crossAccountRoleArn: {TARGET}\n- objectName: test\n  objectType: oos\n  objectAlias: guarded\n  crossAccountRoleArn: {GUARDED}\n  crossAccountExternalId: tenant-42\n"
    );
    let files = provider.reads(&volume("default", "web", &objects));
    assert_eq!(files["test-kms"], "hello from KMS");
    assert_eq!(files["theirs"], "hello from KMS in the other account");
    assert_eq!(files["guarded"], "hello from OOS in the other account");
}

#[test]
fn the_external_id_must_be_the_right_one() {
    let world = World::new();
    let provider = world.start(&world.nobody());
    let ask = |line: &str| {
        let objects = format!("- objectName: test-kms\n  crossAccountRoleArn: {GUARDED}\n{line}");
        provider.mount(&volume("default", "web", &objects))
    };
    ask("  crossAccountExternalId: tenant-42\n").unwrap_or_else(|status| panic!("{}", status.message));
    for line in ["", "  crossAccountExternalId: tenant-43\n"] {
        // What the right id was given is not given to the wrong one.
        let status = ask(line).expect_err("refused");
        assert_eq!(status.code, Code::Unauthenticated, "{}", status.message);
        for words in [
            "item 1",
            GUARDED,
            "session web@default",
            "NoPermission",
            "request id",
            "sts:ExternalId",
            "read as: worker RAM role",
        ] {
            assert!(status.message.contains(words), "{words}: {}", status.message);
        }
    }
}

/// All roles that cannot be had are told at once, and nothing is fetched.
#[test]
fn roles_that_cannot_be_had() {
    let world = World::new();
    let provider = world.start(&world.nobody());
    let objects = "- objectName: a\n  crossAccountRoleArn: acs:ram::9999999999990000:role/one\n- objectName: b\n- objectName: c\n  crossAccountRoleArn: acs:ram::9999999999990000:role/two\n";
    let message = provider.refuses(&volume("default", "web", objects));
    assert!(
        message.contains("item 1 \"a\"") && message.contains("item 3 \"c\""),
        "{message}"
    );
    assert!(
        message.contains("EntityNotExist.Role") && !message.contains("item 2"),
        "{message}"
    );
    assert!(world.readers().is_empty());
}

/// What the other account refuses is told with the role it was asked with.
#[test]
fn a_refusal_names_the_role() {
    let world = World::new();
    let provider = world.start(&world.nobody());
    let objects = format!("- objectName: missing\n  crossAccountRoleArn: {TARGET}\n");
    let status = provider
        .mount(&volume("default", "web", &objects))
        .expect_err("missing");
    assert_eq!(status.code, Code::NotFound);
    assert!(
        status
            .message
            .contains(&format!("(as role {TARGET} session web@default)")),
        "{}",
        status.message
    );
}
