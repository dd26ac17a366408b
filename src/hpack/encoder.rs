//! Encoding a header block without state (RFC 7541, sections 6.1 and 6.2.2).

use super::integer::put_integer;
use super::table::STATIC_TABLE;

/// A dynamic table size update to 0 (section 6.3), for the start of a connection's first block. It tells the
/// peer that this encoder keeps no table, so that no later change of its setting calls for an update.
pub const NO_DYNAMIC_TABLE: u8 = 0x20;

/// Appends `fields` to `out`: static entries by index, everything else as a literal without indexing.
pub fn encode<'a>(fields: impl IntoIterator<Item = (&'a str, &'a str)>, out: &mut Vec<u8>) {
    for (name, value) in fields {
        if let Some(index) = position(|entry| *entry == (name, value)) {
            put_integer(out, 0x80, 7, index);
            continue;
        }
        match position(|entry| entry.0 == name) {
            Some(index) => put_integer(out, 0x00, 4, index),
            None => {
                out.push(0x00);
                put_string(out, name);
            }
        }
        put_string(out, value);
    }
}

fn position(matches: impl FnMut(&(&str, &str)) -> bool) -> Option<usize> {
    STATIC_TABLE.iter().position(matches).map(|index| index + 1)
}

fn put_string(out: &mut Vec<u8>, text: &str) {
    put_integer(out, 0x00, 7, text.len());
    out.extend_from_slice(text.as_bytes());
}
