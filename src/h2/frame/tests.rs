//! Frames there and back.

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::h2::{Error, Reason, StreamId};

fn parsed(octets: &[u8]) -> (Head, Result<Frame<'_>, Error>) {
    let Split { head, payload, rest } = split(octets).unwrap().unwrap();
    assert!(rest.is_empty());
    (head, Frame::parse(&head, payload))
}

fn stream() -> impl Strategy<Value = StreamId> {
    (1..=StreamId::MAX.number()).prop_map(StreamId::new)
}

proptest! {
    #[test]
    fn what_is_encoded_parses_to_the_same(
        stream in stream(),
        octets in vec(any::<u8>(), 0..100),
        number in any::<u32>(),
        payload in any::<[u8; 8]>(),
        is_set in any::<bool>(),
    ) {
        let mut out = Vec::new();
        encode_data(&mut out, stream, &octets, is_set);
        let frame = Data { stream, payload: &octets, flow_length: octets.len(), end_stream: is_set };
        prop_assert_eq!(parsed(&out).1, Ok(Frame::Data(frame)));

        out.clear();
        let reason = Reason(number);
        encode_reset(&mut out, stream, reason);
        prop_assert_eq!(parsed(&out).1, Ok(Frame::Reset { stream, reason }));

        out.clear();
        encode_ping(&mut out, is_set, payload);
        prop_assert_eq!(parsed(&out).1, Ok(Frame::Ping { ack: is_set, payload }));

        out.clear();
        encode_goaway(&mut out, stream, reason, "why");
        prop_assert_eq!(parsed(&out).1, Ok(Frame::GoAway { last_stream: stream, reason }));

        out.clear();
        let increment = number.clamp(1, 0x7fff_ffff);
        encode_window_update(&mut out, stream, increment);
        prop_assert_eq!(parsed(&out).1, Ok(Frame::WindowUpdate { stream, increment }));

        out.clear();
        encode_settings_ack(&mut out);
        prop_assert_eq!(parsed(&out).1, Ok(Frame::SettingsAck));
    }

    #[test]
    fn settings_come_back_in_order(pairs in vec(any::<(u16, u32)>(), 0..20)) {
        let pairs: Vec<_> = pairs.into_iter().map(|(id, value)| Setting { id, value }).collect();
        let mut out = Vec::new();
        encode_settings(&mut out, &pairs);
        let (_, Ok(Frame::Settings(settings))) = parsed(&out) else { panic!() };
        prop_assert_eq!(settings.iter().collect::<Vec<_>>(), pairs);
    }

    #[test]
    fn header_blocks_are_cut_and_come_back_whole(stream in stream(), length in 0..50_000_usize, end in any::<bool>()) {
        let block: Vec<u8> = (0..length).map(|at| u8::try_from(at % 251).unwrap()).collect();
        let mut out = Vec::new();
        encode_header_block(&mut out, stream, &block, end);
        let (mut rest, mut joined, mut is_complete) = (out.as_slice(), Vec::<u8>::new(), false);
        while let Some(Split { head, payload, rest: after }) = split(rest).unwrap() {
            prop_assert!(!is_complete, "a frame after END_HEADERS");
            prop_assert!(payload.len() <= MAX_FRAME_SIZE);
            rest = after;
            match Frame::parse(&head, payload).unwrap() {
                Frame::Headers(headers) if joined.is_empty() => {
                    prop_assert_eq!(headers.end_stream, end);
                    joined.extend(headers.fragment);
                    is_complete = headers.end_headers;
                }
                Frame::Continuation { fragment, end_headers } => {
                    joined.extend(fragment);
                    is_complete = end_headers;
                }
                other => panic!("{other:?}"),
            }
        }
        prop_assert!(is_complete && rest.is_empty());
        prop_assert_eq!(joined, block);
    }

    #[test]
    fn lengths_add_up(octets in vec(any::<u8>(), 0..200)) {
        match split(&octets) {
            Err(_) => {}
            Ok(Some(Split { payload, rest, .. })) => {
                prop_assert_eq!(Head::LENGTH + payload.len() + rest.len(), octets.len());
                prop_assert_eq!(missing(&octets), 0);
            }
            Ok(None) => prop_assert!(missing(&octets) > 0),
        }
    }
}

#[test]
fn padding_and_priority_are_taken_off() {
    let padded = [2, b'a', b'b', 0, 0];
    let head = Head {
        length: 5,
        kind: Kind::DATA,
        flags: flag::PADDED,
        stream: StreamId::new(1),
    };
    let Ok(Frame::Data(data)) = Frame::parse(&head, &padded) else {
        panic!()
    };
    assert_eq!((data.payload, data.flow_length), (&b"ab"[..], 5));

    let prioritised = [1, 0x80, 0, 0, 7, 200, 0x82, 0];
    let flags = flag::PADDED | flag::PRIORITY;
    let head = Head {
        length: 8,
        kind: Kind::HEADERS,
        flags,
        stream: StreamId::new(1),
    };
    let Ok(Frame::Headers(headers)) = Frame::parse(&head, &prioritised) else {
        panic!()
    };
    assert_eq!(
        (headers.fragment, headers.dependency),
        (&[0x82][..], Some(StreamId::new(7)))
    );
}
