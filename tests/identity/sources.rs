//! Each source end to end, for OOS and KMS, alone and with a cross-account role.

use harness::Service;

use crate::world::{ADMIN_ROLE, PROVIDER_ROLE, Setup, TARGET, World, volume};

const OURS: [(&str, &str); 2] = [("test", "hello from OOS"), ("test-kms", "hello from KMS")];
const THEIRS: [(&str, &str); 2] = [
    ("test", "hello from OOS in the other account"),
    ("test-kms", "hello from KMS in the other account"),
];

/// A source, how the provider is set up for it, what the volume brings, and as whom it then reads.
fn sources(world: &World) -> Vec<(&'static str, Setup, harness::driver::Volume, &'static str)> {
    let (id, secret) = world.cloud.access_key();
    world.put(
        "provider-token",
        &world.token("kube-system", "csi-secrets-store-provider-alibabacloud"),
    );
    std::fs::create_dir(world.path("keys")).expect("directory");
    world.put("keys/id", &id);
    world.put("keys/secret", &secret);
    let plain = |objects: &str| volume("default", "web", objects);
    let mut brings_pair = plain("");
    brings_pair.secrets = Some(
        [
            ("access_key".to_owned(), id.clone()),
            ("ACCESS_SECRET".to_owned(), secret.clone()),
        ]
        .into(),
    );
    let pair = world
        .nobody()
        .variable("ACCESS_KEY_ID", id)
        .variable("SECRET_ACCESS_KEY", secret);
    let user = "acs:ram::1234567890120000:user/csi-provider";
    vec![
        (
            "pod identity",
            world.for_pods(),
            world.pod("rrsa-demo", "demo-sa", ""),
            "acs:ram::1234567890120000:assumed-role/demo-role-for-rrsa/demo-sa@rrsa-demo",
        ),
        ("node publish secret", world.nobody(), brings_pair, user),
        (
            "RRSA of the provider",
            world
                .nobody()
                .variable("ALICLOUD_ACCOUNT_ID", crate::world::ACCOUNT)
                .variable("ALICLOUD_CLUSTER_ID", "c0fake0cloud0cluster0000000001")
                .variable("ALICLOUD_ROLE_ARN", PROVIDER_ROLE)
                .variable(
                    "ALICLOUD_OIDC_TOKEN_FILE",
                    world.path("provider-token").display().to_string(),
                ),
            plain(""),
            "acs:ram::1234567890120000:assumed-role/demo-role-for-rrsa/csi-secrets-store-provider-alibabacloud",
        ),
        (
            "AccessKey pair with role",
            pair.clone()
                .variable("ALICLOUD_ROLE_ARN", ADMIN_ROLE)
                .variable("ALICLOUD_ROLE_SESSION_EXPIRATION", "7200"),
            plain(""),
            "acs:ram::1234567890120000:assumed-role/adminrole/csi-secrets-store-provider-alibabacloud",
        ),
        ("AccessKey pair", pair, plain(""), user),
        (
            "AccessKey pair in files",
            world
                .nobody()
                .argument(format!("--credentials-dir={}", world.path("keys").display())),
            plain(""),
            user,
        ),
        (
            "worker RAM role",
            world.nobody(),
            plain(""),
            "acs:ram::1234567890120000:assumed-role/worker-role/i-bp1fake0cloud0000001",
        ),
    ]
}

fn listing(expected: [(&str, &str); 2]) -> std::collections::BTreeMap<String, String> {
    expected
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into()
}

#[test]
fn each_alone() {
    let world = World::new();
    for (source, setup, mut volume, reader) in sources(&world) {
        world.cloud.clear_requests();
        let provider = world.start(&setup);
        volume
            .parameters
            .insert("objects".to_owned(), crate::world::BOTH.to_owned());
        assert_eq!(provider.reads(&volume), listing(OURS), "{source}");
        assert_eq!(world.readers(), [reader], "{source}");
    }
}

