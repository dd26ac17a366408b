//! Frames: what is parsed can be written again and then says the same.

use crate::h2::frame::{self, Data, Frame, Head, Split};

/// The input is a stream of frames.
pub(super) fn frames(mut data: &[u8]) {
    loop {
        let missing = frame::missing(data);
        match frame::split(data) {
            Err(_) => return,
            Ok(None) => {
                assert!(missing > 0, "no frame, and nothing is missing");
                return;
            }
            Ok(Some(Split { head, payload, rest })) => {
                assert_eq!(missing, 0);
                assert_eq!(payload.len(), head.length);
                assert!(head.length <= frame::MAX_FRAME_SIZE);
                assert_eq!(Head::LENGTH + payload.len() + rest.len(), data.len());
                if let Ok(parsed) = Frame::parse(&head, payload) {
                    same_again(&head, &parsed);
                }
                data = rest;
            }
        }
    }
}

/// Writes the frame as the server would, and reads it back.
fn same_again(head: &Head, parsed: &Frame<'_>) {
    let mut out = Vec::new();
    match parsed {
        Frame::Data(data) => {
            // Written frames have no padding.
            assert!(data.flow_length >= data.payload.len());
            let unpadded = Data {
                flow_length: data.payload.len(),
                ..data.clone()
            };
            frame::encode_data(&mut out, data.stream, data.payload, data.end_stream);
            return check(&out, &Frame::Data(unpadded));
        }
        Frame::Headers(headers) => {
            assert!(headers.fragment.len() <= head.length);
            return;
        }
        Frame::Continuation { fragment, .. } => {
            assert!(fragment.len() <= head.length);
            return;
        }
        Frame::SettingsAck => frame::encode_settings_ack(&mut out),
        Frame::Settings(settings) => {
            frame::encode_settings(&mut out, &settings.iter().collect::<Vec<_>>());
        }
        Frame::Reset { stream, reason } => frame::encode_reset(&mut out, *stream, *reason),
        Frame::Ping { ack, payload } => frame::encode_ping(&mut out, *ack, *payload),
        Frame::GoAway { last_stream, reason } => frame::encode_goaway(&mut out, *last_stream, *reason, ""),
        Frame::WindowUpdate { stream, increment } => {
            frame::encode_window_update(&mut out, *stream, *increment);
        }
        Frame::Priority { .. } | Frame::Unknown => return,
    }
    check(&out, parsed);
}

fn check(written: &[u8], expected: &Frame<'_>) {
    let split = frame::split(written).unwrap().unwrap();
    assert!(split.rest.is_empty());
    assert_eq!(&Frame::parse(&split.head, split.payload).unwrap(), expected);
}
