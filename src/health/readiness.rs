//! Whether Mounts can be expected to succeed, as far as that can be told without the cloud.

use std::fmt;
use std::io;

use crate::server::Observer;

/// Something that must hold; the error is the reason why not, in one line.
pub type Check = Box<dyn Fn() -> Result<(), String> + Send + Sync>;

/// What must hold beside the server's own state.
#[derive(Default)]
pub struct Readiness {
    checks: Vec<Check>,
}

impl Readiness {
    /// Nothing but the server's own state.
    pub fn new() -> Self {
        Self::default()
    }

    /// One more thing that must hold. Asked at each probe, so it must be cheap.
    #[must_use]
    pub fn with(mut self, check: Check) -> Self {
        self.checks.push(check);
        self
    }

    /// Ready, or every reason why not, a line each. `alive` is what the socket answered.
    pub(super) fn verdict(&self, alive: io::Result<()>, server: &Observer) -> Result<(), String> {
        let mut reasons = Vec::new();
        if let Err(error) = alive {
            reasons.push(format!("the socket does not answer: {error}"));
        }
        if server.is_draining() {
            reasons.push("the provider is stopping".to_owned());
        } else if !server.owns_socket() {
            reasons.push(format!(
                "{} is not this process's socket: it was removed, or another provider on the node has taken its place",
                server.socket_path().display()
            ));
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
