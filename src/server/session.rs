//! The calls of one connection: from the events of `h2` to the answers that it sends.
//!
//! Like the cores this is free of sockets, threads and clocks. What must happen outside of the connection's lock, to
//! run a Mount or to tell a handler that its caller is gone, comes out as [`Effects`].
//!
//! A call goes through these phases, and out of each of them directly when its stream is reset:
//!
//! ```text
//!   Receiving ──complete──▶ Running ──result, or out of time──▶ Answering ──sent──▶ gone
//!       │  │                                                     ▲  ▲
//!       │  └──────────── Version, Check, any error ──────────────┘  │
//!       ├──Watch──▶ Watching ──────────────shutdown─────────────────┤
//!       └──refused, body not read yet──▶ Refused ───────────────────┘
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::panic::{self, AssertUnwindSafe};
use std::sync::Arc;
use std::time::Instant;

use prost::Message as _;

use super::Server;
use super::signal::Signal;
use crate::budget::{self, Share};
use crate::grpc::message::{self, Reader};
use crate::grpc::proto::{HealthCheckRequest, HealthCheckResponse, ServingStatus, VersionRequest};
use crate::grpc::request::{self, HttpRefusal, Method, Refusal};
use crate::grpc::response::{self, Failure};
use crate::grpc::timeout::Deadlines;
use crate::grpc::{Call, Cancellation, Code, Status};
use crate::h2::{Connection, Event, Reason, RequestHead, StreamId};
use crate::limits;
use crate::secret::Secret;

/// One connection's calls. See the [module](self).
pub(super) struct Session {
    pub(super) h2: Connection,
    server: Arc<Server>,
    signal: Arc<Signal>,
    calls: BTreeMap<StreamId, Entry>,
    timers: BTreeSet<(Instant, StreamId)>,
    /// Octets of requests that are held without a share of the memory budget.
    uncovered: usize,
    /// Calls that wait for a share.
    waiting: usize,
    is_closed: bool,
}

/// What the caller of a [`Session`] has to do once the connection's lock is free.
#[derive(Default)]
pub(super) struct Effects {
    /// Mounts to run.
    pub(super) mounts: Vec<Mount>,
    /// Calls whose handlers need not go on.
    pub(super) cancelled: Vec<Cancellation>,
}

/// A Mount that has arrived in full.
pub(super) struct Mount {
    pub(super) stream: StreamId,
    pub(super) request: Secret,
    pub(super) call: Call,
}

struct Entry {
    phase: Phase,
    deadlines: Deadlines,
    timer: Instant,
}

enum Phase {
    Receiving {
        method: Method,
        body: Reader,
        held: usize,
        cover: Cover,
        is_complete: bool,
    },
    Refused {
        answer: Answer,
        dropped: usize,
    },
    Running {
        cancellation: Cancellation,
    },
    Watching,
    Answering {
        _share: Option<Share>,
    },
}

/// Whether the memory budget covers a request.
enum Cover {
    Unasked,
    Asked(budget::Request),
    Granted(Share),
}

enum Answer {
    Http { refusal: HttpRefusal, is_head: bool },
    Status(Status),
}

impl Session {
    pub(super) fn new(h2: Connection, server: Arc<Server>, signal: Arc<Signal>) -> Self {
        Self {
            h2,
            server,
            signal,
            calls: BTreeMap::new(),
            timers: BTreeSet::new(),
            uncovered: 0,
            waiting: 0,
            is_closed: false,
        }
    }

    /// The client sent `bytes`.
    pub(super) fn recv(&mut self, now: Instant, bytes: &[u8]) -> Effects {
        let mut effects = Effects::default();
        self.h2.recv(now, bytes);
        self.handle_events(now, &mut effects);
        if self.h2.failure().is_some() {
            self.close(&mut effects);
        }
        effects
    }

    /// Does what has become due, by time or by memory that was given back.
    pub(super) fn wake(&mut self, now: Instant) -> Effects {
        let mut effects = Effects::default();
        self.h2.recv_timeout(now);
        self.handle_events(now, &mut effects);
        if self.h2.failure().is_some() {
            self.close(&mut effects);
        }
        if self.waiting > 0 {
            let streams: Vec<_> = self.calls.keys().copied().collect();
            for stream in streams {
                self.cover(now, stream, &mut effects);
            }
        }
        while let Some((due, stream)) = self.timers.first().copied()
            && due <= now
        {
            self.timers.pop_first();
            self.time_out(stream, &mut effects);
        }
        effects
    }

