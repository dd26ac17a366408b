//! Many Mounts over one connection, and what they leave behind in the provider: nothing.
//!
//! `soak BINARY [--mounts N] [--seconds S] [--windows W] [--faults]` ends at whichever bound comes first. Volumes of
//! all sizes are mounted side by side by five identities, new ones and known ones, while the secrets are rotated; some
//! calls are cancelled, some have no time, some clients die. An access policy denies some of them, others by turns, as its
//! file is written anew; of what it denies the cloud must hear nothing. With `--faults` the cloud throttles, breaks
//! connections and answers nonsense now and then, and is out of reach for some seconds, in which values that are kept
//! serve (`--serve-stale-for`). A call may fail only for what was asked for; what succeeds must hold exactly the right
//! files, with the right versions, no older than the refresh interval allows, or that duration in an outage. The load comes in windows of equal length; between them
//! memory, threads and file descriptors are measured at rest. The first window warms up; from then on nothing grows.

mod clients;
mod footprint;
mod load;
mod policy;
mod stand;
mod values;
mod volume;

use std::error::Error;
use std::io::Write as _;
use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use footprint::Footprint;
use load::Load;
use stand::Stand;

/// How much more the provider may hold at rest after any window than after the first, connections to the cloud apart:
/// what the allocator is seen to go up and down by.
const GROWTH_KIB: u64 = 2048;

/// Of a hundred Mounts that the cloud may disturb, so many must be right all the same.
const RIGHT_PERCENT: u64 = 80;

type Outcome<T> = Result<T, Box<dyn Error>>;

struct Bounds {
    mounts: u64,
    time: Duration,
    windows: u32,
    faults: bool,
}

fn main() -> Outcome<()> {
    let mut arguments = std::env::args().skip(1);
    let usage = "usage: soak BINARY [--mounts N] [--seconds S] [--windows W] [--faults]";
    let binary = PathBuf::from(arguments.next().ok_or(usage)?);
    let mut bounds = Bounds {
        mounts: u64::MAX,
        time: Duration::from_secs(3600),
        windows: 3,
        faults: false,
    };
    while let Some(flag) = arguments.next() {
        let mut number = || arguments.next().unwrap_or_default().parse();
        match flag.as_str() {
            "--mounts" => bounds.mounts = number()?,
            "--seconds" => bounds.time = Duration::from_secs(number()?),
            "--windows" => bounds.windows = u32::try_from(number()?)?.max(2),
            "--faults" => bounds.faults = true,
            _ => return Err(format!("unknown flag {flag}; {usage}").into()),
        }
    }
    let out = &mut std::io::stdout();
    let stand = Stand::start(binary, bounds.faults)?;
    if bounds.faults {
        stand.disturb();
    }
    let load = Load::new(bounds.faults);
    writeln!(
        out,
        "{} s in {} windows, {} callers, {}",
        bounds.time.as_secs(),
        bounds.windows,
        clients::CALLERS,
        if bounds.faults {
            "a cloud that fails now and then"
        } else {
            "a cloud without faults"
        }
    )?;
    writeln!(
        out,
        "{:<10} {:>10} {:>9} {:>9} {:>8} {:>12} {:>12}",
        "at rest", "Mounts", "resident", "peak", "threads", "descriptors", "of the cloud"
    )?;

    // With the one connection that there will be.
    stand.driver.version()?;
    let start = Footprint::of(&stand.provider)?;
    start.print(out, "start", 0)?;
    let (mut warm, mut busy) = (None, Duration::ZERO);
    let mut problems = Vec::new();
    for window in 1..=bounds.windows {
        let began = now();
        let mounts = bounds.mounts / u64::from(bounds.windows) * u64::from(window);
        clients::run(&stand, &load, mounts, began + bounds.time / bounds.windows);
        busy += began.elapsed();
        std::thread::sleep(footprint::REST);
        let here = Footprint::of(&stand.provider)?;
        let made = load.made.load(Ordering::Relaxed);
        here.print(out, &format!("window {window}"), made)?;
        problems.extend(
            here.problems(&start, warm.get_or_insert(here))
                .into_iter()
                .map(|problem| format!("window {window}: {problem}")),
        );
    }
    let made = load.made.load(Ordering::Relaxed);
    writeln!(
        out,
        "{made} Mounts, {:.0} a second: {}",
        made as f64 / busy.as_secs_f64(),
        load.summary()
    )?;
    problems.extend(load.problems());
    for problem in &problems {
        writeln!(out, "PROBLEM {problem}")?;
    }
    if problems.is_empty() {
        Ok(writeln!(
            out,
            "soak: nothing failed that was not asked to, nothing grew"
        )?)
    } else {
        Err("soak: there are problems".into())
    }
}

#[expect(clippy::disallowed_methods, reason = "a load ends by the clock")]
pub(crate) fn now() -> Instant {
    Instant::now()
}
