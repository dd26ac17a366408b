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

mod answer;
mod departure;
mod receive;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Instant;

use super::Server;
use super::signal::Signal;
use crate::grpc::message::Reader;
use crate::grpc::request::{HttpRefusal, Method};
use crate::grpc::timeout::Deadlines;
use crate::grpc::{Code, Status};
use crate::h2::{Connection, Event, Reason, StreamId};
use crate::secret::Secret;
use crate::sync::memory_budget::{self, Share};
use crate::sync::{CallContext, Cancellation};

/// One connection's calls. See the [module](self).
pub(crate) struct Session {
    pub(crate) h2: Connection,
    server: Arc<Server>,
    signal: Arc<Signal>,
    calls: BTreeMap<StreamId, Entry>,
    timers: BTreeSet<(Instant, StreamId)>,
    /// Octets of requests that are held without a share of the memory budget.
    uncovered: usize,
    /// Calls that wait for a share.
    waiting: usize,
    /// When a request last arrived in full or an answer left; `None` as long as neither has happened.
    served: Option<Instant>,
    is_dismissed: bool,
    is_closed: bool,
}

/// What the caller of a [`Session`] has to do once the connection's lock is free.
#[derive(Default)]
pub(crate) struct Effects {
    /// Mounts to run.
    pub(crate) mounts: Vec<Mount>,
    /// Calls whose handlers need not go on.
    pub(crate) cancelled: Vec<Cancellation>,
}

/// A Mount that has arrived in full.
pub(crate) struct Mount {
    pub(crate) stream: StreamId,
    pub(crate) request: Secret,
    pub(crate) call: CallContext,
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
        /// Since when the client could have sent the whole.
        since: Instant,
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
    Asked(memory_budget::Request),
    Granted(Share),
}

enum Answer {
    Http { refusal: HttpRefusal, is_head: bool },
    Status(Status),
}

impl Session {
    pub(crate) fn new(h2: Connection, server: Arc<Server>, signal: Arc<Signal>) -> Self {
        Self {
            h2,
            server,
            signal,
            calls: BTreeMap::new(),
            timers: BTreeSet::new(),
            uncovered: 0,
            waiting: 0,
            served: None,
            is_dismissed: false,
            is_closed: false,
        }
    }

    /// The client sent `bytes`.
    pub(crate) fn recv(&mut self, now: Instant, bytes: &[u8]) -> Effects {
        let mut effects = Effects::default();
        self.h2.recv(now, bytes);
        self.handle_events(now, &mut effects);
        if self.h2.failure().is_some() {
            self.close(&mut effects);
        }
        effects
    }

    /// Does what has become due, by time or by memory that was given back.
    pub(crate) fn wake(&mut self, now: Instant) -> Effects {
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
    pub(crate) fn note_sent(&mut self, now: Instant, effects: &mut Effects) {
        self.handle_events(now, effects);
    }

    /// The result of a Mount. Ignored if the call has ended meanwhile.
    pub(crate) fn finish_mount(&mut self, stream: StreamId, result: Result<(Secret, Option<Share>), Status>) {
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

    /// The connection is gone: nobody waits for its calls.
    pub(super) fn close(&mut self, effects: &mut Effects) {
        self.is_closed = true;
        for stream in self.streams(|_| true) {
            self.remove(stream, effects);
        }
    }

    /// Whether nothing more will be sent or received.
    pub(crate) fn is_finished(&self) -> bool {
        self.h2.is_finished() || (self.is_closed && self.h2.failure().is_none())
    }

    /// Calls that wait for memory.
    #[cfg(any(test, fuzzing))]
    pub(crate) fn waiting(&self) -> usize {
        self.waiting
    }

    /// Whether no call is open, and nothing is held or waited for.
    #[cfg(any(test, fuzzing))]
    pub(crate) fn holds_nothing(&self) -> bool {
        self.calls.is_empty() && self.timers.is_empty() && self.uncovered == 0 && self.waiting == 0
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
                Event::Answered { stream } => {
                    self.served = self.served.map(|_| now);
                    self.remove(stream, effects);
                }
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
