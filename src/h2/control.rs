//! Frames that belong to no stream's queue: they leave before those that do.

use super::error::Reason;
use super::frame;
use super::header_block::HeaderWriter;
use super::settings;
use super::stream_id::StreamId;

pub(super) enum Control {
    Settings,
    SettingsAck,
    Ping(frame::Ping),
    WindowUpdate(frame::WindowUpdate),
    Reset(frame::Reset),
    GoAway(frame::GoAway, &'static str),
    /// A complete answer without a body, to a request that never became a stream.
    Refusal {
        stream: StreamId,
        block: Vec<u8>,
    },
}

impl Control {
    /// Appends the frame.
    pub(super) fn encode(self, headers: &mut HeaderWriter, out: &mut Vec<u8>) {
        match self {
            Self::Settings => frame::Settings::encode(&settings::OURS, out),
            Self::SettingsAck => frame::Settings::encode_ack(out),
            Self::Ping(ping) => ping.encode(out),
            Self::WindowUpdate(update) => update.encode(out),
            Self::Reset(reset) => reset.encode(out),
            Self::GoAway(goaway, debug_data) => goaway.encode(debug_data, out),
            Self::Refusal { stream, block } => {
                headers.put(stream, block, true, out);
                let reason = Reason::NO_ERROR;
                frame::Reset { stream, reason }.encode(out);
            }
        }
    }
}
