//! Every identity that the provider can have, against the fake cloud's STS and metadata service.

use std::path::Path;
use std::time::Duration;

use harness::driver::{Code, Driver};
use harness::process::{ProviderBuilder, ProviderProcess};
use harness::{FakeCloud, Service};

use crate::world::{binary, request};

const OBJECTS: &str = "- objectName: test\n  objectType: oos\n- objectName: test-kms\n";
const ROLE: &str = "acs:ram::1234567890120000:role/adminrole";
const RRSA_ROLE: &str = "acs:ram::1234567890120000:role/demo-role-for-rrsa";
const OIDC_PROVIDER: &str = "acs:ram::1234567890120000:oidc-provider/ack-rrsa-c0fake0cloud0cluster0000000001";

/// A provider without an identity of its own, pointed at `cloud`.
fn nobody(cloud: &FakeCloud) -> ProviderBuilder {
    let url = cloud.http_url();
    ["kms", "oos", "sts", "metadata"]
        .iter()
        .fold(binary(), |builder, service| {
            builder.argument(format!("--{service}-endpoint={url}"))
        })
}

fn mount(provider: &ProviderProcess, times: usize) {
    let driver = Driver::new(provider.socket());
    for _ in 0..times {
        let response = driver
            .mount(request(OBJECTS))
            .unwrap_or_else(|status| panic!("{status}"));
        assert_eq!(response.files.len(), 2);
    }
}

/// Everything that was read, was read as this role.
fn assert_read_as(cloud: &FakeCloud, role: &str) {
    let reads = [cloud.requests_of(Service::Kms), cloud.requests_of(Service::Oos)].concat();
    assert!(!reads.is_empty());
    for read in reads {
        let identity = read.identity.unwrap_or_default();
        assert!(identity.contains(&format!("/{role}/")), "{identity}");
    }
}

#[test]
fn a_role_assumed_with_the_access_key_pair() {
    let cloud = FakeCloud::start().expect("fake cloud");
    let (id, secret) = cloud.access_key();
    let provider = nobody(&cloud)
        .variable("ACCESS_KEY_ID", id)
        .variable("SECRET_ACCESS_KEY", secret)
        .variable("ALICLOUD_ROLE_ARN", ROLE)
        .variable("ALICLOUD_ROLE_SESSION_NAME", "audit-me")
        .start()
        .expect("provider");
    mount(&provider, 20);
    assert_eq!(
        cloud.requests_of(Service::Sts).len(),
        1,
        "one call for one life of the credentials"
    );
    assert_read_as(&cloud, "adminrole");
    assert!(
        cloud
            .requests()
            .iter()
            .any(|it| it.identity.as_deref().is_some_and(|it| it.ends_with("/audit-me")))
    );
}

#[test]
fn a_role_assumed_with_the_providers_own_token() {
    let cloud = FakeCloud::start().expect("fake cloud");
    let directory = tempfile::tempdir().expect("directory");
    let file = directory.path().join("token");
    let token = |account: &str| {
        cloud.mint_token(
            "kube-system",
            account,
            "sts.aliyuncs.com",
            Duration::from_secs(600).try_into().expect("duration"),
        )
    };
    let start = |file: &Path| {
        nobody(&cloud)
            .variable("ALICLOUD_ROLE_ARN", RRSA_ROLE)
            .variable("ALICLOUD_OIDC_PROVIDER_ARN", OIDC_PROVIDER)
            .variable("ALICLOUD_OIDC_TOKEN_FILE", file)
            .start()
            .expect("provider")
    };

    let provider = start(&file);
    let refused = || {
        Driver::new(provider.socket())
            .mount(request(OBJECTS))
            .expect_err("no identity")
    };
    let status = refused();
    assert_eq!(status.code(), Code::Unauthenticated, "{status}");
    assert!(
        status.message().contains("ServiceAccount token") && status.message().contains("token"),
        "{status}"
    );

    std::fs::write(&file, token("somebody-else")).expect("token");
    let status = refused();
    assert_eq!(status.code(), Code::Unauthenticated, "{status}");
    assert!(status.message().contains("AuthenticationFail"), "{status}");

    // kubelet replaces the file; the next Mount reads it anew. A line feed at its end is not part of the token.
    std::fs::write(
        &file,
        format!("{}\n", token("csi-secrets-store-provider-alibabacloud")),
    )
    .expect("token");
    cloud.clear_requests();
    mount(&provider, 20);
    assert_eq!(cloud.requests_of(Service::Sts).len(), 1);
    assert_read_as(&cloud, "demo-role-for-rrsa");
    assert!(
        !provider.log().contains("eyJ"),
        "a token in the log: {}",
        provider.log()
    );
}

#[test]
fn the_worker_ram_role() {
    let cloud = FakeCloud::start().expect("fake cloud");
    let provider = nobody(&cloud).start().expect("provider");
    mount(&provider, 20);
    assert_eq!(
        cloud.requests_of(Service::Metadata).len(),
        3,
        "session token, role, credentials"
    );
    assert_read_as(&cloud, "worker-role");

    let disabled = nobody(&cloud)
        .variable("ALIBABA_CLOUD_ECS_METADATA_DISABLED", "true")
        .start()
        .expect("provider");
    let status = Driver::new(disabled.socket())
        .mount(request(OBJECTS))
        .expect_err("no identity");
    assert_eq!(status.code(), Code::Unauthenticated, "{status}");
}

/// A configured role that cannot be had is an error, never a reason to read as the AccessKey's user or the node.
#[test]
fn a_role_that_is_refused_is_no_fallback() {
    let cloud = FakeCloud::start().expect("fake cloud");
    let (id, secret) = cloud.access_key();
    let provider = nobody(&cloud)
        .variable("ACCESS_KEY_ID", id)
        .variable("SECRET_ACCESS_KEY", secret)
        .variable("ALICLOUD_ROLE_ARN", "acs:ram::1234567890120000:role/no-such-role")
        .start()
        .expect("provider");
    let status = Driver::new(provider.socket())
        .mount(request(OBJECTS))
        .expect_err("refused");
    assert_eq!(status.code(), Code::Unauthenticated, "{status}");
    assert!(
        status.message().contains("role/no-such-role") && status.message().contains("EntityNotExist.Role"),
        "{status}"
    );
    assert!(cloud.requests_of(Service::Kms).is_empty() && cloud.requests_of(Service::Oos).is_empty());
}
