//! Receives requests piece by piece, within the memory budget, and dispatches complete ones.

use std::sync::Arc;
use std::time::Instant;

use super::answer::encode_health;
use super::state::{Call, Memory, Mount, Phase, Reading, Session};
use crate::grpc::message::Reader;
use crate::grpc::proto::{HealthCheckRequest, VersionRequest};
use crate::grpc::request::{Method, Refusal, Request, SERVICES};
use crate::grpc::timeout::Deadlines;
use crate::grpc::{Code, Status};
use crate::h2::{RequestHead, StreamId};
use crate::limits;
use crate::secret::Secret;
use crate::sync::{CallContext, Cancellation};

impl Session {
    /// Starts a call.
    pub(super) fn open(&mut self, now: Instant, stream: StreamId, head: &RequestHead) {
        let (phase, timeout) = match Request::parse(head) {
            Ok(Request { method, timeout }) => {
                let limit = match method {
                    Method::Mount => limits::REQUEST_MESSAGE_BYTES,
                    Method::Version | Method::HealthCheck | Method::HealthWatch => {
                        limits::SMALL_MESSAGE_BYTES
                    }
                };
                let reading = Reading {
                    method,
                    body: Reader::new(limit),
                    held: 0,
                    memory: Memory::NotRequested,
                    is_complete: false,
                };
                (Phase::ReadingRequest(reading), timeout)
            }
            Err(refusal) => {
                let refused = Phase::Refused {
                    refusal,
                    is_head: head.method == "HEAD",
                    dropped: 0,
                };
                (refused, Some(limits::REFUSED_BODY_TIME))
            }
        };
        let deadlines = Deadlines::new(now, timeout);
        let call = Call {
            phase,
            deadlines,
            timer: Some(deadlines.answer),
        };
        self.calls.insert(stream, call);
    }

