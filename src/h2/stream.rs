//! The state of one stream (RFC 9113, section 5.1).
//!
//! A server that never pushes knows this part of the RFC's diagram:
//!
//! ```text
//!   idle ──HEADERS──▶ open ──END_STREAM in──▶ half-closed (remote) ──END_STREAM out──▶ closed
//!                      │                                 │                               ▲
//!                      ├─────────── RST_STREAM, in or out ──────────────────────────────▶┤
//!                      └─END_STREAM out, then RST_STREAM(NO_ERROR) out ─────────────────▶┘
//! ```
//!
//! An answer that ends before the request does is followed by RST_STREAM(NO_ERROR) at once (section 8.1), so
//! half-closed (local) never lasts. A [`Stream`] is open or half-closed (remote). A number without one is idle if it
//! is above the highest seen, else closed.

use std::collections::VecDeque;

use super::error::{Error, Reason};
use super::flow_control::{RecvWindow, SendWindow};
use super::frame::{self, Data, MAX_FRAME_SIZE};
use super::header_block::{HeaderBlock, HeaderWriter};
use super::request_head::{Collector, Fault};
use super::stream_id::StreamId;
use crate::hpack;
use crate::secret::Secret;

/// A stream that is not closed.
pub(super) struct Stream {
    id: StreamId,
    send_window: SendWindow,
    recv_window: RecvWindow,
    /// Whether the request is still arriving.
    is_remote_open: bool,
    /// Octets of the request's `content-length` that have not arrived.
    content_missing: Option<u64>,
    /// Output of the stream, in order.
    queue: VecDeque<Item>,
    answer: Answer,
}

/// A part of an answer.
enum Item {
    /// An encoded header block: the head of the answer, or its trailers.
    Head { block: Vec<u8>, end_stream: bool },
    /// A part of the body, sent up to `sent`.
    Body {
        octets: Secret,
        sent: usize,
        end_stream: bool,
    },
}

/// How much of the answer is queued.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Answer {
    /// Nothing.
    Waiting,
    /// Its head, and possibly part of its body.
    Started,
    /// All of it.
    Complete,
}

/// The result of a stream's turn to send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sent {
    /// Nothing: its queue is empty, or its own window is closed.
    Nothing,
    /// Nothing: the connection's window is closed.
    Blocked,
    /// HEADERS.
    Headers { is_end: bool },
    /// DATA.
    Data { is_end: bool },
}

impl Stream {
    /// The stream of a request, with its `content-length` if it has one.
    pub(super) fn new(
        id: StreamId,
        send_window: u32,
        recv_window: u32,
        end_stream: bool,
        content_length: Option<u64>,
    ) -> Self {
        Self {
            id,
            send_window: SendWindow::new(send_window),
            recv_window: RecvWindow::new(recv_window),
            is_remote_open: !end_stream,
            content_missing: content_length,
            queue: VecDeque::new(),
            answer: Answer::Waiting,
        }
    }

    pub(super) fn is_remote_open(&self) -> bool {
        self.is_remote_open
    }

    pub(super) fn has_output(&self) -> bool {
        !self.queue.is_empty()
    }

    /// A piece of the request's body.
    pub(super) fn recv_data(&mut self, data: &Data<'_>) -> Result<(), Error> {
        if !self.is_remote_open {
            return self.error(Reason::STREAM_CLOSED, "DATA after END_STREAM");
        }
        if !self.recv_window.consume(data.flow_length) {
            return self.error(Reason::FLOW_CONTROL_ERROR, "DATA beyond the stream's window");
        }
        self.count_content(data.payload.len(), data.end_stream)?;
        self.is_remote_open = !data.end_stream;
        Ok(())
    }

    /// The request's trailers.
    pub(super) fn recv_trailers(&mut self, block: &HeaderBlock, trailers: Collector) -> Result<(), Error> {
        if !self.is_remote_open {
            return self.error(Reason::STREAM_CLOSED, "HEADERS after END_STREAM");
        }
        if block.is_self_dependent {
            return self.error(Reason::PROTOCOL_ERROR, "stream depends on itself");
        }
        if !block.end_stream {
            return self.error(Reason::PROTOCOL_ERROR, "trailers without END_STREAM");
        }
        if let Err(fault) = trailers.into_trailers() {
            let what = match fault {
                Fault::Malformed(what) => what,
                Fault::TooLarge => "trailers above the header list limit",
            };
            return self.error(Reason::PROTOCOL_ERROR, what);
        }
        self.count_content(0, true)?;
        self.is_remote_open = false;
        Ok(())
    }

