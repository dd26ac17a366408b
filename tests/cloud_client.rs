//! The cloud client against recorded, malformed and hostile answers, served by wiremock.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use csi_provider::clock::SystemClock;
use csi_provider::cloud::error::Kind;
use csi_provider::cloud::kms::GetSecretValue;
use csi_provider::cloud::oos::GetSecretParameter;
use csi_provider::cloud::{Api, Credentials, Endpoint, Error, Target, Value};
use csi_provider::entropy::Entropy;
use csi_provider::http::{Client, ErrorKind, Proxies, Roots, Trust};
use csi_provider::limits;
use csi_provider::metrics::Metrics;
use csi_provider::secret::Secret;
use serde_json::Value as Json;
use tokio::runtime::Runtime;
use wiremock::matchers::any;
use wiremock::{Mock, MockServer, ResponseTemplate};

const RECORDED: &str = include_str!("../testdata/vectors/sdk-responses.json");

/// What the official SDK and provider made of each recorded answer, and what we make of it. Where they read a
/// value we read the same one; where they crash or fail, we fail with the API's own code.
#[test]
fn recorded_answers() {
    let recorded: Json = serde_json::from_str(RECORDED).expect("recorded answers");
    let cloud = FakeEndpoint::start();
    let mut replayed = 0;
    for case in recorded["cases"].as_array().expect("cases") {
        let name = case["name"].as_str().expect("name");
        let (service, _) = name.split_once('.').expect("service");
        let answer = &case["responses"][0];
        let status = answer["status"]
            .as_u64()
            .and_then(|status| u16::try_from(status).ok())
            .expect("status");
        if !matches!(service, "kms" | "oos") || status == 0 {
            continue;
        }
        replayed += 1;
        let body = answer["body"].as_str().unwrap_or_default();
        let parsed: Json = serde_json::from_str(body).unwrap_or_default();
        let asked = [&parsed["SecretName"], &parsed["Parameter"]["Name"]];
        let asked = asked.into_iter().find_map(Json::as_str).unwrap_or(NAME);
        let answer = ResponseTemplate::new(status).set_body_string(body);
        let result = cloud.ask_for(service, asked, answer);
        match name {
            // The SDK fails on a field that nobody needs.
            "kms.odd.stages_flat_array" | "oos.odd.tags_string" => {
                result.unwrap_or_else(|error| panic!("{name}: {error}"));
            }
            // The SDK takes any status from 600 on for a success.
            "kms.error.status_600" => assert_eq!(kind(&result), Some(Kind::Broken), "{name}"),
            _ if case["outcome"] == "ok" => {
                let value = result.unwrap_or_else(|error| panic!("{name}: {error}"));
                let expected = case["result"]["value_base64"].as_str().expect("value");
                assert_eq!(STANDARD.encode(value.contents.expose()), expected, "{name}");
                let version = match service {
                    "kms" => case["result"]["version"].as_str().expect("version").to_owned(),
                    _ => case["result"]["parsed"]["Parameter"]["ParameterVersion"].to_string(),
                };
                assert_eq!(value.version, version, "{name}");
            }
            _ => {
                let error = result.expect_err(name);
                let code = case["error"]["code"].as_str().filter(|code| *code != "<nil>");
                // XML is not asked for, and not read.
                if let (Some(code), false) = (code, name.contains("xml")) {
                    let Error::Api(api) = &error else {
                        panic!("{name}: {error}")
                    };
                    assert_eq!((api.code.as_str(), api.status), (code, status), "{name}");
                }
            }
        }
    }
    assert_eq!(replayed, 49, "recorded answers of KMS and OOS");
}

