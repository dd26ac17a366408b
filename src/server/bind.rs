//! The socket file: bound before any slow step, mode 0600, replaced atomically, removed only by its owner.
//!
//! The listener is created inside a directory that only we can enter, given its mode there, and renamed to its
//! final name. So the name is never missing, never without a listener and never has a wider mode; a second
//! instance takes over the name while the first one drains.

use std::fmt;
use std::fs::{self, DirBuilder, Permissions};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, PermissionsExt};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

use super::path::{SocketFile, SocketPath, directory_of};
use rustix::fs::{CWD, RenameFlags, renameat_with};
use rustix::io::Errno;

use crate::limits;

/// A listening socket under its final name.
#[derive(Debug)]
pub struct BoundSocket {
    pub(super) listener: UnixListener,
    pub(super) file: SocketFile,
    pub(super) path: SocketPath,
}

/// Why the socket could not be bound.
#[derive(Debug)]
pub enum BindError {
    /// The path exists and is not a socket.
    NotASocket(PathBuf),
    /// The path does not fit into a socket address.
    PathTooLong(PathBuf),
    /// A system call failed.
    System {
        /// The step.
        step: &'static str,
        /// Its path.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
}

/// Binds and listens at `path`. Replaces a stale socket, or that of an instance which is being replaced.
pub fn bind(path: &Path) -> Result<BoundSocket, BindError> {
    bind_at(path, true)
}

/// The same for a missing path. A socket that another process binds there at the same moment is left alone.
pub(super) fn bind_anew(path: &Path) -> Result<BoundSocket, BindError> {
    bind_at(path, false)
}

fn bind_at(path: &Path, replaces: bool) -> Result<BoundSocket, BindError> {
    match fs::symlink_metadata(path) {
        Ok(metadata) if !metadata.file_type().is_socket() => {
            return Err(BindError::NotASocket(path.to_owned()));
        }
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(source) => return Err(system("inspect", path)(source)),
    }
    // Taken first, so that a deletion of the directory is detected from here on.
    let socket_path = SocketPath::new(path);
    let nursery = create_nursery(directory_of(path))?;
    let bound = bind_in(&nursery, path, replaces);
    if bound.is_err() {
        // Best effort: the error to report is the failed step's.
        let _ = fs::remove_file(nursery.join(NEWBORN));
    }
    let _ = fs::remove_dir(&nursery);
    let (listener, file) = bound?;
    Ok(BoundSocket {
        listener,
        file,
        path: socket_path,
    })
}

fn bind_in(nursery: &Path, path: &Path, replaces: bool) -> Result<(UnixListener, SocketFile), BindError> {
    let newborn = nursery.join(NEWBORN);
    if path
        .as_os_str()
        .as_bytes()
        .len()
        .max(newborn.as_os_str().as_bytes().len())
        > limits::SOCKET_PATH_BYTES
    {
        return Err(BindError::PathTooLong(path.to_owned()));
    }
    let listener = UnixListener::bind(&newborn).map_err(system("bind", &newborn))?;
    fs::set_permissions(&newborn, Permissions::from_mode(0o600))
        .map_err(system("set the mode of", &newborn))?;
    let metadata = fs::symlink_metadata(&newborn).map_err(system("inspect", &newborn))?;
    publish(&newborn, path, replaces).map_err(system("replace", path))?;
    Ok((listener, SocketFile::new(&metadata)))
}

/// Gives the socket its name. Unless it `replaces` what is there, a process that was faster keeps the name, where the
/// file system supports that.
fn publish(newborn: &Path, path: &Path, replaces: bool) -> io::Result<()> {
    if !replaces {
        match renameat_with(CWD, newborn, CWD, path, RenameFlags::NOREPLACE) {
            Err(Errno::INVAL | Errno::NOSYS) => {}
            other => return other.map_err(io::Error::from),
        }
    }
    fs::rename(newborn, path)
}

/// A new directory of mode 0700 inside `directory`. Its name has no process number, which is 1 in every container,
/// and nothing random: the process that creates it first owns it.
fn create_nursery(directory: &Path) -> Result<PathBuf, BindError> {
    let mut number = 0;
    loop {
        let nursery = directory.join(format!(".new-{number}"));
        match DirBuilder::new().mode(0o700).create(&nursery) {
            Ok(()) => return Ok(nursery),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && number < MAX_LEFTOVERS => {
                number += 1;
            }
            Err(source) => return Err(system("create the directory", &nursery)(source)),
        }
    }
}

fn system(step: &'static str, path: &Path) -> impl FnOnce(io::Error) -> BindError {
    let path = path.to_owned();
    move |source| BindError::System { step, path, source }
}

impl fmt::Display for BindError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotASocket(path) => write!(
                f,
                "cannot bind {}: the path exists and is not a socket; remove it or set another \
                 --provider-volume",
                path.display()
            ),
            Self::PathTooLong(path) => write!(
                f,
                "cannot bind {}: the path is too long for a socket (at most {} bytes); set a shorter \
                 --provider-volume",
                path.display(),
                limits::SOCKET_PATH_BYTES
            ),
            Self::System { step, path, source } => {
                let remedy = match source.kind() {
                    io::ErrorKind::NotFound => {
                        "; create the directory or mount it (hostPath, DirectoryOrCreate)"
                    }
                    io::ErrorKind::PermissionDenied => "; run as the owner of the directory",
                    io::ErrorKind::ReadOnlyFilesystem => "; mount the directory writable",
                    io::ErrorKind::AlreadyExists => "; remove the leftover .new-* directories",
                    _ => "",
                };
                write!(f, "cannot {step} {}: {source}{remedy}", path.display())
            }
        }
    }
}

