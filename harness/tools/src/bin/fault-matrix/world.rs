//! The cloud, the provider and the volume of one cell.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Mutex;
use std::time::Duration;
use std::{fs, io, thread};

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
    /// Of a pod that runs, and of one that starts.
    known: MountRequest,
    starting: MountRequest,
    /// The versions of secret and parameter, by what they say of their generation.
    versions: Mutex<BTreeMap<&'static str, [String; 2]>>,
    _directory: TempDir,
}

/// How a Mount ended that ended as it should.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// With all files, each of the version that it should have.
    Files(Generations),
    /// With a final status.
    Failed(Status),
}

/// What the values of a volume say of their generation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Generations {
    pub(crate) kms: &'static str,
    pub(crate) oos: &'static str,
}

impl Generations {
    /// Both values of one.
    pub(crate) fn both(generation: &'static str) -> Self {
        Self {
            kms: generation,
            oos: generation,
        }
    }
}

/// For how many seconds the provider keeps values.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Keep {
    /// `--refresh-interval`
    pub(crate) shared: u64,
    /// `--serve-stale-for`
    pub(crate) outage: u64,
}

impl Keep {
    pub(crate) const NOTHING: Self = Self { shared: 0, outage: 0 };
}

impl World {
    /// A provider that has mounted nothing yet.
    pub(crate) fn start(binary: &Path, setting: Setting, keep: Keep) -> Result<Self, String> {
        Self::try_start(binary, setting, keep).map_err(|error| error.to_string())
    }

    fn try_start(binary: &Path, setting: Setting, keep: Keep) -> Result<Self, Box<dyn std::error::Error>> {
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
        let builder = ProviderBuilder::new(binary)
            .argument(format!("--refresh-interval={}s", keep.shared))
            .argument(format!("--serve-stale-for={}s", keep.outage));
        let provider = configure(builder, &cloud, setting, directory.path())?.start()?;
        if setting == Setting::WorkerNormal {
            cloud.inject(no_session_tokens());
        }
        let mut volume = volume(&cloud, setting);
        let known = volume.request();
        volume.uid = "another".to_owned();
        Ok(Self {
            driver: Driver::new(provider.socket()),
            known,
            starting: volume.request(),
            cloud,
            provider,
            versions: Mutex::default(),
            _directory: directory,
        })
    }

    /// One Mount, which must give exactly the right files or fail with a final code and in time.
    pub(crate) fn mount(&self) -> Result<Outcome, String> {
        self.outcome(self.known.clone())
    }

    /// The same, and at the same time one for a pod that starts.
    pub(crate) fn mount_both(&self) -> Result<Vec<Outcome>, String> {
        thread::scope(|scope| {
            let starting = scope.spawn(|| self.outcome(self.starting.clone()));
            let known = self.mount();
            let starting = starting.join().map_err(|_| "a panic of the matrix".to_owned())?;
            Ok(vec![known?, starting?])
        })
    }

    fn outcome(&self, request: MountRequest) -> Result<Outcome, String> {
        match self.driver.mount_within(request, Some(DEADLINE)) {
            Ok(response) => self.exact(&response).map(Outcome::Files),
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
    pub(crate) fn fill(&self, generation: &'static str) {
        let now = harness::clock::Clock::system().now();
        let text = format!(r#"{{"a":"a of {generation}","b":"b of {generation}"}}"#);
        let value = format!("oos of {generation}");
        self.cloud.with_state(|state| {
            for account in state.accounts.values_mut() {
                let region = account.regions.entry("cn-hangzhou".to_owned()).or_default();
                let put = |secret: &mut Secret| secret.put_current(SecretValue::Text(text.clone()), now);
                let secret = region.secrets.entry("matrix/kms".to_owned());
                let secret = secret
                    .and_modify(put)
                    .or_insert_with(|| Secret::new("v1", SecretValue::Text(text.clone()), now));
                let parameter = region.parameters.entry("matrix/oos".to_owned());
                let parameter = parameter
                    .and_modify(|parameter| parameter.put(value.clone(), now))
                    .or_insert_with(|| Parameter::new(value.clone(), now));
                // The same in all accounts.
                let current = secret.version_at("ACSCurrent").map(|version| version.id.clone());
                let versions = [current.unwrap_or_default(), parameter.version().to_string()];
                self.versions
                    .lock()
                    .expect("no code panics while it fills")
                    .insert(generation, versions);
            }
        });
    }

    /// Exactly the six files, each secret of one generation, with the versions that those had in the cloud.
    fn exact(&self, response: &MountResponse) -> Result<Generations, String> {
        let filled = self.versions.lock().expect("no code panics while it fills");
        let files: BTreeMap<&str, String> = response
            .files
            .iter()
            .map(|file| {
                let contents = String::from_utf8_lossy(&file.contents).into_owned();
                (file.path.as_str(), contents)
            })
            .collect();
        let wrong = || format!("wrong files: {files:?}");
        let generation = |path: &str| {
            let text = files.get(path)?.split(" of ").nth(1)?;
            filled.get_key_value(text)
        };
        let (kms, kms_versions) = generation("a").ok_or_else(wrong)?;
        let (oos, oos_versions) = generation("oos").ok_or_else(wrong)?;
        let whole = format!(r#"{{"a":"a of {kms}","b":"b of {kms}"}}"#);
        let expected = BTreeMap::from([
            ("a", format!("a of {kms}")),
            ("b", format!("b of {kms}")),
            ("oos", format!("oos of {oos}")),
            ("oos-again", format!("oos of {oos}")),
            ("whole", whole.clone()),
            ("whole-again", whole),
        ]);
        if files != expected || response.files.len() != expected.len() {
            return Err(wrong());
        }
        let [[kms_version, _], [_, oos_version]] = [kms_versions, oos_versions];
        let versions: BTreeMap<&str, &String> = response
            .object_version
            .iter()
            .map(|object| (object.id.as_str(), &object.version))
            .collect();
        let expected = expected.keys().map(|path| {
            let is_oos = path.starts_with("oos");
            (*path, if is_oos { oos_version } else { kms_version })
        });
        if response.object_version.len() != versions.len() || versions != expected.collect() {
            let versions = &response.object_version;
            return Err(format!("{kms} and {oos} with the versions {versions:?}"));
        }
        Ok(Generations { kms, oos })
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
        Setting::WorkerNamed => builder.variable("ALIBABA_CLOUD_ECS_METADATA", "worker-role"),
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
