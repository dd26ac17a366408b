//! Beside the items: the bounds of `limits.rs` that only show on the socket, at their real sizes.

use std::fs;
use std::process::Command;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::Duration;

use csi_provider::grpc::Code;
use csi_provider::limits;
use csi_provider::server::Settings;
use harness::driver::Driver;

use crate::actor::{Stage, mount_request, stage, timeless_stage, wait_until};
use crate::raw::{MOUNT, Raw, VERSION, call, raw, settings, window_update};
use crate::world::binary;

const LONG: (&str, &str) = ("grpc-timeout", "100S");

#[test]
fn connections_are_bounded_and_each_that_ends_makes_room() {
    let stage = stage(Settings::default());
    let mut clients: Vec<_> = (0..limits::CONNECTIONS)
        .map(|_| Raw::connect(&stage.path))
        .collect();
    assert_eq!(Raw::silent(&stage.path).next(), None, "closed without a word");
    assert_eq!(stage.handle.counters().connections_refused.value(), 1);
    for client in &mut clients {
        assert_eq!(client.ping(), [], "those that are open stay");
    }
    clients.pop();
    stage.wait_until(|stage| stage.handle.connections() < limits::CONNECTIONS);
    Raw::connect(&stage.path);
}

#[test]
fn workers_and_their_queue_are_bounded_and_a_final_status_is_beyond() {
    let stage = stage(Settings::default());
    let mut clients: Vec<_> = (0..3).map(|_| Raw::connect(&stage.path)).collect();
    for client in &mut clients {
        for at in 0..limits::CONCURRENT_STREAMS {
            client.send(&call(2 * at + 1, MOUNT, &[LONG], &mount_request("hang")));
        }
    }
    let refused =
        3 * usize::try_from(limits::CONCURRENT_STREAMS).unwrap() - limits::WORKERS - limits::QUEUED_MOUNTS;
    let counters = stage.handle.counters();
    stage.wait_until(|_| counters.mounts.value() == 768);
    stage.wait_until(|stage| stage.handle.queued_mounts() == limits::QUEUED_MOUNTS);
    assert_eq!(
        counters.mounts_overloaded.value(),
        u64::try_from(refused).unwrap()
    );
    let mut statuses = 0;
    for client in &mut clients {
        for seen in client.ping() {
            if seen.field("grpc-status").is_some() {
                let (code, message) = Raw::status(&[seen]);
                assert_eq!(code, Code::Internal.number());
                assert!(message.contains("too many mounts"), "{message}");
                statuses += 1;
            }
        }
    }
    assert_eq!(statuses, refused);
    assert_eq!(
        Raw::status(&Raw::connect(&stage.path).call(1, VERSION, &[], b"")).0,
        0
    );

    drop(clients);
    // Queued ones may still have come to run before their own connection was lost.
    stage.wait_until(|stage| stage.hung_up.load(Ordering::Acquire) >= limits::WORKERS);
    stage.wait_until(|stage| stage.handle.connections() == 0 && stage.handle.budget().used() == 0);
    assert_eq!(
        Raw::status(&Raw::connect(&stage.path).call(1, MOUNT, &[LONG], &mount_request("echo:x"))).0,
        0
    );
}

/// A client with open windows that asks for much and then reads no octet.
fn deaf_client(stage: &Stage) -> Raw {
    let mut client = Raw::connect(&stage.path);
    client.send(&[settings(&[(4, 1 << 30)]), window_update(0, 1 << 30)].concat());
    client.send(&call(1, MOUNT, &[LONG], &mount_request("size:4000000")));
    stage.wait_until(|stage| stage.handle.counters().answered(Code::Ok).value() == 1);
    client
}

#[test]
fn a_client_that_reads_nothing_is_cut_off() {
    let stage = timeless_stage();
    let client = deaf_client(&stage);
    // The server counts the silence from when its write first fails, and looks once a second.
    wait_until(|| {
        stage.clock.pass(Duration::from_secs(1));
        stage.handle.connections() == 0
    });
    stage.wait_until(|stage| stage.handle.budget().used() == 0);
    drop(client);
    Raw::connect(&stage.path);
}

#[test]
fn after_a_protocol_error_a_client_that_reads_nothing_is_cut_off_soon() {
    let stage = timeless_stage();
    let mut client = deaf_client(&stage);
    client.send(&raw(csi_provider::h2::frame::Kind::PushPromise, 0, 1, &[0; 4]));
    for _ in 0..6 {
        stage.clock.pass(limits::GOAWAY_STALL);
        thread::sleep(limits::WRITE_SLICE + Duration::from_millis(200));
    }
    assert!(6 * limits::GOAWAY_STALL < limits::WRITE_STALL);
    assert_eq!(stage.handle.connections(), 0);
}

/// Or this test does not end.
#[test]
fn a_client_that_reads_nothing_does_not_hold_up_the_shutdown() {
    let stage = stage(Settings::default());
    let client = deaf_client(&stage);
    let Stage { handle, path, .. } = stage;
    handle.shutdown(Duration::ZERO);
    assert!(!path.exists());
    drop(client);
}

/// Connections beyond the process's file descriptors wait; the process goes on.
#[test]
fn a_lack_of_file_descriptors_is_survived() {
    let provider = binary().start().unwrap();
    // The connection that waited for the start has ended.
    let descriptors = || {
        fs::read_dir(format!("/proc/{}/fd", provider.id()))
            .unwrap()
            .count()
    };
    let at_rest = {
        let mut client = Raw::connect(provider.socket());
        client.ping();
        descriptors()
    };
    let limit = format!("--nofile={0}:{0}", at_rest + 3);
    let limited = Command::new("prlimit")
        .args(["--pid", &provider.id().to_string(), &limit])
        .status()
        .unwrap();
    assert!(limited.success());
    let clients: Vec<_> = (0..12).map(|_| Raw::silent(provider.socket())).collect();
    wait_until(|| provider.log().contains("cannot accept a connection"));
    drop(clients);
    assert_eq!(
        Driver::new(provider.socket()).version().unwrap().version,
        "v1alpha1"
    );
}
