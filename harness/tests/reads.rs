//! Reading values over the wire: OOS, KMS, the metadata service; error shapes; the request log; simple faults.

mod support;

use harness::http::message::Request;
use harness::{CutPoint, FakeCloud, Fault, FaultRule, Service};
use jiff::SignedDuration;
use support::{Keys, kms, oos, plain, read_kms, sign, signed, tls};

#[test]
fn oos_values_come_with_decryption_only() {
    let cloud = FakeCloud::start().expect("a cloud");
    let keys = Keys::of(&cloud);
    let answer = oos(
        &cloud,
        &keys,
        "GetSecretParameter",
        &[("Name", "My/Path/Secret"), ("WithDecryption", "true")],
    );
    assert_eq!(answer.status, 200);
    let json = answer.json();
    assert_eq!(json["Parameter"]["Value"], "a value below a path");
    assert_eq!(json["Parameter"]["ParameterVersion"], 1);
    assert!(json["RequestId"].is_string());
    let without = oos(&cloud, &keys, "GetSecretParameter", &[("Name", "My/Path/Secret")]).json();
    assert_eq!(without["Parameter"]["Value"], serde_json::Value::Null);
}

#[test]
fn oos_versions_can_be_pinned() {
    let cloud = FakeCloud::start().expect("a cloud");
    let keys = Keys::of(&cloud);
    let value = |params: &[(&str, &str)]| {
        let mut all = vec![("Name", "rotated"), ("WithDecryption", "true")];
        all.extend(params);
        let answer = oos(&cloud, &keys, "GetSecretParameter", &all);
        if answer.status == 200 {
            answer.json()["Parameter"]["Value"].to_string()
        } else {
            answer.code()
        }
    };
    assert_eq!(value(&[]), "\"third\"");
    assert_eq!(value(&[("ParameterVersion", "1")]), "\"first\"");
    assert_eq!(value(&[("ParameterVersion", "4")]), "EntityNotExists.Parameter");
    assert_eq!(value(&[("ParameterVersion", "0")]), "InvalidParameter");
    cloud.set_oos("rotated", "fourth");
    assert_eq!(value(&[("ParameterVersion", "4")]), "\"fourth\"");
}

#[test]
fn kms_stages_and_versions() {
    let cloud = FakeCloud::start().expect("a cloud");
    let keys = Keys::of(&cloud);
    let read = |params: &[(&str, &str)]| {
        let mut all = vec![("SecretName", "rotated")];
        all.extend(params);
        let answer = kms(&cloud, &keys, "GetSecretValue", &all);
        if answer.status == 200 {
            answer.json()["SecretData"].to_string()
        } else {
            answer.code()
        }
    };
    assert_eq!(read(&[]), "\"the current one\"");
    assert_eq!(read(&[("VersionStage", "ACSPrevious")]), "\"the previous one\"");
    assert_eq!(read(&[("VersionStage", "release")]), "\"the current one\"");
    assert_eq!(read(&[("VersionId", "v1")]), "\"the oldest\"");
    assert_eq!(
        read(&[("VersionId", "v2"), ("VersionStage", "ACSPrevious")]),
        "\"the previous one\""
    );
    assert_eq!(
        read(&[("VersionId", "v2"), ("VersionStage", "ACSCurrent")]),
        "Forbidden.ResourceNotFound"
    );
    cloud.set_kms_text("rotated", "newer");
    assert_eq!(read(&[]), "\"newer\"");
    assert_eq!(read(&[("VersionStage", "ACSPrevious")]), "\"the current one\"");
}

#[test]
fn kms_binary_managed_and_by_arn() {
    let cloud = FakeCloud::start().expect("a cloud");
    let keys = Keys::of(&cloud);
    let read = |params: &[(&str, &str)]| kms(&cloud, &keys, "GetSecretValue", params).json();
    cloud.set_kms_binary("bytes", &[0, 1, 2, 255]);
    let binary = read(&[("SecretName", "bytes")]);
    assert_eq!(
        (&binary["SecretData"], &binary["SecretDataType"]),
        (&"AAEC/w==".into(), &"binary".into())
    );
    assert_eq!(binary["VersionStages"]["VersionStage"][0], "ACSCurrent");
    let managed = read(&[
        ("SecretName", "rds-account"),
        ("VersionId", "ignored"),
        ("FetchExtendedConfig", "true"),
    ]);
    assert_eq!(
        (&managed["SecretType"], &managed["RotationInterval"]),
        (&"Rds".into(), &"604800s".into())
    );
    assert!(managed["ExtendedConfig"].is_string());
    assert_eq!(
        read(&[("SecretName", "rds-account"), ("VersionStage", "other")])["Code"],
        "InvalidParameter"
    );
    let arn = "acs:kms:cn-hangzhou:1234567890120000:secret/test-kms";
    assert_eq!(read(&[("SecretName", arn)])["SecretData"], "hello from KMS");
    let foreign = "acs:kms:cn-hangzhou:9999999999990000:secret/test-kms";
    assert_eq!(read(&[("SecretName", foreign)])["Code"], "Forbidden.NoPermission");
    assert_eq!(
        read(&[("SecretName", "leaving")])["Code"],
        "Rejected.ResourceInDeleteWindow"
    );
    assert_eq!(read(&[])["Code"], "MissingParameter");
}

