//! Requests as they arrive: piece by piece, within the memory budget, and what they ask for once they are complete.

use std::sync::Arc;
use std::time::Instant;

use super::answer::encode_health;
use super::{Answer, Cover, Effects, Entry, Mount, Phase, Session, out_of_time};
use crate::grpc::message::Reader;
use crate::grpc::proto::{HealthCheckRequest, VersionRequest};
use crate::grpc::request::{self, Method, Refusal};
use crate::grpc::timeout::Deadlines;
use crate::grpc::{Code, Status};
use crate::h2::{RequestHead, StreamId};
use crate::limits;
use crate::secret::Secret;
use crate::sync::{CallContext, Cancellation};

impl Session {
    /// A call begins.
    pub(super) fn open(&mut self, now: Instant, stream: StreamId, head: &RequestHead) {
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
                        since: now,
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
    pub(super) fn recv_body(
        &mut self,
        now: Instant,
        stream: StreamId,
        payload: &Secret,
        effects: &mut Effects,
    ) {
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
    pub(super) fn cover(&mut self, now: Instant, stream: StreamId, effects: &mut Effects) {
        let Some(Entry {
            phase:
                Phase::Receiving {
                    method,
                    body,
                    held,
                    cover,
                    since,
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
            match self
                .server
                .budget
                .request_with_reserve(length, move || signal.raise())
            {
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
            *since = now;
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
    pub(super) fn complete(&mut self, now: Instant, stream: StreamId, effects: &mut Effects) {
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
        self.served = Some(now);
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
                let call = CallContext::with_budget(deadline, cancellation, budget, share, clock);
                effects.mounts.push(Mount {
                    stream,
                    request: message,
                    call,
                });
            }
            Method::Version => {
                let answer = decode::<VersionRequest>(&message).and_then(|_| self.version());
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

    /// A request turns out to be unacceptable while it arrives: what came of it is dropped, and so is the rest.
    pub(super) fn refuse(&mut self, stream: StreamId, status: Status) {
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
}

fn decode<M: prost::Message + Default>(message: &Secret) -> Result<M, Status> {
    M::decode(message.expose())
        .map_err(|error| Status::new(Code::Internal, format!("cannot decode the request: {error}")))
}

fn is_known(service: &str) -> bool {
    request::SERVICES.contains(&service)
}
