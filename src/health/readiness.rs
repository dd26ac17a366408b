//! Whether mounts can succeed, as far as that is known without calling the cloud.

use std::fmt;
use std::time::Duration;

use super::probe;
use crate::server::Observer;

/// Whether this process serves, even if another process has the socket's path. The error is one that a restart may fix.
pub(super) fn alive(server: &Observer, timeout: Duration) -> Result<(), String> {
    if server.is_draining() {
        return Ok(()); // it ends by itself
    }
    if let Some(trouble) = server.socket_trouble()
        && trouble.needs_restart
    {
        return Err(trouble.reason);
    }
    answers(server, timeout)
}

fn answers(server: &Observer, timeout: Duration) -> Result<(), String> {
    probe::probe(server, timeout).map_err(|error| format!("the socket does not answer: {error}"))
}

/// A condition of readiness; the error is the reason, in one line.
pub type Check = Box<dyn Fn() -> Result<(), String> + Send + Sync>;

/// The conditions beside the server's own state.
#[derive(Default)]
pub struct Readiness {
    checks: Vec<Check>,
}

impl Readiness {
    /// Only the server's own state.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a condition. It is checked at each probe, so it must be cheap.
    #[must_use]
    pub fn with(mut self, check: Check) -> Self {
        self.checks.push(check);
        self
    }

    /// Ready, or every reason why not, a line each. The socket has `timeout` to answer.
    pub(super) fn verdict(&self, server: &Observer, timeout: Duration) -> Result<(), String> {
        let mut reasons = Vec::new();
        if server.is_draining() {
            reasons.push("the provider is stopping".to_owned());
        } else {
            reasons.extend(answers(server, timeout).err());
            reasons.extend(server.socket_trouble().map(|trouble| trouble.reason));
        }
        reasons.extend(self.checks.iter().filter_map(|check| check().err()));
        if reasons.is_empty() {
            Ok(())
        } else {
            Err(reasons.join("\n"))
        }
    }
}

impl fmt::Debug for Readiness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Readiness")
            .field("checks", &self.checks.len())
            .finish()
    }
}