#[test]
fn each_dialect_has_its_shape() {
    let cloud = FakeCloud::start().expect("a cloud");
    let backend = kms(
        &cloud,
        &Keys::of(&cloud),
        "GetSecretValue",
        &[("SecretName", "nothing")],
    );
    let body = backend.json();
    assert_eq!(
        (backend.status, &body["HttpStatus"], &body["Code"]),
        (404, &404.into(), &"Forbidden.ResourceNotFound".into())
    );
    assert!(body["HostId"].is_null());
    let gateway = kms(
        &cloud,
        &Keys::new("LTAInobody", "x"),
        "GetSecretValue",
        &[("SecretName", "test-kms")],
    );
    let body = gateway.json();
    assert_eq!(
        (gateway.status, &body["HostId"], &body["Code"]),
        (404, &"127.0.0.1".into(), &"InvalidAccessKeyId.NotFound".into())
    );
    let recommend = body["Recommend"].as_str().expect("a link");
    assert!(
        recommend.contains("q=InvalidAccessKeyId.NotFound&product=Kms&requestId="),
        "{recommend}"
    );
}

#[test]
fn policies_refuse() {
    let cloud = FakeCloud::start().expect("a cloud");
    let outsider = Keys::outsider();
    let refused = kms(&cloud, &outsider, "GetSecretValue", &[("SecretName", "test-kms")]);
    assert_eq!(
        (refused.status, refused.code()),
        (403, "Forbidden.NoPermission".into())
    );
    assert_eq!(
        refused.json()["AccessDeniedDetail"]["NoPermissionType"],
        "ImplicitDeny"
    );
    let refused = oos(
        &cloud,
        &Keys::of(&cloud),
        "GetSecretParameter",
        &[("Name", "forbidden"), ("WithDecryption", "true")],
    );
    assert_eq!((refused.status, refused.code()), (403, "Forbidden.RAM".into()));
    assert_eq!(
        refused.json()["AccessDeniedDetail"]["NoPermissionType"],
        "ExplicitDeny"
    );
}

#[test]
fn a_request_is_good_once_and_while_the_clocks_agree() {
    let cloud = FakeCloud::start().expect("a cloud");
    let keys = Keys::of(&cloud);
    let request = || read_kms(&keys);
    let mut client = plain(&cloud);
    let once = request();
    assert_eq!(client.send(&once).expect("an answer").status, 200);
    assert_eq!(
        client.send(&once).expect("an answer").code(),
        "SignatureNonceUsed"
    );
    cloud.set_clock_offset(SignedDuration::from_mins(16));
    assert_eq!(
        client.send(&request()).expect("an answer").code(),
        "InvalidTimeStamp.Expired"
    );
    cloud.set_clock_offset(SignedDuration::ZERO);
    let mut wrong = request();
    wrong.query[0].1 = "keystore".into();
    let answer = client.send(&wrong).expect("an answer");
    assert_eq!(
        (answer.status, answer.code()),
        (400, "SignatureDoesNotMatch".into())
    );
    assert_eq!(client.send(&request()).expect("an answer").status, 200);
}

