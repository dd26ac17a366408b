//! Properties: how the input is cut changes nothing, and no input makes the connection panic.

use proptest::collection::vec;
use proptest::prelude::*;

use crate::h2::frame::Kind;
use crate::h2::testing::{GET, Pair, Seen, data, headers, hello, ping, raw, reset, settings, window_update};
use crate::h2::{Event, Reason};

/// What came of the input, fit to be compared.
fn outcome(pair: &mut Pair) -> (Vec<String>, Vec<Seen>, Option<String>) {
    let event = |event: &Event| match event {
        Event::Data {
            stream,
            payload,
            end_stream,
        } => format!("{stream} {:?} {end_stream}", payload.expose()),
        other => format!("{other:?}"),
    };
    let events = pair.events().iter().map(event).collect();
    (
        events,
        pair.output(),
        pair.h2.failure().map(|failure| failure.to_string()),
    )
}

/// Something that a client does, right or wrong.
fn operation() -> impl Strategy<Value = Vec<u8>> {
    let stream = 0..8_u32;
    prop_oneof![
        (stream.clone(), any::<bool>()).prop_map(|(stream, end)| headers(stream, &GET, end)),
        (stream.clone(), vec(any::<u8>(), 0..40), any::<bool>())
            .prop_map(|(s, octets, end)| data(s, &octets, end)),
        stream.clone().prop_map(|stream| reset(stream, Reason::CANCEL)),
        (stream.clone(), any::<u32>()).prop_map(|(stream, by)| window_update(stream, by)),
        any::<[u8; 8]>().prop_map(ping),
        (0..8_u16, any::<u32>()).prop_map(|(id, value)| settings(&[(id, value)])),
        (any::<u8>(), any::<u8>(), stream, vec(any::<u8>(), 0..40))
            .prop_map(|(kind, flags, stream, payload)| raw(Kind(kind), flags, stream, &payload)),
        vec(any::<u8>(), 0..20),
    ]
}

proptest! {
    #[test]
    fn any_cut_of_the_input_gives_the_same_outcome(
        operations in vec(operation(), 0..20),
        cuts in vec(1..50_usize, 1..50),
    ) {
        let input = [hello(), operations.concat()].concat();
        let mut whole = Pair::silent();
        whole.h2.recv(whole.now, &input);

        let mut pieces = Pair::silent();
        let (mut rest, mut cuts) = (input.as_slice(), cuts.iter().cycle());
        while !rest.is_empty() {
            let length = (*cuts.next().unwrap()).min(rest.len());
            pieces.h2.recv(pieces.now, &rest[..length]);
            rest = &rest[length..];
        }
        prop_assert_eq!(outcome(&mut whole), outcome(&mut pieces));
    }

    #[test]
    fn no_input_makes_it_panic_and_every_error_is_told(operations in vec(operation(), 0..50)) {
        let mut pair = Pair::new();
        for operation in operations {
            let seen = pair.send(&operation);
            pair.events();
            if pair.h2.failure().is_some() {
                let is_told = matches!(seen.last(), Some(Seen::GoAway { .. }));
                prop_assert!(is_told);
                prop_assert!(pair.h2.is_finished());
                break;
            }
        }
    }
}
