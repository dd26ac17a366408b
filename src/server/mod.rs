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
mod counters;
mod peer_log;
mod pool;
mod session;
mod signal;
mod worker;

pub use bind::{BindError, BoundSocket, bind};
pub use counters::{Counter, Counters};
#[cfg(any(test, fuzzing))]
pub(crate) use session::fuzz;

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::net::Shutdown;
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crate::budget::Budget;
use crate::clock::Clock;
use crate::grpc::{Call, Code, Status, proto};
use crate::limits;
use crate::secret::Secret;

use self::bind::SocketFile;
use self::connection::Connection;
use self::peer_log::PeerLog;
use self::pool::{Bounds, Pool};
use self::worker::Job;

/// What is served.
pub trait Service: Send + Sync + 'static {
    /// Who we are. Must answer at once: it runs on the thread that reads the connection.
    fn version(&self) -> proto::VersionResponse;

    /// Fills one volume; runs on a worker. Returns the encoded `MountResponse`, whose bytes it should have taken
    /// out of the memory budget before ([`Call::reserve`]).
    fn mount(&self, request: proto::MountRequest, call: &Call) -> Result<Secret, Status>;
}

/// How large the server may get.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// Mounts that run at the same time.
    pub workers: usize,
    /// Mounts that wait for a worker.
    pub queue: usize,
    /// Bytes that requests, fetched values, copies and responses may take together.
    pub memory_budget: usize,
    /// Connections at once.
    pub connections: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            workers: limits::WORKERS,
            queue: limits::QUEUED_MOUNTS,
            memory_budget: limits::MEMORY_BUDGET_BYTES,
            connections: limits::CONNECTIONS,
        }
    }
}

/// Starts to serve `socket`. Returns at once; the handle ends it.
pub fn serve(
    socket: BoundSocket,
    service: Arc<dyn Service>,
    clock: Arc<dyn Clock>,
    settings: Settings,
) -> io::Result<Handle> {
    let server = Server::new(service, clock, settings);
    let stopper = UnixStream::from(OwnedFd::from(socket.listener.try_clone()?));
    let accepting = {
        let server = Arc::clone(&server);
        let thread = thread::Builder::new()
            .name("accept".to_owned())
            .stack_size(limits::CONNECTION_STACK);
        thread.spawn(move || server.accept(&socket.listener))?
    };
    Ok(Handle {
        server,
        file: socket.file,
        stopper,
        accepting,
    })
}

/// A server that is running. Dropping the handle lets it run on.
pub struct Handle {
    server: Arc<Server>,
    file: SocketFile,
    /// The listening socket, as the type whose `shutdown` the standard library offers.
    stopper: UnixStream,
    accepting: JoinHandle<()>,
}

impl Handle {
    /// Ends it gracefully, and blocks until that is done: accepts nothing more, tells every client, lets Mounts
    /// finish for `grace`, answers the rest, closes. Removes the socket file unless a successor has replaced it.
    pub fn shutdown(self, grace: Duration) {
        let server = &self.server;
        server.is_draining.store(true, Ordering::Release);
        // On Linux this ends a blocked accept, after the connections that are queued already.
        if let Err(error) = self.stopper.shutdown(Shutdown::Both) {
            log::warn!("cannot stop listening: {error}");
        } else if self.accepting.join().is_err() {
            log::error!("defect: the accepting thread panicked");
        }
        match self.file.remove_if_ours() {
            Ok(true) => {}
            Ok(false) => log::info!("the socket belongs to a successor now and stays"),
            Err(error) => log::warn!("cannot remove {}: {error}", self.file.path().display()),
        }
        let started = server.clock.now();
        server.for_each_connection(|connection| connection.shut_down());
        if !server.wait_for_connections(started + grace) {
            server.for_each_connection(Connection::answer_the_rest);
            let flushed = server.clock.now() + limits::SHUTDOWN_FLUSH;
            if !server.wait_for_connections(flushed) {
                server.for_each_connection(|connection| connection.cut());
                server.wait_for_connections(server.clock.now() + limits::SHUTDOWN_FLUSH);
            }
        }
    }

    /// What the server has counted.
    pub fn counters(&self) -> Arc<Counters> {
        Arc::clone(&self.server.counters)
    }

    /// A look at the server that outlives this handle.
    pub fn observer(&self) -> Observer {
        Observer {
            server: Arc::clone(&self.server),
            file: self.file.clone(),
        }
    }

    /// The memory budget, for other holders of bytes.
    pub fn budget(&self) -> Budget {
        self.server.budget.clone()
    }

    /// Connections that are open.
    pub fn connections(&self) -> usize {
        self.server.connections().open.len()
    }

    /// Mounts that wait for a worker.
    pub fn queued_mounts(&self) -> usize {
        self.server.pool.queued()
    }
}

/// A look at a server from outside, for as long as one likes.
#[derive(Clone)]
pub struct Observer {
    server: Arc<Server>,
    file: SocketFile,
}

impl Observer {
    /// What the server has counted.
    pub fn counters(&self) -> &Counters {
        &self.server.counters
    }

    /// The memory budget.
    pub fn budget(&self) -> &Budget {
        &self.server.budget
    }

