//! One STS call where others make a thousand, and nothing shared between two identities, by any cache there is.

use std::sync::{Arc, Barrier};
use std::time::Duration;

use csi_provider::grpc::Code;
use harness::driver::MountRequest;
use harness::{Fault, FaultRule, Service};

use crate::world::{BOTH, TARGET, World, volume, with_tokens};

#[test]
fn a_thousand_mounts_are_one_sts_call() {
    let world = World::new();
    let setup = world
        .for_pods()
        .argument("--oos-max-pulls-per-second=0")
        .argument("--kms-max-pulls-per-second=0");
    let provider = world.start(&setup);
    let volume = world.pod("rrsa-demo", "demo-sa", "- objectName: test\n  objectType: oos\n");
    const THREADS: usize = 8;
    let together = Barrier::new(THREADS);
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                together.wait();
                for _ in 0..1000 / THREADS {
                    provider.reads(&volume);
                }
            });
        }
    });
    assert_eq!(world.asked(Service::Sts).len(), 1);
    assert_eq!(world.asked(Service::Kubernetes).len(), 1);
}

/// The sync controller asks for all ServiceAccounts with its own pod's uid and one path: each gets what its own role may
/// read, as the cloud holds it now, with copies and with values that are kept for outages.
#[test]
fn a_sync_controller_mixes_nobody_and_gets_no_copy() {
    let world = World::new();
    let setup = world
        .for_pods()
        .argument("--refresh-interval=10m")
        .argument("--serve-stale-for=4h");
    let provider = world.start(&setup);
    let sync = |account: &str| {
        let mut volume = world.pod("rrsa-demo", account, "- objectName: test-kms\n");
        volume.pod = "sync-controller-0".to_owned();
        let request = MountRequest {
            target_path: "/mnt/secrets-store".to_owned(),
            secrets: "{}".to_owned(),
            ..volume.request()
        };
        provider.mount_request(request, Duration::from_secs(60))
    };
    for value in ["monday", "tuesday", "wednesday"] {
        world.cloud.set_kms_text("test-kms", value);
        let files = sync("demo-sa").unwrap_or_else(|status| panic!("{}", status.message));
        assert_eq!(files["test-kms"], value);
        let status = sync("other-sa").expect_err("may not read this");
        assert_eq!(status.code, Code::PermissionDenied, "{}", status.message);
    }
    // STS is lost with its credentials, then KMS, too: who asks is known, and gets no old value.
    world.pass(3_600);
    for service in [Service::Sts, Service::Kms] {
        let unavailable = Fault::error(503, "ServiceUnavailable", "m");
        world.cloud.inject(FaultRule::new(unavailable).service(service));
        let status = sync("demo-sa").expect_err("an outage");
        assert_eq!(status.code, Code::Internal, "{}", status.message);
    }
    let mut starting = world.pod("rrsa-demo", "demo-sa", "- objectName: test-kms\n");
    starting.uid = "starting".to_owned();
    assert_eq!(
        provider.reads(&starting)["test-kms"],
        "wednesday",
        "a pod that starts gets it"
    );
}