impl std::error::Error for BindError {}

/// The socket's name inside the nursery: short, because its path must fit too.
const NEWBORN: &str = "s";

/// Maximum number of nurseries left behind by instances that died while one existed, which is microseconds.
const MAX_LEFTOVERS: u32 = 16;

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::os::unix::fs::MetadataExt as _;
    use std::os::unix::net::UnixStream;

    use super::*;

    #[test]
    fn a_socket_that_came_first_is_replaced_only_at_the_start() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("p.sock");
        let anew = bind_anew(&path).unwrap();
        let is_there = |socket: &BoundSocket| socket.file.is(&fs::symlink_metadata(&path).unwrap());
        assert!(is_there(&anew));
        let refused = bind_anew(&path).unwrap_err().to_string();
        assert!(refused.contains("File exists"), "{refused}");
        assert!(is_there(&anew));
        assert_eq!(names(directory.path()), ["p.sock"]);
        assert!(is_there(&bind(&path).unwrap()));
    }

    fn names(directory: &Path) -> Vec<String> {
        let entries = fs::read_dir(directory).unwrap();
        let mut names: Vec<_> = entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn a_stale_file_is_replaced_and_the_mode_is_0600() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("alibabacloud.sock");
        drop(UnixListener::bind(&path).unwrap());
        let socket = bind(&path).unwrap();
        assert_eq!(fs::symlink_metadata(&path).unwrap().mode() & 0o777, 0o600);
        let mut client = UnixStream::connect(&path).unwrap();
        let (mut served, _) = socket.listener.accept().unwrap();
        served.write_all(b"x").unwrap();
        client.read_exact(&mut [0]).unwrap();
        assert_eq!(
            names(directory.path()),
            ["alibabacloud.sock"],
            "nothing else is left behind"
        );
    }

    #[test]
    fn only_our_own_inode_is_removed() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a.sock");
        let first = bind(&path).unwrap();
        let second = bind(&path).unwrap();
        let now = fs::symlink_metadata(&path).unwrap();
        assert!(!first.file.is(&now) && second.file.is(&now));
        assert!(!first.path.remove(first.file).unwrap());
        assert!(path.exists());
        assert!(second.path.remove(second.file).unwrap());
        assert!(!path.exists());
        assert!(!second.path.remove(second.file).unwrap());
    }

    #[test]
    fn what_is_no_socket_is_not_replaced() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a.sock");
        fs::write(&path, "precious").unwrap();
        let error = bind(&path).unwrap_err();
        assert!(matches!(error, BindError::NotASocket(_)));
        assert!(error.to_string().contains(path.to_str().unwrap()), "{error}");
        assert_eq!(fs::read_to_string(&path).unwrap(), "precious");
        let link = directory.path().join("link.sock");
        std::os::unix::fs::symlink("nowhere", &link).unwrap();
        assert!(matches!(bind(&link), Err(BindError::NotASocket(_))));
    }

    #[test]
    fn a_path_that_is_too_long_is_a_clear_error() {
        let directory = tempfile::tempdir().unwrap();
        let error = bind(&directory.path().join("x".repeat(120))).unwrap_err();
        assert!(matches!(error, BindError::PathTooLong(_)));
        assert!(error.to_string().contains("107 bytes"), "{error}");
        assert!(names(directory.path()).is_empty());
    }

    #[test]
    fn a_missing_directory_is_a_clear_error() {
        let directory = tempfile::tempdir().unwrap();
        let error = bind(&directory.path().join("none/a.sock")).unwrap_err();
        assert!(error.to_string().contains("DirectoryOrCreate"), "{error}");
    }

    #[test]
    fn leftovers_of_a_crash_do_not_stop_the_next_start() {
        let directory = tempfile::tempdir().unwrap();
        fs::create_dir(directory.path().join(".new-0")).unwrap();
        assert!(bind(&directory.path().join("a.sock")).is_ok());
    }
}
