//! What holds for any header block.

use std::ops::ControlFlow;

use proptest::collection::vec;
use proptest::prelude::*;

use crate::hpack::{Decoder, encode};

proptest! {
    #[test]
    fn fields_survive_encoding_and_decoding(fields in vec(("[a-z][a-z0-9-]{0,20}", "[ -~]{0,40}"), 0..12)) {
        let mut block = Vec::new();
        encode(fields.iter().map(|(name, value)| (name.as_str(), value.as_str())), &mut block);
        let mut decoded = Vec::new();
        let outcome = Decoder::new(4096).decode(&block, |name, value| {
            let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
            decoded.push((text(name), text(value)));
            ControlFlow::Continue(())
        });
        prop_assert!(outcome.is_ok());
        prop_assert_eq!(decoded, fields);
    }

    #[test]
    fn no_block_makes_the_decoder_panic(blocks in vec(vec(any::<u8>(), 0..100), 1..5)) {
        let mut decoder = Decoder::new(4096);
        for block in blocks {
            let _ = decoder.decode(&block, |_, _| ControlFlow::Continue(()));
        }
    }
}
