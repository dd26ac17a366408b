//! Which connection makes room for a new one.

use std::time::Instant;

/// What a connection is worth when another needs its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// It has had its time, and no request has ever arrived in full.
    Silent,
    /// The same, and it has only just come.
    New,
    /// No calls but watches; the last call was then. The driver's connection is one of these most of the time.
    Idle { since: Instant },
    /// It has calls, and keeps its place.
    Busy,
    /// It has been told to go, and has no calls.
    Leaving,
}

/// How many connections there may be.
#[derive(Clone, Copy, Debug)]
pub(super) struct Places {
    /// Those that stay.
    pub(super) most: usize,
    /// Of these, idle ones that do not give way to new ones.
    pub(super) kept: usize,
    /// Beside these, those that have been told to go.
    pub(super) leaving: usize,
}

/// What becomes of a newcomer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Room {
    /// It gets a place.
    Free,
    /// It gets one once this connection has been told to go.
    After(u64),
    /// It gets one once some of those that have been told to go are gone.
    Soon,
    /// All are busy.
    None,
}

/// Decides for a newcomer by the connections that are open, each with its number, the oldest first.
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

/// Who goes: the oldest of those that have asked for nothing, else the one whose last call is longest ago. One that has
/// only just come has its request on the way, unless there is a crowd of them.
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

    /// However many come and ask for nothing, so many idle connections stay.
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
        // Three may stay, and one of them idle whoever comes; two more may be on their way out. Numbers begin at 7.
        let cases = [
            (&[][..], Room::Free),
            (&[Busy, Busy], Room::Free),
            // Those who have asked for nothing, the oldest of them, whoever else is idle for however long.
            (&[idle(0), Silent, Silent], Room::After(8)),
            (&[Busy, Silent, Busy], Room::After(8)),
            (&[New, idle(0), Silent], Room::After(9)),
            // One that has only just come is given the time to ask, as long as others have none to lose.
            (&[New, idle(2), idle(1)], Room::After(9)),
            (&[idle(0), New, New], Room::After(7)),
            (&[New, New, New], Room::After(7)),
            (&[Busy, New, Busy], Room::After(8)),
            // Then the one whose last call is longest ago.
            (&[idle(5), Busy, idle(3)], Room::After(9)),
            (&[idle(3), idle(3), Busy], Room::After(7)),
            // Never one with calls.
            (&[Busy, Busy, Busy], Room::None),
            // One that is leaving has given up its place, unless it has calls.
            (&[Busy, Leaving, Busy, Busy], Room::None),
            (&[Busy, Leaving, Busy, idle(1)], Room::After(10)),
            (&[Busy, Leaving, Busy], Room::Free),
            (&[Leaving, Leaving, Busy, Busy], Room::Free),
            // There are too many who leave, and nobody else has to go for that.
            (&[Leaving, Leaving, idle(1), idle(2), Leaving], Room::Soon),
            (&[Busy, Busy, Busy, Busy, Busy], Room::None),
        ];
        for (open, wanted) in cases {
            let open: Vec<_> = (7..).zip(open.iter().copied()).collect();
            assert_eq!(room(&open, PLACES), wanted, "{open:?}");
        }
    }

    /// Whoever comes, and whatever the others do: places are bounded, nobody with calls goes, and a newcomer is refused
    /// only if all are busy.
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
