//! A fake cloud, a provider in this process, and a clock for both.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

use csi_provider::clock::{Clock, SystemClock};
use csi_provider::config::{self, Command, Config};
use csi_provider::grpc::proto::{MountRequest, MountResponse};
use csi_provider::grpc::{Code, Status};
use csi_provider::metrics::Metrics;
use csi_provider::mount::Mounter;
use csi_provider::provider;
use csi_provider::sync::{CallContext, Cancellation};
use harness::driver::Volume;
use harness::{FakeCloud, RequestRecord, Service};
use prost::Message as _;
use tempfile::TempDir;

pub(crate) const ACCOUNT: &str = "1234567890120000";
pub(crate) const OIDC_PROVIDER: &str =
    "acs:ram::1234567890120000:oidc-provider/ack-rrsa-c0fake0cloud0cluster0000000001";
pub(crate) const PROVIDER_ROLE: &str = "acs:ram::1234567890120000:role/demo-role-for-rrsa";
pub(crate) const ADMIN_ROLE: &str = "acs:ram::1234567890120000:role/adminrole";
pub(crate) const TARGET: &str = "acs:ram::9999999999990000:role/target";
pub(crate) const GUARDED: &str = "acs:ram::9999999999990000:role/guarded";
pub(crate) const TOKENS: &str = "csi.storage.k8s.io/serviceAccount.tokens";

/// An OOS parameter and a KMS secret.
pub(crate) const BOTH: &str = "- objectName: test\n  objectType: oos\n- objectName: test-kms\n";

/// The machine's time, moved; and for how much of that it slept.
pub(crate) struct Moved(AtomicI64, AtomicI64);

impl Clock for Moved {
    fn now(&self) -> Instant {
        let awake = self.0.load(Ordering::SeqCst) - self.1.load(Ordering::SeqCst);
        SystemClock.now() + Duration::from_secs(awake.unsigned_abs())
    }

    fn wall(&self) -> jiff::Timestamp {
        SystemClock.wall() + jiff::SignedDuration::from_secs(self.0.load(Ordering::SeqCst))
    }
}

/// The cloud, the clock, and the files that a provider's pod has.
pub(crate) struct World {
    pub(crate) cloud: FakeCloud,
    pub(crate) clock: Arc<Moved>,
    pub(crate) files: TempDir,
}

/// How a provider is started.
#[derive(Clone, Default)]
pub(crate) struct Setup {
    pub(crate) arguments: Vec<String>,
    pub(crate) variables: Vec<(&'static str, String)>,
}

impl Setup {
    pub(crate) fn argument(mut self, argument: impl Into<String>) -> Self {
        self.arguments.push(argument.into());
        self
    }

    pub(crate) fn variable(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.variables.push((name, value.into()));
        self
    }
}

impl World {
    pub(crate) fn new() -> Self {
        let cloud = FakeCloud::start().expect("fake cloud");
        let files = tempfile::tempdir().expect("directory");
        let world = Self {
            cloud,
            clock: Arc::new(Moved(AtomicI64::new(0), AtomicI64::new(0))),
            files,
        };
        fs::create_dir(world.path("kubernetes")).expect("directory");
        world
            .cloud
            .write_ca(&world.path("kubernetes/ca.crt"))
            .expect("CA");
        world.put("kubernetes/token", "fake-cloud-provider-token\n");
        world
    }

    pub(crate) fn path(&self, name: &str) -> std::path::PathBuf {
        self.files.path().join(name)
    }

    /// Replaces a file as kubelet does.
    pub(crate) fn put(&self, name: &str, text: &str) {
        let next = self.path("next");
        fs::write(&next, text).expect("file");
        fs::rename(next, self.path(name)).expect("rename");
    }

    /// A provider without an identity of its own, in the cluster and in the cloud.
    pub(crate) fn nobody(&self) -> Setup {
        let url = self.cloud.http_url();
        let copies = Setup::default().argument("--refresh-interval=0s");
        let setup = ["kms", "oos", "sts", "metadata"]
            .iter()
            .fold(copies, |setup, service| {
                setup.argument(format!("--{service}-endpoint={url}"))
            });
        setup
            .argument(format!(
                "--service-account-dir={}",
                self.path("kubernetes").display()
            ))
            .variable("KUBERNETES_SERVICE_HOST", "127.0.0.1")
            .variable(
                "KUBERNETES_SERVICE_PORT",
                self.cloud.https_address().port().to_string(),
            )
    }

    /// One that knows the cluster's OIDC provider, and so may read as its pods.
    pub(crate) fn for_pods(&self) -> Setup {
        self.nobody()
            .variable("ALICLOUD_OIDC_PROVIDER_ARN", OIDC_PROVIDER)
    }

    pub(crate) fn start(&self, setup: &Setup) -> Provider {
        let config = config(setup).unwrap_or_else(|error| panic!("{error}"));
        let clock: Arc<dyn Clock> = Arc::clone(&self.clock) as _;
        let metrics = Metrics::new();
        Provider {
            mounter: Arc::new(provider::mounter(config, &clock, &metrics)),
            clock,
            metrics,
        }
    }

    /// Time passes, for the provider and for the cloud.
    pub(crate) fn pass(&self, seconds: i64) {
        let passed = self.clock.0.fetch_add(seconds, Ordering::SeqCst) + seconds;
        self.cloud
            .set_clock_offset(jiff::SignedDuration::from_secs(passed));
    }

    /// The same while the machine sleeps, so that its monotonic clock stands still.
    pub(crate) fn sleep(&self, seconds: i64) {
        self.clock.1.fetch_add(seconds, Ordering::SeqCst);
        self.pass(seconds);
    }

