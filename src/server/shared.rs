//! State shared by all threads.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::counters::Counters;
use super::peer_log::PeerLog;
use super::pool::{Bounds, Pool};
use super::service::{Service, Settings};
use super::worker::Job;
use crate::clock::Clock;
use crate::grpc::{Code, Status};
use crate::limits;
use crate::sync::memory_budget::Budget;

/// See the [module](self).
pub(crate) struct Server {
    pub(super) service: Arc<dyn Service>,
    pub(super) clock: Arc<dyn Clock>,
    pub(crate) budget: Budget,
    pub(super) pool: Arc<Pool<Job>>,
    pub(super) counters: Arc<Counters>,
    pub(super) is_draining: AtomicBool,
    peer_log: PeerLog,
}

impl Server {
    pub(crate) fn new(service: Arc<dyn Service>, clock: Arc<dyn Clock>, settings: Settings) -> Arc<Self> {
        let bounds = Bounds {
            workers: settings.workers,
            queue: settings.queue,
            idle: WORKER_IDLE,
            stack: limits::WORKER_STACK,
        };
        Arc::new(Self {
            service,
            clock,
            budget: Budget::new(settings.memory_budget),
            pool: Pool::new(bounds),
            counters: Arc::default(),
            is_draining: AtomicBool::new(false),
            peer_log: PeerLog::default(),
        })
    }

    pub(super) fn is_draining(&self) -> bool {
        self.is_draining.load(Ordering::Acquire)
    }

    /// Logs a warning that a peer can cause.
    pub(super) fn warn(&self, line: fmt::Arguments<'_>) {
        self.peer_log.warn(self.clock.now(), line);
    }

    /// Passes a mount to the workers, or rejects it if the queue is full.
    pub(super) fn submit(&self, job: Job) {
        self.counters.mounts.increment();
        if let Err(job) = self.pool.submit(job) {
            self.counters.mounts_overloaded.increment();
            let message = "too many mounts at once on this node: all workers are busy and the queue is full; the \
                           next attempt may succeed";
            self.warn(format_args!("mount rejected: {message}"));
            (job.finish)(Err(Status::new(Code::Internal, message)));
        }
    }
}

/// An idle worker ends after this time, which frees its stack.
const WORKER_IDLE: Duration = Duration::from_secs(10);
