//! The verifier against the signature vectors: every intermediate text, then the whole check, then each way to be
//! wrong. The same files are what the provider's signer is held against.

use std::collections::BTreeMap;

use harness::api::Params;
use harness::clock;
use harness::error::ApiError;
use harness::http::message::Request;
use harness::http::percent;
use harness::sign::nonce::Nonces;
use harness::sign::{Claims, rpc, v3, verify};
use harness::state::State;
use harness::state::identity::{Credential, Identity, Principal, Session};
use serde::Deserialize;

#[derive(Deserialize)]
struct File<V> {
    vectors: Vec<V>,
}

#[derive(Deserialize)]
struct V3Vector {
    name: String,
    input: V3Input,
    expected: V3Expected,
}

#[derive(Deserialize)]
struct V3Input {
    access_key_secret: String,
    method: String,
    path: String,
    wire_query: String,
    headers: Vec<(String, String)>,
    body: String,
}

#[derive(Deserialize)]
struct V3Expected {
    hashed_payload: String,
    canonical_query: String,
    canonical_headers: String,
    canonical_request: String,
    string_to_sign: String,
    signature: String,
    authorization: String,
}

#[derive(Deserialize)]
struct RpcVector {
    name: String,
    input: RpcInput,
    expected: RpcExpected,
}

#[derive(Deserialize)]
struct RpcInput {
    access_key_secret: String,
    method: String,
    params: BTreeMap<String, String>,
}

#[derive(Deserialize)]
struct RpcExpected {
    canonical_query: String,
    string_to_sign: String,
    signature: String,
}

impl V3Vector {
    fn request(&self) -> Request {
        let mut headers = self.input.headers.clone();
        headers.push((
            "x-acs-content-sha256".into(),
            self.expected.hashed_payload.clone(),
        ));
        headers.push(("Authorization".into(), self.expected.authorization.clone()));
        Request {
            method: self.input.method.clone(),
            path: self.input.path.clone(),
            query: percent::decode_pairs(&self.input.wire_query),
            headers,
            body: self.input.body.clone().into_bytes(),
            ..Request::default()
        }
    }
}

