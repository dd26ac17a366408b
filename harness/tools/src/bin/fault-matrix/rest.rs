//! What a provider holds when it has nothing to do: a leak shows as more than that.

use std::collections::BTreeMap;
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
        let tcp = tcp_sockets(&process)?;
        let (mut descriptors, mut connections) = (0, 0);
        for target in descriptors_of(&process)? {
            if tcp.contains_key(&target) {
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

    /// The same with so many connections more.
    pub(crate) fn and_connections(self, more: usize) -> Self {
        Self {
            connections: self.connections + more,
            ..self
        }
    }

    /// Waits until the provider holds what it held before: the same threads and descriptors, and no more connections.
    pub(crate) fn await_again(self, world: &World) -> Result<(), String> {
        let now = self.await_threads_and_descriptors(world)?;
        if now.connections <= self.connections {
            return Ok(());
        }
        // A call that outlived its Mount leaves its connection beside that of the next. Once it has been of no use for
        // long enough, the next Mount drops it.
        thread::sleep(LONGER_THAN_KEPT);
        world.mount()?;
        let now = self.await_threads_and_descriptors(world)?;
        if now.connections <= self.connections {
            return Ok(());
        }
        Err(format!("at rest it holds {now}, and without the fault {self}"))
    }

    fn await_threads_and_descriptors(self, world: &World) -> Result<Self, String> {
        let mut now = self;
        for _ in 0..PATIENCE.as_millis() / LOOK.as_millis() {
            now = Self::now(world).map_err(|error| error.to_string())?;
            if (now.threads, now.descriptors) == (self.threads, self.descriptors) {
                return Ok(now);
            }
            thread::sleep(LOOK);
        }
        Err(format!("at rest it holds {now}, and without the fault {self}"))
    }
}

/// Waits until the provider has learnt that its connections were closed.
pub(crate) fn await_closed(world: &World) -> Result<(), String> {
    let process = format!("/proc/{}", world.provider.id());
    for _ in 0..10_000 {
        let tcp = tcp_sockets(&process).map_err(|error| error.to_string())?;
        let descriptors = descriptors_of(&process).map_err(|error| error.to_string())?;
        if !descriptors
            .iter()
            .any(|target| tcp.get(target).is_some_and(|state| state == ESTABLISHED))
        {
            return Ok(());
        }
        thread::sleep(Duration::from_millis(1));
    }
    Err("connections that were closed stay open".to_owned())
}

/// The sockets of the process's network namespace but those that listen, as its descriptors name them, with their
/// states (`/proc/net/tcp` of proc(5)).
fn tcp_sockets(process: &str) -> io::Result<BTreeMap<String, String>> {
    let table = fs::read_to_string(format!("{process}/net/tcp"))?;
    let sockets = table.lines().skip(1).filter_map(|line| {
        let columns: Vec<&str> = line.split_whitespace().collect();
        let (state, inode) = (columns.get(3)?, columns.get(9)?);
        (*state != LISTEN).then(|| (format!("socket:[{inode}]"), (*state).to_owned()))
    });
    Ok(sockets.collect())
}

/// What the process's descriptors are. One that is closed meanwhile is none.
fn descriptors_of(process: &str) -> io::Result<Vec<String>> {
    let entries = fs::read_dir(format!("{process}/fd"))?.flatten();
    let targets = entries.filter_map(|entry| fs::read_link(entry.path()).ok());
    Ok(targets
        .map(|target| target.to_string_lossy().into_owned())
        .collect())
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

/// Connections that are not used are kept for fifty seconds.
const LONGER_THAN_KEPT: Duration = Duration::from_secs(52);

const ESTABLISHED: &str = "01";
const LISTEN: &str = "0A";

const LOOK: Duration = Duration::from_millis(500);

/// Far more than idle threads have, for a machine that is busy.
const PATIENCE: Duration = Duration::from_secs(90);
