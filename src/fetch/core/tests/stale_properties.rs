//! Serving cached values in an outage, for any sequence of mounts, answers, failures and clock steps: a cached value
//! goes to a pod's volume, belongs to the same key, is young enough, is the newest one read, and was not refused
//! since it was requested.

use std::cell::Cell;
use std::collections::HashMap;

use proptest::prelude::*;

use super::*;

/// Two identities; a secret with two versions, and one more.
const KEYS: [&str; 5] = ["alice/s", "alice/s@1", "alice/t", "bob/s", "bob/t"];
const DURATION: Duration = Duration::from_secs(30);
const ROOM: usize = 3 * (10 + limits::COPY_OVERHEAD_BYTES);

#[derive(Clone, Debug)]
enum Step {
    Mount {
        keys: Vec<usize>,
        /// Whether a volume is mounted, and if so, whether it is known.
        is_known: Option<bool>,
        seconds: u64,
        has_credentials: bool,
    },
    Pass {
        milliseconds: u64,
    },
    Finish {
        which: usize,
        how: How,
    },
    Leave {
        which: usize,
    },
    RefuseAlice,
}

#[derive(Clone, Copy, Debug)]
enum How {
    Value,
    Large,
    Fails(FailureClass),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let outage = prop_oneof![
        Just(FailureClass::Unavailable),
        Just(FailureClass::Interrupted),
        Just(FailureClass::Throttled)
    ];
    let how = prop_oneof![
        4 => Just(How::Value),
        1 => Just(How::Large),
        4 => outage.prop_map(How::Fails),
        1 => Just(How::Fails(FailureClass::Definite)),
    ];
    let mount = (
        prop::collection::vec(0..KEYS.len(), 1..4),
        prop::option::weighted(0.9, any::<bool>()),
        1..40_u64,
        prop::bool::weighted(0.8),
    );
    let step = prop_oneof![
        4 => mount.prop_map(|(keys, is_known, seconds, has_credentials)| Step::Mount { keys, is_known, seconds, has_credentials }),
        3 => (0..9_000_u64).prop_map(|milliseconds| Step::Pass { milliseconds }),
        6 => (0..8_usize, how).prop_map(|(which, how)| Step::Finish { which, how }),
        4 => (0..8_usize).prop_map(|which| Step::Leave { which }),
        1 => Just(Step::RefuseAlice),
    ];
    prop::collection::vec(step, 1..120)
}

/// The history. Events are numbered because several may happen at one instant.
struct Model {
    bench: Bench,
    event: u64,
    /// Calls under way: key, time of sending, and event.
    under_way: Vec<(FlightId, usize, Instant, u64)>,
    /// Waiting mounts: keys, whether they have credentials, and whether they are volumes.
    mounts: Vec<(PartyId, Vec<usize>, bool, bool)>,
    /// Values in the order of arrival: key, time of sending, and event.
    values: Vec<(usize, Instant, u64)>,
    refused: HashMap<usize, u64>,
    served: u64,
}

impl Model {
    fn new(refresh_interval: Duration) -> Self {
        let settings = Settings {
            serve_stale_for: DURATION,
            stale_bytes: ROOM,
            ..settings(2, 0, refresh_interval)
        };
        Self {
            bench: Bench::new(&settings),
            event: 0,
            under_way: Vec::new(),
            mounts: Vec::new(),
            values: Vec::new(),
            refused: HashMap::new(),
            served: 0,
        }
    }

    fn take(&mut self, step: Step) -> Result<(), TestCaseError> {
        self.event += 1;
        match step {
            Step::Mount {
                keys,
                is_known,
                seconds,
                has_credentials,
            } => {
                let volume = is_known.map(|is_known| match is_known {
                    true => self.bench.known("u"),
                    false => volume("new"),
                });
                let wants = keys.iter().map(|key| Want {
                    service: Service::Kms,
                    key: KEYS[*key],
                    job: match has_credentials {
                        true => Ok(u32::try_from(*key).expect("small")),
                        false => Err("no credentials"),
                    },
                });
                let (now, core) = (self.bench.now, &mut self.bench.core);
                let deadline = now + Duration::from_secs(seconds);
                let entered = core.mount(wants.collect(), volume.as_ref(), deadline, now);
                self.mounts
                    .push((entered.party, keys, has_credentials, volume.is_some()));
            }
            Step::Pass { milliseconds } => self.bench.now += Duration::from_millis(milliseconds),
            Step::Finish { which, how } if !self.under_way.is_empty() => {
                let (flight, key, sent, event) = self.under_way.swap_remove(which % self.under_way.len());
                self.finish(flight, key, (sent, event), how);
            }
            Step::Leave { which } if !self.mounts.is_empty() => {
                let mount = self.mounts.swap_remove(which % self.mounts.len());
                self.leave(&mount)?;
            }
            Step::Finish { .. } | Step::Leave { .. } => {}
            Step::RefuseAlice => {
                self.bench.core.forget(|key| key.starts_with("alice/"));
                for (key, name) in KEYS.iter().enumerate() {
                    if name.starts_with("alice/") {
                        self.refused.insert(key, self.event);
                    }
                }
            }
        }
        for call in self.bench.calls() {
            self.event += 1;
            let key = usize::try_from(call.job).expect("small");
            self.under_way
                .push((call.flight, key, self.bench.now, self.event));
        }
        prop_assert!(self.bench.core.stale().1 <= ROOM);
        Ok(())
    }

