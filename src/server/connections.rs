//! The open connections: which new one is accepted, and which old one is closed for it.

use std::collections::BTreeMap;
use std::io;
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Instant;

use super::connection::Connection;
use super::room::{Places, Room, room};
use super::shared::Server;
use crate::limits;
use crate::os::thread::spawn;

/// See the [module](self).
pub(super) struct Connections {
    pub(super) server: Arc<Server>,
    most: usize,
    open: Mutex<Open>,
    gone: Condvar,
}

#[derive(Default)]
struct Open {
    connections: BTreeMap<u64, Arc<Connection>>,
    next: u64,
}

/// A connection's entry in the list, removed when its thread ends, even by a panic.
struct Registration {
    list: Arc<Connections>,
    number: u64,
}

impl Drop for Registration {
    fn drop(&mut self) {
        let connection = self.list.lock().connections.remove(&self.number);
        drop(connection); // not under the lock
        self.list.gone.notify_all();
    }
}

impl Connections {
    /// Up to `most` connections, not counting those being closed.
    pub(super) fn new(server: Arc<Server>, most: usize) -> Arc<Self> {
        Arc::new(Self {
            server,
            most,
            open: Mutex::default(),
            gone: Condvar::new(),
        })
    }

    pub(super) fn count(&self) -> usize {
        self.lock().connections.len()
    }

    pub(super) fn is_full(&self) -> bool {
        self.count() >= self.most
    }

    /// Stops waiting for room. Under the lock, because a thread that is about to wait would miss the notification.
    pub(super) fn drain(&self) {
        let open = self.lock();
        self.server.is_draining.store(true, Ordering::Release);
        drop(open);
        self.gone.notify_all();
    }

    pub(super) fn accept(self: &Arc<Self>, listener: &UnixListener, is_stopped: &AtomicBool) {
        loop {
            match listener.accept() {
                Ok((stream, _)) => self.connect(stream),
                Err(_) if is_stopped.load(Ordering::Acquire) => return,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    self.server
                        .warn(format_args!("cannot accept a connection: {error}"));
                    thread::sleep(limits::ACCEPT_PAUSE);
                }
            }
        }
    }

    fn connect(self: &Arc<Self>, stream: UnixStream) {
        if !self.make_room() {
            self.server.counters.connections_refused.increment();
            return self.server.warn(format_args!(
                "connection refused: {} connections are open and all have calls",
                self.most
            ));
        }
        self.start(stream);
    }

    /// Serves a connection that was accepted.
    pub(super) fn start(self: &Arc<Self>, stream: UnixStream) {
        self.server.counters.connections.increment();
        let connection = Connection::new(stream, Arc::clone(&self.server));
        let mut open = self.lock();
        let number = open.next;
        open.next += 1;
        open.connections.insert(number, Arc::clone(&connection));
        drop(open);
        let list = Arc::clone(self);
        let registration = Registration { list, number };
        let started = spawn("read", limits::CONNECTION_STACK, move || {
            if let Err(error) = connection.serve() {
                let server = &registration.list.server;
                server.warn(format_args!("cannot serve a connection: {error}"));
            }
        });
        if let Err(error) = started {
            self.server
                .warn(format_args!("cannot serve a connection: {error}"));
        }
    }

    /// Makes room for another connection, if necessary by closing an idle one. Returns whether there is room.
    fn make_room(&self) -> bool {
        let patience = self.server.clock.now() + limits::ROOM_PATIENCE;
        let places = Places {
            most: self.most,
            kept: limits::CONNECTIONS_KEPT,
            leaving: limits::CONNECTIONS_LEAVING,
        };
        loop {
            let open = self.lock().connections.clone();
            if open.len() < self.most {
                return true;
            }
            let now = self.server.clock.now();
            let standings: Vec<_> = open
                .iter()
                .map(|(number, connection)| (*number, connection.standing(now)))
                .collect();
            match room(&standings, places) {
                Room::Free => return true,
                Room::None => return false,
                Room::After(number) => {
                    if open.get(&number).is_some_and(Connection::make_room) {
                        self.server.counters.connections_displaced.increment();
                        self.server.warn(format_args!(
                            "{} connections are open: closing an idle one to make room for a new one",
                            self.most
                        ));
                    }
                }
                Room::Soon => {
                    let left = patience.saturating_duration_since(now);
                    if left.is_zero() || self.server.is_draining() {
                        return false;
                    }
                    let now_open = self.lock();
                    if now_open.connections.len() >= open.len() && !self.server.is_draining() {
                        drop(self.gone.wait_timeout(now_open, left));
                    }
                }
            }
        }
    }

    pub(super) fn for_each(&self, act: impl Fn(&Arc<Connection>)) {
        let open: Vec<_> = self.lock().connections.values().cloned().collect();
        open.iter().for_each(act);
    }

    /// Waits until all connections are closed or `deadline` has passed. Returns whether all are closed.
    pub(super) fn wait_for_none(&self, deadline: Instant) -> bool {
        let mut open = self.lock();
        while !open.connections.is_empty() {
            let left = deadline.saturating_duration_since(self.server.clock.now());
            if left.is_zero() {
                return false;
            }
            let waited = self.gone.wait_timeout(open, left);
            open = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        true
    }

    fn lock(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
