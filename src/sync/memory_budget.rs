//! The memory budget: how many bytes the process may hold at once for requests, fetched values, copies and responses.
//!
//! A [`Share`] is taken before the memory is allocated, and returned when it is dropped. If there is none, callers
//! wait in a queue, so that small shares do not starve a large one, but never past their deadline.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use super::cancellation::Cancellation;
use crate::clock::Clock;
use crate::limits;

/// A shared number of bytes. Clones are the same budget.
#[derive(Clone)]
pub struct Budget(Arc<Inner>);

struct Inner {
    total: usize,
    state: Mutex<State>,
}

struct State {
    free: usize,
    waiting: VecDeque<Arc<Waiter>>,
    /// Requests that leave the reserve free.
    with_reserve: VecDeque<Arc<Waiter>>,
}

struct Waiter {
    bytes: usize,
    /// Bytes that must stay free.
    leaves: usize,
    granted: Mutex<Option<Share>>,
    wake: Box<dyn Fn() + Send + Sync>,
}

/// Why no share was granted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exhausted {
    /// The call was cancelled while waiting.
    Cancelled,
    /// The deadline passed.
    OutOfTime {
        /// The bytes asked for.
        bytes: usize,
        /// The whole budget.
        total: usize,
    },
    /// More than the whole budget.
    TooLarge {
        /// The bytes asked for.
        bytes: usize,
        /// The whole budget.
        total: usize,
    },
}

impl Budget {
    /// A budget of `total` bytes.
    pub fn new(total: usize) -> Self {
        Self(Arc::new(Inner {
            total,
            state: Mutex::new(State {
                free: total,
                waiting: VecDeque::new(),
                with_reserve: VecDeque::new(),
            }),
        }))
    }

    /// The whole budget, in bytes.
    pub fn total(&self) -> usize {
        self.0.total
    }

    /// Bytes in use.
    pub fn used(&self) -> usize {
        self.0.total - self.0.lock().free
    }

    /// A share of `bytes`, waiting until `deadline` at the latest, or until the call is cancelled.
    pub fn acquire(
        &self,
        bytes: usize,
        deadline: Instant,
        cancellation: &Cancellation,
        clock: &dyn Clock,
    ) -> Result<Share, Exhausted> {
        let bell = Arc::new((Mutex::new(()), Condvar::new()));
        let ring = {
            let bell = Arc::clone(&bell);
            move || {
                drop(bell.0.lock().unwrap_or_else(PoisonError::into_inner));
                bell.1.notify_all();
            }
        };
        let request = self.request(bytes, ring.clone())?;
        if let Some(share) = request.take() {
            return Ok(share);
        }
        cancellation.on_cancel(ring);
        let mut guard = bell.0.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if let Some(share) = request.take() {
                return Ok(share);
            }
            if cancellation.is_cancelled() {
                return Err(Exhausted::Cancelled);
            }
            let left = deadline.saturating_duration_since(clock.now());
            if left.is_zero() {
                return Err(Exhausted::OutOfTime {
                    bytes,
                    total: self.total(),
                });
            }
            guard = bell
                .1
                .wait_timeout(guard, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
    }

    /// Requests a share of `bytes` without waiting. `wake` runs when it is granted later, on the thread that returned
    /// bytes: it must be short and take no lock that is held while shares are dropped.
    pub fn request(
        &self,
        bytes: usize,
        wake: impl Fn() + Send + Sync + 'static,
    ) -> Result<Request, Exhausted> {
        self.enter(bytes, 0, wake)
    }

    /// The same for a caller that will ask for more before returning this, as a request does for its volume. A part
    /// of the budget stays reserved for those later shares, which do not wait behind this one: otherwise requests
    /// alone could take all memory, and each would wait for the others.
    pub fn request_with_reserve(
        &self,
        bytes: usize,
        wake: impl Fn() + Send + Sync + 'static,
    ) -> Result<Request, Exhausted> {
        let part = self.0.total / limits::REQUESTS_BUDGET_DIVISOR;
        self.enter(bytes, part.min(self.0.total.saturating_sub(bytes)), wake)
    }

    fn enter(
        &self,
        bytes: usize,
        leaves: usize,
        wake: impl Fn() + Send + Sync + 'static,
    ) -> Result<Request, Exhausted> {
        if bytes > self.0.total {
            return Err(Exhausted::TooLarge {
                bytes,
                total: self.0.total,
            });
        }
        let waiter = Arc::new(Waiter {
            bytes,
            leaves,
            granted: Mutex::new(None),
            wake: Box::new(wake),
        });
        let mut state = self.0.lock();
        let is_first = state.waiting.is_empty() && (leaves == 0 || state.with_reserve.is_empty());
        if is_first && waiter.fits(state.free) {
            state.free -= bytes;
            drop(state);
            *waiter.granted() = Some(Share {
                bytes,
                budget: self.clone(),
            });
        } else if leaves == 0 {
            state.waiting.push_back(Arc::clone(&waiter));
        } else {
            state.with_reserve.push_back(Arc::clone(&waiter));
        }
        Ok(Request {
            waiter,
            budget: self.clone(),
        })
    }

    /// Returns `bytes` and grants what fits now.
    fn give_back(&self, bytes: usize) {
        let mut granted = Vec::new();
        let mut state = self.0.lock();
        state.free += bytes;
        let State {
            free,
            waiting,
            with_reserve,
        } = &mut *state;
        while let Some(waiter) = waiting.pop_front_if(|waiter| waiter.fits(*free)) {
            *free -= waiter.bytes;
            granted.push(waiter);
        }
        while waiting.is_empty()
            && let Some(waiter) = with_reserve.pop_front_if(|waiter| waiter.fits(*free))
        {
            *free -= waiter.bytes;
            granted.push(waiter);
        }
        drop(state);
        for waiter in granted {
            *waiter.granted() = Some(Share {
                bytes: waiter.bytes,
                budget: self.clone(),
            });
            (waiter.wake)();
        }
    }
}

impl Inner {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Waiter {
    fn fits(&self, free: usize) -> bool {
        self.bytes.saturating_add(self.leaves) <= free
    }

