//! Octets as they arrive, cut into the connection preface and frames (RFC 9113, sections 3.4 and 4.1).

use zeroize::Zeroizing;

use super::error::{Error, protocol};
use super::frame::{self, Head, Split};

/// What has arrived of the preface and of a frame that is not complete.
#[derive(Default)]
pub(super) struct FrameReader {
    preface_seen: usize,
    partial: Zeroizing<Vec<u8>>,
}

impl FrameReader {
    /// Whether a frame has begun and not ended.
    pub(super) fn is_inside_frame(&self) -> bool {
        !self.partial.is_empty()
    }

    /// Hands each frame that `bytes` completes to `recv`, until one fails.
    pub(super) fn read(
        &mut self,
        bytes: &[u8],
        mut recv: impl FnMut(Head, &[u8]) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let mut bytes = self.read_preface(bytes)?;
        loop {
            if self.partial.is_empty() {
                let Some(Split { head, payload, rest }) = frame::split(bytes)? else {
                    self.partial.extend_from_slice(bytes);
                    return Ok(());
                };
                recv(head, payload)?;
                bytes = rest;
            } else {
                let missing = frame::missing(&self.partial);
                let (more, rest) = bytes.split_at_checked(missing).unwrap_or((bytes, &[]));
                self.partial.extend_from_slice(more);
                bytes = rest;
                let partial = std::mem::take(&mut self.partial);
                match frame::split(&partial)? {
                    Some(Split { head, payload, .. }) => recv(head, payload)?,
                    None => {
                        self.partial = partial;
                        if bytes.is_empty() {
                            return Ok(());
                        }
                    }
                }
            }
        }
    }

    /// Takes what `bytes` has of the preface off.
    fn read_preface<'a>(&mut self, bytes: &'a [u8]) -> Result<&'a [u8], Error> {
        let expected = frame::PREFACE.get(self.preface_seen..).unwrap_or(&[]);
        let length = expected.len().min(bytes.len());
        let (start, rest) = bytes.split_at_checked(length).unwrap_or((bytes, &[]));
        if expected.starts_with(start) {
            self.preface_seen += length;
            Ok(rest)
        } else {
            Err(protocol("not an HTTP/2 connection preface"))
        }
    }
}
