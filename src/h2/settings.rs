//! Settings of both sides (RFC 9113, section 6.5.2).

use super::error::{Error, flow_control, protocol};
use super::frame::{Setting, Settings};
use crate::limits;

/// Checks the client's SETTINGS. Returns the initial send window of streams, if they set one.
///
/// The other parameters need no handling: the encoder has no table, pushes are never sent, and every frame and header
/// list sent is far below the smallest limits that a client may set.
pub(super) fn initial_window(settings: &Settings<'_>) -> Result<Option<u32>, Error> {
    let mut window = None;
    for Setting { id, value } in settings.iter() {
        match id {
            Setting::ENABLE_PUSH if value > 1 => {
                return Err(protocol("SETTINGS_ENABLE_PUSH is neither 0 nor 1"));
            }
            Setting::INITIAL_WINDOW_SIZE if value > MAX_WINDOW => {
                return Err(flow_control("SETTINGS_INITIAL_WINDOW_SIZE above 2^31-1"));
            }
            Setting::INITIAL_WINDOW_SIZE => window = Some(value),
            Setting::MAX_FRAME_SIZE if !(16_384..=16_777_215).contains(&value) => {
                return Err(protocol("SETTINGS_MAX_FRAME_SIZE out of range"));
            }
            _ => {}
        }
    }
    Ok(window)
}

/// Our own SETTINGS. The frame size and the table size stay at the protocol's initial values.
pub(super) const OURS: [Setting; 3] = [
    Setting {
        id: Setting::MAX_CONCURRENT_STREAMS,
        value: limits::CONCURRENT_STREAMS,
    },
    Setting {
        id: Setting::INITIAL_WINDOW_SIZE,
        value: limits::STREAM_WINDOW,
    },
    Setting {
        id: Setting::MAX_HEADER_LIST_SIZE,
        value: limits::HEADER_LIST_BYTES,
    },
];

/// Every window before any setting or update (section 6.9.2).
pub(super) const DEFAULT_WINDOW: u32 = 65_535;

/// No window may grow past this (section 6.9.1).
pub(super) const MAX_WINDOW: u32 = 0x7fff_ffff;