    /// Counts octets of body against the `content-length` (section 8.1.1).
    fn count_content(&mut self, octets: usize, is_end: bool) -> Result<(), Error> {
        let Some(missing) = self.content_missing else {
            return Ok(());
        };
        let missing = u64::try_from(octets)
            .ok()
            .and_then(|octets| missing.checked_sub(octets));
        self.content_missing = missing;
        match missing {
            Some(missing) if missing == 0 || !is_end => Ok(()),
            _ => self.error(Reason::PROTOCOL_ERROR, CONTENT_LENGTH),
        }
    }

    fn error<T>(&self, reason: Reason, what: &'static str) -> Result<T, Error> {
        Err(Error::Stream(self.id, reason, what))
    }

    /// `octets` of received body take no more memory. Returns the increment to announce.
    pub(super) fn release(&mut self, octets: usize) -> Option<u32> {
        self.is_remote_open.then(|| self.recv_window.release(octets))?
    }

    /// Widens the window for the request's body. Returns the increment to announce.
    pub(super) fn grow_window(&mut self, octets: u32) -> Option<u32> {
        self.is_remote_open.then(|| self.recv_window.grow(octets))?
    }

    /// Our SETTINGS_INITIAL_WINDOW_SIZE changed. Returns the increment to announce.
    pub(super) fn resize_window(&mut self, old: u32, new: u32) -> Option<u32> {
        let increment = self.recv_window.resize(old, new);
        increment.filter(|_| self.is_remote_open)
    }

    /// The client's window changed by `octets`. False if it would grow past 2³¹−1.
    #[must_use]
    pub(super) fn shift_send_window(&mut self, octets: i64) -> bool {
        self.send_window.shift(octets)
    }

    /// Queues the head of the answer, or its trailers.
    pub(super) fn queue_headers(&mut self, fields: &[(&str, &str)], end_stream: bool) {
        if self.answer == Answer::Complete {
            return;
        }
        self.answer = if end_stream {
            Answer::Complete
        } else {
            Answer::Started
        };
        let mut block = Vec::new();
        hpack::encode(fields.iter().copied(), &mut block);
        self.queue.push_back(Item::Head { block, end_stream });
    }

    /// Queues a piece of the answer's body.
    pub(super) fn queue_data(&mut self, octets: Secret, end_stream: bool) {
        if self.answer != Answer::Started {
            return;
        }
        if end_stream {
            self.answer = Answer::Complete;
        }
        self.queue.push_back(Item::Body {
            octets,
            sent: 0,
            end_stream,
        });
    }

    /// Appends one frame of the answer to `out`, as far as both windows allow.
    pub(super) fn send(
        &mut self,
        connection_window: &mut SendWindow,
        headers: &mut HeaderWriter,
        out: &mut Vec<u8>,
    ) -> Sent {
        match self.queue.front_mut() {
            None => Sent::Nothing,
            Some(Item::Head { block, end_stream }) => {
                let (block, is_end) = (std::mem::take(block), *end_stream);
                self.queue.pop_front();
                headers.put(self.id, block, is_end, out);
                Sent::Headers { is_end }
            }
            Some(Item::Body {
                octets,
                sent,
                end_stream,
            }) => {
                let rest = octets.expose().get(*sent..).unwrap_or(&[]);
                let window = self.send_window.available();
                let length = rest
                    .len()
                    .min(MAX_FRAME_SIZE)
                    .min(window)
                    .min(connection_window.available());
                if length == 0 && !rest.is_empty() {
                    // A window update of the stream gives it its next turn.
                    return if window > 0 { Sent::Blocked } else { Sent::Nothing };
                }
                let is_last = length == rest.len();
                let is_end = is_last && *end_stream;
                frame::encode_data(out, self.id, rest.get(..length).unwrap_or(rest), is_end);
                *sent += length;
                self.send_window.consume(length);
                connection_window.consume(length);
                if is_last {
                    self.queue.pop_front();
                }
                Sent::Data { is_end }
            }
        }
    }
}

/// The error of a body that is shorter or longer than its `content-length`.
pub(super) const CONTENT_LENGTH: &str = "body differs from its content-length";