    /// Connections that are open.
    pub fn connections(&self) -> usize {
        self.server.connections().open.len()
    }

    /// Mounts that wait for a worker.
    pub fn queued_mounts(&self) -> usize {
        self.server.pool.queued()
    }

    /// Whether the server is on its way down.
    pub fn is_draining(&self) -> bool {
        self.server.is_draining()
    }

    /// Whether the name of the socket still leads to this server.
    pub fn owns_socket(&self) -> bool {
        self.file.is_ours()
    }

    /// The name of the socket.
    pub fn socket_path(&self) -> &Path {
        self.file.path()
    }
}

impl fmt::Debug for Observer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Observer")
            .field("socket", &self.file.path())
            .finish_non_exhaustive()
    }
}

/// What all threads share.
struct Server {
    service: Arc<dyn Service>,
    clock: Arc<dyn Clock>,
    budget: Budget,
    pool: Pool<Job>,
    counters: Arc<Counters>,
    peer_log: PeerLog,
    max_connections: usize,
    is_draining: AtomicBool,
    connections: Mutex<Connections>,
    connection_gone: Condvar,
}

/// A connection's entry in the list, which ends with its thread, however that ends.
struct Registration {
    server: Arc<Server>,
    number: u64,
}

impl Drop for Registration {
    fn drop(&mut self) {
        let connection = self.server.connections().open.remove(&self.number);
        drop(connection); // not under the lock
        self.server.connection_gone.notify_all();
    }
}

#[derive(Default)]
struct Connections {
    open: BTreeMap<u64, Arc<Connection>>,
    next: u64,
}

impl Server {
    fn new(service: Arc<dyn Service>, clock: Arc<dyn Clock>, settings: Settings) -> Arc<Self> {
        let Settings {
            workers,
            queue,
            memory_budget,
            connections,
        } = settings;
        let bounds = Bounds {
            workers,
            queue,
            idle: limits::WORKER_IDLE,
            stack: limits::WORKER_STACK,
        };
        Arc::new(Self {
            service,
            clock,
            budget: Budget::new(memory_budget),
            pool: Pool::new(bounds),
            counters: Arc::default(),
            peer_log: PeerLog::default(),
            max_connections: connections,
            is_draining: AtomicBool::new(false),
            connections: Mutex::default(),
            connection_gone: Condvar::new(),
        })
    }

    fn is_draining(&self) -> bool {
        self.is_draining.load(Ordering::Acquire)
    }

    fn accept(self: Arc<Self>, listener: &UnixListener) {
        loop {
            match listener.accept() {
                Ok((stream, _)) => self.connect(stream),
                Err(_) if self.is_draining() => return,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    self.warn(format_args!("cannot accept a connection: {error}"));
                    thread::sleep(limits::ACCEPT_PAUSE);
                }
            }
        }
    }

    fn connect(self: &Arc<Self>, stream: UnixStream) {
        let mut connections = self.connections();
        if connections.open.len() >= self.max_connections {
            drop(connections);
            self.counters.connections_refused.increment();
            return self.warn(format_args!(
                "connection refused: {} are open already",
                self.max_connections
            ));
        }
        self.counters.connections.increment();
        let number = connections.next;
        connections.next += 1;
        let connection = Connection::new(stream, Arc::clone(self));
        connections.open.insert(number, Arc::clone(&connection));
        drop(connections);
        let server = Arc::clone(self);
        let thread = thread::Builder::new()
            .name("read".to_owned())
            .stack_size(limits::CONNECTION_STACK);
        let registration = Registration { server, number };
        let started = thread.spawn(move || {
            let served = connection.serve();
            if let Err(error) = served {
                registration
                    .server
                    .warn(format_args!("cannot serve a connection: {error}"));
            }
        });
        if let Err(error) = started {
            self.warn(format_args!("cannot serve a connection: {error}"));
        }
    }

    /// Logs what a peer can cause.
    fn warn(&self, line: fmt::Arguments<'_>) {
        self.peer_log.warn(self.clock.now(), line);
    }

    /// Hands a Mount to the workers, or answers it if they have no room.
    fn submit(&self, job: Job) {
        self.counters.mounts.increment();
        if let Err(job) = self.pool.submit(job) {
            self.counters.mounts_overloaded.increment();
            let message = "too many mounts at once on this node: all workers are busy and the queue is full; the \
                           next attempt may succeed";
            self.warn(format_args!("a Mount was refused: {message}"));
            job.fail(Status::new(Code::Internal, message));
        }
    }

    fn for_each_connection(&self, act: impl Fn(&Arc<Connection>)) {
        let open: Vec<_> = self.connections().open.values().cloned().collect();
        open.iter().for_each(act);
    }

    /// Waits until no connection is open, or `deadline`. Returns whether none is.
    fn wait_for_connections(&self, deadline: Instant) -> bool {
        let mut connections = self.connections();
        while !connections.open.is_empty() {
            let left = deadline.saturating_duration_since(self.clock.now());
            if left.is_zero() {
                return false;
            }
            let waited = self.connection_gone.wait_timeout(connections, left);
            connections = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        true
    }

    fn connections(&self) -> MutexGuard<'_, Connections> {
        self.connections.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
