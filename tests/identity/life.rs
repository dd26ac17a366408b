//! The life of credentials: kept, renewed in time, renewed when refused, kept when renewal fails; tokens and
//! annotations that change.

use csi_provider::grpc::Code;
use harness::{Fault, FaultRule, Service};

use crate::world::{ADMIN_ROLE, BOTH, OIDC_PROVIDER, PROVIDER_ROLE, Setup, TARGET, World, volume};

fn with_role(world: &World) -> Setup {
    let (id, secret) = world.cloud.access_key();
    world
        .nobody()
        .variable("ACCESS_KEY_ID", id)
        .variable("SECRET_ACCESS_KEY", secret)
        .variable("ALICLOUD_ROLE_ARN", ADMIN_ROLE)
}

fn sts_out_of_order(times: u64) -> FaultRule {
    let unavailable = Fault::Error {
        status: 503,
        code: "ServiceUnavailable".to_owned(),
        message: String::new(),
        dialect: None,
    };
    FaultRule::new(unavailable).service(Service::Sts).times(times)
}

#[test]
fn expiry_in_the_middle() {
    let world = World::new();
    let provider = world.start(&with_role(&world));
    let volume = volume("default", "web", BOTH);
    provider.reads(&volume);
    world.pass(3600 - 181);
    provider.reads(&volume);
    assert_eq!(
        world.asked(Service::Sts).len(),
        1,
        "good for another three minutes"
    );
    world.pass(1);
    provider.reads(&volume);
    assert_eq!(world.asked(Service::Sts).len(), 2, "renewed before need");
    world.pass(7200);
    provider.reads(&volume);
    assert_eq!(world.asked(Service::Sts).len(), 3, "and after the end");
}

#[test]
fn a_renewal_that_fails_while_they_are_valid() {
    let world = World::new();
    let provider = world.start(&with_role(&world));
    let volume = volume("default", "web", BOTH);
    provider.reads(&volume);
    world.cloud.inject(sts_out_of_order(u64::MAX));
    world.pass(3600 - 100);
    for _ in 0..5 {
        provider.reads(&volume);
    }
    assert_eq!(
        world.asked(Service::Sts).len(),
        2,
        "not asked again at each Mount"
    );
    world.pass(60);
    provider.reads(&volume);
    assert_eq!(world.asked(Service::Sts).len(), 3);
    world.pass(40);
    let status = provider.mount(&volume).expect_err("ended");
    assert_eq!(
        status.code,
        Code::Internal,
        "an outage passes: {}",
        status.message
    );
    for words in [
        "503 ServiceUnavailable",
        "request id",
        ADMIN_ROLE,
        "AccessKey pair",
    ] {
        assert!(status.message.contains(words), "{words}: {}", status.message);
    }
    world.cloud.clear_faults();
    provider.reads(&volume);
}

/// Credentials that the cloud no longer knows are renewed once, for all objects and all Mounts; then it is reported.
#[test]
fn refused_ones_are_renewed_once() {
    let ended = |code: &str, status| Fault::Error {
        status,
        code: code.to_owned(),
        message: "ended".to_owned(),
        dialect: None,
    };
    for (code, status) in [
        ("InvalidSecurityToken.Expired", 400),
        ("InvalidAccessKeyId.NotFound", 404),
    ] {
        let world = World::new();
        let provider = world.start(&with_role(&world));
        let volume = volume("default", "web", BOTH);
        provider.reads(&volume);
        let first = world.asked(Service::Kms)[0].identity.clone();
        assert!(first.is_some());
        world
            .cloud
            .inject(FaultRule::new(ended(code, status)).service(Service::Kms).times(1));
        provider.reads(&volume);
        assert_eq!(world.asked(Service::Sts).len(), 2, "{code}");

        world
            .cloud
            .inject(FaultRule::new(ended(code, status)).service(Service::Kms));
        let refused = provider.mount(&volume).expect_err("refused again");
        assert_eq!(refused.code, Code::Unauthenticated, "{}", refused.message);
        assert!(refused.message.contains(code), "{}", refused.message);
        assert_eq!(world.asked(Service::Sts).len(), 3, "{code}: once, then reported");
    }
}

