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
mod path;
mod peer_log;
mod pool;
mod room;
mod session;
mod signal;
mod watch;
mod worker;

pub use bind::{BindError, BoundSocket, bind};
pub use counters::{Counter, Counters};
#[cfg(any(test, fuzzing))]
pub(crate) use session::{Effects, Mount, Session};

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::net::Shutdown;
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crate::clock::Clock;
use crate::grpc::{Code, Status, proto};
use crate::limits;
use crate::secret::Secret;
use crate::sync::CallContext;
use crate::sync::memory_budget::Budget;

use self::bind::{SocketFile, bind_anew};
use self::connection::Connection;
use self::path::{Found, SocketPath};
use self::peer_log::PeerLog;
use self::pool::{Bounds, Pool};
use self::room::{Places, Room};
use self::signal::Signal;
use self::worker::Job;

/// What is served.
pub trait Service: Send + Sync + 'static {
    /// Who we are. Must answer at once: it runs on the thread that reads the connection.
    fn version(&self) -> proto::VersionResponse;

    /// Fills one volume; runs on a worker. Returns the encoded `MountResponse`, whose bytes it should have taken
    /// out of the memory budget before ([`CallContext::reserve`]).
    fn mount(&self, request: proto::MountRequest, call: &CallContext) -> Result<Secret, Status>;
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
    /// Connections at once, beside those that have been told to go.
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
    let listening = Arc::new(Listening {
        path: SocketPath::new(socket.file.path()),
        current: Mutex::new(Some(Acceptor::start(socket, &server)?)),
        bind_error: Mutex::default(),
        woken: Signal::default(),
        server,
    });
    let watching = {
        let listening = Arc::clone(&listening);
        let thread = thread::Builder::new()
            .name("watch".to_owned())
            .stack_size(limits::CONNECTION_STACK);
        thread.spawn(move || watch::run(&listening))?
    };
    Ok(Handle { listening, watching })
}

/// A server that is running. Dropping the handle lets it run on.
pub struct Handle {
    listening: Arc<Listening>,
    watching: JoinHandle<()>,
}

impl Handle {
    /// Ends it gracefully, and blocks until that is done: accepts nothing more, tells every client, lets Mounts
    /// finish for `grace`, answers the rest, closes. Removes the socket file unless a successor has replaced it.
    pub fn shutdown(self, grace: Duration) {
        let server = &self.listening.server;
        server.is_draining.store(true, Ordering::Release);
        // First the watch, which would bind the path again.
        self.listening.woken.raise();
        if self.watching.join().is_err() {
            log::error!("defect: the thread that watches the socket panicked");
        }
        let acceptor = self.listening.current().take();
        if let Some(acceptor) = acceptor {
            let file = acceptor.stop();
            match file.remove_if_ours() {
                Ok(true) => {}
                Ok(false) => log::info!("the socket belongs to a successor now and stays"),
                Err(error) => log::warn!("cannot remove {}: {error}", file.path().display()),
            }
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
        Arc::clone(&self.listening.server.counters)
    }

    /// A look at the server that outlives this handle.
    pub fn observer(&self) -> Observer {
        Observer {
            listening: Arc::clone(&self.listening),
        }
    }

    /// The memory budget, for other holders of bytes.
    pub fn budget(&self) -> Budget {
        self.listening.server.budget.clone()
    }

    /// Connections that are open.
    pub fn connections(&self) -> usize {
        self.listening.server.connections().open.len()
    }

    /// Mounts that wait for a worker.
    pub fn queued_mounts(&self) -> usize {
        self.listening.server.pool.queued()
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
    pub fn counters(&self) -> &Counters {
        &self.listening.server.counters
    }

    /// The memory budget.
    pub fn budget(&self) -> &Budget {
        &self.listening.server.budget
    }

    /// Connections that are open.
    pub fn connections(&self) -> usize {
        self.listening.server.connections().open.len()
    }

    /// Mounts that wait for a worker.
    pub fn queued_mounts(&self) -> usize {
        self.listening.server.pool.queued()
    }

    /// Whether the server is on its way down.
    pub fn is_draining(&self) -> bool {
        self.listening.server.is_draining()
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
        &*self.listening.server.clock
    }

    /// A connection to this server, and to no other: through the socket's path while that leads here, otherwise past it.
    ///
    /// # Errors
    /// Nobody accepts connections any more, or the process is out of descriptors.
    pub fn connect(&self) -> io::Result<UnixStream> {
        let server = &self.listening.server;
        // Where all places are taken it needs none: whether this process answers is the question, not whether it has room.
        let is_full = server.connections().open.len() >= server.max_connections;
        if !is_full && self.listening.look() == Found::Ours {
            match path::connect(self.listening.path.path()) {
                // So many connect that its backlog is full, which says nothing about this process.
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                connected => return connected,
            }
        }
        let (client, served) = UnixStream::pair()?;
        server.start(served);
        Ok(client)
    }
}

impl fmt::Debug for Observer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Observer")
            .field("socket", &self.listening.path.path())
            .finish_non_exhaustive()
    }
}

