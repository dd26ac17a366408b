//! Host names to addresses. A name is looked up when a connection is opened; the answer serves other connections for a
//! short time, and for longer while the name server fails (RFC 8767).
//!
//! `getaddrinfo` knows no deadline, so each lookup has a thread of its own, which a silent name server may keep after
//! the requests have given up. Requests for the same name share a lookup; the number of lookups is limited.

use std::net::SocketAddr;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};
use std::{fmt, io, thread};

use ureq::unversioned::transport::ShutdownHandle;

use super::interrupt::Interrupt;
use crate::clock::Clock;
use crate::limits;
use crate::metrics::{Metrics, Resolution};
use crate::sync::{BoundedMap, Semaphore};

/// Looks up a host and a port.
pub(super) type Query = fn(&str, u16) -> io::Result<Vec<SocketAddr>>;

/// Looks names up as the system does, and keeps the answers. Clones share them.
#[derive(Clone)]
pub(super) struct Lookup(Arc<Shared>);

struct Shared {
    query: Query,
    clock: Arc<dyn Clock>,
    metrics: Metrics,
    /// How many lookups are under way.
    semaphore: Arc<Semaphore>,
    names: Mutex<BoundedMap<Key, Name>>,
}

type Key = (String, u16);

/// What is known of a name.
#[derive(Default)]
struct Name {
    running: Option<Arc<Flight>>,
    /// The last addresses, and when they were looked up.
    last: Option<(Vec<SocketAddr>, Instant)>,
    /// When the name server last failed to answer.
    failed_at: Option<Instant>,
}

/// A lookup under way.
#[derive(Default)]
struct Flight {
    outcome: Mutex<Option<Result<Vec<SocketAddr>, LookupError>>>,
    ended: Condvar,
}

/// The addresses of a name.
pub(super) struct Found {
    pub(super) addresses: Vec<SocketAddr>,
    /// Whether they were looked up earlier.
    pub(super) is_kept: bool,
}

/// Why a name has no addresses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum LookupError {
    /// Others wait for a name server that does not answer.
    Busy,
    /// The request was cancelled meanwhile.
    Cancelled,
    /// The name server failed, in the C library's words.
    Failed(String),
    /// The process may have no more threads.
    NoThread,
    /// The name does not exist, or has no address.
    NotFound(String),
    /// No answer in time.
    Timeout,
}

impl Lookup {
    pub(super) fn new(query: Query, clock: Arc<dyn Clock>, metrics: Metrics) -> Self {
        Self(Arc::new(Shared {
            query,
            clock,
            metrics,
            semaphore: Semaphore::new(limits::LOOKUPS),
            names: Mutex::new(BoundedMap::new(limits::LOOKUP_NAMES)),
        }))
    }

    /// The addresses of `host`, kept ones if they are recent enough.
    pub(super) fn find(&self, host: &str, port: u16, within: Duration) -> Result<Found, LookupError> {
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        if let Ok(address) = bare.parse() {
            return Ok(Found::new(vec![SocketAddr::new(address, port)]));
        }
        let key = (host.to_ascii_lowercase(), port);
        if let Some(addresses) = self.0.kept(&key, limits::LOOKUP_KEPT) {
            return Ok(Found::kept(addresses));
        }
        let Some(addresses) = self.0.kept(&key, limits::LOOKUP_STALE) else {
            return self.ask(&key, within).map(Found::new);
        };
        let result = if self.0.has_just_failed(&key) {
            Err(None)
        } else {
            self.ask(&key, within.min(limits::LOOKUP_STALE_WAIT))
                .map_err(Some)
        };
        match result {
            Ok(addresses) => Ok(Found::new(addresses)),
            Err(Some(error @ (LookupError::NotFound(_) | LookupError::Cancelled))) => Err(error),
            Err(error) => {
                if let Some(error) = error {
                    self.0.fail(&key);
                    log::warn!("cannot resolve {host}: {error}; its last known addresses are used meanwhile");
                }
                self.0.metrics.resolved(Resolution::Stale);
                Ok(Found::kept(addresses))
            }
        }
    }

