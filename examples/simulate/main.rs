//! A cluster in virtual time: how many calls a second it makes, how soon a rotated value is everywhere, and what
//! fails, with this engine and with a plain one that fetches each object at each Mount.
//!
//! The decisions are the shipped ones: each node runs [`csi_provider::fetch::core::Core`]. Time, latency, quota,
//! outages and kubelet's cadence are modelled; nothing sleeps and nothing touches a network.
//!
//! `simulate [name=value…]`, names and defaults in [`Scenario`]; without arguments, the table of SPECIFICATION.md.

mod cloud;
mod cluster;
mod engine;
mod queue;
mod scenario;

use std::error::Error;
use std::io::{self, Write as _};

use cluster::{Outcome, simulate};
use engine::Engine;
use scenario::Scenario;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let out = &mut io::stdout();
    if !arguments.is_empty() {
        let scenario = Scenario::parse(&arguments)?;
        writeln!(out, "{scenario}\n")?;
        header(out)?;
        for engine in [Engine::Ours, Engine::Plain] {
            row(
                out,
                &format!("{} nodes", scenario.nodes),
                engine,
                &simulate(&scenario, engine),
            )?;
        }
        return Ok(());
    }
    table(out)
}

/// Where each engine meets the quota as a cluster grows, and what throttles and outages do.
fn table(out: &mut impl io::Write) -> Result<(), Box<dyn Error>> {
    let base = Scenario::default();
    writeln!(out, "{base}\n")?;
    header(out)?;
    for nodes in [10, 50, 100, 300, 1000] {
        let scenario = Scenario {
            nodes,
            ..base.clone()
        };
        for engine in [Engine::Ours, Engine::Plain] {
            row(
                out,
                &format!("{nodes} nodes"),
                engine,
                &simulate(&scenario, engine),
            )?;
        }
    }
    let thousand = Scenario { nodes: 1000, ..base };
    for (name, scenario) in [
        (
            "1000, no common secrets",
            Scenario {
                common: 0.0,
                ..thousand.clone()
            },
        ),
        (
            "1000, throttled by others",
            Scenario {
                quota: 60.0,
                ..thousand.clone()
            },
        ),
        (
            "1000, outage of 60 s",
            Scenario {
                outage_seconds: 60,
                ..thousand
            },
        ),
    ] {
        for engine in [Engine::Ours, Engine::Plain] {
            row(out, name, engine, &simulate(&scenario, engine))?;
        }
    }
    Ok(())
}

fn header(out: &mut impl io::Write) -> io::Result<()> {
    writeln!(
        out,
        "{:<26} {:<6} {:>9} {:>9} {:>9} {:>11} {:>9} {:>9} {:>12}",
        "cluster",
        "engine",
        "Mounts/s",
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
