//! Interrupting a request: its socket is shut down, so that the thread that waits for it returns at once.
//!
//! The library sends a request on the thread that asks, and tells connections nothing of it. So the thread knows which
//! request it sends, and whatever blocks says how to wake it.

use std::cell::RefCell;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::{fmt, io};

use ureq::Error;
use ureq::unversioned::transport::{
    Buffers, ConnectionDetails, Connector, Either, NextTimeout, ShutdownHandle, TcpConnector, Transport,
};

use crate::sync::Cancellation;

thread_local! {
    /// The request that this thread sends, if it can be interrupted.
    static CURRENT: RefCell<Option<Arc<Interrupt>>> = const { RefCell::new(None) };
}

/// Ends one request early.
#[derive(Default)]
pub(super) struct Interrupt {
    is_set: AtomicBool,
    /// What the request waits for.
    waits_for: Mutex<Option<Weak<dyn ShutdownHandle>>>,
}

/// Names the request that this thread sends, until it is dropped.
pub(super) struct Scope(Arc<Interrupt>);

impl Scope {
    pub(super) fn enter(cancellation: &Cancellation) -> Self {
        let interrupt = Arc::<Interrupt>::default();
        let weak = Arc::downgrade(&interrupt);
        cancellation.on_cancel(move || {
            if let Some(interrupt) = weak.upgrade() {
                interrupt.set();
            }
        });
        CURRENT.set(Some(Arc::clone(&interrupt)));
        Self(interrupt)
    }

    pub(super) fn is_interrupted(&self) -> bool {
        self.0.is_set()
    }
}

impl Drop for Scope {
    fn drop(&mut self) {
        self.0.release();
        CURRENT.set(None);
    }
}

impl Interrupt {
    pub(super) fn current() -> Option<Arc<Self>> {
        CURRENT.with_borrow(Clone::clone)
    }

    pub(super) fn is_set(&self) -> bool {
        self.is_set.load(Ordering::Acquire)
    }

    /// From now on the request waits for `handle`.
    pub(super) fn attach(&self, handle: Weak<dyn ShutdownHandle>) {
        *self.waits_for() = Some(handle);
    }

    /// The request no longer waits: its connection may serve another one, which must not be interrupted instead.
    pub(super) fn release(&self) {
        *self.waits_for() = None;
    }

    fn set(&self) {
        let mut waits_for = self.waits_for();
        self.is_set.store(true, Ordering::Release);
        // Under the lock: once `release` has returned, its connection is not shut down any more.
        if let Some(handle) = waits_for.take().and_then(|handle| handle.upgrade()) {
            handle.shutdown();
        }
    }

    fn waits_for(&self) -> MutexGuard<'_, Option<Weak<dyn ShutdownHandle>>> {
        self.waits_for.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An error if this thread's request was interrupted.
fn check() -> Result<(), Error> {
    if Interrupt::current().is_some_and(|interrupt| interrupt.is_set()) {
        // Of no kind that the library takes for the end of an answer.
        return Err(Error::Io(io::Error::other("cancelled")));
    }
    Ok(())
}

/// The library's TCP connector, with connections that can be interrupted.
#[derive(Debug)]
pub(super) struct InterruptibleConnector;

impl<In: Transport> Connector<In> for InterruptibleConnector {
    type Out = Either<In, Interruptible<<TcpConnector as Connector>::Out>>;

    fn connect(
        &self,
        details: &ConnectionDetails<'_>,
        chained: Option<In>,
    ) -> Result<Option<Self::Out>, Error> {
        if let Some(transport) = chained {
            return Ok(Some(Either::A(transport)));
        }
        check()?;
        let socket = Arc::<OnceLock<_>>::default();
        let (seen, register) = (Arc::clone(&socket), Arc::clone(&details.register_shutdown));
        let details = ConnectionDetails {
            uri: details.uri,
            addrs: details.addrs.clone(),
            config: details.config,
            request_level: details.request_level,
            resolver: details.resolver,
            now: details.now,
            timeout: details.timeout,
            current_time: Arc::clone(&details.current_time),
            run_connector: Arc::clone(&details.run_connector),
            register_shutdown: Arc::new(move |handle| {
                seen.get_or_init(|| Weak::clone(&handle));
                register(handle)
            }),
        };
        let transport = Connector::<()>::connect(&TcpConnector::default(), &details, None)?;
        let socket = socket.get().cloned();
        Ok(transport.map(|inner| Either::B(Interruptible { inner, socket })))
    }
}

/// A connection that can be interrupted.
pub(super) struct Interruptible<T> {
    inner: T,
    socket: Option<Weak<dyn ShutdownHandle>>,
}

impl<T: Transport> Interruptible<T> {
    /// Runs `step`, and lets the request be interrupted meanwhile. What an interrupted one has read is no answer.
    fn interruptibly<R>(&mut self, step: impl FnOnce(&mut T) -> Result<R, Error>) -> Result<R, Error> {
        if let (Some(interrupt), Some(socket)) = (Interrupt::current(), &self.socket) {
            interrupt.attach(Weak::clone(socket));
        }
        check()?;
        let result = step(&mut self.inner);
        check()?;
        result
    }
}

impl<T: Transport> Transport for Interruptible<T> {
    fn buffers(&mut self) -> &mut dyn Buffers {
        self.inner.buffers()
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), Error> {
        self.interruptibly(|inner| inner.transmit_output(amount, timeout))
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, Error> {
        self.interruptibly(|inner| inner.await_input(timeout))
    }

    /// The pool asks before it takes a connection back.
    fn is_open(&mut self) -> bool {
        if let Some(interrupt) = Interrupt::current() {
            interrupt.release();
        }
        check().is_ok() && self.inner.is_open()
    }

    fn is_tls(&self) -> bool {
        self.inner.is_tls()
    }
}

impl<T> fmt::Debug for Interruptible<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Interruptible")
    }
}
