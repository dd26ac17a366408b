//! The health endpoint: HTTP on a port of its own, for kubelet's probes and for Prometheus.
//!
//! `/healthz` is answered by asking our own socket for `Version`, as the driver would: 200 if it answers in time,
//! 503 if not, or if only a restart helps. `/readyz` asks more and says what it misses; `/metrics` shows the numbers.
//!
//! The port is open to whoever reaches the node, so nobody is waited for at the cost of others: each connection has its
//! time, and the oldest of those that are waited for makes room for a new one. Whoever asks for the same at the same
//! time gets the same answer.

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
    /// Takes the port. A port that is taken is an error now rather than a probe that somebody else answers.
    ///
    /// # Errors
    /// The port is not to be had.
    pub fn bind(health: &Settings) -> io::Result<Self> {
        let any_v6 = SocketAddr::from((Ipv6Addr::UNSPECIFIED, health.port));
        let any_v4 = SocketAddr::from(([0, 0, 0, 0], health.port));
        // One IPv6 socket serves both families where the kernel has IPv6 at all.
        let listener = match TcpListener::bind(any_v6) {
            Err(error) if error.kind() != io::ErrorKind::AddrInUse => TcpListener::bind(any_v4)?,
            other => other?,
        };
        Ok(Self {
            listener,
            health: health.clone(),
        })
    }

    /// Answers probes for as long as the process lives, on a thread of its own.
    ///
    /// # Errors
    /// No thread is to be had.
    pub fn spawn(self, observed: Observed) -> io::Result<()> {
        let Self { listener, health } = self;
        let answers = Answers { health, observed };
        let mut server = serve::Server::new(listener, answers)?;
        spawn("health", STACK_BYTES, move || server.run())?;
        Ok(())
    }
}