#[test]
fn hosts_and_versions_lead_to_their_service_only() {
    let cloud = FakeCloud::start().expect("a cloud");
    let keys = Keys::of(&cloud);
    let code = |host: &str, version: &str, action: &str| {
        let mut client = tls(&cloud, host).expect("a connection");
        client
            .send(&signed(
                &keys,
                host,
                version,
                action,
                &[("SecretName", "test-kms")],
            ))
            .expect("an answer")
            .code()
    };
    assert_eq!(
        code("kms-vpc.cn-hangzhou.aliyuncs.com", "2016-01-20", "GetSecretValue"),
        ""
    );
    assert_eq!(
        code("kms.cn-beijing.aliyuncs.com", "2016-01-20", "GetSecretValue"),
        "Forbidden.ResourceNotFound"
    );
    assert_eq!(
        code(
            "kst-1.cryptoservice.kms.aliyuncs.com",
            "2016-01-20",
            "GetSecretValue"
        ),
        ""
    );
    assert_eq!(
        code("oos.cn-hangzhou.aliyuncs.com", "2016-01-20", "GetSecretValue"),
        "InvalidAction.NotFound"
    );
    assert_eq!(
        code("localhost", "2016-01-21", "GetSecretValue"),
        "InvalidAction.NotFound"
    );
    assert_eq!(
        code("localhost", "2016-01-20", "GenerateDataKey"),
        "InvalidAction.NotFound"
    );
    let mut client = plain(&cloud);
    let host = "kms.cn-hangzhou.aliyuncs.com";
    let plain = client
        .send(&signed(&keys, host, "2016-01-20", "GetSecretValue", &[]))
        .expect("an answer");
    assert_eq!(plain.code(), "InvalidProtocol.NeedSsl");
}

#[test]
fn regions_hold_their_own_values() {
    let cloud = FakeCloud::start().expect("a cloud");
    let host = "oos-vpc.cn-shanghai.aliyuncs.com";
    let request = signed(
        &Keys::of(&cloud),
        host,
        "2019-06-01",
        "GetSecretParameter",
        &[("Name", "test"), ("WithDecryption", "true")],
    );
    let answer = tls(&cloud, host)
        .expect("a connection")
        .send(&request)
        .expect("an answer");
    assert_eq!(answer.json()["Parameter"]["Value"], "hello from OOS in Shanghai");
}

#[test]
fn metadata_in_both_modes() {
    let cloud = FakeCloud::start().expect("a cloud");
    let ask = |method: &str, path: &str, header: Option<(&str, &str)>| {
        let mut headers = vec![("Host".to_owned(), "100.100.100.200".to_owned())];
        headers.extend(header.map(|(name, value)| (name.to_owned(), value.to_owned())));
        let request = Request {
            method: method.into(),
            path: path.into(),
            headers,
            ..Request::default()
        };
        let answer = plain(&cloud).send(&request).expect("an answer");
        (answer.status, answer.text())
    };
    let region = "/latest/meta-data/region-id";
    let ttl = "X-aliyun-ecs-metadata-token-ttl-seconds";
    let shown = "X-aliyun-ecs-metadata-token";
    assert_eq!(ask("GET", region, None), (200, "cn-hangzhou".into()));
    cloud.with_state(|state| state.metadata.tokens = harness::state::MetadataTokens::Required);
    assert_eq!(ask("GET", region, None).0, 403);
    assert_eq!(ask("GET", region, Some((shown, "made up"))).0, 403);
    let (status, token) = ask("PUT", "/latest/api/token", Some((ttl, "60")));
    assert_eq!(status, 200);
    assert_eq!(
        ask("GET", region, Some((shown, &token))),
        (200, "cn-hangzhou".into())
    );
    cloud.set_clock_offset(SignedDuration::from_secs(61));
    assert_eq!(ask("GET", region, Some((shown, &token))).0, 403);
    assert_eq!(ask("PUT", "/latest/api/token", Some((ttl, "21601"))).0, 400);
    assert_eq!(ask("PUT", "/latest/api/token", None).0, 400);
    assert_eq!(ask("GET", "/latest/api/token", None).0, 405);
    assert_eq!(ask("GET", "/latest/meta-data/nothing", None).0, 403);
}

#[test]
fn the_log_tells_who_asked_for_what_and_no_secret() {
    let cloud = FakeCloud::start().expect("a cloud");
    let keys = Keys::of(&cloud);
    kms(
        &cloud,
        &keys,
        "GetSecretValue",
        &[
            ("SecretName", "test-kms"),
            ("VersionStage", "ACSCurrent"),
            ("SecretData", "canary"),
        ],
    );
    kms(&cloud, &keys, "GetSecretValue", &[("SecretName", "nothing")]);
    let records = cloud.requests();
    let [first, second] = &records[..] else {
        panic!("two requests: {records:?}")
    };
    assert_eq!(
        (first.service, first.action.as_str(), first.name.as_deref()),
        (Service::Kms, "GetSecretValue", Some("test-kms"))
    );
    assert_eq!(
        first.identity.as_deref(),
        Some("acs:ram::1234567890120000:user/csi-provider")
    );
    assert_eq!(
        (first.status, first.code.as_deref(), first.connection),
        (Some(200), None, 1)
    );
    assert_eq!(first.parameters["VersionStage"], "ACSCurrent");
    assert_eq!(
        (second.status, second.code.as_deref(), second.connection),
        (Some(404), Some("Forbidden.ResourceNotFound"), 2)
    );
    let text = format!("{records:?}{cloud:?}");
    for secret in ["canary", &keys.secret, "hello from KMS", "Signature="] {
        assert!(!text.contains(secret), "{secret}");
    }
    cloud.clear_requests();
    assert!(cloud.requests().is_empty());
}

