//! Request signatures, as pure functions over request, key, time and nonce.
//!
//! [`v3`] is `ACS3-HMAC-SHA256`, used for KMS and OOS; [`rpc`] is RPC signature 1.0, `HMAC-SHA1`, used for STS
//! AssumeRole. Both share one [`percent_encode`] and one canonical query. The published and captured vectors in
//! `testdata/vectors/` pin every intermediate text.

mod canonical;
pub mod rpc;
pub mod v3;

pub use canonical::{Parameter, canonical_query, hex, parameter, percent_encode};
