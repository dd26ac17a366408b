//! Beside the items: the bounds of `limits.rs` that only show on the socket, at their real sizes.

use std::fs;
use std::process::Command;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::Duration;

use csi_provider::clock::{Clock as _, SystemClock};
use csi_provider::grpc::Code;
use csi_provider::h2::Reason;
use csi_provider::h2::frame::Kind;
use csi_provider::limits;
use csi_provider::server::Settings;
use harness::driver::Driver;

use super::actor::{Stage, mount, mount_request, stage, timeless_stage, wait_until};
use super::raw::{MOUNT, PREFACE, Raw, Seen, VERSION, call, call_head, cancel, raw, settings, window_update};
use crate::world::binary;

const LONG: (&str, &str) = ("grpc-timeout", "100S");

fn goaway(last: u32) -> Seen {
    let reason = Reason::NO_ERROR;
    Seen::GoAway { last, reason }
}

/// GOAWAY for no stream yet: the client may still ask, and then has to go.
const ASKED_TO_GO: u32 = 0x7fff_ffff;

fn call_version(client: &mut Raw, stream: u32) -> u8 {
    Raw::status(&client.call(stream, VERSION, &[], b"")).0
}

/// The driver has been there for longest and has nothing to do.
#[test]
fn connections_that_ask_for_nothing_make_room_and_the_driver_s_stays() {
    let stage = stage(Settings::default());
    let driver = stage.driver();
    assert_eq!(mount(&driver, "echo:before").unwrap(), b"before");
    let mut idle = Raw::connect(&stage.path);
    assert_eq!(call_version(&mut idle, 1), 0);
    let mut silent: Vec<_> = (0..limits::CONNECTIONS - 2)
        .map(|at| match at % 3 {
            0 => Raw::silent(&stage.path),
            1 => {
                let mut client = Raw::silent(&stage.path);
                client.send(&PREFACE[..10]);
                client
            }
            _ => Raw::connect(&stage.path),
        })
        .collect();
    let mut newcomers: Vec<_> = (0..300)
        .map(|at| {
            let newcomer = Raw::silent(&stage.path);
            if at % 30 == 0 {
                // As the probe of /healthz and as a driver that has just started.
                assert_eq!(call_version(&mut Raw::connect(&stage.path), 1), 0);
                assert_eq!(mount(&stage.driver(), "echo:new").unwrap(), b"new");
            }
            newcomer
        })
        .collect();
    let counters = stage.handle.counters();
    stage.wait_until(|_| counters.connections_displaced.value() >= 298);
    assert_eq!(counters.connections_refused.value(), 0);
    for client in &mut silent {
        client.until(|seen| *seen == goaway(0));
        assert_eq!(client.next(), None);
    }
    // The oldest went first.
    let (gone, stay) = newcomers.split_at_mut(300 - limits::CONNECTIONS + 2);
    for client in gone.iter_mut().take(200) {
        client.until(|seen| *seen == goaway(0));
        assert_eq!(client.next(), None);
    }
    let youngest = stay.last_mut().unwrap();
    youngest.send(&super::raw::hello());
    assert_eq!(call_version(youngest, 1), 0);

    assert_eq!(idle.ping(), [], "it was told nothing");
    assert_eq!(call_version(&mut idle, 3), 0);
    let accepted = counters.connections.value();
    assert_eq!(mount(&driver, "echo:after").unwrap(), b"after");
    assert_eq!(counters.connections.value(), accepted, "on the same connection");
    assert_eq!(counters.connection_errors.value(), 0);
}

#[test]
fn of_idle_connections_the_one_that_was_served_longest_ago_is_asked_to_go() {
    let stage = stage(Settings::default());
    let mut clients: Vec<_> = (0..limits::CONNECTIONS)
        .map(|_| {
            let mut client = Raw::connect(&stage.path);
            assert_eq!(call_version(&mut client, 1), 0);
            client
        })
        .collect();
    // The oldest is the one that was used last.
    assert_eq!(call_version(&mut clients[0], 3), 0);
    let mut newcomer = Raw::connect(&stage.path);
    assert_eq!(call_version(&mut newcomer, 1), 0);

    let mut second = clients.remove(1);
    let seen = second.until(|seen| matches!(seen, Seen::Ping { ack: false, .. }));
    assert_eq!(seen[0], goaway(ASKED_TO_GO), "{seen:?}");
    // A call that crossed this on its way is served, to its end.
    second.send(&call(3, MOUNT, &[LONG], &mount_request("echo:crossed")));
    second.send(&raw(Kind::PING, 1, 0, b"shutdown"));
    assert_eq!(Raw::status(&second.answer(3)).0, 0);
    let mut rest: Vec<_> = std::iter::from_fn(|| second.next()).collect();
    rest.retain(|seen| !matches!(seen, Seen::WindowUpdate(..)));
    assert!(rest.is_empty() || rest == [goaway(3)], "{rest:?}");

    for client in &mut clients {
        assert_eq!(client.ping(), [], "the others are told nothing");
    }
    let counters = stage.handle.counters();
    assert_eq!(counters.connections_displaced.value(), 1);
    assert_eq!(counters.connections_refused.value(), 0);
    assert_eq!(counters.connection_errors.value(), 0);
}

