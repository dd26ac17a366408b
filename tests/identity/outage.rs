//! Serving through an outage, by identity and by the clock: who is who must still be known, and no refusal of an
//! identity is ever covered.

use csi_provider::grpc::{Code, Status};
use harness::proxy::Proxy;
use harness::{Fault, FaultRule, Service};

use crate::network::behind;
use crate::world::{ADMIN_ROLE, BOTH, GUARDED, Provider, Setup, TARGET, World, volume};

fn keeping(setup: Setup) -> Setup {
    setup.argument("--serve-stale-for=4h")
}

/// The provider's role, assumed with its AccessKey pair.
fn with_role(world: &World) -> Setup {
    let (id, secret) = world.cloud.access_key();
    keeping(world.nobody())
        .variable("ACCESS_KEY_ID", id)
        .variable("SECRET_ACCESS_KEY", secret)
        .variable("ALICLOUD_ROLE_ARN", ADMIN_ROLE)
}

/// These services are out of order from now on.
fn outage(world: &World, services: &[Service]) {
    for service in services {
        let unavailable = Fault::error(503, "ServiceUnavailable", "m");
        world.cloud.inject(FaultRule::new(unavailable).service(*service));
    }
}

/// STS refuses once.
fn refusal(world: &World) -> FaultRule {
    world.cloud.clear_faults();
    FaultRule::new(Fault::error(403, "NoPermission", "m"))
        .service(Service::Sts)
        .times(1)
}

fn fails(provider: &Provider, volume: &harness::driver::Volume) -> Status {
    let status = provider.mount(volume).expect_err("an outage");
    assert_eq!(status.code, Code::Internal, "{}", status.message);
    status
}

const ALL: [Service; 3] = [Service::Kms, Service::Oos, Service::Sts];
const ONE_HOUR: i64 = 3_600;

#[test]
fn never_past_the_duration() {
    let world = World::new();
    let (id, secret) = world.cloud.access_key();
    let setup = keeping(world.nobody())
        .variable("ACCESS_KEY_ID", id)
        .variable("SECRET_ACCESS_KEY", secret);
    let provider = world.start(&setup);
    let volume = volume("default", "web", BOTH);
    let files = provider.reads(&volume);
    outage(&world, &ALL);
    world.pass(4 * ONE_HOUR - 60);
    assert_eq!(provider.reads(&volume), files);
    assert_eq!(provider.mounter.engine.stale().0, 2);
    world.pass(60);
    fails(&provider, &volume);
    assert_eq!(provider.mounter.engine.stale(), (0, 0));
    world.cloud.clear_faults();
    provider.reads(&volume);
}

/// A node that is put to sleep knows no longer how old its values are.
#[test]
fn a_machine_that_has_slept() {
    let world = World::new();
    let setup = keeping(world.nobody()).argument("--refresh-interval=1h");
    let provider = world.start(&setup);
    let volume = volume("default", "web", BOTH);
    let files = provider.reads(&volume);
    assert_eq!(provider.mounter.engine.copies().0, 2);
    world.sleep(60);
    outage(&world, &[Service::Kms, Service::Oos]);
    fails(&provider, &volume);
    assert_eq!(provider.mounter.engine.stale(), (0, 0));
    assert_eq!(provider.mounter.engine.copies(), (0, 0));
    world.cloud.clear_faults();
    assert_eq!(provider.reads(&volume), files);
}

/// Credentials have ended and STS does not answer: it is known whose they would be, and so what they have read.
#[test]
fn sts_is_out_of_reach() {
    let world = World::new();
    let provider = world.start(&with_role(&world));
    let volume = volume("default", "web", BOTH);
    let files = provider.reads(&volume);
    outage(&world, &[Service::Sts]);
    world.pass(ONE_HOUR);
    let asked = world.asked(Service::Kms).len();
    assert_eq!(provider.reads(&volume), files);
    assert_eq!(
        world.asked(Service::Kms).len(),
        asked,
        "nobody is asked without credentials"
    );
    let mut text = csi_provider::metrics::Text::default();
    provider.metrics.write(&mut text);
    let text = text.into_string();
    for service in ["kms", "oos"] {
        let line = format!("alibabacloud_provider_stale_values_served_total{{service=\"{service}\"}} 1");
        assert!(text.contains(&line), "{line}\n{text}");
    }
    // What was never read is told as without the flag.
    let other = crate::world::volume("default", "web", "- objectName: other\n");
    let status = fails(&provider, &other);
    for words in [ADMIN_ROLE, "cannot be assumed", "(source: role of the provider"] {
        assert!(status.message.contains(words), "{}", status.message);
    }
    world.cloud.clear_faults();
    assert_eq!(provider.reads(&volume), files);
}

