//! Every fault of the cloud × every call on the way of a Mount × first mount and republish, as a table with counts.
//!
//! `fault-matrix BINARY [--sample N] [--only WORDS]`: with a sample, every so-many-th cell, so that N are left; with
//! words, the cells whose names hold them.
//!
//! In each cell the Mount must either give exactly the right files, each secret of one version, or fail whole, with a
//! final code and a message that names the step, before its deadline; and the next Mount after the fault is gone must
//! give what the cloud holds then. Nothing panics. At rest, the provider has the threads and descriptors that one of
//! the same setting has which met no fault.

mod call;
mod cell;
mod fault;
mod rest;
mod world;

use std::collections::BTreeMap;
use std::error::Error;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use call::{CALLS, Setting};
use cell::{Cell, Seen};
use rest::Rest;
use world::{Outcome, World};

/// Cells under way at once: they mostly wait.
const WORKERS: usize = 40;

/// A row of the table.
#[derive(Default)]
struct Row {
    cells: usize,
    succeeded: usize,
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
            "--sample" => cells = sample(cells, value.parse()?),
            "--only" => cells.retain(|cell| cell.to_string().contains(&value)),
            _ => return Err(usage.into()),
        }
    }
    let rests = rests(&binary, &cells)?;
    let rows: Mutex<BTreeMap<&str, Row>> = Mutex::default();
    let problems = Mutex::new(Vec::new());
    side_by_side(&cells, |cell| {
        let outcome = match rests.iter().find(|(setting, _)| *setting == cell.call.setting) {
            Some((_, rest)) => cell.run(&binary, *rest),
            None => Err("no comparison".to_owned()),
        };
        let mut rows = rows.lock().expect("rows");
        let row = rows.entry(cell.call.name).or_default();
        row.cells += 1;
        match outcome {
            Ok(Seen { code: None, struck }) => {
                row.succeeded += 1;
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

/// `count` of the cells, at even distances that share no factor with the table's sides, as far as one can be had.
fn sample(cells: Vec<Cell>, count: usize) -> Vec<Cell> {
    let step = (cells.len() / count.max(1)).max(1) | 1;
    cells.into_iter().step_by(step).take(count).collect()
}

/// What a provider of each setting holds at rest when it has met no fault, after Mounts as in a cell and more.
fn rests(binary: &Path, cells: &[Cell]) -> Result<Vec<(Setting, Rest)>, Box<dyn Error>> {
    let mut settings: Vec<Setting> = Vec::new();
    for cell in cells {
        if !settings.contains(&cell.call.setting) {
            settings.push(cell.call.setting);
        }
    }
    let rests = Mutex::new(Vec::new());
    side_by_side(&settings, |setting| {
        let rest = rest(binary, *setting);
        rests.lock().expect("rests").push((*setting, rest));
    });
    let rests = rests.into_inner()?;
    let mut good = Vec::new();
    for (setting, rest) in rests {
        good.push((
            setting,
            rest.map_err(|problem| format!("{setting:?}: {problem}"))?,
        ));
    }
    Ok(good)
}

fn rest(binary: &Path, setting: Setting) -> Result<Rest, String> {
    let world = World::start(binary, setting, 0)?;
    for generation in ["one", "two", "two"] {
        world.fill(generation);
        match world.mount()? {
            Outcome::Files(seen) if seen.iter().all(|seen| seen == generation) => {}
            other => return Err(format!("a Mount without any fault: {other:?}")),
        }
    }
    Rest::settled(&world)
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

fn print(rows: &BTreeMap<&str, Row>, rests: &[(Setting, Rest)]) -> io::Result<()> {
    let out = &mut io::stdout();
    writeln!(out, "at rest without a fault:")?;
    for (setting, rest) in rests {
        writeln!(out, "  {:<16} {rest}", format!("{setting:?}"))?;
    }
    writeln!(
        out,
        "{:<27} {:>5} {:>9} {:>6} {:>9}  codes of failures",
        "call", "cells", "succeeded", "failed", "untouched"
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
            "{:<27} {:>5} {:>9} {:>6} {:>9}  {}",
            call.name,
            row.cells,
            row.succeeded,
            row.failed,
            row.untouched,
            codes.join(", ")
        )?;
    }
    Ok(())
}
