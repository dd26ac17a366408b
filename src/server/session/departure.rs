//! How a connection ends by our will: at shutdown, or to make room for another.

use std::time::Instant;

use super::{Cover, Effects, Phase, Session};
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
    pub(crate) fn answer_the_rest(&mut self, now: Instant) -> Effects {
        let message = "the provider is shutting down and the grace period is over; the next attempt will find \
                       its successor";
        self.finish(now, message)
    }

    /// What this connection is worth when another needs its place.
    pub(in crate::server) fn standing(&self, now: Instant) -> Standing {
        if self.calls.values().any(|entry| is_ours(&entry.phase, now)) {
            return Standing::Busy;
        }
        if self.is_closed || self.h2.is_ending() {
            return Standing::Leaving;
        }
        match self.served {
            None if now < self.h2.started() + limits::NEWCOMER_TIME => Standing::New,
            None => Standing::Silent,
            Some(since) => Standing::Idle { since },
        }
    }

    /// Ends the connection so that another finds room. Does nothing and returns `None` if calls came in meanwhile.
    ///
    /// A client that has never asked for anything has nothing to lose: it is told which streams were not looked at,
    /// which is none, and tries elsewhere. Any other gets the graceful end.
    pub(crate) fn make_room(&mut self, now: Instant) -> Option<Effects> {
        match self.standing(now) {
            Standing::Busy | Standing::Leaving => None,
            Standing::Silent | Standing::New => {
                self.is_dismissed = true;
                let message = "ran out of time: the request did not arrive in full, and its connection makes room \
                               for another; the next attempt connects again";
                Some(self.finish(now, message))
            }
            Standing::Idle { .. } => {
                self.h2.shut_down(now);
                self.end_watches("too many connections; watch again", false);
                Some(Effects::default())
            }
        }
    }

    /// Whether all that is left to send is the farewell, which is not waited for as long as an answer is.
    pub(in crate::server) fn is_farewell(&self) -> bool {
        self.is_dismissed || self.h2.is_over()
    }

    /// Answers whatever has no answer yet with `message`; no more calls.
    fn finish(&mut self, now: Instant, message: &str) -> Effects {
        let mut effects = Effects::default();
        self.handle_events(now, &mut effects);
        for stream in self.streams(|phase| !matches!(phase, Phase::Answering { .. })) {
            self.give_up(stream, Status::new(Code::Internal, message), &mut effects);
        }
        self.h2.finish_shut_down();
        effects
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

/// Whether a call waits for us, or for a client that is not late.
fn is_ours(phase: &Phase, now: Instant) -> bool {
    match phase {
        Phase::Running { .. } | Phase::Answering { .. } => true,
        Phase::Receiving {
            cover: Cover::Asked(_),
            ..
        } => true,
        Phase::Receiving { since, .. } => now < *since + limits::REQUEST_STALL,
        Phase::Refused { .. } | Phase::Watching => false,
    }
}
