//! Identifiers that the cloud makes up: request ids, resource ids, temporary keys. They come from a seed and a
//! counter, so that a run can be repeated; nothing here protects anything.

use std::sync::atomic::{AtomicU64, Ordering};

use ring::digest;

/// A source of identifiers.
#[derive(Debug)]
pub struct Ids {
    seed: u64,
    made: AtomicU64,
}

impl Ids {
    /// Identifiers of one seed.
    pub fn new(seed: u64) -> Self {
        Self {
            seed,
            made: AtomicU64::new(0),
        }
    }

    /// A request id in the form of a UUID, upper case as the gateway writes it.
    pub fn request_id(&self) -> String {
        let hex: String = self.block()[..16]
            .iter()
            .map(|byte| format!("{byte:02X}"))
            .collect();
        [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]].join("-")
    }

    /// That many letters and digits.
    pub fn alphanumeric(&self, length: usize) -> String {
        std::iter::repeat_with(|| self.block())
            .flatten()
            .map(|byte| char::from(ALPHABET[usize::from(byte) % ALPHABET.len()]))
            .take(length)
            .collect()
    }

    /// Thirty-two bytes that no other call yields.
    pub fn block(&self) -> [u8; 32] {
        let number = self.made.fetch_add(1, Ordering::Relaxed);
        let mut context = digest::Context::new(&digest::SHA256);
        context.update(&self.seed.to_be_bytes());
        context.update(&number.to_be_bytes());
        let mut block = [0; 32];
        block.copy_from_slice(context.finish().as_ref());
        block
    }
}

const ALPHABET: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
