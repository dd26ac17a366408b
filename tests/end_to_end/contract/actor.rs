//! A service that does what its requests say, behind the real server on a socket of its own.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::time::{Duration, Instant};

use csi_provider::clock::{Clock, SystemClock};
use csi_provider::grpc::proto::{File, MountRequest, MountResponse, ObjectVersion, VersionResponse};
use csi_provider::grpc::{Code, Status};
use csi_provider::secret::Secret;
use csi_provider::server::{self, Handle, Service, Settings};
use csi_provider::sync::CallContext;
use harness::driver::Driver;
use prost::Message as _;

/// Answers by the attributes of a Mount: `echo:TEXT`, `size:N;…`, `fail:N:TEXT`, `time`, `hang`. Anything else is a
/// panic, with a canary in its message.
struct Actor {
    clock: Arc<dyn Clock>,
    hanging: Arc<AtomicUsize>,
    hung_up: Arc<AtomicUsize>,
}

impl Service for Actor {
    fn version(&self) -> VersionResponse {
        VersionResponse {
            version: "v1alpha1".to_owned(),
            runtime_name: "actor".to_owned(),
            runtime_version: "0.1.0".to_owned(),
        }
    }

    fn mount(&self, request: MountRequest, call: &CallContext) -> Result<Secret, Status> {
        let text = request.attributes;
        let contents = match text.split_once(':').unwrap_or((text.as_str(), "")) {
            ("echo", rest) => rest.as_bytes().to_vec(),
            ("size", rest) => vec![7; rest.split(';').next().unwrap().parse().unwrap()],
            ("fail", rest) => {
                let (number, message) = rest.split_once(':').unwrap();
                let number: u8 = number.parse().unwrap();
                let code = Code::ALL.into_iter().find(|code| code.number() == number);
                return Err(Status::new(code.unwrap(), message));
            }
            ("time", _) => {
                let left = call.deadline.saturating_duration_since(self.clock.now());
                left.as_nanos().to_string().into_bytes()
            }
            ("hang", _) => {
                let (sender, receiver) = mpsc::channel();
                call.cancellation.on_cancel(move || sender.send(()).unwrap());
                self.hanging.fetch_add(1, Ordering::AcqRel);
                receiver.recv().unwrap();
                self.hung_up.fetch_add(1, Ordering::AcqRel);
                return Err(Status::new(Code::Internal, "cancelled"));
            }
            (other, _) => panic!("canary-{other}"),
        };
        let response = mount_response(contents);
        call.reserve(response.encoded_len())?;
        Ok(Secret::new(response.encode_to_vec()))
    }
}

pub(super) fn mount_response(contents: Vec<u8>) -> MountResponse {
    MountResponse {
        object_version: vec![ObjectVersion {
            id: "a".to_owned(),
            version: "1".to_owned(),
        }],
        error: None,
        files: vec![File {
            path: "a".to_owned(),
            mode: 0o644,
            contents,
        }],
    }
}

pub(super) fn mount_request(attributes: &str) -> Vec<u8> {
    let attributes = attributes.to_owned();
    let request = MountRequest {
        attributes,
        ..MountRequest::default()
    };
    request.encode_to_vec()
}

pub(super) struct Stage {
    pub(super) handle: Handle,
    pub(super) path: PathBuf,
    pub(super) clock: Arc<Stopped>,
    /// Mounts that have begun to hang. One that is counted by the server may not have: it may still wait for a worker,
    /// who does not begin what is cancelled meanwhile.
    pub(super) hanging: Arc<AtomicUsize>,
    /// Hanging Mounts that have learnt that nobody waits for them.
    pub(super) hung_up: Arc<AtomicUsize>,
    _directory: tempfile::TempDir,
}

/// A server whose time is the machine's.
pub(super) fn stage(settings: Settings) -> Stage {
    stage_at(settings, Arc::new(SystemClock), Arc::new(Stopped::new()))
}

/// A server whose time moves when it is told to.
pub(super) fn timeless_stage() -> Stage {
    let clock = Arc::new(Stopped::new());
    stage_at(Settings::default(), clock.clone(), clock)
}

fn stage_at(settings: Settings, clock: Arc<dyn Clock>, stopped: Arc<Stopped>) -> Stage {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("alibabacloud.sock");
    let (hanging, hung_up) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    Stage {
        handle: serve(
            &path,
            clock,
            (Arc::clone(&hanging), Arc::clone(&hung_up)),
            settings,
        ),
        path,
        clock: stopped,
        hanging,
        hung_up,
        _directory: directory,
    }
}

fn serve(
    path: &Path,
    clock: Arc<dyn Clock>,
    (hanging, hung_up): (Arc<AtomicUsize>, Arc<AtomicUsize>),
    settings: Settings,
) -> Handle {
    let socket = server::bind(path).unwrap();
    let actor = Actor {
        clock: Arc::clone(&clock),
        hanging,
        hung_up,
    };
    server::serve(socket, Arc::new(actor), clock, settings).unwrap()
}

impl Stage {
    /// All of the memory budget comes back. The last share may do so just after its answer has been read.
    pub(super) fn holds_nothing(&self) {
        self.wait_until(|stage| stage.handle.budget().used() == 0);
    }

    /// Another server on the same socket, in the place of this one.
    pub(super) fn successor(&self) -> Handle {
        let counts = (Arc::clone(&self.hanging), Arc::clone(&self.hung_up));
        serve(&self.path, Arc::new(SystemClock), counts, Settings::default())
    }

    /// tonic, over one connection.
    pub(super) fn driver(&self) -> Driver {
        Driver::new(&self.path)
    }

    /// Sleeps, not long, until `is_so` says so.
    pub(super) fn wait_until(&self, is_so: impl Fn(&Self) -> bool) {
        wait_until(|| is_so(self));
    }
}

/// Sleeps, not long, until `is_so` says so; gives up after half a minute.
pub(super) fn wait_until(is_so: impl Fn() -> bool) {
    for _ in 0..15_000 {
        if is_so() {
            return;
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    panic!("waited in vain");
}

/// The contents of the one file of a Mount.
pub(super) fn mount(driver: &Driver, attributes: &str) -> Result<Vec<u8>, harness::driver::Status> {
    mount_within(driver, attributes, Some(Duration::from_secs(100)))
}

pub(super) fn mount_within(
    driver: &Driver,
    attributes: &str,
    timeout: Option<Duration>,
) -> Result<Vec<u8>, harness::driver::Status> {
    let request = harness::driver::MountRequest {
        attributes: attributes.to_owned(),
        ..harness::driver::MountRequest::default()
    };
    let response = driver.mount_within(request, timeout)?;
    Ok(response.files.into_iter().next().unwrap().contents)
}

/// Time that stands still until it is moved.
pub(super) struct Stopped(Mutex<Instant>);

impl Stopped {
    fn new() -> Self {
        Self(Mutex::new(SystemClock.now()))
    }

    pub(super) fn pass(&self, time: Duration) {
        *self.0.lock().unwrap() += time;
    }
}

impl Clock for Stopped {
    fn now(&self) -> Instant {
        *self.0.lock().unwrap()
    }

    fn wall(&self) -> jiff::Timestamp {
        jiff::Timestamp::UNIX_EPOCH
    }
}
