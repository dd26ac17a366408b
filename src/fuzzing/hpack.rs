//! HPACK: whatever decodes is bounded by its rules, and does so again through our encoder.

use std::ops::ControlFlow;

use super::Input;
use crate::hpack::{self, Decoder};

/// The input is a list of header blocks for one connection, each behind an octet that says its length.
pub(super) fn hpack(data: &[u8]) {
    let mut input = Input::new(data);
    let table = usize::from(input.octet()) * 64;
    // The second decoder stops after the first field; its table must match the first one's all the same.
    let (mut decoder, mut stopped) = (Decoder::new(table), Decoder::new(table));
    while !input.is_empty() {
        let block = input.piece();
        let mut fields = Vec::new();
        let decoded = decoder.decode(block, |name, value| {
            fields.push((name.to_vec(), value.to_vec()));
            ControlFlow::Continue(())
        });
        let mut first = None;
        let decoded_first = stopped.decode(block, |name, value| {
            assert!(first.is_none(), "a field after the end");
            first = Some((name.to_vec(), value.to_vec()));
            ControlFlow::Break(())
        });
        assert_eq!(decoded, decoded_first);
        assert_eq!(fields.first(), first.as_ref());
        if decoded.is_err() {
            return; // the connection ends
        }
        let text: Vec<_> = fields
            .iter()
            .filter_map(|(name, value)| Some((str::from_utf8(name).ok()?, str::from_utf8(value).ok()?)))
            .collect();
        again(&text);
    }
}

/// Our own encoder uses no table, so that a decoder without one must understand it.
fn again(fields: &[(&str, &str)]) {
    let mut block = Vec::new();
    hpack::encode(fields.iter().copied(), &mut block);
    let mut read = Vec::new();
    let field = |name: &[u8], value: &[u8]| {
        read.push((name.to_vec(), value.to_vec()));
        ControlFlow::Continue(())
    };
    assert_eq!(Decoder::new(0).decode(&block, field), Ok(()));
    let octets = |(name, value): &(&str, &str)| (name.as_bytes().to_vec(), value.as_bytes().to_vec());
    assert_eq!(read, fields.iter().map(octets).collect::<Vec<_>>());
}
