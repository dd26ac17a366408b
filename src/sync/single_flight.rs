//! A lookup that many callers may need at once: one performs it, the others wait. A failure that comes while they
//! wait is theirs too, because asking in turn, each of them would wait for one timeout after another.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError, TryLockError};

/// A lookup with its last answer.
pub struct SingleFlight<T, E> {
    /// How often it was performed.
    asked: AtomicU64,
    last: Mutex<Last<T, E>>,
}

struct Last<T, E> {
    answer: Option<T>,
    /// The failure, if it is shared with waiting callers.
    failure: Option<E>,
}

impl<T, E> Default for SingleFlight<T, E> {
    fn default() -> Self {
        Self {
            asked: AtomicU64::new(0),
            last: Mutex::new(Last {
                answer: None,
                failure: None,
            }),
        }
    }
}

impl<T: Clone, E: Clone> SingleFlight<T, E> {
    /// The last answer if it still `is_good`, otherwise a new one by `ask`. Callers that waited get the same failure
    /// if it `is_common`.
    ///
    /// # Errors
    /// Whatever `ask` fails with.
    pub fn put(
        &self,
        is_good: impl Fn(&T) -> bool,
        is_common: impl Fn(&E) -> bool,
        ask: impl FnOnce() -> Result<T, E>,
    ) -> Result<T, E> {
        let before = self.asked.load(Ordering::Acquire);
        let last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        self.answer(last, before, is_good, is_common, ask)
    }

    /// The same without waiting: `None` while another caller asks.
    pub fn try_put(
        &self,
        is_good: impl Fn(&T) -> bool,
        is_common: impl Fn(&E) -> bool,
        ask: impl FnOnce() -> Result<T, E>,
    ) -> Option<Result<T, E>> {
        let before = self.asked.load(Ordering::Acquire);
        let last = match self.last.try_lock() {
            Ok(last) => last,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => return None,
        };
        Some(self.answer(last, before, is_good, is_common, ask))
    }

    fn answer(
        &self,
        mut last: MutexGuard<'_, Last<T, E>>,
        before: u64,
        is_good: impl Fn(&T) -> bool,
        is_common: impl Fn(&E) -> bool,
        ask: impl FnOnce() -> Result<T, E>,
    ) -> Result<T, E> {
        if let Some(answer) = last.answer.take_if(|answer| is_good(answer)) {
            last.answer = Some(answer.clone());
            return Ok(answer);
        }
        if self.asked.load(Ordering::Acquire) != before
            && let Some(failure) = &last.failure
        {
            return Err(failure.clone());
        }
        let outcome = ask();
        self.asked.fetch_add(1, Ordering::Release);
        *last = Last {
            answer: outcome.as_ref().ok().cloned(),
            failure: outcome.as_ref().err().filter(|it| is_common(it)).cloned(),
        };
        outcome
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Barrier;
    use std::thread;
    use std::time::Duration;

    use super::*;

    const MANY: usize = 16;

    /// How many of many concurrent callers perform the lookup.
    fn asked(question: &SingleFlight<u32, &'static str>, outcome: Result<u32, &'static str>) -> usize {
        let together = Barrier::new(MANY);
        let ask = || {
            together.wait();
            let mut is_asked = false;
            let got = question.put(
                |_| true,
                |failure| *failure == "silence",
                || {
                    is_asked = true;
                    // Long enough for the others to arrive; if they do not, nothing is tested but nothing fails.
                    thread::sleep(Duration::from_millis(50));
                    outcome
                },
            );
            assert_eq!(got, outcome);
            is_asked
        };
        thread::scope(|scope| {
            let all: Vec<_> = (0..MANY).map(|_| scope.spawn(ask)).collect();
            let joined = all.into_iter().map(|it| it.join().expect("no panic"));
            joined.filter(|is_asked| *is_asked).count()
        })
    }

    #[test]
    fn one_asks_for_all() {
        let question = SingleFlight::default();
        assert!(
            asked(&question, Err("silence")) < MANY,
            "those who waited do not ask again"
        );
        assert_eq!(asked(&question, Ok(7)), 1);
        assert_eq!(asked(&question, Ok(7)), 0);
    }

    #[test]
    fn a_failure_of_ones_own_is_not_for_others_and_none_is_kept() {
        let question: SingleFlight<u32, &str> = SingleFlight::default();
        assert_eq!(asked(&question, Err("refused")), MANY);
        assert_eq!(
            question.put(|_| true, |_| true, || Err("silence")),
            Err("silence")
        );
        assert_eq!(
            question.put(|_| true, |_| true, || Ok(1)),
            Ok(1),
            "no caller has waited"
        );
        assert_eq!(
            question.put(|_| false, |_| true, || Ok(2)),
            Ok(2),
            "no longer good"
        );
    }
}