    fn granted(&self) -> MutexGuard<'_, Option<Share>> {
        self.granted.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A place in the queue. Dropping it gives up the place.
pub struct Request {
    waiter: Arc<Waiter>,
    budget: Budget,
}

impl Request {
    /// The share, once it has been granted.
    pub fn take(&self) -> Option<Share> {
        self.waiter.granted().take()
    }
}

impl Drop for Request {
    fn drop(&mut self) {
        let is_other = |waiter: &Arc<Waiter>| !Arc::ptr_eq(waiter, &self.waiter);
        let mut state = self.budget.0.lock();
        state.waiting.retain(is_other);
        state.with_reserve.retain(is_other);
        drop(state);
        self.budget.give_back(0); // those behind may fit
        drop(self.take());
    }
}

/// Bytes taken from the budget until the share is dropped.
pub struct Share {
    bytes: usize,
    budget: Budget,
}

impl Share {
    /// How many bytes.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Adds another share of the same budget to this one.
    pub fn merge(&mut self, mut other: Self) {
        debug_assert!(
            Arc::ptr_eq(&self.budget.0, &other.budget.0),
            "shares of two budgets"
        );
        self.bytes += std::mem::take(&mut other.bytes);
    }

    /// Splits up to `bytes` of this share off into a new one.
    #[must_use]
    pub fn split(&mut self, bytes: usize) -> Self {
        let bytes = bytes.min(self.bytes);
        self.bytes -= bytes;
        Self {
            bytes,
            budget: self.budget.clone(),
        }
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        if self.bytes > 0 {
            self.budget.give_back(self.bytes);
        }
    }
}

impl fmt::Debug for Budget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Budget")
            .field("total", &self.total())
            .finish_non_exhaustive()
    }
}

impl fmt::Display for Exhausted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cancelled => f.write_str("call cancelled while waiting for memory"),
            Self::OutOfTime { bytes, total } => write!(
                f,
                "timed out waiting for {bytes} bytes: the memory budget of {total} bytes is in use; raise \
                 --memory-budget or start fewer pods at once"
            ),
            Self::TooLarge { bytes, total } => write!(
                f,
                "{bytes} bytes do not fit into the memory budget of {total} bytes; raise --memory-budget, and the container's memory limit with it"
            ),
        }
    }
}

