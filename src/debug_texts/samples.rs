//! Types filled with secrets, and printed.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::sync::Arc;
use std::time::Duration;

use harness::{FakeCloud, Fault, FaultRule, Service};
use prost::Message as _;
use serde_json::json;

use super::Texts;
use crate::auth::{self, AUDIENCE, ResolvedIdentity, TOKENS_KEY};
use crate::clock::{Clock, SystemClock};
use crate::cloud::sts::Temporary;
use crate::cloud::{self, Credentials, Endpoint, Target, Value};
use crate::config::{self, Command};
use crate::fetch::{self, Pull, Stale};
use crate::grpc::proto::{File, MountRequest, MountResponse};
use crate::http::{CaFile, Client, Method, Proxies, Request, Roots, Timeouts, Trust};
use crate::metrics::Metrics;
use crate::mount::{Asked, Failed, Mounter};
use crate::params::{self, Input, Object, Options, Plan};
use crate::secret::Secret;
use crate::sync::{CallContext, Cancellation};
use crate::{jmespath, provider};

const OIDC_PROVIDER: &str = "acs:ram::1234567890120000:oidc-provider/ack-rrsa-c0fake0cloud0cluster0000000001";
const OBJECTS: &str = "- objectName: test-kms\n- objectName: test\n  objectType: oos\n- objectName: test-kms\n  \
                       objectAlias: theirs\n  crossAccountRoleArn: acs:ram::9999999999990000:role/target\n";
const PATIENCE: Duration = Duration::from_secs(10);

fn call() -> CallContext {
    CallContext::new(SystemClock.now() + PATIENCE, Cancellation::new())
}

/// A pod's request; with a token, for its own identity.
fn request(token: Option<&str>, secrets: &str) -> MountRequest {
    let mut attributes = BTreeMap::from([
        ("csi.storage.k8s.io/pod.namespace", "rrsa-demo".to_owned()),
        ("csi.storage.k8s.io/pod.name", "web".to_owned()),
        (
            "csi.storage.k8s.io/pod.uid",
            "00000000-0000-4000-8000-000000000000".to_owned(),
        ),
        ("csi.storage.k8s.io/serviceAccount.name", "demo-sa".to_owned()),
        ("region", "cn-hangzhou".to_owned()),
        ("objects", OBJECTS.to_owned()),
    ]);
    if let Some(token) = token {
        attributes.insert("usePodServiceAccountToken", "true".to_owned());
        attributes.insert(TOKENS_KEY, json!({ AUDIENCE: { "token": token } }).to_string());
    }
    MountRequest {
        attributes: json!(attributes).to_string(),
        secrets: secrets.to_owned(),
        target_path:
            "/var/lib/kubelet/pods/00000000-0000-4000-8000-000000000000/volumes/kubernetes.io~csi/x/mount"
                .to_owned(),
        permission: "420".to_owned(),
        current_object_version: Vec::new(),
    }
}

fn plan(request: &MountRequest) -> Plan {
    let input = Input {
        attributes: &request.attributes,
        permission: &request.permission,
    };
    params::parse(&input, &Options::default()).expect("a plan")
}

