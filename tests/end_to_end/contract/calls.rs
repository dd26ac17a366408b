//! Items 11 to 18, and 36: calls.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::Duration;

use csi_provider::grpc::Code;
use csi_provider::limits;
use csi_provider::server::Settings;
use harness::{Fault, FaultRule};

use super::actor::{mount, mount_request, mount_response, stage, timeless_stage};
use super::raw::{MOUNT, Raw, Seen, VERSION, call, call_head, cancel, data, framed};
use crate::world::World;
use prost::Message as _;

const LONG: (&str, &str) = ("grpc-timeout", "100S");

#[test]
fn one_mount_that_hangs_holds_up_none_of_a_hundred() {
    let stage = stage(Settings::default());
    let mut hanging = Raw::connect(&stage.path);
    let seen = Raw::silent(&stage.path).next();
    let Some(Seen::Settings(pairs)) = seen else {
        panic!("{seen:?}")
    };
    assert!(
        pairs.contains(&(3, limits::CONCURRENT_STREAMS)),
        "the number of streams is advertised: {pairs:?}"
    );

    hanging.send(&call(1, MOUNT, &[LONG], &mount_request("hang")));
    stage.wait_until(|stage| stage.handle.counters().mounts.value() == 1);
    let driver = Arc::new(stage.driver());
    let threads: Vec<_> = (0..100)
        .map(|at| {
            let driver = Arc::clone(&driver);
            thread::spawn(move || {
                let contents = mount(&driver, &format!("size:{}", 50_000 + at)).unwrap();
                assert_eq!(contents.len(), 50_000 + at);
            })
        })
        .collect();
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    // On the hanging one's own connection as well.
    assert_eq!(
        Raw::status(&hanging.call(3, MOUNT, &[LONG], &mount_request("echo:x"))).0,
        0
    );
    assert_eq!(stage.hung_up.load(Ordering::Acquire), 0, "it still hangs");
}

/// As many at the same time as there are: each waits until all have come.
#[test]
fn a_hundred_mounts_run_in_parallel() {
    let stage = stage(Settings::default());
    let mut client = Raw::connect(&stage.path);
    for at in 0..100 {
        client.send(&call(2 * at + 1, MOUNT, &[LONG], &mount_request("hang")));
    }
    stage.wait_until(|stage| {
        stage.handle.counters().mounts.value() == 100 && stage.handle.queued_mounts() == 0
    });
    drop(client);
    stage.wait_until(|stage| stage.hung_up.load(Ordering::Acquire) == 100);
}

#[test]
fn a_reset_or_a_lost_connection_stops_that_work_and_no_other() {
    let stage = stage(Settings::default());
    let mut client = Raw::connect(&stage.path);
    let mut other = Raw::connect(&stage.path);
    for stream in [1, 3, 5] {
        client.send(&call(stream, MOUNT, &[LONG], &mount_request("hang")));
    }
    other.send(&call(1, MOUNT, &[LONG], &mount_request("hang")));
    stage.wait_until(|stage| stage.hanging.load(Ordering::Acquire) == 4);

    client.send(&cancel(3));
    stage.wait_until(|stage| stage.hung_up.load(Ordering::Acquire) == 1);
    assert_eq!(
        Raw::status(&client.call(7, MOUNT, &[LONG], &mount_request("echo:x"))).0,
        0
    );
    assert_eq!(stage.hung_up.load(Ordering::Acquire), 1);

    drop(client);
    stage.wait_until(|stage| stage.hung_up.load(Ordering::Acquire) == 3);
    assert_eq!(
        Raw::status(&other.call(3, MOUNT, &[LONG], &mount_request("echo:x"))).0,
        0
    );
    assert_eq!(
        stage.hung_up.load(Ordering::Acquire),
        3,
        "the other connection's is untouched"
    );
}