impl std::error::Error for Exhausted {}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::thread;
    use std::time::Duration;

    use super::*;
    use crate::clock::SystemClock;

    fn soon() -> Instant {
        SystemClock.now() + Duration::from_millis(20)
    }

    fn acquire(budget: &Budget, bytes: usize, deadline: Instant) -> Result<Share, Exhausted> {
        budget.acquire(bytes, deadline, &Cancellation::new(), &SystemClock)
    }

    #[test]
    fn shares_come_back_when_dropped() {
        let budget = Budget::new(100);
        let mut first = acquire(&budget, 60, soon()).unwrap();
        assert!(matches!(
            acquire(&budget, 50, soon()),
            Err(Exhausted::OutOfTime {
                bytes: 50,
                total: 100
            })
        ));
        first.merge(acquire(&budget, 40, soon()).unwrap());
        assert_eq!((first.bytes(), budget.used()), (100, 100));
        drop(first);
        assert_eq!(budget.used(), 0);
    }

    #[test]
    fn more_than_everything_is_refused_at_once() {
        let far = SystemClock.now() + Duration::from_secs(3600);
        let refused = acquire(&Budget::new(100), 101, far);
        assert_eq!(
            refused.map(|_| ()),
            Err(Exhausted::TooLarge {
                bytes: 101,
                total: 100
            })
        );
    }

    #[test]
    fn the_line_is_first_come_first_served_and_places_can_be_given_up() {
        let budget = Budget::new(100);
        let woken = Arc::new(AtomicUsize::new(0));
        let request = |bytes| {
            let woken = Arc::clone(&woken);
            budget.request(bytes, move || {
                woken.fetch_add(1, Ordering::SeqCst);
            })
        };
        let held = request(50).unwrap().take().unwrap();
        let large = request(80).unwrap();
        let small = request(10).unwrap();
        assert!(
            large.take().is_none() && small.take().is_none(),
            "the small one must not overtake"
        );
        drop(large);
        assert_eq!(woken.load(Ordering::SeqCst), 1);
        let small = small.take().unwrap();
        assert_eq!(budget.used(), 60);
        let large = request(100).unwrap();
        drop((held, small));
        assert_eq!(woken.load(Ordering::SeqCst), 2);
        drop(large); // granted, never taken
        assert_eq!(budget.used(), 0);
    }

    /// Requests take three quarters at most, and do not block volumes.
    #[test]
    fn who_will_ask_for_more_leaves_a_part() {
        let budget = Budget::new(100);
        let with_reserve = |bytes| budget.request_with_reserve(bytes, || ()).unwrap();
        let held: Vec<Share> = (0..3).filter_map(|_| with_reserve(25).take()).collect();
        assert_eq!((held.len(), budget.used()), (3, 75));
        let waiting = with_reserve(10);
        assert!(waiting.take().is_none());
        let volume = acquire(&budget, 25, soon()).expect("what is left");
        drop(held);
        assert_eq!(waiting.take().map(|share| share.bytes()), Some(10));
        drop(volume);
        let all = with_reserve(100).take().expect("all, without other callers");
        assert_eq!(budget.used(), 100);
        drop(all);
        assert_eq!(budget.used(), 0);
    }

    #[test]
    fn a_waiting_thread_gets_what_another_gives_back() {
        let budget = Budget::new(100);
        let held = acquire(&budget, 100, soon()).unwrap();
        let far = SystemClock.now() + Duration::from_secs(3600);
        thread::scope(|scope| {
            let waiting = scope.spawn(|| acquire(&budget, 100, far).map(|share| share.bytes()));
            drop(held);
            assert_eq!(waiting.join().unwrap(), Ok(100));
        });
        assert_eq!(budget.used(), 0);
    }

    #[test]
    fn a_cancelled_call_stops_waiting() {
        let budget = Budget::new(1);
        let _held = acquire(&budget, 1, soon()).unwrap();
        let cancellation = Cancellation::new();
        let far = SystemClock.now() + Duration::from_secs(3600);
        thread::scope(|scope| {
            let waiting = scope.spawn(|| {
                budget
                    .acquire(1, far, &cancellation, &SystemClock)
                    .map(|share| share.bytes())
            });
            cancellation.cancel();
            assert_eq!(waiting.join().unwrap(), Err(Exhausted::Cancelled));
        });
    }
}
