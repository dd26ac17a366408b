//! Becomes the command.

use std::ffi::OsStr;
use std::fmt;
use std::fs::File as MemoryFile;
use std::io::{self, Write as _};
use std::os::fd::AsRawFd as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::process::CommandExt as _;
use std::process::Command;

use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, memfd_create};

use super::variables::Variable;

/// The command cannot be started.
#[derive(Debug)]
pub struct CannotStart {
    program: String,
    error: io::Error,
}

impl CannotStart {
    /// The exit code that shells and `env` give: 127 for a program that is not found, otherwise 126.
    pub fn exit_code(&self) -> u8 {
        match self.error.kind() {
            io::ErrorKind::NotFound => 127,
            _ => 126,
        }
    }
}

impl fmt::Display for CannotStart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { program, error } = self;
        write!(f, "cannot start {program:?}: {error}")
    }
}

impl std::error::Error for CannotStart {}

/// Sets `variables` for the command, takes the provider's AccessKey pair away from it, and becomes it. Returns only an
/// error.
pub(super) fn start(mut command: Command, variables: &[Variable<'_>]) -> io::Result<CannotStart> {
    for name in CREDENTIALS {
        command.env_remove(name);
    }
    // Open until the command has started, which inherits them.
    let mut files = Vec::new();
    for Variable { name, file, is_path } in variables {
        if *is_path {
            let copy = in_memory(&file.contents)?;
            command.env(name, format!("/proc/self/fd/{}", copy.as_raw_fd()));
            files.push(copy);
        } else {
            command.env(name, OsStr::from_bytes(&file.contents));
        }
    }
    let error = command.exec();
    drop(files);
    Ok(CannotStart {
        program: command.get_program().to_string_lossy().into_owned(),
        error,
    })
}

/// A file that exists in memory only, is inherited by the command, and cannot be changed.
fn in_memory(contents: &[u8]) -> io::Result<MemoryFile> {
    let mut file = MemoryFile::from(memfd_create("secret", MemfdFlags::ALLOW_SEALING)?);
    file.write_all(contents)?;
    let seals = SealFlags::WRITE | SealFlags::GROW | SealFlags::SHRINK | SealFlags::SEAL;
    fcntl_add_seals(&file, seals)?;
    Ok(file)
}

/// The provider's own AccessKey pair.
const CREDENTIALS: [&str; 2] = ["ACCESS_KEY_ID", "SECRET_ACCESS_KEY"];
