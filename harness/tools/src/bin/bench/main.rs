//! Benchmarks of the provider's binary against the fake cloud, each a comparison within one run.
//!
//! `bench [--quick] [--plain-allocator=BINARY] BINARY [CASE…]`. The second binary is for the case `allocator`. Prints a table and fails if a promise of SPECIFICATION.md is missed. What a
//! noisy machine spoils (latencies) is measured several times, and the best counts: noise only adds.

mod allocator;
mod cases;
mod process;
mod report;
mod stand;

use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;

use report::Report;

/// How a case is run.
#[derive(Debug)]
pub(crate) struct Plan {
    /// The provider's binary.
    pub(crate) binary: PathBuf,
    /// A run for the gate: fewer repetitions, the same promises.
    pub(crate) quick: bool,
}

pub(crate) type Outcome<T = ()> = Result<T, Box<dyn Error>>;

fn main() -> Outcome<ExitCode> {
    let mut arguments: Vec<String> = std::env::args().skip(1).collect();
    let before = arguments.len();
    arguments.retain(|argument| argument != "--quick");
    let quick = arguments.len() < before;
    let mut without = None;
    arguments.retain(|argument| match argument.strip_prefix("--plain-allocator=") {
        Some(path) => {
            without = Some(PathBuf::from(path));
            false
        }
        None => true,
    });
    let mut arguments = arguments.into_iter();
    let binary = arguments.next().ok_or("usage: bench [--quick] BINARY [CASE…]")?;
    let plan = Plan {
        binary: binary.into(),
        quick,
    };
    let wanted: Vec<String> = arguments.collect();
    let mut report = Report::default();
    for (name, case) in cases::ALL {
        if wanted.is_empty() || wanted.iter().any(|wanted| wanted == name) {
            report.case(name)?;
            case(&plan, &mut report)?;
        }
    }
    if let Some(without) = without {
        report.case("allocator")?;
        allocator::allocator(&plan, &without, &mut report)?;
    }
    Ok(report.end()?)
}
