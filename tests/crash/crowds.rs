//! Crowds of clients that connect and ask for nothing, on the health port and on the socket.

use std::fs;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use harness::FakeCloud;
use harness::driver::Driver;
use harness::process::ProviderProcess;
use tempfile::TempDir;

use crate::{builder, directory, mount};

const CROWD: usize = 1_000;

const PROBES: usize = 50;

const PATIENCE: Duration = Duration::from_secs(60);

/// A provider whose health port is known. The ports of a crowd's connections come from the same range, so one test has
/// its turn after the other.
struct World {
    provider: ProviderProcess,
    port: u16,
    _cloud: FakeCloud,
    _sockets: TempDir,
    _turn: MutexGuard<'static, ()>,
}

impl World {
    fn start() -> Self {
        static TURN: Mutex<()> = Mutex::new(());
        let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        let (cloud, sockets) = (FakeCloud::start().expect("cloud"), directory());
        let free = TcpListener::bind("127.0.0.1:0").expect("port");
        let port = free.local_addr().expect("address").port();
        drop(free);
        let provider = builder(&cloud, crate::BINARY.as_ref(), sockets.path())
            .argument(format!("--healthz-port={port}"));
        Self {
            provider: provider.start().expect("provider"),
            port,
            _cloud: cloud,
            _sockets: sockets,
            _turn: turn,
        }
    }

    /// The answer to a GET, whole.
    fn get(&self, path: &str) -> String {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).expect("health port");
        write!(stream, "GET {path} HTTP/1.1\r\nhost: x\r\n\r\n").expect("request");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("answer");
        answer
    }

    fn is_alive(&self) {
        let answer = self.get("/healthz");
        assert!(
            answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.ends_with("\r\n\r\nok"),
            "{answer}"
        );
    }

    fn metric(&self, name: &str) -> u64 {
        let metrics = self.get("/metrics");
        let value = metrics
            .lines()
            .find_map(|line| line.strip_prefix(&format!("alibabacloud_provider_{name} ")));
        value.expect("a metric").parse().expect("a whole number")
    }
}

/// Has so many be connected, each sending a byte now and then and connecting again once it is closed, while `meanwhile`
/// runs.
fn amid<S: Read + Write + Send>(connect: impl Fn() -> io::Result<S> + Sync, meanwhile: impl FnOnce()) {
    let mut crowd: Vec<S> = (0..CROWD).map(|_| connect().expect("connection")).collect();
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            while !is_over.load(Ordering::Acquire) {
                for stream in &mut crowd {
                    let is_sent = stream.write(b"P").is_ok();
                    let mut buffer = [0; 256];
                    let is_open = loop {
                        match stream.read(&mut buffer) {
                            Ok(0) => break false,
                            Ok(_) => {}
                            Err(error) => break error.kind() == ErrorKind::WouldBlock,
                        }
                    };
                    if !(is_sent && is_open)
                        && let Ok(next) = connect()
                    {
                        *stream = next;
                    }
                }
                thread::sleep(Duration::from_millis(20));
            }
        });
        // Also if it fails.
        let _over = Over(&is_over);
        meanwhile();
    });
}

struct Over<'a>(&'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Release);
    }
}

#[test]
fn liveness_is_answered_while_a_thousand_connections_trickle() {
    let world = World::start();
    let connect = || {
        let stream = TcpStream::connect(("127.0.0.1", world.port))?;
        stream.set_nonblocking(true)?;
        Ok(stream)
    };
    amid(connect, || {
        for _ in 0..PROBES {
            world.is_alive();
            let tasks = fs::read_dir(format!("/proc/{}/task", world.provider.id())).expect("threads");
            assert!(tasks.count() < 40, "one thread waits for them all");
        }
        assert!(world.get("/readyz").starts_with("HTTP/1.1 200 OK"));
        assert!(world.metric("connections_total") >= 50);
        assert!(mount(&Driver::new(world.provider.socket()), PATIENCE));
    });
}

#[test]
fn liveness_and_the_driver_are_answered_while_a_thousand_connections_crowd_the_socket() {
    let world = World::start();
    let driver = Driver::new(world.provider.socket());
    assert!(mount(&driver, PATIENCE));
    let connect = || {
        let stream = UnixStream::connect(world.provider.socket())?;
        stream.set_nonblocking(true)?;
        Ok(stream)
    };
    amid(connect, || {
        for _ in 0..PROBES {
            world.is_alive();
            assert!(
                mount(&driver, PATIENCE),
                "over a connection that was there before"
            );
        }
        let late = Driver::new(world.provider.socket());
        assert!(mount(&late, PATIENCE), "over a connection of its own");
        assert!(world.metric("connections_displaced_total") > 100);
        assert_eq!(world.metric("connections_refused_total"), 0);
    });
}

/// It never falls silent, so a time for each read would never end it.
#[test]
fn a_request_that_trickles_in_has_an_end() {
    let world = World::start();
    let mut stream = TcpStream::connect(("127.0.0.1", world.port)).expect("health port");
    stream.set_nonblocking(true).expect("an open socket");
    let is_closed = (0..300).any(|_| {
        thread::sleep(Duration::from_millis(100));
        let is_sent = stream.write(b"G").is_ok();
        let read = stream.read(&mut [0; 64]);
        !is_sent || !read.is_err_and(|error| error.kind() == ErrorKind::WouldBlock)
    });
    assert!(is_closed, "half a minute for the head of a request");
}
