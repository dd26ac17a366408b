//! What is at the socket's path, as seen from inside the container.

use std::ffi::OsStr;
use std::fs::{self, File, Metadata};
use std::io::{self, Read as _};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType};

use crate::limits;

/// The socket's path, and its directory's state before the socket was bound.
#[derive(Debug)]
pub(super) struct SocketPath {
    path: PathBuf,
    directory: PathBuf,
    /// Whether the directory had a link count. Some file systems have none.
    is_linked: bool,
    mount: Option<Mount>,
}

/// The mount that the directory lies in.
#[derive(Debug)]
struct Mount {
    point: PathBuf,
    /// Which directory of its file system is mounted there, as the kernel names it.
    root: PathBuf,
}

/// Identifies the socket file that was bound.
#[derive(Clone, Copy, Debug)]
pub(super) struct SocketFile {
    device: u64,
    inode: u64,
}

/// What is at the path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// The socket that this process listens on.
    Ours,
    /// Nothing; the directory exists.
    Nothing,
    /// Another socket.
    Other(Identity),
    /// Something that is not a socket.
    NotASocket,
    /// Nothing, because the directory is missing. It may come back.
    NoDirectory,
    /// The directory was deleted or renamed on the node. Its mount in the container still leads to the old one.
    OldDirectory,
    /// Cannot be determined; the error.
    Unclear(String),
}

/// What distinguishes one socket file from another, even if the second gets the first one's inode number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Identity {
    device: u64,
    inode: u64,
    changed: (i64, i64),
}

/// The result of connecting to another process's socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// Accepted, or queued in the backlog.
    Accepts,
    /// No process listens there.
    Refuses,
    /// Another error, such as the socket's mode, which says nothing about a listener.
    Unclear,
}

impl SocketPath {
    pub(super) fn new(path: &Path) -> Self {
        let directory = directory_of(path);
        Self {
            path: path.to_owned(),
            directory: directory.to_owned(),
            is_linked: links(directory).is_some_and(|links| links > 0),
            mount: Mount::of(directory),
        }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Looks at the path. `file` is the socket that this process listens on.
    pub(super) fn look(&self, file: SocketFile) -> Found {
        if self.is_old() {
            return Found::OldDirectory;
        }
        match fs::symlink_metadata(&self.path) {
            Ok(metadata) if file.is(&metadata) => Found::Ours,
            Ok(metadata) if metadata.file_type().is_socket() => Found::Other(Identity::of(&metadata)),
            Ok(_) => Found::NotASocket,
            Err(error) if error.kind() != io::ErrorKind::NotFound => Found::Unclear(error.to_string()),
            Err(_) if self.directory.exists() => Found::Nothing,
            Err(_) => Found::NoDirectory,
        }
    }

    /// Removes `file` if it is still there, and not that of a successor. A successor that takes the name over between
    /// the look and the removal loses it, and binds it again within a second.
    pub(super) fn remove(&self, file: SocketFile) -> io::Result<bool> {
        let is_ours = match fs::symlink_metadata(&self.path) {
            Ok(now) => file.is(&now),
            Err(error) if error.kind() == io::ErrorKind::NotFound => false,
            Err(error) => return Err(error),
        };
        if is_ours {
            fs::remove_file(&self.path)?;
        }
        Ok(is_ours)
    }

    /// Whether the container's directory is no longer the node's directory of that name. Without a
    /// mount in between, the path would lead to the new one.
    fn is_old(&self) -> bool {
        let is_deleted = self.is_linked && links(&self.directory) == Some(0);
        let is_moved = || {
            self.mount.as_ref().is_some_and(|mount| {
                let now = mount_table().and_then(|table| root_of(&table, &mount.point));
                now.is_some_and(|root| root != mount.root)
            })
        };
        is_deleted || is_moved()
    }

    /// Checks whether a process accepts connections at the path.
    pub(super) fn probe(&self) -> Answer {
        match connect(&self.path) {
            Ok(_) => Answer::Accepts,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Answer::Accepts, // its backlog is full
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => Answer::Refuses,
            Err(_) => Answer::Unclear,
        }
    }

    /// Why clients of the path do not reach this process, and what to do; `None` if they do.
    pub(super) fn reason(&self, found: &Found) -> Option<String> {
        let (path, directory) = (self.path.display(), self.directory.display());
        match found {
            Found::Ours => None,
            Found::Nothing => Some(format!(
                "{path} was removed by another process; the provider binds it again within a second"
            )),
            Found::Other(_) => Some(format!(
                "{path} is another provider's socket; during an update this provider is about to be stopped, otherwise \
                 uninstall one of the two. If that provider no longer accepts connections, this one takes the path back"
            )),
            Found::NotASocket => Some(format!(
                "{path} is no longer a socket; remove it on the node; the provider then binds it again"
            )),
            Found::NoDirectory => Some(format!(
                "the directory {directory} is missing; create it; the provider then binds its socket again"
            )),
            Found::OldDirectory => Some(format!(
                "the directory {directory} was deleted or renamed on the node; restart the container to mount the new one"
            )),
            Found::Unclear(error) => Some(format!("cannot inspect {path}: {error}")),
        }
    }
}

impl SocketFile {
    pub(super) fn new(metadata: &Metadata) -> Self {
        Self {
            device: metadata.dev(),
            inode: metadata.ino(),
        }
    }

