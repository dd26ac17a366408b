//! The port's one thread: it waits for all connections at once, and never for one of them. What takes time to find out
//! is asked on threads of their own, one at most for each question.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Instant;

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::exchange::{Exchange, Reply, makes_room};
use super::{Answers, Question, STACK_BYTES};
use crate::limits;

/// See the [module](self).
pub(super) struct Server {
    listener: TcpListener,
    answers: Arc<Answers>,
    open: BTreeMap<u64, Connection>,
    next: u64,
    /// Questions that a thread looks into.
    asked: BTreeSet<Question>,
    found: Receiver<(Question, Reply)>,
    finder: Finder,
    woken: UnixStream,
}

struct Connection {
    stream: TcpStream,
    exchange: Exchange,
}

/// Where answers are handed in.
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
            open: BTreeMap::new(),
            next: 0,
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
                // Out of descriptors or memory, most likely: give others time to release theirs.
                std::thread::sleep(limits::ACCEPT_PAUSE);
            }
        }
    }

    fn turn(&mut self) -> io::Result<()> {
        for number in self.wait()? {
            self.advance(number);
        }
        self.hand_out();
        self.expire();
        self.accept()
    }

    /// Waits until something happens or is due. Returns the connections with which something can be done.
    fn wait(&self) -> io::Result<Vec<u64>> {
        let now = self.now();
        let room = self.room_at().filter(|room| *room > now);
        let due = self.open.values().map(|connection| connection.exchange.due());
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
        polled.extend(self.open.values().map(|Connection { stream, exchange }| {
            let flags = if exchange.output().is_some() {
                PollFlags::OUT
            } else if exchange.asks().is_some() {
                PollFlags::empty() // a connection that is gone shows all the same
            } else {
                PollFlags::IN
            };
            PollFd::new(stream, flags)
        }));
        match poll(&mut polled, timeout.as_ref()) {
            Err(rustix::io::Errno::INTR) => return Ok(Vec::new()),
            other => other?,
        };
        let connections = self.open.keys().zip(polled.iter().skip(own));
        Ok(connections
            .filter(|(_, polled)| !polled.revents().is_empty())
            .map(|(number, _)| *number)
            .collect())
    }

    /// Goes on with a connection as far as that goes without waiting.
    fn advance(&mut self, number: u64) {
        let Some(mut connection) = self.open.remove(&number) else {
            return;
        };
        match connection.advance() {
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            // Answered, or gone.
            Ok(None) | Err(_) => return,
            Ok(Some(path)) => {
                let now = self.now();
                match self.answers.question(&path) {
                    Ok(question) => {
                        connection.exchange.ask(now, question, self.answers.patience());
                        self.ask(question);
                    }
                    Err(reply) => connection.exchange.answer(now, Arc::new(reply)),
                }
            }
        }
        self.open.insert(number, connection);
    }

    /// Has a thread find the answer, unless one does already.
    fn ask(&mut self, question: Question) {
        if !self.asked.insert(question) {
            return;
        }
        let (answers, finder) = (Arc::clone(&self.answers), self.finder.clone());
        let find = move || {
            let reply = panic::catch_unwind(AssertUnwindSafe(|| answers.answer(question)));
            let defect = |_| Reply::verdict(Err("defect: the question panicked; see the log".to_owned()));
            finder.hand_in(question, reply.unwrap_or_else(defect));
        };
        let started = std::thread::Builder::new()
            .name("probe".to_owned())
            .stack_size(STACK_BYTES)
            .spawn(find);
        if let Err(error) = started {
            let reply = Reply::verdict(Err(format!("cannot start a thread: {error}")));
            self.finder.hand_in(question, reply);
        }
    }

    /// Gives the answers that were found to all who wait for them.
    fn hand_out(&mut self) {
        while let Ok(octets) = (&self.woken).read(&mut [0; 64])
            && octets > 0
        {}
        while let Ok((question, reply)) = self.found.try_recv() {
            self.asked.remove(&question);
            self.answer(&Arc::new(reply), |exchange| exchange.asks() == Some(question));
        }
    }

    fn expire(&mut self) {
        let now = self.now();
        let is_due = |Connection { exchange, .. }: &Connection| exchange.due() <= now;
        if !self.open.values().any(is_due) {
            return;
        }
        self.open
            .retain(|_, Connection { exchange, .. }| exchange.due() > now || exchange.asks().is_some());
        // Those that are left and due wait for an answer.
        let seconds = self.answers.patience().as_secs();
        let reason = format!(
            "no answer within {seconds} s: the socket, or a file that is looked at, does not respond"
        );
        self.answer(&Arc::new(Reply::verdict(Err(reason))), |exchange| {
            exchange.due() <= now
        });
    }

    /// Answers those of the waiting of whom `is_meant` says so.
    fn answer(&mut self, reply: &Arc<Reply>, is_meant: impl Fn(&Exchange) -> bool) {
        let now = self.now();
        let mut answered = Vec::new();
        for (number, Connection { exchange, .. }) in &mut self.open {
            if exchange.asks().is_some() && is_meant(exchange) {
                exchange.answer(now, Arc::clone(reply));
                answered.push(*number);
            }
        }
        for number in answered {
            self.advance(number);
        }
    }

    fn accept(&mut self) -> io::Result<()> {
        for _ in 0..limits::HEALTH_ACCEPTS {
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
            while self.open.len() >= limits::HEALTH_CONNECTIONS {
                let Some((oldest, _)) = self.makes_room() else {
                    break;
                };
                self.open.remove(&oldest);
            }
            let number = self.next;
            self.next += 1;
            let exchange = Exchange::new(self.now());
            self.open.insert(number, Connection { stream, exchange });
            self.advance(number);
        }
        Ok(())
    }

    /// From when on there is room for another connection; nothing if there is room anyway. Until then newcomers wait in
    /// the listener's queue, so that whoever has just come can send its request, however many follow.
    fn room_at(&self) -> Option<Instant> {
        let is_full = self.open.len() >= limits::HEALTH_CONNECTIONS;
        self.makes_room().filter(|_| is_full).map(|(_, guarded)| guarded)
    }

    fn makes_room(&self) -> Option<(u64, Instant)> {
        makes_room(self.open.iter().map(|(number, open)| (*number, &open.exchange)))
    }

    fn now(&self) -> Instant {
        self.answers.observed.server.clock().now()
    }
}

