//! The health endpoint: HTTP on a port of its own, for kubelet's probes and for Prometheus.
//!
//! `/healthz` is answered by asking our own socket for `Version`, as the driver would: 200 if it answers in time,
//! 503 if not, or if only a restart helps. `/readyz` asks more and says what it misses; `/metrics` shows the numbers.
//!
//! The port is open to whoever reaches the node, so nobody is waited for at the cost of others: each connection has its
//! time, and the oldest of those that are waited for makes room for a new one. Whoever asks for the same at the same
//! time gets the same answer.

mod exchange;
mod exposition;
mod probe;
mod readiness;
mod serve;

use std::io;
use std::net::{Ipv6Addr, SocketAddr, TcpListener};
use std::time::Duration;

use exchange::Reply;
pub use readiness::{Check, Readiness};

use crate::limits;
use crate::metrics::{Metrics, Text};
use crate::server::Observer;

/// Where readiness is asked for.
pub const READY_PATH: &str = "/readyz";

/// Where the numbers are.
pub const METRICS_PATH: &str = "/metrics";

/// What the endpoint tells about.
#[derive(Debug)]
pub struct Observed {
    /// The gRPC server.
    pub server: Observer,
    /// The numbers.
    pub metrics: Metrics,
    /// What the configuration names and the provider needs.
    pub readiness: Readiness,
}

/// Where the health endpoint is, and how patient.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// TCP port on all addresses; 0 takes any.
    pub port: u16,
    /// Path, with its slash.
    pub path: String,
    /// How long the socket may take to answer.
    pub timeout: Duration,
}

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
        std::thread::Builder::new()
            .name("health".to_owned())
            .stack_size(STACK_BYTES)
            .spawn(move || server.run())?;
        Ok(())
    }
}

/// What can be asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Question {
    Health,
    Readiness,
    Metrics,
}

/// Knows what to answer, and asks around for it.
struct Answers {
    health: Settings,
    observed: Observed,
}

impl Answers {
    /// What a path asks for, or the answer if that is nothing.
    fn question(&self, path: &str) -> Result<Question, Reply> {
        if path == self.health.path {
            Ok(Question::Health)
        } else if path == READY_PATH {
            Ok(Question::Readiness)
        } else if path == METRICS_PATH {
            Ok(Question::Metrics)
        } else {
            let known = format!("there is {}, {READY_PATH}, {METRICS_PATH}", self.health.path);
            Err(Reply::text("404 Not Found", &known))
        }
    }

    /// Finds the answer, which takes its time.
    fn answer(&self, question: Question) -> Reply {
        let server = &self.observed.server;
        match question {
            Question::Health => Reply::verdict(readiness::alive(server, self.health.timeout)),
            Question::Readiness => {
                Reply::verdict(self.observed.readiness.verdict(server, self.health.timeout))
            }
            Question::Metrics => {
                let mut text = Text::default();
                exposition::write(&mut text, &self.observed.server);
                self.observed.metrics.write(&mut text);
                Reply::new("200 OK", Text::CONTENT_TYPE, &text.into_string())
            }
        }
    }

    /// How long [`Answers::answer`] may take, before the answer is that there is none.
    fn patience(&self) -> Duration {
        self.health.timeout.saturating_add(limits::HEALTH_ANSWER_TIME)
    }
}

/// A thread that reads a few bytes needs little.
const STACK_BYTES: usize = 64 * 1024;
