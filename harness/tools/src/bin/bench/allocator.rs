//! What it costs to wipe every block of memory that is freed: the same provider with and without, in turns.

use std::path::Path;

use crate::cases::{PLAIN, cpu_of_1000};
use crate::report::Report;
use crate::{Outcome, Plan};

/// Runs of each; the best counts, as noise only adds.
const RUNS: usize = 3;

/// `without` is the same provider, built with `--cfg plain_allocator`.
pub(crate) fn allocator(plan: &Plan, without: &Path, report: &mut Report) -> Outcome {
    let other = Plan {
        binary: without.to_owned(),
        quick: plan.quick,
    };
    let (mut wiping, mut plain) = (f64::INFINITY, f64::INFINITY);
    for _ in 0..RUNS {
        wiping = wiping.min(cpu_of_1000(plan, true, &PLAIN)?.provider);
        plain = plain.min(cpu_of_1000(&other, true, &PLAIN)?.provider);
    }
    report.figure(
        "CPU of 1,000 Mounts of 5 objects over TLS, without wiping",
        plain,
        "s",
    )?;
    report.figure("the same with every freed block wiped", wiping, "s")?;
    Ok(report.promise("wiping multiplies the CPU time by", wiping / plain, 1.25, "times")?)
}