impl Connection {
    /// Reads or writes until that would block, which is an error. Returns the path of a request, or nothing once it is
    /// answered.
    fn advance(&mut self) -> io::Result<Option<String>> {
        loop {
            if let Some(output) = self.exchange.output() {
                if output.is_empty() {
                    return Ok(None);
                }
                match self.stream.write(output) {
                    Err(error) if error.kind() == ErrorKind::Interrupted => {}
                    written => self.exchange.advance(written?),
                }
                continue;
            }
            if self.exchange.asks().is_some() {
                return Err(ErrorKind::ConnectionAborted.into());
            }
            let mut buffer = [0; 512];
            match self.stream.read(&mut buffer) {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                read => {
                    let octets = buffer.get(..read?).unwrap_or_default();
                    if let Some(path) = self.exchange.recv(octets) {
                        return Ok(Some(path));
                    }
                }
            }
        }
    }
}

impl Finder {
    fn hand_in(&self, question: Question, reply: Reply) {
        // The other ends live as long as the process, and a full pipe wakes as well.
        let _ = self.found.send((question, reply));
        let _ = (&*self.wake).write(&[0]);
    }
}

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
            unreachable!("nobody mounts")
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

    /// A check that never returns is asked once, however many ask for it; others are answered, and those who wait are
    /// when their time is up.
    #[test]
    fn a_question_that_hangs_holds_up_nobody() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("socket");
        let clock = Arc::new(Stopped(Mutex::new(SystemClock.now())));
        let bound = server::bind(&path).unwrap();
        let handle = server::serve(
            bound,
            Arc::new(Nobody),
            clock.clone(),
            server::Settings::default(),
        )
        .unwrap();
        let (entered, checks) = channel();
        let (never, gate) = channel::<()>();
        let (entered, gate) = (Mutex::new(entered), Mutex::new(gate));
        let check = move || {
            entered.lock().unwrap().send(()).unwrap();
            let _ = gate.lock().unwrap().recv();
            Ok(())
        };
        let answers = Answers {
            health: Settings {
                port: 0,
                path: "/healthz".to_owned(),
                timeout: Duration::from_secs(20),
            },
            observed: Observed {
                server: handle.observer(),
                metrics: Metrics::new(),
                readiness: Readiness::new().with(Box::new(check)),
            },
        };
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let mut server = Server::new(listener, answers).unwrap();
        std::thread::spawn(move || server.run());

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