    /// The addresses of `host` as the name server has them now; for kept ones that do not answer.
    pub(super) fn find_again(&self, host: &str, port: u16, within: Duration) -> Result<Found, LookupError> {
        self.ask(&(host.to_ascii_lowercase(), port), within)
            .map(Found::new)
    }

    /// Starts a lookup or joins the one under way.
    fn ask(&self, key: &Key, within: Duration) -> Result<Vec<SocketAddr>, LookupError> {
        let started = self.0.clock.now();
        let (flight, is_first) = self.0.join(key);
        if is_first {
            self.start(key, &flight, within);
        }
        let left = within.saturating_sub(self.0.clock.now().saturating_duration_since(started));
        flight.wait(left)
    }

    /// Whatever happens here, the flight ends.
    fn start(&self, key: &Key, flight: &Arc<Flight>, within: Duration) {
        let Some(permit) = self.0.semaphore.acquire(within) else {
            return self.0.end(key, flight, Err(LookupError::Busy));
        };
        let (shared, to_end, name) = (Arc::clone(&self.0), Arc::clone(flight), key.clone());
        let thread = thread::Builder::new()
            .name("lookup".to_owned())
            .stack_size(limits::LOOKUP_STACK);
        let spawned = thread.spawn(move || {
            let outcome = LookupError::check((shared.query)(&name.0, name.1));
            drop(permit);
            shared.end(&name, &to_end, outcome);
        });
        if spawned.is_err() {
            self.0.end(key, flight, Err(LookupError::NoThread));
        }
    }
}

impl Shared {
    fn names(&self) -> MutexGuard<'_, BoundedMap<Key, Name>> {
        self.names.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes what is known of a name.
    fn update<T>(&self, key: &Key, change: impl FnOnce(&mut Name) -> T) -> T {
        let mut names = self.names();
        if let Some(name) = names.get(key) {
            return change(name);
        }
        let mut name = Name::default();
        let result = change(&mut name);
        names.insert(key.clone(), name);
        result
    }

    /// The addresses that were looked up less than `age` ago.
    fn kept(&self, key: &Key, age: Duration) -> Option<Vec<SocketAddr>> {
        let now = self.clock.now();
        let mut names = self.names();
        let (addresses, at) = names.get(key)?.last.as_ref()?;
        (now.saturating_duration_since(*at) < age).then(|| addresses.clone())
    }

    fn has_just_failed(&self, key: &Key) -> bool {
        let now = self.clock.now();
        let failed_at = self.names().get(key).and_then(|name| name.failed_at);
        failed_at.is_some_and(|at| now.saturating_duration_since(at) < limits::LOOKUP_RETRY_PAUSE)
    }

    fn fail(&self, key: &Key) {
        let now = self.clock.now();
        self.update(key, |name| name.failed_at = Some(now));
    }

    /// The lookup of a name, and whether it is a new one.
    fn join(&self, key: &Key) -> (Arc<Flight>, bool) {
        self.update(key, |name| match &name.running {
            Some(flight) => (Arc::clone(flight), false),
            None => (Arc::clone(name.running.insert(Arc::default())), true),
        })
    }

    fn end(&self, key: &Key, flight: &Flight, outcome: Result<Vec<SocketAddr>, LookupError>) {
        let now = self.clock.now();
        self.metrics.resolved(match &outcome {
            Ok(_) => Resolution::Ok,
            Err(LookupError::NotFound(_)) => Resolution::NotFound,
            Err(_) => Resolution::Failed,
        });
        self.update(key, |name| {
            name.running = None;
            match &outcome {
                Ok(addresses) => (name.last, name.failed_at) = (Some((addresses.clone(), now)), None),
                Err(LookupError::NotFound(_)) => name.last = None,
                Err(_) => {}
            }
        });
        *flight.outcome() = Some(outcome);
        flight.ended.notify_all();
    }
}

