//! Answers: of mounts, of the small calls, and of requests that are refused.

use std::panic::{self, AssertUnwindSafe};

use prost::Message as _;

use super::state::{Phase, Session};
use crate::grpc::message;
use crate::grpc::proto::{HealthCheckResponse, ServingStatus};
use crate::grpc::request::Refusal;
use crate::grpc::response::{self, Failure};
use crate::grpc::{Code, Status};
use crate::h2::StreamId;
use crate::secret::Secret;
use crate::server::service::Response;
use crate::sync::memory_budget::Share;

impl Session {
    pub(super) fn version(&self) -> Result<Secret, Status> {
        let version = panic::catch_unwind(AssertUnwindSafe(|| self.server.service.version()));
        let version = version.map_err(|_payload| {
            self.server.counters.panics.increment();
            Status::new(Code::Internal, "internal error: Version panicked")
        })?;
        Ok(Secret::new(version.encode_to_vec()))
    }

    pub(super) fn watch(&mut self, stream: StreamId, is_known: bool) {
        self.h2.send_headers(stream, &response::HEADERS, false);
        let status = if is_known {
            self.health()
        } else {
            ServingStatus::ServiceUnknown
        };
        self.send_health(stream, status);
        if let Some(call) = self.calls.get_mut(&stream) {
            call.phase = Phase::Watching;
            call.timer = None; // it stays open until the caller closes it
        }
    }

    pub(super) fn health(&self) -> ServingStatus {
        if self.server.is_draining() {
            ServingStatus::NotServing
        } else {
            ServingStatus::Serving
        }
    }

    pub(super) fn send_health(&mut self, stream: StreamId, status: ServingStatus) {
        self.send_message(stream, encode_health(status));
    }

    /// Answers a mount. Every answer of a mount passes here, so no code leaves the server that kubelet does not treat
    /// as final: with such a code, the next attempt would start the pod with an empty volume.
    pub(super) fn answer_mount(&mut self, stream: StreamId, result: Response) {
        let result = result.map_err(|status| {
            if status.code.is_final() && status.code != Code::Ok {
                return status;
            }
            log::error!(
                "defect: a mount would have been answered with {}, which is not final",
                status.code
            );
            self.server.counters.codes_replaced.increment();
            Status::new(Code::Internal, status.message)
        });
        let code = result.as_ref().map_or_else(|status| status.code, |_| Code::Ok);
        self.server.counters.answered(code).increment();
        self.answer(stream, result);
    }

    /// Sends the complete answer of a unary call.
    pub(super) fn answer(&mut self, stream: StreamId, result: Response) {
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

    pub(super) fn answer_refused(&mut self, stream: StreamId) {
        let Some(phase) = self.phase(stream) else { return };
        let Phase::Refused { refusal, is_head, .. } =
            std::mem::replace(phase, Phase::SendingAnswer { share: None })
        else {
            return;
        };
        match refusal {
            Refusal::Status(status) => self.answer(stream, Err(status)),
            Refusal::Http(refusal) => {
                self.h2.send_headers(stream, refusal.fields, is_head);
                self.h2
                    .send_data(stream, Secret::from(refusal.body.to_owned()), true);
                self.set_answering(stream, None);
            }
        }
    }

    pub(super) fn set_answering(&mut self, stream: StreamId, share: Option<Share>) {
        if let Some(call) = self.calls.get_mut(&stream) {
            call.phase = Phase::SendingAnswer { share };
            call.timer = Some(call.deadlines.abandon);
        }
    }
}

pub(super) fn encode_health(status: ServingStatus) -> Secret {
    Secret::new(
        HealthCheckResponse {
            status: status.into(),
        }
        .encode_to_vec(),
    )
}

/// Messages up to this size are copied behind their prefix, to leave in one frame.
const JOINED_BYTES: usize = 8_192;
