//! The connection as a whole: its state, what can be asked and told, and what is polled.
//!
//! The methods come in four families. Getters look; [`Connection::recv`], [`Connection::recv_timeout`] take
//! what happened; commands (`send_*`, `release`, `reset`, …) say what to do; `poll_*` give what came of it. After
//! every call of the second and third family poll, in any order, until nothing comes: events, output, and last
//! the next timeout.

use std::collections::{BTreeMap, VecDeque};
use std::time::Instant;

use zeroize::Zeroizing;

use super::error::{Error, Reason};
use super::flood::Bucket;
use super::flow_control::{RecvWindow, SendWindow};
use super::frame::{self, StreamId};
use super::header_block::RequestHead;
use super::recv::HeaderBlock;
use super::settings::{self, PeerSettings};
use super::stream::{Answer, Closed, ClosedStreams, Item, Stream};
use crate::hpack;
use crate::limits;
use crate::secret::Secret;

/// What the client did, as far as it concerns whoever answers requests.
#[cfg_attr(any(test, fuzzing), derive(Debug))]
pub enum Event {
    /// A request began.
    Request {
        /// Its stream.
        stream: StreamId,
        /// Its header section.
        head: RequestHead,
        /// Whether it has no body.
        end_stream: bool,
    },
    /// A piece of a request's body. Its octets count against the flow-control windows until they are released.
    Data {
        /// Whose body.
        stream: StreamId,
        /// The piece; may be empty at the end.
        payload: Secret,
        /// Whether the request is complete.
        end_stream: bool,
    },
    /// The stream is gone before its answer was: reset by the client, or by us for a mistake of the client.
    Reset {
        /// Which stream.
        stream: StreamId,
        /// Why.
        reason: Reason,
    },
    /// The answer has been handed out as output to its last octet, and the stream is closed.
    Answered {
        /// Which stream.
        stream: StreamId,
    },
}

/// One client's connection. See the [module](super).
pub struct Connection {
    // What arrives.
    pub(super) preface_seen: usize,
    pub(super) settings_seen: bool,
    pub(super) input: Zeroizing<Vec<u8>>,
    pub(super) block: Option<HeaderBlock>,
    pub(super) decoder: hpack::Decoder,
    pub(super) recv_window: RecvWindow,
    /// The window that streams start with: the protocol's until the client has acknowledged ours.
    pub(super) recv_initial: u32,
    pub(super) is_settings_acked: bool,

    // What leaves.
    pub(super) peer: PeerSettings,
    pub(super) send_window: SendWindow,
    pub(super) control: VecDeque<Control>,
    /// Streams that have something to send, in turn.
    pub(super) ready: VecDeque<StreamId>,
    /// Streams that wait for the connection's window.
    pub(super) starved: VecDeque<StreamId>,
    pub(super) is_table_announced: bool,
    pub(super) events: VecDeque<Event>,

    // Streams.
    pub(super) streams: BTreeMap<StreamId, Stream>,
    pub(super) closed: ClosedStreams,
    /// The highest stream that the client has opened.
    pub(super) last_stream: StreamId,

    // How it is going.
    pub(super) chatter: Bucket,
    pub(super) resets: Bucket,
    pub(super) started: Instant,
    pub(super) last_heard: Instant,
    pub(super) incomplete_since: Option<Instant>,
    pub(super) shutdown: Shutdown,
    pub(super) failure: Option<Error>,
}

/// A frame that belongs to no stream's queue.
pub(super) enum Control {
    Settings,
    SettingsAck,
    Ping {
        ack: bool,
        payload: [u8; 8],
    },
    WindowUpdate {
        stream: StreamId,
        increment: u32,
    },
    Reset {
        stream: StreamId,
        reason: Reason,
    },
    GoAway {
        last_stream: StreamId,
        reason: Reason,
        debug_data: &'static str,
    },
    /// A complete answer without a body, to a request that never became a stream.
    Refusal {
        stream: StreamId,
        block: Vec<u8>,
    },
}

/// The graceful end of a connection (section 6.8).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shutdown {
    /// Not ending.
    No,
    /// GOAWAY for stream 2³¹−1 is out: the client opens no more streams once it has seen it.
    Announced(Instant),
    /// The final GOAWAY is out; streams above are ignored.
    Final(StreamId),
}

