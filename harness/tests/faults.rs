//! Every fault, in a state file and through the control API: what a client sees of it.

mod support;

use harness::fault::{CutPoint, FaultRule};
use harness::{CertificateFault, Dialect, FakeCloud, Fault, HandshakeFault, Service};
use jiff::SignedDuration;
use serde_json::{Value, json};
use support::{Answer, Keys, kms, oos, plain, read_kms, signed, tls};

fn cloud() -> (FakeCloud, Keys) {
    let cloud = FakeCloud::start().expect("a cloud");
    let keys = Keys::of(&cloud);
    (cloud, keys)
}

fn read(cloud: &FakeCloud, keys: &Keys) -> std::io::Result<Answer> {
    plain(cloud).send(&read_kms(keys))
}

/// One request through the control API.
fn control(cloud: &FakeCloud, method: &str, path: &str, body: &str) -> Answer {
    let request = format!(
        "{method} /_fake/{path} HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    plain(cloud).send_bytes(request.as_bytes()).expect("an answer")
}

#[test]
fn errors_have_the_dialect_of_their_service_or_the_one_named() {
    let (cloud, keys) = cloud();
    let shape = |body: &Value| {
        (
            body["HttpStatus"].is_u64(),
            body["HostId"].is_string(),
            body["Code"].clone(),
        )
    };
    cloud.inject(FaultRule::new(Fault::error(
        503,
        "ServiceUnavailableTemporary",
        "m",
    )));
    let answer = kms(&cloud, &keys, "GetSecretValue", &[("SecretName", "test-kms")]);
    assert_eq!(
        (answer.status, shape(&answer.json())),
        (503, (true, false, "ServiceUnavailableTemporary".into()))
    );
    let answer = oos(&cloud, &keys, "GetSecretParameter", &[("Name", "test")]);
    assert_eq!(
        shape(&answer.json()),
        (false, true, "ServiceUnavailableTemporary".into())
    );
    cloud.clear_faults();
    let fault = Fault::Error {
        status: 500,
        code: "InternalError".into(),
        message: String::new(),
        dialect: Some(Dialect::Gateway),
    };
    cloud.inject(FaultRule::new(fault).times(1));
    assert_eq!(
        shape(&read(&cloud, &keys).expect("an answer").json()),
        (false, true, "InternalError".into())
    );
    assert_eq!(read(&cloud, &keys).expect("an answer").status, 200);
}

#[test]
fn throttling_in_each_dialect() {
    let (cloud, keys) = cloud();
    let rule = cloud.inject(FaultRule::new(Fault::Throttle));
    let answer = kms(&cloud, &keys, "GetSecretValue", &[("SecretName", "test-kms")]);
    assert_eq!(
        (answer.status, answer.code()),
        (429, "Rejected.Throttling".into())
    );
    let answer = oos(&cloud, &keys, "GetSecretParameter", &[("Name", "test")]);
    assert_eq!((answer.status, answer.code()), (400, "Throttling.User".into()));
    assert!(
        answer
            .head
            .contains("x-ratelimit-user-api: Limit:10,Remain:0,TimeLeft:1500,Reset:2"),
        "{}",
        answer.head
    );
    cloud.release(rule);
    cloud.inject(FaultRule::new(Fault::ThrottleByGateway));
    let answer = kms(&cloud, &keys, "GetSecretValue", &[("SecretName", "test-kms")]);
    assert_eq!((answer.status, answer.code()), (400, "Throttling.User".into()));
}

#[test]
fn bodies_are_changed() {
    let (cloud, keys) = cloud();
    let whole = read(&cloud, &keys).expect("an answer").body;
    let body = |then: Value| {
        let rule: FaultRule = serde_json::from_value(json!({ "then": then, "times": 1 })).expect("a rule");
        cloud.inject(rule);
        read(&cloud, &keys).expect("an answer")
    };
    assert_eq!(body(json!("empty_body")).body, b"");
    assert_eq!(body(json!("truncated_body")).body.len(), whole.len() / 2);
    assert_eq!(
        body(json!({ "set_field": { "field": "/SecretData", "value": 7 } })).json()["SecretData"],
        7
    );
    assert!(body(json!({ "remove_field": { "field": "/VersionId" } })).json()["VersionId"].is_null());
    let page = body(json!({ "html": { "status": 502 } }));
    assert!(page.status == 502 && page.head.contains("text/html") && page.text().starts_with("<html>"));
    let redirect = body(json!({ "redirect": { "status": 302, "location": "https://elsewhere.invalid/" } }));
    assert!(redirect.status == 302 && redirect.head.contains("Location: https://elsewhere.invalid/"));
    let given = body(json!({ "answer": { "status": 299, "content_type": "text/xml", "body": "<a/>" } }));
    assert_eq!((given.status, given.text().as_str()), (299, "<a/>"));
    let zipped = body(json!("gzip"));
    assert!(zipped.head.contains("Content-Encoding: gzip") && zipped.body.starts_with(&[0x1f, 0x8b]));
    assert_eq!(read(&cloud, &keys).expect("an answer").status, 200);
}

#[test]
fn connections_are_cut_at_each_point() {
    let (cloud, keys) = cloud();
    for point in [CutPoint::BeforeHead, CutPoint::BeforeBody, CutPoint::InsideBody] {
        cloud.inject(FaultRule::new(Fault::Cut(point)).times(1));
        assert!(read(&cloud, &keys).is_err(), "{point:?}");
    }
    cloud.inject(FaultRule::new(Fault::Cut(CutPoint::AfterBody)).times(1));
    assert_eq!(read(&cloud, &keys).expect("a whole answer").status, 200);
    let performed = cloud
        .requests()
        .iter()
        .filter(|record| record.status == Some(200))
        .count();
    assert_eq!(
        performed, 4,
        "the operation is performed, whatever becomes of its answer"
    );
}

#[test]
fn slow_answers_are_whole_in_the_end() {
    let (cloud, keys) = cloud();
    cloud.inject(
        FaultRule::new(Fault::Slow {
            bytes: 16,
            pause_ms: 1,
        })
        .times(1),
    );
    cloud.inject(FaultRule::new(Fault::Delay { ms: 1, jitter_ms: 2 }).times(1));
    let answer = read(&cloud, &keys).expect("an answer");
    assert_eq!(answer.json()["SecretData"], "hello from KMS");
    assert_eq!(cloud.requests()[0].faults.len(), 2);
}

#[test]
fn held_requests_are_released_through_the_control_api() {
    let (cloud, keys) = cloud();
    let id = control(&cloud, "POST", "faults", r#"{"service":"kms","then":"hold"}"#).json()["id"].clone();
    std::thread::scope(|scope| {
        let held = scope.spawn(|| read(&cloud, &keys).expect("an answer").status);
        cloud.wait_for_held(1);
        let listed = control(&cloud, "GET", "faults", "").json();
        assert_eq!((&listed[0]["id"], &listed[0]["struck"]), (&id, &json!(1)));
        assert_eq!(control(&cloud, "DELETE", &format!("faults/{id}"), "").status, 204);
        assert_eq!(held.join().expect("an end"), 200);
    });
}

#[test]
fn certificates_can_be_wrong_for_one_service() {
    let (cloud, _) = cloud();
    let host = "kms.cn-hangzhou.aliyuncs.com";
    for fault in [
        CertificateFault::Expired,
        CertificateFault::WrongHost,
        CertificateFault::UnknownAuthority,
    ] {
        cloud.inject(FaultRule::new(Fault::Certificate(fault)).service(Service::Kms));
        let error = tls(&cloud, host)
            .err()
            .expect("a refused certificate")
            .to_string();
        assert!(error.contains("certificate"), "{fault:?}: {error}");
        assert!(tls(&cloud, "oos.cn-hangzhou.aliyuncs.com").is_ok(), "{fault:?}");
        cloud.clear_faults();
        assert!(tls(&cloud, host).is_ok(), "{fault:?}");
    }
}

#[test]
fn handshakes_fail_in_each_way() {
    let (cloud, _) = cloud();
    let host = "kms.cn-hangzhou.aliyuncs.com";
    for (fault, words) in [
        (HandshakeFault::Closed, &["end of file"][..]),
        // A reset if the client has said something more by then.
        (HandshakeFault::Cut, &["end of file", "reset"]),
        (HandshakeFault::PlainHttp, &["corrupt"]),
        (HandshakeFault::Refused, &["HandshakeFailure"]),
    ] {
        let rule = FaultRule::new(Fault::Handshake(fault)).service(Service::Kms);
        let id = cloud.inject(rule);
        let error = tls(&cloud, host).err().expect("no connection").to_string();
        assert!(
            words.iter().any(|words| error.contains(words)),
            "{fault:?}: {error}"
        );
        assert_eq!(cloud.struck(id), 1, "{fault:?}");
        assert!(tls(&cloud, "oos.cn-hangzhou.aliyuncs.com").is_ok(), "{fault:?}");
        cloud.clear_faults();
        assert!(tls(&cloud, host).is_ok(), "{fault:?}");
    }
}

#[test]
fn a_held_handshake_goes_on_when_it_is_released() {
    let (cloud, _) = cloud();
    let rule = r#"{"service":"kms","then":{"handshake":"hold"}}"#;
    assert_eq!(control(&cloud, "POST", "faults", rule).status, 200);
    std::thread::scope(|scope| {
        let held = scope.spawn(|| tls(&cloud, "kms.cn-hangzhou.aliyuncs.com").is_ok());
        cloud.wait_for_held(1);
        assert!(!held.is_finished());
        cloud.clear_faults();
        assert!(held.join().expect("an end"));
    });
}

#[test]
fn clocks_are_off_for_all_or_for_some() {
    let (cloud, keys) = cloud();
    let code = || read(&cloud, &keys).expect("an answer").code();
    cloud.inject(FaultRule::new(Fault::ClockOffset { seconds: 1000 }).service(Service::Oos));
    assert_eq!(code(), "");
    let other = oos(&cloud, &keys, "GetSecretParameter", &[("Name", "test")]);
    assert_eq!(other.code(), "InvalidTimeStamp.Expired");
    cloud.clear_faults();
    for seconds in [-901, 901] {
        control(
            &cloud,
            "PUT",
            "clock",
            &format!(r#"{{"offset_seconds":{seconds}}}"#),
        );
        assert_eq!(code(), "InvalidTimeStamp.Expired", "{seconds}");
    }
    cloud.set_clock_offset(SignedDuration::ZERO);
    assert_eq!(code(), "");
}

#[test]
fn a_state_files_faults_strike_until_another_file_takes_their_place() {
    let (cloud, keys) = cloud();
    let world = harness::state::SMALL_WORLD;
    let faults = "\nfaults:\n  - { service: kms, name: test-*, times: 2, then: throttle }\n  - { service: kms, identity: '*:user/nobody', then: empty_body }\n";
    cloud.reload(&format!("{world}{faults}")).expect("a valid state");
    let own = cloud.inject(FaultRule::new(Fault::Gzip).service(Service::Sts));
    let statuses: Vec<_> = (0..3)
        .map(|_| read(&cloud, &keys).expect("an answer").status)
        .collect();
    assert_eq!(statuses, [429, 429, 200]);
    assert_eq!(
        control(&cloud, "GET", "faults", "")
            .json()
            .as_array()
            .map(Vec::len),
        Some(3)
    );
    cloud.reload(world).expect("a valid state");
    let left = control(&cloud, "GET", "faults", "").json();
    assert_eq!(
        (left.as_array().map(Vec::len), left[0]["id"].as_u64()),
        (Some(1), Some(own.0))
    );
}

#[test]
fn rules_that_are_wrong_are_refused() {
    let (cloud, _) = cloud();
    for (rule, words) in [
        (r#"{"then":"explode"}"#, "explode"),
        (r#"{"then":"throttle","colour":1}"#, "colour"),
        (
            r#"{"then":"throttle","probability":1.5}"#,
            "probability is from 0 to 1",
        ),
        (r#"{"then":{"html":{"status":99}}}"#, "status is from 200 to 999"),
        (
            r#"{"then":{"remove_field":{"field":"Value"}}}"#,
            "field is a JSON pointer",
        ),
        (r"{}", "then"),
    ] {
        let answer = control(&cloud, "POST", "faults", rule);
        assert_eq!(answer.status, 400, "{rule}");
        assert!(answer.text().contains(words), "{rule}: {}", answer.text());
    }
    assert_eq!(control(&cloud, "DELETE", "faults/77", "").status, 404);
    assert_eq!(control(&cloud, "DELETE", "faults/x", "").status, 400);
    assert_eq!(control(&cloud, "GET", "nothing", "").status, 404);
}

#[test]
fn connections_are_closed_through_the_control_api() {
    let (cloud, keys) = cloud();
    let mut kept = plain(&cloud);
    let request = || read_kms(&keys);
    assert_eq!(kept.send(&request()).expect("an answer").status, 200);
    assert_eq!(control(&cloud, "DELETE", "connections", "").status, 204);
    assert!(kept.send(&request()).is_err());
}

#[test]
fn what_is_not_modelled_is_said_and_logged() {
    let (cloud, keys) = cloud();
    for (version, action) in [
        ("2016-01-20", "GenerateDataKey"),
        ("2019-06-01", "ListExecutions"),
        ("2015-04-01", "AssumeRoleWithSAML"),
        ("2014-05-26", "DescribeInstances"),
    ] {
        let answer = plain(&cloud)
            .send(&signed(&keys, "127.0.0.1", version, action, &[]))
            .expect("an answer");
        assert_eq!(
            (answer.status, answer.code()),
            (404, "InvalidAction.NotFound".into()),
            "{action}"
        );
    }
    let codes: Vec<_> = cloud
        .requests()
        .into_iter()
        .map(|record| (record.action, record.code))
        .collect();
    assert_eq!(codes.len(), 4);
    assert!(
        codes
            .iter()
            .all(|(_, code)| code.as_deref() == Some("InvalidAction.NotFound")),
        "{codes:?}"
    );
}

#[test]
fn quotas_throttle_their_own_group() {
    let (cloud, keys) = cloud();
    let world = harness::state::SMALL_WORLD;
    cloud
        .reload(&format!("{world}\nquotas: {{ custom: {{ kms_write: 0 }} }}\n"))
        .expect("a valid state");
    let create = [("SecretName", "n"), ("SecretData", "x"), ("VersionId", "1")];
    let refused = kms(&cloud, &Keys::operator(), "CreateSecret", &create);
    assert_eq!(
        (refused.status, refused.code()),
        (429, "Rejected.Throttling".into())
    );
    assert_eq!(read(&cloud, &keys).expect("an answer").status, 200);
    cloud.with_state(|state| state.quotas = harness::quota::Quotas::Off);
    assert_eq!(
        kms(&cloud, &Keys::operator(), "CreateSecret", &create).status,
        200
    );
}
