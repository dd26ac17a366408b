//! Output: control frames first, then one frame of each ready stream in turn.

use super::connection::{Connection, Control, Event};
use super::error::Reason;
use super::frame::{self, MAX_FRAME_SIZE, StreamId};
use super::settings;
use super::stream::{Closed, Item};
use crate::hpack;
use crate::limits;

impl Connection {
    /// Whether [`Connection::poll_output`] would give anything now.
    pub fn has_output(&self) -> bool {
        !self.control.is_empty()
            || !self.ready.is_empty()
            || (!self.starved.is_empty() && self.send_window.available() > 0)
    }

    /// Appends frames to `out` until it holds `room` octets or more, or nothing may be sent now. The last frame
    /// may exceed `room` by its own length. The octets may be secret: `out` should be wiped after use.
    pub fn poll_output(&mut self, out: &mut Vec<u8>, room: usize) {
        if self.send_window.available() > 0 {
            self.ready.append(&mut self.starved);
        }
        while out.len() < room {
            if let Some(control) = self.control.pop_front() {
                self.put_control(control, out);
            } else if let Some(stream) = self.ready.pop_front() {
                self.put_stream(stream, out);
            } else {
                break;
            }
        }
    }

    fn put_control(&mut self, control: Control, out: &mut Vec<u8>) {
        match control {
            Control::Settings => frame::Settings::encode(&settings::OURS, out),
            Control::SettingsAck => frame::Settings::encode_ack(out),
            Control::Ping { ack, payload } => frame::Ping { ack, payload }.encode(out),
            Control::WindowUpdate { stream, increment } => {
                frame::WindowUpdate { stream, increment }.encode(out);
            }
            Control::Reset { stream, reason } => frame::Reset { stream, reason }.encode(out),
            Control::GoAway {
                last_stream,
                reason,
                debug_data,
            } => {
                frame::GoAway { last_stream, reason }.encode(debug_data, out);
            }
            Control::Refusal { stream, block } => {
                self.put_header_block(stream, block, true, out);
                frame::Reset {
                    stream,
                    reason: Reason::NO_ERROR,
                }
                .encode(out);
            }
        }
    }

    /// One frame of one stream, the next in turn.
    fn put_stream(&mut self, stream: StreamId, out: &mut Vec<u8>) {
        let Some(state) = self.streams.get_mut(&stream) else {
            return;
        };
        state.is_scheduled = false;
        let is_end = match state.queue.front_mut() {
            None => return,
            Some(Item::Head { block, end_stream }) => {
                let (block, end_stream) = (std::mem::take(block), *end_stream);
                state.queue.pop_front();
                self.put_header_block(stream, block, end_stream, out);
                end_stream
            }
            Some(Item::Body {
                octets,
                sent,
                end_stream,
            }) => {
                let rest = octets.expose().get(*sent..).unwrap_or(&[]);
                let window = state.send_window.available();
                let length = rest
                    .len()
                    .min(MAX_FRAME_SIZE)
                    .min(window)
                    .min(self.send_window.available());
                if length == 0 && !rest.is_empty() {
                    if window > 0 {
                        state.is_scheduled = true;
                        self.starved.push_back(stream);
                    }
                    return; // a window update of the stream schedules it again
                }
                let is_last = length == rest.len();
                let is_end = is_last && *end_stream;
                let payload = rest.get(..length).unwrap_or(rest);
                frame::Data {
                    stream,
                    payload,
                    flow_length: length,
                    end_stream: is_end,
                }
                .encode(out);
                *sent += length;
                state.send_window.consume(length);
                self.send_window.consume(length);
                self.chatter.give(limits::CHATTER_PER_PROGRESS);
                if is_last {
                    state.queue.pop_front();
                }
                is_end
            }
        };
        if is_end {
            self.close_answered(stream, out);
        } else {
            self.schedule(stream);
        }
    }

    /// Our side has ended. If the client's has not, it is told that the rest is not wanted (section 8.1).
    fn close_answered(&mut self, stream: StreamId, out: &mut Vec<u8>) {
        let Some(state) = self.streams.remove(&stream) else {
            return;
        };
        if state.is_remote_open {
            frame::Reset {
                stream,
                reason: Reason::NO_ERROR,
            }
            .encode(out);
            self.closed.remember(stream, Closed::ResetByUs);
        } else {
            self.closed.remember(stream, Closed::Ended);
        }
        self.events.push_back(Event::Answered { stream });
    }

    fn put_header_block(
        &mut self,
        stream: StreamId,
        mut block: Vec<u8>,
        end_stream: bool,
        out: &mut Vec<u8>,
    ) {
        if !self.is_table_announced {
            self.is_table_announced = true;
            block.insert(0, hpack::NO_DYNAMIC_TABLE);
        }
        frame::put_header_block(stream, &block, end_stream, out);
    }
}
