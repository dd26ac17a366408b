//! Why a header block cannot be decoded.

/// Why a header block cannot be decoded. Each one is a connection error of type COMPRESSION_ERROR, because the
/// dynamic tables differ from here on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Error {
    /// A Huffman-coded string holds the EOS symbol (section 5.2).
    HuffmanEos,
    /// The padding of a Huffman-coded string is too long or not all ones (section 5.2).
    HuffmanPadding,
    /// An integer is larger than any this decoder accepts (section 5.1).
    IntegerTooLarge,
    /// An index points at no table entry (section 2.3.3).
    InvalidIndex(u32),
    /// A table size update stands after a field of the same block (section 4.2).
    LateSizeUpdate,
    /// A table size update exceeds what our settings allow (section 6.3).
    SizeUpdateTooLarge(u32),
    /// The block ends inside an integer or a string.
    Truncated,
}