/// A provider for each source of its own, from its environment to answered and refused mounts: all that it keeps is
/// filled with what the cloud issued.
pub(super) fn running(texts: &mut Texts) {
    let cloud = FakeCloud::start().expect("fake cloud");
    let files = tempfile::tempdir().expect("directory");
    let file = |name: &str| files.path().join(name);
    cloud.write_ca(&file("ca.crt")).expect("CA");
    fs::write(file("token"), texts.canary("fake-cloud-provider-token")).expect("token");
    let mint = |namespace: &str, account: &str| {
        cloud.mint_token(namespace, account, AUDIENCE, jiff::SignedDuration::from_mins(10))
    };
    let own = texts.canary(mint("kube-system", "csi-secrets-store-provider-alibabacloud"));
    fs::write(file("own-token"), &own).expect("token");
    let pods = texts.canary(mint("rrsa-demo", "demo-sa"));
    let (id, key) = cloud.access_key();
    let key = texts.canary(key);
    fs::create_dir(file("keys")).expect("directory");
    fs::write(file("keys/ACCESS_KEY_ID"), &id).expect("file");
    fs::write(file("keys/SECRET_ACCESS_KEY"), &key).expect("file");
    let proxy = format!(
        "http://proxy-user:{}@127.0.0.1:9",
        texts.canary("canary-proxy-password")
    );
    for value in ["hello from KMS", "hello from OOS"] {
        texts.canary(value);
    }

    let port = cloud.https_address().port().to_string();
    let own_token = file("own-token").display().to_string();
    let common = [
        ("KUBERNETES_SERVICE_HOST", "127.0.0.1"),
        ("KUBERNETES_SERVICE_PORT", &port),
        ("ALICLOUD_OIDC_PROVIDER_ARN", OIDC_PROVIDER),
        ("ALICLOUD_OIDC_TOKEN_FILE", &own_token),
        ("HTTPS_PROXY", &proxy),
        ("NO_PROXY", "127.0.0.1"),
    ];
    let pair = [
        ("ACCESS_KEY_ID", id.as_str()),
        ("SECRET_ACCESS_KEY", key.as_str()),
    ];
    let admin = ("ALICLOUD_ROLE_ARN", "acs:ram::1234567890120000:role/adminrole");
    let rrsa = (
        "ALICLOUD_ROLE_ARN",
        "acs:ram::1234567890120000:role/demo-role-for-rrsa",
    );
    let directory = format!("--credentials-dir={}", file("keys").display());
    for (arguments, variables) in [
        (&[][..], &[][..]),
        (&[], &pair[..]),
        (&[directory.as_str()], &[]),
        (&[], &[rrsa]),
        (&[], &[admin, pair[0], pair[1]]),
    ] {
        let url = cloud.http_url();
        let mut all = ["kms", "oos", "sts", "metadata"]
            .map(|service| format!("--{service}-endpoint={url}"))
            .to_vec();
        all.push(format!("--service-account-dir={}", files.path().display()));
        all.extend(arguments.iter().map(|argument| (*argument).to_owned()));
        let mut variables = [variables, &common].concat();
        // A role is assumed with the pair only where no OIDC provider is in the way.
        let has_provider = !variables.contains(&admin);
        variables.retain(|(name, _)| has_provider || *name != "ALICLOUD_OIDC_PROVIDER_ARN");
        let command =
            config::parse(all.iter().map(OsString::from), &variables.as_slice()).expect("a command");
        texts.add(&command);
        let Command::Serve(config) = command else {
            panic!("not one to serve")
        };
        texts.add(&*config);
        texts.add(&config.identity);
        texts.add(&config.proxies);
        texts.add(&config.roots);
        if let Some(token) = &config.identity.token {
            texts.add(token);
        }
        if let Some(auth::Pair::Files(files)) = &config.identity.access_key {
            texts.add(&**files);
        }
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let mounter = provider::mounter(*config, &clock, &Metrics::new());
        for (token, secrets) in [
            (None, "null".to_owned()),
            (has_provider.then_some(pods.as_str()), "null".to_owned()),
            (
                None,
                json!({ "access_key": id, "access_secret": key }).to_string(),
            ),
        ] {
            mounts(texts, &mounter, &request(token, &secrets));
        }
        if variables.contains(&pair[0]) && has_provider {
            fails(texts, &cloud, &mounter, &key);
        }
    }
    let issued = cloud.issued();
    assert!(issued.len() > 10, "{} credentials were issued", issued.len());
    for one in issued {
        texts.canary(one);
    }
}

