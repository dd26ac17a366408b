//! The queue of events.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Instant;

/// Events by time; at the same time, in the order in which they were added.
#[derive(Debug)]
pub(crate) struct Queue<E> {
    events: BinaryHeap<Reverse<(Instant, u64, E)>>,
    added: u64,
}

impl<E: Ord> Queue<E> {
    pub(crate) fn new() -> Self {
        Self {
            events: BinaryHeap::new(),
            added: 0,
        }
    }

    pub(crate) fn add(&mut self, at: Instant, event: E) {
        self.added += 1;
        self.events.push(Reverse((at, self.added, event)));
    }

    pub(crate) fn next(&mut self) -> Option<(Instant, E)> {
        self.events.pop().map(|Reverse((at, _, event))| (at, event))
    }
}

/// Numbers that look random and depend only on the seed (SplitMix64).
#[derive(Clone, Debug)]
pub(crate) struct Chance(pub(crate) u64);

impl Chance {
    /// A number from 0 up to but not including 1.
    pub(crate) fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        bits ^= bits >> 31;
        f64::from((bits >> 32) as u32) / (f64::from(u32::MAX) + 1.0)
    }
}
