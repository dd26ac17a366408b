//! What can be asked for, and what the answer is.

use std::time::Duration;

use super::exposition;
use super::readiness::{self, Readiness};
use super::reply::Reply;
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

/// What can be asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Question {
    Health,
    Readiness,
    Metrics,
}

/// Knows what to answer, and asks around for it.
pub(super) struct Answers {
    pub(super) health: Settings,
    pub(super) observed: Observed,
}

impl Answers {
    /// What a path asks for, or the answer if that is nothing.
    pub(super) fn question(&self, path: &str) -> Result<Question, Reply> {
        match path {
            _ if path == self.health.path => Ok(Question::Health),
            READY_PATH => Ok(Question::Readiness),
            METRICS_PATH => Ok(Question::Metrics),
            _ => {
                let known = format!("there is {}, {READY_PATH}, {METRICS_PATH}", self.health.path);
                Err(Reply::text("404 Not Found", &known))
            }
        }
    }

    /// Finds the answer, which takes its time.
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

    /// How long [`Answers::answer`] may take, before the answer is that there is none.
    pub(super) fn patience(&self) -> Duration {
        self.health.timeout.saturating_add(limits::HEALTH_ANSWER_TIME)
    }
}
