//! The deepest that anybody may send, on the threads that must bear it: a stack that is too small ends the process.

use std::time::Duration;

use harness::driver::{Code, Driver, MountRequest};
use harness::{FakeCloud, Fault, FaultRule, Service};
use prost::bytes::{Buf, BufMut};
use prost::encoding::{DecodeContext, WireType};

use crate::world::{World, provider_of, request};

/// Beyond every bound: 32 levels of YAML and of expressions, 128 of JSON.
const LEVELS: [usize; 12] = [1, 8, 16, 24, 28, 30, 31, 32, 33, 100, 127, 1_000];

/// `middle` in so many pairs of `open` and `close`.
fn nested(levels: usize, open: &str, middle: &str, close: &str) -> String {
    format!("{}{middle}{}", open.repeat(levels), close.repeat(levels))
}

/// Mounts each request; gives the most levels at which one succeeded. The others are refused with a code that a
/// provider which is no more could not give.
fn deepest(world: &World, request: impl Fn(usize) -> MountRequest) -> usize {
    let mut deepest = 0;
    for levels in LEVELS {
        match world.driver.mount(request(levels)) {
            Ok(_) => deepest = levels,
            Err(status) => assert!(
                matches!(status.code(), Code::InvalidArgument | Code::FailedPrecondition),
                "{levels} levels: {status}"
            ),
        }
    }
    deepest
}

/// YAML, expressions and JSON are taken apart, evaluated and written on a worker's stack.
#[test]
fn a_workers_stack_bears_the_deepest_that_is_legal() {
    let world = World::start();
    world.cloud.set_kms_text("plain", "value");
    let yaml = deepest(&world, |levels| {
        request(&format!(
            "- objectName: plain\n  ignored: {}\n",
            nested(levels, "[", "x", "]")
        ))
    });
    assert_eq!(yaml, 30, "two levels around it, of 32");

    world
        .cloud
        .set_kms_text("document", &nested(20, r#"{"a":"#, "[1]", "}"));
    for (open, middle, close, most) in [
        ("(", "a", ")", 31),
        ("[", "a", "]", 31),
        ("!", "a", "", 31),
        ("a[?", "a", "]", 0), // gives null, which is no file
        ("{a: ", "a", "}", 16),
        ("to_array(", "a", ")", 16),
    ] {
        let expressions = deepest(&world, |levels| {
            let expression = nested(levels, open, middle, close);
            request(&format!(
                "- objectName: document\n  jmesPath:\n  - {{path: '{expression}', objectAlias: a}}\n"
            ))
        });
        assert!(expressions >= most, "{open}{middle}{close}: {expressions}");
    }

    let documents = deepest(&world, |levels| {
        world.cloud.set_kms_text(
            "document",
            &format!(r#"{{"a":{}}}"#, nested(levels, "[", "1", "]")),
        );
        request("- objectName: document\n  jmesPath:\n  - {path: a, objectAlias: a}\n")
    });
    assert!(documents >= 100, "{documents}");
}

/// A handshake, and an answer of any depth behind it, on the stack of a thread that pulls.
#[test]
fn a_pullers_stack_bears_tls_and_the_deepest_answer() {
    let cloud = FakeCloud::start().expect("fake cloud");
    let directory = tempfile::tempdir().expect("directory");
    let ca = directory.path().join("ca.pem");
    cloud.write_ca(&ca).expect("CA");
    let provider = provider_of(&cloud)
        .argument(format!("--kms-endpoint={}", cloud.https_url()))
        .argument(format!("--oos-endpoint={}", cloud.https_url()))
        .variable("SSL_CERT_FILE", &ca)
        .start()
        .expect("provider");
    let driver = Driver::new(provider.socket());
    let objects = "- objectName: test\n  objectType: oos\n- objectName: test-kms\n";
    for (open, close) in [("[", "]"), (r#"{"SecretData":"#, "}"), (r#"{"Parameter":"#, "}")] {
        for levels in LEVELS {
            for status in [200, 500] {
                for service in [Service::Kms, Service::Oos] {
                    let body = nested(levels, open, "1", close);
                    let content_type = "application/json".to_owned();
                    let fault = Fault::Answer {
                        status,
                        content_type,
                        body,
                    };
                    cloud.inject(FaultRule::new(fault).service(service));
                }
                let refused = driver
                    .mount(request(objects))
                    .expect_err("no answer that is any good");
                assert_eq!(refused.code(), Code::Internal, "{levels} levels: {refused}");
                cloud.clear_faults();
                cloud.close_connections();
            }
        }
    }
    driver.mount(request(objects)).expect("the same provider");
}

/// A message of these octets, whatever they are.
#[derive(Debug, Default)]
struct Octets(Vec<u8>);

impl prost::Message for Octets {
    fn encode_raw(&self, out: &mut impl BufMut) {
        out.put_slice(&self.0);
    }

    fn encoded_len(&self) -> usize {
        self.0.len()
    }

    /// What is answered is of no interest.
    fn merge_field(
        &mut self,
        _: u32,
        wire: WireType,
        from: &mut impl Buf,
        context: DecodeContext,
    ) -> Result<(), prost::DecodeError> {
        prost::encoding::skip_field(wire, 1, from, context)
    }

    fn clear(&mut self) {
        self.0.clear();
    }
}

/// Fields that nobody knows are passed over, groups within groups: of Mounts on a worker's stack, of all else on that
/// of the connection's reader.
#[test]
fn a_readers_stack_bears_the_deepest_message() {
    let world = World::start();
    for path in [
        "/v1alpha1.CSIDriverProvider/Mount",
        "/v1alpha1.CSIDriverProvider/Version",
        "/grpc.health.v1.Health/Check",
    ] {
        for levels in LEVELS {
            // Field 15 begins as a group, and ends.
            let groups = [vec![0x7b; levels], vec![0x7c; levels]].concat();
            let answer: Result<Octets, _> =
                world
                    .driver
                    .call(path, Octets(groups), Some(Duration::from_secs(60)));
            let is_mount = path.ends_with("Mount");
            match answer {
                Ok(_) => assert!(levels <= 100 && !is_mount, "{path}: {levels} levels"),
                // A Mount has no attributes here.
                Err(status) if levels <= 100 => {
                    assert!(
                        is_mount && status.code() == Code::InvalidArgument,
                        "{path}: {levels} levels: {status}"
                    );
                }
                Err(status) => assert_eq!(status.code(), Code::Internal, "{path}: {levels} levels: {status}"),
            }
        }
    }
}
