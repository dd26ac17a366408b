//! One connection: a thread that reads, a thread that writes, and the session between them under a lock.
//!
//! The reader never writes and waits only for the socket. Workers pass their answers to the session. The writer sends
//! the session's output, sleeps until there is more or a timer expires, and so also drives the connection's timers.

use std::io::{self, ErrorKind, Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use zeroize::{Zeroize, Zeroizing};

use super::room::Standing;
use super::session::{Mount, Session};
use super::shared::Server;
use super::signal::Signal;
use super::worker::Job;
use crate::h2;
use crate::limits;
use crate::os::thread::spawn;
use crate::sync::Cancellation;

/// State shared by the threads of one connection.
pub(super) struct Connection {
    stream: UnixStream,
    session: Mutex<Session>,
    signal: Arc<Signal>,
    /// Whether the socket can no longer be read or written.
    is_lost: AtomicBool,
    server: Arc<Server>,
}

impl Connection {
    pub(super) fn new(stream: UnixStream, server: Arc<Server>) -> Arc<Self> {
        let signal = Arc::new(Signal::default());
        let h2 = h2::Connection::new(server.clock.now());
        let session = Mutex::new(Session::new(h2, Arc::clone(&server), Arc::clone(&signal)));
        Arc::new(Self {
            stream,
            session,
            signal,
            is_lost: AtomicBool::new(false),
            server,
        })
    }

    /// Serves the connection to its end: reads on this thread and writes on another.
    pub(super) fn serve(self: &Arc<Self>) -> io::Result<()> {
        self.stream.set_write_timeout(Some(limits::WRITE_SLICE))?;
        let connection = Arc::clone(self);
        let writer = spawn("write", limits::CONNECTION_STACK, move || connection.write())?;
        self.read();
        if writer.join().is_err() {
            self.server.counters.panics.increment();
        }
        let failure = self.with(|session, _| {
            session.close();
            session.h2.failure()
        });
        if let Some(failure) = failure {
            self.server.counters.connection_errors.increment();
            self.server.warn(format_args!("connection ended: {failure}"));
        }
        Ok(())
    }

    /// Starts the graceful shutdown.
    pub(super) fn shut_down(self: &Arc<Self>) {
        self.with(Session::shut_down);
        self.signal.raise();
    }

    /// Answers every remaining call.
    pub(super) fn answer_the_rest(self: &Arc<Self>) {
        self.with(Session::answer_the_rest);
        self.signal.raise();
    }

    /// Rates the connection when another needs its place.
    pub(super) fn standing(&self, now: Instant) -> Standing {
        self.lock().standing(now)
    }

    /// Closes it to make room for another; returns false if calls came in meanwhile.
    pub(super) fn make_room(self: &Arc<Self>) -> bool {
        let makes_room = self.with(Session::make_room);
        self.signal.raise();
        makes_room
    }

    /// Closes the socket at once.
    pub(super) fn cut(&self) {
        self.is_lost.store(true, Ordering::Release);
        // An error means that it is closed already.
        let _ = self.stream.shutdown(Shutdown::Both);
        self.signal.raise();
    }

    fn read(self: &Arc<Self>) {
        let mut buffer = Zeroizing::new(vec![0; READ_BYTES]);
        loop {
            let octets = match (&self.stream).read(&mut buffer) {
                Ok(0) => break,
                Ok(octets) => octets,
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(_) => break,
            };
            let is_failed = self.with(|session, now| {
                session.recv(now, buffer.get(..octets).unwrap_or_default());
                session.h2.failure().is_some()
            });
            // The driver keeps its connection, and what it sent may be a token.
            buffer.get_mut(..octets).unwrap_or_default().fill(0);
            self.signal.raise();
            if is_failed {
                return; // the writer still sends GOAWAY, then closes
            }
        }
        self.cut();
    }

    fn write(self: Arc<Self>) {
        let mut output = Zeroizing::new(Vec::new());
        while !self.is_lost.load(Ordering::Acquire) {
            let (pause, is_finished) = self.with(|session, now| {
                session.wake(now);
                if session.h2.has_output() {
                    output.reserve(WRITE_BYTES + FRAME_BYTES);
                    session.poll_output(now, &mut output, WRITE_BYTES);
                }
                let due = session.next_timeout();
                (
                    due.map(|due| due.saturating_duration_since(now)),
                    session.is_finished(),
                )
            });
            if !output.is_empty() {
                if self.write_all(&output).is_err() {
                    break;
                }
                output.as_mut_slice().zeroize();
                output.clear();
            } else if is_finished {
                break;
            } else {
                output = Zeroizing::new(Vec::new()); // an idle connection keeps no buffer
                self.signal.wait(pause);
            }
        }
        self.cut();
    }

    /// Writes `output`; gives up if the peer reads nothing for too long.
    fn write_all(self: &Arc<Self>, mut output: &[u8]) -> io::Result<()> {
        let mut blocked_since: Option<Instant> = None;
        while !output.is_empty() {
            match (&self.stream).write(output) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(octets) => {
                    output = output.get(octets..).unwrap_or_default();
                    blocked_since = None;
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    let (now, is_farewell) = self.with(|session, now| {
                        session.wake(now);
                        (now, session.is_farewell())
                    });
                    let stall = if is_farewell {
                        limits::GOAWAY_STALL
                    } else {
                        limits::WRITE_STALL
                    };
                    let since = *blocked_since.get_or_insert(now);
                    if now >= since + stall || self.is_lost.load(Ordering::Acquire) {
                        return Err(error);
                    }
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Changes the session, and runs the resulting effects without its lock.
    fn with<R>(self: &Arc<Self>, act: impl FnOnce(&mut Session, Instant) -> R) -> R {
        let mut session = self.lock();
        let result = act(&mut session, self.server.clock.now());
        let effects = std::mem::take(&mut session.effects);
        drop(session);
        if !effects.cancelled.is_empty() {
            effects.cancelled.iter().for_each(Cancellation::cancel);
            self.server.pool.drop_dead();
        }
        for Mount {
            stream,
            request,
            call,
        } in effects.mounts
        {
            let connection = Arc::clone(self);
            let finish = move |result| {
                connection.lock().finish_mount(stream, result);
                connection.signal.raise();
            };
            self.server.submit(Job {
                service: Arc::clone(&self.server.service),
                counters: Arc::clone(&self.server.counters),
                request,
                call,
                finish: Box::new(finish),
            });
        }
        result
    }

    fn lock(&self) -> MutexGuard<'_, Session> {
        self.session.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Octets that one frame may add to a nearly full buffer.
const FRAME_BYTES: usize = h2::frame::MAX_FRAME_SIZE + h2::frame::Head::LENGTH;

/// One read holds the largest frame and the next one's head.
const _: () = assert!(READ_BYTES >= FRAME_BYTES + h2::frame::Head::LENGTH);

/// The buffers of all connections, full, are a third of what is left beside the memory budget.
const _: () = assert!(
    (limits::CONNECTIONS + limits::CONNECTIONS_LEAVING) * (READ_BYTES + WRITE_BYTES + FRAME_BYTES)
        <= limits::MEMORY_BESIDE_BUDGET / 3
);

/// Maximum octets of one read of the socket: a full frame and more, so that most frames are read at once.
const READ_BYTES: usize = 32_768;

/// Maximum octets of one write to the socket, plus one frame. This part of a response is in memory twice.
const WRITE_BYTES: usize = 49_152;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::h2::testing::{Pair, settings, window_update};
    use crate::secret::Secret;

    /// A write's buffer never grows past its reserved size, because growing would copy secrets.
    #[test]
    fn a_writes_buffer_holds_what_one_write_is_given() {
        let mut pair = Pair::new();
        let window = 1 << 22;
        pair.send(&[settings(&[(4, window)]), window_update(0, window)].concat());
        let stream = pair.open(1);
        pair.h2.send_headers(stream, &[(":status", "200")], false);
        pair.h2.send_data(stream, Secret::new(vec![7; 1 << 20]), true);
        let (mut octets, mut largest) = (0, 0);
        while pair.h2.has_output() {
            let mut output = Vec::with_capacity(WRITE_BYTES + FRAME_BYTES);
            let reserved = output.capacity();
            pair.h2.poll_output(&mut output, WRITE_BYTES);
            assert_eq!(output.capacity(), reserved, "{} octets", output.len());
            octets += output.len();
            largest = largest.max(output.len());
        }
        assert!(octets > 1 << 20, "{octets}");
        assert!(largest >= WRITE_BYTES, "{largest}");
    }
}