/// STS takes the request and says nothing: old values are still reached before the caller's time is over.
#[test]
fn sts_hangs() {
    let world = World::new();
    let provider = world.start(&with_role(&world));
    let volume = volume("default", "web", BOTH);
    let files = provider.reads(&volume);
    world.pass(ONE_HOUR);
    let held = world
        .cloud
        .inject(FaultRule::new(Fault::Hold).service(Service::Sts));
    let within = std::time::Duration::from_secs(2);
    let outcome = provider.mount_within(&volume, within);
    assert_eq!(
        outcome.unwrap_or_else(|status| panic!("{}", status.message)),
        files
    );
    world.cloud.release(held);
}

/// STS has refused the role: nothing that was read as it serves any more, whatever comes.
#[test]
fn sts_refuses() {
    let world = World::new();
    let provider = world.start(&with_role(&world));
    let volume = volume("default", "web", BOTH);
    provider.reads(&volume);
    world.pass(ONE_HOUR);
    world.cloud.inject(refusal(&world));
    provider.refuses(&volume);
    assert_eq!(provider.mounter.engine.stale().0, 0);
    outage(&world, &ALL);
    fails(&provider, &volume);
}

/// The same while the old credentials are still valid: they are used until they end, and what they read from then on
/// is new.
#[test]
fn sts_refuses_a_renewal() {
    let world = World::new();
    let provider = world.start(&with_role(&world));
    let volume = volume("default", "web", BOTH);
    provider.reads(&volume);
    world.pass(ONE_HOUR - 100);
    world.cloud.inject(refusal(&world));
    outage(&world, &[Service::Kms, Service::Oos]);
    let status = fails(&provider, &volume);
    assert!(
        status.message.contains("ServiceUnavailable"),
        "{}",
        status.message
    );
    assert_eq!(provider.mounter.engine.stale().0, 0);
}

/// Refused in the middle of a Mount: the cloud knows the credentials no longer, and STS gives no others.
#[test]
fn sts_refuses_in_the_middle() {
    let world = World::new();
    let provider = world.start(&with_role(&world));
    let both = volume("default", "web", BOTH);
    provider.reads(&both);
    let refused = refusal(&world);
    let ended = Fault::error(400, "InvalidSecurityToken.Expired", "m");
    world
        .cloud
        .inject(FaultRule::new(ended).service(Service::Kms).times(1));
    world.cloud.inject(refused);
    provider.refuses(&volume("default", "web", "- objectName: test-kms\n"));
    outage(&world, &ALL);
    fails(
        &provider,
        &volume("default", "web", "- objectName: test\n  objectType: oos\n"),
    );
}

/// The cloud knows the credentials no longer, and STS does not answer.
#[test]
fn sts_is_out_of_reach_in_the_middle() {
    let world = World::new();
    let provider = world.start(&with_role(&world));
    let volume = volume("default", "web", "- objectName: test-kms\n");
    let files = provider.reads(&volume);
    outage(&world, &[Service::Sts]);
    let ended = Fault::error(400, "InvalidSecurityToken.Expired", "m");
    world.cloud.inject(FaultRule::new(ended).service(Service::Kms));
    assert_eq!(provider.reads(&volume), files);
}

