//! The cloud, the provider and the volume of one cell.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;
use std::{fs, io};

use harness::driver::{Code, Driver, MountRequest, MountResponse, Status, Volume};
use harness::process::{ProviderBuilder, ProviderProcess};
use harness::proxy::Proxy;
use harness::state::parameter::Parameter;
use harness::state::secret::{Secret, SecretValue};
use harness::{FakeCloud, Fault, FaultRule, OwnPort, Service};
use tempfile::TempDir;

use crate::call::Setting;

/// The caller's deadline. The provider answers well before it.
const DEADLINE: Duration = Duration::from_secs(10);

const OIDC_PROVIDER: &str = "acs:ram::1234567890120000:oidc-provider/ack-rrsa-c0fake0cloud0cluster0000000001";
const ADMIN_ROLE: &str = "acs:ram::1234567890120000:role/adminrole";
const RRSA_ROLE: &str = "acs:ram::1234567890120000:role/demo-role-for-rrsa";
const TARGET: &str = "acs:ram::9999999999990000:role/target";
const AUDIENCE: &str = "sts.aliyuncs.com";

/// The services that have a port of their own in each cell.
const SERVICES: [Service; 5] = [
    Service::Kms,
    Service::Oos,
    Service::Sts,
    Service::Kubernetes,
    Service::Metadata,
];

pub(crate) struct World {
    pub(crate) cloud: FakeCloud,
    pub(crate) provider: ProviderProcess,
    driver: Driver,
    request: MountRequest,
    _directory: TempDir,
}

/// How a Mount ended that ended as it should.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// With all files; the generations of the values.
    Files(BTreeSet<String>),
    /// With a final status.
    Failed(Status),
}

impl World {
    /// A provider that has mounted nothing yet. Shared copies live for `refresh_seconds`.
    pub(crate) fn start(binary: &Path, setting: Setting, refresh_seconds: u64) -> Result<Self, String> {
        Self::try_start(binary, setting, refresh_seconds).map_err(|error| error.to_string())
    }

    fn try_start(
        binary: &Path,
        setting: Setting,
        refresh_seconds: u64,
    ) -> Result<Self, Box<dyn std::error::Error>> {
        let own_port = |service| OwnPort {
            service,
            tls: service != Service::Metadata,
            address: ([127, 0, 0, 1], 0).into(),
        };
        let cloud = SERVICES
            .into_iter()
            .fold(FakeCloud::builder(), |builder, service| {
                builder.own_port(own_port(service))
            })
            .start()?;
        let directory = tempfile::tempdir()?;
        let builder = ProviderBuilder::new(binary).argument(format!("--refresh-interval={refresh_seconds}s"));
        let provider = configure(builder, &cloud, setting, directory.path())?.start()?;
        if setting == Setting::WorkerNormal {
            cloud.inject(no_session_tokens());
        }
        Ok(Self {
            driver: Driver::new(provider.socket()),
            request: volume(&cloud, setting).request(),
            cloud,
            provider,
            _directory: directory,
        })
    }

    /// One Mount, which must give exactly the right files or fail with a final code and in time.
    pub(crate) fn mount(&self) -> Result<Outcome, String> {
        match self.driver.mount_within(self.request.clone(), Some(DEADLINE)) {
            Ok(response) => exact(&response).map(Outcome::Files),
            Err(status) if is_final(status.code()) => Ok(Outcome::Failed(status)),
            Err(status) => Err(format!("not final, or late: {status}")),
        }
    }

    /// Lifts all faults but those that belong to the setting.
    pub(crate) fn lift(&self, setting: Setting) {
        self.cloud.clear_faults();
        if setting == Setting::WorkerNormal {
            self.cloud.inject(no_session_tokens());
        }
    }

