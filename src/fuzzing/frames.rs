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
            unpadded.encode(&mut out);
            return check(&out, &Frame::Data(unpadded));
        }
        Frame::Headers(headers) => {
            assert!(headers.fragment.len() <= head.length);
            return;
        }
        Frame::Continuation(continuation) => {
            assert!(continuation.fragment.len() <= head.length);
            return;
        }
        Frame::Settings(settings) if settings.ack => frame::Settings::encode_ack(&mut out),
        Frame::Settings(settings) => {
            frame::Settings::encode(&settings.iter().collect::<Vec<_>>(), &mut out);
        }
        Frame::Reset(reset) => reset.encode(&mut out),
        Frame::Ping(ping) => ping.encode(&mut out),
        Frame::GoAway(goaway) => goaway.encode("", &mut out),
        Frame::WindowUpdate(update) => update.encode(&mut out),
        Frame::Priority(_) | Frame::Unknown => return,
    }
    check(&out, parsed);
}

fn check(written: &[u8], expected: &Frame<'_>) {
    let split = frame::split(written).unwrap().unwrap();
    assert!(split.rest.is_empty());
    assert_eq!(&Frame::parse(&split.head, split.payload).unwrap(), expected);
}
