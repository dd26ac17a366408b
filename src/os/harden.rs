//! Hardens the process before it holds a secret.

use std::io;

use rustix::fs::Mode;
use rustix::io::Errno;
use rustix::process::{
    DumpableBehavior, Resource, Rlimit, getrlimit, set_dumpable_behavior, setrlimit, umask,
};

/// Disables core dumps, lets only root trace the process or read its memory, and sets the umask to 077.
///
/// # Errors
/// The kernel refuses, which happens only under a seccomp profile.
pub fn harden() -> io::Result<()> {
    harden_memory()?;
    umask(Mode::RWXG | Mode::RWXO);
    Ok(())
}

/// The limit of core dumps that the process came with.
pub struct CoreLimit(Rlimit);

impl CoreLimit {
    /// As [`harden_memory`], but reversibly, for a process that becomes another program. The kernel lets that one be
    /// traced again by itself.
    ///
    /// # Errors
    /// As for [`harden`].
    pub fn harden() -> io::Result<Self> {
        set_dumpable_behavior(DumpableBehavior::NotDumpable)
            .map_err(failed("cannot disable memory dumps"))?;
        let before = getrlimit(Resource::Core);
        let nothing = Rlimit {
            current: Some(0),
            ..before
        };
        setrlimit(Resource::Core, nothing).map_err(failed("cannot disable core dumps"))?;
        Ok(Self(before))
    }

    /// Sets the limit back.
    ///
    /// # Errors
    /// As for [`harden`].
    pub fn restore(self) -> io::Result<()> {
        setrlimit(Resource::Core, self.0).map_err(failed("cannot restore the limit of core dumps"))
    }
}

/// Disables core dumps, and lets only root trace the process or read its memory.
///
/// # Errors
/// As for [`harden`].
pub fn harden_memory() -> io::Result<()> {
    set_dumpable_behavior(DumpableBehavior::NotDumpable).map_err(failed("cannot disable memory dumps"))?;
    let nothing = Rlimit {
        current: Some(0),
        maximum: Some(0),
    };
    setrlimit(Resource::Core, nothing).map_err(failed("cannot disable core dumps"))
}

fn failed(step: &'static str) -> impl Fn(Errno) -> io::Error {
    move |error| {
        let error = io::Error::from(error);
        io::Error::new(
            error.kind(),
            format!("{step}: {error}; check the container's seccomp profile"),
        )
    }
}