/// A mount, all that is kept after it, and the steps of another.
fn mounts(texts: &mut Texts, mounter: &Mounter, request: &MountRequest) {
    let response = mounter
        .mount(request, &call())
        .unwrap_or_else(|status| panic!("{status}"));
    let response = MountResponse::decode(response.expose()).expect("a response");
    texts.add(request);
    response.files.iter().for_each(|file| texts.add(file));
    texts.add(&response);
    texts.add(&mounter.engine);
    if let Ok(auth::OwnSource::AccessKey(pair)) = &mounter.chain.access_key {
        texts.add(pair);
    }
    let plan = plan(request);
    texts.add(&plan);
    let whom = auth::Request {
        pod: &plan.pod,
        pod_identity: plan.pod_identity,
        tokens: plan.tokens.as_ref(),
        secrets: &request.secrets,
    };
    let base = mounter.chain.resolve(&whom, PATIENCE).expect("an identity");
    let identities = mounter
        .chain
        .for_objects(&base, &plan.objects, &plan.pod, &|| PATIENCE);
    for (object, identity) in plan.objects.iter().zip(identities) {
        let identity = identity.expect("an identity");
        texts.add(&identity);
        texts.add(&identity.identity);
        texts.add(&**identity.credentials.as_ref().expect("credentials"));
        let endpoint = mounter.endpoint(&plan, object).expect("an endpoint");
        let pull = pull(object, &endpoint, &identity);
        texts.add(&pull);
        for fetched in mounter.engine.fetch(&[pull], None, &call()) {
            let mut fetched = fetched.expect("a value");
            texts.add(&*fetched.value);
            let stale = Stale {
                age: PATIENCE,
                error: None,
            };
            texts.add(&stale);
            fetched.stale = Some(stale);
            texts.add(&fetched);
        }
    }
}

fn pull<'a>(object: &'a Object, endpoint: &'a Endpoint, identity: &'a ResolvedIdentity) -> Pull<'a> {
    Pull {
        service: object.service,
        name: &object.name,
        version: None,
        stage: None,
        endpoint,
        is_class_endpoint: false,
        identity,
    }
}

/// The cloud refuses, and quotes what it was sent.
fn fails(texts: &mut Texts, cloud: &FakeCloud, mounter: &Mounter, key: &str) {
    let quoted =
        "Specified signature is not matched with our calculation. server string to sign is:canary-signed";
    texts.canary("canary-signed");
    for (service, fault) in [
        (Service::Kms, Fault::error(400, "SignatureDoesNotMatch", quoted)),
        (Service::Oos, Fault::Html { status: 502 }),
        (Service::Kms, Fault::EmptyBody),
    ] {
        let fault = cloud.inject(FaultRule::new(fault).service(service));
        let secrets = json!({ "access_key": "LTAI5tNobody", "access_secret": key }).to_string();
        for secrets in ["null", &secrets] {
            // A volume of its own, so that no copy serves.
            let request = MountRequest {
                target_path: format!("/{service}"),
                ..request(None, secrets)
            };
            let status = mounter.mount(&request, &call()).expect_err("refused");
            texts.add(&status);
        }
        let plan = plan(&request(None, "null"));
        let whom = auth::Request {
            pod: &plan.pod,
            pod_identity: false,
            tokens: None,
            secrets: "null",
        };
        let base = mounter.chain.resolve(&whom, PATIENCE).expect("an identity");
        for object in &plan.objects {
            let endpoint = mounter.endpoint(&plan, object).expect("an endpoint");
            let pull = pull(object, &endpoint, &base);
            for error in mounter
                .engine
                .fetch(&[pull], None, &call())
                .into_iter()
                .filter_map(Result::err)
            {
                let fetch::Error::Cloud(of_cloud) = &error else {
                    continue;
                };
                if let cloud::Error::Api(of_api) = of_cloud {
                    texts.add(of_api);
                }
                texts.add(of_cloud);
                texts.add(&error);
                texts.add(&Failed {
                    object: object.describe(),
                    asked: Asked {
                        service: object.service,
                        is_pinned: false,
                        source: base.source,
                    },
                    error,
                });
            }
        }
        cloud.release(fault);
    }
    // One of two keys, a token of another ServiceAccount, no token at all.
    let half = texts.canary("canary-half-a-pair");
    let half = json!({ "access_secret": half }).to_string();
    let others = texts.canary(cloud.mint_token(
        "rrsa-demo",
        "plain-sa",
        AUDIENCE,
        jiff::SignedDuration::from_mins(1),
    ));
    let broken = texts.canary("canary-not-a-token");
    for (token, secrets) in [
        (None, half.as_str()),
        (Some(&others), "null"),
        (Some(&broken), "null"),
    ] {
        let request = request(token.map(String::as_str), secrets);
        let plan = plan(&request);
        let whom = auth::Request {
            pod: &plan.pod,
            pod_identity: plan.pod_identity,
            tokens: plan.tokens.as_ref(),
            secrets,
        };
        let failure = mounter.chain.resolve(&whom, PATIENCE).expect_err("no identity");
        if let auth::Error::Pod(error) = &failure.error {
            texts.add(error);
        }
        texts.add(&failure.error);
        texts.add(&*failure);
        texts.add(&mounter.mount(&request, &call()).expect_err("no identity"));
    }
}

