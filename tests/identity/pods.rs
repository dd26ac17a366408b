//! Pod identity: the right one, or a refusal that says which piece is missing and what to configure.

use std::thread;
use std::time::Duration;

use harness::{Fault, FaultRule, Service};

use crate::world::{BOTH, TOKENS, World, settled, volume, with_tokens};

const DEMO: (&str, &str) = ("rrsa-demo", "demo-sa");

#[test]
fn every_missing_piece_is_named() {
    let world = World::new();
    world.annotate("malformed-sa", "demo-role-for-rrsa");
    let pod = |namespace: &str, account: &str| world.pod(namespace, account, BOTH);
    let demo = || pod(DEMO.0, DEMO.1);
    let token = world.token(DEMO.0, DEMO.1);
    let mut no_tokens = demo();
    no_tokens.parameters.remove(TOKENS);
    let mut garbage = demo();
    garbage.parameters.insert(TOKENS.to_owned(), "canary".to_owned());
    let bare = || volume(DEMO.0, DEMO.1, BOTH);

    let outside = {
        let mut setup = world.for_pods();
        setup
            .variables
            .retain(|(name, _)| !name.starts_with("KUBERNETES"));
        setup
    };
    let unreadable = world.for_pods().argument("--service-account-dir=/does/not/exist");
    let untrusted = {
        std::fs::create_dir(world.path("untrusted")).expect("directory");
        world.put("untrusted/token", "fake-cloud-provider-token");
        let stranger = harness::FakeCloud::start().expect("another CA");
        stranger.write_ca(&world.path("untrusted/ca.crt")).expect("CA");
        world.for_pods().argument(format!(
            "--service-account-dir={}",
            world.path("untrusted").display()
        ))
    };
    let stranger = {
        std::fs::create_dir(world.path("stranger")).expect("directory");
        world.put("stranger/token", "no-such-token");
        world.cloud.write_ca(&world.path("stranger/ca.crt")).expect("CA");
        world.for_pods().argument(format!(
            "--service-account-dir={}",
            world.path("stranger").display()
        ))
    };
    let powerless = {
        std::fs::create_dir(world.path("powerless")).expect("directory");
        world.put("powerless/token", "fake-cloud-plain-token");
        world.cloud.write_ca(&world.path("powerless/ca.crt")).expect("CA");
        world.for_pods().argument(format!(
            "--service-account-dir={}",
            world.path("powerless").display()
        ))
    };
    let mut snapshot = String::new();
    for (what, setup, volume) in [
        ("no tokens", world.for_pods(), no_tokens),
        (
            "no token for STS",
            world.for_pods(),
            with_tokens(bare(), &[("vault", &token), ("", &token)]),
        ),
        ("no token at all", world.for_pods(), with_tokens(bare(), &[])),
        ("tokens that are not JSON", world.for_pods(), garbage),
        (
            "a token that is no JWT",
            world.for_pods(),
            with_tokens(bare(), &[("sts.aliyuncs.com", "canary")]),
        ),
        (
            "somebody else's token",
            world.for_pods(),
            with_tokens(
                volume("rrsa-demo", "plain-sa", BOTH),
                &[("sts.aliyuncs.com", &token)],
            ),
        ),
        ("no OIDC provider", world.nobody(), demo()),
        ("no annotation", world.for_pods(), pod("rrsa-demo", "plain-sa")),
        (
            "an annotation that is no role",
            world.for_pods(),
            pod("rrsa-demo", "malformed-sa"),
        ),
        (
            "no such ServiceAccount",
            world.for_pods(),
            pod("rrsa-demo", "gone"),
        ),
        ("not in a cluster", outside, demo()),
        ("no token of the provider", unreadable, demo()),
        ("an API server of another CA", untrusted, demo()),
        ("a token that the API server does not know", stranger, demo()),
        ("no RBAC", powerless, demo()),
    ] {
        world.cloud.clear_requests();
        let provider = world.start(&setup);
        let message = provider.refuses(&volume);
        assert!(
            !message.contains("canary") && !message.contains(&token),
            "{what}: {message}"
        );
        for service in [Service::Sts, Service::Kms, Service::Oos, Service::Metadata] {
            assert!(world.asked(service).is_empty(), "{what}: {service} was asked");
        }
        snapshot.push_str(&format!("{what}:\n  {}\n", settled(&message, &world)));
    }
    insta::assert_snapshot!("missing_pieces", snapshot);
}

