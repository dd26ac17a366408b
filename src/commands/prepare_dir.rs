//! `prepare-dir`: makes the socket directory writable for a provider that does not run as root.
//!
//! kubelet creates the directory as root with mode 0755. An init container of the same image, as uid 0 with only the
//! capability CHOWN, changes its group and lets the group write. The owner stays, because other providers on the node
//! may run as root without capabilities.
//!
//! The driver searches several directories, and a socket in an earlier one hides the provider's own in a later one. Dead
//! sockets there are removed on request.

use std::fmt;
use std::fs::{self, Metadata, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _, chown};
use std::os::unix::net::UnixStream;
use std::path::Path;

use crate::config::PrepareDirOptions;
use crate::provider::SOCKET_NAME;

impl PrepareDirOptions {
    /// Prepares everything, and prints a line for each change.
    ///
    /// # Errors
    /// The first step that failed.
    pub fn run(&self, output: &mut dyn Write) -> io::Result<()> {
        let directory = &self.directory;
        let metadata = fs::symlink_metadata(directory).map_err(system("inspect", directory))?;
        if !metadata.is_dir() {
            let path = directory.display();
            return Err(io::Error::other(format!(
                "{path} is not a directory; set --provider-volume to the mount point of the provider volume",
            )));
        }
        if self.group != 0 {
            self.give_to_group(&metadata, output)?;
        }
        for other in &self.others {
            let is_same =
                fs::metadata(other).is_ok_and(|it| (it.dev(), it.ino()) == (metadata.dev(), metadata.ino()));
            if !is_same {
                remove_dead_socket(&other.join(SOCKET_NAME), output)?;
            }
        }
        Ok(())
    }

    fn give_to_group(&self, metadata: &Metadata, output: &mut dyn Write) -> io::Result<()> {
        let directory = &self.directory;
        if metadata.gid() != self.group {
            chown(directory, None, Some(self.group)).map_err(system("change the group of", directory))?;
            report(
                output,
                format_args!("{}: group {}", directory.display(), self.group),
            );
        }
        let mode = metadata.mode() & 0o7777;
        if mode & GROUP_ALL != GROUP_ALL {
            let mode = mode | GROUP_ALL;
            fs::set_permissions(directory, Permissions::from_mode(mode))
                .map_err(system("change the mode of", directory))?;
            report(output, format_args!("{}: mode {mode:04o}", directory.display()));
        }
        Ok(())
    }
}

fn remove_dead_socket(path: &Path, output: &mut dyn Write) -> io::Result<()> {
    let metadata = match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        other => other.map_err(system("inspect", path))?,
    };
    if !metadata.file_type().is_socket() {
        report(output, format_args!("{}: not a socket, kept", path.display()));
        return Ok(());
    }
    match UnixStream::connect(path) {
        Ok(_) => report(
            output,
            format_args!(
                "{}: another provider answers there, and the driver may call it instead; stop it first",
                path.display()
            ),
        ),
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
            fs::remove_file(path).map_err(system("remove the dead socket", path))?;
            report(output, format_args!("{}: dead socket removed", path.display()));
        }
        Err(source) => return Err(system("connect to", path)(source)),
    }
    Ok(())
}

fn report(output: &mut dyn Write, line: fmt::Arguments<'_>) {
    // The work is done even if standard output is closed.
    let _ = writeln!(output, "{line}");
}

/// Adds the failed step, its path and a remedy to a system error.
fn system(step: &'static str, path: &Path) -> impl FnOnce(io::Error) -> io::Error {
    move |error| {
        let remedy = match error.kind() {
            io::ErrorKind::PermissionDenied => {
                "; run this as the directory's owner, uid 0, with the capability CHOWN"
            }
            _ => "",
        };
        io::Error::other(format!("cannot {step} {}: {error}{remedy}", path.display()))
    }
}

/// The socket is created by a rename, which needs write and search permission.
const GROUP_ALL: u32 = 0o070;

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener;

    use super::*;

    fn prepared(settings: &PrepareDirOptions) -> String {
        let mut output = Vec::new();
        settings.run(&mut output).expect("prepared");
        String::from_utf8(output).expect("text")
    }

    #[test]
    fn the_group_may_write_and_a_second_time_changes_nothing() {
        let place = tempfile::tempdir().expect("directory");
        let directory = place.path().join("sockets");
        fs::create_dir(&directory).expect("directory");
        fs::set_permissions(&directory, Permissions::from_mode(0o755)).expect("mode");
        // Root can set any group, other users only their own.
        let group = match fs::metadata(&directory).expect("metadata").gid() {
            0 => 65532,
            own => own,
        };
        let mut settings = PrepareDirOptions {
            group,
            directory,
            others: Vec::new(),
        };
        let output = prepared(&settings);
        assert!(output.ends_with("sockets: mode 0775\n"), "{output}");
        let metadata = fs::metadata(&settings.directory).expect("metadata");
        assert_eq!((metadata.gid(), metadata.mode() & 0o7777), (group, 0o775));
        assert_eq!(prepared(&settings), "");
        settings.group = 0;
        assert_eq!(prepared(&settings), "", "root needs nothing");
        assert_eq!(fs::metadata(&settings.directory).expect("metadata").gid(), group);
    }

    #[test]
    fn what_is_no_directory() {
        let place = tempfile::tempdir().expect("directory");
        let link = place.path().join("link");
        std::os::unix::fs::symlink(place.path(), &link).expect("link");
        for (directory, words) in [
            (link, "is not a directory"),
            (place.path().join("none"), "cannot inspect"),
        ] {
            let settings = PrepareDirOptions {
                directory,
                group: 0,
                others: Vec::new(),
            };
            let error = settings.run(&mut io::sink()).expect_err("must fail").to_string();
            assert!(error.contains(words), "{error}");
        }
    }

    #[test]
    fn dead_sockets_of_others_go_and_nothing_else() {
        let place = tempfile::tempdir().expect("directory");
        let make = |name: &str| {
            let directory = place.path().join(name);
            fs::create_dir(&directory).expect("directory");
            directory
        };
        let [ours, dead, alive, file, none] = ["ours", "dead", "alive", "file", "none"].map(make);
        drop(UnixListener::bind(ours.join(SOCKET_NAME)).expect("socket"));
        drop(UnixListener::bind(dead.join(SOCKET_NAME)).expect("socket"));
        let _listening = UnixListener::bind(alive.join(SOCKET_NAME)).expect("socket");
        fs::write(file.join(SOCKET_NAME), "precious").expect("file");
        let settings = PrepareDirOptions {
            group: fs::metadata(&ours).expect("metadata").gid(),
            directory: ours.clone(),
            others: vec![ours.clone(), dead.clone(), alive.clone(), file.clone(), none],
        };
        let output = prepared(&settings);
        for (directory, stays) in [(ours, true), (dead, false), (alive, true), (file, true)] {
            let path = directory.join(SOCKET_NAME);
            assert_eq!(path.exists(), stays, "{}", path.display());
        }
        assert!(
            output.contains("dead socket removed") && output.contains("another provider answers"),
            "{output}"
        );
    }
}