/// What is made by hand, or lives for the time of a call only.
pub(super) fn made(texts: &mut Texts) {
    let canary = texts.canary("canary+/=%&\u{e9}<value>");
    let secret = || Secret::from(canary.clone());
    let credentials = || Credentials {
        access_key_id: "LTAI5tExample".to_owned(),
        access_key_secret: secret(),
        security_token: Some(secret()),
    };
    texts.add(&secret());
    texts.add(&credentials());
    texts.add(&auth::AccessKey::new("LTAI5tExample".to_owned(), secret()));
    texts.add(&auth::Pair::Fixed(auth::AccessKey::new(
        "LTAI5tExample".to_owned(),
        secret(),
    )));
    texts.add(&Temporary {
        credentials: credentials(),
        expires: jiff::Timestamp::UNIX_EPOCH,
    });
    let endpoint: Endpoint = "sts.aliyuncs.com".parse().expect("an endpoint");
    texts.add(&Target {
        endpoint: &endpoint,
        credentials: &credentials(),
        remaining: PATIENCE,
        cancellation: None,
    });
    texts.add(&Value {
        contents: secret(),
        version: "1".to_owned(),
    });
    texts.add(&File {
        path: "a".to_owned(),
        mode: 0o644,
        contents: canary.clone().into_bytes(),
    });
    texts.named("jmespath::json::Value", jmespath::json::debug_of(&canary));
    let plan = plan(&request(Some(&canary), "null"));
    let values = [Some(&secret()), Some(&secret()), Some(&secret())];
    for file in plan.render(&values).expect("files") {
        texts.add(&file);
    }
    let key = texts.canary("canary-key-of-a-mount");
    let mount = [
        "mount",
        "--class=c",
        "--target=t",
        "--publish-secret=s",
        "--token-file=f",
    ]
    .map(OsString::from);
    let variables = [
        ("ACCESS_KEY_ID", "LTAI5tExample"),
        ("SECRET_ACCESS_KEY", key.as_str()),
    ];
    let command = config::parse(mount, &variables.as_slice()).expect("a command");
    texts.add(&command);
    let Command::Mount(settings) = command else {
        panic!("not a Mount")
    };
    let settings: config::MountOptions = *settings;
    texts.add(&settings);
    let once: config::OnceOptions = settings.once;
    texts.add(&once);
    // What follows the flags is the user's own command line, and may hold a password.
    let exec = ["exec", "--class=c", "--env=A=a", "--", "program", key.as_str()].map(OsString::from);
    let command = config::parse(exec, &variables.as_slice()).expect("a command");
    let Command::Exec(settings) = command else {
        panic!("not an exec")
    };
    let settings: config::ExecOptions = *settings;
    texts.add(&settings);
}

