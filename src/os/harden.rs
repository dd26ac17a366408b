//! Hardens the process before it holds a secret.

use std::io;

use rustix::fs::Mode;
use rustix::io::Errno;
use rustix::process::{DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, setrlimit, umask};

/// Disables core dumps, lets only root trace the process or read its memory, and sets the umask to 077.
///
/// # Errors
/// The kernel refuses, which happens only under a seccomp profile.
pub fn harden() -> io::Result<()> {
    harden_memory()?;
    umask(Mode::RWXG | Mode::RWXO);
    Ok(())
}

/// Disables core dumps, and lets only root trace the process or read its memory.
///
/// # Errors
/// As for [`harden`].
pub fn harden_memory() -> io::Result<()> {
    let failed = |step: &'static str| {
        move |error: Errno| {
            let error = io::Error::from(error);
            io::Error::new(
                error.kind(),
                format!("{step}: {error}; check the container's seccomp profile"),
            )
        }
    };
    set_dumpable_behavior(DumpableBehavior::NotDumpable).map_err(failed("cannot disable memory dumps"))?;
    let nothing = Rlimit {
        current: Some(0),
        maximum: Some(0),
    };
    setrlimit(Resource::Core, nothing).map_err(failed("cannot disable core dumps"))
}
