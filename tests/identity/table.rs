//! Every combination of present and absent inputs: which source wins, or which error, word for word.

use std::fmt::Write as _;
use std::time::Duration;

use csi_provider::auth::Request;
use csi_provider::params::Pod;
use csi_provider::secret::Secret;

use crate::world::{ADMIN_ROLE, OIDC_PROVIDER, PROVIDER_ROLE, Setup, World, config, settled};

/// What one Mount brings.
#[derive(Clone, Default)]
struct Brings {
    account: &'static str,
    pod_identity: bool,
    tokens: Option<String>,
    secrets: String,
}

/// The outcome of one row.
fn outcome(world: &World, setup: &Setup, brings: &Brings) -> String {
    if let Err(error) = config(setup) {
        return settled(&format!("does not start: {error}"), world);
    }
    let provider = world.start(setup);
    let pod = Pod {
        namespace: "rrsa-demo".to_owned(),
        service_account: brings.account.to_owned(),
        ..Pod::default()
    };
    let tokens = brings.tokens.clone().map(Secret::from);
    let request = Request {
        pod: &pod,
        pod_identity: brings.pod_identity,
        tokens: tokens.as_ref(),
        secrets: &brings.secrets,
    };
    let told = match provider.mounter.chain.resolve(&request, Duration::from_secs(10)) {
        Ok(resolved) => format!("reads as {resolved}"),
        Err(failure) => format!("refuses: {failure}"),
    };
    settled(&told, world)
}

