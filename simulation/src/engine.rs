//! The two engines: the shipped decisions, and a plain one that fetches each object at each mount, one after the
//! other, without retries.

use std::fmt;
use std::time::Instant;

use csi_provider::fetch::core::{Core, Domain};
use csi_provider::fetch::{LaneSettings, Settings};

use crate::scenario::Scenario;

/// The engine to simulate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Engine {
    Ours,
    Plain,
}

impl fmt::Display for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Ours => "ours",
            Self::Plain => "plain",
        })
    }
}

/// Objects by number, values by version.
#[derive(Debug)]
pub(crate) struct Numbers;

impl Domain for Numbers {
    type Key = u32;
    type Job = ();
    type Value = u32;
    type Error = ();
    type Endpoint = ();
    type Identity = ();

    fn endpoint(_: &u32) {}

    fn identity(_: &u32) {}
}

/// A node's engine, with the provider's default limits.
pub(crate) fn core(scenario: &Scenario, now: Instant) -> Core<Numbers> {
    let lane = LaneSettings {
        pulls: 10,
        per_second: 50,
    };
    let settings = Settings {
        kms: lane,
        oos: lane,
        refresh_interval: std::time::Duration::from_secs(u64::from(scenario.refresh_seconds)),
        copies_bytes: 16 * 1024 * 1024,
        serve_stale_for: std::time::Duration::ZERO,
        stale_bytes: 0,
    };
    Core::new(&settings, now)
}