impl Connection {
    /// A connection that was accepted just now. Our SETTINGS are its first output, before any input.
    pub fn new(now: Instant) -> Self {
        let mut recv_window = RecvWindow::new(settings::DEFAULT_WINDOW);
        let mut control = VecDeque::from([Control::Settings]);
        if let Some(increment) = recv_window.grow(limits::CONNECTION_WINDOW - settings::DEFAULT_WINDOW) {
            control.push_back(Control::WindowUpdate {
                stream: StreamId::ZERO,
                increment,
            });
        }
        Self {
            preface_seen: 0,
            settings_seen: false,
            input: Zeroizing::default(),
            block: None,
            decoder: hpack::Decoder::new(limits::HEADER_TABLE_BYTES),
            recv_window,
            recv_initial: settings::DEFAULT_WINDOW,
            is_settings_acked: false,
            peer: PeerSettings::default(),
            send_window: SendWindow::new(settings::DEFAULT_WINDOW),
            control,
            ready: VecDeque::new(),
            starved: VecDeque::new(),
            is_table_announced: false,
            events: VecDeque::new(),
            streams: BTreeMap::new(),
            closed: ClosedStreams::default(),
            last_stream: StreamId::ZERO,
            chatter: Bucket::new(limits::CHATTER_BURST, limits::CHATTER_PER_SECOND, now),
            resets: Bucket::new(limits::RESET_BURST, limits::RESETS_PER_SECOND, now),
            started: now,
            last_heard: now,
            incomplete_since: None,
            shutdown: Shutdown::No,
            failure: None,
        }
    }

    /// What the client did to end the connection with an error, if it did.
    pub fn failure(&self) -> Option<Error> {
        self.failure
    }

    /// Whether all is said: nothing is left to send and nothing more will be read.
    pub fn is_finished(&self) -> bool {
        self.is_over() && self.control.is_empty()
    }

    /// When it was accepted.
    pub fn started(&self) -> Instant {
        self.started
    }

    /// Whether the client has been told to open no more streams, or breaks the protocol.
    pub fn is_ending(&self) -> bool {
        self.failure.is_some() || self.shutdown != Shutdown::No
    }

    /// Whether nothing but the end of the connection is left to tell: no more streams, and no answers.
    pub fn is_over(&self) -> bool {
        let is_over = matches!(self.shutdown, Shutdown::Final(_)) && self.streams.is_empty();
        self.failure.is_some() || is_over
    }

    /// Streams that are not closed.
    pub fn open_streams(&self) -> usize {
        self.streams.len()
    }

    /// Queues the head of an answer. Like every command, ignored if the stream is gone.
    pub fn send_headers(&mut self, stream: StreamId, fields: &[(&str, &str)], end_stream: bool) {
        let Some(state) = self.streams.get_mut(&stream) else {
            return;
        };
        if state.answer == Answer::Complete {
            return;
        }
        state.answer = if end_stream {
            Answer::Complete
        } else {
            Answer::Started
        };
        let mut block = Vec::new();
        hpack::encode(fields.iter().copied(), &mut block);
        state.queue.push_back(Item::Head { block, end_stream });
        self.schedule(stream);
    }

    /// Queues a piece of an answer's body. It waits here for as long as the client's windows are closed.
    pub fn send_data(&mut self, stream: StreamId, octets: Secret, end_stream: bool) {
        let Some(state) = self.streams.get_mut(&stream) else {
            return;
        };
        if state.answer != Answer::Started {
            return;
        }
        if end_stream {
            state.answer = Answer::Complete;
        }
        state.queue.push_back(Item::Body {
            octets,
            sent: 0,
            end_stream,
        });
        self.schedule(stream);
    }

    /// Ends a stream without a proper answer.
    pub fn reset(&mut self, stream: StreamId, reason: Reason) {
        if self.streams.remove(&stream).is_some() {
            self.closed.remember(stream, Closed::ResetByUs);
            self.control.push_back(Control::Reset { stream, reason });
        }
    }

    /// `octets` of received body take no more memory: the windows open by as much. Of a stream that is gone,
    /// the connection's share is still given back.
    pub fn release(&mut self, stream: StreamId, octets: usize) {
        self.release_connection(octets);
        if let Some(state) = self.streams.get_mut(&stream)
            && state.is_remote_open
            && let Some(increment) = state.recv_window.release(octets)
        {
            self.control
                .push_back(Control::WindowUpdate { stream, increment });
        }
    }

    /// Lets the client send `octets` more on a stream than its window said.
    pub fn grow_window(&mut self, stream: StreamId, octets: u32) {
        if let Some(state) = self.streams.get_mut(&stream)
            && state.is_remote_open
            && let Some(increment) = state.recv_window.grow(octets)
        {
            self.control
                .push_back(Control::WindowUpdate { stream, increment });
        }
    }