impl Flight {
    fn wait(self: &Arc<Self>, within: Duration) -> Result<Vec<SocketAddr>, LookupError> {
        let interrupt = Interrupt::current();
        if let Some(interrupt) = &interrupt {
            let flight: Weak<Self> = Arc::downgrade(self);
            interrupt.attach(flight);
        }
        let is_interrupted = || interrupt.as_ref().is_some_and(|interrupt| interrupt.is_set());
        let (outcome, _) = self
            .ended
            .wait_timeout_while(self.outcome(), within, |outcome| {
                outcome.is_none() && !is_interrupted()
            })
            .unwrap_or_else(PoisonError::into_inner);
        if is_interrupted() {
            return Err(LookupError::Cancelled);
        }
        outcome.clone().unwrap_or(Err(LookupError::Timeout))
    }

    fn outcome(&self) -> MutexGuard<'_, Option<Result<Vec<SocketAddr>, LookupError>>> {
        self.outcome.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Wakes the requests that wait. The lookup itself goes on because others may share it.
impl ShutdownHandle for Flight {
    fn shutdown(&self) {
        // A request that has looked at its interrupt under this lock already waits.
        drop(self.outcome());
        self.ended.notify_all();
    }
}

impl Found {
    const fn new(addresses: Vec<SocketAddr>) -> Self {
        Self {
            addresses,
            is_kept: false,
        }
    }

    const fn kept(addresses: Vec<SocketAddr>) -> Self {
        Self {
            addresses,
            is_kept: true,
        }
    }
}

/// How the C libraries say that a name has no addresses: `EAI_NONAME` and `EAI_NODATA` of glibc, then of musl. The
/// standard library passes on the text alone.
const NOT_FOUND: [&str; 4] = [
    "Name or service not known",
    "No address associated with hostname",
    "Name does not resolve",
    "Name has no usable address",
];

impl LookupError {
    fn check(answer: io::Result<Vec<SocketAddr>>) -> Result<Vec<SocketAddr>, Self> {
        match answer {
            Ok(addresses) if addresses.is_empty() => Err(Self::NotFound("host name not found".to_owned())),
            Ok(addresses) => Ok(addresses),
            Err(error) => {
                let text = error.to_string();
                let is_missing = NOT_FOUND.iter().any(|missing| text.contains(missing));
                Err(if is_missing {
                    Self::NotFound(text)
                } else {
                    Self::Failed(text)
                })
            }
        }
    }
}

impl fmt::Display for LookupError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Busy => write!(
                f,
                "{} lookups already wait for a name server that does not answer",
                limits::LOOKUPS
            ),
            Self::Cancelled => f.write_str("cancelled"),
            Self::Failed(text) | Self::NotFound(text) => f.write_str(text),
            Self::NoThread => {
                f.write_str("cannot start a thread for the DNS lookup; raise the limit of processes")
            }
            Self::Timeout => f.write_str("the name server did not answer in time"),
        }
    }
}