#[test]
fn each_with_a_cross_account_role() {
    let world = World::new();
    let objects = format!(
        "- objectName: test\n  objectType: oos\n  crossAccountRoleArn: {TARGET}\n- objectName: test-kms\n  crossAccountRoleArn: {TARGET}\n"
    );
    for (source, setup, mut volume, _) in sources(&world) {
        world.cloud.clear_requests();
        let provider = world.start(&setup);
        volume.parameters.insert("objects".to_owned(), objects.clone());
        assert_eq!(provider.reads(&volume), listing(THEIRS), "{source}");
        let session = format!("{}@{}", volume.service_account, volume.namespace);
        assert_eq!(
            world.readers(),
            [format!("acs:ram::9999999999990000:assumed-role/target/{session}")],
            "{source}"
        );
        let assumed = world.asked(Service::Sts);
        let crossed: Vec<_> = assumed
            .iter()
            .filter(|it| it.name.as_deref() == Some(TARGET))
            .collect();
        assert_eq!(crossed.len(), 1, "{source}: one call for both objects");
    }
}

#[test]
fn the_environment_names_sessions_and_their_length() {
    let world = World::new();
    let setup = world
        .for_pods()
        .variable("ALICLOUD_ROLE_SESSION_NAME", "audit-me")
        .variable("ALICLOUD_ROLE_SESSION_EXPIRATION", "900");
    let provider = world.start(&setup);
    let objects = format!("- objectName: test-kms\n  crossAccountRoleArn: {TARGET}\n");
    provider.reads(&world.pod("rrsa-demo", "demo-sa", &objects));
    let calls = world.asked(Service::Sts);
    assert_eq!(calls.len(), 2);
    for call in calls {
        assert_eq!(
            call.parameters.get("RoleSessionName").map(String::as_str),
            Some("audit-me")
        );
        assert_eq!(
            call.parameters.get("DurationSeconds").map(String::as_str),
            Some("900"),
            "on every path"
        );
    }
}

/// STS does not tell how long a role's sessions may be: it refuses what is longer, and an hour is taken from then on. A
/// role that another role assumes lives an hour at most.
#[test]
fn sessions_live_as_long_as_the_role_allows() {
    let world = World::new();
    let setup = world
        .for_pods()
        .variable("ALICLOUD_ROLE_SESSION_EXPIRATION", "7200");
    let provider = world.start(&setup);
    let durations = || {
        let calls = world.asked(Service::Sts);
        world.cloud.clear_requests();
        calls
            .iter()
            .map(|call| (call.status, call.parameters.get("DurationSeconds").cloned()))
            .collect::<Vec<_>>()
    };
    let asked = |status, seconds: &str| (Some(status), Some(seconds.to_owned()));
    let objects = format!("- objectName: test-kms\n  crossAccountRoleArn: {TARGET}\n");
    provider.reads(&world.pod("rrsa-demo", "demo-sa", &objects));
    assert_eq!(
        durations(),
        [asked(400, "7200"), asked(200, "3600"), asked(200, "3600")],
        "refused once, an hour, and an hour for the chained role"
    );
    world.pass(3500);
    provider.reads(&world.pod("rrsa-demo", "demo-sa", crate::world::BOTH));
    assert_eq!(durations(), [asked(200, "3600")], "remembered");

    // Two hours are what this role allows.
    world.annotate("demo-sa", ADMIN_ROLE);
    world.cloud.with_state(|state| {
        let account = state.accounts.get_mut(crate::world::ACCOUNT).expect("account");
        let trust = account.roles["demo-role-for-rrsa"].trust.clone();
        account.roles.get_mut("adminrole").expect("role").trust = trust;
    });
    world.pass(120);
    provider.reads(&world.pod("rrsa-demo", "demo-sa", crate::world::BOTH));
    assert_eq!(durations(), [asked(200, "7200")], "another role");
}