/// The socket that clients reach the server by. It is bound again when others take its path away.
struct Listening {
    server: Arc<Server>,
    path: SocketPath,
    /// `None` once the server no longer listens.
    current: Mutex<Option<Acceptor>>,
    /// What was at the path when it could not be bound again, and why not.
    bind_error: Mutex<Option<(Found, String)>>,
    /// Ends a pause of the watch.
    woken: Signal,
}

impl Listening {
    /// What is at the path now.
    fn look(&self) -> Found {
        match &*self.current() {
            Some(acceptor) => self.path.look(&acceptor.file),
            None => Found::Nothing,
        }
    }

    /// Why clients that connect to the path do not come to this server, if `found` is there.
    fn trouble(&self, found: &Found) -> Option<String> {
        let reason = self.path.reason(found)?;
        // What went wrong says more than what is going to be tried.
        let failed = self.bind_error();
        let failed = failed.as_ref().filter(|(when, _)| when == found);
        Some(failed.map_or(reason, |(_, error)| error.clone()))
    }

    /// Binds the path, where `found` is, again. Clients of the old socket keep their connections.
    fn bind_again(&self, found: &Found, reason: watch::Reason) {
        let mut current = self.current(); // so that nobody takes the new file for another process's
        let bound = match reason {
            watch::Reason::Removed => bind_anew(self.path.path()),
            watch::Reason::Refused => bind(self.path.path()),
        };
        let bound = bound.map_err(|error| error.to_string());
        let started = bound.and_then(|socket| {
            let file = socket.file.clone();
            Acceptor::start(socket, &self.server).map_err(|error| {
                // A socket that nobody accepts on is worse than none. The watch tries again.
                let _ = file.remove_if_ours();
                format!("cannot start a thread: {error}; raise the limit of processes")
            })
        });
        let old = match started {
            Ok(acceptor) => current.replace(acceptor),
            Err(error) => {
                *self.bind_error() = Some((found.clone(), error));
                return;
            }
        };
        drop(current);
        *self.bind_error() = None;
        if let Some(old) = old {
            old.stop();
        }
        let (counters, path) = (&self.server.counters, self.path.path().display());
        match reason {
            watch::Reason::Removed => {
                counters.socket_removed.increment();
                log::warn!(
                    "{path} was removed by another process, as some providers do when they stop; bound it again"
                );
            }
            watch::Reason::Refused => {
                counters.socket_refused.increment();
                log::warn!(
                    "{path} was another process's socket that nobody accepts connections on; bound it again"
                );
            }
        }
    }

