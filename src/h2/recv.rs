//! Input: octets to frames, frames to state, and the right error for each rule that is broken.

use std::time::Instant;

use super::connection::{Connection, Control, Event, PREFACE, SHUTDOWN_PING, Shutdown};
use super::error::{Error, Reason, protocol};
use super::frame::{self, Frame, Head, StreamId};
use super::header_block::{Collector, Fault};
use super::stream::{Closed, Stream};
use crate::hpack;
use crate::limits;
use crate::secret::Secret;

/// A header block that is not complete yet (section 4.3).
pub(super) struct HeaderBlock {
    stream: StreamId,
    end_stream: bool,
    is_self_dependent: bool,
    fragments: Vec<u8>,
    continuations: u32,
}

impl Connection {
    /// The client sent `bytes`, cut anywhere.
    pub fn recv(&mut self, now: Instant, bytes: &[u8]) {
        if self.failure.is_some() || bytes.is_empty() {
            return;
        }
        self.last_heard = now;
        if let Err(error) = self.recv_bytes(now, bytes) {
            self.fail(error);
        }
        let is_incomplete = !self.input.is_empty() || self.block.is_some();
        if !is_incomplete || self.failure.is_some() {
            self.incomplete_since = None;
        } else if self.incomplete_since.is_none() {
            self.incomplete_since = Some(now);
        }
    }

    fn recv_bytes(&mut self, now: Instant, bytes: &[u8]) -> Result<(), Error> {
        let mut bytes = self.recv_preface(bytes)?;
        loop {
            if self.input.is_empty() {
                let Some(frame::Split { head, payload, rest }) = frame::split(bytes)? else {
                    self.input.extend_from_slice(bytes);
                    return Ok(());
                };
                self.recv_frame(now, head, payload)?;
                bytes = rest;
            } else {
                let missing = frame::missing(&self.input);
                let (more, rest) = bytes.split_at_checked(missing).unwrap_or((bytes, &[]));
                self.input.extend_from_slice(more);
                bytes = rest;
                let input = std::mem::take(&mut self.input);
                match frame::split(&input)? {
                    Some(frame::Split { head, payload, .. }) => self.recv_frame(now, head, payload)?,
                    None => {
                        self.input = input;
                        if bytes.is_empty() {
                            return Ok(());
                        }
                    }
                }
            }
        }
    }