#[test]
fn which_source_wins() {
    let world = World::new();
    let (id, secret) = world.cloud.access_key();
    world.put(
        "provider-token",
        &world.token("kube-system", "csi-secrets-store-provider-alibabacloud"),
    );
    std::fs::create_dir(world.path("powerless")).expect("directory");
    world.put("powerless/token", "fake-cloud-plain-token");
    world.cloud.write_ca(&world.path("powerless/ca.crt")).expect("CA");
    std::fs::create_dir(world.path("keys")).expect("directory");
    world.put("keys/id", &id);
    world.put("keys/secret", &secret);
    std::fs::create_dir(world.path("half")).expect("directory");
    world.put("half/id", &id);
    let token_file = world.path("provider-token").display().to_string();
    let mut rows = 0;
    let mut snapshot = String::new();
    let mut row = |what: String, setup: &Setup, brings: &Brings| {
        rows += 1;
        let _ = writeln!(snapshot, "{what}\n    {}", outcome(&world, setup, brings));
    };

    // What the provider has.
    for role in [None, Some(PROVIDER_ROLE)] {
        for oidc in [false, true] {
            for (pair, there) in [
                ("no pair", (false, false)),
                ("half a pair", (true, false)),
                ("a pair", (true, true)),
            ] {
                for metadata in [true, false] {
                    let mut setup = world.nobody();
                    if let Some(role) = role {
                        let role = if oidc { role } else { ADMIN_ROLE };
                        setup = setup.variable("ALICLOUD_ROLE_ARN", role);
                    }
                    if oidc {
                        setup = setup
                            .variable("ALICLOUD_OIDC_PROVIDER_ARN", OIDC_PROVIDER)
                            .variable("ALICLOUD_OIDC_TOKEN_FILE", token_file.clone());
                    }
                    if there.0 {
                        setup = setup.variable("ACCESS_KEY_ID", id.clone());
                    }
                    if there.1 {
                        setup = setup.variable("SECRET_ACCESS_KEY", secret.clone());
                    }
                    if !metadata {
                        setup = setup.variable("ALIBABA_CLOUD_ECS_METADATA_DISABLED", "true");
                    }
                    let yes = |there: bool, what: &str| format!("{}{what}", if there { "" } else { "no " });
                    row(
                        format!(
                            "provider: {}, {}, {pair}, {}",
                            yes(role.is_some(), "role"),
                            yes(oidc, "OIDC provider"),
                            yes(metadata, "metadata")
                        ),
                        &setup,
                        &Brings::default(),
                    );
                }
            }
        }
    }

    // What the pod brings: its identity.
    let right = world.token("rrsa-demo", "demo-sa");
    let tokens = |audience: &str, token: &str| Some(format!(r#"{{"{audience}":{{"token":"{token}"}}}}"#));
    for (tokens_are, tokens) in [
        ("no tokens", None),
        ("a token for another audience", tokens("vault", &right)),
        ("its token", tokens("sts.aliyuncs.com", &right)),
        (
            "another's token",
            tokens("sts.aliyuncs.com", &world.token("rrsa-demo", "other-sa")),
        ),
    ] {
        for (account, annotated) in [("demo-sa", "annotated"), ("plain-sa", "not annotated")] {
            let tokens = if tokens_are == "its token" && account == "plain-sa" {
                Some(format!(
                    r#"{{"sts.aliyuncs.com":{{"token":"{}"}}}}"#,
                    world.token("rrsa-demo", account)
                ))
            } else {
                tokens.clone()
            };
            for rbac in [true, false] {
                for fallback in [false, true] {
                    let mut setup = world.for_pods();
                    if !rbac {
                        setup
                            .arguments
                            .retain(|it| !it.starts_with("--service-account-dir"));
                        setup = setup.argument(format!(
                            "--service-account-dir={}",
                            world.path("powerless").display()
                        ));
                    }
                    if fallback {
                        setup = setup.argument("--allow-identity-fallback");
                    }
                    let brings = Brings {
                        account,
                        pod_identity: true,
                        tokens: tokens.clone(),
                        secrets: String::new(),
                    };
                    let what = format!(
                        "pod: {tokens_are}, {annotated}, {}{}",
                        if rbac { "RBAC" } else { "no RBAC" },
                        if fallback { ", fallback" } else { "" }
                    );
                    row(what, &setup, &brings);
                }
            }
        }
    }

    // What the pod brings: a Secret, with and without asking for its identity.
    for (what, secrets) in [
        ("null", "null".to_owned()),
        ("other keys", r#"{"password":"x"}"#.to_owned()),
        (
            "a pair",
            format!(r#"{{"access_key":"{id}","access_secret":"{secret}"}}"#),
        ),
        ("access_key alone", r#"{"access_key":"LTAI"}"#.to_owned()),
        ("access_secret alone", r#"{"ACCESS_SECRET":"x"}"#.to_owned()),
        (
            "an empty half",
            r#"{"access_key":"LTAI","access_secret":""}"#.to_owned(),
        ),
        ("no JSON", "[".to_owned()),
    ] {
        for (asks, pod_identity) in [("", false), (", asks for pod identity", true)] {
            for (flag, fallback) in [("", false), (", fallback", true)] {
                let mut setup = world.for_pods();
                if fallback {
                    setup = setup.argument("--allow-identity-fallback");
                }
                let brings = Brings {
                    account: "demo-sa",
                    pod_identity,
                    tokens: tokens("sts.aliyuncs.com", &right),
                    secrets: secrets.clone(),
                };
                row(format!("secret: {what}{asks}{flag}"), &setup, &brings);
            }
        }
    }

    // Files, and migrations.
    let keys = |directory: &str| format!("--credentials-dir={}", world.path(directory).display());
    let nothing = Brings::default();
    row(
        "files: a pair".to_owned(),
        &world.nobody().argument(keys("keys")),
        &nothing,
    );
    let with_role = world
        .nobody()
        .argument(keys("keys"))
        .variable("ALICLOUD_ROLE_ARN", ADMIN_ROLE);
    row("files: a pair and a role".to_owned(), &with_role, &nothing);
    row(
        "files: half a pair".to_owned(),
        &world.nobody().argument(keys("half")),
        &nothing,
    );
    row(
        "files: no directory".to_owned(),
        &world.nobody().argument(keys("gone")),
        &nothing,
    );
    let twice = world
        .nobody()
        .argument(keys("keys"))
        .variable("ACCESS_KEY_ID", id.clone())
        .variable("SECRET_ACCESS_KEY", secret.clone());
    row(
        "files: a pair, and another in the environment".to_owned(),
        &twice,
        &nothing,
    );
    let leftovers = world
        .nobody()
        .argument("--allow-identity-fallback")
        .variable("ALICLOUD_ROLE_ARN", ADMIN_ROLE);
    row(
        "migration: a role and nothing to assume it with, fallback".to_owned(),
        &leftovers,
        &nothing,
    );
    let half = world
        .nobody()
        .argument("--allow-identity-fallback")
        .variable("ACCESS_KEY_ID", id);
    row("migration: half a pair, fallback".to_owned(), &half, &nothing);

    assert!(rows >= 60, "{rows} rows");
    assert!(
        !snapshot.contains(&secret) && !snapshot.contains("eyJ"),
        "a secret in a message"
    );
    insta::assert_snapshot!("which_source_wins", snapshot);
}
