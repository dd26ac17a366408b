//! Chooses the connection that is closed to make room for a new one.

use std::time::Instant;

/// A connection's rating when another needs its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// No request has arrived in full, and its time for that is over.
    Silent,
    /// No request has arrived in full, and it is new.
    New,
    /// No calls except watches, with the time of the last call. The driver's connection usually has this state.
    Idle { since: Instant },
    /// It has calls, and keeps its place.
    Busy,
    /// It is being closed, and has no calls.
    Leaving,
}

/// Limits on connections.
#[derive(Clone, Copy, Debug)]
pub(super) struct Places {
    /// Maximum number of open connections.
    pub(super) most: usize,
    /// Of these, idle ones that are kept when new ones arrive.
    pub(super) kept: usize,
    /// Maximum number of further connections that are being closed.
    pub(super) leaving: usize,
}

/// The decision on a new connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Room {
    /// It is accepted.
    Free,
    /// It is accepted once this connection is being closed.
    After(u64),
    /// It is accepted once some of those being closed are gone.
    Soon,
    /// All connections are busy.
    None,
}

/// Decides on a new connection. `open` has the open connections, each with its number, the oldest first.
pub(super) fn room(open: &[(u64, Standing)], places: Places) -> Room {
    let count = |wanted| open.iter().filter(|(_, standing)| *standing == wanted).count();
    let staying = open.len() - count(Standing::Leaving);
    if staying >= places.most {
        return leaves(open, places).map_or(Room::None, Room::After);
    }
    if open.len() < places.most.saturating_add(places.leaving) {
        Room::Free
    } else {
        Room::Soon
    }
}

/// The connection to close: the oldest of those without any request, else the one whose last call is longest ago. A new
/// connection may have its request on the way, so it is closed only if there are too many new ones.
fn leaves(open: &[(u64, Standing)], places: Places) -> Option<u64> {
    let oldest = |wanted| open.iter().find(|(_, standing)| *standing == wanted);
    let new = open.iter().filter(|(_, standing)| *standing == Standing::New);
    let is_crowd = new.count() > places.most.saturating_sub(places.kept);
    let longest_idle = || {
        let idle = open.iter().filter_map(|entry| match entry.1 {
            Standing::Idle { since } => Some((since, entry)),
            Standing::Silent | Standing::New | Standing::Busy | Standing::Leaving => None,
        });
        idle.min_by_key(|(since, _)| *since).map(|(_, entry)| entry)
    };
    oldest(Standing::Silent)
        .or_else(|| oldest(Standing::New).filter(|_| is_crowd))
        .or_else(longest_idle)
        .or_else(|| oldest(Standing::New))
        .map(|(number, _)| *number)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::clock::{Clock, SystemClock};

    const PLACES: Places = Places {
        most: 3,
        kept: 1,
        leaving: 2,
    };

    /// This many idle connections stay, however many new ones arrive without a request.
    #[test]
    fn a_crowd_leaves_places_to_idle_connections() {
        let now = SystemClock.now();
        let mut open: Vec<_> = (0..10).map(|at| (at, Standing::Idle { since: now })).collect();
        let places = Places {
            most: 10,
            kept: 4,
            leaving: 1,
        };
        for newcomer in 10..100 {
            match room(&open, places) {
                Room::After(number) => open.retain(|(known, _)| *known != number),
                other => panic!("{other:?}"),
            }
            open.push((newcomer, Standing::New));
        }
        let numbers: Vec<_> = open.iter().map(|(number, _)| *number).collect();
        assert_eq!(numbers, [7, 8, 9, 93, 94, 95, 96, 97, 98, 99]);
    }

    #[test]
    fn who_makes_room() {
        use Standing::{Busy, Leaving, New, Silent};
        let now = SystemClock.now();
        let idle = |seconds| Standing::Idle {
            since: now + Duration::from_secs(seconds),
        };
        // Three may stay, and one idle one always does; two more may be closing. Numbers begin at 7.
        let cases = [
            (&[][..], Room::Free),
            (&[Busy, Busy], Room::Free),
            // The oldest of those without a request, however long others are idle.
            (&[idle(0), Silent, Silent], Room::After(8)),
            (&[Busy, Silent, Busy], Room::After(8)),
            (&[New, idle(0), Silent], Room::After(9)),
            // A new one gets time to send its request, while there are others to close.
            (&[New, idle(2), idle(1)], Room::After(9)),
            (&[idle(0), New, New], Room::After(7)),
            (&[New, New, New], Room::After(7)),
            (&[Busy, New, Busy], Room::After(8)),
            // Then the one whose last call is longest ago.
            (&[idle(5), Busy, idle(3)], Room::After(9)),
            (&[idle(3), idle(3), Busy], Room::After(7)),
            // Never one with calls.
            (&[Busy, Busy, Busy], Room::None),
            // One that is closing has given up its place, unless it has calls.
            (&[Busy, Leaving, Busy, Busy], Room::None),
            (&[Busy, Leaving, Busy, idle(1)], Room::After(10)),
            (&[Busy, Leaving, Busy], Room::Free),
            (&[Leaving, Leaving, Busy, Busy], Room::Free),
            // Too many are closing: no other connection is closed for that.
            (&[Leaving, Leaving, idle(1), idle(2), Leaving], Room::Soon),
            (&[Busy, Busy, Busy, Busy, Busy], Room::None),
        ];
        for (open, wanted) in cases {
            let open: Vec<_> = (7..).zip(open.iter().copied()).collect();
            assert_eq!(room(&open, PLACES), wanted, "{open:?}");
        }
    }

    /// In every case places are bounded, no connection with calls is closed, and a new one is refused only if all are
    /// busy.
    #[test]
    fn a_newcomer_is_refused_only_by_the_busy() {
        let now = SystemClock.now();
        let all = [
            Standing::Silent,
            Standing::New,
            Standing::Idle { since: now },
            Standing::Busy,
            Standing::Leaving,
        ];
        for mix in 0..all.len().pow(6) {
            let standing = |at: usize| all[mix / all.len().pow(u32::try_from(at).unwrap()) % all.len()];
            let open: Vec<_> = (0..).zip((0..6).map(standing)).collect();
            for length in 0..=6 {
                let open = &open[..length];
                let count = |wanted| open.iter().filter(|(_, standing)| *standing == wanted).count();
                let keeps = |standing| matches!(standing, Standing::Busy | Standing::Leaving);
                match room(open, PLACES) {
                    Room::Free => assert!(length < 5, "{open:?}"),
                    Room::Soon => assert!(count(Standing::Leaving) > 0, "{open:?}"),
                    Room::None => assert!(open.iter().all(|(_, standing)| keeps(*standing)), "{open:?}"),
                    Room::After(number) => {
                        let (_, standing) = open.iter().find(|(known, _)| *known == number).unwrap();
                        assert!(!keeps(*standing), "{open:?}");
                    }
                }
            }
        }
    }
}
