//! A cluster in virtual time: how many calls per second it makes, how soon a rotated value has reached all pods, and
//! what fails, with this engine and with a plain one that fetches each object at each mount.
//!
//! The decisions are the shipped ones: each node runs [`csi_provider::fetch::core::Core`]. Time, latency, quota,
//! outages and kubelet's interval are modelled; nothing sleeps or uses the network.
//!
//! `simulate [name=value…]`, names and defaults in [`Scenario`]; without arguments, the table of SPECIFICATION.md.

mod cloud;
mod cluster;
mod engine;
mod queue;
mod scenario;

use std::error::Error;
use std::io::{self, Write as _};
use std::process::ExitCode;
use std::thread;

use cluster::{Outcome, simulate};
use engine::Engine;
use scenario::Scenario;

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let out = &mut io::stdout();
    if !arguments.is_empty() {
        let scenario = Scenario::parse(&arguments)?;
        writeln!(out, "{scenario}\n")?;
        header(out)?;
        for (engine, outcome) in ENGINES.into_iter().zip(&both(&scenario)) {
            row(out, &format!("{} nodes", scenario.nodes), engine, outcome)?;
        }
        return Ok(ExitCode::SUCCESS);
    }
    table(out)
}

/// Where each engine reaches the quota as a cluster grows, and the effects of a smaller quota and an outage. Fails if
/// a promise of SPECIFICATION.md is missed.
fn table(out: &mut impl io::Write) -> Result<ExitCode, Box<dyn Error>> {
    let base = Scenario::default();
    let mut promises = Promises::default();
    writeln!(out, "{base}\n")?;
    header(out)?;
    let mut run = |name: &str, scenario: &Scenario| -> io::Result<[Outcome; 2]> {
        let outcomes = both(scenario);
        for (engine, outcome) in ENGINES.into_iter().zip(&outcomes) {
            row(out, name, engine, outcome)?;
        }
        Ok(outcomes)
    };
    for nodes in [10, 50, 100, 300, 1000] {
        let scenario = Scenario {
            nodes,
            ..base.clone()
        };
        let [ours, plain] = run(&format!("{nodes} nodes"), &scenario)?;
        let cluster = format!("{nodes} nodes that share their objects");
        promises.keep(
            ours.throttled_per_second == 0.0 && ours.failed == 0.0,
            &format!("{cluster}: ours never reaches the quota, and nothing fails"),
        );
        promises.keep(
            ours.everywhere.is_some_and(|seconds| seconds <= 150),
            &format!("{cluster}: a rotated value reaches all pods within two and a half minutes"),
        );
        if nodes >= 100 {
            promises.keep(
                plain.throttled_per_second > 0.0,
                &format!("{cluster}: the plain one reaches it (otherwise the comparison shows nothing)"),
            );
        }
    }
    for nodes in [50, 100] {
        let nothing_common = Scenario {
            nodes,
            common: 0.0,
            ..base.clone()
        };
        run(&format!("{nodes}, nothing in common"), &nothing_common)?;
    }
    let quota = Scenario {
        quota: 60.0,
        ..base.clone()
    };
    let [ours, plain] = run("1000, quota of 60", &quota)?;
    promises.keep(
        ours.throttled_per_second < plain.throttled_per_second / 10.0 && ours.failed < plain.failed / 5.0,
        "under a quota below the load, ours is throttled a tenth and fails a fifth as often as the plain one",
    );
    let outage = Scenario {
        outage_seconds: 60,
        ..base
    };
    let [ours, plain] = run("1000, outage of 60 s", &outage)?;
    promises.keep(
        ours.calls_per_second < plain.calls_per_second / 4.0 && ours.failed < 0.15,
        "an outage does not increase the load, and few mounts fail",
    );
    promises.keep(
        ours.peak_calls as f64 <= 3.0 * ours.mounts_per_second,
        "an outage causes no burst: calls depend on the number of mounts, plus few retries, not on all of their objects",
    );
    promises.end(out)
}

const ENGINES: [Engine; 2] = [Engine::Ours, Engine::Plain];

/// A scenario on both engines, side by side.
fn both(scenario: &Scenario) -> [Outcome; 2] {
    thread::scope(|scope| {
        let ours = scope.spawn(|| simulate(scenario, Engine::Ours));
        let plain = simulate(scenario, Engine::Plain);
        match ours.join() {
            Ok(ours) => [ours, plain],
            Err(panic) => std::panic::resume_unwind(panic),
        }
    })
}

/// Promises checked, and those missed.
#[derive(Debug, Default)]
struct Promises {
    kept: usize,
    missed: Vec<String>,
}

impl Promises {
    fn keep(&mut self, kept: bool, what: &str) {
        if kept {
            self.kept += 1;
        } else {
            self.missed.push(what.to_owned());
        }
    }

    fn end(self, out: &mut impl io::Write) -> Result<ExitCode, Box<dyn Error>> {
        writeln!(out, "\n{} promises kept, {} missed", self.kept, self.missed.len())?;
        for missed in &self.missed {
            writeln!(out, "MISSED {missed}")?;
        }
        Ok(if self.missed.is_empty() {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        })
    }
}

fn header(out: &mut impl io::Write) -> io::Result<()> {
    writeln!(
        out,
        "{:<26} {:<6} {:>9} {:>9} {:>9} {:>11} {:>9} {:>9} {:>12}",
        "cluster",
        "engine",
        "mounts/s",
        "calls/s",
        "peak/s",
        "throttled/s",
        "failed %",
        "stale %",
        "everywhere"
    )
}

fn row(out: &mut impl io::Write, name: &str, engine: Engine, outcome: &Outcome) -> io::Result<()> {
    let everywhere = outcome
        .everywhere
        .map_or_else(|| "not yet".to_owned(), |seconds| format!("{seconds} s"));
    writeln!(
        out,
        "{name:<26} {engine:<6} {:>9.1} {:>9.1} {:>9} {:>11.1} {:>9.2} {:>9.2} {everywhere:>12}",
        outcome.mounts_per_second,
        outcome.calls_per_second,
        outcome.peak_calls,
        outcome.throttled_per_second,
        100.0 * outcome.failed,
        100.0 * outcome.stale,
    )
}
