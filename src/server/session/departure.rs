//! How a connection ends by our will: at shutdown, or to make room for another.

use std::time::Instant;

use super::state::{Phase, Session};
use crate::grpc::proto::ServingStatus;
use crate::grpc::response::Failure;
use crate::grpc::{Code, Status};
use crate::limits;
use crate::server::room::Standing;

impl Session {
    /// Begins the graceful end: no new calls; watchers learn about it at once.
    pub(crate) fn shut_down(&mut self, now: Instant) {
        self.h2.shut_down(now);
        self.end_watches("shutting down", true);
    }

    /// Ends the grace period: whatever has no answer yet gets one now.
    pub(crate) fn answer_the_rest(&mut self, now: Instant) {
        let message = "the provider is shutting down and the grace period is over; the next attempt will find \
                       its successor";
        self.finish(now, message);
    }

    /// What this connection is worth when another needs its place.
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

    /// Ends the connection so that another finds room. Does nothing and returns false if calls came in meanwhile.
    ///
    /// A client that has never asked for anything has nothing to lose: it is told which streams were not looked at,
    /// which is none, and tries elsewhere. Any other gets the graceful end.
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

    /// Until when a client that was told to go may still complete its requests.
    pub(super) fn leave_by(&self) -> Option<Instant> {
        self.told_to_go.map(|since| since + limits::LEAVING_TIME)
    }

    /// The client has had its time to go: requests that are not complete are answered, small answers that it does not
    /// take are dropped. A Mount and its response keep the connection for as long as they have.
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

    /// Whether all that is left to send is the farewell, which is not waited for as long as an answer is.
    pub(crate) fn is_farewell(&self) -> bool {
        self.is_dismissed || self.h2.is_over()
    }

    /// Answers whatever has no answer yet with `message`; no more calls.
    fn finish(&mut self, now: Instant, message: &str) {
        self.handle_events(now);
        for stream in self.streams(|phase| !matches!(phase, Phase::SendingAnswer { .. })) {
            self.give_up(stream, Status::new(Code::Internal, message));
        }
        self.h2.finish_shut_down();
    }

    /// Ends every watch with UNAVAILABLE, upon which clients watch anew.
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

/// Whether a call waits for us, and not for its client: a request that has not arrived in full does not.
fn is_ours(phase: &Phase) -> bool {
    match phase {
        Phase::Running { .. } => true,
        Phase::ReadingRequest(reading) => reading.is_complete,
        Phase::Refused { .. } | Phase::Watching | Phase::SendingAnswer { .. } => false,
    }
}

const WATCH_AGAIN: &str = "too many connections; watch again";

const MAKES_ROOM: &str = "ran out of time: the request did not arrive in full, and its connection makes room for \
                          another; the next attempt connects again";