    /// Receives a piece of a request's body.
    pub(super) fn recv_body(&mut self, now: Instant, stream: StreamId, payload: &Secret) {
        let octets = payload.len();
        match self.phase(stream) {
            Some(Phase::ReadingRequest(Reading { body, held, .. })) => {
                *held += octets;
                let pushed = body.push(payload.expose());
                self.uncovered += octets;
                match pushed {
                    Ok(()) => self.reserve(now, stream),
                    Err(status) => self.refuse(stream, status),
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

    /// Reserves memory for a mount's request once its length is known, if the budget has room.
    pub(super) fn reserve(&mut self, now: Instant, stream: StreamId) {
        let Some(Call {
            phase: Phase::ReadingRequest(reading),
            ..
        }) = self.calls.get_mut(&stream)
        else {
            return;
        };
        if let (Memory::NotRequested, Method::Mount, Some(length)) =
            (&reading.memory, reading.method, reading.body.length())
        {
            let signal = Arc::clone(&self.signal);
            match self
                .server
                .budget
                .request_with_reserve(length, move || signal.raise())
            {
                Ok(request) => reading.memory = Memory::Waiting(request),
                Err(exhausted) => return self.refuse(stream, exhausted.into()),
            }
            self.waiting += 1;
        }
        let mut increment = None;
        if let Memory::Waiting(request) = &reading.memory
            && let Some(share) = request.take()
        {
            reading.memory = Memory::Reserved(share);
            self.waiting -= 1;
            reading.body.reserve();
            increment = Some(u32::try_from(reading.body.missing()).unwrap_or(u32::MAX));
        }
        if matches!(reading.memory, Memory::Reserved(_)) {
            let (octets, is_complete) = (std::mem::take(&mut reading.held), reading.is_complete);
            self.uncovered -= octets;
            self.h2.release(stream, octets);
            if let Some(increment) = increment {
                self.h2.grow_window(stream, increment);
            }
            if is_complete {
                self.complete(now, stream);
            }
        } else if self.uncovered > limits::UNCOVERED_BYTES {
            let message = "too many requests are waiting for memory: the memory budget is in use; raise --memory-budget \
                           or start fewer pods at once";
            self.refuse(stream, Status::new(Code::Internal, message));
        }
    }

    /// Handles the end of a request.
    pub(super) fn complete(&mut self, now: Instant, stream: StreamId) {
        let Some(call) = self.calls.get_mut(&stream) else {
            return;
        };
        match &mut call.phase {
            Phase::Refused { .. } => return self.answer_refused(stream),
            Phase::ReadingRequest(reading) if matches!(reading.memory, Memory::Waiting(_)) => {
                reading.is_complete = true; // continues once the memory budget has room
                return;
            }
            Phase::ReadingRequest(_) => {}
            Phase::Running { .. } | Phase::Watching | Phase::SendingAnswer { .. } => return,
        }
        let (deadline, cancellation) = (call.deadlines.handler, Cancellation::new());
        let running = Phase::Running {
            cancellation: cancellation.clone(),
        };
        let Phase::ReadingRequest(reading) = std::mem::replace(&mut call.phase, running) else {
            return;
        };
        self.served = Some(now);
        self.release(stream, &reading);
        let message = reading.body.finish();
        if reading.method != Method::Mount {
            let answer = message.and_then(|message| self.small_call(stream, reading.method, &message));
            return match answer {
                Ok(None) => {}
                Ok(Some(answer)) => self.answer(stream, Ok((answer, None))),
                Err(status) => self.answer(stream, Err(status)),
            };
        }
        match (message, reading.memory) {
            (Err(status), _) => self.answer_mount(stream, Err(status)),
            (Ok(_), _) if now >= deadline => {
                self.answer_mount(stream, Err(Status::new(Code::Internal, OUT_OF_TIME)));
            }
            (Ok(request), Memory::Reserved(share)) => {
                let (budget, clock) = (self.server.budget.clone(), Arc::clone(&self.server.clock));
                let call = CallContext::with_budget(deadline, cancellation, budget, share, clock);
                self.effects.mounts.push(Mount {
                    stream,
                    request,
                    call,
                });
            }
            // A message that is complete has a length, so memory was reserved for it.
            (Ok(_), Memory::NotRequested | Memory::Waiting(_)) => {}
        }
    }

    /// Answers a small call; `None` for a watch, whose answer continues.
    fn small_call(
        &mut self,
        stream: StreamId,
        method: Method,
        message: &Secret,
    ) -> Result<Option<Secret>, Status> {
        if method == Method::Version {
            decode::<VersionRequest>(message)?;
            return self.version().map(Some);
        }
        let service = decode::<HealthCheckRequest>(message)?.service;
        let is_known = SERVICES.contains(&service.as_str());
        if method == Method::HealthWatch {
            self.watch(stream, is_known);
            Ok(None)
        } else if is_known {
            Ok(Some(encode_health(self.health())))
        } else {
            Err(Status::new(
                Code::NotFound,
                format!("unknown service {service:.100?}"),
            ))
        }
    }

    /// Refuses a request while it arrives: what has arrived is dropped, and so is the rest.
    pub(super) fn refuse(&mut self, stream: StreamId, status: Status) {
        let Some(phase) = self.phase(stream) else { return };
        let code = status.code;
        let refused = Phase::Refused {
            refusal: Refusal::Status(status),
            is_head: false,
            dropped: 0,
        };
        if let Phase::ReadingRequest(reading) = std::mem::replace(phase, refused) {
            if reading.method == Method::Mount {
                self.server.counters.answered(code).increment();
            }
            if self.release(stream, &reading) {
                self.answer_refused(stream);
            }
        }
    }
}

fn decode<M: prost::Message + Default>(message: &Secret) -> Result<M, Status> {
    M::decode(message.expose())
        .map_err(|error| Status::new(Code::Internal, format!("cannot decode the request: {error}")))
}

pub(super) const OUT_OF_TIME: &str =
    "timed out: the volume was not complete before the deadline; the next attempt starts again";
