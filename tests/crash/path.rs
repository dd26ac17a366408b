//! Other processes at the socket's path: old providers that unlink it as they stop, successors that crash, people who
//! clean up. Whoever accepts connections there keeps it.

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::MetadataExt as _;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::Duration;

use harness::FakeCloud;
use harness::driver::Driver;
use harness::fault::{Fault, FaultRule};
use harness::process::{ProviderProcess, is_root};
use tempfile::TempDir;

use crate::{BINARY, builder, directory, mount, wrapper};

/// Longer than anything here takes, and no hang.
const PATIENCE: Duration = Duration::from_secs(60);

/// Looks at the path, two milliseconds apart: long enough for a process to take it several times, if it were to.
const LOOKS: usize = 2_000;

struct Node {
    cloud: FakeCloud,
    sockets: Sockets,
}

/// The directory of the sockets, in one of its own.
struct Sockets {
    parent: TempDir,
    path: PathBuf,
}

impl Sockets {
    fn path(&self) -> &Path {
        &self.path
    }
}

struct Provider {
    process: ProviderProcess,
    port: u16,
}

/// Another provider, in Go: it removes what is at the path and binds it; as it stops, it unlinks the path, whoever has
/// it by then.
struct StandIn {
    listener: UnixListener,
    path: PathBuf,
}

impl Node {
    fn new() -> Self {
        let parent = directory();
        let path = parent.path().join("providers");
        fs::create_dir(&path).expect("directory");
        Self {
            cloud: FakeCloud::start().expect("cloud"),
            sockets: Sockets { parent, path },
        }
    }

    fn socket(&self) -> PathBuf {
        self.sockets.path().join("alibabacloud.sock")
    }

    /// A provider that has the path.
    fn provider(&self) -> Provider {
        self.start(Path::new(BINARY))
    }

    fn start(&self, binary: &Path) -> Provider {
        let free = TcpListener::bind("127.0.0.1:0").expect("port");
        let port = free.local_addr().expect("address").port();
        drop(free);
        let process = builder(&self.cloud, binary, self.sockets.path())
            .argument(format!("--healthz-port={port}"))
            .start()
            .expect("provider");
        // The path may be another's that answers: only its own port tells.
        until("it has a health port", || {
            TcpStream::connect(("127.0.0.1", port)).is_ok()
        });
        let provider = Provider { process, port };
        until("it is ready", || provider.is_ready());
        provider
    }

    fn stand_in(&self) -> StandIn {
        let path = self.socket();
        // It is renamed to the path, so that there is no moment without one.
        let new = self.sockets.path().join("new");
        let listener = UnixListener::bind(&new).expect("a socket");
        fs::rename(new, &path).expect("rename");
        StandIn { listener, path }
    }

    /// Whether a driver that connects now gets its secrets.
    fn mounts(&self) -> bool {
        mount(&Driver::new(&self.socket()), PATIENCE)
    }

    fn inode(&self) -> Option<(u64, u64)> {
        let metadata = fs::symlink_metadata(self.socket()).ok()?;
        Some((metadata.dev(), metadata.ino()))
    }

    /// How often what is at the path changes for a while.
    fn changes(&self) -> usize {
        let (mut last, mut changes) = (self.inode(), 0);
        for _ in 0..LOOKS {
            let now = self.inode();
            changes += usize::from(now != last);
            last = now;
            thread::sleep(Duration::from_millis(2));
        }
        changes
    }
}

impl Provider {
    /// The status code and the body.
    fn get(&self, path: &str) -> (String, String) {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).expect("health port");
        write!(stream, "GET {path} HTTP/1.1\r\nhost: x\r\n\r\n").expect("request");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("answer");
        let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
        let code = head.split(' ').nth(1).expect("a code");
        (code.to_owned(), body.to_owned())
    }

    fn is_ready(&self) -> bool {
        self.get("/readyz").0 == "200"
    }

    fn is_alive(&self) -> bool {
        self.get("/healthz").0 == "200"
    }

    /// Not ready, for this reason.
    fn says(&self, words: &str) -> bool {
        let (code, reasons) = self.get("/readyz");
        code == "503" && reasons.contains(words)
    }

    /// The numbers of the socket.
    fn numbers(&self) -> BTreeMap<String, u64> {
        let (_, text) = self.get("/metrics");
        let lines = text.lines().filter_map(|line| {
            let (name, value) = line
                .strip_prefix("alibabacloud_provider_socket_")?
                .rsplit_once(' ')?;
            Some((name.to_owned(), value.parse().ok()?))
        });
        lines.collect()
    }

    fn rebinds(&self, reason: &str) -> u64 {
        let name = format!("rebinds_total{{reason=\"{reason}\"}}");
        self.numbers().get(&name).copied().unwrap_or_default()
    }
}

