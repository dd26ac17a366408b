//! Every fault of the cloud × every call on the way of a Mount × first mount and republish, as a table with counts.
//! Both with values kept for outages (`--serve-stale-for`) and without.
//!
//! `fault-matrix BINARY [--sample N] [--only WORDS]`: with a sample, every so-many-th cell, so that N are left; with
//! words, the cells whose names hold them.
//!
//! In each cell the Mount must either give exactly the right files, each secret of one version, or fail whole, with a
//! final code and a message that names the step, before its deadline; and the next Mount after the fault is gone must
//! give what the cloud holds then. Where values are kept for outages, it is laid down which of both must happen
//! ([`oracle`]): in an outage exactly what was read before, with its version and no older than the duration; after a
//! refusal a failure, and nothing in the outage that follows. Nothing panics. At rest, the provider has the threads and descriptors that one of
//! the same setting has which met no fault.

mod call;
mod cell;
mod fault;
mod oracle;
mod rest;
mod world;

use std::collections::BTreeMap;
use std::error::Error;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use call::CALLS;
use cell::{Cell, Resting, Seen};
use rest::Rest;
use world::{Generations, Outcome, World};

/// Cells under way at once: they mostly wait.
const WORKERS: usize = 40;

/// A row of the table.
#[derive(Default)]
struct Row {
    cells: usize,
    succeeded: usize,
    served: usize,
    failed: usize,
    untouched: usize,
    codes: BTreeMap<String, usize>,
}

fn main() -> Result<(), Box<dyn Error>> {
    let usage = "usage: fault-matrix BINARY [--sample N] [--only WORDS]";
    let mut arguments = std::env::args().skip(1);
    let binary = PathBuf::from(arguments.next().ok_or(usage)?);
    let mut cells = Cell::all();
    let whole = cells.len();
    while let Some(flag) = arguments.next() {
        let value = arguments.next().ok_or(usage)?;
        match flag.as_str() {
            "--sample" => cells = sample(&cells, value.parse()?),
            "--only" => cells.retain(|cell| cell.to_string().contains(&value)),
            _ => return Err(usage.into()),
        }
    }
    let rests = rests(&binary, &cells)?;
    let rows: Mutex<BTreeMap<&str, Row>> = Mutex::default();
    let problems = Mutex::new(Vec::new());
    side_by_side(&cells, |cell| {
        let outcome = match rests.iter().find(|(of, _)| *of == cell.rests_as()) {
            Some((_, rest)) => cell.run(&binary, *rest),
            None => Err("no comparison".to_owned()),
        };
        let mut rows = rows.lock().expect("rows");
        let row = rows.entry(cell.call.name).or_default();
        row.cells += 1;
        match outcome {
            Ok(Seen {
                code: None,
                served,
                struck,
            }) => {
                row.succeeded += usize::from(!served);
                row.served += usize::from(served);
                row.untouched += usize::from(!struck);
            }
            Ok(Seen { code: Some(code), .. }) => {
                row.failed += 1;
                *row.codes.entry(format!("{code:?}")).or_default() += 1;
            }
            Err(problem) => problems
                .lock()
                .expect("problems")
                .push(format!("{cell}: {problem}")),
        }
    });
    let problems = problems.into_inner()?;
    print(&rows.into_inner()?, &rests)?;
    let out = &mut io::stdout();
    writeln!(
        out,
        "{} of {whole} cells, {} problems",
        cells.len(),
        problems.len()
    )?;
    for problem in &problems {
        writeln!(out, "PROBLEM {problem}")?;
    }
    if cells.is_empty() || !problems.is_empty() {
        return Err("the matrix has problems".into());
    }
    Ok(())
}

/// `count` of the cells, at even distances from the first to the last: some of each call in each phase.
fn sample(cells: &[Cell], count: usize) -> Vec<Cell> {
    let count = count.min(cells.len());
    let at = (0..count).map(|number| number * cells.len() / count);
    at.filter_map(|at| cells.get(at).cloned()).collect()
}

/// What providers hold at rest that have met no fault, after Mounts as in a cell and more: of each setting, without
/// values that are kept for outages and with them.
fn rests(binary: &Path, cells: &[Cell]) -> Result<Vec<(Resting, Rest)>, Box<dyn Error>> {
    let mut kinds: Vec<Resting> = Vec::new();
    for cell in cells {
        if !kinds.contains(&cell.rests_as()) {
            kinds.push(cell.rests_as());
        }
    }
    let rests = Mutex::new(Vec::new());
    side_by_side(&kinds, |kind| {
        let rest = rest(binary, *kind);
        rests.lock().expect("rests").push((*kind, rest));
    });
    let mut good = Vec::new();
    for (kind, rest) in rests.into_inner()? {
        good.push((kind, rest.map_err(|problem| format!("{kind:?}: {problem}"))?));
    }
    Ok(good)
}

