//! What is kept for each identity, bounded: unused entries are dropped, and when there is too much, what
//! has not been asked for the longest.

use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use crate::clock::Clock;
use crate::limits;
use crate::sync::BoundedMap;

/// Values by key, each with the time of its last use.
pub(super) struct Recent<K, V> {
    clock: Arc<dyn Clock>,
    entries: Mutex<BoundedMap<K, (Instant, Arc<V>)>>,
}

impl<K: Clone + Eq + Hash, V> Recent<K, V> {
    pub(super) fn new(clock: Arc<dyn Clock>) -> Self {
        Self {
            clock,
            entries: Mutex::new(BoundedMap::new(limits::IDENTITIES)),
        }
    }

    /// The value of `key`; a new one if there is none.
    pub(super) fn get(&self, key: &K, make: impl FnOnce() -> V) -> Arc<V> {
        let now = self.clock.now();
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        let is_used = |used: &Instant| now.saturating_duration_since(*used) < limits::IDENTITY_UNUSED;
        entries.retain(|other, (used, _)| other == key || is_used(used));
        if let Some((used, value)) = entries.get(key) {
            *used = now;
            return Arc::clone(value);
        }
        let value = Arc::new(make());
        entries.insert(key.clone(), (now, Arc::clone(&value)));
        value
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::time::Duration;

    use super::*;
    use crate::clock::SystemClock;

    struct Moving(Instant, AtomicU64);

    impl Clock for Moving {
        fn now(&self) -> Instant {
            self.0 + Duration::from_secs(self.1.load(Ordering::SeqCst))
        }

        fn wall(&self) -> jiff::Timestamp {
            unreachable!("entries age by monotonic time")
        }
    }

    #[test]
    fn unused_ones_are_dropped_and_used_ones_stay() {
        let clock = Arc::new(Moving(SystemClock.now(), AtomicU64::new(0)));
        let table: Recent<u32, u32> = Recent::new(Arc::clone(&clock) as _);
        let unused = limits::IDENTITY_UNUSED.as_secs();
        table.get(&1, || 10);
        table.get(&2, || 20);
        clock.1.store(unused - 1, Ordering::SeqCst);
        assert_eq!(*table.get(&1, || unreachable!("kept")), 10);
        clock.1.store(unused, Ordering::SeqCst);
        assert_eq!(*table.get(&1, || unreachable!("kept")), 10);
        assert_eq!(
            table.entries.lock().expect("entries").len(),
            1,
            "the second is gone"
        );
        assert_eq!(*table.get(&2, || 21), 21);
    }

    #[test]
    fn a_full_table_drops_what_was_used_the_longest_ago() {
        let clock = Arc::new(Moving(SystemClock.now(), AtomicU64::new(0)));
        let table: Recent<usize, usize> = Recent::new(Arc::clone(&clock) as _);
        for key in 0..limits::IDENTITIES {
            table.get(&key, || key);
            clock.1.fetch_add(1, Ordering::SeqCst);
        }
        table.get(&0, || unreachable!("kept"));
        clock.1.fetch_add(1, Ordering::SeqCst);
        table.get(&limits::IDENTITIES, || 0);
        assert_eq!(table.entries.lock().expect("entries").len(), limits::IDENTITIES);
        assert_eq!(*table.get(&0, || unreachable!("used lately")), 0);
        assert_eq!(*table.get(&1, || 7), 7, "the oldest made room");
    }
}
