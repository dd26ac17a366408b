//! What is logged about Mounts: one line each, with an id that the error message carries too.
//!
//! A volume that fails in the same way again and again, as kubelet tries it every minute or so, gets a line now and
//! then that says how many there were. Nothing here is secret: parameters' values and files are never among it.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
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

/// The log of all Mounts.
pub struct Journal {
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    metrics: Metrics,
    repeats: Mutex<BTreeMap<Topic, Repeats>>,
}

/// One Mount.
pub(super) struct Mount {
    /// 8 hexadecimal digits, in the log and in the message that a failure ends with.
    id: String,
    began: Instant,
    volume: String,
    class: String,
    objects: usize,
    source: Option<Source>,
    /// Values that were read a while ago, and the age of the oldest.
    stale: (usize, Duration),
}

/// What is only worth a line now and then.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Topic {
    /// A volume fails.
    Failure { volume: String, class: String },
    /// A volume mounts, and something is odd about it.
    Warning { volume: String, text: u64 },
}

struct Repeats {
    text: u64,
    last_line: Instant,
    since: u64,
    in_all: u64,
}

impl Journal {
    /// A log of nothing yet.
    pub fn new(clock: Arc<dyn Clock>, entropy: Arc<dyn Entropy>, metrics: Metrics) -> Self {
        Self {
            clock,
            entropy,
            metrics,
            repeats: Mutex::default(),
        }
    }

    /// A Mount begins; whose it is is not known yet.
    pub(super) fn begin(&self) -> Mount {
        let mut id = [0; 4];
        self.entropy.fill(&mut id);
        Mount {
            id: format!("{:08x}", u32::from_be_bytes(id)),
            began: self.clock.now(),
            volume: String::new(),
            class: String::new(),
            objects: 0,
            source: None,
            stale: (0, Duration::ZERO),
        }
    }

    /// The access policy denies a Mount.
    pub(super) fn denied(&self, why: Denial) {
        self.metrics.denied(why);
    }

    /// Something is odd about a volume, and it mounts all the same.
    pub(super) fn warn(&self, mount: &Mount, warning: &dyn fmt::Display) {
        let warning = warning.to_string();
        let topic = Topic::Warning {
            volume: mount.volume.clone(),
            text: fingerprint(&warning),
        };
        if self.is_due(topic, fingerprint(&warning)).is_some() {
            log::warn!(target: TARGET, pod = mount.volume, class = mount.class; "{warning}");
        }
    }

    /// A Mount succeeded with a response of so many bytes.
    pub(super) fn mounted(&self, mount: &Mount, bytes: usize) {
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

    /// A Mount failed. Returns the status with the Mount's id at the end of its message.
    pub(super) fn failed(&self, mount: &Mount, mut status: Status) -> Status {
        if let Some(swallowed) = self.is_due(mount.failure(), fingerprint(&status.message)) {
            log::error!(
                target: TARGET,
                pod = mount.volume, class = mount.class, objects = mount.objects, source = mount.source(),
                milliseconds = self.milliseconds(mount), code = status.code.name(), mount = mount.id,
                not_logged_before = swallowed, error = status.message;
                "mount failed"
            );
        }
        // Writing to a String does not fail.
        let _ = write!(status.message, " (mount {})", mount.id);
        status
    }

    /// Whether it is time for a line on `topic`, and if so how many were swallowed since the last one: at once when
    /// `text` is new, else now and then.
    fn is_due(&self, topic: Topic, text: u64) -> Option<u64> {
        let now = self.clock.now();
        let mut repeats = self.repeats();
        if repeats.len() >= limits::JOURNAL_TOPICS && !repeats.contains_key(&topic) {
            let oldest = repeats.iter().min_by_key(|(_, repeats)| repeats.last_line);
            if let Some(oldest) = oldest.map(|(topic, _)| topic.clone()) {
                repeats.remove(&oldest);
            }
        }
        let known = match repeats.entry(topic) {
            Entry::Vacant(entry) => {
                entry.insert(Repeats {
                    text,
                    last_line: now,
                    since: 0,
                    in_all: 1,
                });
                return Some(0);
            }
            Entry::Occupied(entry) => entry.into_mut(),
        };
        known.in_all = known.in_all.saturating_add(1);
        let waited = now.saturating_duration_since(known.last_line);
        if known.text == text && waited < limits::JOURNAL_PAUSE {
            known.since = known.since.saturating_add(1);
            self.metrics.log_suppressed();
            return None;
        }
        known.text = text;
        known.last_line = now;
        Some(std::mem::take(&mut known.since))
    }

    fn milliseconds(&self, mount: &Mount) -> u64 {
        let elapsed = self.clock.now().saturating_duration_since(mount.began);
        u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX)
    }