fn rest(binary: &Path, kind: Resting) -> Result<Rest, String> {
    let world = World::start(binary, kind.setting, kind.keep())?;
    for generation in ["one", "two", "three"] {
        world.fill(generation);
        match world.mount()? {
            Outcome::Files(seen) if seen == Generations::both(generation) => {}
            other => return Err(format!("a Mount without any fault: {other:?}")),
        }
    }
    let rest = Rest::settled(&world)?;
    // Two Mounts at once may need a connection each to KMS and to OOS.
    Ok(if kind.keeps { rest.and_connections(2) } else { rest })
}

/// Does something with each of `items`, [`WORKERS`] at a time.
fn side_by_side<T: Sync>(items: &[T], act: impl Fn(&T) + Sync) {
    let next = AtomicUsize::new(0);
    thread::scope(|scope| {
        for _ in 0..WORKERS.min(items.len()) {
            scope.spawn(|| {
                while let Some(item) = items.get(next.fetch_add(1, Ordering::Relaxed)) {
                    act(item);
                }
            });
        }
    });
}

fn print(rows: &BTreeMap<&str, Row>, rests: &[(Resting, Rest)]) -> io::Result<()> {
    let out = &mut io::stdout();
    writeln!(out, "at rest without a fault:")?;
    for (Resting { setting, keeps }, rest) in rests {
        let with = if *keeps { "with values kept" } else { "" };
        writeln!(out, "  {:<16} {with:<16} {rest}", format!("{setting:?}"))?;
    }
    writeln!(
        out,
        "{:<27} {:>5} {:>9} {:>6} {:>6} {:>9}  codes of failures",
        "call", "cells", "succeeded", "served", "failed", "untouched"
    )?;
    for call in CALLS {
        let Some(row) = rows.get(call.name) else { continue };
        let codes: Vec<String> = row
            .codes
            .iter()
            .map(|(code, count)| format!("{code} {count}"))
            .collect();
        writeln!(
            out,
            "{:<27} {:>5} {:>9} {:>6} {:>6} {:>9}  {}",
            call.name,
            row.cells,
            row.succeeded,
            row.served,
            row.failed,
            row.untouched,
            codes.join(", ")
        )?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use harness::{CertificateFault, CutPoint, Fault, HandshakeFault};

    use super::*;

    /// Each kind of fault that the cloud has, numbered from 0. A new one does not compile until it stands here.
    fn kind(fault: &Fault) -> usize {
        match fault {
            Fault::Error { .. } => 0,
            Fault::Throttle => 1,
            Fault::ThrottleByGateway => 2,
            Fault::Answer { .. } => 3,
            Fault::Html { .. } => 4,
            Fault::Redirect { .. } => 5,
            Fault::EmptyBody => 6,
            Fault::TruncatedBody => 7,
            Fault::SetField { .. } => 8,
            Fault::RemoveField { .. } => 9,
            Fault::Gzip => 10,
            Fault::Delay { .. } => 11,
            Fault::Hold => 12,
            Fault::Slow { .. } => 13,
            Fault::ClockOffset { .. } => 14,
            Fault::Cut(CutPoint::BeforeHead) => 15,
            Fault::Cut(CutPoint::BeforeBody) => 16,
            Fault::Cut(CutPoint::InsideBody) => 17,
            Fault::Cut(CutPoint::AfterBody) => 18,
            Fault::Certificate(CertificateFault::Expired) => 19,
            Fault::Certificate(CertificateFault::WrongHost) => 20,
            Fault::Certificate(CertificateFault::UnknownAuthority) => 21,
            Fault::Handshake(HandshakeFault::Closed) => 22,
            Fault::Handshake(HandshakeFault::Cut) => 23,
            Fault::Handshake(HandshakeFault::Hold) => 24,
            Fault::Handshake(HandshakeFault::PlainHttp) => 25,
            Fault::Handshake(HandshakeFault::Refused) => 26,
        }
    }

    #[test]
    fn every_fault_of_the_cloud_strikes_every_call() {
        for call in CALLS {
            let struck: BTreeSet<usize> = fault::columns(call).iter().map(|it| kind(&it.fault)).collect();
            let all = if call.is_over_tls() { 0..27 } else { 0..19 };
            assert_eq!(struck, all.collect(), "{}", call.name);
        }
    }

    /// The sample of the gate.
    #[test]
    fn a_sample_has_cells_of_each_call_and_phase() {
        let all = Cell::all();
        let of = |cells: &[Cell]| -> BTreeSet<String> {
            let rows = cells
                .iter()
                .map(|cell| format!("{} {:?}", cell.call.name, cell.phase));
            rows.collect()
        };
        let sample = sample(&all, 120);
        assert_eq!(sample.len(), 120);
        let over = |row: &String| row.ends_with("Over");
        let mut rows = of(&all);
        let mut sampled = of(&sample);
        // Of what is kept too long there are fewer cells: of some calls.
        assert!(sampled.iter().any(over));
        rows.retain(|row| !over(row));
        sampled.retain(|row| !over(row));
        assert_eq!(sampled, rows);
    }
}
