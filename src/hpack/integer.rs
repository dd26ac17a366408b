//! Integers and length-prefixed strings: the primitives of RFC 7541, section 5.

use super::error::Error;
use super::huffman;

/// The part of a header block that has not been read yet.
pub(super) struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    pub(super) fn new(block: &'a [u8]) -> Self {
        Self(block)
    }

    /// The next octet, without taking it.
    pub(super) fn peek(&self) -> Option<u8> {
        self.0.first().copied()
    }

    /// An integer whose first octet has `prefix` low bits for it (section 5.1).
    pub(super) fn integer(&mut self, prefix: u8) -> Result<u32, Error> {
        let mask = u8::MAX >> (8 - prefix);
        let first = self.octet()? & mask;
        if first < mask {
            return Ok(u32::from(first));
        }
        let mut value = u64::from(mask);
        for shift in (0..=MAX_SHIFT).step_by(7) {
            let octet = self.octet()?;
            value += u64::from(octet & 0x7f) << shift;
            if octet & 0x80 == 0 {
                return u32::try_from(value).map_err(|_| Error::IntegerTooLarge);
            }
        }
        Err(Error::IntegerTooLarge)
    }

    /// A string literal (section 5.2), decoded into `out`.
    pub(super) fn string(&mut self, out: &mut Vec<u8>) -> Result<(), Error> {
        out.clear();
        let is_huffman = self.peek().is_some_and(|octet| octet & 0x80 != 0);
        let length = self.integer(7)?;
        let length = usize::try_from(length).map_err(|_| Error::IntegerTooLarge)?;
        let (raw, rest) = self.0.split_at_checked(length).ok_or(Error::Truncated)?;
        self.0 = rest;
        if is_huffman {
            huffman::decode(raw, out)
        } else {
            out.extend_from_slice(raw);
            Ok(())
        }
    }

    fn octet(&mut self) -> Result<u8, Error> {
        let (octet, rest) = self.0.split_first().ok_or(Error::Truncated)?;
        self.0 = rest;
        Ok(*octet)
    }
}

/// Appends `value` with `prefix` bits in the first octet, whose other bits are `pattern`.
pub(super) fn put_integer(out: &mut Vec<u8>, pattern: u8, prefix: u8, value: usize) {
    let mask = u8::MAX >> (8 - prefix);
    match u8::try_from(value) {
        Ok(small) if small < mask => out.push(pattern | small),
        _ => {
            out.push(pattern | mask);
            let mut rest = value - usize::from(mask);
            while rest >= 0x80 {
                out.push(0x80 | low_seven(rest));
                rest >>= 7;
            }
            out.push(low_seven(rest));
        }
    }
}

fn low_seven(value: usize) -> u8 {
    u8::try_from(value & 0x7f).unwrap_or(0x7f)
}

/// Five continuation octets hold any 32-bit value; more of them are only ever an attack.
const MAX_SHIFT: u32 = 28;