/// The cloud's clock is ahead of ours, so that we believe in credentials that have ended for it.
#[test]
fn the_base_of_a_cross_account_role_is_renewed_too() {
    let world = World::new();
    let provider = world.start(&with_role(&world));
    provider.reads(&volume("default", "web", BOTH));
    let ended = Fault::Error {
        status: 400,
        code: "InvalidSecurityToken.Expired".to_owned(),
        message: "ended".to_owned(),
        dialect: None,
    };
    world
        .cloud
        .inject(FaultRule::new(ended).service(Service::Sts).name(TARGET).times(1));
    let objects = format!("- objectName: test-kms\n  crossAccountRoleArn: {TARGET}\n");
    provider.reads(&volume("default", "web", &objects));
    let roles: Vec<_> = world
        .asked(Service::Sts)
        .into_iter()
        .filter_map(|it| it.name)
        .collect();
    assert_eq!(roles, [ADMIN_ROLE, TARGET, ADMIN_ROLE, TARGET]);
}

#[test]
fn a_pair_that_is_unknown_is_reported_at_once() {
    let world = World::new();
    let setup = world
        .nobody()
        .variable("ACCESS_KEY_ID", "LTAI5tNobody")
        .variable("SECRET_ACCESS_KEY", "secret");
    let message = world
        .start(&setup)
        .refuses(&volume("default", "web", "- objectName: test-kms\n"));
    assert!(message.contains("InvalidAccessKeyId.NotFound"), "{message}");
    assert_eq!(world.asked(Service::Kms).len(), 1);
}

#[test]
fn the_providers_token_is_rotated() {
    let world = World::new();
    let account = "csi-secrets-store-provider-alibabacloud";
    world.put("provider-token", &world.token("kube-system", account));
    let setup = world
        .nobody()
        .variable("ALICLOUD_OIDC_PROVIDER_ARN", OIDC_PROVIDER)
        .variable("ALICLOUD_ROLE_ARN", PROVIDER_ROLE)
        .variable(
            "ALICLOUD_OIDC_TOKEN_FILE",
            world.path("provider-token").display().to_string(),
        );
    let provider = world.start(&setup);
    let volume = volume("default", "web", BOTH);
    provider.reads(&volume);
    world.pass(4000);
    let message = provider.refuses(&volume);
    assert!(
        message.contains("AuthenticationFail.OIDCToken.Expired"),
        "the old token: {message}"
    );
    world.put("provider-token", &world.token("kube-system", account));
    provider.reads(&volume);
}

#[test]
fn an_access_key_pair_in_files_is_replaced() {
    let world = World::new();
    let (id, secret) = world.cloud.access_key();
    std::fs::create_dir(world.path("keys")).expect("directory");
    world.put("keys/ACCESS_KEY_ID", "LTAI5tFakeCloudOutsider1");
    world.put("keys/SECRET_ACCESS_KEY", "FakeCloudOutsiderSecret000001");
    let setup = world
        .nobody()
        .argument(format!("--credentials-dir={}", world.path("keys").display()));
    let provider = world.start(&setup);
    let volume = volume("default", "web", BOTH);
    let status = provider.mount(&volume).expect_err("an outsider");
    assert_eq!(status.code, Code::PermissionDenied, "{}", status.message);
    world.put("keys/ACCESS_KEY_ID", &id);
    world.put("keys/SECRET_ACCESS_KEY", &secret);
    provider.reads(&volume);
    std::fs::remove_file(world.path("keys/SECRET_ACCESS_KEY")).expect("remove");
    let message = provider.refuses(&volume);
    assert!(
        message.contains("there is ACCESS_KEY_ID and no SECRET_ACCESS_KEY"),
        "{message}"
    );
}

#[test]
fn an_annotation_changes() {
    let world = World::new();
    let provider = world.start(&world.for_pods());
    let annotate = |role: &str| world.annotate("demo-sa", role);
    provider.reads(&world.pod("rrsa-demo", "demo-sa", BOTH));
    provider.reads(&world.pod("rrsa-demo", "demo-sa", BOTH));
    assert_eq!(world.asked(Service::Kubernetes).len(), 1, "kept for a moment");
    annotate("acs:ram::1234567890120000:role/no-such-role");
    world.pass(30);
    // The old role's credentials are good for almost an hour, and are not given to the new role.
    let message = provider.refuses(&world.pod("rrsa-demo", "demo-sa", BOTH));
    assert!(
        message.contains("role/no-such-role") && message.contains("EntityNotExist.Role"),
        "{message}"
    );
    annotate(PROVIDER_ROLE);
    world.pass(30);
    provider.reads(&world.pod("rrsa-demo", "demo-sa", BOTH));
}
