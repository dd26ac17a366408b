//! Reading and verifying JSON Web Tokens. ES256 and RS256 only; encryption, nesting and `crit` are out of scope.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use ring::signature::{self, RsaPublicKeyComponents, UnparsedPublicKey};
use serde::Deserialize;

/// Public keys by which tokens are verified, read from a JSON Web Key Set.
#[derive(Clone, Debug, Deserialize)]
#[serde(try_from = "String")]
pub struct KeySet(Vec<Key>);

/// One public key.
#[derive(Clone)]
pub struct Key {
    id: Option<String>,
    public: PublicKey,
}

#[derive(Clone)]
enum PublicKey {
    /// An uncompressed point on P-256.
    Es256(Vec<u8>),
    /// Modulus and exponent, big-endian.
    Rs256 { n: Vec<u8>, e: Vec<u8> },
}

/// What a token says about its bearer, once its signature is known to be good.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Claims {
    /// The issuer.
    pub iss: String,
    /// The subject: `system:serviceaccount:<namespace>:<name>`.
    pub sub: String,
    /// The audiences.
    pub aud: Audience,
    /// When it expires, in seconds since 1970.
    pub exp: i64,
    /// When it was issued.
    #[serde(default)]
    pub iat: i64,
}

/// One audience or several.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
pub enum Audience {
    /// A text.
    One(String),
    /// A list of texts.
    Many(Vec<String>),
}

impl Audience {
    /// The audiences, however they were written.
    pub fn iter(&self) -> std::slice::Iter<'_, String> {
        match self {
            Self::One(audience) => std::slice::from_ref(audience).iter(),
            Self::Many(audiences) => audiences.iter(),
        }
    }
}

impl Claims {
    /// Whether the token is past its end.
    pub fn is_expired(&self, now: Timestamp) -> bool {
        now.as_second() >= self.exp
    }
}

/// The token is not a JWT, or no key of the set has signed it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidToken;

#[derive(Deserialize)]
struct Header {
    alg: String,
    kid: Option<String>,
}

#[derive(Deserialize)]
struct KeySetFile {
    keys: Vec<KeyFile>,
}

#[derive(Deserialize)]
struct KeyFile {
    kty: String,
    kid: Option<String>,
    crv: Option<String>,
    x: Option<String>,
    y: Option<String>,
    n: Option<String>,
    e: Option<String>,
}

impl KeySet {
    /// A set of one key.
    pub fn of(key: Key) -> Self {
        Self(vec![key])
    }

    /// Checks a token's signature and reads its claims. Expiry, issuer and audience are the caller's to check.
    pub fn verify(&self, token: &str) -> Result<Claims, InvalidToken> {
        let (signed, signature) = token.rsplit_once('.').ok_or(InvalidToken)?;
        let (header, claims) = signed.split_once('.').ok_or(InvalidToken)?;
        let header: Header = serde_json::from_slice(&decode(header)?).map_err(|_| InvalidToken)?;
        let signature = decode(signature)?;
        let fits = |key: &&Key| header.kid.is_none() || key.id.is_none() || key.id == header.kid;
        let good = |key: &Key| key.verifies(&header.alg, signed.as_bytes(), &signature);
        if !self.0.iter().filter(fits).any(good) {
            return Err(InvalidToken);
        }
        serde_json::from_slice(&decode(claims)?).map_err(|_| InvalidToken)
    }
}

impl TryFrom<String> for KeySet {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let file: KeySetFile =
            serde_json::from_str(&text).map_err(|_| "not a JSON Web Key Set: {\"keys\":[…]}".to_owned())?;
        file.keys
            .into_iter()
            .map(Key::read)
            .collect::<Result<_, _>>()
            .map(Self)
    }
}

impl Key {
    /// An ES256 key from its uncompressed point.
    pub fn es256(id: impl Into<String>, point: &[u8]) -> Self {
        Self {
            id: Some(id.into()),
            public: PublicKey::Es256(point.into()),
        }
    }

