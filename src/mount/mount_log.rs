//! Logs mounts: one line each, with an id that also ends the error message.
//!
//! kubelet retries a failing volume about every minute. Identical failures are logged at intervals, with a count.
//! Parameter values and file contents are never logged.

use std::fmt::{self, Write as _};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::auth::Source;
use crate::clock::Clock;
use crate::entropy::Entropy;
use crate::grpc::{Code, Status};
use crate::limits;
use crate::metrics::{Denial, Metrics};
use crate::params::{self, Plan};
use crate::sync::BoundedMap;

/// The log of all mounts.
pub struct MountLog {
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    metrics: Metrics,
    repeats: Mutex<BoundedMap<Topic, Repeats>>,
}

/// Log fields of one mount.
pub(super) struct Record {
    /// 8 hexadecimal digits, in the log and at the end of the error message.
    id: String,
    began: Instant,
    volume: String,
    class: String,
    objects: usize,
    /// Source of the identity that reads the values.
    pub(super) source: Option<Source>,
    /// Number of cached values served in an outage, and the age of the oldest.
    pub(super) stale: (usize, Duration),
}

/// What repeated lines are counted by.
#[derive(Clone, PartialEq, Eq, Hash)]
enum Topic {
    /// A volume fails.
    Failure { volume: String, class: String },
    /// A volume mounts with a warning.
    Warning { volume: String, text: u64 },
}

struct Repeats {
    text: u64,
    last_line: Instant,
    since: u64,
    in_all: u64,
}

impl MountLog {
    /// An empty log.
    pub fn new(clock: Arc<dyn Clock>, entropy: Arc<dyn Entropy>, metrics: Metrics) -> Self {
        Self {
            clock,
            entropy,
            metrics,
            repeats: Mutex::new(BoundedMap::new(limits::MOUNT_LOG_TOPICS)),
        }
    }

    /// Starts the record of a mount whose volume is not known yet.
    pub(super) fn begin(&self) -> Record {
        let mut id = [0; 4];
        self.entropy.fill(&mut id);
        Record {
            id: format!("{:08x}", u32::from_be_bytes(id)),
            began: self.clock.now(),
            volume: String::new(),
            class: String::new(),
            objects: 0,
            source: None,
            stale: (0, Duration::ZERO),
        }
    }

    /// Counts a mount that the access policy denied.
    pub(super) fn denied(&self, why: Denial) {
        self.metrics.denied(why);
    }

    /// Logs a warning about a volume that mounts.
    pub(super) fn warn(&self, mount: &Record, warning: &dyn fmt::Display) {
        let warning = warning.to_string();
        let text = fingerprint(&warning);
        let volume = mount.volume.clone();
        if self.is_due(Topic::Warning { volume, text }, text).is_some() {
            log::warn!(target: TARGET, pod = mount.volume, class = mount.class; "{warning}");
        }
    }

    /// Logs a successful mount with the size of its response.
    pub(super) fn mounted(&self, mount: &Record, bytes: usize) {
        let (stale_values, age) = mount.stale;
        let failures = self.repeats().remove(&mount.failure()).map_or(0, |it| it.in_all);
        log::info!(
            target: TARGET,
            pod = mount.volume, class = mount.class, objects = mount.objects, source = mount.source(), bytes,
            milliseconds = self.milliseconds(mount), code = Code::Ok.name(), mount = mount.id,
            failures_before = failures, stale_values, stale_seconds = age.as_secs();
            "mounted"
        );
    }

    /// Logs a failed mount. Returns the status with the mount's id at the end of its message.
    pub(super) fn failed(&self, mount: &Record, mut status: Status) -> Status {
        if let Some(suppressed) = self.is_due(mount.failure(), fingerprint(&status.message)) {
            log::error!(
                target: TARGET,
                pod = mount.volume, class = mount.class, objects = mount.objects, source = mount.source(),
                milliseconds = self.milliseconds(mount), code = status.code.name(), mount = mount.id,
                not_logged_before = suppressed, error = status.message;
                "mount failed"
            );
        }
        // Writing to a String does not fail.
        let _ = write!(status.message, " (mount {})", mount.id);
        status
    }

    /// Whether to log a line on `topic` now: at once if `text` is new, otherwise after a pause. Returns the number of
    /// lines suppressed since the last one.
    fn is_due(&self, topic: Topic, text: u64) -> Option<u64> {
        let now = self.clock.now();
        let mut repeats = self.repeats();
        let Some(known) = repeats.get(&topic) else {
            let first = Repeats {
                text,
                last_line: now,
                since: 0,
                in_all: 1,
            };
            repeats.insert(topic, first);
            return Some(0);
        };
        known.in_all = known.in_all.saturating_add(1);
        let waited = now.saturating_duration_since(known.last_line);
        if known.text == text && waited < limits::MOUNT_LOG_PAUSE {
            known.since = known.since.saturating_add(1);
            self.metrics.log_suppressed();
            return None;
        }
        known.text = text;
        known.last_line = now;
        Some(std::mem::take(&mut known.since))
    }

