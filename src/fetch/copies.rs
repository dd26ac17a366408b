//! Copies of values: for repeated mounts a short while later, and for outages.
//!
//! A copy is never older than the interval, never used for another key (and so never for another identity), and is
//! removed when it expires, used or not. Pure: time is an argument.

use std::collections::{BTreeMap, HashMap};
use std::hash::Hash;
use std::time::{Duration, Instant};

use crate::limits;

/// Copies by key, bounded in number and bytes.
#[derive(Debug)]
pub(super) struct Copies<K, V> {
    interval: Duration,
    most_bytes: usize,
    bytes: usize,
    held: HashMap<K, Held<V>>,
    /// By expiry; the number separates copies that expire at the same instant.
    order: BTreeMap<(Instant, u64), K>,
    counter: u64,
}

#[derive(Debug)]
struct Held<V> {
    value: V,
    bytes: usize,
    read: Instant,
    until: Instant,
    number: u64,
}

impl<K: Clone + Eq + Hash, V: Clone> Copies<K, V> {
    /// Keeps copies for `interval`, in at most `most_bytes`.
    pub(super) fn new(interval: Duration, most_bytes: usize) -> Self {
        Self {
            interval,
            most_bytes,
            bytes: 0,
            held: HashMap::new(),
            order: BTreeMap::new(),
            counter: 0,
        }
    }

    /// The longest time that a copy is kept.
    pub(super) const fn interval(&self) -> Duration {
        self.interval
    }

    /// The copy of `key` and when it was read, unless it has expired.
    pub(super) fn get(&self, key: &K, now: Instant) -> Option<(V, Instant)> {
        let held = self.held.get(key)?;
        (now < held.until).then(|| (held.value.clone(), held.read))
    }

    /// Keeps the result of a call sent at `read` for `life` from then on, at most the interval, unless there is a
    /// newer copy. Copies that expire first make room. An older copy is removed even if this one cannot be kept.
    pub(super) fn put(
        &mut self,
        key: &K,
        value: V,
        bytes: usize,
        read: Instant,
        life: Duration,
        now: Instant,
    ) {
        let until = read + life.min(self.interval);
        let bytes = bytes.saturating_add(limits::COPY_OVERHEAD_BYTES);
        if self.held.get(key).is_some_and(|held| held.read > read) {
            return;
        }
        self.remove(key);
        if bytes > self.most_bytes || now >= until {
            return;
        }
        while self.held.len() >= limits::COPIES || self.bytes + bytes > self.most_bytes {
            let Some((_, oldest)) = self.order.pop_first() else {
                break;
            };
            self.remove(&oldest);
        }
        self.counter += 1;
        let number = self.counter;
        self.bytes += bytes;
        self.order.insert((until, number), key.clone());
        self.held.insert(
            key.clone(),
            Held {
                value,
                bytes,
                read,
                until,
                number,
            },
        );
    }

    /// Drops the copy of `key` if it was read before `sent`: the cloud has refused a call sent at that time.
    pub(super) fn refused(&mut self, key: &K, sent: Instant) {
        if self.held.get(key).is_some_and(|held| held.read <= sent) {
            self.remove(key);
        }
    }

    /// Drops the copies of all keys that `is_meant`.
    pub(super) fn forget(&mut self, is_meant: impl Fn(&K) -> bool) {
        let meant = self.held.keys().filter(|key| is_meant(key));
        for key in meant.cloned().collect::<Vec<_>>() {
            self.remove(&key);
        }
    }

    /// Drops expired copies.
    pub(super) fn sweep(&mut self, now: Instant) {
        while let Some(expiry) = self.expiry()
            && expiry <= now
            && let Some((_, oldest)) = self.order.pop_first()
        {
            self.remove(&oldest);
        }
        if self.held.is_empty() {
            self.held.shrink_to(0);
        }
    }

    /// When the next copy expires.
    pub(super) fn expiry(&self) -> Option<Instant> {
        let ((until, _), _) = self.order.first_key_value()?;
        Some(*until)
    }

    /// Number of copies, and their bytes.
    pub(super) fn size(&self) -> (usize, usize) {
        (self.held.len(), self.bytes)
    }