/// Those that take no notice are waited for, in numbers, and nobody else is refused for it.
#[test]
fn idle_clients_that_do_not_go_by_themselves_are_let_go() {
    let stage = stage(Settings::default());
    let served = |stage: &Stage| {
        let mut client = Raw::connect(&stage.path);
        assert_eq!(call_version(&mut client, 1), 0);
        client
    };
    let mut clients: Vec<_> = (0..limits::CONNECTIONS).map(|_| served(&stage)).collect();
    let newcomers = 2 * limits::CONNECTIONS_LEAVING + 1;
    let later: Vec<_> = (0..newcomers).map(|_| served(&stage)).collect();
    for client in clients.iter_mut().take(newcomers) {
        let seen = client.until(|seen| *seen == goaway(1));
        assert_eq!(seen[0], goaway(ASKED_TO_GO), "{seen:?}");
        assert_eq!(client.next(), None);
    }
    for client in clients.iter_mut().skip(newcomers) {
        assert_eq!(client.ping(), []);
    }
    drop(later);
    assert_eq!(stage.handle.counters().connections_refused.value(), 0);
}

/// As many as like: none of them keeps a newcomer out, and the driver's connection is there when it is needed.
#[test]
fn a_crowd_of_requests_that_never_end_makes_room() {
    let stage = stage(Settings::default());
    let counters = stage.handle.counters();
    let driver = stage.driver();
    assert_eq!(mount(&driver, "echo:before").unwrap(), b"before");
    let mut crowd = Vec::new();
    for at in 0..100 {
        let mut client = Raw::silent(&stage.path);
        client.send(&[super::raw::hello(), call_head(1, MOUNT, &[LONG])].concat());
        crowd.push(client);
        if at % 10 == 0 {
            assert_eq!(call_version(&mut Raw::connect(&stage.path), 1), 0);
        }
    }
    stage.wait_until(|_| counters.connections.value() == 111);
    assert_eq!(mount(&driver, "echo:after").unwrap(), b"after");
    assert_eq!(counters.connections.value(), 111, "on the same connection");
    assert!(counters.connections_displaced.value() > 60);
    assert_eq!(counters.connections_refused.value(), 0);
    assert_eq!(counters.connection_errors.value(), 0);
}

/// One call each, then a request that never ends, and GOAWAY is not for them.
#[test]
fn a_crowd_that_ignores_goaway_makes_room() {
    let stage = stage(Settings::default());
    let counters = stage.handle.counters();
    let mut idle = Raw::connect(&stage.path);
    assert_eq!(call_version(&mut idle, 1), 0);
    let driver = stage.driver();
    let mut crowd = Vec::new();
    for at in 0..60 {
        if at % 10 == 0 {
            assert_eq!(mount(&driver, "echo:x").unwrap(), b"x");
        }
        let mut client = Raw::connect(&stage.path);
        assert_eq!(call_version(&mut client, 1), 0);
        client.send(&call_head(3, MOUNT, &[LONG]));
        crowd.push(client);
    }
    let accepted = counters.connections.value();
    assert_eq!(mount(&driver, "echo:after").unwrap(), b"after");
    assert_eq!(counters.connections.value(), accepted, "on the same connection");
    assert_eq!(counters.connections_refused.value(), 0);
    // Whoever has nothing to do ends by the graceful GOAWAY, and nothing else.
    assert_eq!(idle.next(), Some(goaway(ASKED_TO_GO)));
    for client in crowd.iter_mut().take(20) {
        client.until(|seen| *seen == goaway(3));
        let (code, message) = Raw::status(&client.answer(3));
        assert!(
            code == Code::Internal.number() && message.contains("to make room"),
            "{message}"
        );
        while client.next().is_some() {}
    }
}

/// A newcomer waits for those that do not go; the shutdown waits for neither.
#[test]
fn a_shutdown_does_not_wait_for_room() {
    let stage = timeless_stage();
    let clients: Vec<_> = (0..limits::CONNECTIONS + limits::CONNECTIONS_LEAVING)
        .map(|_| {
            let mut client = Raw::connect(&stage.path);
            assert_eq!(call_version(&mut client, 1), 0);
            client
        })
        .collect();
    let newcomer = Raw::silent(&stage.path);
    thread::sleep(Duration::from_millis(200)); // by now it waits; if not, nothing is tested
    let started = SystemClock.now();
    stage.handle.shutdown(Duration::ZERO);
    let took = SystemClock.now() - started;
    assert!(took < limits::ROOM_PATIENCE - Duration::from_secs(1), "{took:?}");
    drop((clients, newcomer));
}

#[test]
fn a_connection_with_calls_keeps_its_place_and_a_newcomer_is_refused_if_all_have_some() {
    let stage = stage(Settings::default());
    let mut clients: Vec<_> = (0..limits::CONNECTIONS)
        .map(|_| {
            let mut client = Raw::connect(&stage.path);
            client.send(&call(1, MOUNT, &[LONG], &mount_request("hang")));
            client.ping();
            client
        })
        .collect();
    assert_eq!(Raw::silent(&stage.path).next(), None, "closed without a word");
    let counters = stage.handle.counters();
    assert_eq!(counters.connections_refused.value(), 1);
    assert_eq!(counters.connections_displaced.value(), 0);
    for client in &mut clients {
        assert_eq!(client.ping(), [], "those that are open stay");
    }
    // The probe needs no place: whether this process answers is the question, not whether it has room.
    let mut probe = Raw::over(stage.handle.observer().connect().unwrap());
    assert_eq!(call_version(&mut probe, 1), 0);
    drop(probe);
    stage.wait_until(|stage| stage.handle.connections() == limits::CONNECTIONS);
    assert_eq!(counters.connections_displaced.value(), 0);
    clients[0].send(&cancel(1));
    clients[0].ping();
    assert_eq!(call_version(&mut Raw::connect(&stage.path), 1), 0, "in its place");
    clients.pop();
    stage.wait_until(|stage| stage.handle.connections() < limits::CONNECTIONS);
    Raw::connect(&stage.path);
    assert_eq!(counters.connections_refused.value(), 1);
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
    client.send(&raw(Kind::PUSH_PROMISE, 0, 1, &[0; 4]));
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
