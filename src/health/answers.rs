//! The paths of the health endpoint, and their answers.

use std::time::Duration;

use super::exposition;
use super::readiness::{self, Readiness};
use super::reply::Reply;
use crate::limits;
use crate::metrics::{Metrics, Text};
use crate::server::Observer;

/// Path of the readiness probe.
pub const READY_PATH: &str = "/readyz";

/// Path of the metrics.
pub const METRICS_PATH: &str = "/metrics";

/// What the endpoint reports on.
#[derive(Debug)]
pub struct Observed {
    /// The gRPC server.
    pub server: Observer,
    /// The provider's metrics.
    pub metrics: Metrics,
    /// Readiness checks of what the provider needs.
    pub readiness: Readiness,
}

/// Address and timeout of the health endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// TCP port on all addresses; 0 takes any free one.
    pub port: u16,
    /// Path of the liveness probe, with its slash.
    pub path: String,
    /// Timeout of the socket's answer.
    pub timeout: Duration,
}

/// What a path asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Question {
    Health,
    Readiness,
    Metrics,
}

/// Finds the answers.
pub(super) struct Answers {
    pub(super) health: Settings,
    pub(super) observed: Observed,
}

impl Answers {
    /// What `path` asks for, or a 404.
    pub(super) fn question(&self, path: &str) -> Result<Question, Reply> {
        match path {
            _ if path == self.health.path => Ok(Question::Health),
            READY_PATH => Ok(Question::Readiness),
            METRICS_PATH => Ok(Question::Metrics),
            _ => {
                let known = format!("expected {}, {READY_PATH} or {METRICS_PATH}", self.health.path);
                Err(Reply::text("404 Not Found", &known))
            }
        }
    }

    /// Finds the answer. Blocks.
    pub(super) fn answer(&self, question: Question) -> Reply {
        let server = &self.observed.server;
        match question {
            Question::Health => Reply::verdict(readiness::alive(server, self.health.timeout)),
            Question::Readiness => {
                Reply::verdict(self.observed.readiness.verdict(server, self.health.timeout))
            }
            Question::Metrics => {
                let mut text = Text::default();
                exposition::write(&mut text, server);
                self.observed.metrics.write(&mut text);
                Reply::new("200 OK", Text::CONTENT_TYPE, &text.into_string())
            }
        }
    }

    /// Timeout of [`Answers::answer`]; after it the answer is 503.
    pub(super) fn patience(&self) -> Duration {
        self.health.timeout.saturating_add(limits::HEALTH_ANSWER_TIME)
    }
}