/// The API server that cannot be reached is an outage, which passes, and not a refusal.
#[test]
fn an_api_server_out_of_reach_is_internal() {
    let world = World::new();
    let provider = world.start(&world.for_pods().variable("KUBERNETES_SERVICE_PORT", "1"));
    // The first variable of a name counts.
    let setup = {
        let mut setup = world.for_pods();
        setup
            .variables
            .retain(|(name, _)| *name != "KUBERNETES_SERVICE_PORT");
        setup.variable("KUBERNETES_SERVICE_PORT", "1")
    };
    drop(provider);
    let provider = world.start(&setup);
    let status = provider
        .mount(&world.pod(DEMO.0, DEMO.1, BOTH))
        .expect_err("out of reach");
    assert_eq!(
        status.code,
        csi_provider::grpc::Code::Internal,
        "{}",
        status.message
    );
    assert!(
        status.message.contains("cannot reach the Kubernetes API"),
        "{}",
        status.message
    );
}

/// Pods of one ServiceAccount that start while Kubernetes does not answer wait for one answer, and not one after the
/// other: the last would be out of time, and workers with them.
#[test]
fn pods_that_wait_for_kubernetes_fail_together() {
    const PODS: usize = 12;
    let world = World::new();
    let provider = world.start(&world.for_pods());
    let held = world
        .cloud
        .inject(FaultRule::new(Fault::Hold).service(Service::Kubernetes));
    let unavailable = Fault::error(503, "ServiceUnavailable", "m");
    world
        .cloud
        .inject(FaultRule::new(unavailable).service(Service::Kubernetes));
    let statuses = thread::scope(|scope| {
        let pods: Vec<_> = (0..PODS)
            .map(|_| scope.spawn(|| provider.mount(&world.pod(DEMO.0, DEMO.1, BOTH))))
            .collect();
        world.cloud.wait_for_held(1);
        // For the others to be in line; who is late asks anew.
        thread::sleep(Duration::from_millis(500));
        world.cloud.release(held);
        let ends = pods.into_iter().map(|pod| pod.join().expect("thread"));
        ends.map(|end| end.expect_err("out of order")).collect::<Vec<_>>()
    });
    for status in statuses {
        assert!(
            status.message.contains("the Kubernetes API answered 503"),
            "{}",
            status.message
        );
    }
    let asked = world.asked(Service::Kubernetes).len();
    assert!(asked <= PODS / 3, "{asked} questions of {PODS} pods");
    world.cloud.clear_faults();
    provider.reads(&world.pod(DEMO.0, DEMO.1, BOTH));
}

#[test]
fn tokens_may_come_in_the_secrets_field() {
    let world = World::new();
    let provider = world.start(&world.for_pods());
    let mut volume = world.pod(DEMO.0, DEMO.1, BOTH);
    let tokens = volume.parameters.remove(TOKENS).expect("tokens");
    volume.secrets = Some([(TOKENS.to_owned(), tokens.clone())].into());
    provider.reads(&volume);
    // The attributes come first: they are where every driver puts what kubelet gave.
    volume.parameters.insert(TOKENS.to_owned(), "{}".to_owned());
    assert!(
        provider
            .refuses(&volume)
            .contains("no ServiceAccount token of audience")
    );
}

#[test]
fn booleans() {
    let world = World::new();
    let provider = world.start(&world.for_pods());
    for (text, asked) in [
        ("true", true),
        ("True", true),
        ("1", true),
        ("false", false),
        ("False", false),
        ("0", false),
    ] {
        world.cloud.clear_requests();
        let mut volume = world.pod(DEMO.0, DEMO.1, BOTH);
        volume
            .parameters
            .insert("usePodServiceAccountToken".to_owned(), text.to_owned());
        provider.reads(&volume);
        let as_pod = world
            .readers()
            .iter()
            .all(|reader| reader.contains("demo-sa@rrsa-demo"));
        assert_eq!(as_pod, asked, "{text}: {:?}", world.readers());
    }
    let mut volume = world.pod(DEMO.0, DEMO.1, BOTH);
    volume
        .parameters
        .insert("usePodServiceAccountToken".to_owned(), "maybe".to_owned());
    let status = provider.mount(&volume).expect_err("no boolean");
    assert_eq!(
        status.code,
        csi_provider::grpc::Code::InvalidArgument,
        "{}",
        status.message
    );
}

