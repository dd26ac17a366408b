//! For any sequence of mounts, answers, outages and departures: no mount waits forever, no limit is exceeded, and
//! nothing is left behind.

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

/// An event.
#[derive(Clone, Debug)]
enum Event {
    /// A pod mounts these values; a known one may take copies and join calls under way.
    Mount { keys: Vec<usize>, pod: Option<usize> },
    /// The threads make this many calls, or as many as there are.
    Send(usize),
    /// One of the calls under way ends.
    Finish { call: usize, how: How },
    /// One of the mounts leaves, complete or not.
    Leave(usize),
    /// Time passes.
    Pass(Duration),
}

#[derive(Clone, Copy, Debug)]
enum How {
    Value,
    Renewed,
    Failed(FailureClass),
}

const KEYS: [&str; 6] = ["a", "b", "c", "d", "e", "f"];
const PULLS: usize = 3;

fn event() -> impl Strategy<Value = Event> {
    let how = prop_oneof![
        4 => Just(How::Value),
        1 => Just(How::Renewed),
        1 => Just(How::Failed(FailureClass::Definite)),
        1 => Just(How::Failed(FailureClass::Interrupted)),
        1 => Just(How::Failed(FailureClass::Throttled)),
        4 => Just(How::Failed(FailureClass::Unavailable)),
    ];
    let mount = (vec(0..KEYS.len(), 1..6), proptest::option::of(0..3_usize));
    prop_oneof![
        3 => mount.prop_map(|(keys, pod)| Event::Mount { keys, pod }),
        4 => (1..4_usize).prop_map(Event::Send),
        4 => (any::<usize>(), how).prop_map(|(call, how)| Event::Finish { call, how }),
        1 => any::<usize>().prop_map(Event::Leave),
        2 => (0..20_000_u64).prop_map(|millis| Event::Pass(Duration::from_millis(millis))),
    ]
}

/// Calls under way, and waiting mounts.
struct World {
    bench: Bench,
    sent: Vec<FlightId>,
    parties: Vec<PartyId>,
}

impl World {
    fn new() -> Self {
        Self {
            bench: Bench::new(&settings(PULLS, 0, Duration::from_secs(60))),
            sent: Vec::new(),
            parties: Vec::new(),
        }
    }

    fn happen(&mut self, event: &Event) {
        match event {
            Event::Mount { keys, pod } => {
                let volume = pod.map(|pod| self.bench.known(&pod.to_string()));
                let keys: Vec<&'static str> = keys.iter().map(|key| KEYS[*key]).collect();
                let party = self.bench.mount(&keys, volume.as_ref());
                self.parties.push(party);
            }
            Event::Send(most) => {
                for _ in 0..*most {
                    if !self.send() {
                        break;
                    }
                }
            }
            Event::Finish { call, how } => {
                if !self.sent.is_empty() {
                    let flight = self.sent.swap_remove(call % self.sent.len());
                    self.finish(flight, *how);
                }
            }
            Event::Leave(at) => {
                if !self.parties.is_empty() {
                    let party = self.parties.swap_remove(at % self.parties.len());
                    self.bench.leave(party);
                }
            }
            Event::Pass(time) => self.bench.now += *time,
        }
        assert!(self.sent.len() <= PULLS, "{} calls under way", self.sent.len());
        assert_eq!(self.bench.core.load(Service::Kms).1, self.sent.len());
    }

    /// Makes a call, if there is one to make now.
    fn send(&mut self) -> bool {
        let next = self.bench.core.next(self.bench.now);
        if let Next::Call(attempt) = next {
            self.sent.push(attempt.flight);
            return true;
        }
        false
    }

    fn finish(&mut self, flight: FlightId, how: How) {
        let outcome = match how {
            How::Value => Outcome::Value(1, 10),
            How::Renewed => Outcome::Renewed(2),
            How::Failed(class) => Outcome::<Words>::Failed {
                error: "failed",
                class,
                hint: None,
            },
        };
        self.bench.core.finish(flight, outcome, 0.5, self.bench.now);
    }

    /// The cloud answers everything from now on.
    fn recover(&mut self) {
        for _ in 0..1_000 {
            while self.send() {}
            match self.sent.pop() {
                Some(flight) => self.finish(flight, How::Value),
                None => match self.bench.core.next(self.bench.now) {
                    Next::Call(attempt) => self.sent.push(attempt.flight),
                    Next::At(time) => self.bench.now = time,
                    Next::Nothing => return,
                },
            }
        }
        panic!("there is always another call");
    }
}

proptest! {
    #[test]
    fn every_mount_comes_to_its_end(events in vec(event(), 1..80)) {
        let mut world = World::new();
        for event in &events {
            world.happen(event);
        }
        world.recover();
        for party in std::mem::take(&mut world.parties) {
            let results = world.bench.results(party); // which it has: it is complete
            prop_assert!(!results.contains(&Err("unfinished")), "{results:?}");
        }
        world.bench.assert_empty();
    }
}