#[test]
fn grpc_timeout_counts_in_all_six_units_and_is_capped_and_may_be_absent() {
    let stage = timeless_stage();
    let mut client = Raw::connect(&stage.path);
    let cases = [
        (Some("1H"), Some(Duration::from_secs(3_600))),
        (Some("99999999H"), Some(Duration::from_secs(99_999_999 * 3_600))),
        (Some("1M"), Some(Duration::from_secs(60))),
        (Some("30S"), Some(Duration::from_secs(30))),
        (Some("119999m"), Some(Duration::from_millis(119_999))),
        (Some("4999992u"), Some(Duration::from_micros(4_999_992))),
        (Some("99999999n"), Some(Duration::from_nanos(99_999_999))),
        (None, None),
    ];
    for (at, (value, timeout)) in cases.into_iter().enumerate() {
        let fields: Vec<_> = value.map(|value| ("grpc-timeout", value)).into_iter().collect();
        let stream = u32::try_from(2 * at + 1).unwrap();
        let answer = client.call(stream, MOUNT, &fields, &mount_request("time"));
        // A tenth, at most three seconds, is for the way back.
        let expected = timeout.map_or(limits::CALL_TIMEOUT, |timeout| {
            (timeout - (timeout / 10).min(Duration::from_secs(3))).min(limits::CALL_TIMEOUT)
        });
        let expected = mount_response(expected.as_nanos().to_string().into_bytes()).encode_to_vec();
        let Seen::Data { octets, .. } = &answer[1] else {
            panic!("{value:?}: {answer:?}")
        };
        assert_eq!(
            octets.escape_ascii().to_string(),
            framed(&expected).escape_ascii().to_string(),
            "{value:?}"
        );
    }
}

#[test]
fn the_answer_leaves_seconds_before_the_deadline_with_a_final_code() {
    let stage = timeless_stage();
    let mut client = Raw::connect(&stage.path);
    client.send(&call(1, MOUNT, &[LONG], &mount_request("hang")));
    stage.wait_until(|stage| stage.hanging.load(Ordering::Acquire) == 1);
    stage.clock.pass(Duration::from_millis(98_499));
    let seen = client.ping();
    assert!(!seen.iter().any(|seen| seen.ends(1)), "{seen:?}");

    stage.clock.pass(Duration::from_millis(1)); // 1.5 s are left of 100
    client.send(&super::raw::ping([0; 8])); // the server's sleep is by the machine's clock
    let (code, message) = Raw::status(&client.answer(1));
    assert_eq!(code, Code::Internal.number());
    assert!(message.contains("timed out"), "{message}");
    stage.wait_until(|stage| stage.hung_up.load(Ordering::Acquire) == 1);
}

#[test]
fn an_answer_is_headers_one_plain_message_and_trailers_or_trailers_only() {
    let stage = stage(Settings::default());
    let mut client = Raw::connect(&stage.path);
    let accepts = [LONG, ("grpc-accept-encoding", "gzip,deflate,identity")];
    let expected = framed(&mount_response(b"x".repeat(100)).encode_to_vec());

    let answer = client.call(1, MOUNT, &accepts, &mount_request("size:100"));
    let [
        Seen::Headers {
            fields: first,
            end: false,
            ..
        },
        Seen::Data {
            octets, end: false, ..
        },
        Seen::Headers {
            fields: last,
            end: true,
            ..
        },
    ] = &answer[..]
    else {
        panic!("{answer:?}")
    };
    let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    assert_eq!(
        first,
        &[pair(":status", "200"), pair("content-type", "application/grpc")]
    );
    assert_eq!(octets.len(), expected.len());
    assert_eq!(octets[0], 0, "the compression flag");
    assert_eq!(last, &[pair("grpc-status", "0")]);

    let answer = client.call(3, MOUNT, &accepts, &mount_request("fail:5:no such secret"));
    let [
        Seen::Headers {
            fields, end: true, ..
        },
    ] = &answer[..]
    else {
        panic!("{answer:?}")
    };
    let status = [pair("grpc-status", "5"), pair("grpc-message", "no such secret")];
    assert_eq!(fields, &[&first[..], &status].concat());
}

