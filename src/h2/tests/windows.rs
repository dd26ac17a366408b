//! Property: after any legal frames, and once all bodies are released, the client may send again.

use std::collections::BTreeMap;

use proptest::collection::vec;
use proptest::prelude::*;

use crate::h2::frame::{Kind, flag};
use crate::h2::testing::{GET, PREFACE, Pair, Seen, headers, raw, reset, settings, settings_ack};
use crate::h2::{Event, Reason, StreamId};
use crate::limits;

/// What either side does next. Streams are chosen among the open ones.
#[derive(Clone, Debug)]
enum Step {
    Open,
    Data {
        which: usize,
        times: usize,
        octets: usize,
        padding: Option<u8>,
        end: bool,
    },
    ResetByClient(usize),
    ResetByServer(usize),
    Acknowledge,
    Grow(usize, u32),
    Release,
}

fn step() -> impl Strategy<Value = Step> {
    let data = (
        0..4_usize,
        1..40_usize,
        0..2_000_usize,
        any::<Option<u8>>(),
        0..10_u8,
    );
    prop_oneof![
        3 => Just(Step::Open),
        8 => data.prop_map(|(which, times, octets, padding, end)| Step::Data {
            which,
            times,
            octets: if end > 5 { 0 } else { octets },
            padding,
            end: end == 0,
        }),
        1 => (0..4_usize).prop_map(Step::ResetByClient),
        1 => (0..4_usize).prop_map(Step::ResetByServer),
        1 => Just(Step::Acknowledge),
        1 => (0..4_usize, 1..100_000_u32).prop_map(|(which, by)| Step::Grow(which, by)),
        3 => Just(Step::Release),
    ]
}

/// A client that keeps to its windows, and the bodies that its server has not released.
struct Lawful {
    pair: Pair,
    connection: i64,
    streams: BTreeMap<u32, i64>,
    initial: u32,
    next: u32,
    held: Vec<(StreamId, usize)>,
}

impl Lawful {
    fn new() -> Self {
        let mut client = Self {
            pair: Pair::silent(),
            connection: 65_535,
            streams: BTreeMap::new(),
            initial: 65_535,
            next: 1,
            held: Vec::new(),
        };
        client.send(&[PREFACE, &settings(&[])].concat());
        client
    }

    fn send(&mut self, octets: &[u8]) {
        let seen = self.pair.send(octets);
        self.see(seen);
        for event in self.pair.events() {
            if let Event::Data { stream, payload, .. } = event {
                self.held.push((stream, payload.len()));
            }
        }
    }

    fn see(&mut self, seen: Vec<Seen>) {
        for seen in seen {
            match seen {
                Seen::WindowUpdate(0, increment) => self.connection += i64::from(increment),
                Seen::WindowUpdate(stream, increment) => {
                    if let Some(window) = self.streams.get_mut(&stream) {
                        *window += i64::from(increment);
                    }
                }
                Seen::Settings(_) | Seen::SettingsAck | Seen::Reset(_, Reason::INTERNAL_ERROR) => {}
                other => panic!("a legal frame was answered with {other:?}"),
            }
        }
    }

    fn stream(&self, which: usize) -> Option<u32> {
        let count = self.streams.len().max(1);
        self.streams.keys().nth(which % count).copied()
    }

    fn data(&mut self, stream: u32, octets: usize, padding: Option<u8>, end: bool) {
        let mut payload = Vec::from_iter(padding);
        payload.resize(payload.len() + octets + usize::from(padding.unwrap_or(0)), 0);
        let length = i64::try_from(payload.len()).unwrap();
        let window = self.streams.get_mut(&stream).unwrap();
        if length > *window || length > self.connection {
            return;
        }
        *window -= length;
        self.connection -= length;
        let padded = padding.map_or(0, |_| flag::PADDED);
        let flags = padded | if end { flag::END_STREAM } else { 0 };
        if end {
            self.streams.remove(&stream);
        }
        self.send(&raw(Kind::DATA, flags, stream, &payload));
    }

    fn acknowledge(&mut self) {
        let change = i64::from(limits::STREAM_WINDOW) - i64::from(self.initial);
        self.initial = limits::STREAM_WINDOW;
        self.streams.values_mut().for_each(|window| *window += change);
        self.send(&settings_ack());
    }

    fn release(&mut self) {
        for (stream, octets) in std::mem::take(&mut self.held) {
            self.pair.h2.release(stream, octets);
        }
        let seen = self.pair.output();
        self.see(seen);
    }

    fn take(&mut self, step: &Step) {
        match *step {
            Step::Open if self.streams.len() < 4 => {
                self.streams.insert(self.next, i64::from(self.initial));
                self.send(&headers(self.next, &GET, false));
                self.next += 2;
            }
            Step::Data {
                which,
                times,
                octets,
                padding,
                end,
            } => {
                let Some(stream) = self.stream(which) else { return };
                (1..times).for_each(|_| self.data(stream, octets, padding, false));
                self.data(stream, octets, padding, end);
            }
            Step::ResetByClient(which) => {
                let Some(stream) = self.stream(which) else { return };
                self.streams.remove(&stream);
                self.send(&reset(stream, Reason::CANCEL));
            }
            Step::ResetByServer(which) => {
                let Some(stream) = self.stream(which) else { return };
                self.pair.h2.reset(StreamId::new(stream), Reason::INTERNAL_ERROR);
                // The client has not seen it yet, so its DATA is legal.
                self.data(stream, 1_000, Some(200), false);
                self.streams.remove(&stream);
            }
            Step::Grow(which, by) => {
                let Some(stream) = self.stream(which) else { return };
                self.pair.h2.grow_window(StreamId::new(stream), by);
                let seen = self.pair.output();
                self.see(seen);
            }
            Step::Acknowledge => self.acknowledge(),
            Step::Release => self.release(),
            Step::Open => {}
        }
    }
}

proptest! {
    #[test]
    fn a_lawful_client_s_windows_always_come_back(steps in vec(step(), 0..40)) {
        let mut client = Lawful::new();
        steps.iter().for_each(|step| client.take(step));
        client.acknowledge();
        client.release();
        prop_assert_eq!(client.pair.h2.failure(), None);
        for (stream, window) in &client.streams {
            prop_assert!(*window >= i64::from(limits::STREAM_WINDOW / 2), "stream {}: {}", stream, window);
        }
        prop_assert!(client.connection >= i64::from(limits::CONNECTION_WINDOW / 2), "{}", client.connection);
    }
}

#[test]
fn what_padding_used_before_the_acknowledgement_comes_back_after_it() {
    let mut client = Lawful::new();
    client.take(&Step::Open);
    (0..255).for_each(|_| client.data(1, 0, Some(127), false));
    assert_eq!(client.streams[&1], 65_535 - 255 * 128, "nothing is announced yet");
    client.acknowledge();
    assert_eq!(client.streams[&1], i64::from(limits::STREAM_WINDOW));
}
