//! The connection as a whole: which frame does what, what can be commanded, and what is polled.
//!
//! The methods come in four families: getters, input ([`Connection::recv`], [`Connection::recv_timeout`]), commands
//! (`send_*`, `release`, `reset`, …) and `poll_*`. After input and commands, poll in this order:
//!
//! 1. [`Connection::poll_event`] until it gives none. Commands that answer an event belong here.
//! 2. [`Connection::poll_output`] while [`Connection::has_output`]. It comes after the events, because the answers to them,
//!    and the windows that they release, are output.
//! 3. [`Connection::poll_event`] again: output that ended an answer has made an [`Event::Answered`].
//! 4. [`Connection::poll_timeout`], last, because each of the others can change it.

use std::collections::VecDeque;
use std::time::Instant;

use super::error::{Error, Reason, excessive_load, flow_control, protocol};
use super::event::Event;
use super::flood::FloodLimits;
use super::flow_control::{RecvWindow, SendWindow};
use super::frame::{self, Data, Frame, Head, Headers, Settings};
use super::frame_reader::FrameReader;
use super::header_block::{HeaderBlock, HeaderWriter};
use super::request_head::{Collector, Fault};
use super::settings;
use super::stream::{CONTENT_LENGTH, Sent, Stream};
use super::stream_id::StreamId;
use super::streams::{Closed, Streams};
use crate::hpack;
use crate::limits;
use crate::secret::Secret;

/// One client's connection. See the [module](super).
pub struct Connection {
    // What arrives.
    reader: FrameReader,
    block: Option<HeaderBlock>,
    decoder: hpack::Decoder,
    recv_window: RecvWindow,
    /// The window that streams start with: the protocol's until the client has acknowledged ours.
    recv_initial: u32,
    is_settings_acked: bool,
    settings_seen: bool,
    flood: FloodLimits,
    events: VecDeque<Event>,

    // What leaves.
    /// The window that our sending starts with on each stream.
    send_initial: u32,
    send_window: SendWindow,
    /// Frames that belong to no stream's queue: they leave before those that do.
    control: Vec<u8>,
    control_frames: usize,
    is_settings_sent: bool,
    headers: HeaderWriter,

    streams: Streams,

    // When it ends.
    started: Instant,
    last_received: Instant,
    incomplete_since: Option<Instant>,
    shutdown: Shutdown,
    failure: Option<Error>,
}