impl std::error::Error for LookupError {}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;
    use crate::clock::SystemClock;
    use crate::metrics::Text;

    const LONG: Duration = Duration::from_secs(60);
    const SHORT: Duration = Duration::from_millis(1);

    /// A clock that only tests move.
    struct Moving(Mutex<Instant>);

    impl Moving {
        fn advance(&self, time: Duration) {
            *self.0.lock().expect("lock") += time;
        }
    }

    impl Clock for Moving {
        fn now(&self) -> Instant {
            *self.0.lock().expect("lock")
        }

        fn wall(&self) -> jiff::Timestamp {
            SystemClock.wall()
        }
    }

    /// A lookup at a time that the test moves, and its metrics.
    fn lookup(query: Query) -> (Lookup, Arc<Moving>, Metrics) {
        let clock = Arc::new(Moving(Mutex::new(SystemClock.now())));
        let metrics = Metrics::new();
        let as_clock: Arc<dyn Clock> = Arc::<Moving>::clone(&clock);
        (Lookup::new(query, as_clock, metrics.clone()), clock, metrics)
    }

    fn find(lookup: &Lookup, host: &str, within: Duration) -> Result<Vec<String>, LookupError> {
        let found = lookup.find(host, 443, within)?;
        Ok(found.addresses.iter().map(ToString::to_string).collect())
    }

    fn count(metrics: &Metrics, outcome: &str) -> String {
        let mut text = Text::default();
        metrics.write(&mut text);
        let series = format!("alibabacloud_provider_lookups_total{{outcome=\"{outcome}\"}} ");
        let text = text.into_string();
        let count = text.lines().find_map(|line| line.strip_prefix(&series));
        count.expect("the series").to_owned()
    }

    #[test]
    fn addresses_are_taken_as_they_are() {
        let (lookup, ..) = lookup(|host, _| panic!("{host} was looked up"));
        for (host, address) in [
            ("100.100.100.200", "100.100.100.200:443"),
            ("127.0.0.1", "127.0.0.1:443"),
            ("[::1]", "[::1]:443"),
        ] {
            assert_eq!(find(&lookup, host, LONG), Ok(vec![address.to_owned()]), "{host}");
        }
    }

    #[test]
    fn a_name_has_what_the_system_says() {
        let (lookup, ..) = lookup(|host, port| match host {
            "two.example" => Ok(vec![
                (Ipv4Addr::LOCALHOST, port).into(),
                (Ipv4Addr::BROADCAST, port).into(),
            ]),
            "none.example" => Ok(Vec::new()),
            _ => Err(io::Error::other(
                "failed to lookup address information: Try again",
            )),
        });
        assert_eq!(
            find(&lookup, "two.example", LONG),
            Ok(vec!["127.0.0.1:443".to_owned(), "255.255.255.255:443".to_owned()])
        );
        assert_eq!(
            find(&lookup, "none.example", LONG),
            Err(LookupError::NotFound("host name not found".to_owned()))
        );
        let error = find(&lookup, "other.example", LONG).expect_err("no answer");
        assert!(
            matches!(&error, LookupError::Failed(text) if text.contains("Try again")),
            "{error}"
        );
    }

    #[test]
    fn an_answer_serves_new_connections_for_a_short_time() {
        static ASKED: AtomicUsize = AtomicUsize::new(0);
        let (lookup, clock, metrics) = lookup(|_, port| {
            ASKED.fetch_add(1, Ordering::SeqCst);
            Ok(vec![(Ipv4Addr::LOCALHOST, port).into()])
        });
        for expected in [1, 2] {
            for host in ["name.example", "NAME.example"] {
                assert!(find(&lookup, host, LONG).is_ok(), "{host}");
                assert_eq!(ASKED.load(Ordering::SeqCst), expected, "{host}");
            }
            clock.advance(limits::LOOKUP_KEPT);
        }
        assert!(
            lookup.find_again("name.example", 443, LONG).is_ok(),
            "asked at once"
        );
        assert_eq!(ASKED.load(Ordering::SeqCst), 3);
        assert_eq!(count(&metrics, "ok"), "3");
    }

    #[test]
    fn the_last_addresses_serve_while_the_name_server_fails() {
        static ASKED: AtomicUsize = AtomicUsize::new(0);
        let (lookup, clock, metrics) = lookup(|_, port| match ASKED.fetch_add(1, Ordering::SeqCst) {
            0 => Ok(vec![(Ipv4Addr::LOCALHOST, port).into()]),
            _ => Err(io::Error::other(
                "failed to lookup address information: Try again",
            )),
        });
        let addresses = Ok(vec!["127.0.0.1:443".to_owned()]);
        let resolve = || find(&lookup, "name.example", LONG);
        assert_eq!(resolve(), addresses);
        clock.advance(limits::LOOKUP_KEPT);
        assert_eq!(resolve(), addresses, "stale");
        assert_eq!(resolve(), addresses, "stale, without asking again");
        assert_eq!(ASKED.load(Ordering::SeqCst), 2);
        clock.advance(limits::LOOKUP_RETRY_PAUSE);
        assert_eq!(resolve(), addresses, "stale, asked again");
        assert_eq!(ASKED.load(Ordering::SeqCst), 3);
        assert_eq!(
            (count(&metrics, "failed"), count(&metrics, "stale")),
            ("2".into(), "3".into())
        );
        clock.advance(limits::LOOKUP_STALE);
        assert!(resolve().is_err(), "too old");
    }

    #[test]
    fn a_name_that_is_gone_has_no_addresses() {
        static ASKED: AtomicUsize = AtomicUsize::new(0);
        let (lookup, clock, metrics) = lookup(|_, port| match ASKED.fetch_add(1, Ordering::SeqCst) {
            0 => Ok(vec![(Ipv4Addr::LOCALHOST, port).into()]),
            1 => Err(io::Error::other(
                "failed to lookup address information: Name does not resolve",
            )),
            _ => Err(io::Error::other(
                "failed to lookup address information: Try again",
            )),
        });
        assert!(find(&lookup, "name.example", LONG).is_ok());
        for _ in 0..2 {
            clock.advance(limits::LOOKUP_KEPT);
            assert!(find(&lookup, "name.example", LONG).is_err(), "gone");
        }
        assert_eq!(
            (count(&metrics, "not_found"), count(&metrics, "stale")),
            ("1".into(), "0".into())
        );
    }

    #[test]
    fn a_silent_name_server_holds_up_so_many_lookups_and_no_more() {
        static SILENT: (Mutex<bool>, Condvar) = (Mutex::new(true), Condvar::new());
        static ASKED: AtomicUsize = AtomicUsize::new(0);
        let (lookup, ..) = lookup(|_, port| {
            ASKED.fetch_add(1, Ordering::SeqCst);
            let silent = SILENT.0.lock().expect("lock");
            drop(SILENT.1.wait_while(silent, |silent| *silent).expect("lock"));
            Ok(vec![(Ipv4Addr::LOCALHOST, port).into()])
        });
        for name in 0..limits::LOOKUPS {
            for _ in 0..2 {
                let error = find(&lookup, &format!("slow-{name}.example"), SHORT).expect_err("silence");
                assert_eq!(error, LookupError::Timeout, "{name}");
            }
        }
        let error = find(&lookup, "slow.example", SHORT).expect_err("one too many");
        assert_eq!(error, LookupError::Busy);
        assert!(find(&lookup, "127.0.0.1", SHORT).is_ok(), "no name");
        *SILENT.0.lock().expect("lock") = false;
        SILENT.1.notify_all();
        // It waits until one of the others has ended.
        assert!(find(&lookup, "slow.example", LONG).is_ok());
        assert_eq!(
            ASKED.load(Ordering::SeqCst),
            limits::LOOKUPS + 1,
            "one for each name"
        );
    }

    #[test]
    fn a_crowd_takes_turns() {
        let (lookup, ..) = lookup(|_, port| {
            thread::sleep(Duration::from_millis(5));
            Ok(vec![(Ipv4Addr::LOCALHOST, port).into()])
        });
        thread::scope(|scope| {
            for name in 0..4 * limits::LOOKUPS {
                let lookup = &lookup;
                scope.spawn(move || {
                    let found = find(lookup, &format!("{name}.example"), LONG);
                    assert_eq!(found, Ok(vec!["127.0.0.1:443".to_owned()]));
                });
            }
        });
    }
}