    fn milliseconds(&self, mount: &Record) -> u64 {
        let elapsed = self.clock.now().saturating_duration_since(mount.began);
        u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX)
    }

    fn repeats(&self) -> MutexGuard<'_, BoundedMap<Topic, Repeats>> {
        self.repeats.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Record {
    /// Records what the parsed parameters say.
    pub(super) fn planned(&mut self, plan: &Plan) {
        self.volume = pod(&plan.pod);
        self.class = visible(&plan.class_name);
        self.objects = plan.objects.len();
    }

    /// Records pod and class if the invalid parameters still contain them.
    pub(super) fn not_planned(&mut self, attributes: &str) {
        if let Some((whose, class)) = params::whose(attributes) {
            self.volume = pod(&whose);
            self.class = visible(&class);
        }
    }

    fn source(&self) -> String {
        self.source.map_or_else(|| "none".to_owned(), |it| it.to_string())
    }

    fn failure(&self) -> Topic {
        Topic::Failure {
            volume: self.volume.clone(),
            class: self.class.clone(),
        }
    }
}

fn pod(pod: &params::Pod) -> String {
    format!("{}/{}", visible(&pod.namespace), visible(&pod.name))
}

/// Shortens a name, because clients of the socket may send any length.
fn visible(name: &str) -> String {
    name.chars().take(NAME_CHARS).collect()
}

/// Kubernetes names have at most 253 characters.
const NAME_CHARS: usize = 253;

/// A hash of a text without the cloud's request ids.
fn fingerprint(text: &str) -> u64 {
    const ID: &str = "(request id ";
    let mut hasher = DefaultHasher::new();
    let mut parts = text.split(ID);
    parts.next().hash(&mut hasher);
    for part in parts {
        part.split_once(')')
            .map_or(part, |(_, rest)| rest)
            .hash(&mut hasher);
    }
    hasher.finish()
}

const TARGET: &str = concat!(env!("CARGO_CRATE_NAME"), "::mount");

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;

    struct Seconds(Instant, AtomicU64);

    impl Clock for Seconds {
        fn now(&self) -> Instant {
            self.0 + Duration::from_secs(self.1.load(Ordering::SeqCst))
        }

        fn wall(&self) -> jiff::Timestamp {
            jiff::Timestamp::UNIX_EPOCH
        }
    }

    struct Zeros;

    impl Entropy for Zeros {
        fn fill(&self, bytes: &mut [u8]) {
            bytes.fill(0xab);
        }
    }

    #[expect(clippy::disallowed_methods, reason = "some instant to count from")]
    fn mount_log() -> (Arc<Seconds>, MountLog) {
        let clock = Arc::new(Seconds(Instant::now(), AtomicU64::new(0)));
        let mount_log = MountLog::new(
            Arc::clone(&clock) as Arc<dyn Clock>,
            Arc::new(Zeros),
            Metrics::new(),
        );
        (clock, mount_log)
    }

    fn topic(number: usize) -> Topic {
        Topic::Failure {
            volume: format!("ns/pod-{number}"),
            class: "class".to_owned(),
        }
    }

    #[test]
    fn the_same_failure_is_worth_a_line_now_and_then() {
        let (clock, mount_log) = mount_log();
        let pause = limits::MOUNT_LOG_PAUSE.as_secs();
        let failed = |id: &str| {
            mount_log.is_due(
                topic(1),
                fingerprint(&format!("no such secret (request id {id})")),
            )
        };
        assert_eq!(failed("A"), Some(0), "the first");
        assert_eq!(failed("B"), None, "the same but for its id");
        clock.1.store(pause - 1, Ordering::SeqCst);
        assert_eq!(failed("C"), None);
        assert_eq!(mount_log.is_due(topic(2), 0), Some(0), "another volume");
        clock.1.store(pause, Ordering::SeqCst);
        assert_eq!(failed("D"), Some(2), "with what was suppressed");
        assert_eq!(failed("E"), None);
        assert_eq!(
            mount_log.is_due(topic(1), fingerprint("denied")),
            Some(1),
            "another failure at once"
        );
    }

    #[test]
    fn what_is_remembered_has_a_bound() {
        let (clock, mount_log) = mount_log();
        for number in 0..limits::MOUNT_LOG_TOPICS * 2 {
            clock
                .1
                .store(u64::try_from(number).expect("a number") / 100, Ordering::SeqCst);
            assert_eq!(mount_log.is_due(topic(number), 0), Some(0));
        }
        assert_eq!(mount_log.repeats().len(), limits::MOUNT_LOG_TOPICS);
        assert_eq!(
            mount_log.is_due(topic(limits::MOUNT_LOG_TOPICS * 2 - 1), 0),
            None,
            "the newest is"
        );
        assert_eq!(mount_log.is_due(topic(0), 0), Some(0), "the oldest is not");
    }

    #[test]
    fn a_success_ends_the_series() {
        let (_, mount_log) = mount_log();
        let mount = mount_log.begin();
        assert_eq!(mount.id, "abababab");
        let status = mount_log.failed(&mount, Status::new(Code::NotFound, "gone"));
        assert_eq!(
            (status.code, status.message.as_str()),
            (Code::NotFound, "gone (mount abababab)")
        );
        assert_eq!(mount_log.repeats().len(), 1);
        mount_log.mounted(&mount, 1);
        assert_eq!(mount_log.repeats().len(), 0);
    }
}
