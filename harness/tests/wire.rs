//! The requests that were captured from the official SDKs, byte for byte as far as the capture goes: the fake cloud
//! accepts each, in a world that holds what they ask for, at the time they were made.

mod support;

use harness::FakeCloud;
use serde::Deserialize;
use support::{Answer, plain, tls};

#[derive(Deserialize)]
struct File {
    captures: Vec<Capture>,
}

#[derive(Deserialize)]
struct Capture {
    name: String,
    requests: Vec<Captured>,
}

#[derive(Deserialize)]
struct Captured {
    scheme: String,
    host: String,
    method: String,
    target: String,
    headers: Vec<Header>,
    body: String,
}

#[derive(Deserialize)]
struct Header {
    name: String,
    value: String,
}

impl Captured {
    /// The request as text; what the capture leaves open is filled in.
    fn text(&self, metadata_token: &str) -> String {
        let mut text = format!("{} {} HTTP/1.1\r\n", self.method, self.target);
        for Header { name, value } in &self.headers {
            let value = match name.as_str() {
                "Host" if value.starts_with('<') => "kubernetes.default.svc",
                "X-Aliyun-Ecs-Metadata-Token" => metadata_token,
                _ => value,
            };
            text.push_str(&format!("{name}: {value}\r\n"));
        }
        text + "\r\n" + &self.body
    }

    fn send(&self, cloud: &FakeCloud, metadata_token: &str) -> Answer {
        let text = self.text(metadata_token);
        if self.scheme == "http" {
            return plain(cloud).send_bytes(text.as_bytes()).expect("an answer");
        }
        let host = if self.host.starts_with('<') {
            "localhost"
        } else {
            &self.host
        };
        tls(cloud, host)
            .expect("a connection")
            .send_bytes(text.as_bytes())
            .expect("an answer")
    }
}

const WORLD: &str = r#"
region: cn-hangzhou
account: "1234567890120000"
accounts:
  "1234567890120000":
    users:
      u: { access_keys: [{ id: LTAI5tExampleKeyId000000, secret: ExampleAccessKeySecret000000001 }], policies: [all] }
    roles:
      temporary:
        trust: { Statement: [] }
        policies: [all]
        sessions:
          - { name: s, id: STS.NExampleTempKeyId0001, secret: ExampleTempSecret00000000000000000001,
              token: "CAISexample+token/with=chars==", expires: "2026-05-04T04:00:00Z" }
      adminrole: { trust: &anyone { Statement: { Effect: Allow, Action: sts:AssumeRole, Principal: { RAM: "acs:ram::1234567890120000:root" } } } }
      demo-role-for-rrsa: { trust: { Statement: [] } }
      MyEcsRole: { trust: { Statement: { Effect: Allow, Action: sts:AssumeRole, Principal: { Service: ecs.aliyuncs.com } } } }
    policies: { all: { Statement: { Effect: Allow, Action: "*", Resource: "*" } } }
    oidc_providers: { ack-rrsa-c00000000000000000000000000000000: { issuer: i, client_ids: [sts.aliyuncs.com] } }
    regions:
      cn-hangzhou:
        secrets:
          secret001: { text: v }
          app/db+creds=@v1.0-x_y: { versions: [{ id: "v 2~*", text: old, stages: [ACSPrevious] }, { id: n, text: new, stages: [ACSCurrent] }] }
        parameters:
          MySecretParameter: { value: v }
          /team/app/db-password: { versions: [one, two, three] }
  "9999999999990000":
    roles: { target: { trust: *anyone } }
metadata: { role: MyEcsRole, instance_id: i }
kubernetes:
  service_accounts: { rrsa-demo: { demo-sa: { annotations: { a: b } } }, kube-system: { provider: { may_get_service_accounts: true } } }
  tokens: [{ token: k8s.bearer.token, namespace: kube-system, service_account: provider }]
"#;

#[test]
fn every_capture_is_accepted() {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../testdata/vectors/wire-requests.json"
    );
    let text = std::fs::read_to_string(path).expect("the vectors are in the repository");
    let file: File = serde_json::from_str(&text).expect("the vectors have the documented form");
    assert_eq!(file.captures.len(), 14);
    for capture in &file.captures {
        let time = "2026-05-04T03:02:01Z".parse().expect("a time");
        let cloud = FakeCloud::builder()
            .state_yaml(WORLD)
            .fixed_time(time)
            .start()
            .expect("a cloud");
        let mut token = String::new();
        let mut last = String::new();
        for request in &capture.requests {
            let answer = request.send(&cloud, &token);
            // The captured pod token was never signed by anyone; that is as far as it gets.
            let expected = if capture.name == "sts.AssumeRoleWithOIDC" {
                400
            } else {
                200
            };
            assert_eq!(
                answer.status,
                expected,
                "{} {}: {}",
                capture.name,
                request.target,
                answer.text()
            );
            last = answer.text();
            if request.method == "PUT" {
                token.clone_from(&last);
            }
        }
        let expected = match capture.name.as_str() {
            "kms.GetSecretValue.sts.version" => r#""SecretData":"old""#,
            name if name.starts_with("kms.") => r#""SecretData":"v""#,
            "oos.GetSecretParameter.provider" => r#""Value":"v""#,
            "oos.GetSecretParameter.full" => r#""Value":"two""#,
            "sts.AssumeRole.access_key" => {
                r#""Arn":"acs:ram::1234567890120000:role/adminrole/csi-secrets-store-provider-alibaba""#
            }
            "sts.AssumeRole.chained" => {
                r#""Arn":"acs:ram::9999999999990000:role/target/csi-secrets-store-cross-account""#
            }
            "sts.AssumeRoleWithOIDC" => "AuthenticationFail.OIDCToken.Invalid",
            "imds.v1_disabled_token_failure" => token.as_str(),
            name if name.starts_with("imds.") => r#""Code":"Success""#,
            "k8s.get_serviceaccount" => r#""annotations":{"a":"b"}"#,
            other => panic!("a capture that is new: {other}"),
        };
        assert!(last.contains(expected), "{}: {last}", capture.name);
    }
}
