//! A scripted client for tests, joined with a server in memory: it sends scripted frames and shows what it reads.

mod frames;

use std::time::Instant;

use super::{Connection, Event, StreamId};
use crate::clock::{Clock, SystemClock};

pub(crate) use frames::*;

/// The least that a request can say.
pub(crate) const GET: [(&str, &str); 3] = [(":method", "GET"), (":scheme", "http"), (":path", "/")];

/// A server and a client joined in memory, at a time that stands still unless it is moved.
pub(crate) struct Pair {
    pub(crate) h2: Connection,
    pub(crate) now: Instant,
    client: Client,
}

impl Pair {
    /// Before the first octet.
    pub(crate) fn silent() -> Self {
        let now = SystemClock.now();
        Self {
            h2: Connection::new(now),
            now,
            client: Client::new(),
        }
    }

    /// After both sides' settings are exchanged.
    pub(crate) fn new() -> Self {
        let mut pair = Self::silent();
        pair.send(&hello());
        pair
    }

    /// The client sends `octets`; returns what the server answers by itself.
    pub(crate) fn send(&mut self, octets: &[u8]) -> Vec<Seen> {
        self.h2.recv(self.now, octets);
        self.output()
    }

    /// What the server has to say.
    pub(crate) fn output(&mut self) -> Vec<Seen> {
        let mut out = Vec::new();
        self.h2.poll_output(&mut out, usize::MAX);
        self.client.read(&out)
    }

    pub(crate) fn events(&mut self) -> Vec<Event> {
        std::iter::from_fn(|| self.h2.poll_event()).collect()
    }

    /// The client opens a stream with a complete request. Output is left where it is.
    pub(crate) fn open(&mut self, stream: u32) -> StreamId {
        self.h2.recv(self.now, &headers(stream, &GET, true));
        assert!(matches!(
            self.events()[..],
            [Event::Request { end_stream: true, .. }]
        ));
        StreamId::new(stream)
    }
}
