//! Both signatures against every published and captured vector, text by text.

use csi_provider::secret::Secret;
use csi_provider::sign::{canonical_query, rpc, v3};
use serde_json::Value;

const V3: &str = include_str!("../testdata/vectors/signature-v3.json");
const RPC: &str = include_str!("../testdata/vectors/signature-rpc-v1.json");

#[test]
fn v3_vectors() {
    let vectors = vectors(V3);
    assert_eq!(vectors.len(), 16);
    for vector in &vectors {
        let (name, input, expected) = parts(vector);
        let query = parameters(&input["query"]);
        let headers: Vec<(&str, &str)> = input["headers"]
            .as_array()
            .expect("headers")
            .iter()
            .map(|header| (text(&header[0]), text(&header[1])))
            .collect();
        let request = v3::Request {
            method: text(&input["method"]),
            path: text(&input["path"]),
            query: &query,
            headers: &headers,
            body: text(&input["body"]).as_bytes(),
        };
        let secret = Secret::from(text(&input["access_key_secret"]).to_owned());

        let canonical = v3::CanonicalRequest::new(&request);
        let to_sign = v3::StringToSign::new(&canonical);
        let signed = v3::sign(&request, text(&input["access_key_id"]), &secret);

        assert_eq!(
            canonical_query(&query),
            text(&expected["canonical_query"]),
            "{name}"
        );
        assert_eq!(
            canonical.hashed_payload,
            text(&expected["hashed_payload"]),
            "{name}"
        );
        assert_eq!(
            canonical.signed_headers,
            text(&expected["signed_headers"]),
            "{name}"
        );
        assert_eq!(canonical.text, text(&expected["canonical_request"]), "{name}");
        assert_eq!(to_sign.0, text(&expected["string_to_sign"]), "{name}");
        assert_eq!(to_sign.signature(&secret), text(&expected["signature"]), "{name}");
        assert_eq!(signed.authorization, text(&expected["authorization"]), "{name}");
        assert_eq!(signed.content_sha256, text(&expected["hashed_payload"]), "{name}");
    }
}

#[test]
fn rpc_vectors() {
    let vectors = vectors(RPC);
    assert_eq!(vectors.len(), 8);
    for vector in &vectors {
        let (name, input, expected) = parts(vector);
        let parameters = parameters(&input["params"]);
        let secret = Secret::from(text(&input["access_key_secret"]).to_owned());
        let to_sign = rpc::StringToSign::new(text(&input["method"]), &parameters);

        assert_eq!(
            canonical_query(&parameters),
            text(&expected["canonical_query"]),
            "{name}"
        );
        assert_eq!(to_sign.0, text(&expected["string_to_sign"]), "{name}");
        assert_eq!(to_sign.signature(&secret), text(&expected["signature"]), "{name}");
    }
}

/// A header list may arrive with a payload hash in it already; it is replaced, not signed twice.
#[test]
fn a_payload_hash_given_by_the_caller_is_not_trusted() {
    let secret = Secret::from("secret".to_owned());
    let request = |headers| v3::Request {
        method: "POST",
        path: "/",
        query: &[],
        headers,
        body: b"body",
    };
    let clean = v3::sign(&request(&[("host", "h")]), "id", &secret);
    let forged = v3::sign(
        &request(&[("host", "h"), ("X-Acs-Content-Sha256", "00")]),
        "id",
        &secret,
    );
    assert_eq!(clean.authorization, forged.authorization);
}

fn vectors(file: &str) -> Vec<Value> {
    let file: Value = serde_json::from_str(file).expect("vector file");
    file["vectors"].as_array().expect("vectors").clone()
}

fn parts(vector: &Value) -> (&str, &Value, &Value) {
    (text(&vector["name"]), &vector["input"], &vector["expected"])
}

fn parameters(object: &Value) -> Vec<(String, String)> {
    let object = object.as_object().expect("parameters");
    // Reversed, so that a signer that forgets to sort is caught.
    object
        .iter()
        .rev()
        .map(|(name, value)| (name.clone(), text(value).to_owned()))
        .collect()
}

fn text(value: &Value) -> &str {
    value.as_str().expect("text")
}
