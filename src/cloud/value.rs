//! What KMS and OOS hold under a name.

use std::borrow::Cow;

use serde::Deserialize;

use crate::secret::Secret;

/// What a backend holds under a name.
#[derive(Debug)]
pub struct Value {
    /// The bytes to mount, decoded where the backend transports binary as base64.
    pub contents: Secret,
    /// The backend's own revision: KMS `VersionId`, OOS `ParameterVersion`.
    pub version: String,
}

/// The gateway is known to write numbers as texts and the reverse.
#[derive(Deserialize)]
#[serde(untagged)]
pub(super) enum TextOrNumber {
    Number(u64),
    Text(String),
}

impl TextOrNumber {
    pub(super) fn text(&self) -> Cow<'_, str> {
        match self {
            Self::Number(number) => number.to_string().into(),
            Self::Text(text) => text.into(),
        }
    }
}
