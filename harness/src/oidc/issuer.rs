//! The cluster's token issuer: an ES256 key made at each start, pod tokens, and the discovery documents.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::{SignedDuration, Timestamp};
use ring::error::Unspecified;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use serde_json::{Value, json};

use super::jwt::{Key, KeySet};

/// A token issuer.
pub struct Issuer {
    random: SystemRandom,
    pair: EcdsaKeyPair,
    keys: KeySet,
}

/// What a pod's token shall say.
#[derive(Clone, Copy, Debug)]
pub struct PodToken<'a> {
    /// The issuer's URL.
    pub issuer: &'a str,
    /// The ServiceAccount's namespace.
    pub namespace: &'a str,
    /// The ServiceAccount's name.
    pub service_account: &'a str,
    /// The audience.
    pub audience: &'a str,
    /// When it is issued.
    pub now: Timestamp,
    /// How long it is good; negative for one that is expired already.
    pub lifetime: SignedDuration,
}

impl Issuer {
    /// Makes a new key.
    pub fn generate() -> Result<Self, Unspecified> {
        let random = SystemRandom::new();
        let document = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random)?;
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, document.as_ref(), &random)
            .map_err(|_| Unspecified)?;
        let keys = KeySet::of(Key::es256(KEY_ID, pair.public_key().as_ref()));
        Ok(Self { random, pair, keys })
    }

    /// The keys by which its tokens are verified.
    pub fn keys(&self) -> &KeySet {
        &self.keys
    }

    /// Mints a token as the cluster's API server would for a pod.
    pub fn mint(&self, token: &PodToken<'_>) -> Result<String, Unspecified> {
        let issued = token.now.as_second();
        let subject = format!(
            "system:serviceaccount:{}:{}",
            token.namespace, token.service_account
        );
        let claims = json!({
            "iss": token.issuer,
            "sub": subject,
            "aud": [token.audience],
            "iat": issued,
            "nbf": issued,
            "exp": issued.saturating_add(token.lifetime.as_secs()),
            "kubernetes.io": {
                "namespace": token.namespace,
                "serviceaccount": { "name": token.service_account, "uid": "00000000-0000-4000-8000-000000000000" },
            },
        });
        let header = json!({ "alg": "ES256", "typ": "JWT", "kid": KEY_ID });
        let signed = format!("{}.{}", encode(header.to_string()), encode(claims.to_string()));
        let signature = self.pair.sign(&self.random, signed.as_bytes())?;
        Ok(format!("{signed}.{}", encode(signature)))
    }

    /// The key set as its discovery document links it.
    pub fn jwks(&self) -> Value {
        // An uncompressed point: one byte of form, then the two coordinates of equal length.
        let (_, coordinates) = self.pair.public_key().as_ref().split_at(1);
        let (x, y) = coordinates.split_at(coordinates.len() / 2);
        let key = json!({
            "kty": "EC", "crv": "P-256", "alg": "ES256", "use": "sig", "kid": KEY_ID, "x": encode(x), "y": encode(y),
        });
        json!({ "keys": [key] })
    }
}

impl fmt::Debug for Issuer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Issuer")
    }
}

/// The discovery document of an issuer (OpenID Connect Discovery 1.0, section 3).
pub fn discovery(issuer: &str, jwks_uri: &str) -> Value {
    json!({
        "issuer": issuer,
        "jwks_uri": jwks_uri,
        "response_types_supported": ["id_token"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["ES256"],
    })
}

fn encode(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

const KEY_ID: &str = "fake-cloud";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oidc::jwt::InvalidToken;

    #[test]
    fn what_it_mints_its_published_keys_verify() {
        let issuer = Issuer::generate().expect("a key");
        let token = PodToken {
            issuer: "https://issuer.example",
            namespace: "ns",
            service_account: "sa",
            audience: "sts.aliyuncs.com",
            now: Timestamp::constant(1_777_777_777, 0),
            lifetime: SignedDuration::from_mins(10),
        };
        let minted = issuer.mint(&token).expect("a token");
        let published = KeySet::try_from(issuer.jwks().to_string()).expect("a key set");
        let claims = published.verify(&minted).expect("a good signature");
        assert_eq!(
            (claims.sub.as_str(), claims.exp),
            ("system:serviceaccount:ns:sa", 1_777_778_377)
        );
        let stranger = Issuer::generate().expect("a key");
        assert_eq!(stranger.keys().verify(&minted), Err(InvalidToken));
    }
}
