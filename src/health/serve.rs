//! The port's one thread: it waits for all connections at once, and never blocks on one of them. Slow checks run on
//! threads of their own, at most one for each question.

use std::collections::BTreeSet;
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Instant;

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::answers::{Answers, Question};
use super::exchange::{Exchange, makes_room};
use super::reply::Reply;
use crate::limits;
use crate::os::thread::spawn;

/// See the [module](self).
pub(super) struct Server {
    listener: TcpListener,
    answers: Arc<Answers>,
    /// The oldest first.
    open: Vec<Connection>,
    /// Questions that a thread is answering.
    asked: BTreeSet<Question>,
    found: Receiver<(Question, Reply)>,
    finder: Finder,
    woken: UnixStream,
}

struct Connection {
    stream: TcpStream,
    exchange: Exchange,
}

/// Receives the threads' answers.
#[derive(Clone)]
struct Finder {
    found: Sender<(Question, Reply)>,
    wake: Arc<UnixStream>,
}

impl Server {
    pub(super) fn new(listener: TcpListener, answers: Answers) -> io::Result<Self> {
        listener.set_nonblocking(true)?;
        let (woken, wake) = UnixStream::pair()?;
        woken.set_nonblocking(true)?;
        wake.set_nonblocking(true)?;
        let (sender, found) = channel();
        Ok(Self {
            listener,
            answers: Arc::new(answers),
            open: Vec::new(),
            asked: BTreeSet::new(),
            found,
            finder: Finder {
                found: sender,
                wake: Arc::new(wake),
            },
            woken,
        })
    }

    pub(super) fn run(&mut self) {
        loop {
            if self.turn().is_err() {
                // Probably out of descriptors or memory: wait until some are released.
                std::thread::sleep(limits::ACCEPT_PAUSE);
            }
        }
    }

    fn turn(&mut self) -> io::Result<()> {
        let mut ready = self.wait()?.into_iter();
        let (now, answers) = (self.now(), &self.answers);
        self.open.retain_mut(|connection| match ready.next() {
            Some(true) => connection.advance(now, answers),
            _ => true,
        });
        let wanted: BTreeSet<_> = self.open.iter().filter_map(|open| open.exchange.asks()).collect();
        wanted.into_iter().for_each(|question| self.ask(question));
        self.hand_out();
        self.expire();
        self.accept()
    }

    /// Waits for an event or a deadline. Returns for each connection whether it is ready.
    fn wait(&self) -> io::Result<Vec<bool>> {
        let now = self.now();
        let room = self.room_at().filter(|room| *room > now);
        let due = self.open.iter().map(|connection| connection.exchange.due());
        let left = due
            .chain(room)
            .min()
            .map(|due| due.saturating_duration_since(now));
        let timeout = left.and_then(|left| Timespec::try_from(left).ok());
        let newcomers = if room.is_some() {
            PollFlags::empty()
        } else {
            PollFlags::IN
        };
        let mut polled = vec![
            PollFd::new(&self.listener, newcomers),
            PollFd::new(&self.woken, PollFlags::IN),
        ];
        let own = polled.len();
        polled.extend(self.open.iter().map(|Connection { stream, exchange }| {
            let flags = if exchange.output().is_some() {
                PollFlags::OUT
            } else if exchange.asks().is_some() {
                PollFlags::empty() // a closed connection is reported all the same
            } else {
                PollFlags::IN
            };
            PollFd::new(stream, flags)
        }));
        match poll(&mut polled, timeout.as_ref()) {
            Err(rustix::io::Errno::INTR) => return Ok(Vec::new()),
            other => other?,
        };
        let connections = polled.iter().skip(own);
        Ok(connections.map(|polled| !polled.revents().is_empty()).collect())
    }

    /// Starts a thread that finds the answer, unless one is running.
    fn ask(&mut self, question: Question) {
        if !self.asked.insert(question) {
            return;
        }
        let (answers, finder) = (Arc::clone(&self.answers), self.finder.clone());
        let find = move || {
            let reply = panic::catch_unwind(AssertUnwindSafe(|| answers.answer(question)));
            let defect = |_| Reply::verdict(Err("defect: the check panicked; see the log".to_owned()));
            finder.hand_in(question, reply.unwrap_or_else(defect));
        };
        if let Err(error) = spawn("probe", STACK_BYTES, find) {
            let reply = Reply::verdict(Err(format!("cannot start a thread: {error}")));
            self.finder.hand_in(question, reply);
        }
    }

