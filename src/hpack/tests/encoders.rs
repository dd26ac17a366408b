//! Properties: what independent encoders write is read here, over many blocks and one table.

use std::ops::ControlFlow;

use proptest::collection::vec;
use proptest::prelude::*;

use crate::hpack::Decoder;

type Field = (Vec<u8>, Vec<u8>);

/// Fields as requests have them: some names and values come again and again, others never.
fn field() -> impl Strategy<Value = Field> {
    let name = prop_oneof![
        Just(b":path".to_vec()),
        Just(b"user-agent".to_vec()),
        Just(b"grpc-timeout".to_vec()),
        "[a-z-]{1,12}".prop_map(String::into_bytes),
        vec(any::<u8>(), 0..200),
    ];
    let value = prop_oneof![
        Just(b"/v1alpha1.CSIDriverProvider/Mount".to_vec()),
        Just(b"grpc-go/1.79.3".to_vec()),
        "[0-9]{1,8}[HMSmun]".prop_map(String::into_bytes),
        vec(any::<u8>(), 0..600),
    ];
    (name, value)
}

fn story() -> impl Strategy<Value = Vec<Vec<Field>>> {
    vec(vec(field(), 0..12), 1..30)
}

fn decode(decoder: &mut Decoder, block: &[u8]) -> Vec<Field> {
    let mut fields = Vec::new();
    let decoded = decoder.decode(block, |name, value| {
        fields.push((name.to_vec(), value.to_vec()));
        ControlFlow::Continue(())
    });
    decoded.unwrap();
    fields
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn fluke_hpack_is_understood(story in story()) {
        let (mut encoder, mut decoder) = (fluke_hpack::Encoder::new(), Decoder::new(4096));
        for fields in story {
            let borrowed = fields.iter().map(|(name, value)| (name.as_slice(), value.as_slice()));
            let block = encoder.encode(borrowed);
            prop_assert_eq!(decode(&mut decoder, &block), fields);
        }
    }

    #[test]
    fn httlib_hpack_is_understood(
        story in story(),
        flags in vec(0..32_u8, 1..20),
        sizes in vec(prop::option::of(0..=4096_u32), 30),
    ) {
        let (mut encoder, mut decoder) = (httlib_hpack::Encoder::default(), Decoder::new(4096));
        let mut flags = flags.into_iter().cycle();
        for (fields, size) in story.into_iter().zip(sizes) {
            let mut block = Vec::new();
            if let Some(size) = size {
                encoder.update_max_dynamic_size(size, &mut block).unwrap();
            }
            for (name, value) in fields.clone() {
                encoder.encode((name, value, flags.next().unwrap()), &mut block).unwrap();
            }
            prop_assert_eq!(decode(&mut decoder, &block), fields);
        }
    }

    #[test]
    fn no_block_makes_it_panic(blocks in vec(vec(any::<u8>(), 0..100), 0..20)) {
        let mut decoder = Decoder::new(4096);
        for block in blocks {
            if decoder.decode(&block, |_, _| ControlFlow::Continue(())).is_err() {
                break;
            }
        }
        prop_assert!(decoder.table().size() <= 4096);
    }
}