    /// When to call [`Session::wake`] at the latest.
    pub(super) fn next_timeout(&self) -> Option<Instant> {
        let call = self.timers.first().map(|(due, _)| *due);
        [self.h2.poll_timeout(), call].into_iter().flatten().min()
    }

    /// Takes note of answers that left as output.
    pub(super) fn note_sent(&mut self, now: Instant, effects: &mut Effects) {
        self.handle_events(now, effects);
    }

    /// The result of a Mount. Ignored if the call has ended meanwhile.
    pub(super) fn finish_mount(&mut self, stream: StreamId, result: Result<(Secret, Option<Share>), Status>) {
        if matches!(
            self.calls.get(&stream),
            Some(Entry {
                phase: Phase::Running { .. },
                ..
            })
        ) {
            self.answer_mount(stream, result);
        }
    }

    /// Begins the graceful end: no new calls; watchers learn about it at once.
    pub(super) fn shut_down(&mut self, now: Instant) {
        self.h2.shut_down(now);
        for stream in self.streams(|phase| matches!(phase, Phase::Watching)) {
            self.send_health(stream, ServingStatus::NotServing);
            let failure = Failure::new(&Status::new(Code::Unavailable, "shutting down"));
            self.h2.send_headers(stream, &failure.trailers(), true);
            self.set_answering(stream, None);
        }
    }

    /// Ends the grace period: whatever has no answer yet gets one now.
    pub(super) fn answer_the_rest(&mut self, now: Instant) -> Effects {
        let mut effects = Effects::default();
        self.handle_events(now, &mut effects);
        for stream in self.streams(|phase| !matches!(phase, Phase::Answering { .. })) {
            let message = "the provider is shutting down and the grace period is over; the next attempt will find \
                           its successor";
            self.give_up(stream, Status::new(Code::Internal, message), &mut effects);
        }
        self.h2.finish_shut_down();
        effects
    }

    /// The connection is gone: nobody waits for its calls.
    pub(super) fn close(&mut self, effects: &mut Effects) {
        self.is_closed = true;
        for stream in self.streams(|_| true) {
            self.remove(stream, effects);
        }
    }

    /// Whether nothing more will be sent or received.
    pub(super) fn is_finished(&self) -> bool {
        self.h2.is_finished() || (self.is_closed && self.h2.failure().is_none())
    }

    fn handle_events(&mut self, now: Instant, effects: &mut Effects) {
        while let Some(event) = self.h2.poll_event() {
            match event {
                Event::Request {
                    stream,
                    head,
                    end_stream,
                } => {
                    self.open(now, stream, &head);
                    if end_stream {
                        self.complete(now, stream, effects);
                    }
                }
                Event::Data {
                    stream,
                    payload,
                    end_stream,
                } => {
                    self.recv_body(now, stream, &payload, effects);
                    if end_stream {
                        self.complete(now, stream, effects);
                    }
                }
                Event::Reset { stream, .. } => {
                    if let Some(Entry {
                        phase: Phase::Running { .. },
                        ..
                    }) = self.calls.get(&stream)
                    {
                        self.server.counters.mounts_cancelled.increment();
                    }
                    self.remove(stream, effects);
                }
                Event::Answered { stream } => self.remove(stream, effects),
            }
        }
    }

    /// A call begins.
    fn open(&mut self, now: Instant, stream: StreamId, head: &RequestHead) {
        let (phase, timeout) = match request::Request::parse(head) {
            Ok(request) => {
                let limit = match request.method {
                    Method::Mount => limits::REQUEST_MESSAGE_BYTES,
                    Method::Version | Method::HealthCheck | Method::HealthWatch => {
                        limits::SMALL_MESSAGE_BYTES
                    }
                };
                let body = Reader::new(limit);
                let (method, cover) = (request.method, Cover::Unasked);
                (
                    Phase::Receiving {
                        method,
                        body,
                        held: 0,
                        cover,
                        is_complete: false,
                    },
                    request.timeout,
                )
            }
            Err(refusal) => {
                let answer = match refusal {
                    Refusal::Http(refusal) => Answer::Http {
                        refusal,
                        is_head: head.method == "HEAD",
                    },
                    Refusal::Status(status) => Answer::Status(status),
                };
                (
                    Phase::Refused { answer, dropped: 0 },
                    Some(limits::REFUSED_BODY_TIME),
                )
            }
        };
        let deadlines = Deadlines::new(now, timeout);
        self.calls.insert(
            stream,
            Entry {
                phase,
                deadlines,
                timer: deadlines.answer,
            },
        );
        self.timers.insert((deadlines.answer, stream));
    }