    fn current(&self) -> MutexGuard<'_, Option<Acceptor>> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn bind_error(&self) -> MutexGuard<'_, Option<(Found, String)>> {
        self.bind_error.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A bound socket, and the thread that accepts connections on it.
struct Acceptor {
    file: SocketFile,
    /// The listening socket, as the type whose `shutdown` the standard library offers.
    stopper: UnixStream,
    is_stopped: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

impl Acceptor {
    fn start(socket: BoundSocket, server: &Arc<Server>) -> io::Result<Self> {
        let BoundSocket { listener, file } = socket;
        let stopper = UnixStream::from(OwnedFd::from(listener.try_clone()?));
        let is_stopped = Arc::new(AtomicBool::new(false));
        let thread = {
            let (server, is_stopped) = (Arc::clone(server), Arc::clone(&is_stopped));
            let thread = thread::Builder::new()
                .name("accept".to_owned())
                .stack_size(limits::CONNECTION_STACK);
            thread.spawn(move || server.accept(&listener, &is_stopped))?
        };
        Ok(Self {
            file,
            stopper,
            is_stopped,
            thread,
        })
    }

    /// Accepts what is queued already and nothing more. The file stays.
    fn stop(self) -> SocketFile {
        self.is_stopped.store(true, Ordering::Release);
        // On Linux this ends a blocked accept, after the connections that are queued already.
        if let Err(error) = self.stopper.shutdown(Shutdown::Both) {
            log::warn!("cannot stop listening: {error}");
        } else if self.thread.join().is_err() {
            log::error!("defect: the accepting thread panicked");
        }
        self.file
    }
}

/// What all threads share.
pub(crate) struct Server {
    service: Arc<dyn Service>,
    clock: Arc<dyn Clock>,
    pub(crate) budget: Budget,
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
    pub(crate) fn new(service: Arc<dyn Service>, clock: Arc<dyn Clock>, settings: Settings) -> Arc<Self> {
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

    fn accept(self: Arc<Self>, listener: &UnixListener, is_stopped: &AtomicBool) {
        loop {
            match listener.accept() {
                Ok((stream, _)) => self.connect(stream),
                Err(_) if is_stopped.load(Ordering::Acquire) => return,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    self.warn(format_args!("cannot accept a connection: {error}"));
                    thread::sleep(limits::ACCEPT_PAUSE);
                }
            }
        }
    }

    fn connect(self: &Arc<Self>, stream: UnixStream) {
        if !self.make_room() {
            self.counters.connections_refused.increment();
            return self.warn(format_args!(
                "connection refused: {} are open already, and all have calls",
                self.max_connections
            ));
        }
        self.start(stream);
    }

    /// Serves a connection that has a place.
    fn start(self: &Arc<Self>, stream: UnixStream) {
        self.counters.connections.increment();
        let mut connections = self.connections();
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

    /// Finds a place for another connection, if need be by ending one that has no calls. Returns whether there is one.
    fn make_room(&self) -> bool {
        let patience = self.clock.now() + limits::ROOM_PATIENCE;
        let places = Places {
            most: self.max_connections,
            kept: limits::CONNECTIONS_KEPT,
            leaving: limits::CONNECTIONS_LEAVING,
        };
        loop {
            let open = self.connections().open.clone();
            if open.len() < self.max_connections {
                return true;
            }
            let now = self.clock.now();
            let standings: Vec<_> = open
                .iter()
                .map(|(number, connection)| (*number, connection.standing(now)))
                .collect();
            match room::room(&standings, places) {
                Room::Free => return true,
                Room::None => return false,
                Room::After(number) => {
                    if open.get(&number).is_some_and(Connection::make_room) {
                        self.counters.connections_displaced.increment();
                        self.warn(format_args!(
                            "{} connections are open: one without calls is closed to make room for another",
                            self.max_connections
                        ));
                    }
                }
                Room::Soon => {
                    let left = patience.saturating_duration_since(now);
                    if left.is_zero() || self.is_draining() {
                        return false;
                    }
                    let connections = self.connections();
                    if connections.open.len() >= open.len() {
                        drop(self.connection_gone.wait_timeout(connections, left));
                    }
                }
            }
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
