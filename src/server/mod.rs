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
//! Everything but Mount is answered on the spot, so that overload never reaches it. Locks are taken in the order
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

/// Starts to serve `socket`. Returns at once; the handle ends it.
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

/// A server that is running. Dropping the handle lets it run on.
pub struct Handle {
    observer: Observer,
    watching: JoinHandle<()>,
}

impl Handle {
    /// Ends it gracefully, and blocks until that is done: accepts nothing more, tells every client, lets Mounts
    /// finish for `grace`, answers the rest, closes. Removes the socket file unless a successor has replaced it.
    pub fn shutdown(self, grace: Duration) {
        let listening = &self.observer.listening;
        let connections = &listening.connections;
        connections.drain();
        // First the watch, which would bind the path again.
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

    /// A look at the server that outlives this handle.
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

/// A look at a server from outside, for as long as one likes.
#[derive(Clone)]
pub struct Observer {
    listening: Arc<Listening>,
}

/// Why clients that connect to the socket's path do not come to this process.
#[derive(Debug)]
pub struct SocketTrouble {
    /// What is at the path and what to do, in a sentence.
    pub reason: String,
    /// The process cannot mend it, and a new container can.
    pub needs_restart: bool,
}

impl Observer {
    /// What the server has counted.
    pub fn counters(&self) -> &Arc<Counters> {
        &self.server().counters
    }

    /// The memory budget.
    pub fn budget(&self) -> &Budget {
        &self.server().budget
    }

    /// Connections that are open.
    pub fn connections(&self) -> usize {
        self.listening.connections.count()
    }

    /// Mounts that wait for a worker.
    pub fn queued_mounts(&self) -> usize {
        self.server().pool.queued()
    }

    /// Whether the server is on its way down.
    pub fn is_draining(&self) -> bool {
        self.server().is_draining()
    }

    /// Why clients that connect to the path of the socket do not come to this server, as it is now.
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

    /// A connection to this server, and to no other: through the socket's path while that leads here, otherwise past it.
    ///
    /// # Errors
    /// Nobody accepts connections any more, or the process is out of descriptors.
    pub fn connect(&self) -> io::Result<UnixStream> {
        let connections = &self.listening.connections;
        // Where all places are taken it needs none: whether this process answers is the question, not whether it has room.
        if !connections.is_full() && self.listening.look() == Found::Ours {
            match path::connect(self.listening.path.path()) {
                // So many connect that its backlog is full, which says nothing about this process.
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

/// Time for the last answers to leave at the end of the grace period.
const SHUTDOWN_FLUSH: Duration = Duration::from_secs(2);