    fn repeats(&self) -> MutexGuard<'_, BTreeMap<Topic, Repeats>> {
        self.repeats.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Mount {
    /// The parameters were read.
    pub(super) fn planned(&mut self, plan: &Plan) {
        self.volume = pod(&plan.pod);
        self.class = visible(&plan.class_name);
        self.objects = plan.objects.len();
    }

    /// The parameters cannot be read; whose they are may be among them all the same.
    pub(super) fn not_planned(&mut self, attributes: &str) {
        if let Some((whose, class)) = params::whose(attributes) {
            self.volume = pod(&whose);
            self.class = visible(&class);
        }
    }

    /// The identity that the values are read as.
    pub(super) fn read_as(&mut self, source: Source) {
        self.source = Some(source);
    }

    /// So many values are served as they were read before an outage, the oldest so long ago.
    pub(super) fn serves_old(&mut self, count: usize, age: Duration) {
        self.stale = (count, age);
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

/// Names come from whoever speaks on the socket; Kubernetes' own are shorter.
fn visible(name: &str) -> String {
    name.chars().take(NAME_CHARS).collect()
}

/// Kubernetes names have at most 253 characters.
const NAME_CHARS: usize = 253;

/// A number for a text, the same for texts that differ in the cloud's request ids only.
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
    fn journal() -> (Arc<Seconds>, Journal) {
        let clock = Arc::new(Seconds(Instant::now(), AtomicU64::new(0)));
        let journal = Journal::new(
            Arc::clone(&clock) as Arc<dyn Clock>,
            Arc::new(Zeros),
            Metrics::new(),
        );
        (clock, journal)
    }

    fn topic(number: usize) -> Topic {
        Topic::Failure {
            volume: format!("ns/pod-{number}"),
            class: "class".to_owned(),
        }
    }

    #[test]
    fn the_same_failure_is_worth_a_line_now_and_then() {
        let (clock, journal) = journal();
        let pause = limits::JOURNAL_PAUSE.as_secs();
        let failed = |id: &str| {
            journal.is_due(
                topic(1),
                fingerprint(&format!("no such secret (request id {id})")),
            )
        };
        assert_eq!(failed("A"), Some(0), "the first");
        assert_eq!(failed("B"), None, "the same but for its id");
        clock.1.store(pause - 1, Ordering::SeqCst);
        assert_eq!(failed("C"), None);
        assert_eq!(journal.is_due(topic(2), 0), Some(0), "another volume");
        clock.1.store(pause, Ordering::SeqCst);
        assert_eq!(failed("D"), Some(2), "with what was swallowed");
        assert_eq!(failed("E"), None);
        assert_eq!(
            journal.is_due(topic(1), fingerprint("denied")),
            Some(1),
            "another failure at once"
        );
    }

    #[test]
    fn what_is_remembered_has_a_bound() {
        let (clock, journal) = journal();
        for number in 0..limits::JOURNAL_TOPICS * 2 {
            clock
                .1
                .store(u64::try_from(number).expect("a number") / 100, Ordering::SeqCst);
            assert_eq!(journal.is_due(topic(number), 0), Some(0));
        }
        assert_eq!(journal.repeats().len(), limits::JOURNAL_TOPICS);
        assert_eq!(
            journal.is_due(topic(limits::JOURNAL_TOPICS * 2 - 1), 0),
            None,
            "the newest is"
        );
        assert_eq!(journal.is_due(topic(0), 0), Some(0), "the oldest is not");
    }

    #[test]
    fn a_success_ends_the_series() {
        let (_, journal) = journal();
        let mount = journal.begin();
        assert_eq!(mount.id, "abababab");
        let status = journal.failed(&mount, Status::new(Code::NotFound, "gone"));
        assert_eq!(
            (status.code, status.message.as_str()),
            (Code::NotFound, "gone (mount abababab)")
        );
        assert_eq!(journal.repeats().len(), 1);
        journal.mounted(&mount, 1);
        assert_eq!(journal.repeats().len(), 0);
    }
}