/// It may be one endpoint alone that does not know them: while nobody can be asked for others, they stay good elsewhere.
#[test]
fn credentials_are_kept_if_there_are_no_others_to_be_had() {
    let world = World::new();
    let (id, secret) = world.cloud.access_key();
    let setup = world
        .nobody()
        .variable("ACCESS_KEY_ID", id)
        .variable("SECRET_ACCESS_KEY", secret)
        .variable("ALICLOUD_ROLE_ARN", ADMIN_ROLE);
    let provider = world.start(&setup);
    let both = volume("default", "web", BOTH);
    let files = provider.reads(&both);
    outage(&world, &[Service::Sts]);
    let unknown = Fault::error(404, "InvalidAccessKeyId.NotFound", "m");
    world.cloud.inject(FaultRule::new(unknown).name("db-credentials"));
    fails(
        &provider,
        &volume("tenant", "web", "- objectName: db-credentials\n"),
    );
    assert_eq!(provider.reads(&both), files);
}

/// A pod is who kubelet says, and what it has read is its ServiceAccount's; a token that is plainly another's, or none,
/// gets nothing.
#[test]
fn pods_are_still_told_apart() {
    let world = World::new();
    world.annotate("other-sa", crate::world::PROVIDER_ROLE);
    let provider = world.start(&keeping(world.for_pods()));
    let files = provider.reads(&world.pod("rrsa-demo", "demo-sa", BOTH));
    // The annotations are known for half a minute, so that only STS is asked for anything.
    let other = world.pod("rrsa-demo", "other-sa", BOTH);
    outage(&world, &ALL);
    assert_eq!(provider.reads(&world.pod("rrsa-demo", "demo-sa", BOTH)), files);
    fails(&provider, &other);
    let mut stolen = world.pod("rrsa-demo", "demo-sa", BOTH);
    stolen.service_account = "other-sa".to_owned();
    let message = provider.refuses(&stolen);
    assert!(message.contains("is not that of ServiceAccount"), "{message}");
    let mut without = world.pod("rrsa-demo", "demo-sa", BOTH);
    without.parameters.remove(crate::world::TOKENS);
    provider.refuses(&without);

    world.pass(ONE_HOUR);
    assert_eq!(
        provider.reads(&world.pod("rrsa-demo", "demo-sa", BOTH)),
        files,
        "the credentials have ended, and STS is out of reach"
    );
}

/// Which role a ServiceAccount has only Kubernetes knows: without it nobody knows who asks.
#[test]
fn kubernetes_is_out_of_reach() {
    let world = World::new();
    let provider = world.start(&keeping(world.for_pods()));
    provider.reads(&world.pod("rrsa-demo", "demo-sa", BOTH));
    world.pass(60);
    outage(&world, &[Service::Kubernetes]);
    outage(&world, &ALL);
    let status = fails(&provider, &world.pod("rrsa-demo", "demo-sa", BOTH));
    assert!(status.message.contains("annotation"), "{}", status.message);
}

/// A role that Kubernetes no longer names has read nothing for the new one.
#[test]
fn another_role_of_the_same_account() {
    let world = World::new();
    let provider = world.start(&keeping(world.for_pods()));
    provider.reads(&world.pod("rrsa-demo", "demo-sa", BOTH));
    world.annotate("demo-sa", ADMIN_ROLE);
    world.pass(60);
    outage(&world, &ALL);
    fails(&provider, &world.pod("rrsa-demo", "demo-sa", BOTH));
}

/// Roles of other accounts: each by itself while STS is out of reach, and all of them gone once whoever assumed them is
/// refused.
#[test]
fn cross_account_roles() {
    let world = World::new();
    let provider = world.start(&with_role(&world));
    let of = |role: &str, id: &str| {
        let objects = format!("- objectName: test-kms\n  crossAccountRoleArn: {role}\n{id}");
        volume("default", "web", &objects)
    };
    let target = of(TARGET, "");
    let guarded = of(GUARDED, "  crossAccountExternalId: tenant-42\n");
    let files = provider.reads(&target);
    provider.reads(&guarded);
    outage(&world, &ALL);
    world.pass(ONE_HOUR);
    assert_eq!(provider.reads(&target), files);
    provider.reads(&guarded);
    let status = fails(&provider, &of(GUARDED, "  crossAccountExternalId: tenant-43\n"));
    assert!(status.message.contains(ADMIN_ROLE), "{}", status.message);
    fails(&provider, &of(GUARDED, ""));

    world.cloud.inject(refusal(&world));
    provider.refuses(&target);
    assert_eq!(provider.mounter.engine.stale().0, 0, "the base was refused");
    outage(&world, &ALL);
    fails(&provider, &guarded);
}

