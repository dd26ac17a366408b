//! Watches the socket's path for changes by other processes, and binds it again when necessary.
//!
//! | at the path | action |
//! |---|---|
//! | our socket | nothing |
//! | nothing: an old provider unlinked the path as it stopped | bound again at once |
//! | another socket that accepts connections: a successor | nothing, while it does |
//! | another socket that refused two probes a second apart: a successor that crashed | taken back |
//! | anything else | a warning; a person, or a restart by kubelet, must fix it |
//!
//! A socket that accepts connections is never taken, so two processes cannot take the path from each other in turns.
//! If both bind it at the same moment, the later one owns it and the earlier one leaves it alone.

use std::time::{Duration, Instant};

use super::listening::{Listening, Reason};
use super::path::{Answer, Found, Identity};

/// State between two checks.
#[derive(Default)]
struct Watch {
    other: Option<Other>,
}

/// Another process's socket at our path.
#[derive(Clone, Copy)]
struct Other {
    identity: Identity,
    probed: Instant,
    has_refused: bool,
}

impl Watch {
    /// Decides from what was `found` at `now` whether to bind the path again. `probe` connects to it.
    fn decide(&mut self, found: &Found, now: Instant, probe: impl FnOnce() -> Answer) -> Option<Reason> {
        let identity = match found {
            Found::Other(identity) => *identity,
            Found::Nothing => {
                self.other = None;
                return Some(Reason::Removed);
            }
            _ => {
                self.other = None;
                return None;
            }
        };
        let known = self.other.take().filter(|other| other.identity == identity);
        if let Some(known) = &known
            && now.saturating_duration_since(known.probed) < SOCKET_PROBE_PAUSE
        {
            self.other = Some(*known);
            return None;
        }
        let has_refused = probe() == Answer::Refuses;
        self.other = Some(Other {
            identity,
            probed: now,
            has_refused,
        });
        (has_refused && known.is_some_and(|known| known.has_refused)).then_some(Reason::Refused)
    }
}

/// Watches until the server is draining.
pub(super) fn run(listening: &Listening) {
    let server = &listening.connections.server;
    let mut watch = Watch::default();
    let mut last = None;
    while !server.is_draining() {
        let mut found = listening.look();
        if let Some(reason) = watch.decide(&found, server.clock.now(), || listening.path.probe()) {
            listening.bind_again(&found, reason);
            found = listening.look();
        }
        let trouble = listening.trouble(&found);
        // A lasting state is logged once.
        if trouble != last {
            match &trouble {
                Some(trouble) => log::warn!("{trouble}"),
                None => log::info!("clients reach this provider again"),
            }
            last = trouble;
        }
        listening.woken.wait(Some(SOCKET_WATCH_PAUSE));
    }
}

/// Pause between two checks of the socket's path: one that was removed is bound again within a second.
const SOCKET_WATCH_PAUSE: Duration = Duration::from_millis(250);

/// Pause between two probes of another process's socket at the path. Two refusals mean that it is dead, because
/// a starting process listens within microseconds of its bind.
const SOCKET_PROBE_PAUSE: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener;
    use std::path::Path;

    use super::super::bind::bind;
    use super::super::path::SocketPath;
    use super::*;
    use crate::clock::{Clock as _, SystemClock};

    /// A socket of another process.
    fn other(directory: &Path, name: &str) -> Found {
        let ours = bind(&directory.join("ours.sock")).unwrap();
        let path = directory.join(name);
        drop(UnixListener::bind(&path).unwrap());
        let found = SocketPath::new(&path).look(ours.file);
        assert!(matches!(found, Found::Other(_)), "{found:?}");
        found
    }

    /// What is found, and what a probe of it answers, every half second: the decisions, and the number of probes.
    fn decisions(steps: &[(&Found, Answer)]) -> (Vec<Option<Reason>>, usize) {
        let (mut watch, mut probes) = (Watch::default(), 0);
        let mut now = SystemClock.now();
        let mut decisions = Vec::new();
        for (found, answer) in steps {
            let probe = || {
                probes += 1;
                *answer
            };
            decisions.push(watch.decide(found, now, probe));
            now += Duration::from_millis(500);
        }
        (decisions, probes)
    }

    #[test]
    fn a_path_that_is_gone_is_bound_at_once_and_what_is_no_socket_never() {
        let unclear = Found::Unclear("permission denied".to_owned());
        for (found, decision) in [
            (&Found::Ours, None),
            (&Found::Nothing, Some(Reason::Removed)),
            (&Found::NotASocket, None),
            (&Found::NoDirectory, None),
            (&Found::OldDirectory, None),
            (&unclear, None),
        ] {
            let steps = vec![(found, Answer::Refuses); 10];
            assert_eq!(decisions(&steps), (vec![decision; 10], 0), "{found:?}");
        }
    }

    #[test]
    fn a_socket_that_accepts_is_left_alone_however_long() {
        let directory = tempfile::tempdir().unwrap();
        let other = other(directory.path(), "a.sock");
        for answer in [Answer::Accepts, Answer::Unclear] {
            let steps = vec![(&other, answer); 1_000];
            assert_eq!(decisions(&steps), (vec![None; 1_000], 500), "one probe a second");
        }
    }

    #[test]
    fn a_dead_socket_is_taken_after_two_refusals_a_second_apart() {
        let directory = tempfile::tempdir().unwrap();
        let (a, b) = (
            other(directory.path(), "a.sock"),
            other(directory.path(), "b.sock"),
        );
        let refused = Some(Reason::Refused);
        let (accepts, refuses, unclear) = (Answer::Accepts, Answer::Refuses, Answer::Unclear);
        for (steps, expected) in [
            (vec![(&a, refuses); 3], vec![None, None, refused]),
            // Rebinding failed: it is tried again each second.
            (
                vec![(&a, refuses); 6],
                vec![None, None, refused, None, refused, None],
            ),
            // In between it accepted, or the answer was unclear: two more refusals are needed.
            (
                [
                    vec![(&a, refuses); 2],
                    vec![(&a, accepts); 2],
                    vec![(&a, refuses); 3],
                ]
                .concat(),
                [vec![None; 6], vec![refused]].concat(),
            ),
            (
                [
                    vec![(&a, refuses); 2],
                    vec![(&a, unclear); 2],
                    vec![(&a, refuses); 3],
                ]
                .concat(),
                [vec![None; 6], vec![refused]].concat(),
            ),
            // The second refusal is another socket's: a restarted successor is about to listen.
            (
                [
                    vec![(&a, refuses); 2],
                    vec![(&b, refuses); 2],
                    vec![(&b, accepts); 2],
                ]
                .concat(),
                vec![None; 6],
            ),
            // It has gone meanwhile, or was ours in between.
            (
                vec![(&a, refuses), (&a, refuses), (&Found::Nothing, refuses)],
                vec![None, None, Some(Reason::Removed)],
            ),
            (
                [
                    vec![(&a, refuses); 2],
                    vec![(&Found::Ours, refuses)],
                    vec![(&a, refuses); 2],
                ]
                .concat(),
                vec![None; 5],
            ),
        ] {
            assert_eq!(decisions(&steps).0, expected, "{steps:?}");
        }
    }
}
