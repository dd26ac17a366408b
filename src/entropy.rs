//! Randomness, as an argument.

use ring::rand::{SecureRandom as _, SystemRandom};

/// A source of random bytes.
pub trait Entropy: Send + Sync + 'static {
    /// Fills `bytes` with random ones.
    fn fill(&self, bytes: &mut [u8]);
}

/// The operating system's random bytes.
pub struct SystemEntropy(SystemRandom);

impl SystemEntropy {
    /// The system's random number generator.
    pub fn new() -> Self {
        Self(SystemRandom::new())
    }
}

impl Default for SystemEntropy {
    fn default() -> Self {
        Self::new()
    }
}

impl Entropy for SystemEntropy {
    fn fill(&self, bytes: &mut [u8]) {
        // The kernel has already provided random bytes for TLS; a nonce of zeros would only be rejected as used.
        if self.0.fill(bytes).is_err() {
            log::error!("cannot get random bytes from the operating system");
        }
    }
}
