//! What a connection reports.

use super::error::Reason;
use super::request_head::RequestHead;
use super::stream_id::StreamId;
use crate::secret::Secret;

/// An action of the client that matters to the code that answers requests.
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
    /// The stream ended before its answer: reset by the client, or by the server because of a client error.
    Reset {
        /// Which stream.
        stream: StreamId,
        /// Why.
        reason: Reason,
    },
    /// The complete answer is in the output, and the stream is closed.
    Answered {
        /// Which stream.
        stream: StreamId,
    },
}