    /// Begins the graceful end: announces it, and lets a PING find out when the client has seen that. What
    /// arrives until then is still served.
    pub fn shut_down(&mut self, now: Instant) {
        if self.failure.is_some() || self.shutdown != Shutdown::No {
            return;
        }
        self.shutdown = Shutdown::Announced(now);
        let debug_data = "shutting down";
        self.control.push_back(Control::GoAway {
            last_stream: StreamId::MAX,
            reason: Reason::NO_ERROR,
            debug_data,
        });
        self.control.push_back(Control::Ping {
            ack: false,
            payload: SHUTDOWN_PING,
        });
    }

    /// The second half of [`Connection::shut_down`]: GOAWAY with the last stream that we will answer. Streams that
    /// open from now on are ignored; the connection is finished with the last of the others.
    pub fn finish_shut_down(&mut self) {
        if self.failure.is_some() || matches!(self.shutdown, Shutdown::Final(_)) {
            return;
        }
        let last_stream = self.last_stream;
        self.shutdown = Shutdown::Final(last_stream);
        let debug_data = "no more streams";
        self.control.push_back(Control::GoAway {
            last_stream,
            reason: Reason::NO_ERROR,
            debug_data,
        });
    }

    /// The next thing that the client did.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// When to call [`Connection::recv_timeout`] next, if nothing happens before.
    pub fn poll_timeout(&self) -> Option<Instant> {
        if self.failure.is_some() {
            return None;
        }
        let preface = (!self.settings_seen).then(|| self.started + limits::PREFACE_TIMEOUT);
        let frame = self.incomplete_since.map(|since| since + limits::FRAME_TIMEOUT);
        let idle = self.is_idle().then(|| self.last_heard + limits::IDLE_TIMEOUT);
        let goaway = match self.shutdown {
            Shutdown::Announced(since) => Some(since + limits::GOAWAY_ROUND_TRIP),
            Shutdown::No | Shutdown::Final(_) => None,
        };
        [preface, frame, idle, goaway].into_iter().flatten().min()
    }

    /// Time has passed; does what is due.
    pub fn recv_timeout(&mut self, now: Instant) {
        if self.poll_timeout().is_none_or(|due| now < due) {
            return;
        }
        if !self.settings_seen && now >= self.started + limits::PREFACE_TIMEOUT {
            self.fail(super::error::protocol("no connection preface in time"));
        } else if self
            .incomplete_since
            .is_some_and(|since| now >= since + limits::FRAME_TIMEOUT)
        {
            self.fail(super::error::protocol(
                "frame or header block not completed in time",
            ));
        } else {
            // Idle for too long, or the PING between the two GOAWAYs stays without an answer.
            self.finish_shut_down();
        }
    }

    /// Ends the connection with GOAWAY; nothing is received any more, and no event follows.
    pub(super) fn fail(&mut self, error: Error) {
        if self.failure.is_some() {
            return;
        }
        let (reason, debug_data) = match error {
            Error::Connection(reason, what) | Error::Stream(_, reason, what) => (reason, what),
        };
        self.failure = Some(error);
        self.streams.clear();
        self.ready.clear();
        self.starved.clear();
        self.control
            .retain(|control| matches!(control, Control::Settings));
        self.control.push_back(Control::GoAway {
            last_stream: self.last_stream,
            reason,
            debug_data,
        });
    }

    pub(super) fn release_connection(&mut self, octets: usize) {
        if let Some(increment) = self.recv_window.release(octets)
            && self.failure.is_none()
        {
            self.control.push_back(Control::WindowUpdate {
                stream: StreamId::ZERO,
                increment,
            });
        }
    }

    /// Puts a stream that has something to send into the queue, unless it stands there.
    pub(super) fn schedule(&mut self, stream: StreamId) {
        if let Some(state) = self.streams.get_mut(&stream)
            && !state.is_scheduled
            && !state.queue.is_empty()
        {
            state.is_scheduled = true;
            self.ready.push_back(stream);
        }
    }

    fn is_idle(&self) -> bool {
        self.settings_seen && self.streams.is_empty() && self.shutdown == Shutdown::No
    }
}

/// What the PING between the two GOAWAYs carries.
pub(super) const SHUTDOWN_PING: [u8; 8] = *b"shutdown";

/// The client's first octets (section 3.4).
pub(super) const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

impl From<hpack::Error> for Error {
    fn from(_: hpack::Error) -> Self {
        Self::Connection(Reason::COMPRESSION_ERROR, "header block that cannot be decoded")
    }
}

const _: () = assert!(
    frame::MAX_FRAME_SIZE == 16_384,
    "SETTINGS_MAX_FRAME_SIZE is not advertised"
);
