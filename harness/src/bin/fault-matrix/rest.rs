//! What a provider holds when it has nothing to do: a leak shows as more than that.

use std::collections::BTreeSet;
use std::time::Duration;
use std::{fmt, fs, io, thread};

use crate::world::World;

/// The provider's threads and descriptors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Rest {
    threads: usize,
    /// Without connections to the cloud.
    descriptors: usize,
    /// Connections to the cloud; those that are no longer used are kept for a while.
    connections: usize,
}

impl Rest {
    /// What there is at this moment.
    fn now(world: &World) -> io::Result<Self> {
        let process = format!("/proc/{}", world.provider.id());
        // The table of the process's network namespace: the fourth last of its columns is the socket's inode.
        let mut tcp = BTreeSet::new();
        for line in fs::read_to_string(format!("{process}/net/tcp"))?.lines().skip(1) {
            let columns: Vec<&str> = line.split_whitespace().collect();
            // 0A is LISTEN.
            if let (Some(state), Some(inode)) = (columns.get(3), columns.get(9))
                && *state != "0A"
            {
                tcp.insert(format!("socket:[{inode}]"));
            }
        }
        let (mut descriptors, mut connections) = (0, 0);
        for entry in fs::read_dir(format!("{process}/fd"))? {
            // One that was closed meanwhile is none.
            let Ok(target) = fs::read_link(entry?.path()) else {
                continue;
            };
            if tcp.contains(target.to_string_lossy().as_ref()) {
                connections += 1;
            } else {
                descriptors += 1;
            }
        }
        Ok(Self {
            threads: fs::read_dir(format!("{process}/task"))?.count(),
            descriptors,
            connections,
        })
    }

    /// The least there is once idle threads have ended: the counts after two looks, twelve seconds apart, that are the
    /// same.
    pub(crate) fn settled(world: &World) -> Result<Self, String> {
        let mut last = None;
        for _ in 0..10 {
            let now = Self::now(world).map_err(|error| error.to_string())?;
            if last == Some(now) {
                return Ok(now);
            }
            last = Some(now);
            thread::sleep(LONGER_THAN_IDLE);
        }
        Err(format!("does not settle: {last:?}"))
    }

    /// Waits until the provider holds what it held before: the same threads and descriptors, and no more connections.
    pub(crate) fn await_again(self, world: &World) -> Result<(), String> {
        let mut now = self;
        for _ in 0..PATIENCE.as_millis() / LOOK.as_millis() {
            now = Self::now(world).map_err(|error| error.to_string())?;
            let is_same = (now.threads, now.descriptors) == (self.threads, self.descriptors);
            if is_same && now.connections <= self.connections {
                return Ok(());
            }
            thread::sleep(LOOK);
        }
        Err(format!("at rest it holds {now}, and without the fault {self}"))
    }
}

impl fmt::Display for Rest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            threads,
            descriptors,
            connections,
        } = self;
        write!(
            f,
            "{threads} threads, {descriptors} descriptors, {connections} connections"
        )
    }
}

/// Threads without work end after ten seconds.
const LONGER_THAN_IDLE: Duration = Duration::from_secs(12);

const LOOK: Duration = Duration::from_millis(500);

/// Far more than idle threads have, for a machine that is busy.
const PATIENCE: Duration = Duration::from_secs(90);