/// The graceful end of a connection (section 6.8).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shutdown {
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
        let mut connection = Self {
            reader: FrameReader::default(),
            block: None,
            decoder: hpack::Decoder::new(limits::HEADER_TABLE_BYTES),
            recv_window: RecvWindow::new(settings::DEFAULT_WINDOW),
            recv_initial: settings::DEFAULT_WINDOW,
            is_settings_acked: false,
            settings_seen: false,
            flood: FloodLimits::new(now),
            events: VecDeque::new(),
            send_initial: settings::DEFAULT_WINDOW,
            send_window: SendWindow::new(settings::DEFAULT_WINDOW),
            control: Vec::new(),
            control_frames: 0,
            is_settings_sent: false,
            headers: HeaderWriter::default(),
            streams: Streams::default(),
            started: now,
            last_received: now,
            incomplete_since: None,
            shutdown: Shutdown::No,
            failure: None,
        };
        frame::encode_settings(connection.control(), &settings::OURS);
        let increment = limits::CONNECTION_WINDOW - settings::DEFAULT_WINDOW;
        let increment = connection.recv_window.grow(increment);
        connection.put_window_update(StreamId::ZERO, increment);
        connection
    }

    /// The client's error that ended the connection, if any.
    pub fn failure(&self) -> Option<Error> {
        self.failure
    }

    /// Whether nothing is left to send and nothing more will be read.
    pub fn is_finished(&self) -> bool {
        self.is_over() && self.control.is_empty()
    }

    /// When it was accepted.
    pub fn started(&self) -> Instant {
        self.started
    }

    /// Whether GOAWAY was sent, at shutdown or because of an error.
    pub fn is_ending(&self) -> bool {
        self.failure.is_some() || self.shutdown != Shutdown::No
    }

    /// Whether only the end of the connection is left to send: no more streams, and no answers.
    pub fn is_over(&self) -> bool {
        let is_over = matches!(self.shutdown, Shutdown::Final(_)) && self.streams.len() == 0;
        self.failure.is_some() || is_over
    }

    /// Streams that are not closed.
    pub fn open_streams(&self) -> usize {
        self.streams.len()
    }

    /// Whether [`Connection::poll_output`] would give anything now.
    pub fn has_output(&self) -> bool {
        !self.control.is_empty() || self.streams.has_turns(self.send_window.available())
    }

    /// Queues the head of an answer. Like every command, ignored if the stream is gone.
    pub fn send_headers(&mut self, stream: StreamId, fields: &[(&str, &str)], end_stream: bool) {
        if let Some(state) = self.streams.get_mut(stream) {
            state.queue_headers(fields, end_stream);
            self.streams.schedule(stream);
        }
    }

    /// Queues a piece of an answer's body. It waits here for as long as the client's windows are closed.
    pub fn send_data(&mut self, stream: StreamId, octets: Secret, end_stream: bool) {
        if let Some(state) = self.streams.get_mut(stream) {
            state.queue_data(octets, end_stream);
            self.streams.schedule(stream);
        }
    }

    /// Ends a stream without a proper answer.
    pub fn reset(&mut self, stream: StreamId, reason: Reason) {
        if self.streams.close(stream, Closed::ResetByUs) {
            frame::encode_reset(self.control(), stream, reason);
        }
    }

    /// Releases `octets` of received body: the windows grow by as much. For a stream that is gone, the connection's
    /// window still grows.
    pub fn release(&mut self, stream: StreamId, octets: usize) {
        self.release_connection(octets);
        if let Some(state) = self.streams.get_mut(stream) {
            let increment = state.release(octets);
            self.put_window_update(stream, increment);
        }
    }

    /// Lets the client send `octets` more on a stream than its window allows.
    pub fn grow_window(&mut self, stream: StreamId, octets: u32) {
        if let Some(state) = self.streams.get_mut(stream) {
            let increment = state.grow_window(octets);
            self.put_window_update(stream, increment);
        }
    }

    /// Starts the graceful shutdown: announces it, and sends a PING to learn when the client has seen that. Requests
    /// that arrive until then are still served.
    pub fn shut_down(&mut self, now: Instant) {
        if self.failure.is_some() || self.shutdown != Shutdown::No {
            return;
        }
        self.shutdown = Shutdown::Announced(now);
        frame::encode_goaway(self.control(), StreamId::MAX, Reason::NO_ERROR, "shutting down");
        frame::encode_ping(self.control(), false, SHUTDOWN_PING);
    }

    /// The second half of [`Connection::shut_down`]: GOAWAY with the last stream that we will answer. Streams that
    /// open from now on are ignored; the connection is finished with the last of the others.
    pub fn finish_shut_down(&mut self) {
        if self.failure.is_some() || matches!(self.shutdown, Shutdown::Final(_)) {
            return;
        }
        let last_stream = self.streams.last();
        self.shutdown = Shutdown::Final(last_stream);
        frame::encode_goaway(self.control(), last_stream, Reason::NO_ERROR, "no more streams");
    }

    /// The next event.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// Appends all control frames to `out`, then one frame of each ready stream in turn, until it holds `room` octets
    /// or more, or nothing may be sent now. The last frame may exceed `room` by its own length. The octets may be
    /// secret: `out` should be wiped after use.
    pub fn poll_output(&mut self, out: &mut Vec<u8>, room: usize) {
        if self.send_window.available() > 0 {
            self.streams.unblock();
        }
        out.append(&mut self.control);
        self.control_frames = 0;
        self.is_settings_sent = true;
        while out.len() < room {
            let sent = self
                .streams
                .send_next(&mut self.send_window, &mut self.headers, out);
            let Some((stream, sent)) = sent else { break };
            if matches!(sent, Sent::Data { .. }) {
                self.flood.progress();
            }
            if matches!(sent, Sent::Headers { is_end } | Sent::Data { is_end } if is_end) {
                self.events.push_back(Event::Answered { stream });
            }
        }
    }

    /// When to call [`Connection::recv_timeout`] next, if nothing happens before.
    pub fn poll_timeout(&self) -> Option<Instant> {
        if self.failure.is_some() {
            return None;
        }
        let is_idle = self.settings_seen && self.streams.len() == 0 && self.shutdown == Shutdown::No;
        let preface = (!self.settings_seen).then(|| self.started + limits::PREFACE_TIMEOUT);
        let frame = self.incomplete_since.map(|since| since + limits::FRAME_TIMEOUT);
        let idle = is_idle.then(|| self.last_received + limits::IDLE_TIMEOUT);
        let goaway = match self.shutdown {
            Shutdown::Announced(since) => Some(since + limits::GOAWAY_ROUND_TRIP),
            Shutdown::No | Shutdown::Final(_) => None,
        };
        [preface, frame, idle, goaway].into_iter().flatten().min()
    }

    /// Handles expired timers.
    pub fn recv_timeout(&mut self, now: Instant) {
        if self.poll_timeout().is_none_or(|due| now < due) {
            return;
        }
        if !self.settings_seen && now >= self.started + limits::PREFACE_TIMEOUT {
            self.fail(protocol("connection preface not received in time"));
        } else if self
            .incomplete_since
            .is_some_and(|since| now >= since + limits::FRAME_TIMEOUT)
        {
            self.fail(protocol("frame or header block not completed in time"));
        } else {
            // Idle for too long, or the PING between the two GOAWAYs stays without an answer.
            self.finish_shut_down();
        }
    }

    /// Takes input from the client, split anywhere.
    pub fn recv(&mut self, now: Instant, bytes: &[u8]) {
        if self.failure.is_some() || bytes.is_empty() {
            return;
        }
        self.last_received = now;
        let mut reader = std::mem::take(&mut self.reader);
        let read = reader.read(bytes, |head, payload| self.recv_frame(now, head, payload));
        self.reader = reader;
        if let Err(error) = read {
            self.fail(error);
        }
        let is_incomplete = self.reader.is_inside_frame() || self.block.is_some();
        if !is_incomplete || self.failure.is_some() {
            self.incomplete_since = None;
        } else if self.incomplete_since.is_none() {
            self.incomplete_since = Some(now);
        }
    }

    fn recv_frame(&mut self, now: Instant, head: Head, payload: &[u8]) -> Result<(), Error> {
        let handled = match &self.block {
            Some(block) if head.kind != frame::Kind::CONTINUATION || head.stream != block.stream => {
                Err(protocol("another frame inside a header block"))
            }
            _ => Frame::parse(&head, payload).and_then(|frame| self.handle(now, frame)),
        };
        match handled {
            Err(Error::Stream(stream, reason, what)) => self.stream_error(now, stream, reason, what)?,
            other => other?,
        }
        if self.control_frames > limits::CONTROL_BACKLOG {
            return Err(excessive_load("client does not read the answers it causes"));
        }
        if self.block.is_none() {
            self.incomplete_since = None; // what comes next has its own time
        }
        Ok(())
    }

    fn handle(&mut self, now: Instant, frame: Frame<'_>) -> Result<(), Error> {
        if !self.settings_seen && !matches!(frame, Frame::Settings(_)) {
            return Err(protocol("the first frame is not SETTINGS"));
        }
        match frame {
            Frame::Data(data) => self.recv_data(now, &data),
            Frame::Headers(headers) => self.recv_headers(now, &headers),
            Frame::Continuation {
                fragment,
                end_headers,
            } => self.recv_continuation(now, fragment, end_headers),
            Frame::Reset { stream, reason } => self.recv_reset(now, stream, reason),
            other => {
                self.flood.control_frame(now)?;
                self.recv_control(&other)
            }
        }
    }

    fn recv_control(&mut self, frame: &Frame<'_>) -> Result<(), Error> {
        match *frame {
            Frame::Priority { stream, dependency } if stream == dependency => {
                let what = "stream depends on itself";
                return Err(Error::Stream(stream, Reason::PROTOCOL_ERROR, what));
            }
            Frame::Settings(ref settings) => return self.recv_settings(settings),
            Frame::SettingsAck if !self.is_settings_acked => {
                self.is_settings_acked = true;
                let old = std::mem::replace(&mut self.recv_initial, limits::STREAM_WINDOW);
                for (id, stream) in self.streams.iter_mut() {
                    if let Some(increment) = stream.resize_window(old, self.recv_initial) {
                        // Not counted as backlog: this happens once, and at most once for each open stream.
                        frame::encode_window_update(&mut self.control, id, increment);
                    }
                }
            }
            Frame::Ping { ack: false, payload } => frame::encode_ping(self.control(), true, payload),
            Frame::Ping { ack: true, payload }
                if payload == SHUTDOWN_PING && matches!(self.shutdown, Shutdown::Announced(_)) =>
            {
                self.finish_shut_down();
            }
            Frame::WindowUpdate { stream, increment } => return self.recv_window_update(stream, increment),
            // After GOAWAY the client opens no more streams and closes when it has its answers.
            _ => {}
        }
        Ok(())
    }

    fn recv_settings(&mut self, settings: &Settings<'_>) -> Result<(), Error> {
        self.settings_seen = true;
        let window = settings::initial_window(settings)?.unwrap_or(self.send_initial);
        let delta = i64::from(window) - i64::from(self.send_initial);
        self.send_initial = window;
        for (_, stream) in self.streams.iter_mut() {
            if !stream.shift_send_window(delta) {
                return Err(flow_control("SETTINGS_INITIAL_WINDOW_SIZE overflows a window"));
            }
        }
        if delta > 0 {
            self.streams.schedule_all();
        }
        frame::encode_settings_ack(self.control());
        Ok(())
    }

    fn recv_window_update(&mut self, stream: StreamId, increment: u32) -> Result<(), Error> {
        let octets = i64::from(increment);
        if stream.is_zero() {
            if !self.send_window.shift(octets) {
                return Err(flow_control("connection window above 2^31-1"));
            }
        } else if let Some(state) = self.streams.get_mut(stream) {
            if !state.shift_send_window(octets) {
                let what = "stream window above 2^31-1";
                return Err(Error::Stream(stream, Reason::FLOW_CONTROL_ERROR, what));
            }
            self.streams.schedule(stream);
        } else {
            self.require_not_idle(stream, "WINDOW_UPDATE on an idle stream")?;
        }
        Ok(())
    }

    fn recv_reset(&mut self, now: Instant, stream: StreamId, reason: Reason) -> Result<(), Error> {
        self.require_not_idle(stream, "RST_STREAM on an idle stream")?;
        if !self.streams.close(stream, Closed::ResetByPeer) {
            return self.flood.control_frame(now);
        }
        self.flood.reset(now)?;
        self.events.push_back(Event::Reset { stream, reason });
        Ok(())
    }

    fn recv_data(&mut self, now: Instant, data: &Data<'_>) -> Result<(), Error> {
        if !self.recv_window.consume(data.flow_length) {
            return Err(flow_control("DATA beyond the connection's window"));
        }
        let Some(stream) = self.streams.get_mut(data.stream) else {
            // The connection's window must not shrink by DATA on a closed stream.
            self.release_connection(data.flow_length);
            self.flood.control_frame(now)?;
            self.require_not_idle(data.stream, "DATA on an idle stream")?;
            if data.stream > self.streams.last() {
                return Ok(()); // beyond our final GOAWAY
            }
            let what = "DATA on a closed stream";
            let unknown = Error::Stream(data.stream, Reason::STREAM_CLOSED, what);
            return self.streams.check_late(data.stream, what, unknown);
        };
        if let Err(error) = stream.recv_data(data) {
            self.release_connection(data.flow_length);
            return Err(error);
        }
        if data.payload.is_empty() && !data.end_stream {
            self.flood.control_frame(now)?;
        } else {
            self.flood.progress();
        }
        self.release(data.stream, data.flow_length - data.payload.len());
        let payload = Secret::new(data.payload.to_vec());
        self.events.push_back(Event::Data {
            stream: data.stream,
            payload,
            end_stream: data.end_stream,
        });
        Ok(())
    }

    fn recv_headers(&mut self, now: Instant, headers: &Headers<'_>) -> Result<(), Error> {
        let block = HeaderBlock::new(headers);
        if headers.end_headers {
            self.recv_block(now, &block)
        } else {
            self.block = Some(block);
            Ok(())
        }
    }

    fn recv_continuation(&mut self, now: Instant, fragment: &[u8], end_headers: bool) -> Result<(), Error> {
        let Some(mut block) = self.block.take() else {
            return Err(protocol("CONTINUATION without a header block"));
        };
        block.push(fragment)?;
        if end_headers {
            return self.recv_block(now, &block);
        }
        self.block = Some(block);
        Ok(())
    }

    /// Handles a complete header block. It is always decoded, to keep the compression state in sync.
    fn recv_block(&mut self, now: Instant, block: &HeaderBlock) -> Result<(), Error> {
        let mut collector = if self.streams.contains(block.stream) {
            Collector::trailers()
        } else {
            Collector::request()
        };
        self.decoder
            .decode(&block.fragments, |name, value| collector.field(name, value))?;
        if let Some(stream) = self.streams.get_mut(block.stream) {
            stream.recv_trailers(block, collector)?;
            self.events.push_back(Event::Data {
                stream: block.stream,
                payload: Secret::default(),
                end_stream: true,
            });
            Ok(())
        } else if block.stream > self.streams.last() {
            self.recv_request(now, block, collector)
        } else {
            let unknown = protocol("stream number does not increase");
            self.streams
                .check_late(block.stream, "HEADERS on a closed stream", unknown)?;
            self.flood.control_frame(now)
        }
    }

    fn recv_request(&mut self, now: Instant, block: &HeaderBlock, collector: Collector) -> Result<(), Error> {
        let stream = block.stream;
        if !stream.is_client_initiated() {
            return Err(protocol("even stream number from a client"));
        }
        if matches!(self.shutdown, Shutdown::Final(_)) {
            return self.flood.control_frame(now); // GOAWAY tells the client to connect again
        }
        self.streams.leave_idle(stream);
        let error = |reason, what| Err(Error::Stream(stream, reason, what));
        if block.is_self_dependent {
            return error(Reason::PROTOCOL_ERROR, "stream depends on itself");
        }
        let allowed = usize::try_from(limits::CONCURRENT_STREAMS).unwrap_or(usize::MAX);
        if self.is_settings_acked && self.streams.len() >= allowed {
            // Only a client that breaks the limit it has acknowledged gets here.
            return error(
                Reason::REFUSED_STREAM,
                "more streams than SETTINGS_MAX_CONCURRENT_STREAMS",
            );
        }
        let head = match collector.into_request() {
            Ok(head) => head,
            Err(Fault::Malformed(what)) => return error(Reason::PROTOCOL_ERROR, what),
            Err(Fault::TooLarge) => return self.refuse(now, stream, "431"),
        };
        if self.streams.len() >= limits::STREAMS_BEFORE_ACK {
            return self.refuse(now, stream, "500");
        }
        if block.end_stream && head.content_length.is_some_and(|length| length != 0) {
            return error(Reason::PROTOCOL_ERROR, CONTENT_LENGTH);
        }
        self.flood.progress();
        let state = Stream::new(
            stream,
            self.send_initial,
            self.recv_initial,
            block.end_stream,
            head.content_length,
        );
        self.streams.insert(stream, state);
        self.events.push_back(Event::Request {
            stream,
            head,
            end_stream: block.end_stream,
        });
        Ok(())
    }

    /// Answers a request that exceeds a limit with only a status. Not with RST_STREAM, because gRPC maps its codes to
    /// statuses that kubelet does not treat as final.
    fn refuse(&mut self, now: Instant, stream: StreamId, status: &str) -> Result<(), Error> {
        self.flood.reset(now)?;
        let mut block = Vec::new();
        hpack::encode([(":status", status)], &mut block);
        self.control_frames += 1;
        self.headers.put(stream, block, true, &mut self.control);
        frame::encode_reset(self.control(), stream, Reason::NO_ERROR);
        self.streams.remember(stream, Closed::ResetByUs);
        Ok(())
    }

    /// Ends a stream because of a client error.
    fn stream_error(
        &mut self,
        now: Instant,
        stream: StreamId,
        reason: Reason,
        what: &'static str,
    ) -> Result<(), Error> {
        if stream > self.streams.last() {
            // RST_STREAM must not be sent for an idle stream (section 6.4).
            return Err(Error::Connection(reason, what));
        }
        self.flood.reset(now)?;
        if self.streams.close(stream, Closed::ResetByUs) {
            self.events.push_back(Event::Reset { stream, reason });
        } else {
            self.streams.remember(stream, Closed::ResetByUs);
        }
        frame::encode_reset(self.control(), stream, reason);
        Ok(())
    }

    fn require_not_idle(&self, stream: StreamId, what: &'static str) -> Result<(), Error> {
        let is_ignored = matches!(self.shutdown, Shutdown::Final(_)) && stream.is_client_initiated();
        if stream > self.streams.last() && !is_ignored {
            Err(protocol(what))
        } else {
            Ok(())
        }
    }

    /// Ends the connection with GOAWAY; nothing is received any more, and no event follows.
    fn fail(&mut self, error: Error) {
        if self.failure.is_some() {
            return;
        }
        let (reason, debug_data) = match error {
            Error::Connection(reason, what) | Error::Stream(_, reason, what) => (reason, what),
        };
        self.failure = Some(error);
        self.streams.clear();
        self.control.clear();
        if !self.is_settings_sent {
            frame::encode_settings(self.control(), &settings::OURS);
        }
        let last_stream = self.streams.last();
        frame::encode_goaway(self.control(), last_stream, reason, debug_data);
    }

    fn release_connection(&mut self, octets: usize) {
        if let Some(increment) = self.recv_window.release(octets)
            && self.failure.is_none()
        {
            self.put_window_update(StreamId::ZERO, Some(increment));
        }
    }

    fn put_window_update(&mut self, stream: StreamId, increment: Option<u32>) {
        if let Some(increment) = increment {
            frame::encode_window_update(self.control(), stream, increment);
        }
    }

    /// Buffer for another control frame.
    fn control(&mut self) -> &mut Vec<u8> {
        self.control_frames += 1;
        &mut self.control
    }
}

/// What the PING between the two GOAWAYs carries.
const SHUTDOWN_PING: [u8; 8] = *b"shutdown";

const _: () = assert!(
    frame::MAX_FRAME_SIZE == 16_384,
    "SETTINGS_MAX_FRAME_SIZE is not advertised"
);
