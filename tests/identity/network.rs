//! Where requests go, whom they trust on the way, and what is said when nobody is there. A proxy leads the real
//! cloud's host names to the fake one.

use csi_provider::grpc::Code;
use harness::driver::Volume;
use harness::proxy::Proxy;

use crate::world::{ADMIN_ROLE, BOTH, Setup, World, volume};

const INSTANCE: &str = "kst-hzz65f176a0ogplgq0000.cryptoservice.kms.aliyuncs.com";

/// A provider with nothing but the cloud's own host names, behind a proxy.
pub(crate) fn behind(world: &World, proxy: &Proxy) -> Setup {
    world.put("ca.pem", world.cloud.ca_pem());
    let (id, secret) = world.cloud.access_key();
    Setup::default()
        .argument("--refresh-interval=0s")
        .argument(format!("--metadata-endpoint={}", world.cloud.http_url()))
        .variable("HTTPS_PROXY", format!("http://user:canary@{}", proxy.address()))
        .variable("NO_PROXY", "10.0.0.0/8,.internal.example")
        .variable("SSL_CERT_FILE", world.path("ca.pem").display().to_string())
        .variable("ACCESS_KEY_ID", id)
        .variable("SECRET_ACCESS_KEY", secret)
        .variable("ALICLOUD_ROLE_ARN", ADMIN_ROLE)
}

fn instance() -> Volume {
    volume(
        "default",
        "web",
        &format!("- objectName: test-kms\n  kmsEndpoint: {INSTANCE}\n"),
    )
}

#[test]
fn vpc_endpoints_by_default_through_one_proxy() {
    let world = World::new();
    let proxy = Proxy::start(Some(world.cloud.https_address())).expect("proxy");
    let provider = world.start(&behind(&world, &proxy));
    provider.reads(&volume("default", "web", BOTH));
    let mut targets = proxy.targets();
    targets.sort();
    targets.dedup();
    assert_eq!(
        targets,
        [
            "kms-vpc.cn-hangzhou.aliyuncs.com:443",
            "oos-vpc.cn-hangzhou.aliyuncs.com:443",
            "sts-vpc.cn-hangzhou.aliyuncs.com:443",
        ],
        "the node's region, and the metadata service without the proxy"
    );
}

