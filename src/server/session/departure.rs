//! How the server closes a connection: at shutdown, or to make room for another.

use std::time::Instant;

use super::state::{Phase, Session};
use crate::grpc::proto::ServingStatus;
use crate::grpc::response::Failure;
use crate::grpc::{Code, Status};
use crate::limits;
use crate::server::room::Standing;

impl Session {
    /// Starts the graceful shutdown: accepts no new calls and ends the watches.
    pub(crate) fn shut_down(&mut self, now: Instant) {
        self.h2.shut_down(now);
        self.end_watches("shutting down", true);
    }

    /// Ends the grace period: answers every remaining call.
    pub(crate) fn answer_the_rest(&mut self, now: Instant) {
        let message = "the provider is shutting down and the grace period is over; the next attempt reaches \
                       its successor";
        self.finish(now, message);
    }

    /// Rates this connection when another needs its place.
    pub(in crate::server) fn standing(&self, now: Instant) -> Standing {
        let is_leaving = self.is_closed || self.h2.is_ending();
        let is_busy =
            |phase: &Phase| is_ours(phase) || (matches!(phase, Phase::SendingAnswer { .. }) && !is_leaving);
        if self.calls.values().any(|call| is_busy(&call.phase)) {
            return Standing::Busy;
        }
        if is_leaving {
            return Standing::Leaving;
        }
        match self.served {
            None if now < self.h2.started() + limits::NEWCOMER_TIME => Standing::New,
            None => Standing::Silent,
            Some(since) => Standing::Idle { since },
        }
    }

    /// Closes the connection to make room for another. Does nothing and returns false if calls came in meanwhile.
    ///
    /// A client without any request loses nothing: GOAWAY says that no stream was processed, and the client connects
    /// again. Other connections are closed gracefully.
    pub(crate) fn make_room(&mut self, now: Instant) -> bool {
        match self.standing(now) {
            Standing::Busy | Standing::Leaving => return false,
            Standing::Silent | Standing::New => {
                self.is_dismissed = true;
                self.finish(now, MAKES_ROOM);
            }
            Standing::Idle { .. } => {
                self.told_to_go = Some(now);
                self.h2.shut_down(now);
                self.end_watches(WATCH_AGAIN, false);
            }
        }
        true
    }

    /// Until when a client whose connection is being closed may complete its requests.
    pub(super) fn leave_by(&self) -> Option<Instant> {
        self.told_to_go.map(|since| since + limits::LEAVING_TIME)
    }

    /// Answers incomplete requests, and drops small answers that the client does not read. A mount and its response
    /// keep the connection until their own deadlines.
    pub(super) fn leave(&mut self, now: Instant) {
        self.told_to_go = None;
        self.handle_events(now);
        let is_kept =
            |phase: &Phase| is_ours(phase) || matches!(phase, Phase::SendingAnswer { share: Some(_) });
        self.is_dismissed = !self.calls.values().any(|call| is_kept(&call.phase));
        for stream in self.streams(|phase| matches!(phase, Phase::SendingAnswer { share: None })) {
            self.time_out(stream);
        }
        self.end_watches(WATCH_AGAIN, false);
        for stream in self.streams(|phase| !is_kept(phase)) {
            self.give_up(stream, Status::new(Code::Internal, MAKES_ROOM));
        }
        self.h2.finish_shut_down();
    }

    /// Whether only GOAWAY is left to send, which has a shorter timeout than an answer.
    pub(crate) fn is_farewell(&self) -> bool {
        self.is_dismissed || self.h2.is_over()
    }

    /// Answers every remaining call with `message`, and accepts no more.
    fn finish(&mut self, now: Instant, message: &str) {
        self.handle_events(now);
        for stream in self.streams(|phase| !matches!(phase, Phase::SendingAnswer { .. })) {
            self.give_up(stream, Status::new(Code::Internal, message));
        }
        self.h2.finish_shut_down();
    }

    /// Ends every watch with UNAVAILABLE, after which clients watch again.
    fn end_watches(&mut self, why: &str, is_shutdown: bool) {
        for stream in self.streams(|phase| matches!(phase, Phase::Watching)) {
            if is_shutdown {
                self.send_health(stream, ServingStatus::NotServing);
            }
            let failure = Failure::new(&Status::new(Code::Unavailable, why));
            self.h2.send_headers(stream, &failure.trailers(), true);
            self.set_answering(stream, None);
        }
    }
}

/// Whether a call waits for the server. An incomplete request waits for its client.
fn is_ours(phase: &Phase) -> bool {
    match phase {
        Phase::Running { .. } => true,
        Phase::ReadingRequest(reading) => reading.is_complete,
        Phase::Refused { .. } | Phase::Watching | Phase::SendingAnswer { .. } => false,
    }
}

const WATCH_AGAIN: &str = "too many connections; watch again";

const MAKES_ROOM: &str = "timed out: the request did not arrive in full, and its connection was closed to make room for \
                          another; the next attempt connects again";