/// One role is refused: others keep what they have read.
#[test]
fn a_cross_account_role_that_is_refused() {
    let world = World::new();
    let provider = world.start(&with_role(&world));
    let own = volume("default", "web", BOTH);
    let objects = format!("- objectName: test-kms\n  crossAccountRoleArn: {TARGET}\n");
    let target = volume("default", "web", &objects);
    let files = provider.reads(&own);
    provider.reads(&target);
    world.pass(ONE_HOUR);
    provider.reads(&own);
    world.cloud.inject(refusal(&world));
    provider.refuses(&target);
    outage(&world, &ALL);
    fails(&provider, &target);
    assert_eq!(provider.reads(&own), files);
}

/// An endpoint that a class names is not always the cloud's own: what it says of credentials that others share ends what
/// was read there, and nothing else. What the provider's own endpoint says ends everything.
#[test]
fn a_refusal_at_an_endpoint_that_a_class_names() {
    let world = World::new();
    let proxy = Proxy::start(Some(world.cloud.https_address())).expect("proxy");
    let provider = world.start(&keeping(behind(&world, &proxy)));
    let mut own = volume("default", "web", BOTH);
    own.parameters.remove("region");
    let objects = "- objectName: test-kms\n  kmsEndpoint: kms.cn-hangzhou.aliyuncs.com\n";
    let named = volume("tenant", "web", objects);
    let files = provider.reads(&own);
    provider.reads(&named);
    assert_eq!(provider.mounter.engine.stale().0, 3);
    let refuse = || {
        world.cloud.clear_faults();
        let refused = Fault::error(400, "SignatureDoesNotMatch", "m");
        world
            .cloud
            .inject(FaultRule::new(refused).service(Service::Kms).times(1));
    };
    refuse();
    provider.refuses(&named);
    assert_eq!(provider.mounter.engine.stale().0, 2);
    outage(&world, &ALL);
    assert_eq!(provider.reads(&own), files);
    fails(&provider, &named);

    world.cloud.clear_faults();
    provider.reads(&named);
    refuse();
    provider.refuses(&own);
    assert_eq!(provider.mounter.engine.stale().0, 0);
}

/// A region that a class chooses may not know the credentials: others keep what they have read elsewhere.
#[test]
fn a_refusal_in_a_region_that_a_class_names() {
    let world = World::new();
    let proxy = Proxy::start(Some(world.cloud.https_address())).expect("proxy");
    let provider = world.start(&keeping(behind(&world, &proxy)));
    let objects = "- objectName: test-kms\n  kmsEndpoint: kms.cn-hangzhou.aliyuncs.com\n";
    let elsewhere = volume("default", "web", objects);
    let files = provider.reads(&elsewhere);
    let named = volume("tenant", "web", BOTH);
    provider.reads(&named);
    assert_eq!(provider.mounter.engine.stale().0, 3);
    let refused = Fault::error(400, "SignatureDoesNotMatch", "m");
    world
        .cloud
        .inject(FaultRule::new(refused).service(Service::Kms).times(1));
    provider.refuses(&named);
    assert!(provider.mounter.engine.stale().0 > 0);
    outage(&world, &ALL);
    assert_eq!(provider.reads(&elsewhere), files);
}

/// The node's role by itself, named or not: metadata says which one it is, or the configuration.
#[test]
fn the_worker_role() {
    for (is_named, is_served) in [(true, true), (false, false)] {
        let world = World::new();
        let mut setup = world.nobody().argument("--serve-stale-for=24h");
        let volume = volume("default", "web", BOTH);
        if is_named {
            setup = setup.variable("ALIBABA_CLOUD_ECS_METADATA", "worker-role");
        }
        let provider = world.start(&setup);
        let files = provider.reads(&volume);
        outage(&world, &[Service::Metadata]);
        world.pass(7 * ONE_HOUR);
        let outcome = provider.mount(&volume);
        match outcome {
            Ok(again) => assert!(is_served && again == files, "{is_named}"),
            Err(status) => assert!(!is_served, "{is_named}: {}", status.message),
        }
    }
}