    /// Sends each answer to all connections that wait for it.
    fn hand_out(&mut self) {
        while let Ok(octets) = (&self.woken).read(&mut [0; 64])
            && octets > 0
        {}
        while let Ok((question, reply)) = self.found.try_recv() {
            self.asked.remove(&question);
            self.answer(reply, |exchange| exchange.asks() == Some(question));
        }
    }

    /// Drops connections whose client was too slow, and answers those that have waited too long.
    fn expire(&mut self) {
        let now = self.now();
        self.open
            .retain(|Connection { exchange, .. }| exchange.due() > now || exchange.asks().is_some());
        let seconds = self.answers.patience().as_secs();
        let reason =
            format!("no answer within {seconds} s: the socket or a file being read does not respond");
        self.answer(Reply::verdict(Err(reason)), |exchange| {
            exchange.asks().is_some() && exchange.due() <= now
        });
    }

    /// Answers the exchanges that `is_meant` selects.
    fn answer(&mut self, reply: Reply, is_meant: impl Fn(&Exchange) -> bool) {
        let (now, reply) = (self.now(), Arc::new(reply));
        let meant = self.open.iter_mut().map(|open| &mut open.exchange);
        for exchange in meant.filter(|exchange| is_meant(exchange)) {
            exchange.answer(now, Arc::clone(&reply));
        }
    }

    fn accept(&mut self) -> io::Result<()> {
        for _ in 0..HEALTH_ACCEPTS {
            if self.room_at().is_some_and(|room| room > self.now()) {
                return Ok(());
            }
            let stream = match self.listener.accept() {
                Ok((stream, _)) => stream,
                Err(error) => match error.kind() {
                    ErrorKind::WouldBlock => return Ok(()),
                    ErrorKind::Interrupted | ErrorKind::ConnectionAborted => continue,
                    _ => return Err(error),
                },
            };
            stream.set_nonblocking(true)?;
            if self.open.len() >= limits::HEALTH_CONNECTIONS
                && let Some((oldest, _)) = self.makes_room()
            {
                self.open.remove(oldest);
            }
            let exchange = Exchange::new(self.now());
            self.open.push(Connection { stream, exchange });
        }
        Ok(())
    }

    /// From when on there is room for another connection; `None` if there is room now. Until then new connections
    /// wait in the listener's queue, so that each accepted client can send its request, however many follow.
    fn room_at(&self) -> Option<Instant> {
        let is_full = self.open.len() >= limits::HEALTH_CONNECTIONS;
        self.makes_room().filter(|_| is_full).map(|(_, guarded)| guarded)
    }

    fn makes_room(&self) -> Option<(usize, Instant)> {
        makes_room(self.open.iter().map(|open| &open.exchange).enumerate())
    }

    fn now(&self) -> Instant {
        self.answers.observed.server.clock().now()
    }
}

impl Connection {
    /// Reads or writes until that would block. Returns whether there is more to come.
    fn advance(&mut self, now: Instant, answers: &Answers) -> bool {
        let Self { stream, exchange } = self;
        // A waiting client sends nothing, so this is its end.
        let mut is_open = exchange.asks().is_none();
        while is_open && exchange.asks().is_none() {
            let moved = if let Some(output) = exchange.output() {
                if output.is_empty() {
                    return false;
                }
                stream.write(output).map(|octets| exchange.advance(octets))
            } else {
                let mut buffer = [0; 512];
                stream.read(&mut buffer).map(|octets| {
                    if let Some(path) = exchange.recv(buffer.get(..octets).unwrap_or_default()) {
                        match answers.question(&path) {
                            Ok(question) => exchange.ask(now, question, answers.patience()),
                            Err(reply) => exchange.answer(now, Arc::new(reply)),
                        }
                    }
                })
            };
            match moved {
                Err(error) if error.kind() == ErrorKind::WouldBlock => return true,
                Err(error) if error.kind() != ErrorKind::Interrupted => is_open = false,
                _ => {}
            }
        }
        is_open
    }
}

impl Finder {
    fn hand_in(&self, question: Question, reply: Reply) {
        // The other end lives as long as the process, and a full pipe wakes the thread as well.
        let _ = self.found.send((question, reply));
        let _ = (&*self.wake).write(&[0]);
    }
}

/// Enough for a thread that reads a few bytes.
pub(super) const STACK_BYTES: usize = 64 * 1024;

/// Maximum connections accepted in a row before the open ones are served again.
const HEALTH_ACCEPTS: usize = 16;

#[cfg(test)]
mod tests {
    use std::sync::{Mutex, PoisonError};
    use std::time::Duration;

