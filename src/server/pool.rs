//! The worker pool: threads that start on demand, up to a bound, and end when idle, with a bounded queue.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::os::thread::spawn;

/// A task for a worker.
pub(super) trait Task: Send + 'static {
    /// Whether no caller waits for it any more.
    fn is_dead(&self) -> bool;
    /// Runs the task. Must not panic.
    fn run(self);
}

/// See the [module](self).
pub(super) struct Pool<T> {
    bounds: Bounds,
    state: Mutex<State<T>>,
    work: Condvar,
}

/// Bounds of a pool.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    pub(super) workers: usize,
    pub(super) queue: usize,
    pub(super) idle: Duration,
    pub(super) stack: usize,
}

struct State<T> {
    queue: VecDeque<T>,
    workers: usize,
    /// Workers that sleep, have just started, or are about to take a queued task.
    idle: usize,
}

impl<T: Task> Pool<T> {
    pub(super) fn new(bounds: Bounds) -> Arc<Self> {
        let state = State {
            queue: VecDeque::new(),
            workers: 0,
            idle: 0,
        };
        Arc::new(Self {
            bounds,
            state: Mutex::new(state),
            work: Condvar::new(),
        })
    }

    /// Passes `task` to a worker or queues it. Returns it if the queue is full, or if no thread can be started at all.
    pub(super) fn submit(self: &Arc<Self>, task: T) -> Result<(), T> {
        let Bounds {
            workers,
            queue,
            stack,
            ..
        } = self.bounds;
        let mut state = self.lock();

        let has_room = state.queue.len() < queue + state.idle;
        let wants_worker = state.queue.len() >= state.idle && state.workers < workers;
        if !has_room && !wants_worker {
            return Err(task);
        }
        if wants_worker {
            let pool = Arc::clone(self);
            match spawn("mount", stack, move || pool.work()) {
                Ok(_) => {
                    state.workers += 1;
                    state.idle += 1;
                }
                Err(error) => {
                    log::warn!("cannot start a worker: {error}");
                    if state.workers == 0 {
                        return Err(task);
                    }
                }
            }
        }
        state.queue.push_back(task);
        drop(state);
        self.work.notify_one();
        Ok(())
    }

    /// Drops the tasks that no caller waits for any more, and what they hold.
    pub(super) fn drop_dead(&self) {
        let mut state = self.lock();
        let (dead, alive): (VecDeque<_>, VecDeque<_>) = state.queue.drain(..).partition(Task::is_dead);
        state.queue = alive;
        drop(state);
        drop(dead); // not under the lock
    }

    /// Tasks waiting for a worker.
    pub(super) fn queued(&self) -> usize {
        let state = self.lock();
        state.queue.len().saturating_sub(state.idle)
    }

    /// Number of threads.
    #[cfg(test)]
    pub(super) fn workers(&self) -> usize {
        self.lock().workers
    }

    fn work(&self) {
        let mut state = self.lock();
        state.idle -= 1; // a new worker starts as idle
        loop {
            if let Some(task) = state.queue.pop_front() {
                drop(state);
                task.run();
                state = self.lock();
                continue;
            }
            state.idle += 1;
            let (woken, waited) = self
                .work
                .wait_timeout(state, self.bounds.idle)
                .unwrap_or_else(PoisonError::into_inner);
            state = woken;
            state.idle -= 1;
            if waited.timed_out() && state.queue.is_empty() {
                state.workers -= 1;
                return;
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, Sender, channel};
    use std::thread;

    use super::*;

    /// Reports that it runs, then waits to be released.
    struct Gate {
        running: Sender<()>,
        release: Arc<Mutex<Receiver<()>>>,
        is_dead: bool,
    }

    impl Task for Gate {
        fn is_dead(&self) -> bool {
            self.is_dead
        }

        fn run(self) {
            self.running.send(()).unwrap();
            self.release.lock().unwrap().recv().unwrap();
        }
    }

    #[test]
    fn workers_and_queue_are_bounded_and_dead_tasks_make_room() {
        let bounds = Bounds {
            workers: 2,
            queue: 2,
            idle: Duration::from_millis(1),
            stack: 64 * 1024,
        };
        let pool = Pool::new(bounds);
        let (running, started) = channel();
        let (release, gate) = channel();
        let gate = Arc::new(Mutex::new(gate));
        let task = |is_dead| Gate {
            running: running.clone(),
            release: Arc::clone(&gate),
            is_dead,
        };
        for _ in 0..2 {
            assert!(pool.submit(task(false)).is_ok());
            started.recv().unwrap();
        }
        assert!(pool.submit(task(false)).is_ok());
        assert!(pool.submit(task(true)).is_ok());
        assert_eq!((pool.workers(), pool.queued()), (2, 2));
        assert!(pool.submit(task(false)).is_err(), "the queue is full");
        pool.drop_dead();
        assert!(
            pool.submit(task(false)).is_ok(),
            "takes the place of the dead one"
        );
        assert!(pool.submit(task(false)).is_err(), "the queue is full");
        for _ in 0..4 {
            release.send(()).unwrap();
        }
        for _ in 0..2 {
            started.recv().unwrap();
        }
        while pool.workers() > 0 {
            thread::yield_now(); // idle workers end
        }
    }
}
