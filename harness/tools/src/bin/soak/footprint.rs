//! What the provider holds while it is at rest.

use std::collections::BTreeSet;
use std::fs;
use std::io::Write;
use std::time::Duration;

use harness::process::ProviderProcess;

use crate::{GROWTH_KIB, Outcome, stand};

/// Longer than the provider keeps a worker without work, or a value, and ten seconds until it looks.
pub(crate) const REST: Duration = Duration::from_secs(16);

/// What a kept connection to the cloud holds: two buffers of 32 KiB, and some.
const CONNECTION_KIB: u64 = 80;

/// A moment of the process.
#[derive(Clone, Copy)]
pub(crate) struct Footprint {
    resident_kib: u64,
    peak_kib: u64,
    threads: usize,
    /// File descriptors other than connections to the cloud.
    descriptors: usize,
    /// Connections to the cloud: kept for a while, as many as pulls may be under way.
    connections: usize,
}

impl Footprint {
    pub(crate) fn of(provider: &ProviderProcess) -> Outcome<Self> {
        let process = format!("/proc/{}", provider.id());
        let status = fs::read_to_string(format!("{process}/status"))?;
        let peak = status
            .lines()
            .find_map(|line| line.strip_prefix("VmHWM:"))
            .unwrap_or_default();
        let cloud = tcp_connections(&fs::read_to_string(format!("{process}/net/tcp"))?);
        let open: Vec<_> = fs::read_dir(format!("{process}/fd"))?
            .filter_map(|entry| fs::read_link(entry.ok()?.path()).ok())
            .collect();
        let connections = open
            .iter()
            .filter(|link| cloud.contains(link.to_string_lossy().as_ref()))
            .count();
        Ok(Self {
            resident_kib: provider.resident_kib()?,
            peak_kib: peak.split_whitespace().next().unwrap_or_default().parse()?,
            threads: fs::read_dir(format!("{process}/task"))?.count(),
            descriptors: open.len() - connections,
            connections,
        })
    }

    pub(crate) fn print(&self, out: &mut impl Write, when: &str, mounts: u64) -> Outcome<()> {
        Ok(writeln!(
            out,
            "{when:<10} {mounts:>10} {:>5} KiB {:>5} KiB {:>8} {:>12} {:>12}",
            self.resident_kib, self.peak_kib, self.threads, self.descriptors, self.connections
        )?)
    }

    /// What there is too much of, compared with the start and with the moment after the first window.
    pub(crate) fn problems(&self, start: &Self, warm: &Self) -> Vec<String> {
        let mut problems = Vec::new();
        if self.without_connections() > warm.without_connections() + GROWTH_KIB {
            problems.push(format!("memory grew by more than {GROWTH_KIB} KiB"));
        }
        if self.threads > start.threads {
            problems.push(format!("threads are left over: {} at the start", start.threads));
        }
        if self.descriptors > start.descriptors {
            problems.push(format!(
                "file descriptors are left over: {} at the start",
                start.descriptors
            ));
        }
        if self.connections > stand::CONNECTIONS {
            problems.push(format!(
                "more than {} connections to the cloud",
                stand::CONNECTIONS
            ));
        }
        problems
    }

    /// Resident memory but for that of connections, of which there are now more, now less.
    fn without_connections(&self) -> u64 {
        let connections = u64::try_from(self.connections).unwrap_or_default();
        self.resident_kib.saturating_sub(connections * CONNECTION_KIB)
    }
}

/// The sockets of a `/proc/PID/net/tcp` that are connected, as links in `/proc/PID/fd` name them: listening sockets
/// have no peer.
fn tcp_connections(table: &str) -> BTreeSet<String> {
    table
        .lines()
        .skip(1)
        .filter_map(|line| {
            let words: Vec<&str> = line.split_whitespace().collect();
            let (peer, inode) = (words.get(2)?, words.get(9)?);
            (!peer.ends_with(":0000")).then(|| format!("socket:[{inode}]"))
        })
        .collect()
}
