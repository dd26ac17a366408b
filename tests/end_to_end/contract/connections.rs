//! Items 1 to 5, and 37: the socket and its connections.

use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::time::Duration;

use csi_provider::config::{self, Command, Config};
use csi_provider::h2::frame::Kind;
use csi_provider::provider::SOCKET_NAME;
use csi_provider::server::Settings;
use harness::driver::{Code, Driver};
use harness::{FakeCloud, Fault, FaultRule};

use super::actor::{mount, mount_request, stage, timeless_stage};
use super::raw::{MOUNT, PREFACE, Raw, Seen, VERSION, data, framed, raw, section, settings, settings_ack};
use crate::world::binary;

fn configuration(arguments: &[&str]) -> Config {
    let environment: &[(&'static str, &str)] = &[];
    match config::parse(arguments.iter().map(OsString::from), &environment).unwrap() {
        Command::Serve(config) => *config,
        other => panic!("{other:?}"),
    }
}

/// The default stays the official provider's; the chart passes the directory that the driver looks in first.
#[test]
fn the_socket_is_in_a_configurable_directory_under_a_name_that_the_driver_accepts() {
    let official = Path::new("/etc/kubernetes/secrets-store-csi-providers");
    assert_eq!(configuration(&[]).provider_volume, official);

    let name = SOCKET_NAME.strip_suffix(".sock").unwrap();
    let is_accepted = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    assert!(name.len() <= 30 && name.chars().all(is_accepted));

    let directory = tempfile::tempdir().unwrap();
    let provider = binary().volume(directory.path()).start().unwrap();
    assert_eq!(provider.socket(), directory.path().join("alibabacloud.sock"));
    Driver::new(provider.socket()).version().unwrap();

    let chart = Path::new(env!("CARGO_MANIFEST_DIR")).join("charts/csi-secrets-store-provider-alibabacloud");
    let container = fs::read_to_string(chart.join("templates/_container.tpl")).unwrap();
    assert!(container.contains("--provider-volume=/provider"));
    let values = fs::read_to_string(chart.join("values.yaml")).unwrap();
    assert!(values.contains("providersDir: /var/run/secrets-store-csi-providers"));
}

#[test]
fn a_stale_socket_is_replaced_and_the_new_one_is_for_its_owner_alone() {
    let directory = tempfile::tempdir().unwrap();
    drop(UnixListener::bind(directory.path().join(SOCKET_NAME)).unwrap());
    let provider = binary().volume(directory.path()).start().unwrap();
    let metadata = fs::symlink_metadata(provider.socket()).unwrap();
    assert!(metadata.file_type().is_socket());
    assert_eq!(metadata.permissions().mode() & 0o777, 0o600);
}

/// Whether the driver or the provider comes first, and although nothing in the cloud answers.
#[test]
fn it_listens_before_anything_slow_and_in_either_order() {
    let cloud = FakeCloud::start().unwrap();
    cloud.inject(FaultRule::new(Fault::Hold));
    let directory = tempfile::tempdir().unwrap();
    let early = Driver::new(&directory.path().join(SOCKET_NAME));
    assert_eq!(early.version().unwrap_err().code(), Code::Unavailable);

    let provider = binary()
        .volume(directory.path())
        .argument(format!("--metadata-endpoint={}", cloud.http_url()))
        .start()
        .unwrap();
    let late = Driver::new(provider.socket());
    for driver in [&early, &late] {
        assert_eq!(driver.version().unwrap().version, "v1alpha1");
        assert_eq!(driver.check("").unwrap().status, 1);
    }
    assert!(cloud.requests().is_empty());
}

#[test]
fn several_connections_and_any_authority_are_served() {
    let stage = stage(Settings::default());
    let mut clients: Vec<_> = (0..8).map(|_| Raw::connect(&stage.path)).collect();
    let authorities = [
        Some("localhost"),
        None,
        Some(""),
        Some("alibabacloud.sock"),
        Some("%2Fvar%2Frun%2Fa.sock"),
        Some("127.0.0.1:80"),
    ];
    for (at, authority) in authorities.into_iter().enumerate() {
        for client in &mut clients {
            let mut fields = vec![(":method", "POST"), (":scheme", "http"), (":path", MOUNT)];
            fields.extend(authority.map(|authority| (":authority", authority)));
            fields.extend([("content-type", "application/grpc"), ("te", "trailers")]);
            let stream = u32::try_from(2 * at + 1).unwrap();
            client.send(&section(stream, &fields));
            client.send(&data(stream, &framed(&mount_request("echo:x")), true));
            assert_eq!(Raw::status(&client.answer(stream)).0, 0, "{authority:?}");
        }
    }
    assert_eq!(stage.handle.connections(), 8);
}

#[test]
fn settings_come_first_and_unasked_and_each_of_the_clients_is_acknowledged() {
    let stage = stage(Settings::default());
    let mut client = Raw::silent(&stage.path);
    assert!(
        matches!(client.next(), Some(Seen::Settings(_))),
        "before the client says anything"
    );
    client.send(&[PREFACE, &settings(&[]), &settings_ack()].concat());
    client.until(|seen| *seen == Seen::SettingsAck);
    for size in [0, 65_535, 131_070, 1 << 20] {
        client.send(&settings(&[(4, size), (0xff, 7)]));
        client.until(|seen| *seen == Seen::SettingsAck);
    }
    client.send(&[settings(&[]), settings(&[]), settings(&[])].concat());
    let seen = client.ping();
    assert_eq!(seen, [Seen::SettingsAck, Seen::SettingsAck, Seen::SettingsAck]);
}

#[test]
fn a_client_that_goes_away_or_is_idle_is_nothing_unusual() {
    let stage = timeless_stage();

    // GOAWAY during a call: the call is finished.
    let mut client = Raw::connect(&stage.path);
    let goaway = raw(Kind::GOAWAY, 0, 0, &[0, 0, 0, 0, 0, 0, 0, 0]);
    client.send(&super::raw::call_head(1, MOUNT, &[]));
    client.send(&goaway);
    client.send(&data(1, &framed(&mount_request("echo:x")), true));
    assert_eq!(Raw::status(&client.answer(1)).0, 0);
    drop(client);

    // Half an hour of silence, after which grpc-go closes, is within what we wait for.
    let mut client = Raw::connect(&stage.path);
    stage.wait_until(|stage| stage.handle.connections() == 1);
    stage.clock.pass(Duration::from_secs(1_800));
    assert_eq!(client.ping(), []);
    assert_eq!(Raw::status(&client.call(1, VERSION, &[], b"")).0, 0);
    client.send(&goaway);
    drop(client);
    stage.wait_until(|stage| stage.handle.connections() == 0);

    assert_eq!(stage.handle.counters().connection_errors.value(), 0);
    assert_eq!(mount(&stage.driver(), "echo:still here").unwrap(), b"still here");
}
