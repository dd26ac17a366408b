//! OpenID Connect as RRSA uses it: JSON Web Tokens (RFC 7519) signed with ES256 or RS256 (RFC 7518), key sets
//! (RFC 7517), and the cluster's issuer that mints the tokens of pods.

pub mod issuer;
pub mod jwt;
