//! Item 38: the end, of the real binary.

use std::os::unix::net::UnixStream;
use std::process::Command;
use std::thread;

use csi_provider::grpc::Code;
use csi_provider::h2::Reason;
use harness::driver::Volume;
use harness::{Fault, FaultRule};
use prost::Message as _;

use super::actor::wait_until;
use super::raw::{MOUNT, Raw, Seen, call};
use crate::world::{World, binary};

/// One Mount ends within the grace period, one does not.
#[test]
fn sigterm_says_goaway_answers_every_open_mount_and_exits() {
    let world = World::with(|provider, _| provider.argument("--shutdown-grace=2s"));
    world.cloud.set_oos("hangs", "never");
    world.cloud.set_oos("slow", "at last");
    world.cloud.inject(FaultRule::new(Fault::Hold).name("hangs"));
    let slow = world.cloud.inject(FaultRule::new(Fault::Hold).name("slow"));
    let mut client = Raw::connect(world.provider.socket());
    for (stream, name) in [(1, "hangs"), (3, "slow")] {
        let objects = format!("- objectName: {name}\n  objectType: oos\n");
        let volume = Volume::new([("objects", objects.as_str()), ("region", "cn-hangzhou")]);
        let message = volume.request().encode_to_vec();
        client.send(&call(stream, MOUNT, &[("grpc-timeout", "100S")], &message));
    }
    world.cloud.wait_for_held(2);

    let socket = world.provider.socket().to_owned();
    let mut provider = world.provider;
    let ended = thread::spawn(move || {
        let status = provider.terminate().unwrap();
        (status, provider.log())
    });
    let reason = Reason::NO_ERROR;
    let first = Seen::GoAway {
        last: 0x7fff_ffff,
        reason,
    };
    client.until(|seen| *seen == first);
    assert!(UnixStream::connect(&socket).is_err(), "it has stopped to accept");
    assert!(!socket.exists());
    client.until(|seen| matches!(seen, Seen::Ping { ack: false, .. }));
    client.send(&super::raw::raw(
        csi_provider::h2::frame::Kind::PING,
        1,
        0,
        b"shutdown",
    ));
    client.until(|seen| *seen == Seen::GoAway { last: 3, reason });

    world.cloud.release(slow);
    assert_eq!(
        Raw::status(&client.answer(3)).0,
        0,
        "finished within the grace period"
    );
    let (code, message) = Raw::status(&client.answer(1));
    assert_eq!(code, Code::Internal.number());
    assert!(message.contains("shutting down"), "{message}");
    assert_eq!(client.next(), None);
    let (status, log) = ended.join().unwrap();
    assert_eq!(status.code(), Some(0), "{log}");
}

#[test]
fn sigint_ends_it_as_well() {
    let mut provider = binary().start().unwrap();
    let mut client = Raw::connect(provider.socket());
    let id = provider.id().to_string();
    assert!(
        Command::new("kill")
            .args(["-INT", &id])
            .status()
            .unwrap()
            .success()
    );
    client.until(|seen| {
        matches!(
            seen,
            Seen::GoAway {
                last: 0x7fff_ffff,
                ..
            }
        )
    });
    let socket = provider.socket().to_owned();
    wait_until(|| !socket.exists());
    drop(client);
    // SIGTERM, which this sends as well, finds it ending or gone.
    assert_eq!(
        provider.terminate().unwrap().code(),
        Some(0),
        "{}",
        provider.log()
    );
}
