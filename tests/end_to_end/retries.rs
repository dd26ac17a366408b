//! What is tried again and what is not, with faults in the cloud.

use harness::driver::{Code, Status};
use harness::{CutPoint, Fault, FaultRule, RequestRecord, Service};

use crate::world::{World, binary, request};

const KMS: &str = "- objectName: test-kms\n";
const OOS: &str = "- objectName: test\n  objectType: oos\n";

/// The requests to one of the two services that hold values.
fn reads(world: &World) -> Vec<RequestRecord> {
    let mut requests = world.cloud.requests();
    requests.retain(|request| matches!(request.service, Service::Kms | Service::Oos));
    requests
}

/// A Mount of `objects` succeeds although `fault` strikes `times`, with one more request than that. The fake refuses
/// a nonce or signature that it has seen, so each try has its own.
fn survives(objects: &str, fault: &Fault, times: u64) -> World {
    let world = World::start();
    world.cloud.inject(FaultRule::new(fault.clone()).times(times));
    let response = world
        .mount(objects)
        .unwrap_or_else(|status| panic!("{fault:?} {times} times: {status}"));
    assert!(response.files[0].contents.starts_with(b"hello from"), "{fault:?}");
    let count = reads(&world).len() as u64;
    assert_eq!(count, times + 1, "{fault:?} {times} times");
    world
}

/// A Mount of `objects` fails under `fault` after so many requests.
fn fails(objects: &str, fault: &Fault, requests: usize) -> Status {
    let world = World::start();
    world.cloud.inject(FaultRule::new(fault.clone()));
    let status = world.mount(objects).expect_err("a fault for good");
    assert_eq!(reads(&world).len(), requests, "{fault:?}: {status}");
    status
}

#[test]
fn throttled_once() {
    survives(KMS, &Fault::Throttle, 1); // 429 Rejected.Throttling
    survives(OOS, &Fault::Throttle, 1); // 400 Throttling.User, with a hint of how long to wait
    survives(KMS, &Fault::ThrottleByGateway, 1); // 400 Throttling.User, without
    survives(
        KMS,
        &Fault::error(200, "Rejected.Throttling", "by name, whatever the status"),
        1,
    );
    survives(KMS, &Fault::error(429, "", "by status, without a name"), 1);
}

#[test]
fn throttled_for_long() {
    survives(KMS, &Fault::Throttle, 5);
    survives(OOS, &Fault::Throttle, 3);
}

/// The hint is waited out: by the cloud's own clock, the second try does not arrive before it.
#[test]
fn the_gateways_hint_is_honoured() {
    let world = survives(OOS, &Fault::Throttle, 1);
    let requests = reads(&world);
    let apart = requests[1].time.duration_since(requests[0].time);
    assert!(apart.as_millis() >= 490, "{apart:?} apart, 500 ms were asked for");
}

#[test]
fn out_of_order_once() {
    survives(KMS, &Fault::error(500, "InternalFailure", "m"), 1);
    survives(OOS, &Fault::error(500, "InternalError", "m"), 1);
    survives(
        KMS,
        &Fault::error(503, "SerivceUnvailableTemporary", "spelt so"),
        1,
    );
    survives(OOS, &Fault::Html { status: 502 }, 1);
    survives(KMS, &Fault::error(504, "", ""), 2);
}

#[test]
fn connections_that_break_off() {
    for point in [CutPoint::BeforeHead, CutPoint::BeforeBody, CutPoint::InsideBody] {
        survives(KMS, &Fault::Cut(point), 1);
        survives(OOS, &Fault::Cut(point), 2);
    }
}

/// The cloud closes a connection that it promised to keep. The next Mount does not notice.
#[test]
fn stale_connections_are_replaced() {
    let world = World::start();
    for point in 0..5 {
        world.mount(KMS).expect("mount");
        if point % 2 == 0 {
            world.cloud.close_connections();
        } else {
            let cut = FaultRule::new(Fault::Cut(CutPoint::AfterBody)).times(1);
            world.cloud.inject(cut);
            world.mount(KMS).expect("mount");
        }
    }
    let answered = reads(&world)
        .iter()
        .filter(|request| request.status == Some(200))
        .count();
    assert_eq!(answered, 7);
}

/// Every crumb of a slow answer is waited for.
#[test]
fn a_slow_answer() {
    let crumbs = Fault::Slow {
        bytes: 16,
        pause_ms: 5,
    };
    let world = World::start();
    world.cloud.inject(FaultRule::new(crumbs));
    let response = world.mount(KMS).expect("mount");
    assert_eq!(response.files[0].contents, b"hello from KMS");
    assert_eq!(reads(&world).len(), 1);
}