/// What is refused, with the secret that it was refused for.
pub(super) fn refused(texts: &mut Texts) {
    let canary = texts.canary("canary?refused=%25");
    // The environment.
    for variables in [
        [("SECRET_ACCESS_KEY", canary.as_str()), ("ACCESS_KEY_ID", "")],
        [("ACCESS_KEY_ID", &canary), ("SECRET_ACCESS_KEY", "")],
        [
            ("HTTPS_PROXY", &format!("ftp://u:{canary}@")),
            ("ACCESS_KEY_ID", ""),
        ],
    ] {
        texts.add(&config::parse([], &variables.as_slice()).expect_err("refused"));
    }
    // Files of keys.
    let keys = tempfile::tempdir().expect("directory");
    for (id, key) in [
        ("", canary.as_str()),
        (&canary, ""),
        ("LTAI5tExample", &format!("{canary}\u{1}")),
    ] {
        fs::write(keys.path().join("ACCESS_KEY_ID"), id).expect("file");
        fs::write(keys.path().join("SECRET_ACCESS_KEY"), key).expect("file");
        texts.add(&auth::KeyFiles::open(keys.path()).expect_err("refused"));
    }
    // Parameters that are no JSON, or hold an unexpected token; values that are not what a class takes them for.
    let whole =
        json!({ TOKENS_KEY: canary, "objects": "[]", "usePodServiceAccountToken": "true" }).to_string();
    for attributes in [
        whole.get(..whole.len() - 3).unwrap_or_default(),
        &whole,
        &json!([canary]).to_string(),
    ] {
        let input = Input {
            attributes,
            permission: "420",
        };
        let problems = params::parse(&input, &Options::default()).expect_err("refused");
        problems.iter().for_each(|problem| texts.add(problem));
        texts.add(&problems);
        texts.add(&crate::mount::Error::Parameters(problems));
    }
    let objects = "- objectName: a\n  jmesPath:\n  - path: x\n    objectAlias: b\n- objectName: c\n  objectEncoding: base64\n";
    let attributes = json!({ "objects": objects }).to_string();
    let input = Input {
        attributes: &attributes,
        permission: "420",
    };
    let plan = params::parse(&input, &Options::default()).expect("a plan");
    let value = Secret::from(canary.clone());
    let problems = plan
        .render(&[Some(&value), Some(&value)])
        .expect_err("neither JSON nor base64");
    assert!(problems.iter().count() == 2, "{problems}");
    problems.iter().for_each(|problem| texts.add(problem));
    texts.add(&problems);
    // A request without an answer, to the cloud and to Kubernetes.
    let nowhere = "http://127.0.0.1:1";
    let client = Client::new(
        Trust::roots(&Roots::built_in()),
        Proxies::default(),
        1,
        Metrics::new(),
    );
    let error = client.send(&Request {
        method: Method::POST,
        url: &format!("{nowhere}/?OIDCToken={}", crate::sign::percent_encode(&canary)),
        headers: &[("authorization", &canary)],
        body: canary.as_bytes(),
        timeouts: Timeouts {
            connect: PATIENCE,
            response: PATIENCE,
            total: PATIENCE,
        },
    });
    let Err(error) = error else {
        panic!("no listener there")
    };
    texts.add(&error);
    fs::write(keys.path().join("token"), &canary).expect("file");
    let server: Endpoint = nowhere.parse().expect("an endpoint");
    let kubernetes =
        cloud::kubernetes::Kubernetes::new(Some(server), keys.path(), Proxies::default(), Metrics::new());
    texts.add(
        &kubernetes
            .role_annotation("rrsa-demo", "demo-sa", PATIENCE)
            .expect_err("no listener there"),
    );
    texts.add(&CaFile::alone(keys.path().join("token")));
    texts.add(&CaFile::alone(keys.path().join("token")));
}