    fn finish(&mut self, flight: FlightId, key: usize, (sent, event): (Instant, u64), how: How) {
        let value = u32::try_from(self.values.len()).expect("small");
        let outcome = match how {
            How::Value | How::Large => {
                self.values.push((key, sent, event));
                Outcome::Value(value, if matches!(how, How::Large) { ROOM } else { 10 })
            }
            How::Fails(class) => {
                if class == FailureClass::Definite {
                    self.refused.insert(key, self.event);
                }
                Outcome::Failed {
                    error: if class == FailureClass::Definite {
                        "refused"
                    } else {
                        "outage"
                    },
                    class,
                    hint: None,
                }
            }
        };
        self.bench.core.finish(flight, outcome, 0.5, self.bench.now);
    }

    fn leave(&mut self, mount: &(PartyId, Vec<usize>, bool, bool)) -> Result<(), TestCaseError> {
        let (party, keys, has_credentials, is_volume) = mount;
        let now = self.bench.now;
        let settled = self.bench.core.leave(*party, now);
        prop_assert_eq!(settled.len(), keys.len());
        let mut by_key = HashMap::new();
        for (key, settled) in keys.iter().zip(settled) {
            let (value, is_old) = match settled {
                Settled::Value(value) => (Some(value), false),
                Settled::Stale { value, read, error } => {
                    self.served += 1;
                    prop_assert_ne!(error, Some("refused"));
                    prop_assert!(is_volume, "a cached value without a volume");
                    prop_assert_eq!(error == Some("no credentials"), !has_credentials);
                    self.is_servable(*key, value, read)?;
                    let others = keys.iter().filter(|other| *other != key);
                    for other in others {
                        prop_assert!(Words::secret(&KEYS[*key]) != Words::secret(&KEYS[*other]));
                    }
                    (Some(value), true)
                }
                Settled::Failed(_) | Settled::Skipped | Settled::TooMuch | Settled::Unfinished => {
                    (None, false)
                }
            };
            if let Some(value) = value {
                prop_assert_eq!(self.values[value as usize].0, *key, "another key's value");
            }
            let first = *by_key.entry(*key).or_insert((value, is_old));
            prop_assert_eq!(first, (value, is_old), "one key twice in a mount");
        }
        Ok(())
    }

    fn is_servable(&self, key: usize, value: u32, read: Instant) -> Result<(), TestCaseError> {
        let now = self.bench.now;
        let (of, sent, event) = self.values[value as usize];
        prop_assert_eq!(of, key);
        prop_assert_eq!(read, sent);
        prop_assert!(now - sent < DURATION, "{:?} old", now - sent);
        if let Some(refused) = self.refused.get(&key) {
            prop_assert!(*refused < event, "it was refused since it was asked for");
        }
        let newer = self.values.iter().find(|(of, at, _)| *of == key && *at > sent);
        prop_assert!(newer.is_none(), "{newer:?} was read");
        Ok(())
    }
}

#[test]
fn whatever_happens() {
    let served = Cell::new(0);
    let strategy = (steps(), prop_oneof![Just(Duration::ZERO), Just(INTERVAL)]);
    let config = ProptestConfig {
        cases: 1_000,
        failure_persistence: None,
        ..ProptestConfig::default()
    };
    let mut runner = proptest::test_runner::TestRunner::new(config);
    let outcome = runner.run(&strategy, |(steps, refresh_interval)| {
        let mut model = Model::new(refresh_interval);
        for step in steps {
            model.take(step)?;
        }
        for mount in std::mem::take(&mut model.mounts) {
            model.leave(&mount)?;
        }
        let core = &mut model.bench.core;
        core.sweep(model.bench.now + DURATION);
        prop_assert_eq!(core.stale(), (0, 0));
        served.set(served.get() + model.served);
        Ok(())
    });
    outcome.unwrap_or_else(|error| panic!("{error}"));
    assert!(
        served.get() > 1_000,
        "only {} cached values were served",
        served.get()
    );
}
