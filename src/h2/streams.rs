//! All streams of a connection: those that are not closed, their turns to send, and how the last ones were closed.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::error::{Error, Reason};
use super::flow_control::SendWindow;
use super::frame;
use super::header_block::HeaderWriter;
use super::stream::{Sent, Stream};
use super::stream_id::StreamId;
use crate::limits;

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

/// The streams of a connection.
#[derive(Default)]
pub(super) struct Streams {
    open: BTreeMap<StreamId, Stream>,
    /// The streams closed last. What a late frame means depends on how its stream was closed.
    closed: VecDeque<(StreamId, Closed)>,
    /// The highest stream that the client has opened.
    last: StreamId,
    /// Streams that have something to send, in turn.
    ready: VecDeque<StreamId>,
    /// Streams that wait for the connection's window.
    blocked: VecDeque<StreamId>,
    /// The streams in the two queues.
    scheduled: BTreeSet<StreamId>,
}

impl Streams {
    /// Streams that are not closed.
    pub(super) fn len(&self) -> usize {
        self.open.len()
    }

    /// The highest stream that the client has opened.
    pub(super) fn last(&self) -> StreamId {
        self.last
    }

    pub(super) fn contains(&self, id: StreamId) -> bool {
        self.open.contains_key(&id)
    }

    pub(super) fn get_mut(&mut self, id: StreamId) -> Option<&mut Stream> {
        self.open.get_mut(&id)
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = (StreamId, &mut Stream)> {
        self.open.iter_mut().map(|(id, stream)| (*id, stream))
    }

    /// Marks `id`, which the client opens, and all lower ones as no longer idle.
    pub(super) fn leave_idle(&mut self, id: StreamId) {
        self.last = id;
    }

    pub(super) fn insert(&mut self, id: StreamId, stream: Stream) {
        self.open.insert(id, stream);
    }

    /// Closes a stream. False if it was not open.
    pub(super) fn close(&mut self, id: StreamId, how: Closed) -> bool {
        let was_open = self.open.remove(&id).is_some();
        if was_open {
            self.remember(id, how);
        }
        was_open
    }

    /// Remembers how a stream was closed, even one that was never opened.
    pub(super) fn remember(&mut self, id: StreamId, how: Closed) {
        if let Some(known) = self.closed.iter_mut().find(|(known, _)| *known == id) {
            known.1 = how;
            return;
        }
        if self.closed.len() >= limits::CLOSED_STREAMS {
            self.closed.pop_front();
        }
        self.closed.push_back((id, how));
    }

    /// Checks a frame on a closed stream; `unknown` is the error if the way it was closed is forgotten.
    pub(super) fn check_late(&self, id: StreamId, what: &'static str, unknown: Error) -> Result<(), Error> {
        let mut closed = self.closed.iter().rev();
        match closed.find(|(known, _)| *known == id) {
            Some((_, Closed::ResetByUs)) => Ok(()),
            Some((_, Closed::Ended)) => Err(Error::Connection(Reason::STREAM_CLOSED, what)),
            Some((_, Closed::ResetByPeer)) => Err(Error::Stream(id, Reason::STREAM_CLOSED, what)),
            None => Err(unknown),
        }
    }

    /// Drops all streams: the connection has failed.
    pub(super) fn clear(&mut self) {
        self.open.clear();
        self.ready.clear();
        self.blocked.clear();
        self.scheduled.clear();
    }

    /// Gives a stream a turn if it has output and none yet.
    pub(super) fn schedule(&mut self, id: StreamId) {
        if self.open.get(&id).is_some_and(Stream::has_output) && self.scheduled.insert(id) {
            self.ready.push_back(id);
        }
    }

    /// The same for all streams.
    pub(super) fn schedule_all(&mut self) {
        let ids: Vec<_> = self.open.keys().copied().collect();
        ids.into_iter().for_each(|id| self.schedule(id));
    }

    /// Whether a stream has a turn, now that the connection's window has `available` octets.
    pub(super) fn has_turns(&self, available: usize) -> bool {
        !self.ready.is_empty() || (!self.blocked.is_empty() && available > 0)
    }

    /// Queues the streams that waited for the connection's window again.
    pub(super) fn unblock(&mut self) {
        self.ready.append(&mut self.blocked);
    }

    /// Appends one frame of the stream whose turn it is. `None` if no stream has a turn.
    pub(super) fn send_next(
        &mut self,
        window: &mut SendWindow,
        headers: &mut HeaderWriter,
        out: &mut Vec<u8>,
    ) -> Option<(StreamId, Sent)> {
        let id = self.ready.pop_front()?;
        self.scheduled.remove(&id);
        let stream = self.open.get_mut(&id);
        let sent = stream.map_or(Sent::Nothing, |stream| stream.send(window, headers, out));
        match sent {
            Sent::Nothing => {}
            Sent::Blocked => {
                self.scheduled.insert(id);
                self.blocked.push_back(id);
            }
            Sent::Headers { is_end: true } | Sent::Data { is_end: true } => self.close_answered(id, out),
            Sent::Headers { is_end: false } | Sent::Data { is_end: false } => self.schedule(id),
        }
        Some((id, sent))
    }

    /// Ends the server's side. If the client's is open, RST_STREAM(NO_ERROR) says that the rest is not needed
    /// (section 8.1).
    fn close_answered(&mut self, stream: StreamId, out: &mut Vec<u8>) {
        if self.open.get(&stream).is_some_and(Stream::is_remote_open) {
            frame::encode_reset(out, stream, Reason::NO_ERROR);
            self.close(stream, Closed::ResetByUs);
        } else {
            self.close(stream, Closed::Ended);
        }
    }
}
