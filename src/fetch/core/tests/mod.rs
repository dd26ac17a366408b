//! The engine's decisions on a clock that only tests advance.

mod copies;
mod failures;
mod leaving;
mod properties;
mod sharing;
mod stale;
mod stale_properties;

use std::hash::Hash;
use std::time::{Duration, Instant};

use super::*;
use crate::clock::{Clock as _, SystemClock};
use crate::fetch::retry::FailureClass;
use crate::fetch::volumes::Volume;
use crate::limits;
use crate::params::{Pod, Service};

/// Keys and errors are words, values are numbers, a job is the number of its credentials.
#[derive(Debug)]
struct Words;

impl Domain for Words {
    type Key = &'static str;
    type Job = u32;
    type Value = u32;
    type Error = &'static str;
    type Endpoint = &'static str;
    type Identity = &'static str;

    /// Keys are `endpoint:identity/secret@version`.
    fn endpoint(key: &&'static str) -> &'static str {
        key.split_once(':').map_or("", |(endpoint, _)| endpoint)
    }

    fn identity(key: &&'static str) -> &'static str {
        key.split_once('/').map_or("", |(identity, _)| identity)
    }

    fn secret(key: &&'static str) -> impl Eq + Hash {
        let named = key.rsplit('/').next().unwrap_or_default();
        named.split('@').next().unwrap_or_default()
    }
}

struct Bench {
    core: Core<Words>,
    now: Instant,
}

const INTERVAL: Duration = Duration::from_secs(60);
const OLD_JOB: u32 = 1;

fn settings(pulls: usize, per_second: u32, refresh_interval: Duration) -> Settings {
    let lane = LaneSettings { pulls, per_second };
    Settings {
        kms: lane,
        oos: lane,
        refresh_interval,
        copies_bytes: 1 << 20,
        serve_stale_for: Duration::ZERO,
        stale_bytes: 1 << 20,
    }
}

/// A pod's volume, as kubelet requests it.
fn volume(uid: &str) -> Volume {
    volume_of(uid, 0)
}

/// The same, of a class with other parameters.
fn volume_of(uid: &str, parameters: u8) -> Volume {
    let pod = Pod {
        uid: uid.to_owned(),
        ..Pod::default()
    };
    let path = format!("/kubelet/pods/{uid}/volumes/kubernetes.io~csi/secrets/mount");
    Volume::new(&pod, &path, &[parameters; 32]).expect("a volume")
}

impl Bench {
    fn new(settings: &Settings) -> Self {
        let now = SystemClock.now();
        Self {
            core: Core::new(settings, now),
            now,
        }
    }

    fn wide() -> Self {
        Self::new(&settings(100, 0, INTERVAL))
    }

    fn narrow(pulls: usize) -> Self {
        Self::new(&settings(pulls, 0, INTERVAL))
    }

    fn pass(&mut self, seconds: u64) {
        self.now += Duration::from_secs(seconds);
    }

    fn mount(&mut self, keys: &[&'static str], volume: Option<&Volume>) -> PartyId {
        self.mount_within(keys, volume, 100)
    }

    fn mount_within(&mut self, keys: &[&'static str], volume: Option<&Volume>, seconds: u64) -> PartyId {
        let wants = keys.iter().map(|key| Want {
            service: Service::Kms,
            key: *key,
            job: Ok(OLD_JOB),
        });
        let deadline = self.now + Duration::from_secs(seconds);
        self.core.mount(wants.collect(), volume, deadline, self.now).party
    }

    /// A volume that has been mounted.
    fn known(&mut self, uid: &str) -> Volume {
        let volume = volume(uid);
        self.core.mounted(&volume, self.now);
        volume
    }

    /// Every call that may be made now.
    fn calls(&mut self) -> Vec<Attempt<Words>> {
        let mut calls = Vec::new();
        while let Next::Call(call) = self.core.next(self.now) {
            calls.push(call);
        }
        calls
    }

    fn call(&mut self) -> FlightId {
        let calls = self.calls();
        assert_eq!(calls.len(), 1, "exactly one call");
        calls[0].flight
    }

    fn answer(&mut self, flight: FlightId, value: u32) {
        self.core.finish(flight, Outcome::Value(value, 10), 0.0, self.now);
    }

    fn fail(&mut self, flight: FlightId, error: &'static str, class: FailureClass) {
        let outcome = Outcome::Failed {
            error,
            class,
            hint: None,
        };
        self.core.finish(flight, outcome, 0.0, self.now);
    }

    /// The results of a mount that is complete.
    fn results(&mut self, party: PartyId) -> Vec<Result<u32, &'static str>> {
        assert!(self.core.is_complete(party), "the mount still waits");
        self.leave(party)
    }

    fn leave(&mut self, party: PartyId) -> Vec<Result<u32, &'static str>> {
        let settled = self.core.leave(party, self.now);
        let result = |settled| match settled {
            Settled::Value(value) | Settled::Stale { value, .. } => Ok(value),
            Settled::Failed(error) => Err(error),
            Settled::Skipped => Err("skipped"),
            Settled::TooMuch => Err("too much"),
            Settled::Unfinished => Err("unfinished"),
        };
        settled.into_iter().map(result).collect()
    }

    /// Nothing is left except shared copies.
    fn assert_empty(&mut self) {
        let core = &self.core;
        assert!(core.flights.is_empty() && core.open.is_empty() && core.parties.is_empty());
        assert_eq!(
            (core.load(Service::Kms), core.load(Service::Oos)),
            ((0, 0), (0, 0))
        );
    }
}
