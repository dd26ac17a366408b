//! Error codes (RFC 9113, section 7) and the two kinds of error (section 5.4).

use std::fmt;

use super::stream_id::StreamId;
use crate::hpack;

/// An error code as RST_STREAM and GOAWAY carry it. Codes that the RFC does not name are legal.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Reason(pub u32);

macro_rules! reasons {
    ($($(#[$doc:meta])* $name:ident = $code:literal;)*) => {
        impl Reason {
            $($(#[$doc])* pub const $name: Self = Self($code);)*
        }

        impl fmt::Display for Reason {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                match *self {
                    $(Self::$name => f.write_str(stringify!($name)),)*
                    Self(other) => write!(f, "code {other:#x}"),
                }
            }
        }
    };
}

reasons! {
    /// Graceful shutdown.
    NO_ERROR = 0x0;
    /// A protocol error without a more specific code.
    PROTOCOL_ERROR = 0x1;
    /// The sender had an internal error.
    INTERNAL_ERROR = 0x2;
    /// A flow-control rule was broken.
    FLOW_CONTROL_ERROR = 0x3;
    /// SETTINGS were not acknowledged in time.
    SETTINGS_TIMEOUT = 0x4;
    /// A frame arrived on a half-closed or closed stream.
    STREAM_CLOSED = 0x5;
    /// A frame has an invalid size.
    FRAME_SIZE_ERROR = 0x6;
    /// The stream was not processed.
    REFUSED_STREAM = 0x7;
    /// The stream is no longer needed.
    CANCEL = 0x8;
    /// The header compression state cannot be maintained.
    COMPRESSION_ERROR = 0x9;
    /// The connection of a CONNECT request failed.
    CONNECT_ERROR = 0xa;
    /// The peer causes excessive load.
    ENHANCE_YOUR_CALM = 0xb;
    /// The transport is not secure enough.
    INADEQUATE_SECURITY = 0xc;
    /// HTTP/1.1 is required.
    HTTP_1_1_REQUIRED = 0xd;
}

impl fmt::Debug for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A protocol error of the peer, and its scope.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Error {
    /// The whole connection ends with GOAWAY (section 5.4.1).
    Connection(Reason, &'static str),
    /// One stream ends with RST_STREAM (section 5.4.2).
    Stream(StreamId, Reason, &'static str),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connection(reason, what) => write!(f, "connection error {reason}: {what}"),
            Self::Stream(stream, reason, what) => write!(f, "error {reason} on stream {stream}: {what}"),
        }
    }
}

impl std::error::Error for Error {}

impl From<hpack::Error> for Error {
    fn from(_: hpack::Error) -> Self {
        Self::Connection(Reason::COMPRESSION_ERROR, "cannot decode the header block")
    }
}

/// A connection error of type PROTOCOL_ERROR, the most common one.
pub(super) const fn protocol(what: &'static str) -> Error {
    Error::Connection(Reason::PROTOCOL_ERROR, what)
}

/// A connection error of type FLOW_CONTROL_ERROR.
pub(super) const fn flow_control(what: &'static str) -> Error {
    Error::Connection(Reason::FLOW_CONTROL_ERROR, what)
}

/// A connection error of type FRAME_SIZE_ERROR.
pub(super) const fn frame_size(what: &'static str) -> Error {
    Error::Connection(Reason::FRAME_SIZE_ERROR, what)
}

/// A connection error of type ENHANCE_YOUR_CALM: the peer asks for more than any client needs.
pub(super) const fn excessive_load(what: &'static str) -> Error {
    Error::Connection(Reason::ENHANCE_YOUR_CALM, what)
}
