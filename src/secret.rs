//! A byte string that wipes itself and never prints.
//!
//! Everything secret lives in a [`Secret`] from the byte it arrives. There is no `Display`, no `Clone`, no
//! `Deref`: each place that reads the bytes says [`Secret::expose`], so that `grep expose` lists them all.

use std::fmt;

use zeroize::Zeroizing;

/// Secret bytes, wiped on drop.
#[derive(Default)]
pub struct Secret(Zeroizing<Vec<u8>>);

impl Secret {
    /// Takes over `bytes`; they are wiped when the secret is dropped.
    pub fn new(bytes: Vec<u8>) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// The bytes. The caller must not let them outlive the secret in a buffer that is not wiped.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }

    /// The bytes as text, if they are UTF-8.
    pub fn expose_str(&self) -> Option<&str> {
        std::str::from_utf8(&self.0).ok()
    }

    /// Length in bytes. For budgets and limits, never for a log.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are no bytes.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// A second copy, wiped on its own. Named so that copies can be found.
    pub fn duplicate(&self) -> Self {
        Self(self.0.clone())
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self::new(text.into_bytes())
    }
}

impl fmt::Debug for Secret {
    /// Shows neither the bytes nor their number.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_tells_neither_bytes_nor_length() {
        let short = format!("{:?}", Secret::new(b"a".to_vec()));
        let long = format!("{:?}", Secret::new(b"canary-canary".to_vec()));
        assert_eq!(short, "Secret(…)");
        assert_eq!(short, long);
    }

    #[test]
    fn text_is_only_given_for_utf8() {
        assert_eq!(Secret::from("päss".to_owned()).expose_str(), Some("päss"));
        assert_eq!(Secret::new(vec![0xff]).expose_str(), None);
    }
}
