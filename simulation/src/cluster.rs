//! The cluster: nodes with pods, kubelet's interval, and the results.

use std::time::{Duration, Instant};

use csi_provider::clock::{Clock as _, SystemClock};
use csi_provider::fetch::Volume;
use csi_provider::fetch::core::{self, Core, FlightId, Next, PartyId, Settled, Want};
use csi_provider::fetch::retry::FailureClass;
use csi_provider::params::{Pod, Service};

use crate::cloud::{Answer, Cloud};
use crate::engine::{Engine, Numbers};
use crate::queue::{Chance, Queue};
use crate::scenario::Scenario;

/// The results, in the measured time.
#[derive(Clone, Debug, Default)]
pub(crate) struct Outcome {
    pub(crate) mounts_per_second: f64,
    pub(crate) calls_per_second: f64,
    /// Maximum number of calls within one second.
    pub(crate) peak_calls: u64,
    pub(crate) throttled_per_second: f64,
    /// The fraction of mounts that failed.
    pub(crate) failed: f64,
    /// The fraction of mounts after the rotation that got the old version.
    pub(crate) stale: f64,
    /// Seconds from the rotation until every pod had the new value; `None` if some never got it.
    pub(crate) everywhere: Option<u64>,
}

/// How long a node takes to start its pods, before the measured time.
const START: Duration = Duration::from_secs(120);

/// The deadline that kubelet gives a mount, less the provider's margins.
const DEADLINE: Duration = Duration::from_secs(106);

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    /// kubelet checks a pod's volume.
    Look { node: u32, pod: u32 },
    /// A call's answer arrives at the node.
    Answer { node: u32, flight: u64 },
    /// A node's engine asked to be called again.
    Poll { node: u32 },
    /// A mount's deadline.
    Deadline { node: u32, party: u64 },
    /// The plain engine calls for the next object of a mount.
    Plain {
        node: u32,
        pod: u32,
        object: u32,
        stale: bool,
    },
}

struct Node {
    core: Core<Numbers>,
    calls: Vec<(u64, FlightId, Answer)>,
    parties: Vec<(u64, PartyId, u32)>,
    poll: Option<Instant>,
}

struct Cluster<'a> {
    scenario: &'a Scenario,
    engine: Engine,
    cloud: Cloud,
    nodes: Vec<Node>,
    queue: Queue<Event>,
    chance: Chance,
    start: Instant,
    end: Instant,
    number: u64,
    count: Count,
    /// Pods that have the new version, and when the last of them got it.
    renewed: Vec<bool>,
    last_renewed: Instant,
}

#[derive(Default)]
struct Count {
    mounts: u64,
    failed: u64,
    after_rotation: u64,
    stale: u64,
    calls: u64,
    throttled: u64,
    /// The current second, and the calls in it.
    second: (u64, u64),
    peak: u64,
}

/// Runs `scenario` on `engine`.
pub(crate) fn simulate(scenario: &Scenario, engine: Engine) -> Outcome {
    let zero = SystemClock.now();
    let start = zero + START;
    let end = start + Duration::from_secs(u64::from(scenario.seconds));
    let mut cluster = Cluster {
        scenario,
        engine,
        cloud: Cloud::new(scenario, start),
        nodes: Vec::new(),
        queue: Queue::new(),
        chance: Chance(scenario.seed),
        start,
        end,
        number: 0,
        count: Count::default(),
        renewed: vec![false; (scenario.nodes * scenario.pods) as usize],
        last_renewed: start,
    };
    for node in 0..scenario.nodes {
        cluster.nodes.push(Node {
            core: crate::engine::core(scenario, zero),
            calls: Vec::new(),
            parties: Vec::new(),
            poll: None,
        });
        for pod in 0..scenario.pods {
            // Spread over kubelet's interval, so that the steady state does not depend on the start.
            let at = zero + START.mul_f64(0.4).mul_f64(cluster.chance.next());
            cluster.queue.add(at, Event::Look { node, pod });
        }
    }
    cluster.run();
    cluster.outcome()
}