#[test]
fn answers_that_are_no_answers() {
    let cloud = FakeEndpoint::start();
    let good = r#"{"SecretData":"value","VersionId":"v1"}"#;
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    for (what, answer) in [
        ("empty", ResponseTemplate::new(200)),
        (
            "HTML",
            ResponseTemplate::new(200).set_body_string("<html>canary-value</html>"),
        ),
        (
            "truncated",
            ResponseTemplate::new(200).set_body_string(&good[..20]),
        ),
        (
            "two documents",
            ResponseTemplate::new(200).set_body_string(format!("{good}{good}")),
        ),
        (
            "not UTF-8",
            ResponseTemplate::new(200)
                .set_body_bytes(b"{\"SecretData\":\"\xff\",\"VersionId\":\"v1\"}".to_vec()),
        ),
        ("deeply nested", ResponseTemplate::new(200).set_body_string(deep)),
        (
            "number as value",
            ResponseTemplate::new(200).set_body_string(r#"{"SecretData":1,"VersionId":"v1"}"#),
        ),
        (
            "object as value",
            ResponseTemplate::new(200).set_body_string(r#"{"SecretData":{},"VersionId":"v1"}"#),
        ),
        (
            "duplicate key",
            ResponseTemplate::new(200)
                .set_body_string(r#"{"SecretData":"a","SecretData":"b","VersionId":"v1"}"#),
        ),
        ("204", ResponseTemplate::new(204)),
        (
            "302",
            ResponseTemplate::new(302)
                .insert_header("location", "http://127.0.0.1:1/")
                .set_body_string(good),
        ),
        ("304", ResponseTemplate::new(304)),
    ] {
        let result = cloud.ask("kms", answer);
        assert_eq!(kind(&result), Some(Kind::Broken), "{what}: {result:?}");
        let message = result.expect_err(what).to_string();
        assert!(!message.contains("canary"), "{message}");
    }
    assert_eq!(cloud.requests(), 12, "neither retried nor redirected");
}

/// A body that claims to be gzip, which nobody asked for, is no secret either.
#[test]
fn unasked_compression_is_an_error() {
    let cloud = FakeEndpoint::start();
    let answer = ResponseTemplate::new(200)
        .insert_header("content-encoding", "gzip")
        .set_body_bytes(vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0]);
    assert_eq!(kind(&cloud.ask("oos", answer)), Some(Kind::Broken));
}

#[test]
fn bodies_are_bounded() {
    let cloud = FakeEndpoint::start();
    let limit = usize::try_from(limits::HTTP_RESPONSE_BODY_BYTES).expect("limit");
    let body = |fill: usize| format!(r#"{{"SecretData":"{}","VersionId":"v1"}}"#, "x".repeat(fill));
    let frame = body(0).len();

    let largest = cloud.ask(
        "kms",
        ResponseTemplate::new(200).set_body_string(body(limit - frame - 1)),
    );
    assert_eq!(
        largest.expect("within the limit").contents.len(),
        limit - frame - 1
    );
    let over = cloud.ask("kms", ResponseTemplate::new(200).set_body_string(body(limit)));
    assert!(
        matches!(over, Err(Error::Http(ref error)) if error.kind == ErrorKind::TooLarge),
        "{over:?}"
    );
}

#[test]
fn headers_are_bounded() {
    let cloud = FakeEndpoint::start();
    let answer =
        ResponseTemplate::new(200).insert_header("x-large", "x".repeat(limits::HTTP_RESPONSE_HEADER_BYTES));
    assert!(matches!(cloud.ask("kms", answer), Err(Error::Http(_))));
}

#[test]
fn silence_ends_with_the_callers_time() {
    let cloud = FakeEndpoint::start();
    let answer = ResponseTemplate::new(200).set_delay(Duration::from_secs(600));
    let result = cloud.ask_within("kms", answer, Duration::from_millis(200));
    assert!(
        matches!(result, Err(Error::Http(ref error)) if error.kind == ErrorKind::Timeout),
        "{result:?}"
    );
    assert_eq!(kind(&result), Some(Kind::Unavailable));
}

#[test]
fn a_closed_port_is_named() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("port");
    let url = format!("http://{}", listener.local_addr().expect("address"));
    drop(listener);
    let result = ask(&url, "kms", NAME, Duration::from_secs(5));
    let error = result.expect_err("nobody listens");
    assert_eq!(error.kind(), Kind::Unavailable);
    assert!(
        error.to_string().contains(url.trim_start_matches("http://")),
        "{error}"
    );
}

#[test]
fn each_try_has_its_own_nonce_and_signature() {
    let cloud = FakeEndpoint::start();
    for _ in 0..2 {
        let answer = ResponseTemplate::new(200).set_body_string(r#"{"SecretData":"v","VersionId":"v1"}"#);
        cloud.ask("kms", answer).expect("value");
    }
    let seen = cloud
        .runtime
        .block_on(cloud.server.received_requests())
        .expect("recording");
    let header = |at: usize, name: &str| {
        seen[at]
            .headers
            .get(name)
            .expect(name)
            .to_str()
            .expect(name)
            .to_owned()
    };
    assert_ne!(
        header(0, "x-acs-signature-nonce"),
        header(1, "x-acs-signature-nonce")
    );
    assert_ne!(header(0, "authorization"), header(1, "authorization"));
    assert_eq!(header(0, "x-acs-action"), "GetSecretValue");
    assert_eq!(header(0, "accept"), "application/json");
    assert_eq!(header(0, "content-length"), "0");
    assert_eq!(seen[0].method.as_str(), "POST");
    assert_eq!(seen[0].url.query(), Some("SecretName=a%2Fb%20c"));
}

fn kind(result: &Result<Value, Error>) -> Option<Kind> {
    result.as_ref().err().map(Error::kind)
}

/// A server that gives one answer to whatever it is asked.
struct FakeEndpoint {
    runtime: Runtime,
    server: MockServer,
}

impl FakeEndpoint {
    fn start() -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("runtime");
        let server = runtime.block_on(MockServer::start());
        Self { runtime, server }
    }

    fn ask(&self, service: &str, answer: ResponseTemplate) -> Result<Value, Error> {
        self.ask_within(service, answer, Duration::from_secs(20))
    }

    fn ask_for(&self, service: &str, name: &str, answer: ResponseTemplate) -> Result<Value, Error> {
        self.answering(answer, |url| ask(url, service, name, Duration::from_secs(20)))
    }

    fn ask_within(
        &self,
        service: &str,
        answer: ResponseTemplate,
        remaining: Duration,
    ) -> Result<Value, Error> {
        self.answering(answer, |url| ask(url, service, NAME, remaining))
    }

    fn answering<T>(&self, answer: ResponseTemplate, ask: impl FnOnce(&str) -> T) -> T {
        let mock = Mock::given(any()).respond_with(answer);
        let _answers = self.runtime.block_on(self.server.register_as_scoped(mock));
        ask(&self.server.uri())
    }

    fn requests(&self) -> usize {
        self.runtime
            .block_on(self.server.received_requests())
            .map_or(0, |requests| requests.len())
    }
}

const NAME: &str = "a/b c";

fn ask(url: &str, service: &str, name: &str, remaining: Duration) -> Result<Value, Error> {
    let endpoint: Endpoint = url.parse().expect("endpoint");
    let credentials = Credentials {
        access_key_id: "LTAIexample".to_owned(),
        access_key_secret: Secret::from("secret".to_owned()),
        security_token: None,
    };
    let api = Api::new(
        Client::new(
            Trust::roots(&Roots::built_in()),
            Proxies::default(),
            4,
            Metrics::new(),
        ),
        Arc::new(SystemClock),
        Arc::new(Counter),
        Metrics::new(),
    );
    let target = Target {
        endpoint: &endpoint,
        credentials: &credentials,
        remaining,
        cancellation: None,
    };
    match service {
        "kms" => GetSecretValue {
            secret_name: name,
            version_id: None,
            version_stage: None,
        }
        .call(&api, &target),
        _ => GetSecretParameter {
            name,
            parameter_version: None,
        }
        .call(&api, &target),
    }
}

/// Never gives the same bytes twice, over all tests of this process.
struct Counter;

impl Entropy for Counter {
    fn fill(&self, bytes: &mut [u8]) {
        static NEXT: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);
        let next = NEXT
            .fetch_add(1, std::sync::atomic::Ordering::Relaxed)
            .to_be_bytes();
        for (byte, next) in bytes.iter_mut().rev().zip(next.iter().rev()) {
            *byte = *next;
        }
    }
}