#[test]
fn connections_are_kept_and_counted() {
    let cloud = FakeCloud::start().expect("a cloud");
    let keys = Keys::of(&cloud);
    let mut client = tls(&cloud, "localhost").expect("a connection");
    for _ in 0..5 {
        let request = read_kms(&keys);
        assert_eq!(client.send(&request).expect("an answer").status, 200);
    }
    kms(&cloud, &keys, "GetSecretValue", &[("SecretName", "test-kms")]);
    let counts = cloud.connections();
    assert_eq!((counts.accepted, counts.handshakes), (2, 1));
    assert_eq!(
        cloud
            .requests()
            .iter()
            .filter(|record| record.connection == 1)
            .count(),
        5
    );
}

#[test]
fn simple_faults_strike_and_end() {
    let cloud = FakeCloud::start().expect("a cloud");
    let keys = Keys::of(&cloud);
    let read = || plain(&cloud).send(&read_kms(&keys));
    cloud.inject(
        FaultRule::new(Fault::error(503, "ServiceUnavailableTemporary", "m"))
            .service(Service::Kms)
            .times(1),
    );
    let answer = read().expect("an answer");
    assert_eq!(
        (answer.status, answer.json()["HttpStatus"].clone()),
        (503, 503.into())
    );
    assert_eq!(read().expect("an answer").status, 200);
    cloud.inject(
        FaultRule::new(Fault::Answer {
            status: 200,
            content_type: "text/html".into(),
            body: "<html>".into(),
        })
        .times(1),
    );
    assert_eq!(read().expect("an answer").text(), "<html>");
    for point in [CutPoint::BeforeHead, CutPoint::BeforeBody, CutPoint::InsideBody] {
        cloud.inject(FaultRule::new(Fault::Cut(point)).times(1));
        assert!(read().is_err(), "{point:?}");
    }
    cloud.inject(FaultRule::new(Fault::Cut(CutPoint::AfterBody)).times(1));
    let mut client = plain(&cloud);
    let mut again = || client.send(&read_kms(&keys));
    assert_eq!(again().expect("a complete answer").status, 200);
    assert!(again().is_err());
    assert_eq!(read().expect("an answer").status, 200);
}

#[test]
fn a_held_request_goes_when_it_is_released() {
    let cloud = FakeCloud::start().expect("a cloud");
    let keys = Keys::of(&cloud);
    let rule = cloud.inject(FaultRule::new(Fault::Hold).name("test-kms"));
    std::thread::scope(|scope| {
        let held = scope.spawn(|| kms(&cloud, &keys, "GetSecretValue", &[("SecretName", "test-kms")]).status);
        cloud.wait_for_held(1);
        assert_eq!(cloud.requests()[0].status, None);
        assert_eq!(
            kms(&cloud, &keys, "GetSecretValue", &[("SecretName", "keystore")]).status,
            200
        );
        cloud.release(rule);
        assert_eq!(held.join().expect("an answer"), 200);
    });
}

#[test]
fn a_signature_covers_the_security_token() {
    let cloud = FakeCloud::start().expect("a cloud");
    let keys = Keys {
        token: Some("not mine".into()),
        ..Keys::of(&cloud)
    };
    let answer = kms(&cloud, &keys, "GetSecretValue", &[("SecretName", "test-kms")]);
    assert_eq!(answer.code(), "InvalidSecurityToken.MismatchWithAccessKey");
    let mut request = signed(&Keys::of(&cloud), "h", "2016-01-20", "GetSecretValue", &[]);
    request
        .headers
        .push(("x-acs-security-token".into(), "slipped in".into()));
    assert_eq!(
        plain(&cloud).send(&request).expect("an answer").code(),
        "IncompleteSignature"
    );
    sign(&mut request, &Keys::of(&cloud));
    assert_eq!(
        plain(&cloud).send(&request).expect("an answer").code(),
        "InvalidSecurityToken.MismatchWithAccessKey"
    );
}
