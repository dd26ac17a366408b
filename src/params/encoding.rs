//! `objectEncoding`: how the stored text encodes the bytes of the file.

use base64::Engine;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

use crate::diagnostic::Diagnostic;
use crate::secret::Secret;

/// How a stored value is encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// RFC 4648 section 4, padding optional.
    Base64,
    /// RFC 4648 section 5, padding optional.
    Base64Url,
    /// Two hexadecimal digits a byte, either case.
    Hex,
}

impl Encoding {
    const ALL: [Self; 3] = [Self::Base64, Self::Base64Url, Self::Hex];

    pub(super) fn parse(text: &str) -> Result<Self, Diagnostic> {
        let known = Self::ALL.into_iter().find(|encoding| encoding.name() == text);
        known.ok_or_else(|| {
            let remedy = "write \"base64\", \"base64url\" or \"hex\", or leave it out to keep the value as it is stored";
            Diagnostic::not(text, "an encoding", remedy)
        })
    }

    /// The name in the grammar.
    pub fn name(self) -> &'static str {
        match self {
            Self::Base64 => "base64",
            Self::Base64Url => "base64url",
            Self::Hex => "hex",
        }
    }

    /// The decoded bytes. White space around and line breaks within, as tools print them, are skipped.
    pub(super) fn decode(self, value: &Secret) -> Result<Secret, Diagnostic> {
        let text = value.expose().iter().copied();
        let text = Secret::new(text.filter(|byte| !byte.is_ascii_whitespace()).collect());
        let bytes = match self {
            Self::Base64 => engine(&base64::alphabet::STANDARD).decode(text.expose()).ok(),
            Self::Base64Url => engine(&base64::alphabet::URL_SAFE).decode(text.expose()).ok(),
            Self::Hex => hex(text.expose()),
        };
        bytes.map(Secret::new).ok_or_else(|| {
            let wrong = format!("the value is not {}", self.name());
            Diagnostic::new(wrong, "correct objectEncoding, or the value")
        })
    }
}

fn engine(alphabet: &base64::alphabet::Alphabet) -> GeneralPurpose {
    let config = GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    GeneralPurpose::new(alphabet, config)
}

fn hex(text: &[u8]) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16);
    let (pairs, rest) = text.as_chunks::<2>();
    let byte = |[high, low]: &[u8; 2]| u8::try_from(digit(*high)? << 4 | digit(*low)?).ok();
    if rest.is_empty() {
        pairs.iter().map(byte).collect()
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decoded(encoding: Encoding, text: &str) -> Option<Vec<u8>> {
        encoding
            .decode(&Secret::from(text.to_owned()))
            .ok()
            .map(|secret| secret.expose().to_vec())
    }

    #[test]
    fn each_encoding_decodes_its_own_text_and_no_other() {
        let bytes = vec![0xfb, 0xff, 0x00];
        for text in ["+/8A", " +/8A\n", "+/\n8A"] {
            assert_eq!(decoded(Encoding::Base64, text), Some(bytes.clone()), "{text:?}");
            assert_eq!(decoded(Encoding::Base64Url, text), None, "{text:?}");
        }
        assert_eq!(decoded(Encoding::Base64Url, "-_8A"), Some(bytes.clone()));
        for text in ["YQ==", "YQ"] {
            assert_eq!(decoded(Encoding::Base64, text), Some(b"a".to_vec()), "{text:?}");
        }
        assert_eq!(decoded(Encoding::Base64, "YR=="), None, "stray bits at the end");
        assert_eq!(decoded(Encoding::Hex, "fBfF00"), Some(bytes));
        assert_eq!(decoded(Encoding::Hex, "fbff0"), None);
        assert_eq!(decoded(Encoding::Hex, "zz"), None);
        assert_eq!(decoded(Encoding::Base64, ""), Some(Vec::new()));
    }
}