    /// Whether this is the file that was bound. Its inode number is not given to another file for as long as the
    /// listener lives, which holds the inode.
    pub(super) fn is(self, metadata: &Metadata) -> bool {
        (metadata.dev(), metadata.ino()) == (self.device, self.inode)
    }
}

impl Identity {
    fn of(metadata: &Metadata) -> Self {
        Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }
}

/// The directory of a path.
pub(super) fn directory_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

/// Connects to a socket without waiting: one whose backlog is full is [`io::ErrorKind::WouldBlock`].
pub(super) fn connect(path: &Path) -> io::Result<UnixStream> {
    let address = SocketAddrUnix::new(path)?;
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = rustix::net::socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
    rustix::net::connect(&socket, &address)?;
    let stream = UnixStream::from(socket);
    stream.set_nonblocking(false)?;
    Ok(stream)
}

fn links(directory: &Path) -> Option<u64> {
    fs::metadata(directory).ok().map(|metadata| metadata.nlink())
}

impl Mount {
    /// `None` if it cannot be read, or has a name that the kernel writes with escapes.
    fn of(directory: &Path) -> Option<Self> {
        let (directory, table) = (fs::canonicalize(directory).ok()?, mount_table()?);
        directory.ancestors().find_map(|point| {
            let (point, root) = (point.to_owned(), root_of(&table, point)?);
            Some(Self { point, root })
        })
    }
}

fn mount_table() -> Option<Vec<u8>> {
    let mut table = Vec::new();
    let file = File::open("/proc/self/mountinfo").ok()?;
    file.take(limits::MOUNT_TABLE_BYTES)
        .read_to_end(&mut table)
        .ok()?;
    Some(table)
}

/// The field `root` of the last line of a mount table (proc_pid_mountinfo(5)) whose mount point is `point`.
fn root_of(table: &[u8], point: &Path) -> Option<PathBuf> {
    table.split(|byte| *byte == b'\n').rev().find_map(|line| {
        let mut fields = line.split(|byte| *byte == b' ').skip(3);
        let (root, mount_point) = (fields.next()?, fields.next()?);
        (mount_point == point.as_os_str().as_bytes()).then(|| Path::new(OsStr::from_bytes(root)).to_owned())
    })
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsRawFd as _;
    use std::os::unix::net::{UnixDatagram, UnixListener};

    use super::super::bind::{BoundSocket, bind};
    use super::*;

    #[test]
    fn each_thing_that_can_be_at_the_path() {
        let directory = tempfile::tempdir().unwrap();
        let inside = directory.path().join("sockets");
        fs::create_dir(&inside).unwrap();
        let name = inside.join("a.sock");
        let socket = bind(&name).unwrap();
        let path = &socket.path;
        let look = || path.look(socket.file);
        assert_eq!((look(), path.reason(&look())), (Found::Ours, None));

        fs::remove_file(&name).unwrap();
        assert_eq!(look(), Found::Nothing);
        let other = UnixListener::bind(&name).unwrap();
        let Found::Other(first) = look() else {
            panic!("{:?}", look())
        };
        assert_eq!(look(), Found::Other(first), "the same one");
        fs::remove_file(&name).unwrap();
        drop(other);
        // Some file systems reuse an inode number at once.
        let _another = UnixListener::bind(&name).unwrap();
        assert!(matches!(look(), Found::Other(second) if second != first));

        fs::remove_file(&name).unwrap();
        for make in [
            |name: &Path| fs::write(name, "precious"),
            |name: &Path| fs::create_dir(name),
            |name: &Path| std::os::unix::fs::symlink("nowhere", name),
        ] {
            make(&name).unwrap();
            assert_eq!(look(), Found::NotASocket);
            let _ = fs::remove_dir(&name).or_else(|_| fs::remove_file(&name));
        }
        fs::remove_dir(&inside).unwrap();
        assert_eq!(
            look(),
            Found::NoDirectory,
            "a path, not a mount: it may come back"
        );
        fs::create_dir(&inside).unwrap();
        assert_eq!(look(), Found::Nothing);
        fs::remove_dir(&inside).unwrap();
        fs::write(&inside, "a file").unwrap();
        assert!(matches!(look(), Found::Unclear(_)), "{:?}", look());
        let reason = path.reason(&look()).unwrap();
        assert!(reason.contains(name.to_str().unwrap()), "{reason}");
    }

    /// As under a mount, the path leads to the deleted directory, whatever has its name now.
    #[test]
    fn a_directory_that_was_deleted_under_us() {
        let directory = tempfile::tempdir().unwrap();
        let inside = directory.path().join("sockets");
        fs::create_dir(&inside).unwrap();
        let held = File::open(&inside).unwrap();
        let name = PathBuf::from(format!("/proc/self/fd/{}/a.sock", held.as_raw_fd()));
        let BoundSocket { path, file, .. } = bind(&name).unwrap();
        fs::remove_dir_all(&inside).unwrap();
        // Also before the first check.
        assert_eq!(path.look(file), Found::OldDirectory);
        fs::create_dir(&inside).unwrap();
        assert_eq!(path.look(file), Found::OldDirectory);
        assert!(bind(&name).is_err(), "it cannot be fixed from inside");
    }

    #[test]
    fn the_directory_that_is_mounted_somewhere() {
        let table = b"22 1 0:20 / / rw - ext4 /dev/a rw\n\
            23 22 0:21 /providers /provider rw,nosuid shared:1 - tmpfs tmpfs rw\n\
            24 22 0:21 /other /provider rw - tmpfs tmpfs rw\n\
            25 22 0:21 /providers//deleted /gone rw - tmpfs tmpfs rw\n\
            broken line\n";
        for (at, root) in [
            ("/", Some("/")),
            ("/provider", Some("/other")),
            ("/gone", Some("/providers//deleted")),
            ("/prov", None),
            ("", None),
        ] {
            let found = root_of(table, Path::new(at));
            assert_eq!(found.as_deref(), root.map(Path::new), "{at}");
        }
        for directory in ["/proc", "/proc/sys/kernel"] {
            let mount = Mount::of(Path::new(directory)).unwrap();
            assert!(mount.point.starts_with("/proc"), "{mount:?}");
        }
        assert!(Mount::of(Path::new("/nowhere")).is_none());
    }

    #[test]
    fn who_accepts_connections() {
        let directory = tempfile::tempdir().unwrap();
        let name = directory.path().join("a.sock");
        let path = SocketPath::new(&name);
        assert_eq!(path.probe(), Answer::Unclear, "nothing is there");
        let listener = UnixListener::bind(&name).unwrap();
        assert_eq!(path.probe(), Answer::Accepts);
        rustix::net::listen(&listener, 3).unwrap();
        // No process accepts the connections: once the backlog is full, a connection would wait.
        let waiting: Vec<_> = std::iter::from_fn(|| connect(&name).ok()).take(100).collect();
        assert_eq!(connect(&name).unwrap_err().kind(), io::ErrorKind::WouldBlock);
        assert_eq!(path.probe(), Answer::Accepts, "{} wait", waiting.len());
        drop((waiting, listener));
        assert_eq!(path.probe(), Answer::Refuses);
        fs::remove_file(&name).unwrap();
        let _datagrams = UnixDatagram::bind(&name).unwrap();
        assert_eq!(
            path.probe(),
            Answer::Unclear,
            "a process is there, with another socket type"
        );
    }
}