/// What cannot change is asked once.
#[test]
fn definite_answers_are_final() {
    for (fault, code) in [
        (
            Fault::error(403, "Forbidden.NoPermission", "m"),
            Code::PermissionDenied,
        ),
        (
            Fault::error(404, "Forbidden.ResourceNotFound", "m"),
            Code::NotFound,
        ),
        (Fault::error(400, "InvalidParameter", "m"), Code::InvalidArgument),
        (
            Fault::error(400, "SignatureDoesNotMatch", "m"),
            Code::Unauthenticated,
        ),
        (Fault::EmptyBody, Code::Internal),
        (Fault::TruncatedBody, Code::Internal),
        (Fault::Html { status: 200 }, Code::Internal),
        (
            Fault::RemoveField {
                field: "/VersionId".to_owned(),
            },
            Code::Internal,
        ),
    ] {
        let status = fails(KMS, &fault, 1);
        assert_eq!(status.code(), code, "{fault:?}: {status}");
    }
}

/// Four tries, and then the answer names the object and what the cloud said.
#[test]
fn out_of_order_for_good() {
    let status = fails(KMS, &Fault::error(500, "InternalFailure", "m"), 4);
    assert_eq!(status.code(), Code::Internal);
    assert!(
        status.message().contains("item 1 \"test-kms\" (kms)")
            && status.message().contains("InternalFailure"),
        "{status}"
    );
}

/// A large Mount under an outage: what is under way is tried again within the budget, what has not started is not
/// started, and the answer says so.
#[test]
fn an_outage_starts_nothing_more() {
    let world = World::with(|provider, _| provider.argument("--max-concurrent-kms-secret-pulls=4"));
    let mut objects = String::new();
    for at in 0..100 {
        world.cloud.set_kms_text(&format!("object-{at}"), "value");
        objects.push_str(&format!("- objectName: object-{at}\n"));
    }
    let outage = world
        .cloud
        .inject(FaultRule::new(Fault::error(503, "ServiceUnavailable", "m")));
    let status = world.mount(&objects).expect_err("an outage");
    assert_eq!(status.code(), Code::Internal, "{status}");
    assert!(status.message().contains("not requested"), "{status}");
    let asked = reads(&world).len();
    assert!(asked <= 100 + 20 + 20, "{asked} requests for 100 objects");
    let distinct: std::collections::BTreeSet<_> = reads(&world)
        .into_iter()
        .filter_map(|request| request.name)
        .collect();
    assert!(
        distinct.len() < 100,
        "{} of 100 objects were asked for",
        distinct.len()
    );

    world.cloud.release(outage);
    assert_eq!(world.mount(&objects).expect("recovered").files.len(), 100);
}

/// A refusal keeps nobody else from being asked, and all refusals are told.
#[test]
fn refusals_cancel_nobody() {
    let world = World::with(|provider, _| provider.argument("--max-concurrent-kms-secret-pulls=1"));
    let status = world
        .mount(
            "- objectName: missing\n- objectName: forbidden\n- objectName: test-kms\n- objectName: absent\n",
        )
        .expect_err("three refusals");
    for words in ["item 1 \"missing\"", "item 2 \"forbidden\"", "item 4 \"absent\""] {
        assert!(status.message().contains(words), "{status}");
    }
    assert_eq!(reads(&world).len(), 4);
}

/// Temporary credentials that have ended are replaced once, for all calls that hold them.
#[test]
fn ended_credentials_are_replaced_once() {
    let cloud = harness::FakeCloud::start().expect("fake cloud");
    let (id, secret) = cloud.access_key();
    let url = cloud.http_url();
    let provider = ["kms", "oos", "sts", "metadata"]
        .iter()
        .fold(binary(), |builder, service| {
            builder.argument(format!("--{service}-endpoint={url}"))
        })
        .argument("--refresh-interval=0")
        .variable("ACCESS_KEY_ID", id)
        .variable("SECRET_ACCESS_KEY", secret)
        .variable("ALICLOUD_ROLE_ARN", "acs:ram::1234567890120000:role/adminrole")
        .start()
        .expect("provider");
    let driver = harness::driver::Driver::new(provider.socket());
    let world = World {
        cloud,
        provider,
        driver,
    };
    let sts = || world.cloud.requests_of(Service::Sts).len();
    world.driver.mount(request(KMS)).expect("mount");
    assert_eq!((sts(), reads(&world).len()), (1, 1));

    let expired = || Fault::error(400, "InvalidSecurityToken.Expired", "m");
    world
        .cloud
        .inject(FaultRule::new(expired()).service(Service::Kms).times(1));
    world.driver.mount(request(KMS)).expect("mount");
    assert_eq!(
        (sts(), reads(&world).len()),
        (2, 3),
        "fresh credentials, one more try"
    );

    world
        .cloud
        .inject(FaultRule::new(expired()).service(Service::Kms));
    let status = world.driver.mount(request(KMS)).expect_err("refused again");
    assert_eq!(status.code(), Code::Unauthenticated, "{status}");
    assert_eq!((sts(), reads(&world).len()), (3, 5), "once, not for ever");
}
