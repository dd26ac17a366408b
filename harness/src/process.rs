//! The provider's binary as a child process, as kubelet would run it: its own socket directory, a health port of
//! its own, a log that can be read.

use std::ffi::OsString;
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;
use std::{fs, io};

/// How to start the binary.
#[derive(Debug)]
pub struct ProviderBuilder {
    binary: PathBuf,
    arguments: Vec<OsString>,
    environment: Vec<(String, OsString)>,
    chroot: Option<PathBuf>,
    volume: Option<PathBuf>,
}

/// A running provider. Killed on drop.
#[derive(Debug)]
pub struct ProviderProcess {
    child: Child,
    log: Arc<Mutex<Vec<String>>>,
    socket: PathBuf,
    _directory: Option<tempfile::TempDir>,
}

/// Whether this process is root's. A test that needs root asks, and is left out with a word about it where it is not;
/// the gate runs all of them.
pub fn is_root() -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let is_root = status.lines().any(|line| line.starts_with("Uid:\t0\t"));
    if !is_root {
        let _ = writeln!(io::stderr(), "left out: this test needs root");
    }
    is_root
}

/// The static binary as it ships, if `SHIPPED_PROVIDER` names it. A test that needs it asks, and is left out with a
/// word about it where there is none; the gate runs all of them.
#[expect(
    clippy::disallowed_methods,
    reason = "a setting of tests, not of the provider"
)]
pub fn shipped() -> Option<PathBuf> {
    let shipped = std::env::var_os("SHIPPED_PROVIDER").map(PathBuf::from);
    if shipped.is_none() {
        let _ = writeln!(
            io::stderr(),
            "left out: this test needs SHIPPED_PROVIDER, the path of the static binary"
        );
    }
    shipped
}

impl ProviderBuilder {
    /// The binary at `path`, with an empty environment and any free health port.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self {
            binary: path.into(),
            arguments: Vec::new(),
            environment: Vec::new(),
            chroot: None,
            volume: None,
        }
    }

    /// Adds a command line argument.
    #[must_use]
    pub fn argument(mut self, argument: impl Into<OsString>) -> Self {
        self.arguments.push(argument.into());
        self
    }

    /// Sets an environment variable.
    #[must_use]
    pub fn variable(mut self, name: &str, value: impl Into<OsString>) -> Self {
        self.environment.push((name.to_owned(), value.into()));
        self
    }

    /// Uses a directory that exists for the socket, instead of one made for this process.
    #[must_use]
    pub fn volume(mut self, directory: impl Into<PathBuf>) -> Self {
        self.volume = Some(directory.into());
        self
    }

    /// Runs the binary as `/provider` in a root directory that holds it, `/etc/hosts` and the socket's directory
    /// and nothing else. Needs root.
    #[must_use]
    pub fn chroot(mut self, root: impl Into<PathBuf>) -> Self {
        self.chroot = Some(root.into());
        self
    }

    /// Starts it and waits until the socket accepts connections.
    ///
    /// # Errors
    /// It could not be started, or ended before it listened; the log says why.
    pub fn start(self) -> io::Result<ProviderProcess> {
        let own = if self.volume.is_none() {
            Some(tempfile::tempdir()?)
        } else {
            None
        };
        let (volume, seen_volume, mut command) = match &self.chroot {
            Some(root) => {
                let volume = root.join("sockets");
                fs::create_dir_all(root.join("etc"))?;
                fs::create_dir_all(&volume)?;
                fs::write(root.join("etc/hosts"), "127.0.0.1 localhost\n")?;
                fs::copy(&self.binary, root.join("provider"))?;
                let mut command = Command::new("chroot");
                command.arg(root).arg("/provider");
                (volume, PathBuf::from("/sockets"), command)
            }
            None => {
                let volume = self
                    .volume
                    .clone()
                    .or_else(|| own.as_ref().map(|own| own.path().to_owned()));
                let volume = volume.unwrap_or_default();
                (volume.clone(), volume, Command::new(&self.binary))
            }
        };
        let mut flag = OsString::from("--provider-volume=");
        flag.push(&seen_volume);
        command.arg(flag).arg("--healthz-port=0").args(&self.arguments);
        command
            .env_clear()
            .envs(self.environment.iter().map(|(name, value)| (name, value)));
        if self.chroot.is_some() {
            // For finding chroot itself.
            command.env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
        }
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()?;

        let log = Arc::new(Mutex::new(Vec::new()));
        if let Some(stderr) = child.stderr.take() {
            let log = Arc::clone(&log);
            thread::spawn(move || {
                for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                    log.lock().unwrap_or_else(PoisonError::into_inner).push(line);
                }
            });
        }
        let mut process = ProviderProcess {
            child,
            log,
            socket: volume.join("alibabacloud.sock"),
            _directory: own,
        };
        process.wait_until_it_listens()?;
        Ok(process)
    }
}

impl ProviderProcess {
    /// The socket, as seen from outside.
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// The process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// The log so far.
    pub fn log(&self) -> String {
        self.log.lock().unwrap_or_else(PoisonError::into_inner).join("\n")
    }

    /// Whether the log says this, or does within some seconds: it is read by a thread of its own.
    pub fn logs(&self, words: &str) -> bool {
        (0..1000).any(|_| {
            let says = self.log().contains(words);
            if !says {
                thread::sleep(Duration::from_millis(10));
            }
            says
        })
    }

    /// Resident memory in KiB, as the kernel counts it.
    ///
    /// # Errors
    /// The process has ended.
    pub fn resident_kib(&self) -> io::Result<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.id()))?;
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix("VmRSS:"))
            .unwrap_or_default();
        let number = line.split_whitespace().next().unwrap_or_default();
        number.parse().map_err(|_| io::Error::other("no VmRSS"))
    }

    /// Sends SIGTERM and waits for the end.
    ///
    /// # Errors
    /// The process cannot be waited for.
    pub fn terminate(&mut self) -> io::Result<ExitStatus> {
        Command::new("kill").arg(self.id().to_string()).status()?;
        self.child.wait()
    }

    fn wait_until_it_listens(&mut self) -> io::Result<()> {
        // A stale socket file refuses connections, so a connection means that this process listens.
        for _ in 0..30_000 {
            if let Some(status) = self.child.try_wait()? {
                thread::sleep(Duration::from_millis(50));
                return Err(io::Error::other(format!("ended with {status}: {}", self.log())));
            }
            if UnixStream::connect(&self.socket).is_ok() {
                return Ok(());
            }
            thread::sleep(Duration::from_millis(1));
        }
        Err(io::Error::other(format!("does not listen: {}", self.log())))
    }
}

impl Drop for ProviderProcess {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
