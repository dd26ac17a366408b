//! Frames (RFC 9113, sections 4.1 and 6): octets to values and back, one file per family.
//!
//! This module checks what a frame shows by itself: its size, its padding, whether it belongs on a stream or on
//! the connection. What depends on the state of a stream or of the connection is checked there.

mod continuation;
mod data;
mod goaway;
mod head;
mod headers;
mod ping;
mod priority;
mod reset;
mod settings;
#[cfg(test)]
mod tests;
mod window_update;

pub use continuation::Continuation;
pub use data::Data;
pub use goaway::GoAway;
pub use head::{Head, Kind, MAX_FRAME_SIZE, Split, flag, missing, split};
pub use headers::{Headers, put_header_block};
pub use ping::Ping;
pub use priority::Priority;
pub use reset::Reset;
pub use settings::{Setting, Settings};
pub use window_update::WindowUpdate;

use super::error::{Error, protocol};

/// A frame of a known type. What holds octets of the client prints nothing in what ships.
#[derive(Clone, PartialEq, Eq)]
#[cfg_attr(any(test, fuzzing), derive(Debug))]
pub enum Frame<'a> {
    /// Section 6.1.
    Data(Data<'a>),
    /// Section 6.2.
    Headers(Headers<'a>),
    /// Section 6.3.
    Priority(Priority),
    /// Section 6.4.
    Reset(Reset),
    /// Section 6.5.
    Settings(Settings<'a>),
    /// Section 6.7.
    Ping(Ping),
    /// Section 6.8.
    GoAway(GoAway),
    /// Section 6.9.
    WindowUpdate(WindowUpdate),
    /// Section 6.10.
    Continuation(Continuation<'a>),
    /// Section 5.5.
    Unknown,
}

impl<'a> Frame<'a> {
    /// The frame that `head` announces, from its complete `payload`.
    pub fn parse(head: &Head, payload: &'a [u8]) -> Result<Self, Error> {
        Ok(match head.kind {
            Kind::DATA => Self::Data(Data::parse(head, payload)?),
            Kind::HEADERS => Self::Headers(Headers::parse(head, payload)?),
            Kind::PRIORITY => Self::Priority(Priority::parse(head, payload)?),
            Kind::RST_STREAM => Self::Reset(Reset::parse(head, payload)?),
            Kind::SETTINGS => Self::Settings(Settings::parse(head, payload)?),
            Kind::PUSH_PROMISE => return Err(protocol("PUSH_PROMISE from a client")),
            Kind::PING => Self::Ping(Ping::parse(head, payload)?),
            Kind::GOAWAY => Self::GoAway(GoAway::parse(head, payload)?),
            Kind::WINDOW_UPDATE => Self::WindowUpdate(WindowUpdate::parse(head, payload)?),
            Kind::CONTINUATION => Self::Continuation(Continuation::parse(head, payload)?),
            _ => Self::Unknown,
        })
    }
}
