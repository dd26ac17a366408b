//! Length-prefixed messages: exactly one in a request, and the prefix of an answer.

use zeroize::Zeroizing;

use super::status::{Code, Status};
use crate::secret::Secret;

/// Collects the one message of a request from the pieces of its body. The octets may hold tokens and are wiped.
pub struct Reader {
    prefix: Vec<u8>,
    length: Option<usize>,
    message: Zeroizing<Vec<u8>>,
    limit: usize,
}

impl Reader {
    /// A reader for a message of up to `limit` octets.
    pub fn new(limit: usize) -> Self {
        Self {
            prefix: Vec::with_capacity(PREFIX),
            length: None,
            message: Zeroizing::default(),
            limit,
        }
    }

    /// The message's length, once its prefix has arrived.
    pub fn length(&self) -> Option<usize> {
        self.length
    }

    /// Octets of the message that have not arrived; 0 while its length is unknown.
    pub fn missing(&self) -> usize {
        self.length.unwrap_or(0).saturating_sub(self.message.len())
    }

    /// Allocates room for the whole message. Without this the buffer grows with what arrives.
    pub fn reserve(&mut self) {
        self.grow(self.length.unwrap_or(0));
    }

    /// Takes a piece of the body. An error ends the call with that status.
    pub fn push(&mut self, mut bytes: &[u8]) -> Result<(), Status> {
        if self.length.is_none() {
            let missing = PREFIX - self.prefix.len();
            let (prefix, rest) = bytes.split_at_checked(missing).unwrap_or((bytes, &[]));
            self.prefix.extend_from_slice(prefix);
            bytes = rest;
            let Some(&[flag, l0, l1, l2, l3]) = self.prefix.first_chunk() else {
                return Ok(());
            };
            let length = usize::try_from(u32::from_be_bytes([l0, l1, l2, l3])).unwrap_or(usize::MAX);
            let refusal = match flag {
                0 => None,
                1 => Some((Code::Unimplemented, "compressed messages are not supported")),
                _ => Some((Code::Internal, "expected compression flag 0 or 1, found another")),
            };
            if let Some((code, message)) = refusal {
                return Err(Status::new(code, message));
            }
            if length > self.limit {
                let message = format!("request: expected at most {} bytes, found {length}", self.limit);
                return Err(Status::new(Code::InvalidArgument, message));
            }
            self.length = Some(length);
        }
        if bytes.len() > self.missing() {
            let message = "expected one message in the request, found more";
            return Err(Status::new(Code::Internal, message));
        }
        if self.message.len() + bytes.len() > self.message.capacity() {
            self.grow((2 * self.message.capacity()).max(self.message.len() + bytes.len()));
        }
        self.message.extend_from_slice(bytes);
        Ok(())
    }

    /// The message, once the request is complete.
    pub fn finish(mut self) -> Result<Secret, Status> {
        match self.length {
            Some(length) if length == self.message.len() => {
                Ok(Secret::new(std::mem::take(&mut self.message)))
            }
            None if self.prefix.is_empty() => Err(Status::new(Code::Internal, "request without a message")),
            _ => Err(Status::new(Code::Internal, "the request ends inside its message")),
        }
    }

    /// Moves the message into a larger buffer; the old one is wiped.
    fn grow(&mut self, capacity: usize) {
        if capacity > self.message.capacity() {
            let mut larger = Zeroizing::new(Vec::with_capacity(capacity));
            larger.extend_from_slice(&self.message);
            self.message = larger;
        }
    }
}

/// The prefix of an uncompressed message of `length` octets. `None` if it has too many for one message.
pub fn prefix(length: usize) -> Option<[u8; PREFIX]> {
    let [l0, l1, l2, l3] = u32::try_from(length).ok()?.to_be_bytes();
    Some([0, l0, l1, l2, l3])
}

/// Octets of a prefix: the compression flag and the length.
pub const PREFIX: usize = 5;

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pieces: &[&[u8]]) -> Result<Vec<u8>, Code> {
        let mut reader = Reader::new(100);
        for piece in pieces {
            reader.push(piece).map_err(|status| status.code)?;
        }
        reader
            .finish()
            .map(|message| message.expose().to_vec())
            .map_err(|status| status.code)
    }

    #[test]
    fn a_message_arrives_in_any_pieces() {
        assert_eq!(read(&[b"\0\0\0\0\x03abc"]), Ok(b"abc".to_vec()));
        assert_eq!(
            read(&[b"\0\0", b"", b"\0\0\x03a", b"b", b"c"]),
            Ok(b"abc".to_vec())
        );
        assert_eq!(read(&[b"\0\0\0\0\0"]), Ok(vec![]));
        let long = [&prefix(100).unwrap()[..], &[7; 100]].concat();
        assert_eq!(read(&long.chunks(7).collect::<Vec<_>>()), Ok(vec![7; 100]));
    }

    proptest::proptest! {
        #[test]
        fn any_cut_gives_the_same_result(
            body in proptest::collection::vec(proptest::num::u8::ANY, 0..30),
            length in 0..30_u8,
            cut in 0..35_usize,
        ) {
            let whole = [&[0, 0, 0, 0, length], body.as_slice()].concat();
            let (start, end) = whole.split_at(cut.min(whole.len()));
            let expected = if body.len() == usize::from(length) { Ok(body) } else { Err(Code::Internal) };
            proptest::prop_assert_eq!(read(&[&whole]), expected.clone());
            proptest::prop_assert_eq!(read(&[start, end]), expected);
        }
    }

    #[test]
    fn every_other_body_has_its_status() {
        assert_eq!(read(&[]), Err(Code::Internal));
        assert_eq!(read(&[b"\0\0\0"]), Err(Code::Internal));
        assert_eq!(read(&[b"\0\0\0\0\x03ab"]), Err(Code::Internal));
        assert_eq!(read(&[b"\0\0\0\0\x03abcd"]), Err(Code::Internal));
        assert_eq!(read(&[b"\0\0\0\0\x01a\0\0\0\0\x01b"]), Err(Code::Internal));
        assert_eq!(read(&[b"\x02\0\0\0\0"]), Err(Code::Internal));
        assert_eq!(read(&[b"\x01\0\0\0\0"]), Err(Code::Unimplemented));
        assert_eq!(read(&[b"\0\0\0\0\x65"]), Err(Code::InvalidArgument));
        assert_eq!(read(&[b"\0\xff\xff\xff\xff"]), Err(Code::InvalidArgument));
    }

    #[test]
    fn a_prefix_holds_the_length() {
        assert_eq!(prefix(0x0102_0304), Some([0, 1, 2, 3, 4]));
        assert_eq!(prefix(1 << 32), None);
    }
}
