//! The gRPC server on its Unix socket: threads around the sans-IO cores.
//!
//! ```text
//!   accept ──▶ reader ──bytes──▶ Session (h2, grpc; under a lock) ──bytes──▶ writer     one pair per connection
//!                                  │                       ▲
//!                                 Mount                 response
//!                                  ▼                       │
//!                                queue ──▶ worker ──▶ Service::mount                    one pool per process
//! ```
//!
//! All calls except `Mount` are answered at once, so that overload does not affect them. Locks are taken in the order
//! session, pool, signal; handlers and their wake-ups run without any of them.

#![deny(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::as_conversions,
    clippy::panic
)]

mod bind;
mod connection;
mod connections;
mod counters;
mod listening;
mod path;
mod peer_log;
mod pool;
mod room;
mod service;
mod session;
mod shared;
mod signal;
mod watch;
mod worker;

pub use bind::{BindError, BoundSocket, bind};
pub use counters::{Counter, Counters};
pub use service::{Service, Settings};
#[cfg(any(test, fuzzing))]
pub(crate) use session::{Mount, Session};

use std::fmt;
use std::io;
use std::ops::Deref;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use crate::clock::Clock;
use crate::limits;
use crate::os::thread::spawn;
use crate::sync::memory_budget::Budget;

use self::connection::Connection;
use self::connections::Connections;
use self::listening::Listening;
use self::path::Found;
pub(crate) use self::shared::Server;

/// Starts to serve `socket`. Returns at once; the handle stops the server.
pub fn serve(
    socket: BoundSocket,
    service: Arc<dyn Service>,
    clock: Arc<dyn Clock>,
    settings: Settings,
) -> io::Result<Handle> {
    let server = Server::new(service, clock, settings);
    let connections = Connections::new(server, settings.connections);
    let listening = Arc::new(Listening::start(socket, connections)?);
    let observer = Observer { listening };
    let listening = Arc::clone(&observer.listening);
    let watching = spawn("watch", limits::CONNECTION_STACK, move || watch::run(&listening))?;
    Ok(Handle { observer, watching })
}

/// A running server. Dropping the handle does not stop it.
pub struct Handle {
    observer: Observer,
    watching: JoinHandle<()>,
}

impl Handle {
    /// Stops gracefully, and blocks until that is done: accepts no more connections, sends GOAWAY, lets mounts finish
    /// for `grace`, answers the rest and closes. Removes the socket file unless a successor has replaced it.
    pub fn shutdown(self, grace: Duration) {
        let listening = &self.observer.listening;
        let connections = &listening.connections;
        connections.drain();
        // The watch first, because it would bind the path again.
        listening.woken.raise();
        if self.watching.join().is_err() {
            log::error!("defect: the thread that watches the socket panicked");
        }
        listening.stop();
        let clock = &connections.server.clock;
        let started = clock.now();
        connections.for_each(Connection::shut_down);
        if !connections.wait_for_none(started + grace) {
            connections.for_each(Connection::answer_the_rest);
            if !connections.wait_for_none(clock.now() + SHUTDOWN_FLUSH) {
                connections.for_each(|connection| connection.cut());
                connections.wait_for_none(clock.now() + SHUTDOWN_FLUSH);
            }
        }
    }

    /// An observer of the server, which outlives this handle.
    pub fn observer(&self) -> Observer {
        self.observer.clone()
    }
}

impl Deref for Handle {
    type Target = Observer;

    fn deref(&self) -> &Observer {
        &self.observer
    }
}

/// Read access to a server's state.
#[derive(Clone)]
pub struct Observer {
    listening: Arc<Listening>,
}

/// Why clients of the socket's path do not reach this process.
#[derive(Debug)]
pub struct SocketTrouble {
    /// What is at the path and what to do, as one sentence.
    pub reason: String,
    /// Whether only a restart of the container fixes it.
    pub needs_restart: bool,
}

impl Observer {
    /// The server's counters.
    pub fn counters(&self) -> &Arc<Counters> {
        &self.server().counters
    }

    /// The memory budget.
    pub fn budget(&self) -> &Budget {
        &self.server().budget
    }

    /// Open connections.
    pub fn connections(&self) -> usize {
        self.listening.connections.count()
    }

    /// Mounts waiting for a worker.
    pub fn queued_mounts(&self) -> usize {
        self.server().pool.queued()
    }

    /// Whether the server is shutting down.
    pub fn is_draining(&self) -> bool {
        self.server().is_draining()
    }

    /// Why clients of the socket's path do not reach this server at present.
    pub fn socket_trouble(&self) -> Option<SocketTrouble> {
        let found = self.listening.look();
        let reason = self.listening.trouble(&found)?;
        let needs_restart = found == Found::OldDirectory;
        Some(SocketTrouble {
            reason,
            needs_restart,
        })
    }

    /// The server's clock.
    pub(crate) fn clock(&self) -> &dyn Clock {
        &*self.server().clock
    }

    /// Connects to this server and no other: through the socket's path if that leads here, otherwise directly.
    ///
    /// # Errors
    /// The server no longer accepts connections, or the process is out of file descriptors.
    pub fn connect(&self) -> io::Result<UnixStream> {
        let connections = &self.listening.connections;
        // A direct connection needs no free place: the check is whether this process answers, not whether it has room.
        if !connections.is_full() && self.listening.look() == Found::Ours {
            match path::connect(self.listening.path.path()) {
                // Its backlog is full, which says nothing about this process.
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                connected => return connected,
            }
        }
        let (client, served) = UnixStream::pair()?;
        connections.start(served);
        Ok(client)
    }

    fn server(&self) -> &Server {
        &self.listening.connections.server
    }
}

impl fmt::Debug for Observer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Observer")
            .field("socket", &self.listening.path.path())
            .finish_non_exhaustive()
    }
}

/// Time to send the last answers at the end of the grace period.
const SHUTDOWN_FLUSH: Duration = Duration::from_secs(2);
