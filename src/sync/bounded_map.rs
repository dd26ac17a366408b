//! A map with a bounded number of entries. A new entry replaces the least recently used one.

use std::collections::{BTreeMap, HashMap};
use std::hash::Hash;

/// At most `capacity` values by key, in the order of their use.
pub struct BoundedMap<K, V> {
    capacity: usize,
    entries: HashMap<K, (u64, V)>,
    /// Keys by the number of their last use.
    order: BTreeMap<u64, K>,
    uses: u64,
}

impl<K: Clone + Eq + Hash, V> BoundedMap<K, V> {
    /// An empty map.
    pub fn new(capacity: usize) -> Self {
        Self {
            capacity,
            entries: HashMap::new(),
            order: BTreeMap::new(),
            uses: 0,
        }
    }

    /// Number of entries.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are no entries.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The value of `key`, without counting as a use.
    pub fn peek(&self, key: &K) -> Option<&V> {
        self.entries.get(key).map(|(_, value)| value)
    }

    /// All entries, the least recently used first.
    pub fn iter(&self) -> impl Iterator<Item = (&K, &V)> {
        self.order.values().filter_map(|key| Some((key, self.peek(key)?)))
    }

    /// The value of `key`, which counts as a use.
    pub fn get(&mut self, key: &K) -> Option<&mut V> {
        let (used, value) = self.entries.get_mut(key)?;
        self.uses += 1;
        self.order.remove(used);
        self.order.insert(self.uses, key.clone());
        *used = self.uses;
        Some(value)
    }

    /// Sets the value of `key`, which counts as a use. Returns the removed entry; it is the new one if `capacity` is
    /// 0.
    pub fn insert(&mut self, key: K, value: V) -> Option<(K, V)> {
        self.uses += 1;
        if let Some((used, _)) = self.entries.insert(key.clone(), (self.uses, value)) {
            self.order.remove(&used);
        }
        self.order.insert(self.uses, key);
        if self.len() > self.capacity {
            self.pop_oldest()
        } else {
            None
        }
    }

    /// Removes an entry.
    pub fn remove(&mut self, key: &K) -> Option<V> {
        let (used, value) = self.entries.remove(key)?;
        self.order.remove(&used);
        Some(value)
    }

    /// Removes the least recently used entry.
    pub fn pop_oldest(&mut self) -> Option<(K, V)> {
        let (_, key) = self.order.pop_first()?;
        let (_, value) = self.entries.remove(&key)?;
        Some((key, value))
    }

    /// Keeps only the entries for which `keep` is true.
    pub fn retain(&mut self, mut keep: impl FnMut(&K, &mut V) -> bool) {
        let order = &mut self.order;
        self.entries.retain(|key, (used, value)| {
            let is_kept = keep(key, value);
            if !is_kept {
                order.remove(used);
            }
            is_kept
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(capacity: usize, keys: &[u32]) -> BoundedMap<u32, u32> {
        let mut map = BoundedMap::new(capacity);
        for key in keys {
            assert_eq!(map.insert(*key, key * 10), None);
        }
        map
    }

    fn keys(map: &BoundedMap<u32, u32>) -> Vec<u32> {
        assert_eq!(map.iter().count(), map.len());
        map.iter().map(|(key, _)| *key).collect()
    }

    #[test]
    fn the_least_recently_used_makes_room() {
        let mut map = map(3, &[1, 2, 3]);
        assert_eq!(map.get(&1), Some(&mut 10));
        assert_eq!(map.peek(&2), Some(&20), "does not count");
        assert_eq!(map.insert(4, 40), Some((2, 20)));
        assert_eq!(map.insert(3, 31), None, "the same key again");
        assert_eq!(keys(&map), [1, 4, 3]);
        assert_eq!((map.peek(&2), map.peek(&3)), (None, Some(&31)));
    }

    #[test]
    fn entries_leave_in_every_way() {
        let mut map = map(8, &[1, 2, 3, 4, 5]);
        assert_eq!((map.remove(&3), map.remove(&3)), (Some(30), None));
        map.retain(|key, value| {
            *value += 1;
            key % 2 == 0
        });
        assert_eq!(keys(&map), [2, 4]);
        assert_eq!(map.pop_oldest(), Some((2, 21)));
        assert_eq!(map.pop_oldest(), Some((4, 41)));
        assert_eq!(map.pop_oldest(), None);
        assert!(map.is_empty());
    }

    #[test]
    fn nothing_fits_into_no_room() {
        let mut map = map(0, &[]);
        assert_eq!(map.insert(1, 10), Some((1, 10)));
        assert!(map.is_empty());
    }
}