impl Cluster<'_> {
    fn run(&mut self) {
        while let Some((now, event)) = self.queue.next() {
            if now >= self.end {
                break;
            }
            match event {
                Event::Look { node, pod } => self.look(node, pod, now),
                Event::Answer { node, flight } => self.answer(node, flight, now),
                Event::Poll { node } => {
                    self.nodes[node as usize].poll = None;
                    self.drive(node, now);
                }
                Event::Deadline { node, party } => self.leave(node, party, now),
                Event::Plain {
                    node,
                    pod,
                    object,
                    stale,
                } => self.plain(node, pod, object, stale, now),
            }
        }
    }

    /// kubelet checks a volume and schedules the next check.
    fn look(&mut self, node: u32, pod: u32, now: Instant) {
        let period = Duration::from_secs(u64::from(self.scenario.republish_seconds));
        let again = now + period + period.mul_f64(0.2 * self.chance.next());
        self.queue.add(again, Event::Look { node, pod });
        if self.engine == Engine::Plain {
            self.plain(node, pod, 0, false, now);
            return;
        }
        let wants = (0..self.scenario.objects).map(|object| Want {
            service: Service::Kms,
            key: self.key(node, pod, object),
            job: Ok(()),
        });
        let wants = wants.collect();
        let volume = volume(pod);
        let core = &mut self.nodes[node as usize].core;
        let party = core.mount(wants, volume.as_ref(), now + DEADLINE, now).party;
        if core.is_complete(party) {
            self.settle(node, pod, party, now);
        } else {
            self.number += 1;
            let number = self.number;
            self.nodes[node as usize].parties.push((number, party, pod));
            let deadline = Event::Deadline { node, party: number };
            self.queue.add(now + DEADLINE, deadline);
        }
        self.drive(node, now);
    }

    /// The pod's objects: the shared ones come first.
    fn key(&self, node: u32, pod: u32, object: u32) -> u32 {
        let common = (self.scenario.common * f64::from(self.scenario.objects)).round();
        if f64::from(object) < common {
            object
        } else {
            self.scenario.objects * (1 + node * self.scenario.pods + pod) + object
        }
    }

    /// Makes the calls that a node's engine asks for.
    fn drive(&mut self, node: u32, now: Instant) {
        loop {
            match self.nodes[node as usize].core.next(now) {
                Next::Call(attempt) => {
                    let answer = self.call(now);
                    self.number += 1;
                    let flight = self.number;
                    self.nodes[node as usize]
                        .calls
                        .push((flight, attempt.flight, answer));
                    self.queue
                        .add(now + self.cloud.latency, Event::Answer { node, flight });
                }
                Next::At(at) => {
                    let poll = &mut self.nodes[node as usize].poll;
                    if poll.is_none_or(|poll| at < poll) {
                        *poll = Some(at);
                        self.queue.add(at, Event::Poll { node });
                    }
                    return;
                }
                Next::Nothing => return,
            }
        }
    }

    fn call(&mut self, now: Instant) -> Answer {
        let measured = now >= self.start;
        let answer = self.cloud.call(now, measured);
        if measured {
            self.count.calls += 1;
            self.count.throttled += u64::from(answer == Answer::Throttled);
            let second = now.duration_since(self.start).as_secs();
            if self.count.second.0 != second {
                self.count.second = (second, 0);
            }
            self.count.second.1 += 1;
            self.count.peak = self.count.peak.max(self.count.second.1);
        }
        answer
    }

    fn answer(&mut self, node: u32, flight: u64, now: Instant) {
        let fraction = self.chance.next();
        let state = &mut self.nodes[node as usize];
        let Some(at) = state.calls.iter().position(|(number, ..)| *number == flight) else {
            return;
        };
        let (_, flight, answer) = state.calls.swap_remove(at);
        let failed = |class| core::Outcome::Failed {
            error: (),
            class,
            hint: None,
        };
        let outcome = match answer {
            Answer::Version(version) => core::Outcome::Value(version, 64),
            Answer::Throttled => failed(FailureClass::Throttled),
            Answer::OutOfOrder => failed(FailureClass::Unavailable),
        };
        state.core.finish(flight, outcome, fraction, now);
        for party in state.core.complete() {
            let parties = &mut self.nodes[node as usize].parties;
            if let Some(at) = parties.iter().position(|(_, id, _)| *id == party) {
                let (_, party, pod) = parties.swap_remove(at);
                self.settle(node, pod, party, now);
            }
        }
        self.drive(node, now);
    }

    /// A mount whose deadline has passed.
    fn leave(&mut self, node: u32, party: u64, now: Instant) {
        let parties = &mut self.nodes[node as usize].parties;
        if let Some(at) = parties.iter().position(|(number, ..)| *number == party) {
            let (_, party, pod) = parties.swap_remove(at);
            self.settle(node, pod, party, now);
        }
    }

    fn settle(&mut self, node: u32, pod: u32, party: PartyId, now: Instant) {
        let core = &mut self.nodes[node as usize].core;
        let (mut failed, mut stale) = (false, false);
        for settled in core.leave(party, now) {
            match settled {
                Settled::Value(version) | Settled::Stale { value: version, .. } => stale |= version == 0,
                Settled::Failed(()) | Settled::Skipped | Settled::TooMuch | Settled::Unfinished => {
                    failed = true;
                }
            }
        }
        if let (false, Some(volume)) = (failed, volume(pod)) {
            core.mounted(&volume, now);
        }
        self.mounted(node, pod, failed, stale, now);
    }

    fn mounted(&mut self, node: u32, pod: u32, failed: bool, stale: bool, now: Instant) {
        if now < self.start {
            return;
        }
        self.count.mounts += 1;
        self.count.failed += u64::from(failed);
        if now >= self.cloud.rotated {
            self.count.after_rotation += 1;
            self.count.stale += u64::from(stale && !failed);
        }
        let renewed = &mut self.renewed[(node * self.scenario.pods + pod) as usize];
        if !failed && !stale && !*renewed {
            *renewed = true;
            self.last_renewed = now;
        }
    }

    /// One object after the other, one attempt each; the first failure fails the mount.
    fn plain(&mut self, node: u32, pod: u32, object: u32, stale: bool, now: Instant) {
        if object == self.scenario.objects {
            self.mounted(node, pod, false, stale, now);
            return;
        }
        match self.call(now) {
            Answer::Version(version) => {
                let next = Event::Plain {
                    node,
                    pod,
                    object: object + 1,
                    stale: stale || version == 0,
                };
                self.queue.add(now + self.cloud.latency, next);
            }
            Answer::Throttled | Answer::OutOfOrder => self.mounted(node, pod, true, stale, now),
        }
    }

    fn outcome(&self) -> Outcome {
        let seconds = f64::from(self.scenario.seconds);
        let part = |some: u64, all: u64| some as f64 / all.max(1) as f64;
        let is_everywhere = self.renewed.iter().all(|renewed| *renewed);
        Outcome {
            mounts_per_second: self.count.mounts as f64 / seconds,
            calls_per_second: self.count.calls as f64 / seconds,
            peak_calls: self.count.peak,
            throttled_per_second: self.count.throttled as f64 / seconds,
            failed: part(self.count.failed, self.count.mounts),
            stale: part(self.count.stale, self.count.after_rotation),
            everywhere: is_everywhere.then(|| {
                self.last_renewed
                    .saturating_duration_since(self.cloud.rotated)
                    .as_secs()
            }),
        }
    }
}

/// A pod's volume, as its node knows it.
fn volume(pod: u32) -> Option<Volume> {
    let path = format!("/kubelet/pods/{pod}/volumes/kubernetes.io~csi/secrets/mount");
    let pod = Pod {
        uid: pod.to_string(),
        ..Pod::default()
    };
    Volume::new(&pod, &path, &[0; 32])
}
