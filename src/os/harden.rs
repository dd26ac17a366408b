//! What the process gives up for itself before it holds a secret.

use std::fmt;
use std::io;

use rustix::fs::Mode;
use rustix::process::{DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, setrlimit, umask};

/// Why the process cannot give something up.
#[derive(Debug)]
pub struct HardenError {
    step: &'static str,
    error: io::Error,
}

impl fmt::Display for HardenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}: {}; check the container's seccomp profile",
            self.step, self.error
        )
    }
}

impl std::error::Error for HardenError {}

/// No core dumps, nobody but root may trace the process or read its memory, and what it creates is its own.
///
/// # Errors
/// The kernel refuses, which only a seccomp profile makes it do.
pub fn harden() -> Result<(), HardenError> {
    harden_memory()?;
    umask(Mode::RWXG | Mode::RWXO);
    Ok(())
}

/// No core dumps, and nobody but root may trace the process or read its memory.
///
/// # Errors
/// As for [`harden`].
pub fn harden_memory() -> Result<(), HardenError> {
    let failed = |step: &'static str| {
        move |error: rustix::io::Errno| HardenError {
            step,
            error: error.into(),
        }
    };
    set_dumpable_behavior(DumpableBehavior::NotDumpable).map_err(failed("cannot forbid memory dumps"))?;
    let nothing = Rlimit {
        current: Some(0),
        maximum: Some(0),
    };
    setrlimit(Resource::Core, nothing).map_err(failed("cannot forbid core dumps"))
}
