//! `exec`: one mount in memory, and then a command in the place of this process, with the values as environment
//! variables. Nothing is written to disk.

mod start;
mod variables;

use std::error::Error;
use std::io::Read;
use std::path::Path;
use std::process::Command;

pub use self::start::CannotStart;
use self::start::start;
use self::variables::Wanted;
use super::once::Once;
use crate::config::{Environment, ExecOptions};
use crate::os::harden::CoreLimit;
use crate::sync::Cancellation;

impl ExecOptions {
    /// Mounts, and becomes the command. Returns only if that fails.
    ///
    /// # Errors
    /// The mount's failure, a variable that cannot be set, or a command that cannot be started.
    pub fn run(
        self,
        input: &mut dyn Read,
        environment: &dyn Environment,
    ) -> Result<(), Box<dyn Error + Send + Sync>> {
        let limit = CoreLimit::harden()?;
        let once = Once::from(self.once);
        let response = once.mount(Path::new(TARGET), MODE, input, &Cancellation::new())?;
        let wanted = Wanted {
            contents: &self.contents,
            paths: &self.paths,
            is_all: self.is_all,
        };
        let variables = wanted.variables(&response.as_ref().files, |name| environment.get(name).is_some())?;
        let mut command = Command::new(&self.program);
        command.args(&self.arguments);
        limit.restore()?;
        Err(start(command, &variables)?.into())
    }
}

/// Where the volume would be; nothing is written there.
const TARGET: &str = "/mnt/secrets-store";
/// The mode that current drivers send.
const MODE: u32 = 0o644;
