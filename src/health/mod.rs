//! The health endpoint: HTTP on a port of its own, for kubelet's probes and for Prometheus.
//!
//! `/healthz` calls `Version` on our own socket, as the driver would: 200 if it answers in time, 503 if not, or if
//! only a restart helps. `/readyz` checks more and lists what is missing; `/metrics` has the metrics.
//!
//! The port is open to the node's network, so a slow client must not delay others: each connection has its timeouts,
//! and the oldest that waits for its client is closed to make room for a new one. Requests for the same path at the
//! same time share one answer.

mod answers;
mod exchange;
mod exposition;
mod probe;
mod readiness;
mod reply;
mod serve;

use std::io;
use std::net::{Ipv6Addr, SocketAddr, TcpListener};

pub use answers::{METRICS_PATH, Observed, READY_PATH, Settings};
pub use readiness::{Check, Readiness};

use answers::Answers;
use serve::STACK_BYTES;

use crate::os::thread::spawn;

/// A bound health port.
pub struct HealthServer {
    listener: TcpListener,
    health: Settings,
}

impl HealthServer {
    /// Binds the port. A port in use is an error, because otherwise another process would answer the probes.
    ///
    /// # Errors
    /// The port cannot be bound.
    pub fn bind(health: &Settings) -> io::Result<Self> {
        let any_v6 = SocketAddr::from((Ipv6Addr::UNSPECIFIED, health.port));
        let any_v4 = SocketAddr::from(([0, 0, 0, 0], health.port));
        // One IPv6 socket serves both families where the kernel has IPv6.
        let listener = match TcpListener::bind(any_v6) {
            Err(error) if error.kind() != io::ErrorKind::AddrInUse => TcpListener::bind(any_v4)?,
            other => other?,
        };
        Ok(Self {
            listener,
            health: health.clone(),
        })
    }

    /// Answers requests until the process ends, on a thread of its own.
    ///
    /// # Errors
    /// The thread cannot be started.
    pub fn spawn(self, observed: Observed) -> io::Result<()> {
        let Self { listener, health } = self;
        let answers = Answers { health, observed };
        let mut server = serve::Server::new(listener, answers)?;
        spawn("health", STACK_BYTES, move || server.run())?;
        Ok(())
    }
}
