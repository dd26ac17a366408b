//! RPC signature version 1.0, `HMAC-SHA1` (also called the V2 request style), which STS AssumeRole uses.
//!
//! Every parameter except `Signature` is signed, whether it travels in the query or in a form body.
//! Source: "V2 request structure and signature" in the Alibaba Cloud SDK documentation.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha1::Sha1;
use zeroize::Zeroizing;

use super::canonical::{Parameter, canonical_query, percent_encode};
use crate::secret::Secret;

/// The text that is signed: the real verb, the encoded path `/`, the encoded canonical query.
#[derive(Clone, PartialEq, Eq)]
pub struct StringToSign(pub String);

impl StringToSign {
    /// `method` is the verb that is really used; `parameters` are all of them, decoded, without `Signature`.
    pub fn new(method: &str, parameters: &[Parameter]) -> Self {
        Self(format!(
            "{method}&%2F&{}",
            percent_encode(&canonical_query(parameters))
        ))
    }

    /// The signature in base64. The HMAC key is the AccessKey secret followed by `&`.
    pub fn signature(&self, access_key_secret: &Secret) -> String {
        let mut key = Zeroizing::new(Vec::with_capacity(access_key_secret.len() + 1));
        key.extend_from_slice(access_key_secret.expose());
        key.push(b'&');
        let Ok(mut mac) = Hmac::<Sha1>::new_from_slice(&key) else {
            unreachable!("HMAC takes a key of any length")
        };
        mac.update(self.0.as_bytes());
        STANDARD.encode(mac.finalize().into_bytes())
    }
}
