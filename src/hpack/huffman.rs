//! Huffman decoding (RFC 7541, section 5.2 and appendix B).
//!
//! The code is canonical: symbols of equal length have consecutive codes, in symbol order, and each length
//! starts where the shorter ones end. So the lengths alone define it, and a code is decoded by finding its
//! length (the first one whose range it falls in) and taking its offset from the start of that range.

use super::error::Error;

/// Decodes `input` onto the end of `out`.
pub(super) fn decode(input: &[u8], out: &mut Vec<u8>) -> Result<(), Error> {
    let mut octets = input.iter();
    let mut bits: u64 = 0; // left-aligned: the next bit is the highest
    let mut count: u32 = 0;
    loop {
        while count <= 32 {
            let Some(octet) = octets.next() else { break };
            bits |= u64::from(*octet) << (56 - count);
            count += 8;
        }
        let window = bits >> 32; // 32 bits, filled with zeros past the end
        let Some(row) = ROWS.iter().find(|row| window < row.end) else {
            // Only EOS lies above the last row's end.
            return if count >= EOS_BITS {
                Err(Error::HuffmanEos)
            } else {
                padding(bits, count)
            };
        };
        if row.bits > count {
            return padding(bits, count);
        }
        let offset = (window - row.start) >> (32 - row.bits);
        let symbol = usize::try_from(offset)
            .ok()
            .and_then(|offset| SYMBOLS.get(row.first + offset));
        out.push(*symbol.ok_or(Error::HuffmanEos)?);
        bits <<= row.bits;
        count -= row.bits;
    }
}

/// What is left after the last symbol must be a prefix of EOS, all ones, shorter than an octet.
fn padding(bits: u64, count: u32) -> Result<(), Error> {
    let ones = !(u64::MAX.checked_shr(count).unwrap_or(0));
    if count < 8 && bits == ones {
        Ok(())
    } else {
        Err(Error::HuffmanPadding)
    }
}

/// All codes of one length.
#[derive(Clone, Copy)]
struct Row {
    /// Their length.
    bits: u32,
    /// The first code of the length, left-aligned in 32 bits.
    start: u64,
    /// Past the last code of the length, likewise.
    end: u64,
    /// Where the symbols of this length begin in [`SYMBOLS`].
    first: usize,
}

/// One row for each length from 5 to 30; lengths that no symbol has are empty ranges.
const ROWS: [Row; 26] = rows();

/// The symbols, ordered by code.
const SYMBOLS: [u8; 256] = symbols();

const EOS_BITS: u32 = 30;
const SHORTEST: u32 = 5;

#[expect(
    clippy::indexing_slicing,
    clippy::as_conversions,
    reason = "evaluated by the compiler, not at run time"
)]
const fn rows() -> [Row; 26] {
    let mut rows = [Row {
        bits: 0,
        start: 0,
        end: 0,
        first: 0,
    }; 26];
    let (mut code, mut first, mut row) = (0, 0, 0);
    while row < rows.len() {
        let bits = SHORTEST + row as u32;
        let mut count = 0;
        let mut symbol = 0;
        while symbol < LENGTHS.len() {
            if LENGTHS[symbol] as u32 == bits {
                count += 1;
            }
            symbol += 1;
        }
        let end = code + ((count as u64) << (32 - bits));
        rows[row] = Row {
            bits,
            start: code,
            end,
            first,
        };
        code = end;
        first += count;
        row += 1;
    }
    rows
}

#[expect(
    clippy::indexing_slicing,
    clippy::as_conversions,
    reason = "evaluated by the compiler, not at run time"
)]
const fn symbols() -> [u8; 256] {
    let mut symbols = [0; 256];
    let (mut bits, mut next) = (SHORTEST, 0);
    while bits <= EOS_BITS {
        let mut symbol = 0;
        while symbol < LENGTHS.len() {
            if LENGTHS[symbol] as u32 == bits {
                symbols[next] = symbol as u8;
                next += 1;
            }
            symbol += 1;
        }
        bits += 1;
    }
    symbols
}

/// Appendix B: the length in bits of each octet's code. EOS, with 30 ones, is not among them.
#[rustfmt::skip]
const LENGTHS: [u8; 256] = [
    13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28,
    28, 28, 28, 28, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 28,
    6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6,
    5, 5, 5, 6, 6, 6, 6, 6, 6, 6, 7, 8, 15, 6, 12, 10,
    13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7,
    7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6,
    15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5,
    6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7, 15, 11, 14, 13, 28,
    20, 22, 20, 20, 22, 22, 22, 23, 22, 23, 23, 23, 23, 23, 24, 23,
    24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24,
    22, 21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23,
    21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23,
    26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25,
    19, 21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27, 27,
    20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23,
    26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26,
];

#[cfg(test)]
mod tests {
    use super::*;

    fn decoded(input: &[u8]) -> Result<Vec<u8>, Error> {
        let mut out = Vec::new();
        decode(input, &mut out).map(|()| out)
    }

    #[test]
    fn codes_cover_everything_but_eos() {
        // Kraft: the ranges are contiguous and leave exactly the 30-bit code of EOS.
        assert_eq!(ROWS[25].end, (1 << 32) - (1 << 2));
        assert_eq!(ROWS[25].first + 3, SYMBOLS.len());
    }

    #[test]
    fn padding_is_ones_and_shorter_than_an_octet() {
        assert_eq!(decoded(&[]), Ok(vec![]));
        assert_eq!(decoded(&[0x1f]), Ok(b"a".to_vec())); // 00011 111
        assert_eq!(decoded(&[0x18]), Err(Error::HuffmanPadding)); // 00011 000: zeros
        assert_eq!(decoded(&[0x1e]), Err(Error::HuffmanPadding));
        assert_eq!(decoded(&[0x1f, 0xff]), Err(Error::HuffmanPadding)); // eleven ones
        assert_eq!(decoded(&[0xff]), Err(Error::HuffmanPadding));
        assert_eq!(decoded(&[0xff, 0xff, 0xff]), Err(Error::HuffmanPadding));
    }

    #[test]
    fn eos_is_refused() {
        assert_eq!(decoded(&[0xff, 0xff, 0xff, 0xff]), Err(Error::HuffmanEos));
        assert_eq!(decoded(&[0xff, 0xff, 0xff, 0xfc]), Err(Error::HuffmanEos));
    }

    #[test]
    fn longest_codes_decode() {
        assert_eq!(decoded(&[0xff, 0xff, 0xff, 0xf3]), Ok(vec![10])); // 30 bits 0x3ffffffc, then 11
        assert_eq!(decoded(&[0xff, 0xff, 0xff, 0xfb]), Ok(vec![22])); // 0x3ffffffe
    }
}