#[test]
fn which_sts_is_asked() {
    let world = World::new();
    let asked = |arguments: &[&str], variables: &[(&'static str, &str)]| {
        let proxy = Proxy::start(None).expect("proxy");
        let mut setup = behind(&world, &proxy);
        setup
            .arguments
            .extend(arguments.iter().map(|it| (*it).to_owned()));
        let setup = variables
            .iter()
            .fold(setup, |setup, (name, value)| setup.variable(name, *value));
        let status = world
            .start(&setup)
            .mount(&volume("default", "web", BOTH))
            .expect_err("the proxy refuses");
        assert_eq!(status.code, Code::Internal, "{}", status.message);
        for words in [
            &proxy.address().to_string(),
            "--sts-endpoint",
            "ALIBABA_CLOUD_STS_REGION",
            "403",
        ] {
            assert!(status.message.contains(words), "{words}: {}", status.message);
        }
        assert!(
            !status.message.contains("canary"),
            "the proxy's password: {}",
            status.message
        );
        let target = proxy.targets().first().cloned().unwrap_or_default();
        let host = target
            .trim_end_matches(":443")
            .trim_end_matches(".aliyuncs.com")
            .to_owned();
        assert!(status.message.contains(&host), "{}", status.message);
        host
    };
    let off = ("ALIBABA_CLOUD_ECS_METADATA_DISABLED", "true");
    let vpc = ("ALIBABA_CLOUD_VPC_ENDPOINT_ENABLED", "true");
    let public = ("ALIBABA_CLOUD_VPC_ENDPOINT_ENABLED", "false");
    let region = ("ALIBABA_CLOUD_STS_REGION", "eu-central-1");
    assert_eq!(asked(&[], &[]), "sts-vpc.cn-hangzhou", "the node's region");
    assert_eq!(
        asked(&["--region=cn-shanghai"], &[]),
        "sts-vpc.cn-shanghai",
        "the flag's"
    );
    assert_eq!(
        asked(&["--region=cn-nowhere"], &[]),
        "sts",
        "no VPC endpoint is known there"
    );
    assert_eq!(
        asked(&["--region=cn-nowhere"], &[vpc]),
        "sts-vpc.cn-nowhere",
        "as the variable says"
    );
    assert_eq!(asked(&[], &[off]), "sts", "nobody knows the region");
    assert_eq!(asked(&[], &[public]), "sts");
    assert_eq!(asked(&[], &[region]), "sts.eu-central-1");
    assert_eq!(asked(&[], &[region, vpc]), "sts-vpc.eu-central-1");
    assert_eq!(
        asked(&["--sts-endpoint=sts.example"], &[region, vpc]),
        "sts.example"
    );
}

/// A KMS instance has a certificate of a private authority, of which only an intermediate is given out.
#[test]
fn the_ca_of_kms_instances() {
    let world = World::new();
    let proxy = Proxy::start(Some(world.cloud.https_address())).expect("proxy");
    let without = world.start(&behind(&world, &proxy));
    let status = without.mount(&instance()).expect_err("an unknown issuer");
    assert_eq!(status.code, Code::Internal);
    for words in [INSTANCE, "UnknownIssuer", "--kms-ca-file", "docs/migrate.md"] {
        assert!(status.message.contains(words), "{words}: {}", status.message);
    }

    // Another cloud's authority first; then the right one takes its place, among others, while the provider runs.
    let stranger = harness::FakeCloud::start().expect("another cloud");
    world.put("kms-ca.pem", stranger.kms_instances_pem());
    let file = format!("--kms-ca-file={}", world.path("kms-ca.pem").display());
    let provider = world.start(&behind(&world, &proxy).argument(&file));
    provider
        .mount(&instance())
        .expect_err("another cloud's authority");
    world.put("kms-ca.pem", "not PEM");
    provider
        .mount(&instance())
        .expect_err("a file that makes no sense changes nothing");
    let both = format!(
        "{}{}",
        stranger.kms_instances_pem(),
        world.cloud.kms_instances_pem()
    );
    world.put("kms-ca.pem", &both);
    assert_eq!(provider.reads(&instance())["test-kms"], "hello from KMS");

    // The object's endpoint is its own: the others go where they always do.
    proxy.targets();
    let objects =
        format!("- objectName: test-kms\n  kmsEndpoint: {INSTANCE}\n- objectName: db-credentials\n");
    provider.reads(&volume("default", "web", &objects));
    assert!(
        proxy
            .targets()
            .contains(&"kms-vpc.cn-hangzhou.aliyuncs.com:443".to_owned())
    );

    // And the instances' authority is good for instances alone.
    let mut setup = behind(&world, &proxy).argument(&file);
    setup
        .variables
        .retain(|(name, _)| !matches!(*name, "SSL_CERT_FILE" | "ALICLOUD_ROLE_ARN"));
    world.put("kms-ca.pem", &format!("{both}{}", world.cloud.ca_pem()));
    let narrow = world.start(&setup);
    narrow.reads(&instance());
    let status = narrow
        .mount(&volume("default", "web", "- objectName: test-kms\n"))
        .expect_err("the shared gateway is nobody of theirs");
    assert!(status.message.contains("UnknownIssuer"), "{}", status.message);
}

#[test]
fn a_ca_file_that_is_wrong_from_the_start() {
    let world = World::new();
    world.put("kms-ca.pem", "nothing");
    let setup = world
        .nobody()
        .argument(format!("--kms-ca-file={}", world.path("kms-ca.pem").display()));
    let error = crate::world::config(&setup).expect_err("no certificate");
    assert!(
        error.contains("--kms-ca-file=") && error.contains("holds no PEM certificate"),
        "{error}"
    );
}

#[test]
fn endpoints_that_a_class_may_not_name() {
    let world = World::new();
    let provider = world.start(&world.nobody());
    for host in [
        "evil.example",
        "bucket.oss-cn-hangzhou.aliyuncs.com",
        "x.y.cryptoservice.kms.aliyuncs.com",
    ] {
        let objects = format!("- objectName: test-kms\n  kmsEndpoint: {host}\n");
        let status = provider
            .mount(&volume("default", "web", &objects))
            .expect_err(host);
        assert_eq!(status.code, Code::InvalidArgument, "{}", status.message);
        assert!(
            status.message.contains(host) && status.message.contains("--allowed-endpoints"),
            "{}",
            status.message
        );
    }
    assert!(world.cloud.requests().is_empty(), "nobody was asked");

    let proxy = Proxy::start(Some(world.cloud.https_address())).expect("proxy");
    let setup = behind(&world, &proxy).argument("--allowed-endpoints=kms.*.aliyuncs.com");
    let objects = "- objectName: test-kms\n  kmsEndpoint: kms.cn-hangzhou.aliyuncs.com\n";
    world.start(&setup).reads(&volume("default", "web", objects));
    assert!(
        proxy
            .targets()
            .contains(&"kms.cn-hangzhou.aliyuncs.com:443".to_owned())
    );
    world
        .start(&setup)
        .mount(&instance())
        .expect_err("not on this list");
}

#[test]
fn a_proxy_setting_that_makes_no_sense_is_told_at_start() {
    let setup = Setup::default().variable("HTTPS_PROXY", "socks5://user:canary@proxy.example");
    let error = crate::world::config(&setup).expect_err("no HTTP proxy");
    assert_eq!(
        error,
        "HTTPS_PROXY: only http:// and https:// proxies are supported"
    );
}