fn read<V: for<'de> Deserialize<'de>>(name: &str) -> Vec<V> {
    let path = format!("{}/../testdata/vectors/{name}", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(path).expect("the vectors are in the repository");
    serde_json::from_str::<File<V>>(&text)
        .expect("the vectors have the documented form")
        .vectors
}

/// The whole check, for the credential and the time that the request itself names.
fn check(
    claims: &Claims,
    secret: &str,
    nonces: &mut Nonces,
    signature: fn(&str, &str) -> String,
) -> Result<Identity, ApiError> {
    let now = clock::parse(&claims.time).expect("vectors carry a well-formed time");
    let session = claims.token.clone().map(|token| Session {
        token,
        expires: jiff::Timestamp::MAX,
    });
    let identity = Identity {
        account: "1".into(),
        principal: Principal::Root,
        session_policy: None,
    };
    let credential = Credential {
        secret: secret.into(),
        active: true,
        session,
        identity,
    };
    verify(claims, Some(&credential), nonces, now, signature)
}

#[test]
fn v3_every_step_of_every_vector() {
    let vectors: Vec<V3Vector> = read("signature-v3.json");
    assert_eq!(vectors.len(), 16);
    for vector in &vectors {
        let (name, expected, request) = (&vector.name, &vector.expected, vector.request());
        let signed = v3::Authorization::parse(&expected.authorization)
            .expect(name)
            .signed_headers;
        assert_eq!(v3::payload_hash(&request.body), expected.hashed_payload, "{name}");
        assert_eq!(
            percent::canonical_query(&request.query),
            expected.canonical_query,
            "{name}"
        );
        assert_eq!(
            v3::canonical_headers(&request, &signed),
            expected.canonical_headers,
            "{name}"
        );
        let canonical = v3::canonical_request(&request, &signed, &expected.hashed_payload);
        assert_eq!(canonical, expected.canonical_request, "{name}");
        let string_to_sign = v3::string_to_sign(&canonical);
        assert_eq!(string_to_sign, expected.string_to_sign, "{name}");
        assert_eq!(
            v3::signature(&vector.input.access_key_secret, &string_to_sign),
            expected.signature,
            "{name}"
        );
    }
}

#[test]
fn v3_every_vector_is_accepted_once() {
    for vector in read::<V3Vector>("signature-v3.json") {
        let claims = v3::claims(&vector.request()).expect(&vector.name);
        let mut nonces = Nonces::default();
        let mut check = || {
            check(
                &claims,
                &vector.input.access_key_secret,
                &mut nonces,
                v3::signature,
            )
        };
        assert!(check().is_ok(), "{}", vector.name);
        assert_eq!(
            check().expect_err("a replay").code,
            "SignatureNonceUsed",
            "{}",
            vector.name
        );
    }
}

#[test]
fn v3_any_change_is_refused() {
    for vector in read::<V3Vector>("signature-v3.json") {
        let secret = &vector.input.access_key_secret;
        let code = |request: &Request, secret: &str| {
            v3::claims(request)
                .and_then(|claims| check(&claims, secret, &mut Nonces::default(), v3::signature))
                .expect_err(&vector.name)
                .code
        };
        assert_eq!(code(&vector.request(), "another secret"), "SignatureDoesNotMatch");
        type Change = fn(&mut Request);
        let changes: [(Change, &str); 6] = [
            (
                |request| request.query.push(("Extra".into(), "1".into())),
                "SignatureDoesNotMatch",
            ),
            (|request| request.body.push(b'!'), "SignatureDoesNotMatch"),
            (|request| request.method = "PUT".into(), "SignatureDoesNotMatch"),
            (|request| request.path.push('x'), "SignatureDoesNotMatch"),
            (
                |request| request.headers.push(("x-acs-extra".into(), "1".into())),
                "IncompleteSignature",
            ),
            (
                |request| request.headers.retain(|(name, _)| name != "Authorization"),
                "InvalidSignatureMethod",
            ),
        ];
        for (number, (change, expected)) in changes.into_iter().enumerate() {
            let mut request = vector.request();
            change(&mut request);
            assert_eq!(
                code(&request, secret),
                expected,
                "{} change {number}",
                vector.name
            );
        }
    }
}

#[test]
fn rpc_every_step_of_every_vector() {
    let vectors: Vec<RpcVector> = read("signature-rpc-v1.json");
    assert_eq!(vectors.len(), 8);
    for vector in &vectors {
        let (name, input, expected) = (&vector.name, &vector.input, &vector.expected);
        let params = Params(input.params.clone().into_iter().collect());
        assert_eq!(rpc::canonical_query(&params), expected.canonical_query, "{name}");
        let string_to_sign = rpc::string_to_sign(&input.method, &params);
        assert_eq!(string_to_sign, expected.string_to_sign, "{name}");
        assert_eq!(
            rpc::signature(&input.access_key_secret, &string_to_sign),
            expected.signature,
            "{name}"
        );
    }
}

#[test]
fn rpc_every_vector_is_accepted_once_and_with_its_own_verb_only() {
    for vector in read::<RpcVector>("signature-rpc-v1.json") {
        let mut params = Params(vector.input.params.clone().into_iter().rev().collect());
        params
            .0
            .push(("Signature".into(), vector.expected.signature.clone()));
        let secret = &vector.input.access_key_secret;
        let claims = rpc::claims(&vector.input.method, &params).expect(&vector.name);
        let mut nonces = Nonces::default();
        assert!(
            check(&claims, secret, &mut nonces, rpc::signature).is_ok(),
            "{}",
            vector.name
        );
        let replay = check(&claims, secret, &mut nonces, rpc::signature).expect_err("a replay");
        assert_eq!(replay.code, "SignatureNonceUsed", "{}", vector.name);
        let other = if vector.input.method == "GET" {
            "POST"
        } else {
            "GET"
        };
        let claims = rpc::claims(other, &params).expect(&vector.name);
        let error =
            check(&claims, secret, &mut Nonces::default(), rpc::signature).expect_err("the wrong verb");
        assert_eq!(error.code, "SignatureDoesNotMatch", "{}", vector.name);
    }
}

#[test]
fn a_mismatch_shows_the_servers_string_to_sign() {
    let vector = read::<V3Vector>("signature-v3.json").remove(0);
    let claims = v3::claims(&vector.request()).expect("claims");
    let error = check(&claims, "wrong", &mut Nonces::default(), v3::signature).expect_err("a wrong secret");
    assert!(error.message.ends_with(&format!(
        "server string to sign is:{}",
        vector.expected.string_to_sign
    )));
}

#[test]
fn keys_and_tokens_must_belong_together() {
    let state = State::small_world();
    let (id, secret) = ("LTAI5tFakeCloudProvider1", "FakeCloudProviderSecret000001");
    let code = |key_id: &str, token: Option<&str>, time: &str, now: &str| {
        let claims = Claims {
            key_id: key_id.into(),
            token: token.map(String::from),
            time: time.into(),
            nonce: "n".into(),
            signature: v3::signature(secret, "text"),
            string_to_sign: "text".into(),
        };
        let credential = state.credential(key_id);
        let now = clock::parse(now).expect("a time");
        let outcome = verify(
            &claims,
            credential.as_ref(),
            &mut Nonces::default(),
            now,
            v3::signature,
        );
        outcome.map_or_else(|error| error.code.into_owned(), |identity| identity.arn())
    };
    let noon = "2026-05-04T12:00:00Z";
    assert_eq!(
        code(id, None, noon, noon),
        "acs:ram::1234567890120000:user/csi-provider"
    );
    assert_eq!(
        code("LTAInobody", None, noon, noon),
        "InvalidAccessKeyId.NotFound"
    );
    assert_eq!(
        code("LTAI5tFakeCloudDisabled1", None, noon, noon),
        "InvalidAccessKeyId.Inactive"
    );
    assert_eq!(
        code(id, Some("foreign"), noon, noon),
        "InvalidSecurityToken.MismatchWithAccessKey"
    );
    assert_eq!(
        code(id, None, noon, "2026-05-04T12:15:00Z"),
        "acs:ram::1234567890120000:user/csi-provider"
    );
    assert_eq!(
        code(id, None, noon, "2026-05-04T12:15:01Z"),
        "InvalidTimeStamp.Expired"
    );
    assert_eq!(
        code(id, None, noon, "2026-05-04T11:44:59Z"),
        "InvalidTimeStamp.Expired"
    );
    assert_eq!(code(id, None, "noon", noon), "InvalidTimeStamp.Format");
}
