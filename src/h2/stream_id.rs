//! Stream identifiers (RFC 9113, section 5.1.1).

use std::fmt;

/// A stream's number (section 5.1.1): 31 bits; 0 means the connection as a whole.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct StreamId(u32);

impl StreamId {
    /// The connection.
    pub const ZERO: Self = Self(0);
    /// The highest number there is.
    pub const MAX: Self = Self(0x7fff_ffff);

    /// The stream of this number; the reserved highest bit is ignored.
    pub const fn new(number: u32) -> Self {
        Self(number & Self::MAX.0)
    }

    /// The stream of four octets on the wire.
    pub(super) const fn from_wire(octets: [u8; 4]) -> Self {
        Self::new(u32::from_be_bytes(octets))
    }

    /// The number.
    pub const fn number(self) -> u32 {
        self.0
    }

    /// Whether this is the connection rather than a stream.
    pub const fn is_zero(self) -> bool {
        self.0 == 0
    }

    /// Whether a client may open a stream of this number: they are odd.
    pub const fn is_client_initiated(self) -> bool {
        self.0 & 1 == 1
    }
}

impl fmt::Display for StreamId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