    use super::*;
    use crate::clock::{Clock, SystemClock};
    use crate::grpc::{Status, proto};
    use crate::health::{METRICS_PATH, Observed, READY_PATH, Readiness, Settings};
    use crate::metrics::Metrics;
    use crate::secret::Secret;
    use crate::server::{self, Service};
    use crate::sync::CallContext;

    struct Nobody;

    impl Service for Nobody {
        fn version(&self) -> proto::VersionResponse {
            proto::VersionResponse::default()
        }

        fn mount(&self, _: proto::MountRequest, _: &CallContext) -> Result<Secret, Status> {
            unreachable!("no test mounts")
        }
    }

    struct Stopped(Mutex<Instant>);

    impl Clock for Stopped {
        fn now(&self) -> Instant {
            *self.0.lock().unwrap_or_else(PoisonError::into_inner)
        }

        fn wall(&self) -> jiff::Timestamp {
            jiff::Timestamp::UNIX_EPOCH
        }
    }

    fn ask(port: u16, path: &str) -> TcpStream {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
        write!(stream, "GET {path} HTTP/1.1\r\n\r\n").unwrap();
        stream
    }

    fn answer(mut stream: TcpStream) -> String {
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }

    /// A client that has just connected can send its request, however many follow at the same moment.
    #[test]
    fn a_crowd_takes_no_place_from_those_that_have_just_come() {
        let directory = tempfile::tempdir().unwrap();
        let clock = Arc::new(Stopped(Mutex::new(SystemClock.now())));
        let port = start(&directory.path().join("socket"), clock, Readiness::new());
        let connect = || TcpStream::connect(("127.0.0.1", port)).unwrap();
        let mut first = connect();
        let second = ask(port, "/nothing");
        assert!(
            answer(second).starts_with("HTTP/1.1 404 "),
            "it has been accepted"
        );
        let crowd: Vec<_> = (0..2 * limits::HEALTH_CONNECTIONS).map(|_| connect()).collect();
        std::thread::sleep(Duration::from_millis(200)); // if nothing is accepted by now, nothing is tested
        write!(first, "GET /nothing HTTP/1.1\r\n\r\n").unwrap();
        assert!(answer(first).starts_with("HTTP/1.1 404 "));
        drop(crowd);
    }

    fn start(socket: &std::path::Path, clock: Arc<Stopped>, readiness: Readiness) -> u16 {
        let bound = server::bind(socket).unwrap();
        let handle = server::serve(bound, Arc::new(Nobody), clock, server::Settings::default()).unwrap();
        let answers = Answers {
            health: Settings {
                port: 0,
                path: "/healthz".to_owned(),
                timeout: Duration::from_secs(20),
            },
            observed: Observed {
                server: handle.observer(),
                metrics: Metrics::new(),
                readiness,
            },
        };
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let mut server = Server::new(listener, answers).unwrap();
        std::thread::spawn(move || server.run());
        port
    }

    /// A check that never returns runs once, however many clients ask for it; other paths are answered, and the waiting
    /// clients get an answer at their timeout.
    #[test]
    fn a_question_that_hangs_holds_up_nobody() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("socket");
        let clock = Arc::new(Stopped(Mutex::new(SystemClock.now())));
        let (entered, checks) = channel();
        let (never, gate) = channel::<()>();
        let (entered, gate) = (Mutex::new(entered), Mutex::new(gate));
        let check = move || {
            entered.lock().unwrap().send(()).unwrap();
            let _ = gate.lock().unwrap().recv();
            Ok(())
        };
        let readiness = Readiness::new().with(Box::new(check));
        let port = start(&path, Arc::clone(&clock), readiness);

        let first = ask(port, READY_PATH);
        checks.recv().unwrap();
        let second = ask(port, READY_PATH);
        for path in ["/healthz", METRICS_PATH] {
            assert!(answer(ask(port, path)).starts_with("HTTP/1.1 200 OK"), "{path}");
        }
        *clock.0.lock().unwrap() += Duration::from_secs(20) + limits::HEALTH_ANSWER_TIME;
        assert!(answer(ask(port, "/healthz")).starts_with("HTTP/1.1 200 OK"));
        for waiting in [first, second] {
            let text = answer(waiting);
            assert!(text.starts_with("HTTP/1.1 503 "), "{text}");
            assert!(text.contains("no answer within 22 s"), "{text}");
        }
        assert!(checks.try_recv().is_err(), "one thread is enough");
        drop(never);
    }
}