    /// A piece of a request's body.
    fn recv_body(&mut self, now: Instant, stream: StreamId, payload: &Secret, effects: &mut Effects) {
        let octets = payload.len();
        match self.calls.get_mut(&stream).map(|entry| &mut entry.phase) {
            Some(Phase::Receiving { body, held, .. }) => {
                *held += octets;
                self.uncovered += octets;
                if let Err(status) = body.push(payload.expose()) {
                    self.refuse(stream, status);
                } else {
                    self.cover(now, stream, effects);
                }
            }
            Some(Phase::Refused { dropped, .. }) => {
                *dropped += octets;
                let is_enough = *dropped > limits::REFUSED_BODY_BYTES;
                self.h2.release(stream, octets);
                if is_enough {
                    self.answer_refused(stream);
                }
            }
            _ => self.h2.release(stream, octets),
        }
    }

    /// Has the memory budget cover a Mount's request, as far as it is known and there is room.
    fn cover(&mut self, now: Instant, stream: StreamId, effects: &mut Effects) {
        let Some(Entry {
            phase:
                Phase::Receiving {
                    method,
                    body,
                    held,
                    cover,
                    is_complete,
                },
            ..
        }) = self.calls.get_mut(&stream)
        else {
            return;
        };
        if matches!(cover, Cover::Unasked)
            && *method == Method::Mount
            && let Some(length) = body.length()
        {
            let signal = Arc::clone(&self.signal);
            match self.server.budget.request(length, move || signal.raise()) {
                Ok(request) => {
                    *cover = Cover::Asked(request);
                    self.waiting += 1;
                }
                Err(exhausted) => return self.refuse(stream, exhausted.into()),
            }
        }
        if let Cover::Asked(request) = cover
            && let Some(share) = request.take()
        {
            *cover = Cover::Granted(share);
            self.waiting -= 1;
            body.reserve();
            let octets = std::mem::take(held);
            self.uncovered -= octets;
            let missing = body.missing();
            let is_complete = *is_complete;
            self.h2.release(stream, octets);
            self.h2.grow_window(stream, missing);
            if is_complete {
                self.complete(now, stream, effects);
            }
            return;
        }
        if matches!(cover, Cover::Granted(_)) {
            let octets = std::mem::take(held);
            self.uncovered -= octets;
            self.h2.release(stream, octets);
        } else if self.uncovered > limits::UNCOVERED_BYTES {
            let message = "too many requests wait for memory: the memory budget is in use; raise --memory-budget \
                           or start fewer pods at once";
            self.refuse(stream, Status::new(Code::Internal, message));
        }
    }

    /// The request has arrived to its end.
    fn complete(&mut self, now: Instant, stream: StreamId, effects: &mut Effects) {
        let Some(entry) = self.calls.get_mut(&stream) else {
            return;
        };
        match &mut entry.phase {
            Phase::Refused { .. } => return self.answer_refused(stream),
            Phase::Receiving {
                cover: Cover::Asked(_),
                is_complete,
                ..
            } => {
                *is_complete = true; // goes on once the memory budget has room
                return;
            }
            Phase::Receiving { .. } => {}
            Phase::Running { .. } | Phase::Watching | Phase::Answering { .. } => return,
        }
        let deadline = entry.deadlines.handler;
        let cancellation = Cancellation::new();
        let phase = std::mem::replace(
            &mut entry.phase,
            Phase::Running {
                cancellation: cancellation.clone(),
            },
        );
        let Phase::Receiving {
            method,
            body,
            held,
            cover,
            ..
        } = phase
        else {
            return;
        };
        self.uncovered -= held;
        self.h2.release(stream, held);
        let message = match body.finish() {
            Ok(message) => message,
            Err(status) if method == Method::Mount => return self.answer_mount(stream, Err(status)),
            Err(status) => return self.answer(stream, Err(status)),
        };
        match method {
            Method::Mount => {
                if now >= deadline {
                    return self.answer_mount(stream, Err(out_of_time()));
                }
                let Cover::Granted(share) = cover else { return };
                let (budget, clock) = (self.server.budget.clone(), Arc::clone(&self.server.clock));
                let call = Call::with_budget(deadline, cancellation, budget, share, clock);
                effects.mounts.push(Mount {
                    stream,
                    request: message,
                    call,
                });
            }
            Method::Version => {
                let answer = self.version(&message);
                self.answer(stream, answer.map(|message| (message, None)));
            }
            Method::HealthCheck => {
                let answer = decode::<HealthCheckRequest>(&message).and_then(|request| {
                    if is_known(&request.service) {
                        Ok((encode_health(self.health()), None))
                    } else {
                        Err(Status::new(
                            Code::NotFound,
                            format!("unknown service {:.100?}", request.service),
                        ))
                    }
                });
                self.answer(stream, answer);
            }
            Method::HealthWatch => match decode::<HealthCheckRequest>(&message) {
                Ok(request) => self.watch(stream, is_known(&request.service)),
                Err(status) => self.answer(stream, Err(status)),
            },
        }
    }

