//! The cloud, the provider that reads from it, and the identities of its pods.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::sync::Mutex;
use std::time::Duration;

use harness::driver::{Driver, Volume};
use harness::process::{ProviderBuilder, ProviderProcess};
use harness::{CutPoint, FakeCloud, Fault, FaultId, FaultRule, Service};

use crate::Outcome;
use crate::policy::Policy;
use crate::values::Values;

/// KMS secrets that the provider pulls at once.
const KMS_PULLS: usize = 32;

/// Connections to the cloud that the provider may keep: pulls of both services, and some for STS and the rest.
pub(crate) const CONNECTIONS: usize = KMS_PULLS + 10 + 8;

/// Short, so that shared copies come and go many times.
pub(crate) const REFRESH: Duration = Duration::from_secs(2);

/// `--serve-stale-for`, where there are outages: shorter than these.
const STALE: Duration = Duration::from_secs(4);

/// How long a pod's token lives; kubelet, too, gives a new one long before.
const TOKEN_LIFE: jiff::SignedDuration = jiff::SignedDuration::from_secs(600);

pub(crate) struct Stand {
    pub(crate) cloud: FakeCloud,
    pub(crate) values: Values,
    pub(crate) policy: Policy,
    /// How old a value may be in an outage.
    pub(crate) stale: Duration,
    pub(crate) provider: ProviderProcess,
    pub(crate) driver: Driver,
    /// A pod's own AccessKey pair.
    pub(crate) pair: BTreeMap<String, String>,
    /// The tokens of the pods' ServiceAccounts.
    tokens: Mutex<BTreeMap<&'static str, String>>,
    /// The provider's own.
    own_token: PathBuf,
    _files: tempfile::TempDir,
}

impl Stand {
    /// With faults, values are kept for outages.
    pub(crate) fn start(binary: PathBuf, faults: bool) -> Outcome<Self> {
        let stale = if faults { STALE } else { Duration::ZERO };
        let cloud = FakeCloud::start()?;
        let values = Values::fill(&cloud);
        let files = tempfile::tempdir()?;
        cloud.write_ca(&files.path().join("ca.crt"))?;
        fs::write(files.path().join("token"), "fake-cloud-provider-token\n")?;
        let own_token = files.path().join("own-token");
        let policy_file = files.path().join("policy.yaml");
        let policy = Policy::new(policy_file.clone())?;
        let (id, secret) = cloud.access_key();
        let url = cloud.http_url();
        let provider = ["kms", "oos", "sts", "metadata"]
            .iter()
            .fold(ProviderBuilder::new(binary), |builder, service| {
                builder.argument(format!("--{service}-endpoint={url}"))
            })
            .argument("--region=cn-hangzhou")
            .argument("--kms-max-pulls-per-second=0")
            .argument("--oos-max-pulls-per-second=0")
            .argument(format!("--max-concurrent-kms-secret-pulls={KMS_PULLS}"))
            .argument(format!("--refresh-interval={}s", REFRESH.as_secs()))
            .argument(format!("--serve-stale-for={}s", stale.as_secs()))
            .argument(format!("--access-policy={}", policy_file.display()))
            .argument(format!("--service-account-dir={}", files.path().display()))
            .variable("KUBERNETES_SERVICE_HOST", "127.0.0.1")
            .variable(
                "KUBERNETES_SERVICE_PORT",
                cloud.https_address().port().to_string(),
            )
            .variable(
                "ALICLOUD_OIDC_PROVIDER_ARN",
                "acs:ram::1234567890120000:oidc-provider/ack-rrsa-c0fake0cloud0cluster0000000001",
            )
            .variable(
                "ALICLOUD_ROLE_ARN",
                "acs:ram::1234567890120000:role/demo-role-for-rrsa",
            )
            .variable("ALICLOUD_OIDC_TOKEN_FILE", &own_token)
            // The least that STS grants, so that an hour sees renewals.
            .variable("ALICLOUD_ROLE_SESSION_EXPIRATION", "900")
            .start()?;
        let driver = Driver::new(provider.socket());
        let pair = BTreeMap::from([
            ("access_key".to_owned(), id),
            ("access_secret".to_owned(), secret),
        ]);
        let stand = Self {
            cloud,
            values,
            policy,
            stale,
            provider,
            driver,
            pair,
            tokens: Mutex::default(),
            own_token,
            _files: files,
        };
        stand.renew_tokens()?;
        Ok(stand)
    }

    /// Gives the pods and the provider new tokens, as kubelet does.
    pub(crate) fn renew_tokens(&self) -> std::io::Result<()> {
        let mint = |namespace, account| {
            self.cloud
                .mint_token(namespace, account, "sts.aliyuncs.com", TOKEN_LIFE)
        };
        for account in ["demo-sa", "other-sa"] {
            self.tokens
                .lock()
                .expect("no code panics while it notes")
                .insert(account, mint("rrsa-demo", account));
        }
        let next = self.own_token.with_extension("next");
        fs::write(
            &next,
            mint("kube-system", "csi-secrets-store-provider-alibabacloud"),
        )?;
        fs::rename(next, &self.own_token)
    }

    /// Makes it a volume of a pod that reads with its ServiceAccount's role.
    pub(crate) fn with_token(&self, volume: &mut Volume, account: &str) {
        let tokens = self.tokens.lock().expect("no code panics while it notes");
        let token = serde_json::json!({ "sts.aliyuncs.com": {
            "token": tokens.get(account),
            "expirationTimestamp": "2099-01-01T00:00:00Z",
        }});
        volume.namespace = "rrsa-demo".to_owned();
        volume.service_account = account.to_owned();
        for (key, value) in [
            ("usePodServiceAccountToken", "true".to_owned()),
            ("csi.storage.k8s.io/serviceAccount.tokens", token.to_string()),
        ] {
            volume.parameters.insert(key.to_owned(), value);
        }
    }

    /// One service, or both that hold values, out of order or out of reach.
    pub(crate) fn begin_outage(&self, number: usize) -> Vec<FaultId> {
        let fault = || match number % 3 {
            0 => Fault::error(503, "ServiceUnavailable", "an outage"),
            1 => Fault::Cut(CutPoint::BeforeHead),
            _ => Fault::Html { status: 502 },
        };
        let services: &[Service] = match number % 4 {
            0 | 2 => &[Service::Kms, Service::Oos],
            1 => &[Service::Kms],
            _ => &[Service::Oos],
        };
        let rules = services.iter().map(|it| FaultRule::new(fault()).service(*it));
        rules.map(|rule| self.cloud.inject(rule)).collect()
    }

    pub(crate) fn end_outage(&self, faults: Vec<FaultId>) {
        for fault in faults {
            self.cloud.release(fault);
        }
    }

    /// The cloud's bad days, each with a few requests in a hundred.
    pub(crate) fn disturb(&self) {
        for (fault, seed) in [
            Fault::Cut(CutPoint::BeforeHead),
            Fault::Cut(CutPoint::InsideBody),
            Fault::Cut(CutPoint::AfterBody),
            Fault::Html { status: 502 },
            Fault::EmptyBody,
            Fault::TruncatedBody,
        ]
        .into_iter()
        .zip(1..)
        {
            self.cloud.inject(FaultRule::new(fault).probability(0.01, seed));
        }
        // Rarely: the provider slows down for a while after each, as it should.
        for (fault, seed) in [Fault::Throttle, Fault::ThrottleByGateway].into_iter().zip(100..) {
            self.cloud
                .inject(FaultRule::new(fault).probability(0.000_05, seed));
        }
    }
}
