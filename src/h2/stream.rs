//! The state of one stream (RFC 9113, section 5.1), and the memory of closed ones.
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
//! half-closed (local) never lasts. A stream that is in [`Connection`](super::Connection)'s map is open or
//! half-closed (remote); one that is not is idle if its number is above the highest seen, else closed.

use std::collections::VecDeque;

use super::flow_control::{RecvWindow, SendWindow};
use super::frame::StreamId;
use crate::limits;
use crate::secret::Secret;

/// A stream that is not closed.
pub(super) struct Stream {
    pub(super) send_window: SendWindow,
    pub(super) recv_window: RecvWindow,
    /// Whether the request is still arriving.
    pub(super) is_remote_open: bool,
    /// Octets of body that the request's `content-length` still promises.
    pub(super) promised: Option<u64>,
    /// What is to be sent, in order.
    pub(super) queue: VecDeque<Item>,
    /// How far the answer has been queued.
    pub(super) answer: Answer,
    /// Whether the stream stands in one of the connection's sending queues.
    pub(super) is_scheduled: bool,
}

/// A part of an answer.
pub(super) enum Item {
    /// An encoded header block: the head of the answer, or its trailers.
    Head { block: Vec<u8>, end_stream: bool },
    /// A part of the body, sent up to `sent`.
    Body {
        octets: Secret,
        sent: usize,
        end_stream: bool,
    },
}

/// How far an answer has been queued.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// Not at all.
    Waiting,
    /// Its head, maybe some of its body.
    Started,
    /// To its end.
    Complete,
}

impl Stream {
    pub(super) fn new(
        send_window: u32,
        recv_window: u32,
        is_remote_open: bool,
        promised: Option<u64>,
    ) -> Self {
        Self {
            send_window: SendWindow::new(send_window),
            recv_window: RecvWindow::new(recv_window),
            is_remote_open,
            promised,
            queue: VecDeque::new(),
            answer: Answer::Waiting,
            is_scheduled: false,
        }
    }

    /// Counts body octets against the promise. False if it is broken: by too many, or by too few at the end.
    #[must_use]
    pub(super) fn keeps_promise(&mut self, octets: usize, is_end: bool) -> bool {
        let Some(promised) = self.promised else {
            return true;
        };
        let left = u64::try_from(octets)
            .ok()
            .and_then(|octets| promised.checked_sub(octets));
        self.promised = left;
        match left {
            None => false,
            Some(left) => left == 0 || !is_end,
        }
    }
}

/// How a stream came to be closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Closed {
    /// Both sides sent END_STREAM.
    Ended,
    /// The client sent RST_STREAM.
    ResetByPeer,
    /// We sent RST_STREAM; frames sent before the client saw it may still arrive and are no error.
    ResetByUs,
}

/// The streams closed last. What a late frame means depends on how its stream was closed.
#[derive(Default)]
pub(super) struct ClosedStreams(VecDeque<(StreamId, Closed)>);

impl ClosedStreams {
    pub(super) fn remember(&mut self, stream: StreamId, how: Closed) {
        if let Some(known) = self.0.iter_mut().find(|(known, _)| *known == stream) {
            known.1 = how;
            return;
        }
        if self.0.len() >= limits::CLOSED_STREAMS {
            self.0.pop_front();
        }
        self.0.push_back((stream, how));
    }

    pub(super) fn how(&self, stream: StreamId) -> Option<Closed> {
        self.0
            .iter()
            .rev()
            .find(|(known, _)| *known == stream)
            .map(|(_, how)| *how)
    }
}