    fn version(&self, message: &Secret) -> Result<Secret, Status> {
        decode::<VersionRequest>(message)?;
        let version = panic::catch_unwind(AssertUnwindSafe(|| self.server.service.version()));
        let version = version.map_err(|_payload| {
            self.server.counters.panics.increment();
            Status::new(Code::Internal, "internal error: Version panicked")
        })?;
        Ok(Secret::new(version.encode_to_vec()))
    }

    fn watch(&mut self, stream: StreamId, is_known: bool) {
        self.h2.send_headers(stream, &response::HEADERS, false);
        let status = if is_known {
            self.health()
        } else {
            ServingStatus::ServiceUnknown
        };
        self.send_health(stream, status);
        if let Some(entry) = self.calls.get_mut(&stream) {
            entry.phase = Phase::Watching;
            self.timers.remove(&(entry.timer, stream)); // it stays open for as long as the caller likes
        }
    }

    fn health(&self) -> ServingStatus {
        if self.server.is_draining() {
            ServingStatus::NotServing
        } else {
            ServingStatus::Serving
        }
    }

    fn send_health(&mut self, stream: StreamId, status: ServingStatus) {
        self.send_message(stream, encode_health(status));
    }

    /// Answers a Mount. This is the one place where Mounts' answers leave the server, and no code that kubelet does
    /// not take for final passes it: the next attempt would start the pod with an empty volume.
    fn answer_mount(&mut self, stream: StreamId, result: Result<(Secret, Option<Share>), Status>) {
        let result = result.map_err(|status| {
            if status.code.is_final() && status.code != Code::Ok {
                return status;
            }
            log::error!(
                "defect: a Mount was to be answered with {}, which is not final",
                status.code
            );
            self.server.counters.codes_replaced.increment();
            Status::new(Code::Internal, status.message)
        });
        let code = result.as_ref().map_or_else(|status| status.code, |_| Code::Ok);
        self.server.counters.answered(code).increment();
        self.answer(stream, result);
    }

    /// Sends the answer of a unary call, whole.
    fn answer(&mut self, stream: StreamId, result: Result<(Secret, Option<Share>), Status>) {
        let share = match result {
            Ok((message, share)) => {
                self.h2.send_headers(stream, &response::HEADERS, false);
                self.send_message(stream, message);
                self.h2.send_headers(stream, &response::OK_TRAILERS, true);
                share
            }
            Err(status) => {
                self.h2
                    .send_headers(stream, &Failure::new(&status).trailers_only(), true);
                None
            }
        };
        self.set_answering(stream, share);
    }

    fn send_message(&mut self, stream: StreamId, message: Secret) {
        // A response is below 4 GiB: the memory budget could not hold one that is not.
        let prefix = message::prefix(message.len()).unwrap_or_default();
        if message.len() <= JOINED_BYTES {
            self.h2.send_data(
                stream,
                Secret::new([&prefix[..], message.expose()].concat()),
                false,
            );
        } else {
            self.h2.send_data(stream, Secret::new(prefix.to_vec()), false);
            self.h2.send_data(stream, message, false);
        }
    }

    /// A request turns out to be unacceptable while it arrives: what came of it is dropped, and so is the rest.
    fn refuse(&mut self, stream: StreamId, status: Status) {
        let Some(entry) = self.calls.get_mut(&stream) else {
            return;
        };
        let code = status.code;
        let refused = Phase::Refused {
            answer: Answer::Status(status),
            dropped: 0,
        };
        if let Phase::Receiving {
            method,
            held,
            cover,
            is_complete,
            ..
        } = std::mem::replace(&mut entry.phase, refused)
        {
            if method == Method::Mount {
                self.server.counters.answered(code).increment();
            }
            self.uncovered -= held;
            self.waiting -= usize::from(matches!(cover, Cover::Asked(_)));
            self.h2.release(stream, held);
            if is_complete {
                self.answer_refused(stream);
            }
        }
    }

