//! Where tokens, the keys of sessions and a proxy's password can be found.

use std::fs;
use std::thread;
use std::time::Duration;

use harness::driver::{Driver, Volume};
use harness::process::{ProviderBuilder, is_root};
use harness::{FakeCloud, OwnPort, Service};

use crate::memory::Memory;
use crate::{Setup, canary, setups};

const OIDC_PROVIDER: &str = "acs:ram::1234567890120000:oidc-provider/ack-rrsa-c0fake0cloud0cluster0000000001";

/// A pod's token, the session that STS gives for it, the token for Kubernetes and a proxy's password are where SECURITY.md
/// says, and nowhere else: in the buffers of the connection that carried them, and what is used again on the heap, once.
#[test]
fn credentials_are_only_where_the_documentation_says() {
    if is_root() {
        setups().iter().for_each(credentials_are_where_documented);
    }
}

fn credentials_are_where_documented(setup: &Setup) {
    let services = [Service::Kms, Service::Oos, Service::Sts, Service::Kubernetes];
    let own_port = |service| OwnPort {
        service,
        tls: setup.tls || service == Service::Kubernetes,
        address: ([127, 0, 0, 1], 0).into(),
    };
    let builder = FakeCloud::builder();
    let cloud = services
        .into_iter()
        .fold(builder, |builder, service| builder.own_port(own_port(service)))
        .start()
        .expect("cloud");
    let files = tempfile::tempdir().expect("directory");
    let file = |name: &str| files.path().join(name);
    cloud.write_ca(&file("ca.crt")).expect("CA");
    fs::write(file("token"), "fake-cloud-provider-token").expect("token");
    let password = canary("proxy");
    let mut builder = ProviderBuilder::new(&setup.binary)
        .argument("--refresh-interval=0")
        .argument(format!("--service-account-dir={}", files.path().display()))
        .variable("SSL_CERT_FILE", file("ca.crt"))
        .variable("KUBERNETES_SERVICE_HOST", "localhost")
        .variable("HTTPS_PROXY", format!("http://user:{password}@127.0.0.1:1"))
        .variable("ALICLOUD_OIDC_PROVIDER_ARN", OIDC_PROVIDER);
    for port in cloud.own_ports() {
        builder = match port.service {
            Service::Kubernetes => {
                builder.variable("KUBERNETES_SERVICE_PORT", port.address.port().to_string())
            }
            service => builder.argument(format!("--{service}-endpoint={}", port.url())),
        };
    }
    let provider = builder.start().expect("provider");
    let life = jiff::SignedDuration::from_mins(30);
    let token = cloud.mint_token("rrsa-demo", "demo-sa", "sts.aliyuncs.com", life);
    let mut volume = Volume::new([
        ("objects", "- objectName: test-kms\n"),
        ("region", "cn-hangzhou"),
        ("usePodServiceAccountToken", "true"),
        (
            "csi.storage.k8s.io/serviceAccount.tokens",
            &format!(r#"{{"sts.aliyuncs.com":{{"token":"{token}"}}}}"#),
        ),
    ]);
    volume.namespace = "rrsa-demo".to_owned();
    volume.service_account = "demo-sa".to_owned();
    Driver::new(provider.socket())
        .mount(volume.request())
        .expect("mount");
    let issued = cloud.issued();
    let [secret, session_token] = issued.as_slice() else {
        panic!("{} secrets and tokens of one session", issued.len());
    };
    // Of each: the words before it in buffers, in so many of these at most, and how often it is elsewhere.
    let (plain, tls) = (1, 2);
    let http = if setup.tls { tls } else { plain };
    for (text, words, buffers, elsewhere) in [
        (token.as_str(), "OIDCToken=", http, 0),
        ("fake-cloud-provider-token", "authorization: Bearer ", tls, 0),
        (secret.as_str(), "AccessKeySecret", http, 1),
        (session_token.as_str(), "ecurity", 2 * http, 1),
        (password.as_str(), "HTTPS_PROXY=http://user:", 1, 2),
    ] {
        let mut places = Vec::new();
        let documented = (0..300).any(|_| {
            places = Memory::of(provider.id()).places(text);
            let (in_buffers, others): (Vec<_>, Vec<_>) =
                places.iter().partition(|place| place.contains(words));
            let documented = in_buffers.len() <= buffers && others.len() == elsewhere;
            if !documented {
                thread::sleep(Duration::from_millis(100));
            }
            documented
        });
        assert!(documented, "{:?}, {words}: {places:#?}", setup.binary);
    }
}
