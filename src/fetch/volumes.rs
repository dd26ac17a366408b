//! Which volumes have been mounted with success, so that their next Mount is known to be a repeated one.
//!
//! Forgetting is always safe: a volume that is not known reads from the cloud. Pure: time is an argument.

use std::collections::{BTreeMap, HashMap};
use std::time::Instant;

use sha2::digest::array::Array;
use sha2::digest::consts::U16;
use sha2::{Digest as _, Sha256};

use crate::limits;

/// A volume: the pod's uid and the path that the driver fills, both from kubelet, as a digest that takes little room.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Volume([u8; 16]);

impl Volume {
    /// The volume, if both are there.
    pub fn new(uid: &str, target_path: &str) -> Option<Self> {
        if uid.is_empty() || target_path.is_empty() {
            return None;
        }
        // The length keeps apart what would run together.
        let mut digest = Sha256::new_with_prefix(uid.len().to_be_bytes());
        digest.update(uid);
        digest.update(target_path);
        let (volume, _): (Array<u8, U16>, _) = digest.finalize().split();
        Some(Self(volume.into()))
    }
}

/// The volumes that are known, within a bound; those that have not been seen for the longest time leave first.
#[derive(Debug, Default)]
pub(super) struct Volumes {
    seen: HashMap<Volume, (Instant, u64)>,
    order: BTreeMap<u64, Volume>,
    counter: u64,
}

impl Volumes {
    /// Whether a Mount of it was answered with success, not too long ago.
    pub(super) fn knows(&self, volume: &Volume, now: Instant) -> bool {
        self.seen
            .get(volume)
            .is_some_and(|(seen, _)| now < *seen + limits::VOLUME_FORGOTTEN)
    }

    /// A Mount of it was answered with success.
    pub(super) fn mounted(&mut self, volume: &Volume, now: Instant) {
        self.counter += 1;
        if let Some((_, number)) = self.seen.insert(*volume, (now, self.counter)) {
            self.order.remove(&number);
        }
        self.order.insert(self.counter, *volume);
        while let Some((_, oldest)) = self.order.first_key_value()
            && (self.seen.len() > limits::VOLUMES || !self.knows(oldest, now))
            && let Some((_, oldest)) = self.order.pop_first()
        {
            self.seen.remove(&oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::clock::{Clock as _, SystemClock};

    fn volume(uid: &str, path: &str) -> Volume {
        Volume::new(uid, path).expect("a volume")
    }

    #[test]
    fn known_by_uid_and_path_for_a_while() {
        let start = SystemClock.now();
        let mut volumes = Volumes::default();
        assert!(!volumes.knows(&volume("u", "p"), start));
        volumes.mounted(&volume("u", "p"), start);
        assert!(volumes.knows(&volume("u", "p"), start));
        assert!(!volumes.knows(&volume("u", "q"), start));
        assert!(!volumes.knows(&volume("v", "p"), start));
        assert_ne!(volume("up", "p"), volume("u", "pp"));
        let end = start + limits::VOLUME_FORGOTTEN;
        assert!(!volumes.knows(&volume("u", "p"), end));
        volumes.mounted(&volume("v", "p"), end);
        assert_eq!(volumes.seen.len(), 1, "those whose time is over leave");
    }

    #[test]
    fn the_longest_unseen_make_room() {
        let start = SystemClock.now();
        let mut volumes = Volumes::default();
        for uid in 0..limits::VOLUMES {
            volumes.mounted(&volume(&uid.to_string(), "p"), start);
        }
        let later = start + Duration::from_secs(1);
        volumes.mounted(&volume("0", "p"), later);
        volumes.mounted(&volume("new", "p"), later);
        assert_eq!(volumes.seen.len(), limits::VOLUMES);
        assert!(volumes.knows(&volume("0", "p"), later) && volumes.knows(&volume("new", "p"), later));
        assert!(!volumes.knows(&volume("1", "p"), later));
    }

    #[test]
    fn what_kubelet_does_not_say_is_nobody() {
        assert_eq!(Volume::new("", "p"), None);
        assert_eq!(Volume::new("u", ""), None);
    }
}