    fn answer_refused(&mut self, stream: StreamId) {
        let Some(entry) = self.calls.get_mut(&stream) else {
            return;
        };
        let answering = Phase::Answering { _share: None };
        let Phase::Refused { answer, .. } = std::mem::replace(&mut entry.phase, answering) else {
            return;
        };
        match answer {
            Answer::Status(status) => self.answer(stream, Err(status)),
            Answer::Http { refusal, is_head } => {
                self.h2.send_headers(stream, refusal.fields(), is_head);
                self.h2
                    .send_data(stream, Secret::from(refusal.body().to_owned()), true);
                self.set_answering(stream, None);
            }
        }
    }

    /// Answers a call in the place of whoever has not done so, and lets the handler know.
    fn give_up(&mut self, stream: StreamId, status: Status, effects: &mut Effects) {
        match self.calls.get(&stream).map(|entry| &entry.phase) {
            Some(Phase::Running { cancellation }) => {
                effects.cancelled.push(cancellation.clone());
                self.answer_mount(stream, Err(status));
            }
            Some(Phase::Receiving { .. }) => {
                self.refuse(stream, status);
                self.answer_refused(stream);
            }
            Some(Phase::Refused { .. }) => self.answer_refused(stream),
            Some(Phase::Watching | Phase::Answering { .. }) | None => {}
        }
    }

    /// A call's timer has run out.
    fn time_out(&mut self, stream: StreamId, effects: &mut Effects) {
        match self.calls.get(&stream).map(|entry| &entry.phase) {
            Some(Phase::Answering { .. }) => {
                self.h2.reset(stream, Reason::INTERNAL_ERROR);
                self.remove(stream, effects);
            }
            Some(Phase::Running { .. }) => {
                self.server.counters.mounts_timed_out.increment();
                self.give_up(stream, out_of_time(), effects);
            }
            Some(Phase::Receiving {
                cover: Cover::Asked(_),
                ..
            }) => {
                let message = "ran out of time waiting for memory: the memory budget is in use; raise \
                               --memory-budget or start fewer pods at once";
                self.give_up(stream, Status::new(Code::Internal, message), effects);
            }
            Some(Phase::Receiving { .. }) => {
                let message = "ran out of time: the request did not arrive in full";
                self.give_up(stream, Status::new(Code::Internal, message), effects);
            }
            Some(Phase::Refused { .. }) => self.answer_refused(stream),
            Some(Phase::Watching) | None => {}
        }
    }

    fn set_answering(&mut self, stream: StreamId, share: Option<Share>) {
        let Some(entry) = self.calls.get_mut(&stream) else {
            return;
        };
        entry.phase = Phase::Answering { _share: share };
        self.timers.remove(&(entry.timer, stream));
        entry.timer = entry.deadlines.abandon;
        self.timers.insert((entry.timer, stream));
    }

    fn remove(&mut self, stream: StreamId, effects: &mut Effects) {
        let Some(entry) = self.calls.remove(&stream) else {
            return;
        };
        self.timers.remove(&(entry.timer, stream));
        match entry.phase {
            Phase::Receiving { held, cover, .. } => {
                self.uncovered -= held;
                self.waiting -= usize::from(matches!(cover, Cover::Asked(_)));
                self.h2.release(stream, held);
            }
            Phase::Running { cancellation } => effects.cancelled.push(cancellation),
            Phase::Refused { .. } | Phase::Watching | Phase::Answering { .. } => {}
        }
    }

    fn streams(&self, wanted: impl Fn(&Phase) -> bool) -> Vec<StreamId> {
        self.calls
            .iter()
            .filter(|(_, entry)| wanted(&entry.phase))
            .map(|(stream, _)| *stream)
            .collect()
    }
}

fn out_of_time() -> Status {
    let message =
        "ran out of time: the volume was not complete before the deadline; the next attempt starts anew";
    Status::new(Code::Internal, message)
}

fn decode<M: prost::Message + Default>(message: &Secret) -> Result<M, Status> {
    M::decode(message.expose())
        .map_err(|error| Status::new(Code::Internal, format!("cannot decode the request: {error}")))
}

fn is_known(service: &str) -> bool {
    request::SERVICES.contains(&service)
}

fn encode_health(status: ServingStatus) -> Secret {
    Secret::new(
        HealthCheckResponse {
            status: status.into(),
        }
        .encode_to_vec(),
    )
}

/// Messages up to this size are copied behind their prefix, to leave in one frame.
const JOINED_BYTES: usize = 8_192;

#[cfg(any(test, fuzzing))]
pub(crate) mod fuzz;
#[cfg(test)]
mod tests;
