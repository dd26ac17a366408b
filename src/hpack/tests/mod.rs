//! RFC 7541, appendix C, and malformed blocks.

mod encoders;
mod properties;

use std::ops::ControlFlow;

use super::*;
use crate::hpack::integer::{Input, put_integer};

type Fields = Vec<(String, String)>;

fn bytes(hex: &str) -> Vec<u8> {
    let digits: String = hex.split_whitespace().collect();
    (0..digits.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap())
        .collect()
}

fn decode(decoder: &mut Decoder, block: &[u8]) -> Result<Fields, Error> {
    let mut fields = Fields::new();
    decoder.decode(block, |name, value| {
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        fields.push((text(name), text(value)));
        ControlFlow::Continue(())
    })?;
    Ok(fields)
}

#[track_caller]
fn check(decoder: &mut Decoder, hex: &str, expected: &[(&str, &str)], table_size: usize) {
    let fields = decode(decoder, &bytes(hex)).unwrap();
    let fields: Vec<_> = fields
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    assert_eq!(fields, expected);
    assert_eq!(decoder.table().size(), table_size);
}

#[test]
fn c1_integers() {
    for (value, prefix, octets) in [
        (10, 5, vec![10]),
        (1337, 5, vec![31, 154, 10]),
        (42, 8, vec![42]),
        (0, 5, vec![0]),
        (31, 5, vec![31, 0]),
    ] {
        let mut out = Vec::new();
        put_integer(&mut out, 0, prefix, value);
        assert_eq!(out, octets);
        assert_eq!(
            Input::new(&octets).integer(prefix),
            Ok(u32::try_from(value).unwrap())
        );
    }
}

#[test]
fn c2_fields() {
    let long = "400a 6375 7374 6f6d 2d6b 6579 0d63 7573 746f 6d2d 6865 6164 6572";
    check(
        &mut Decoder::new(4096),
        long,
        &[("custom-key", "custom-header")],
        55,
    );
    let without = "040c 2f73 616d 706c 652f 7061 7468";
    check(&mut Decoder::new(4096), without, &[(":path", "/sample/path")], 0);
    let never = "1008 7061 7373 776f 7264 0673 6563 7265 74";
    check(&mut Decoder::new(4096), never, &[("password", "secret")], 0);
    check(&mut Decoder::new(4096), "82", &[(":method", "GET")], 0);
}

const REQUEST_1: [(&str, &str); 4] = [
    (":method", "GET"),
    (":scheme", "http"),
    (":path", "/"),
    (":authority", "www.example.com"),
];
const REQUEST_2: [(&str, &str); 5] = [
    (":method", "GET"),
    (":scheme", "http"),
    (":path", "/"),
    (":authority", "www.example.com"),
    ("cache-control", "no-cache"),
];
const REQUEST_3: [(&str, &str); 5] = [
    (":method", "GET"),
    (":scheme", "https"),
    (":path", "/index.html"),
    (":authority", "www.example.com"),
    ("custom-key", "custom-value"),
];

#[test]
fn c3_requests_without_huffman() {
    let mut decoder = Decoder::new(4096);
    check(
        &mut decoder,
        "8286 8441 0f77 7777 2e65 7861 6d70 6c65 2e63 6f6d",
        &REQUEST_1,
        57,
    );
    check(
        &mut decoder,
        "8286 84be 5808 6e6f 2d63 6163 6865",
        &REQUEST_2,
        110,
    );
    let third = "8287 85bf 400a 6375 7374 6f6d 2d6b 6579 0c63 7573 746f 6d2d 7661 6c75 65";
    check(&mut decoder, third, &REQUEST_3, 164);
}

#[test]
fn c4_requests_with_huffman() {
    let mut decoder = Decoder::new(4096);
    check(
        &mut decoder,
        "8286 8441 8cf1 e3c2 e5f2 3a6b a0ab 90f4 ff",
        &REQUEST_1,
        57,
    );
    check(&mut decoder, "8286 84be 5886 a8eb 1064 9cbf", &REQUEST_2, 110);
    check(
        &mut decoder,
        "8287 85bf 4088 25a8 49e9 5ba9 7d7f 8925 a849 e95b b8e8 b4bf",
        &REQUEST_3,
        164,
    );
}

const DATE_1: &str = "Mon, 21 Oct 2013 20:13:21 GMT";
const DATE_2: &str = "Mon, 21 Oct 2013 20:13:22 GMT";
const LOCATION: &str = "https://www.example.com";
const COOKIE: &str = "foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1";

fn responses() -> [Vec<(&'static str, &'static str)>; 3] {
    let answer = |status, date| {
        vec![
            (":status", status),
            ("cache-control", "private"),
            ("date", date),
            ("location", LOCATION),
        ]
    };
    let mut third = answer("200", DATE_2);
    third.extend([("content-encoding", "gzip"), ("set-cookie", COOKIE)]);
    [answer("302", DATE_1), answer("307", DATE_1), third]
}