/// Hardened mode where it is required, normal mode where nothing else is to be had, and neither if both are forbidden.
#[test]
fn modes_of_the_metadata_service() {
    let world = World::new();
    let volume = volume("default", "web", crate::world::BOTH);
    world
        .cloud
        .with_state(|state| state.metadata.tokens = harness::state::MetadataTokens::Required);
    world.start(&world.nobody()).reads(&volume);
    world
        .cloud
        .with_state(|state| state.metadata.tokens = harness::state::MetadataTokens::Optional);

    // An old service knows no session tokens.
    world.cloud.inject(
        harness::FaultRule::new(harness::Fault::Html { status: 404 })
            .service(Service::Metadata)
            .action("/latest/api/token"),
    );
    world.start(&world.nobody()).reads(&volume);
    let hardened = world.nobody().variable("ALIBABA_CLOUD_IMDSV1_DISABLED", "true");
    let message = world.start(&hardened).refuses(&volume);
    assert!(
        message.contains("ALIBABA_CLOUD_IMDSV1_DISABLED forbids"),
        "{message}"
    );
    world.cloud.clear_faults();

    world.cloud.clear_requests();
    let preset = world
        .nobody()
        .variable("ALIBABA_CLOUD_ECS_METADATA", "worker-role");
    world.start(&preset).reads(&volume);
    assert_eq!(
        world.asked(Service::Metadata).len(),
        2,
        "no question for the role's name"
    );
    let off = world
        .nobody()
        .variable("ALIBABA_CLOUD_ECS_METADATA_DISABLED", "true");
    world.cloud.clear_requests();
    let message = world.start(&off).refuses(&volume);
    assert!(
        message.contains("worker RAM role: ALIBABA_CLOUD_ECS_METADATA_DISABLED is true"),
        "{message}"
    );
    assert!(world.asked(Service::Metadata).is_empty());
}

/// The metadata service may close a kept connection just when it is used again: it is asked once more, and no more.
#[test]
fn metadata_is_asked_once_more_on_a_connection_that_closes() {
    let world = World::new();
    let volume = volume("default", "web", crate::world::BOTH);
    let provider = world.start(&world.nobody());
    for point in [harness::CutPoint::BeforeHead, harness::CutPoint::InsideBody] {
        provider.reads(&volume);
        // Token, role and credentials are due.
        world.pass(21_600);
        world.cloud.clear_requests();
        let cut = harness::FaultRule::new(harness::Fault::Cut(point))
            .service(Service::Metadata)
            .times(1);
        world.cloud.inject(cut);
        provider.reads(&volume);
        assert_eq!(
            world.asked(Service::Metadata).len(),
            4,
            "{point:?}: one of three twice"
        );
    }
    world.pass(21_600);
    world.cloud.clear_requests();
    let cut = harness::FaultRule::new(harness::Fault::Cut(harness::CutPoint::BeforeHead));
    world.cloud.inject(cut.service(Service::Metadata));
    provider.mount(&volume).expect_err("no answer");
    assert_eq!(world.asked(Service::Metadata).len(), 2, "one of them, twice");
}

/// Where session tokens never arrive, as a hop too far away, one question in a minute waits for them.
#[test]
fn a_silence_about_session_tokens_is_remembered() {
    let world = World::new();
    let volume = volume("default", "web", crate::world::BOTH);
    let silence = || {
        world.cloud.inject(
            harness::FaultRule::new(harness::Fault::Hold)
                .service(Service::Metadata)
                .action("/latest/api/token"),
        )
    };
    let asked = || {
        let mut asked = world.asked(Service::Metadata);
        let whole = asked.len();
        asked.retain(|request| request.action == "/latest/api/token");
        world.cloud.clear_requests();
        (asked.len(), whole)
    };
    let held = silence();
    let provider = world.start(&world.nobody());
    provider.reads(&volume);
    assert_eq!(asked(), (1, 3), "one for the role's name and its credentials");

    // Until the credentials are due.
    world.pass(21_600);
    provider.reads(&volume);
    assert_eq!(asked(), (1, 3), "again after a while");
    world.cloud.release(held);

    // The silence was no rule: the service takes no question without a token.
    world
        .cloud
        .with_state(|state| state.metadata.tokens = harness::state::MetadataTokens::Required);
    let _held = silence();
    let provider = world.start(&world.nobody());
    provider.refuses(&volume);
    world.cloud.clear_faults();
    provider.reads(&volume);
}
