//! What the process gives up for itself before it holds a secret.

use std::io;

use rustix::fs::Mode;
use rustix::io::Errno;
use rustix::process::{DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, setrlimit, umask};

/// No core dumps, nobody but root may trace the process or read its memory, and what it creates is its own.
///
/// # Errors
/// The kernel refuses, which only a seccomp profile makes it do.
pub fn harden() -> io::Result<()> {
    harden_memory()?;
    umask(Mode::RWXG | Mode::RWXO);
    Ok(())
}

/// No core dumps, and nobody but root may trace the process or read its memory.
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
    set_dumpable_behavior(DumpableBehavior::NotDumpable).map_err(failed("cannot forbid memory dumps"))?;
    let nothing = Rlimit {
        current: Some(0),
        maximum: Some(0),
    };
    setrlimit(Resource::Core, nothing).map_err(failed("cannot forbid core dumps"))
}