    /// A secret whose parts belong together, and a parameter, in every account. Both at once.
    pub(crate) fn fill(&self, generation: &str) {
        let now = harness::clock::Clock::system().now();
        let secret = format!(r#"{{"a":"a of {generation}","b":"b of {generation}"}}"#);
        let parameter = format!("oos of {generation}");
        self.cloud.with_state(|state| {
            for account in state.accounts.values_mut() {
                let region = account.regions.entry("cn-hangzhou".to_owned()).or_default();
                let value = SecretValue::Text(secret.clone());
                match region.secrets.get_mut("matrix/kms") {
                    Some(known) => known.put_current(value, now),
                    None => {
                        region
                            .secrets
                            .insert("matrix/kms".to_owned(), Secret::new("v1", value, now));
                    }
                }
                match region.parameters.get_mut("matrix/oos") {
                    Some(known) => known.put(parameter.clone(), now),
                    None => {
                        region
                            .parameters
                            .insert("matrix/oos".to_owned(), Parameter::new(parameter.clone(), now));
                    }
                }
            }
        });
    }
}

/// Metadata as on nodes whose answers with a session token never reach a container.
fn no_session_tokens() -> FaultRule {
    FaultRule::new(Fault::error(404, "", "Not Found"))
        .service(Service::Metadata)
        .action("*api/token")
}

fn configure(
    mut builder: ProviderBuilder,
    cloud: &FakeCloud,
    setting: Setting,
    directory: &Path,
) -> io::Result<ProviderBuilder> {
    cloud.write_ca(&directory.join("ca.crt"))?;
    builder = builder.variable("SSL_CERT_FILE", directory.join("ca.crt"));
    for port in cloud.own_ports() {
        builder = match port.service {
            Service::Kms | Service::Oos | Service::Sts if setting == Setting::OwnHosts => builder,
            Service::Kubernetes => {
                fs::write(directory.join("token"), "fake-cloud-provider-token")?;
                builder
                    .variable("KUBERNETES_SERVICE_HOST", "localhost")
                    .variable("KUBERNETES_SERVICE_PORT", port.address.port().to_string())
                    .argument(format!("--service-account-dir={}", directory.display()))
            }
            service => builder.argument(format!("--{service}-endpoint={}", port.url())),
        };
    }
    if matches!(
        setting,
        Setting::AccessKey | Setting::AssumedRole | Setting::Cross | Setting::CrossByRole | Setting::OwnHosts
    ) {
        let (id, secret) = cloud.access_key();
        builder = builder
            .variable("ACCESS_KEY_ID", id)
            .variable("SECRET_ACCESS_KEY", secret);
    }
    Ok(match setting {
        Setting::AccessKey | Setting::Cross | Setting::PodPair | Setting::Worker | Setting::WorkerNormal => {
            builder
        }
        Setting::WorkerHardened => builder.variable("ALIBABA_CLOUD_IMDSV1_DISABLED", "true"),
        Setting::AssumedRole | Setting::CrossByRole => builder.variable("ALICLOUD_ROLE_ARN", ADMIN_ROLE),
        Setting::OwnHosts => {
            let proxy = Proxy::start(Some(cloud.https_address()))?;
            builder
                .variable("ALICLOUD_ROLE_ARN", ADMIN_ROLE)
                .variable("HTTPS_PROXY", format!("http://{}", proxy.address()))
        }
        Setting::Pod => builder.variable("ALICLOUD_OIDC_PROVIDER_ARN", OIDC_PROVIDER),
        Setting::Oidc => {
            let account = "csi-secrets-store-provider-alibabacloud";
            let token = cloud.mint_token("kube-system", account, AUDIENCE, an_hour());
            fs::write(directory.join("oidc-token"), token)?;
            builder
                .variable("ALICLOUD_ROLE_ARN", RRSA_ROLE)
                .variable("ALICLOUD_OIDC_PROVIDER_ARN", OIDC_PROVIDER)
                .variable("ALICLOUD_OIDC_TOKEN_FILE", directory.join("oidc-token"))
        }
    })
}

/// Each object twice, so that a mixture of two versions would show.
fn volume(cloud: &FakeCloud, setting: Setting) -> Volume {
    let role = match setting {
        Setting::Cross | Setting::CrossByRole => format!("\n  crossAccountRoleArn: {TARGET}"),
        _ => String::new(),
    };
    let objects = format!(
        "
- objectName: matrix/kms
  objectAlias: whole
  jmesPath:
  - {{path: a, objectAlias: a}}
  - {{path: b, objectAlias: b}}{role}
- objectName: matrix/oos
  objectType: oos
  objectAlias: oos{role}
- objectName: matrix/kms
  objectAlias: whole-again{role}
- objectName: matrix/oos
  objectType: oos
  objectAlias: oos-again{role}
"
    );
    let mut volume = Volume::new([("objects", objects)]);
    let mut parameter = |key: &str, value: String| volume.parameters.insert(key.to_owned(), value);
    match setting {
        // STS alone asks the node where it is.
        Setting::OwnHosts => {
            parameter("region", "cn-hangzhou".to_owned());
        }
        Setting::Pod => {
            let token = cloud.mint_token("rrsa-demo", "demo-sa", AUDIENCE, an_hour());
            let tokens = serde_json::json!({
                AUDIENCE: { "token": token, "expirationTimestamp": "2099-01-01T00:00:00Z" }
            });
            parameter("usePodServiceAccountToken", "true".to_owned());
            parameter("csi.storage.k8s.io/serviceAccount.tokens", tokens.to_string());
            volume.namespace = "rrsa-demo".to_owned();
            volume.service_account = "demo-sa".to_owned();
        }
        Setting::PodPair => {
            let (id, secret) = cloud.access_key();
            let pair = [("access_key", id), ("access_secret", secret)];
            volume.secrets = Some(pair.map(|(key, value)| (key.to_owned(), value)).into());
        }
        _ => {}
    }
    volume
}

/// Exactly the six files, each secret of one generation; gives the generations.
fn exact(response: &MountResponse) -> Result<BTreeSet<String>, String> {
    let files: BTreeMap<&str, String> = response
        .files
        .iter()
        .map(|file| {
            let contents = String::from_utf8_lossy(&file.contents).into_owned();
            (file.path.as_str(), contents)
        })
        .collect();
    let generation = |path: &str| {
        let text = files.get(path)?.split(" of ").nth(1)?;
        (text == "one" || text == "two").then(|| text.to_owned())
    };
    let (Some(kms), Some(oos)) = (generation("a"), generation("oos")) else {
        return Err(format!("wrong files: {files:?}"));
    };
    let whole = format!(r#"{{"a":"a of {kms}","b":"b of {kms}"}}"#);
    let expected = BTreeMap::from([
        ("a", format!("a of {kms}")),
        ("b", format!("b of {kms}")),
        ("oos", format!("oos of {oos}")),
        ("oos-again", format!("oos of {oos}")),
        ("whole", whole.clone()),
        ("whole-again", whole),
    ]);
    let versions: BTreeSet<&str> = response
        .object_version
        .iter()
        .map(|object| object.version.as_str())
        .collect();
    if files != expected || response.files.len() != expected.len() {
        return Err(format!("wrong files: {files:?}"));
    }
    if response.object_version.len() < 4 || versions.len() != 2 {
        return Err(format!("wrong versions: {:?}", response.object_version));
    }
    Ok(BTreeSet::from([kms, oos]))
}

/// Whether kubelet gives the directory back after this code.
fn is_final(code: Code) -> bool {
    !matches!(
        code,
        Code::Ok
            | Code::Cancelled
            | Code::DeadlineExceeded
            | Code::ResourceExhausted
            | Code::Aborted
            | Code::Unavailable
    )
}

fn an_hour() -> jiff::SignedDuration {
    jiff::SignedDuration::from_secs(3600)
}