    fn read(file: KeyFile) -> Result<Self, String> {
        let field = |value: Option<String>, name: &str| {
            value
                .and_then(|text| decode(&text).ok())
                .ok_or_else(|| format!("a key without a good {name:?}"))
        };
        let public = match (file.kty.as_str(), file.crv.as_deref()) {
            ("EC", Some("P-256")) => {
                let mut point = vec![UNCOMPRESSED];
                point.extend(field(file.x, "x")?);
                point.extend(field(file.y, "y")?);
                PublicKey::Es256(point)
            }
            ("RSA", _) => PublicKey::Rs256 {
                n: field(file.n, "n")?,
                e: field(file.e, "e")?,
            },
            (kind, _) => {
                return Err(format!(
                    "a key of kind {kind:?}; EC with P-256 and RSA are supported"
                ));
            }
        };
        Ok(Self { id: file.kid, public })
    }

    fn verifies(&self, algorithm: &str, message: &[u8], signature: &[u8]) -> bool {
        match (&self.public, algorithm) {
            (PublicKey::Es256(point), "ES256") => {
                UnparsedPublicKey::new(&signature::ECDSA_P256_SHA256_FIXED, point).verify(message, signature)
            }
            (PublicKey::Rs256 { n, e }, "RS256") => RsaPublicKeyComponents { n, e }.verify(
                &signature::RSA_PKCS1_2048_8192_SHA256,
                message,
                signature,
            ),
            _ => return false,
        }
        .is_ok()
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({:?})", self.id)
    }
}

fn decode(text: &str) -> Result<Vec<u8>, InvalidToken> {
    URL_SAFE_NO_PAD.decode(text).map_err(|_| InvalidToken)
}

/// The first byte of an uncompressed point (SEC 1, section 2.3.3).
const UNCOMPRESSED: u8 = 4;

#[cfg(test)]
mod tests {
    use super::*;

    /// Made for this project with OpenSSL; the private key was thrown away.
    const RS256: &str = include_str!("../../testdata/rs256.json");

    #[derive(Deserialize)]
    struct Vector {
        jwks: serde_json::Value,
        token: String,
    }

    fn vector() -> (KeySet, String) {
        let vector: Vector = serde_json::from_str(RS256).expect("the vector's form");
        (
            KeySet::try_from(vector.jwks.to_string()).expect("a key set"),
            vector.token,
        )
    }

    #[test]
    fn an_rsa_token_of_another_issuer_is_verified() {
        let (keys, token) = vector();
        let claims = keys.verify(&token).expect("a good signature");
        assert_eq!(claims.sub, "system:serviceaccount:rrsa-demo:demo-sa");
        assert_eq!(claims.aud.iter().collect::<Vec<_>>(), ["sts.aliyuncs.com"]);
    }

    #[test]
    fn any_change_breaks_the_signature() {
        let (keys, token) = vector();
        let parts: Vec<_> = token.split('.').collect();
        let forged = URL_SAFE_NO_PAD.encode(r#"{"iss":"i","sub":"admin","aud":"a","exp":9999999999}"#);
        let unsigned = URL_SAFE_NO_PAD.encode(r#"{"alg":"none"}"#);
        for changed in [
            format!("{}.{forged}.{}", parts[0], parts[2]),
            format!("{unsigned}.{}.", parts[1]),
            format!("{}.{}", parts[0], parts[1]),
            String::new(),
        ] {
            assert_eq!(keys.verify(&changed), Err(InvalidToken), "{changed}");
        }
    }

    #[test]
    fn key_sets_are_checked_when_read() {
        for text in [
            "",
            "{}",
            r#"{"keys":[{"kty":"OKP"}]}"#,
            r#"{"keys":[{"kty":"RSA","n":"AQAB"}]}"#,
        ] {
            assert!(KeySet::try_from(text.to_owned()).is_err(), "{text}");
        }
    }
}