/// STS has the last word on a token; a claim that we believe is not enough.
#[test]
fn a_forged_token_gets_nowhere() {
    let world = World::new();
    let provider = world.start(&world.for_pods());
    let real = world.token(DEMO.0, DEMO.1);
    let mut parts: Vec<String> = real.split('.').map(str::to_owned).collect();
    parts[2] = parts[2].chars().rev().collect();
    let forged = with_tokens(
        volume(DEMO.0, DEMO.1, BOTH),
        &[("sts.aliyuncs.com", &parts.join("."))],
    );
    let message = provider.refuses(&forged);
    assert!(
        message.contains("AuthenticationFail.OIDCToken.Invalid"),
        "{message}"
    );
    assert!(
        message.contains("role acs:ram::1234567890120000:role/demo-role-for-rrsa session demo-sa@rrsa-demo"),
        "{message}"
    );
}

/// A role that does not let this ServiceAccount in is told with what its trust policy must say.
#[test]
fn a_trust_policy_that_does_not_fit() {
    let world = World::new();
    let provider = world.start(&world.for_pods());
    let denied = Fault::Error {
        status: 403,
        code: "AuthenticationFail.NoPermission".to_owned(),
        message: "no".to_owned(),
        dialect: None,
    };
    world.cloud.inject(FaultRule::new(denied).service(Service::Sts));
    let message = provider.refuses(&world.pod(DEMO.0, DEMO.1, BOTH));
    for words in [
        "allow Federated acs:ram::1234567890120000:oidc-provider/ack-rrsa-",
        "oidc:aud sts.aliyuncs.com and oidc:sub system:serviceaccount:rrsa-demo:demo-sa",
    ] {
        assert!(message.contains(words), "{words}: {message}");
    }
}

/// With the flag the next source takes over, as the official provider does, and each use is a warning; what is wrong
/// rather than missing stays refused.
#[test]
fn fallback_on_demand() {
    let world = World::new();
    let setup = world.for_pods().argument("--allow-identity-fallback");
    let provider = world.start(&setup);
    provider.reads(&world.pod("rrsa-demo", "plain-sa", BOTH));
    assert!(
        world
            .readers()
            .iter()
            .all(|reader| reader.contains("worker-role")),
        "{:?}",
        world.readers()
    );
    let mut half = volume("default", "web", BOTH);
    half.secrets = Some([("access_key".to_owned(), "LTAI".to_owned())].into());
    provider.reads(&half);

    let token = world.token(DEMO.0, DEMO.1);
    let stolen = with_tokens(
        volume("rrsa-demo", "plain-sa", BOTH),
        &[("sts.aliyuncs.com", &token)],
    );
    provider.refuses(&stolen);
    let strict = world.start(&world.for_pods());
    strict.refuses(&world.pod("rrsa-demo", "plain-sa", BOTH));
    assert!(strict.refuses(&half).contains("access_secret"));
}

/// The questions to the Kubernetes API and the credentials of pods are among the numbers.
#[test]
fn pods_are_counted() {
    let world = World::new();
    let provider = world.start(&world.for_pods());
    provider
        .mount(&world.pod(DEMO.0, DEMO.1, BOTH))
        .expect("the pod's own identity");
    provider
        .mount(&world.pod("rrsa-demo", "no-such-sa", BOTH))
        .expect_err("no such ServiceAccount");
    let mut text = csi_provider::metrics::Text::default();
    provider.metrics.write(&mut text);
    let text = text.into_string();
    for line in [
        r#"backend_calls_total{service="kubernetes",action="GetServiceAccount",outcome="ok"} 1"#,
        r#"backend_calls_total{service="kubernetes",action="GetServiceAccount",outcome="not_found"} 1"#,
        r#"credential_refreshes_total{source="pod_role",result="success"} 1"#,
    ] {
        let line = format!("alibabacloud_provider_{line}");
        assert!(text.lines().any(|it| it == line), "{line} is missing in\n{text}");
    }
}
