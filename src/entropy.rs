//! Randomness, as an argument.

use ring::rand::{SecureRandom as _, SystemRandom};

/// Where random bytes come from.
pub trait Entropy: Send + Sync + 'static {
    /// Fills `bytes` with random ones.
    fn fill(&self, bytes: &mut [u8]);
}

/// The operating system's random bytes.
pub struct SystemEntropy(SystemRandom);

impl SystemEntropy {
    /// Random bytes from now on.
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
        // The kernel has given random bytes to TLS long before; a nonce of zeros would only be refused as used.
        if self.0.fill(bytes).is_err() {
            log::error!("the operating system gives no random bytes");
        }
    }
}
