//! Error codes (RFC 9113, section 7) and the two kinds of error (section 5.4).

use std::fmt;

use super::frame::StreamId;

/// An error code as RST_STREAM and GOAWAY carry it. Codes that the RFC does not name are legal.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Reason(pub u32);

impl Reason {
    /// Graceful end.
    pub const NO_ERROR: Self = Self(0x0);
    /// A rule was broken that has no code of its own.
    pub const PROTOCOL_ERROR: Self = Self(0x1);
    /// The sender failed.
    pub const INTERNAL_ERROR: Self = Self(0x2);
    /// A flow-control rule was broken.
    pub const FLOW_CONTROL_ERROR: Self = Self(0x3);
    /// SETTINGS were not acknowledged in time.
    pub const SETTINGS_TIMEOUT: Self = Self(0x4);
    /// A frame came for a stream whose half is closed.
    pub const STREAM_CLOSED: Self = Self(0x5);
    /// A frame has an invalid size.
    pub const FRAME_SIZE_ERROR: Self = Self(0x6);
    /// The stream was not processed.
    pub const REFUSED_STREAM: Self = Self(0x7);
    /// The stream is no longer needed.
    pub const CANCEL: Self = Self(0x8);
    /// Header compression is out of step.
    pub const COMPRESSION_ERROR: Self = Self(0x9);
    /// A CONNECT tunnel broke.
    pub const CONNECT_ERROR: Self = Self(0xa);
    /// The peer causes excessive load.
    pub const ENHANCE_YOUR_CALM: Self = Self(0xb);
    /// The transport is not safe enough.
    pub const INADEQUATE_SECURITY: Self = Self(0xc);
    /// HTTP/1.1 is required.
    pub const HTTP_1_1_REQUIRED: Self = Self(0xd);
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            0x0 => "NO_ERROR",
            0x1 => "PROTOCOL_ERROR",
            0x2 => "INTERNAL_ERROR",
            0x3 => "FLOW_CONTROL_ERROR",
            0x4 => "SETTINGS_TIMEOUT",
            0x5 => "STREAM_CLOSED",
            0x6 => "FRAME_SIZE_ERROR",
            0x7 => "REFUSED_STREAM",
            0x8 => "CANCEL",
            0x9 => "COMPRESSION_ERROR",
            0xa => "CONNECT_ERROR",
            0xb => "ENHANCE_YOUR_CALM",
            0xc => "INADEQUATE_SECURITY",
            0xd => "HTTP_1_1_REQUIRED",
            other => return write!(f, "code {other:#x}"),
        })
    }
}

impl fmt::Debug for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// What the peer did wrong, and how far the damage goes.
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

/// A connection error of type PROTOCOL_ERROR, the most common one.
pub(super) const fn protocol(what: &'static str) -> Error {
    Error::Connection(Reason::PROTOCOL_ERROR, what)
}

/// A connection error of type FRAME_SIZE_ERROR.
pub(super) const fn frame_size(what: &'static str) -> Error {
    Error::Connection(Reason::FRAME_SIZE_ERROR, what)
}
