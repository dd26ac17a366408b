//! Decoding a header block (RFC 7541, sections 3 and 6).

use std::ops::ControlFlow;

use super::error::Error;
use super::integer::Input;
use super::table::{DynamicTable, STATIC_TABLE};

/// One connection's decompression state.
pub struct Decoder {
    table: DynamicTable,
    /// The largest table size that our SETTINGS_HEADER_TABLE_SIZE allows.
    max_table_size: usize,
}

impl Decoder {
    /// A decoder whose dynamic table may use up to `max_table_size` octets, counted as section 4.1 does.
    pub fn new(max_table_size: usize) -> Self {
        Self {
            table: DynamicTable::new(max_table_size),
            max_table_size,
        }
    }

    /// Decodes one complete block and hands each field to `field`, name before value.
    ///
    /// Once `field` breaks, no further field is handed out, but the rest of the block is still read: the
    /// table must match the peer's. So a list limit binds while decoding, and costs no state.
    pub fn decode(
        &mut self,
        block: &[u8],
        mut field: impl FnMut(&[u8], &[u8]) -> ControlFlow<()>,
    ) -> Result<(), Error> {
        let mut input = Input::new(block);
        let mut wanted = ControlFlow::Continue(());
        let mut hand_out = |name: &[u8], value: &[u8]| {
            if wanted.is_continue() {
                wanted = field(name, value);
            }
        };
        let (mut name, mut value) = (Vec::new(), Vec::new());
        let mut fields_seen = false;
        while let Some(first) = input.peek() {
            if first & 0xe0 == 0x20 {
                if fields_seen {
                    return Err(Error::LateSizeUpdate);
                }
                self.resize(input.integer(5)?)?;
                continue;
            }
            fields_seen = true;
            if first & 0x80 != 0 {
                let (name, value) = self.entry(input.integer(7)?)?;
                hand_out(name, value);
                continue;
            }
            let is_indexed = first & 0x40 != 0;
            let index = input.integer(if is_indexed { 6 } else { 4 })?;
            if index == 0 {
                input.string(&mut name)?;
            } else {
                name.clear();
                name.extend_from_slice(self.entry(index)?.0);
            }
            input.string(&mut value)?;
            hand_out(&name, &value);
            if is_indexed {
                self.table.insert(&name, &value);
            }
        }
        Ok(())
    }

    fn entry(&self, index: u32) -> Result<(&[u8], &[u8]), Error> {
        let invalid = Error::InvalidIndex(index);
        let index = usize::try_from(index)
            .map_err(|_| invalid)?
            .checked_sub(1)
            .ok_or(invalid)?;
        match STATIC_TABLE.get(index) {
            Some((name, value)) => Ok((name.as_bytes(), value.as_bytes())),
            None => self.table.entry(index - STATIC_TABLE.len()).ok_or(invalid),
        }
    }

    fn resize(&mut self, size: u32) -> Result<(), Error> {
        match usize::try_from(size) {
            Ok(wanted) if wanted <= self.max_table_size => {
                self.table.resize(wanted);
                Ok(())
            }
            _ => Err(Error::SizeUpdateTooLarge(size)),
        }
    }

    #[cfg(test)]
    pub(super) fn table(&self) -> &DynamicTable {
        &self.table
    }
}
