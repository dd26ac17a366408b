//! Which nonces were spent: one use per AccessKey within the clock window.

use std::collections::HashSet;

use jiff::Timestamp;

use super::CLOCK_WINDOW;

/// Remembers spent nonces in two generations, so that forgetting the old ones costs nothing.
///
/// A date may be one window behind or ahead of the clock, so a request stays acceptable for two windows; a
/// generation lasts that long, and a nonce is remembered for one to two generations.
#[derive(Debug, Default)]
pub struct Nonces {
    current: HashSet<String>,
    previous: HashSet<String>,
    began: Option<Timestamp>,
}

impl Nonces {
    /// Spends a nonce; false if that key has spent it before.
    pub fn spend(&mut self, key_id: &str, nonce: &str, now: Timestamp) -> bool {
        self.age(now);
        // A nonce holds no line feed: it arrived in a header or was percent-encoded next to the key id.
        let entry = format!("{key_id}\n{nonce}");
        !self.previous.contains(&entry) && self.current.insert(entry)
    }

    fn age(&mut self, now: Timestamp) {
        let generation = CLOCK_WINDOW + CLOCK_WINDOW;
        let began = *self.began.get_or_insert(now);
        if now.duration_since(began) > generation {
            self.previous = std::mem::take(&mut self.current);
            self.began = Some(now);
        }
    }
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;

    use super::*;

    #[test]
    fn a_nonce_is_spent_once_per_key() {
        let now: Timestamp = "2026-05-04T03:02:01Z".parse().expect("a time");
        let mut nonces = Nonces::default();
        assert!(nonces.spend("a", "1", now));
        assert!(nonces.spend("b", "1", now));
        assert!(!nonces.spend("a", "1", now));
    }

    #[test]
    fn a_nonce_is_remembered_as_long_as_its_date_is_accepted() {
        let now: Timestamp = "2026-05-04T03:02:01Z".parse().expect("a time");
        let mut nonces = Nonces::default();
        assert!(nonces.spend("a", "1", now));
        assert!(nonces.spend("a", "2", now + SignedDuration::from_mins(29)));
        assert!(nonces.spend("a", "3", now + SignedDuration::from_mins(31)));
        assert!(!nonces.spend("a", "2", now + SignedDuration::from_mins(58)));
        assert!(nonces.spend("a", "4", now + SignedDuration::from_mins(62)));
        assert!(nonces.spend("a", "5", now + SignedDuration::from_mins(93)));
        assert!(nonces.spend("a", "1", now + SignedDuration::from_mins(93)));
    }
}