/// Two pods of different ServiceAccounts, one of which may read what the other may not. Every path that keeps
/// something is warmed by the one and tried by the other: annotations, credentials, calls under way, copies that
/// rotation shares, cross-account roles.
#[test]
fn two_pods_share_nothing() {
    let world = World::new();
    // Copies are shared for ten minutes, which makes them a path too.
    let setup = world.for_pods().argument("--refresh-interval=10m");
    let provider = world.start(&setup);
    let all = "- objectName: test-kms\n- objectName: test\n  objectType: oos\n";
    let mut demo = world.pod("rrsa-demo", "demo-sa", all);
    demo.uid = "demo".to_owned();
    let mut other = world.pod("rrsa-demo", "other-sa", all);
    other.uid = "other".to_owned();
    // Warm: credentials of demo, then a repeated Mount of its volume, which is what copies are for.
    provider.reads(&demo);
    let calls = world.asked(Service::Kms).len();
    provider.reads(&demo);
    assert_eq!(
        world.asked(Service::Kms).len(),
        calls,
        "the copy is used, so that it can be tried below"
    );

    // Credentials, role annotation and copies: the other pod asks for the same, and is refused by the cloud.
    let refused = |volume: &harness::driver::Volume| {
        let status = provider.mount(volume).expect_err("may not read this");
        assert_eq!(status.code, Code::PermissionDenied, "{}", status.message);
        assert!(
            status
                .message
                .contains("other-role-for-rrsa session other-sa@rrsa-demo"),
            "{}",
            status.message
        );
    };
    refused(&other);
    refused(&other);

    // The volume's name, as an attacker would choose it.
    let mut same_volume = other.clone();
    same_volume.uid = demo.uid.clone();
    refused(&same_volume);

    // Demo's own token with the other account's name, and the reverse: refused before any cache is asked.
    let tokens = demo
        .parameters
        .get(crate::world::TOKENS)
        .cloned()
        .expect("tokens");
    let mut stolen = other.clone();
    stolen.parameters.insert(crate::world::TOKENS.to_owned(), tokens);
    let before = world.cloud.requests().len();
    assert!(
        provider
            .refuses(&stolen)
            .contains("is not that of ServiceAccount rrsa-demo/other-sa")
    );
    assert_eq!(world.cloud.requests().len(), before, "nobody was asked");

    // The same account name in another namespace.
    let mut namesake = world.pod("default", "demo-sa", all);
    namesake.uid = demo.uid.clone();
    let message = provider.refuses(&namesake);
    assert!(message.contains("default/demo-sa"), "{message}");

    // A pod without identity reads as the provider, and shares nothing with either.
    world.cloud.clear_requests();
    let mut plain = volume("default", "web", all);
    plain.uid = demo.uid.clone();
    provider.reads(&plain);
    assert!(
        world
            .readers()
            .iter()
            .all(|reader| reader.contains("/worker-role/")),
        "{:?}",
        world.readers()
    );

    // What the other may read is its own, and demo's is not mixed in.
    let mut allowed = world.pod("rrsa-demo", "other-sa", "- objectName: team-b\n");
    allowed.uid = other.uid.clone();
    assert_eq!(provider.reads(&allowed)["team-b"], "a secret of team B");
}

/// Both ask at the same time for the same secret: a call that is under way is shared within an identity only.
#[test]
fn calls_under_way_are_not_shared_between_pods() {
    let world = Arc::new(World::new());
    let provider = world.start(&world.for_pods());
    let one = "- objectName: test-kms\n";
    // Both have credentials, so that both get as far as KMS.
    provider.reads(&world.pod("rrsa-demo", "demo-sa", one));
    provider
        .mount(&world.pod("rrsa-demo", "other-sa", one))
        .expect_err("may not");
    let held = world.cloud.inject(FaultRule::new(Fault::Hold).name("test-kms"));
    let start = |account: &'static str| {
        let (provider, volume) = (provider.clone(), world.pod("rrsa-demo", account, one));
        std::thread::spawn(move || provider.mount(&volume))
    };
    let (demo, again, other) = (start("demo-sa"), start("demo-sa"), start("other-sa"));
    world.cloud.wait_for_held(2);
    world.cloud.release(held);
    assert_eq!(
        demo.join().expect("thread").expect("demo")["test-kms"],
        "hello from KMS"
    );
    assert_eq!(
        again.join().expect("thread").expect("demo")["test-kms"],
        "hello from KMS"
    );
    let status = other.join().expect("thread").expect_err("other");
    assert_eq!(status.code, Code::PermissionDenied, "{}", status.message);
}

/// A cross-account role that one pod may assume is not lent to another that may not.
#[test]
fn cross_account_roles_are_not_lent() {
    let world = World::new();
    let provider = world.start(&world.for_pods());
    let objects = format!("- objectName: test-kms\n  crossAccountRoleArn: {TARGET}\n");
    provider.reads(&world.pod("rrsa-demo", "demo-sa", &objects));
    // Its role has no policy for sts:AssumeRole.
    let message = provider.refuses(&world.pod("rrsa-demo", "other-sa", &objects));
    assert!(
        message.contains("NoPermission") && message.contains(TARGET),
        "{message}"
    );
}

/// The id of an AccessKey pair is public: who guesses the secret wrong gets nothing of what its owner has warmed.
#[test]
fn a_pair_with_a_wrong_secret_gets_nothing() {
    let world = World::new();
    // Copies are shared for ten minutes, which makes them a path too.
    let setup = world.for_pods().argument("--refresh-interval=10m");
    let provider = world.start(&setup);
    let (id, secret) = world.cloud.access_key();
    let with = |secret: &str| {
        let mut volume = volume("default", "web", BOTH);
        let pair = [("access_key", id.as_str()), ("access_secret", secret)];
        volume.secrets = Some(pair.map(|(key, value)| (key.to_owned(), value.to_owned())).into());
        volume
    };
    provider.reads(&with(&secret));
    provider.reads(&with(&secret));
    let message = provider.refuses(&with("guess"));
    assert!(message.contains("SignatureDoesNotMatch"), "{message}");
    provider.reads(&with(&secret));
    let _ = with_tokens;
}
