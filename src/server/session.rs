//! The calls of one connection: from the events of `h2` to the answers that it sends.
//!
//! Like the cores this is free of sockets, threads and clocks. What must happen outside of the connection's lock,
//! such as running a mount or cancelling a handler, is left in [`Session::effects`].
//!
//! A call goes through these phases, and out of each of them directly when its stream is reset:
//!
//! ```text
//!   ReadingRequest ──complete──▶ Running ──result, or out of time──▶ SendingAnswer ──sent──▶ gone
//!       │  │                                                           ▲  ▲
//!       │  └──────────── Version, Check, any error ────────────────────┘  │
//!       ├──Watch──▶ Watching ──────────────shutdown───────────────────────┤
//!       └──refused, body not read yet──▶ Refused ─────────────────────────┘
//! ```

mod answer;
mod departure;
mod receive;
mod state;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

pub(crate) use state::{Mount, Session};

use state::{Memory, Phase};

use super::service::Response;
use super::shared::Server;
use super::signal::Signal;
use crate::grpc::{Code, Status};
use crate::h2::{Connection, Event, Reason, StreamId};

impl Session {
    pub(crate) fn new(h2: Connection, server: Arc<Server>, signal: Arc<Signal>) -> Self {
        Self {
            h2,
            server,
            signal,
            calls: BTreeMap::new(),
            uncovered: 0,
            waiting: 0,
            served: None,
            told_to_go: None,
            effects: state::Effects::default(),
            is_dismissed: false,
            is_closed: false,
        }
    }

    /// Takes input from the client.
    pub(crate) fn recv(&mut self, now: Instant, bytes: &[u8]) {
        self.h2.recv(now, bytes);
        self.handle_events(now);
        if self.h2.failure().is_some() {
            self.close();
        }
    }

    /// Handles expired timers and memory that was released.
    pub(crate) fn wake(&mut self, now: Instant) {
        self.h2.recv_timeout(now);
        self.handle_events(now);
        if self.h2.failure().is_some() {
            self.close();
        }
        if self.waiting > 0 {
            for stream in self.streams(|phase| matches!(phase, Phase::ReadingRequest(_))) {
                self.reserve(now, stream);
            }
        }
        let due = self
            .calls
            .iter()
            .filter_map(|(stream, call)| Some((call.timer?, *stream)));
        let mut due: Vec<_> = due.filter(|(timer, _)| *timer <= now).collect();
        due.sort_unstable();
        for (_, stream) in due {
            self.time_out(stream);
        }
        if self.leave_by().is_some_and(|due| due <= now) {
            self.leave(now);
        }
    }

    /// When to call [`Session::wake`] at the latest.
    pub(crate) fn next_timeout(&self) -> Option<Instant> {
        let calls = self.calls.values().filter_map(|call| call.timer);
        calls.chain(self.h2.poll_timeout()).chain(self.leave_by()).min()
    }

    /// Appends the output to `out`, as [`Connection::poll_output`] does.
    pub(crate) fn poll_output(&mut self, now: Instant, out: &mut Vec<u8>, room: usize) {
        self.h2.poll_output(out, room);
        self.handle_events(now);
    }

    /// Answers a mount with its result. Ignored if the call has ended meanwhile.
    pub(crate) fn finish_mount(&mut self, stream: StreamId, result: Response) {
        if let Some(Phase::Running { .. }) = self.phase(stream) {
            self.answer_mount(stream, result);
        }
    }

    /// Cancels all calls because the connection is gone.
    pub(crate) fn close(&mut self) {
        self.is_closed = true;
        for stream in self.streams(|_| true) {
            self.remove(stream);
        }
    }

    /// Whether nothing more will be sent or received.
    pub(crate) fn is_finished(&self) -> bool {
        self.h2.is_finished() || (self.is_closed && self.h2.failure().is_none())
    }

    /// Calls waiting for memory.
    #[cfg(any(test, fuzzing))]
    pub(crate) fn waiting(&self) -> usize {
        self.waiting
    }

    /// Whether no call is open, and nothing is held or waited for.
    #[cfg(any(test, fuzzing))]
    pub(crate) fn holds_nothing(&self) -> bool {
        self.calls.is_empty() && self.uncovered == 0 && self.waiting == 0
    }

    fn handle_events(&mut self, now: Instant) {
        while let Some(event) = self.h2.poll_event() {
            match event {
                Event::Request {
                    stream,
                    head,
                    end_stream,
                } => {
                    self.open(now, stream, &head);
                    if end_stream {
                        self.complete(now, stream);
                    }
                }
                Event::Data {
                    stream,
                    payload,
                    end_stream,
                } => {
                    self.recv_body(now, stream, &payload);
                    if end_stream {
                        self.complete(now, stream);
                    }
                }
                Event::Reset { stream, .. } => {
                    if let Some(Phase::Running { .. }) = self.phase(stream) {
                        self.server.counters.mounts_cancelled.increment();
                    }
                    self.remove(stream);
                }
                Event::Answered { stream } => {
                    self.served = self.served.map(|_| now);
                    self.remove(stream);
                }
            }
        }
    }

    /// Answers a call that has no answer yet, and cancels its handler.
    fn give_up(&mut self, stream: StreamId, status: Status) {
        match self.phase(stream) {
            Some(Phase::Running { cancellation }) => {
                let cancellation = cancellation.clone();
                self.effects.cancelled.push(cancellation);
                self.answer_mount(stream, Err(status));
            }
            Some(Phase::ReadingRequest(_)) => {
                self.refuse(stream, status);
                self.answer_refused(stream);
            }
            Some(Phase::Refused { .. }) => self.answer_refused(stream),
            Some(Phase::Watching | Phase::SendingAnswer { .. }) | None => {}
        }
    }

    /// Handles a call's expired timer.
    fn time_out(&mut self, stream: StreamId) {
        let message = match self.phase(stream) {
            Some(Phase::SendingAnswer { .. }) => {
                self.h2.reset(stream, Reason::INTERNAL_ERROR);
                return self.remove(stream);
            }
            Some(Phase::Running { .. }) => {
                self.server.counters.mounts_timed_out.increment();
                receive::OUT_OF_TIME
            }
            Some(Phase::ReadingRequest(reading)) if matches!(reading.memory, Memory::Waiting(_)) => {
                "timed out waiting for memory: the memory budget is in use; raise --memory-budget or start \
                 fewer pods at once"
            }
            _ => "timed out: the request did not arrive in full",
        };
        self.give_up(stream, Status::new(Code::Internal, message));
    }

    fn remove(&mut self, stream: StreamId) {
        match self.calls.remove(&stream).map(|call| call.phase) {
            Some(Phase::ReadingRequest(reading)) => {
                self.release(stream, &reading);
            }
            Some(Phase::Running { cancellation }) => self.effects.cancelled.push(cancellation),
            Some(Phase::Refused { .. } | Phase::Watching | Phase::SendingAnswer { .. }) | None => {}
        }
    }
}