impl StandIn {
    fn stop(self) {
        drop(self.listener);
        // The path may be gone already.
        let _ = fs::remove_file(self.path);
    }

    /// A dead socket stays.
    fn crash(self) {
        drop(self.listener);
    }
}

fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    for _ in 0..6_000 {
        if is_so() {
            return;
        }
        thread::sleep(Duration::from_millis(10));
    }
    panic!("waited in vain: {what}");
}

/// The upgrade from the official provider by surge: the old one unlinks the path of the new one as it stops.
#[test]
fn an_old_provider_unlinks_the_path() {
    let node = Node::new();
    let old = node.stand_in();
    let new = node.provider();
    let of_the_start = Driver::new(&node.socket());
    assert!(mount(&of_the_start, PATIENCE));
    assert_eq!((new.rebinds("removed"), new.rebinds("refused")), (0, 0));
    old.stop();
    until("the path is bound again", || {
        new.is_ready() && node.inode().is_some()
    });
    assert!(node.mounts());
    assert!(mount(&of_the_start, PATIENCE), "connections of before live on");
    assert_eq!((new.rebinds("removed"), new.rebinds("refused")), (1, 0));
    assert!(
        new.process.logs("was removed by another process"),
        "{}",
        new.process.log()
    );
    assert_eq!(node.changes(), 0);
    let mut new = new;
    assert!(new.process.terminate().expect("it ends").success());
    assert_eq!(node.inode(), None, "the socket that was bound last is removed");
}

/// The way back: the successor is another provider. It keeps the path while it is there, and ours takes it back when the
/// rollout is undone.
#[test]
fn a_successor_keeps_the_path_while_it_accepts_connections() {
    let node = Node::new();
    let mut ours = node.provider();
    let of_the_start = Driver::new(&node.socket());
    assert!(mount(&of_the_start, PATIENCE));
    for round in 1..=2 {
        let successor = node.stand_in();
        let inode = node.inode();
        assert_eq!(node.changes(), 0, "two live instances");
        assert_eq!(node.inode(), inode);
        assert!(ours.says("another provider"), "{:?}", ours.get("/readyz"));
        let is_warned = |line: &str| line.starts_with('W') && line.contains("is another provider's socket");
        let log = ours.process.log();
        assert_eq!(log.lines().filter(|line| is_warned(line)).count(), round, "{log}");
        assert!(ours.is_alive(), "{:?}", ours.get("/healthz"));
        assert_eq!(ours.numbers()["owned"], 0);
        assert!(mount(&of_the_start, PATIENCE), "it serves whom it has");
        successor.stop();
        until("the path is bound again", || ours.is_ready());
        assert!(node.mounts());
        assert_eq!(
            (ours.rebinds("removed"), ours.rebinds("refused")),
            (round as u64, 0)
        );
        assert_eq!(ours.numbers()["owned"], 1);
    }
    let successor = node.stand_in();
    let inode = node.inode();
    assert!(ours.process.terminate().expect("it ends").success());
    assert_eq!(node.inode(), inode, "the successor's socket stays");
    successor.stop();
}

#[test]
fn a_successor_that_crashed_loses_the_path() {
    let node = Node::new();
    let ours = node.provider();
    let successor = node.stand_in();
    until("it is noticed", || ours.says("another provider"));
    assert_eq!(ours.rebinds("refused"), 0);
    successor.crash();
    until("the path is taken back", || ours.is_ready());
    assert!(node.mounts());
    assert_eq!((ours.rebinds("removed"), ours.rebinds("refused")), (0, 1));
    assert_eq!(node.changes(), 0);
}

