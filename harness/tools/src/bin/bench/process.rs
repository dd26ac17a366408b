//! What the kernel says about the provider's process.

use std::fs;
use std::time::Duration;

use harness::process::ProviderProcess;

use crate::Outcome;

/// A moment of a process.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Snapshot {
    /// CPU time used so far, in user and system mode.
    pub(crate) cpu: Duration,
    /// Resident memory in KiB, now and at its highest.
    pub(crate) resident_kib: f64,
    /// See above.
    pub(crate) peak_kib: f64,
    /// Threads.
    pub(crate) threads: f64,
    /// Open file descriptors.
    pub(crate) descriptors: f64,
}

impl Snapshot {
    pub(crate) fn of(provider: &ProviderProcess) -> Outcome<Self> {
        let directory = format!("/proc/{}", provider.id());
        let status = fs::read_to_string(format!("{directory}/status"))?;
        let field = |name: &str| -> Outcome<f64> {
            let line = status.lines().find_map(|line| line.strip_prefix(name));
            let number = line.and_then(|line| line.split_whitespace().next());
            Ok(number.ok_or_else(|| format!("no {name} in /proc"))?.parse()?)
        };
        Ok(Self {
            cpu: cpu(&directory)?,
            resident_kib: field("VmRSS:")?,
            peak_kib: field("VmHWM:")?,
            threads: field("Threads:")?,
            descriptors: fs::read_dir(format!("{directory}/fd"))?.count() as f64,
        })
    }
}

/// CPU time of this process so far: of the fake cloud and of the driver's side.
pub(crate) fn own_cpu() -> Outcome<Duration> {
    cpu("/proc/self")
}

/// For all threads that there are and were: schedstat of each thread would forget those that have ended. In ticks of
/// 10 ms, which is enough for seconds.
fn cpu(directory: &str) -> Outcome<Duration> {
    let stat = fs::read_to_string(format!("{directory}/stat"))?;
    let after_name = stat.rsplit(')').next().unwrap_or_default();
    let fields: Vec<&str> = after_name.split_whitespace().collect();
    let ticks = |at: usize| -> Outcome<u64> { Ok(fields.get(at).ok_or("short stat")?.parse()?) };
    Ok(Duration::from_millis(10 * (ticks(11)? + ticks(12)?)))
}
