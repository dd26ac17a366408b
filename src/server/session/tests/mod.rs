//! Calls as a scripted client sees them, on a manual clock.

mod calls;
mod departure;
mod ends;
mod room;
mod time;

use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::Duration;

use super::answer::encode_health;
use super::*;
use crate::clock::{Clock, SystemClock};
use crate::grpc::message;
use crate::grpc::proto::{MountRequest, ServingStatus, VersionResponse};
use crate::h2::testing::{
    Client, Seen, call, call_head, data, framed, headers, hello, reset, settings, window_update,
};
use crate::limits;
use crate::secret::Secret;
use crate::server::{Service, Settings};
use crate::sync::{CallContext, Cancellation};

/// Time that stands still.
struct Stopped(Mutex<Instant>);

impl Clock for Stopped {
    fn now(&self) -> Instant {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wall(&self) -> jiff::Timestamp {
        jiff::Timestamp::UNIX_EPOCH
    }
}

/// Knows its version; mounts are answered by the tests.
struct Versioned;

impl Service for Versioned {
    fn version(&self) -> VersionResponse {
        VersionResponse {
            version: "v1alpha1".to_owned(),
            ..VersionResponse::default()
        }
    }

    fn mount(&self, _: MountRequest, _: &CallContext) -> Result<Secret, Status> {
        unreachable!("no worker runs here")
    }
}

struct Stage {
    session: Session,
    server: Arc<Server>,
    client: Client,
    now: Instant,
    mounts: Vec<Mount>,
    cancelled: usize,
}

const MOUNT: &str = "/v1alpha1.CSIDriverProvider/Mount";
const VERSION: &str = "/v1alpha1.CSIDriverProvider/Version";
const CHECK: &str = "/grpc.health.v1.Health/Check";
const WATCH: &str = "/grpc.health.v1.Health/Watch";

const LONG: (&str, &str) = ("grpc-timeout", "100S");

impl Stage {
    fn new() -> Self {
        Self::with_budget(limits::MEMORY_BUDGET_BYTES)
    }

    fn with_budget(memory_budget: usize) -> Self {
        let now = SystemClock.now();
        let settings = Settings {
            memory_budget,
            ..Settings::default()
        };
        let server = Server::new(Arc::new(Versioned), Arc::new(Stopped(Mutex::new(now))), settings);
        let session = Session::new(Connection::new(now), Arc::clone(&server), Arc::default());
        let mut stage = Self {
            session,
            server,
            client: Client::new(),
            now,
            mounts: Vec::new(),
            cancelled: 0,
        };
        stage.send(&hello());
        stage
    }

    fn send(&mut self, octets: &[u8]) -> Vec<Seen> {
        self.session.recv(self.now, octets);
        self.settle()
    }

    /// Lets time pass, and the session notice.
    fn pass(&mut self, time: Duration) -> Vec<Seen> {
        self.now += time;
        self.session.wake(self.now);
        self.settle()
    }

    fn settle(&mut self) -> Vec<Seen> {
        let mut out = Vec::new();
        self.session.poll_output(self.now, &mut out, usize::MAX);
        let mut effects = std::mem::take(&mut self.session.effects);
        self.mounts.append(&mut effects.mounts);
        self.cancelled += effects.cancelled.len();
        effects.cancelled.iter().for_each(Cancellation::cancel);
        self.client.read(&out)
    }

    /// A call with one message.
    fn call(&mut self, stream: u32, path: &str, message: &[u8]) -> Vec<Seen> {
        self.send(&call(stream, path, &[LONG], message))
    }

    /// Answers the mount that came last.
    fn finish(&mut self, result: Result<Vec<u8>, Status>) -> Vec<Seen> {
        let Mount { stream, call, .. } = self.mounts.pop().unwrap();
        let result = result.map(|message| {
            let share = call.settle(message.len()).unwrap();
            (Secret::new(message), share)
        });
        self.session.finish_mount(stream, result);
        self.settle()
    }
}

/// The status of a Trailers-Only answer, its message, and what follows it.
#[track_caller]
fn failure(seen: &[Seen]) -> (&str, &str) {
    let [
        Seen::Headers {
            fields, end: true, ..
        },
        rest @ ..,
    ] = seen
    else {
        panic!("{seen:?}")
    };
    assert!(
        matches!(rest, [] | [Seen::Reset(_, Reason::NO_ERROR)]),
        "{seen:?}"
    );
    let [(_, http), (_, content_type), (status, code), (_, message)] = &fields[..] else {
        panic!("{fields:?}")
    };
    assert_eq!(
        (http.as_str(), content_type.as_str(), status.as_str()),
        ("200", "application/grpc", "grpc-status")
    );
    (code, message)
}

/// The message of a successful unary answer: HEADERS, DATA, trailers.
#[track_caller]
fn success(seen: &[Seen]) -> Vec<u8> {
    let [
        Seen::Headers { end: false, .. },
        body @ ..,
        Seen::Headers {
            fields, end: true, ..
        },
    ] = seen
    else {
        panic!("{seen:?}")
    };
    assert_eq!(fields[..], [("grpc-status".to_owned(), "0".to_owned())]);
    let octets = |seen: &Seen| {
        let Seen::Data {
            octets, end: false, ..
        } = seen
        else {
            panic!("{seen:?}")
        };
        octets.clone()
    };
    let body = body.iter().flat_map(octets).collect::<Vec<_>>();
    assert_eq!(body[..5], message::prefix(body.len() - 5).unwrap());
    body[5..].to_vec()
}

fn health(status: ServingStatus) -> Vec<u8> {
    encode_health(status).expose().to_vec()
}
