//! What a connection reports.

use super::error::Reason;
use super::request_head::RequestHead;
use super::stream_id::StreamId;
use crate::secret::Secret;

/// What the client did, as far as the code that answers requests needs it.
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