#[test]
fn c5_responses_without_huffman_evict() {
    let [first, second, third] = responses();
    let mut decoder = Decoder::new(256);
    let hex =
        "4803 3330 3258 0770 7269 7661 7465 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 303a 3133 3a32
        3120 474d 546e 1768 7474 7073 3a2f 2f77 7777 2e65 7861 6d70 6c65 2e63 6f6d";
    check(&mut decoder, hex, &first, 222);
    check(&mut decoder, "4803 3330 37c1 c0bf", &second, 222);
    let hex = "88c1 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 303a 3133 3a32 3220 474d 54c0 5a04 677a 6970
        7738 666f 6f3d 4153 444a 4b48 514b 425a 584f 5157 454f 5049 5541 5851 5745 4f49 553b 206d 6178 2d61 6765
        3d33 3630 303b 2076 6572 7369 6f6e 3d31";
    check(&mut decoder, hex, &third, 215);
    assert_eq!(decoder.table().len(), 3);
}

#[test]
fn c6_responses_with_huffman_evict() {
    let [first, second, third] = responses();
    let mut decoder = Decoder::new(256);
    let hex =
        "4882 6402 5885 aec3 771a 4b61 96d0 7abe 9410 54d4 44a8 2005 9504 0b81 66e0 82a6 2d1b ff6e 919d 29ad
        1718 63c7 8f0b 97c8 e9ae 82ae 43d3";
    check(&mut decoder, hex, &first, 222);
    check(&mut decoder, "4883 640e ffc1 c0bf", &second, 222);
    let hex =
        "88c1 6196 d07a be94 1054 d444 a820 0595 040b 8166 e084 a62d 1bff c05a 839b d9ab 77ad 94e7 821d d7f2
        e6c7 b335 dfdf cd5b 3960 d5af 2708 7f36 72c1 ab27 0fb5 291f 9587 3160 65c0 03ed 4ee5 b106 3d50 07";
    check(&mut decoder, hex, &third, 215);
}

#[test]
fn malformed_blocks_are_errors() {
    let mut big_update = Vec::new();
    put_integer(&mut big_update, 0x20, 5, 4097);
    for (block, error) in [
        (bytes("80"), Error::InvalidIndex(0)),
        (bytes("be"), Error::InvalidIndex(62)),
        (bytes("7f 80 80 80 80 80 01"), Error::IntegerTooLarge),
        (bytes("ff ff ff ff ff 7f"), Error::IntegerTooLarge),
        (bytes("ff ff"), Error::Truncated),
        (bytes("40"), Error::Truncated),
        (bytes("40 05 61"), Error::Truncated),
        (bytes("82 20"), Error::LateSizeUpdate),
        (big_update, Error::SizeUpdateTooLarge(4097)),
        (bytes("00 81 18 00"), Error::HuffmanPadding),
        (bytes("00 84 ff ff ff ff 00"), Error::HuffmanEos),
    ] {
        assert_eq!(
            decode(&mut Decoder::new(4096), &block),
            Err(error),
            "{block:02x?}"
        );
    }
}

#[test]
fn size_updates_before_the_first_field_resize_and_evict() {
    let mut decoder = Decoder::new(4096);
    check(
        &mut decoder,
        "400a 6375 7374 6f6d 2d6b 6579 0d63 7573 746f 6d2d 6865 6164 6572",
        &[("custom-key", "custom-header")],
        55,
    );
    check(&mut decoder, "20 3f e1 1f 82", &[(":method", "GET")], 0); // to 0, then back to 4096
    check(&mut decoder, "40 01 61 01 62", &[("a", "b")], 34);
}

#[test]
fn an_entry_larger_than_the_table_empties_it() {
    let mut decoder = Decoder::new(40);
    check(&mut decoder, "40 01 61 01 62", &[("a", "b")], 34);
    check(
        &mut decoder,
        "40 05 61 61 61 61 61 05 62 62 62 62 62",
        &[("aaaaa", "bbbbb")],
        0,
    );
}

#[test]
fn a_break_stops_the_fields_and_keeps_the_table_in_step() {
    let mut decoder = Decoder::new(4096);
    let mut seen = 0;
    let decoded = decoder.decode(&bytes("82 40 01 61 01 62 84"), |_, _| {
        seen += 1;
        ControlFlow::Break(())
    });
    assert_eq!((decoded, seen), (Ok(()), 1));
    check(&mut decoder, "be", &[("a", "b")], 34);
}

#[test]
fn what_is_encoded_decodes() {
    let long = "x".repeat(300);
    let fields = [
        (":status", "200"),
        (":status", "415"),
        ("grpc-message", long.as_str()),
        ("content-type", ""),
    ];
    let mut block = vec![NO_DYNAMIC_TABLE];
    encode(fields, &mut block);
    let decoded = decode(&mut Decoder::new(4096), &block).unwrap();
    let decoded: Vec<_> = decoded
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    assert_eq!(decoded, fields);
}