#[test]
fn grpc_message_is_percent_encoded_and_short() {
    let stage = stage(Settings::default());
    let mut client = Raw::connect(&stage.path);
    let answer = client.call(1, MOUNT, &[LONG], &mount_request("fail:9:größer\nals 100%"));
    assert_eq!(
        Raw::status(&answer),
        (9, "gr%C3%B6%C3%9Fer%0Aals 100%25".to_owned())
    );
    let status = mount(&stage.driver(), "fail:9:größer\nals 100%").unwrap_err();
    assert_eq!(status.message(), "größer\nals 100%");

    let long = format!("fail:9:{}", "ü".repeat(10_000));
    let status = mount(&stage.driver(), &long).unwrap_err();
    assert!(
        status.message().len() <= limits::STATUS_MESSAGE_BYTES + 3,
        "{}",
        status.message().len()
    );
    assert!(status.message().ends_with("ü..."));
}

#[test]
fn unknown_methods_and_compressed_requests_are_unimplemented() {
    let stage = stage(Settings::default());
    let mut client = Raw::connect(&stage.path);
    let mut stream = 1;
    for path in [
        "/v1alpha1.CSIDriverProvider/Unmount",
        "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
        "/x",
    ] {
        assert_eq!(Raw::status(&client.call(stream, path, &[], b"")).0, 12, "{path}");
        stream += 2;
    }
    let encoded = client.call(
        stream,
        MOUNT,
        &[("grpc-encoding", "gzip")],
        &mount_request("echo:x"),
    );
    assert_eq!(Raw::status(&encoded).0, 12);
    stream += 2;
    let mut flagged = framed(&mount_request("echo:x"));
    flagged[0] = 1;
    client.send(&[call_head(stream, MOUNT, &[LONG]), data(stream, &flagged, true)].concat());
    assert_eq!(Raw::status(&client.answer(stream)).0, 12);
    assert_eq!(
        stage.handle.counters().mounts.value(),
        0,
        "none of them reached the service"
    );
}

/// Whatever a handler answers.
#[test]
fn mount_never_returns_a_code_that_kubelet_does_not_take_for_final() {
    let stage = stage(Settings::default());
    let mut client = Raw::connect(&stage.path);
    for (at, code) in Code::ALL.into_iter().enumerate() {
        let stream = u32::try_from(2 * at + 1).unwrap();
        let attributes = format!("fail:{}:why", code.number());
        let answer = client.call(stream, MOUNT, &[LONG], &mount_request(&attributes));
        let expected = match code.number() {
            0 | 1 | 4 | 8 | 10 | 14 => Code::Internal.number(),
            number => number,
        };
        assert_eq!(Raw::status(&answer), (expected, "why".to_owned()), "{code}");
    }
    assert_eq!(stage.handle.counters().codes_replaced.value(), 6);
}

/// Of the real binary, while its Mounts hang in the cloud, and without a request to it.
#[test]
fn version_is_answered_at_once_and_without_the_backend() {
    let world = Arc::new(World::start());
    let version = world.driver.version().unwrap();
    assert_eq!(version.version, "v1alpha1");
    assert_eq!(version.runtime_name, "csi-secrets-store-provider-alibabacloud");
    let numbers: Vec<&str> = version.runtime_version.splitn(3, '.').collect();
    assert!(
        numbers.len() == 3 && numbers[..2].iter().all(|part| part.parse::<u32>().is_ok()),
        "{numbers:?}"
    );
    assert!(world.cloud.requests().is_empty());

    world.cloud.set_oos("slow", "at last");
    let held = world.cloud.inject(FaultRule::new(Fault::Hold));
    let mounts: Vec<_> = (0..4)
        .map(|_| {
            let world = Arc::clone(&world);
            thread::spawn(move || world.mount("- objectName: slow\n  objectType: oos\n"))
        })
        .collect();
    world.cloud.wait_for_held(1);
    let mut client = Raw::connect(world.provider.socket());
    assert_eq!(
        Raw::status(&client.call(1, VERSION, &[("grpc-timeout", "1S")], b"\x0a\x08v1alpha1")).0,
        0
    );
    world.cloud.release(held);
    for mount in mounts {
        mount.join().unwrap().unwrap();
    }
}