/// Both orders of a surge of our own: whoever is left has the path.
#[test]
fn ourselves_in_both_orders() {
    for is_undone in [false, true] {
        let node = Node::new();
        let old = node.provider();
        let new = node.provider();
        assert_eq!(node.changes(), 0, "two live instances");
        assert!(old.says("another provider") && old.is_alive() && new.is_ready());
        let (mut stopped, left) = if is_undone { (new, old) } else { (old, new) };
        assert!(stopped.process.terminate().expect("it ends").success());
        until("the other one has the path", || left.is_ready());
        assert!(node.mounts());
        assert_eq!(left.rebinds("removed"), u64::from(is_undone));
        assert_eq!(left.rebinds("refused"), 0);
        assert_eq!(node.changes(), 0);
    }
}

/// An official provider, an upgrade and another one before the first has ended. Each time the path is lost, one of those
/// that are left has it, and they do not take it from each other.
#[test]
fn three_generations() {
    let node = Node::new();
    let oldest = node.stand_in();
    let mut left = vec![node.provider(), node.provider(), node.provider()];
    let settles = |left: &[Provider]| {
        // Those that bind it at the same moment make a change each, and then there is one owner.
        let mut changes = 0;
        until("the path stays whose it is", || {
            let has_owner = left.iter().filter(|provider| provider.is_ready()).count() == 1;
            has_owner && {
                let more = node.changes();
                changes += more;
                more == 0
            }
        });
        assert!(
            changes < left.len(),
            "{changes} changes by {} instances",
            left.len()
        );
        assert!(node.mounts());
        assert!(left.iter().all(Provider::is_alive));
        let owners = left.iter().filter(|provider| provider.numbers()["owned"] == 1);
        assert_eq!(owners.count(), 1);
    };
    settles(&left);
    oldest.stop();
    settles(&left);
    let removed: u64 = left.iter().map(|provider| provider.rebinds("removed")).sum();
    assert!((1..=3).contains(&removed), "{removed} binds for one removal");
    while left.len() > 1 {
        let owner = left.iter().position(Provider::is_ready).expect("an owner");
        drop(left.remove(owner)); // kill -9
        settles(&left);
        let rebinds: u64 = left.iter().map(|provider| provider.rebinds("refused")).sum();
        assert!(rebinds >= 1, "a dead socket was taken");
    }
    let [last] = left.as_slice() else {
        panic!("one is left")
    };
    assert!(last.rebinds("removed") <= 1 && last.rebinds("refused") <= 2);
}

#[test]
fn an_emptied_directory() {
    let node = Node::new();
    let ours = node.provider();
    let of_the_start = Driver::new(&node.socket());
    assert!(mount(&of_the_start, PATIENCE));
    for round in 1..=3 {
        for entry in fs::read_dir(node.sockets.path()).expect("directory") {
            fs::remove_file(entry.expect("entry").path()).expect("remove");
        }
        until("the path is bound again", || ours.rebinds("removed") == round);
        until("it is ready", || ours.is_ready());
        assert!(node.mounts());
        let names = fs::read_dir(node.sockets.path()).expect("directory").count();
        assert_eq!(names, 1, "the socket alone");
    }
    assert!(mount(&of_the_start, PATIENCE));
    assert_eq!(ours.numbers()["owned"], 1);
}

/// Somebody else's file is not overwritten; when it is gone, the path is bound.
#[test]
fn something_that_is_no_socket() {
    let node = Node::new();
    let ours = node.provider();
    let new = node.sockets.path().join("new");
    fs::write(&new, "precious").expect("file");
    fs::rename(&new, node.socket()).expect("rename");
    until("it says so", || ours.says("is no longer a socket; remove it"));
    assert!(ours.is_alive());
    assert_eq!(node.changes(), 0);
    assert_eq!(fs::read_to_string(node.socket()).expect("file"), "precious");
    fs::remove_file(node.socket()).expect("remove");
    until("the path is bound", || ours.is_ready());
    assert!(node.mounts());
}