    /// Takes the preface off, or what has come of it.
    fn recv_preface<'a>(&mut self, bytes: &'a [u8]) -> Result<&'a [u8], Error> {
        let expected = PREFACE.get(self.preface_seen..).unwrap_or(&[]);
        let length = expected.len().min(bytes.len());
        let (start, rest) = bytes.split_at_checked(length).unwrap_or((bytes, &[]));
        if expected.starts_with(start) {
            self.preface_seen += length;
            Ok(rest)
        } else {
            Err(protocol("not an HTTP/2 connection preface"))
        }
    }

    fn recv_frame(&mut self, now: Instant, head: Head, payload: &[u8]) -> Result<(), Error> {
        let handled = match &self.block {
            Some(block) if head.kind != frame::Kind::Continuation || head.stream != block.stream => {
                Err(protocol("another frame inside a header block"))
            }
            _ => Frame::parse(&head, payload).and_then(|frame| self.handle(now, frame)),
        };
        match handled {
            Err(Error::Stream(stream, reason, what)) => self.stream_error(now, stream, reason, what)?,
            other => other?,
        }
        if self.control.len() > limits::CONTROL_BACKLOG {
            return Err(calm("more frames to answer than the client reads"));
        }
        if self.block.is_none() {
            self.incomplete_since = None; // what comes next has its own time
        }
        Ok(())
    }

    fn handle(&mut self, now: Instant, frame: Frame<'_>) -> Result<(), Error> {
        if !self.settings_seen && !matches!(&frame, Frame::Settings(settings) if !settings.ack) {
            return Err(protocol("the first frame is not SETTINGS"));
        }
        match frame {
            Frame::Data(data) => self.recv_data(now, &data),
            Frame::Headers(headers) => self.recv_headers(now, &headers),
            Frame::Continuation(continuation) => self.recv_continuation(now, &continuation),
            Frame::Priority(priority) => {
                self.count_chatter(now)?;
                if priority.dependency == priority.stream {
                    let what = "stream that depends on itself";
                    return Err(Error::Stream(priority.stream, Reason::PROTOCOL_ERROR, what));
                }
                Ok(())
            }
            Frame::Reset(reset) => self.recv_reset(now, &reset),
            Frame::Settings(settings) => self.recv_settings(now, &settings),
            Frame::Ping(ping) => {
                self.count_chatter(now)?;
                if !ping.ack {
                    self.control.push_back(Control::Ping {
                        ack: true,
                        payload: ping.payload,
                    });
                } else if ping.payload == SHUTDOWN_PING && matches!(self.shutdown, Shutdown::Announced(_)) {
                    self.finish_shut_down();
                }
                Ok(())
            }
            // The client opens no more streams and closes when it has its answers; that needs no help of ours.
            Frame::GoAway(_) | Frame::Unknown => self.count_chatter(now),
            Frame::WindowUpdate(update) => self.recv_window_update(now, &update),
        }
    }

    fn recv_settings(&mut self, now: Instant, settings: &frame::Settings<'_>) -> Result<(), Error> {
        self.count_chatter(now)?;
        if settings.ack {
            if !self.is_settings_acked {
                self.is_settings_acked = true;
                let old = std::mem::replace(&mut self.recv_initial, limits::STREAM_WINDOW);
                for stream in self.streams.values_mut() {
                    stream.recv_window.resize(old, self.recv_initial);
                }
            }
            return Ok(());
        }
        self.settings_seen = true;
        let old = self.peer.initial_window;
        self.peer.update(settings)?;
        let delta = i64::from(self.peer.initial_window) - i64::from(old);
        if delta != 0 {
            for stream in self.streams.values_mut() {
                if !stream.send_window.shift(delta) {
                    let what = "SETTINGS_INITIAL_WINDOW_SIZE overflows a window";
                    return Err(Error::Connection(Reason::FLOW_CONTROL_ERROR, what));
                }
            }
        }
        if delta > 0 {
            let streams: Vec<_> = self.streams.keys().copied().collect();
            streams.into_iter().for_each(|stream| self.schedule(stream));
        }
        self.control.push_back(Control::SettingsAck);
        Ok(())
    }

    fn recv_window_update(&mut self, now: Instant, update: &frame::WindowUpdate) -> Result<(), Error> {
        self.count_chatter(now)?;
        let increment = i64::from(update.increment);
        if update.stream.is_zero() {
            if !self.send_window.shift(increment) {
                return Err(Error::Connection(
                    Reason::FLOW_CONTROL_ERROR,
                    "connection window above 2^31-1",
                ));
            }
        } else if let Some(stream) = self.streams.get_mut(&update.stream) {
            if !stream.send_window.shift(increment) {
                let what = "stream window above 2^31-1";
                return Err(Error::Stream(update.stream, Reason::FLOW_CONTROL_ERROR, what));
            }
            self.schedule(update.stream);
        } else {
            self.require_not_idle(update.stream, "WINDOW_UPDATE on an idle stream")?;
        }
        Ok(())
    }

    fn recv_reset(&mut self, now: Instant, reset: &frame::Reset) -> Result<(), Error> {
        self.require_not_idle(reset.stream, "RST_STREAM on an idle stream")?;
        if self.streams.remove(&reset.stream).is_some() {
            self.count_reset(now)?;
            self.closed.remember(reset.stream, Closed::ResetByPeer);
            self.events.push_back(Event::Reset {
                stream: reset.stream,
                reason: reset.reason,
            });
            Ok(())
        } else {
            self.count_chatter(now)
        }
    }

    fn recv_data(&mut self, now: Instant, data: &frame::Data<'_>) -> Result<(), Error> {
        if !self.recv_window.consume(data.flow_length) {
            return Err(Error::Connection(
                Reason::FLOW_CONTROL_ERROR,
                "DATA beyond the connection's window",
            ));
        }
        let error = |reason, what| Err(Error::Stream(data.stream, reason, what));
        let Some(stream) = self.streams.get_mut(&data.stream) else {
            // Whatever becomes of the stream, the connection's window must not shrink by it.
            self.release_connection(data.flow_length);
            self.count_chatter(now)?;
            self.require_not_idle(data.stream, "DATA on an idle stream")?;
            if data.stream > self.last_stream {
                return Ok(()); // beyond our final GOAWAY
            }
            return match self.closed.how(data.stream) {
                Some(Closed::ResetByUs) => Ok(()),
                Some(Closed::Ended) => Err(Error::Connection(
                    Reason::STREAM_CLOSED,
                    "DATA on a closed stream",
                )),
                Some(Closed::ResetByPeer) | None => error(Reason::STREAM_CLOSED, "DATA on a closed stream"),
            };
        };
        let problem = if !stream.is_remote_open {
            Some((Reason::STREAM_CLOSED, "DATA after END_STREAM"))
        } else if !stream.recv_window.consume(data.flow_length) {
            Some((Reason::FLOW_CONTROL_ERROR, "DATA beyond the stream's window"))
        } else if !stream.keeps_promise(data.payload.len(), data.end_stream) {
            Some((
                Reason::PROTOCOL_ERROR,
                "body that differs from its content-length",
            ))
        } else {
            None
        };
        if let Some((reason, what)) = problem {
            self.release_connection(data.flow_length);
            return error(reason, what);
        }
        stream.is_remote_open = !data.end_stream;
        if data.payload.is_empty() && !data.end_stream {
            self.count_chatter(now)?;
        } else {
            self.chatter.give(limits::CHATTER_PER_PROGRESS);
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

    fn recv_headers(&mut self, now: Instant, headers: &frame::Headers<'_>) -> Result<(), Error> {
        let block = HeaderBlock {
            stream: headers.stream,
            end_stream: headers.end_stream,
            is_self_dependent: headers.dependency == Some(headers.stream),
            fragments: headers.fragment.to_vec(),
            continuations: 0,
        };
        if headers.end_headers {
            self.recv_block(now, &block)
        } else {
            self.block = Some(block);
            Ok(())
        }
    }

    fn recv_continuation(
        &mut self,
        now: Instant,
        continuation: &frame::Continuation<'_>,
    ) -> Result<(), Error> {
        let Some(block) = &mut self.block else {
            return Err(protocol("CONTINUATION without a header block"));
        };
        block.continuations += 1;
        if block.continuations > limits::CONTINUATION_FRAMES {
            return Err(calm("header block in too many frames"));
        }
        if block.fragments.len() + continuation.fragment.len() > limits::HEADER_BLOCK_BYTES {
            return Err(calm("header block too long"));
        }
        block.fragments.extend_from_slice(continuation.fragment);
        if continuation.end_headers
            && let Some(block) = self.block.take()
        {
            return self.recv_block(now, &block);
        }
        Ok(())
    }

    /// A complete header block. It is decoded in every case, to keep the table in step.
    fn recv_block(&mut self, now: Instant, block: &HeaderBlock) -> Result<(), Error> {
        let is_trailers = self.streams.contains_key(&block.stream);
        let mut collector = if is_trailers {
            Collector::trailers()
        } else {
            Collector::request()
        };
        self.decoder
            .decode(&block.fragments, |name, value| collector.field(name, value))?;
        if is_trailers {
            self.recv_trailers(block, collector)
        } else if block.stream > self.last_stream {
            self.recv_request(now, block, collector)
        } else {
            let what = "HEADERS on a closed stream";
            match self.closed.how(block.stream) {
                Some(Closed::ResetByUs) => self.count_chatter(now),
                Some(Closed::ResetByPeer) => Err(Error::Stream(block.stream, Reason::STREAM_CLOSED, what)),
                Some(Closed::Ended) => Err(Error::Connection(Reason::STREAM_CLOSED, what)),
                None => Err(protocol("stream numbers must grow")),
            }
        }
    }

    fn recv_request(&mut self, now: Instant, block: &HeaderBlock, collector: Collector) -> Result<(), Error> {
        let stream = block.stream;
        if !stream.is_client_initiated() {
            return Err(protocol("stream number of a client must be odd"));
        }
        if matches!(self.shutdown, Shutdown::Final(_)) {
            return self.count_chatter(now); // the client learns from GOAWAY that it must go elsewhere
        }
        self.last_stream = stream;
        let error = |reason, what| Err(Error::Stream(stream, reason, what));
        if block.is_self_dependent {
            return error(Reason::PROTOCOL_ERROR, "stream that depends on itself");
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
            return error(
                Reason::PROTOCOL_ERROR,
                "body that differs from its content-length",
            );
        }
        self.chatter.give(limits::CHATTER_PER_PROGRESS);
        let state = Stream::new(
            self.peer.initial_window,
            self.recv_initial,
            !block.end_stream,
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

    fn recv_trailers(&mut self, block: &HeaderBlock, collector: Collector) -> Result<(), Error> {
        let error = |reason, what| Err(Error::Stream(block.stream, reason, what));
        let Some(stream) = self.streams.get_mut(&block.stream) else {
            return Ok(());
        };
        if !stream.is_remote_open {
            return error(Reason::STREAM_CLOSED, "HEADERS after END_STREAM");
        }
        if block.is_self_dependent {
            return error(Reason::PROTOCOL_ERROR, "stream that depends on itself");
        }
        if !block.end_stream {
            return error(Reason::PROTOCOL_ERROR, "trailers without END_STREAM");
        }
        match collector.into_trailers() {
            Ok(()) => {}
            Err(Fault::Malformed(what)) => return error(Reason::PROTOCOL_ERROR, what),
            Err(Fault::TooLarge) => {
                return error(Reason::PROTOCOL_ERROR, "trailers above the header list limit");
            }
        }
        if !stream.keeps_promise(0, true) {
            return error(
                Reason::PROTOCOL_ERROR,
                "body that differs from its content-length",
            );
        }
        stream.is_remote_open = false;
        self.events.push_back(Event::Data {
            stream: block.stream,
            payload: Secret::default(),
            end_stream: true,
        });
        Ok(())
    }

    /// Answers a request that we cannot take in with nothing but a status. RST_STREAM would not do: its
    /// fitting codes become statuses that kubelet does not take for final.
    fn refuse(&mut self, now: Instant, stream: StreamId, status: &str) -> Result<(), Error> {
        self.count_reset(now)?;
        let mut block = Vec::new();
        hpack::encode([(":status", status)], &mut block);
        self.control.push_back(Control::Refusal { stream, block });
        self.closed.remember(stream, Closed::ResetByUs);
        Ok(())
    }

    /// Ends a stream for a mistake of the client.
    fn stream_error(
        &mut self,
        now: Instant,
        stream: StreamId,
        reason: Reason,
        what: &'static str,
    ) -> Result<(), Error> {
        if stream > self.last_stream {
            // RST_STREAM must not be sent for an idle stream (section 6.4).
            return Err(Error::Connection(reason, what));
        }
        self.count_reset(now)?;
        if self.streams.remove(&stream).is_some() {
            self.events.push_back(Event::Reset { stream, reason });
        }
        self.closed.remember(stream, Closed::ResetByUs);
        self.control.push_back(Control::Reset { stream, reason });
        Ok(())
    }

    fn require_not_idle(&self, stream: StreamId, what: &'static str) -> Result<(), Error> {
        let is_ignored = matches!(self.shutdown, Shutdown::Final(_)) && stream.is_client_initiated();
        if stream > self.last_stream && !is_ignored {
            Err(protocol(what))
        } else {
            Ok(())
        }
    }

    fn count_chatter(&mut self, now: Instant) -> Result<(), Error> {
        if self.chatter.take(now) {
            Ok(())
        } else {
            Err(calm("too many frames without progress"))
        }
    }

    fn count_reset(&mut self, now: Instant) -> Result<(), Error> {
        if self.resets.take(now) {
            Ok(())
        } else {
            Err(calm("too many streams reset"))
        }
    }
}

/// The peer asks for more than any client needs.
const fn calm(what: &'static str) -> Error {
    Error::Connection(Reason::ENHANCE_YOUR_CALM, what)
}