    fn remove(&mut self, key: &K) {
        if let Some(held) = self.held.remove(key) {
            self.bytes -= held.bytes;
            self.order.remove(&(held.until, held.number));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::{Clock as _, SystemClock};

    const MINUTE: Duration = Duration::from_secs(60);
    const SECOND: Duration = Duration::from_secs(1);

    fn get<K: Clone + Eq + Hash, V: Clone>(copies: &Copies<K, V>, key: &K, now: Instant) -> Option<V> {
        copies.get(key, now).map(|(value, _)| value)
    }

    #[test]
    fn young_enough_or_not_at_all() {
        let start = SystemClock.now();
        let mut copies = Copies::new(MINUTE, 1 << 20);
        copies.put(&"a", 1, 10, start, MINUTE, start);
        assert_eq!(get(&copies, &"a", start + MINUTE - SECOND), Some(1));
        assert_eq!(get(&copies, &"a", start + MINUTE), None);
        assert_eq!(get(&copies, &"b", start), None);
        assert_eq!(copies.expiry(), Some(start + MINUTE));
        copies.sweep(start + MINUTE - SECOND);
        assert_eq!(copies.size().0, 1);
        copies.sweep(start + MINUTE);
        assert_eq!(copies.size(), (0, 0));
        assert_eq!(copies.expiry(), None);
    }

    #[test]
    fn a_life_may_be_shorter_than_the_interval_and_not_longer() {
        let start = SystemClock.now();
        let mut copies = Copies::new(MINUTE, 1 << 20);
        copies.put(&"a", 1, 10, start, SECOND, start);
        copies.put(&"b", 2, 10, start, 2 * MINUTE, start);
        copies.put(&"c", 3, 10, start, Duration::ZERO, start);
        assert_eq!(copies.expiry(), Some(start + SECOND));
        copies.sweep(start + SECOND);
        assert_eq!(get(&copies, &"a", start + SECOND), None);
        assert_eq!(get(&copies, &"b", start + SECOND), Some(2));
        assert_eq!(get(&copies, &"c", start), None);
        copies.sweep(start + MINUTE);
        assert_eq!(copies.size(), (0, 0));
    }

    #[test]
    fn what_was_sent_later_wins_however_they_arrive() {
        let start = SystemClock.now();
        let mut copies = Copies::new(MINUTE, 1 << 20);
        copies.put(&"a", 2, 10, start + SECOND, MINUTE, start + 2 * SECOND);
        copies.put(&"a", 1, 10, start, MINUTE, start + 3 * SECOND);
        assert_eq!(get(&copies, &"a", start + 4 * SECOND), Some(2));
        copies.put(&"a", 3, 10, start + 2 * SECOND, MINUTE, start + 4 * SECOND);
        assert_eq!(get(&copies, &"a", start + 4 * SECOND), Some(3));
        assert_eq!(copies.size().0, 1);
    }

    #[test]
    fn a_refusal_drops_what_was_read_before_it() {
        let start = SystemClock.now();
        let mut copies = Copies::new(MINUTE, 1 << 20);
        copies.put(&"a", 1, 10, start + SECOND, MINUTE, start + SECOND);
        copies.refused(&"a", start);
        assert_eq!(
            get(&copies, &"a", start + SECOND),
            Some(1),
            "the refusal is older"
        );
        copies.refused(&"a", start + 2 * SECOND);
        assert_eq!(get(&copies, &"a", start + 2 * SECOND), None);
        assert_eq!(copies.size(), (0, 0));
    }

    #[test]
    fn a_copy_knows_when_it_was_read_and_can_be_forgotten() {
        let start = SystemClock.now();
        let mut copies = Copies::new(MINUTE, 1 << 20);
        for key in ["a", "b", "ab"] {
            copies.put(&key, 1, 10, start, MINUTE, start + SECOND);
        }
        assert_eq!(copies.get(&"b", start + SECOND), Some((1, start)));
        copies.forget(|key| key.starts_with('a'));
        assert_eq!(get(&copies, &"b", start + SECOND), Some(1));
        assert_eq!(copies.size().0, 1);
        copies.sweep(start + MINUTE);
        assert_eq!(copies.size(), (0, 0));
    }

    #[test]
    fn number_and_bytes_are_bounded() {
        let start = SystemClock.now();
        let each = 1000 + limits::COPY_OVERHEAD_BYTES;
        let mut copies = Copies::new(MINUTE, 3 * each);
        for key in 0..5_u32 {
            copies.put(
                &key,
                key,
                1000,
                start + SECOND * key,
                MINUTE,
                start + SECOND * key,
            );
        }
        assert_eq!(copies.size(), (3, 3 * each));
        assert_eq!(get(&copies, &1, start + 4 * SECOND), None, "the oldest made room");
        assert_eq!(get(&copies, &2, start + 4 * SECOND), Some(2));
        copies.put(&9, 9, 1 << 30, start + 4 * SECOND, MINUTE, start + 4 * SECOND);
        assert_eq!(get(&copies, &9, start + 4 * SECOND), None, "too large to keep");
        copies.put(&4, 5, 1 << 30, start + 5 * SECOND, MINUTE, start + 5 * SECOND);
        assert_eq!(
            get(&copies, &4, start + 5 * SECOND),
            None,
            "and what it replaces is dropped"
        );
        assert_eq!(copies.size(), (2, 2 * each));

        let mut copies = Copies::new(MINUTE, usize::MAX);
        for key in 0..=limits::COPIES {
            copies.put(&key, (), 0, start, MINUTE, start);
        }
        assert_eq!(copies.size().0, limits::COPIES);
    }
}