/// A directory that is gone altogether may come back. Without a mount in between, the provider finds the new one.
#[test]
fn a_directory_that_comes_back() {
    let node = Node::new();
    let ours = node.provider();
    until("it is removed", || {
        fs::remove_dir_all(node.sockets.path()).is_ok()
    });
    until("it says so", || ours.says("is missing; create it"));
    assert!(ours.is_alive(), "a restart would not help");
    fs::create_dir(node.sockets.path()).expect("directory");
    until("the path is bound", || ours.is_ready());
    assert!(node.mounts());
}

/// While it drains it binds nothing, whatever happens to the path.
#[test]
fn a_provider_that_stops_takes_nothing() {
    let node = Node::new();
    let files = directory();
    let line = format!("exec {BINARY} --shutdown-grace=60s \"$@\"");
    let mut ours = node.start(&wrapper(files.path(), &line));
    let held = node.cloud.inject(FaultRule::new(Fault::Hold));
    let driver = Driver::new(&node.socket());
    thread::scope(|scope| {
        scope.spawn(|| mount(&driver, PATIENCE));
        until("a Mount is under way", || {
            let (_, text) = ours.get("/metrics");
            text.contains("alibabacloud_provider_mounts_running 1")
        });
        let killed = Command::new("kill").arg(ours.process.id().to_string()).status();
        assert!(killed.expect("kill").success());
        until("its socket is gone", || node.inode().is_none());
        assert_eq!(node.changes(), 0, "the path stays free");
        let successor = node.stand_in();
        successor.crash();
        assert_eq!(node.changes(), 0, "the dead socket stays");
        assert!(ours.says("the provider is stopping") && ours.is_alive());
        node.cloud.release(held);
    });
    assert!(ours.process.terminate().expect("it ends").success());
    assert!(node.inode().is_some(), "it is not ours to remove");
}

/// The provider sees the node's directory, or the one above it, as a mount, and `replace` puts another one in its place.
fn replaced(is_parent: bool, replace: impl Fn(&Path) -> Option<TempDir>) {
    if !is_root() {
        return;
    }
    let node = Node::new();
    let files = directory();
    let mount_point = files.path().join("provider");
    fs::create_dir(&mount_point).expect("directory");
    let (mounted, below) = if is_parent {
        (node.sockets.parent.path(), "/providers")
    } else {
        (node.sockets.path(), "")
    };
    // As a container has it: the node's directory, mounted at another place. The first argument names the directory.
    let line = format!(
        "shift; exec unshare --mount sh -c 'mount --bind {} {at} && exec {BINARY} --provider-volume={at}{below} \"$@\"' sh \"$@\"",
        mounted.display(),
        at = mount_point.display()
    );
    let ours = node.start(&wrapper(files.path(), &line));
    assert!(ours.is_alive());
    let of_the_start = Driver::new(&node.socket());
    assert!(mount(&of_the_start, PATIENCE));
    let _kept = replace(mounted);
    until("liveness fails", || !ours.is_alive());
    let (code, reason) = ours.get("/healthz");
    assert!(
        code == "503" && reason.contains("was deleted or renamed on the node"),
        "{reason}"
    );
    assert!(ours.says("restart the container"), "{:?}", ours.get("/readyz"));
    assert!(
        ours.process.logs("was deleted or renamed on the node"),
        "{}",
        ours.process.log()
    );
    assert!(mount(&of_the_start, PATIENCE), "until then it serves whom it has");
    // What kubelet does.
    drop(ours);
    let again = node.start(&wrapper(files.path(), &line));
    assert!(again.is_alive() && node.mounts());
}

#[test]
fn a_directory_that_was_deleted_under_the_mount() {
    replaced(false, |directory| {
        // It may be bound again in between.
        until("it is removed", || fs::remove_dir_all(directory).is_ok());
        fs::create_dir(directory).expect("directory");
        None
    });
}

#[test]
fn a_directory_that_was_renamed_under_the_mount() {
    replaced(false, renamed);
}

#[test]
fn a_parent_directory_that_was_renamed_under_the_mount() {
    replaced(true, |parent| {
        let elsewhere = renamed(parent);
        fs::create_dir(parent.join("providers")).expect("directory");
        elsewhere
    });
}

fn renamed(old: &Path) -> Option<TempDir> {
    let elsewhere = directory();
    fs::rename(old, elsewhere.path().join("old")).expect("rename");
    fs::create_dir(old).expect("directory");
    Some(elsewhere)
}
