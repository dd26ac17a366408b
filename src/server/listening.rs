//! The server's socket, and the thread that accepts connections on it.

use std::io;
use std::net::Shutdown;
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use super::bind::{BoundSocket, bind, bind_anew};
use super::connections::Connections;
use super::path::{Found, SocketFile, SocketPath};
use super::signal::Signal;
use crate::limits;
use crate::os::thread::spawn;

/// The server's socket. It is bound again when another process removes or replaces its path.
pub(super) struct Listening {
    pub(super) connections: Arc<Connections>,
    pub(super) path: SocketPath,
    /// `None` once the server no longer listens.
    current: Mutex<Option<Acceptor>>,
    /// What was at the path when rebinding failed, and the error.
    bind_error: Mutex<Option<(Found, String)>>,
    /// Wakes the watching thread.
    pub(super) woken: Signal,
}

/// Why the socket is bound again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reason {
    /// Its path was removed.
    Removed,
    /// Another process took the path, and no longer accepts connections.
    Refused,
}

impl Listening {
    pub(super) fn start(socket: BoundSocket, connections: Arc<Connections>) -> io::Result<Self> {
        let BoundSocket { listener, file, path } = socket;
        Ok(Self {
            path,
            current: Mutex::new(Some(Acceptor::start(listener, file, &connections)?)),
            bind_error: Mutex::default(),
            woken: Signal::default(),
            connections,
        })
    }

    /// Accepts nothing more, and removes the socket file unless a successor has replaced it.
    pub(super) fn stop(&self) {
        let Some(acceptor) = self.current().take() else {
            return;
        };
        match self.path.remove(acceptor.stop()) {
            Ok(true) => {}
            Ok(false) => log::info!("the socket now belongs to a successor and is not removed"),
            Err(error) => log::warn!("cannot remove {}: {error}", self.path.path().display()),
        }
    }

    /// What is at the path now.
    pub(super) fn look(&self) -> Found {
        match &*self.current() {
            Some(acceptor) => self.path.look(acceptor.file),
            None => Found::Nothing,
        }
    }

    /// Why clients do not reach this server, if `found` is at the path.
    pub(super) fn trouble(&self, found: &Found) -> Option<String> {
        let reason = self.path.reason(found)?;
        // A failed attempt explains more than the state of the path.
        let failed = self.bind_error();
        let failed = failed.as_ref().filter(|(when, _)| when == found);
        Some(failed.map_or(reason, |(_, error)| error.clone()))
    }

    /// Binds the path again, which `found` describes. Clients of the old socket keep their connections.
    pub(super) fn bind_again(&self, found: &Found, reason: Reason) {
        let mut current = self.current(); // so that no other thread takes the new file for another process's
        let bound = match reason {
            Reason::Removed => bind_anew(self.path.path()),
            Reason::Refused => bind(self.path.path()),
        };
        let bound = bound.map_err(|error| error.to_string());
        let started = bound.and_then(|socket| {
            let BoundSocket { listener, file, .. } = socket;
            Acceptor::start(listener, file, &self.connections).map_err(|error| {
                // A socket without an accepting thread is worse than none. The watch tries again.
                let _ = self.path.remove(file);
                format!("cannot start a thread: {error}; raise the process limit (podPidsLimit)")
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
        let (counters, path) = (&self.connections.server.counters, self.path.path().display());
        let (counter, what) = match reason {
            Reason::Removed => (
                &counters.socket_removed,
                "was removed by another process, as some providers do when they stop; bound it again",
            ),
            Reason::Refused => (
                &counters.socket_refused,
                "was the socket of another process that no longer accepts connections; bound it again",
            ),
        };
        counter.increment();
        log::warn!("{path} {what}");
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
    fn start(listener: UnixListener, file: SocketFile, connections: &Arc<Connections>) -> io::Result<Self> {
        let stopper = UnixStream::from(OwnedFd::from(listener.try_clone()?));
        let is_stopped = Arc::new(AtomicBool::new(false));
        let (accepting, is_over) = (Arc::clone(connections), Arc::clone(&is_stopped));
        let accept = move || accepting.accept(&listener, &is_over);
        let thread = spawn("accept", limits::CONNECTION_STACK, accept)?;
        Ok(Self {
            file,
            stopper,
            is_stopped,
            thread,
        })
    }

    /// Accepts the connections that are queued already, then stops. The file stays.
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
