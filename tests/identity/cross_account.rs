//! `crossAccountRoleArn` and `crossAccountExternalId`, object by object.

use std::thread;
use std::time::Duration;

use csi_provider::grpc::Code;
use csi_provider::limits::ROLE_HELPERS;
use harness::{Fault, FaultRule, Service};

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

/// Whether so many calls of STS come to be under way at once, exactly; waits for it for some seconds.
fn are_under_way(world: &World, count: usize) -> bool {
    (0..500).any(|_| {
        thread::sleep(Duration::from_millis(10));
        let asked = world.asked(Service::Sts);
        asked.len() == count && asked.iter().all(|call| call.status.is_none())
    })
}

/// The roles of one Mount are assumed side by side, each once: STS answers nobody before all of them have asked.
#[test]
fn several_roles_at_once() {
    let world = World::new();
    let provider = world.start(&world.nobody());
    let objects = format!(
        "- objectName: test-kms\n  crossAccountRoleArn: {TARGET}\n- objectName: test-kms\n  objectAlias: again\n  crossAccountRoleArn: {TARGET}\n- objectName: test\n  objectType: oos\n  crossAccountRoleArn: {GUARDED}\n  crossAccountExternalId: tenant-42\n- objectName: a\n  crossAccountRoleArn: acs:ram::9999999999990000:role/one\n- objectName: b\n  crossAccountRoleArn: acs:ram::9999999999990000:role/two\n"
    );
    let held = world
        .cloud
        .inject(FaultRule::new(Fault::Hold).service(Service::Sts));
    let message = thread::scope(|scope| {
        let mount = scope.spawn(|| provider.refuses(&volume("default", "web", &objects)));
        let overlap = are_under_way(&world, 4);
        world.cloud.release(held);
        assert!(overlap, "{:?}", world.asked(Service::Sts));
        mount.join().expect("an answer")
    });
    assert_eq!(world.asked(Service::Sts).len(), 4, "two objects share a role");
    // Both that are refused are told, and neither of those that are not.
    assert!(
        message.contains("item 4 \"a\"") && message.contains("role/one"),
        "{message}"
    );
    assert!(
        message.contains("item 5 \"b\"") && message.contains("role/two"),
        "{message}"
    );
    assert!(
        !message.contains("item 1") && !message.contains("item 3"),
        "{message}"
    );
}

/// More roles than there are helpers: every one is assumed all the same.
#[test]
fn more_roles_than_helpers() {
    let world = World::new();
    let provider = world.start(&world.nobody());
    let count = ROLE_HELPERS + 10;
    let objects: String = (0..count)
        .map(|at| {
            format!("- objectName: o{at}\n  crossAccountRoleArn: acs:ram::9999999999990000:role/r{at}\n")
        })
        .collect();
    let held = world
        .cloud
        .inject(FaultRule::new(Fault::Hold).service(Service::Sts));
    thread::scope(|scope| {
        let mount = scope.spawn(|| provider.refuses(&volume("default", "web", &objects)));
        let overlap = are_under_way(&world, ROLE_HELPERS + 1);
        world.cloud.release(held);
        assert!(overlap, "{} calls", world.asked(Service::Sts).len());
        mount.join().expect("an answer")
    });
    assert_eq!(world.asked(Service::Sts).len(), count);
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