    pub(crate) fn token(&self, namespace: &str, account: &str) -> String {
        self.cloud.mint_token(
            namespace,
            account,
            "sts.aliyuncs.com",
            jiff::SignedDuration::from_secs(600),
        )
    }

    /// A volume of a pod with the identity of its ServiceAccount, as kubelet and driver send it.
    pub(crate) fn pod(&self, namespace: &str, account: &str, objects: &str) -> Volume {
        let token = self.token(namespace, account);
        with_tokens(
            volume(namespace, account, objects),
            &[("sts.aliyuncs.com", &token)],
        )
    }

    /// Gives a ServiceAccount of namespace `rrsa-demo` a role.
    pub(crate) fn annotate(&self, account: &str, role: &str) {
        self.cloud.with_state(|state| {
            let accounts = state
                .kubernetes
                .service_accounts
                .entry("rrsa-demo".to_owned())
                .or_default();
            accounts
                .entry(account.to_owned())
                .or_default()
                .annotations
                .insert("ack.alibabacloud.com/role-arn".to_owned(), role.to_owned());
        });
    }

    pub(crate) fn asked(&self, service: Service) -> Vec<RequestRecord> {
        self.cloud.requests_of(service)
    }

    /// The ARNs of those who read values, each once.
    pub(crate) fn readers(&self) -> Vec<String> {
        let reads = [self.asked(Service::Kms), self.asked(Service::Oos)].concat();
        let mut readers: Vec<String> = reads.into_iter().filter_map(|read| read.identity).collect();
        readers.sort();
        readers.dedup();
        readers
    }
}

pub(crate) fn config(setup: &Setup) -> Result<Config, String> {
    let variables: Vec<(&'static str, &str)> = setup
        .variables
        .iter()
        .map(|(name, value)| (*name, value.as_str()))
        .collect();
    match config::parse(setup.arguments.iter().map(OsString::from), &variables.as_slice()) {
        Ok(Command::Serve(config)) => Ok(*config),
        Ok(_) => panic!("not a configuration to serve with"),
        Err(error) => Err(error.to_string()),
    }
}

pub(crate) fn volume(namespace: &str, account: &str, objects: &str) -> Volume {
    let mut volume = Volume::new([("objects", objects), ("region", "cn-hangzhou")]);
    volume.namespace = namespace.to_owned();
    volume.service_account = account.to_owned();
    volume.pod = format!("{account}-0");
    volume
}

/// The volume of a pod whose class asks for its identity, with tokens by audience.
pub(crate) fn with_tokens(mut volume: Volume, tokens: &[(&str, &str)]) -> Volume {
    let tokens: BTreeMap<&str, _> = tokens
        .iter()
        .map(|(audience, token)| {
            let token = serde_json::json!({ "token": token, "expirationTimestamp": "2099-01-01T00:00:00Z" });
            (*audience, token)
        })
        .collect();
    let tokens = serde_json::to_string(&tokens).expect("JSON");
    volume
        .parameters
        .insert("usePodServiceAccountToken".to_owned(), "true".to_owned());
    volume.parameters.insert(TOKENS.to_owned(), tokens);
    volume
}

/// What answers Mounts.
#[derive(Clone)]
pub(crate) struct Provider {
    pub(crate) mounter: Arc<Mounter>,
    clock: Arc<dyn Clock>,
    pub(crate) metrics: Metrics,
}

impl Provider {
    /// One Mount: the files' contents by path.
    pub(crate) fn mount(&self, volume: &Volume) -> Result<BTreeMap<String, String>, Status> {
        self.mount_within(volume, Duration::from_secs(60))
    }

    /// The same, for a caller who waits so long.
    pub(crate) fn mount_within(
        &self,
        volume: &Volume,
        time: Duration,
    ) -> Result<BTreeMap<String, String>, Status> {
        self.mount_request(volume.request(), time)
    }

    /// The same, as other clients than the driver ask for it.
    pub(crate) fn mount_request(
        &self,
        request: harness::driver::MountRequest,
        time: Duration,
    ) -> Result<BTreeMap<String, String>, Status> {
        let request = MountRequest {
            attributes: request.attributes,
            secrets: request.secrets,
            target_path: request.target_path,
            permission: request.permission,
            current_object_version: Vec::new(),
        };
        let deadline = self.clock.now() + time;
        let call = CallContext::new(deadline, Cancellation::new());
        let response = self.mounter.mount(&request, &call)?;
        let response = MountResponse::decode(response.expose()).expect("a response");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Ok(response
            .files
            .iter()
            .map(|file| (file.path.clone(), text(&file.contents)))
            .collect())
    }

    pub(crate) fn reads(&self, volume: &Volume) -> BTreeMap<String, String> {
        self.mount(volume)
            .unwrap_or_else(|status| panic!("{}", status.message))
    }

    /// A Mount that fails for want of an identity; its message.
    pub(crate) fn refuses(&self, volume: &Volume) -> String {
        let status = self.mount(volume).expect_err("no identity");
        assert_eq!(status.code, Code::Unauthenticated, "{}", status.message);
        status.message
    }
}

/// What differs from run to run, replaced.
pub(crate) fn settled(message: &str, world: &World) -> String {
    let mut text = message.replace(&world.files.path().display().to_string(), "FILES");
    for port in [
        world.cloud.http_address().port(),
        world.cloud.https_address().port(),
    ] {
        text = text.replace(&format!(":{port}"), ":PORT");
    }
    for mark in ["request id ", "(mount "] {
        let mut parts = text.split(mark);
        let mut masked = parts.next().unwrap_or_default().to_owned();
        for part in parts {
            masked.push_str(mark);
            masked.push_str("ID");
            masked.push_str(part.trim_start_matches(|c: char| c.is_ascii_alphanumeric() || c == '-'));
        }
        text = masked;
    }
    text
}
