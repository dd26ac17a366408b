//! Starts and stops the provider that a [`Config`] describes, for `main` and the demo.

use std::error::Error;
use std::sync::{Arc, mpsc};

use crate::auth::{
    Chain, CredentialSource, CrossAccounts, OwnSource, PodIdentity, SecretHasher, Sessions, Sts,
};
use crate::clock::{Clock, SystemClock};
use crate::cloud::endpoint::is_kms_instance;
use crate::cloud::kubernetes::Kubernetes;
use crate::cloud::metadata::Metadata;
use crate::cloud::{Api, NodeRegion};
use crate::config::{Config, Identity, StsSetting};
use crate::entropy::{Entropy, SystemEntropy};
use crate::fetch::Engine;
use crate::grpc::Status;
use crate::grpc::proto::{MountRequest, VersionResponse};
use crate::health::{HealthServer, Observed, Readiness};
use crate::http::{Client, Trust};
use crate::limits;
use crate::metrics::Metrics;
use crate::mount::{MountLog, Mounter};
use crate::os::memory_limit;
use crate::policy::PolicyFile;
use crate::secret::Secret;
use crate::server::{self, Service, Settings};
use crate::sync::{CallContext, Cancellation, Semaphore};

/// The socket's name in the provider volume. The driver derives it from `provider: alibabacloud`.
pub const SOCKET_NAME: &str = "alibabacloud.sock";

/// Serves until `stop` is cancelled. The socket accepts connections before any slow step.
///
/// # Errors
/// Why the provider cannot start.
pub fn run(mut config: Config, stop: &Cancellation) -> Result<(), StartError> {
    let fitted = memory_limit::of_this_process().and_then(|limit| config.fit_memory(limit));
    config.warnings.extend(fitted);
    for warning in &config.warnings {
        log::warn!("{warning}");
    }
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let socket_path = config.provider_volume.join(SOCKET_NAME);
    let port = config.health.port;
    let health = HealthServer::bind(&config.health)
        .map_err(|error| format!("health port {port}: {error}; set another with --healthz-port"))?;
    let socket = server::bind(&socket_path)?;
    let settings = Settings {
        // Cached values have a reserved part, so that they never delay a mount.
        memory_budget: config
            .memory_budget
            .saturating_sub(config.fetch.copies_bytes)
            .saturating_sub(config.fetch.stale_bytes),
        ..Settings::default()
    };
    let grace = config.shutdown_grace;
    let metrics = Metrics::new();
    metrics.started(clock.wall().as_second());
    // Files that every mount with the provider's own identity needs.
    let mut readiness = Readiness::new();
    if let (Some(_), Some(token)) = (&config.identity.role_arn, config.identity.token.clone()) {
        let check = move || token.check().map_err(|error| error.to_string());
        readiness = readiness.with(Box::new(check));
    }
    let mounter = mounter(config, &clock, &metrics);
    if let Some(policy) = mounter.policy.clone() {
        readiness = readiness.with(Box::new(move || policy.check()));
    }
    let provider = Arc::new(Provider {
        mounter,
        clock: Arc::clone(&clock),
        metrics: metrics.clone(),
    });
    let no_thread = |error| format!("cannot start a thread: {error}; raise the process limit (podPidsLimit)");
    let handle = server::serve(socket, provider, clock, settings).map_err(no_thread)?;
    let observed = Observed {
        server: handle.observer(),
        metrics,
        readiness,
    };
    health.spawn(observed).map_err(no_thread)?;
    log::info!(
        "{} {} serves on {}",
        env!("CARGO_PKG_NAME"),
        env!("CARGO_PKG_VERSION"),
        socket_path.display()
    );
    let (sender, stopped) = mpsc::channel::<()>();
    stop.on_cancel(move || drop(sender));
    let _ = stopped.recv();
    log::info!("stopping: waiting up to {} s for running mounts", grace.as_secs());
    handle.shutdown(grace);
    log::info!("stopped");
    Ok(())
}

/// Why the provider cannot start.
pub type StartError = Box<dyn Error + Send + Sync>;

/// The mounter that `config` describes.
pub fn mounter(config: Config, clock: &Arc<dyn Clock>, metrics: &Metrics) -> Mounter {
    let entropy: Arc<dyn Entropy> = Arc::new(SystemEntropy::new());
    let pulls = config.fetch.kms.pulls.saturating_add(config.fetch.oos.pulls);
    let mut trust = Trust::roots(&config.roots);
    if let Some(file) = config.kms_ca {
        trust = trust.with_private(file, is_kms_instance);
    }
    let client = Client::new(trust, config.proxies.clone(), pulls, metrics.clone());
    let api = Api::new(
        client.clone(),
        Arc::clone(clock),
        Arc::clone(&entropy),
        metrics.clone(),
    );
    let hardened_only = config.hardened_metadata_only;
    let (clocked, counted) = (Arc::clone(clock), metrics.clone());
    let metadata = Arc::new(Metadata::new(
        client,
        config.metadata,
        clocked,
        hardened_only,
        counted,
    ));
    let asked = config.identity.worker_role.then(|| Arc::clone(&metadata));
    let region = Arc::new(NodeRegion::new(config.region, asked, Arc::clone(clock)));
    let sts = match config.sts {
        StsSetting::Fixed { endpoint, setting } => Sts::Fixed { endpoint, setting },
        StsSetting::Regional { vpc } => Sts::Regional {
            node: Arc::clone(&region),
            vpc,
        },
    };
    let sessions = Arc::new(Sessions::new(
        api.clone(),
        sts,
        Arc::clone(clock),
        config.identity.session_name.clone(),
        config.identity.duration_seconds,
    ));
    let kubernetes = Kubernetes::new(
        config.cluster.server,
        &config.cluster.credentials,
        config.proxies,
        metrics.clone(),
    );
    let hasher = Arc::new(SecretHasher::new(&*entropy));
    Mounter {
        log: MountLog::new(Arc::clone(clock), Arc::clone(&entropy), metrics.clone()),
        policy: config.access_policy.map(|path| Arc::new(PolicyFile::new(path))),
        chain: chain(config.identity, sessions, kubernetes, &metadata, hasher),
        parsing: Semaphore::new(limits::PARSERS),
        engine: Engine::new(api, Arc::clone(clock), entropy, &config.fetch),
        endpoints: config.endpoints,
        allowed_hosts: config.allowed_hosts,
        region,
        options: config.options,
        max_response_bytes: config.max_response_bytes,
        clock: Arc::clone(clock),
    }
}

/// A mounter for commands that run without a driver.
pub fn mounter_for(config: Config) -> Mounter {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    mounter(config, &clock, &Metrics::new())
}

/// Each credential source, or why it is not configured.
fn chain(
    identity: Identity,
    sessions: Arc<Sessions>,
    kubernetes: Kubernetes,
    metadata: &Arc<Metadata>,
    hasher: Arc<SecretHasher>,
) -> Chain {
    let provider_arn = identity.token.as_ref().map(|token| token.provider_arn.clone());
    let oidc_role = match (&identity.role_arn, identity.token) {
        (Some(role), Some(token)) => Ok(CredentialSource::oidc_role(role.clone(), token, &sessions)),
        (Some(_), None) => Err("ALICLOUD_OIDC_PROVIDER_ARN is not set"),
        (None, _) => Err("ALICLOUD_ROLE_ARN is not set"),
    };
    let assumed_role = match (identity.role_arn, &identity.access_key) {
        (Some(role), Some(pair)) => Ok(OwnSource::AssumedRole(role, pair.clone())),
        (None, _) => Err("ALICLOUD_ROLE_ARN is not set"),
        (Some(_), None) => Err("ACCESS_KEY_ID is not set"),
    };
    let access_key = identity.access_key.map(OwnSource::AccessKey);
    let worker_role = if identity.worker_role {
        let name = identity.worker_role_name;
        Ok(CredentialSource::worker_role(
            Arc::clone(metadata),
            name,
            &sessions,
        ))
    } else {
        Err("ALIBABA_CLOUD_ECS_METADATA_DISABLED is true")
    };
    Chain {
        hasher,
        fallback: identity.fallback,
        pod: PodIdentity::new(provider_arn, kubernetes, Arc::clone(&sessions)),
        oidc_role: oidc_role.map(OwnSource::Role),
        assumed_role,
        access_key: access_key.ok_or("ACCESS_KEY_ID is not set"),
        worker_role: worker_role.map(OwnSource::Role),
        cross_accounts: CrossAccounts::new(sessions),
    }
}

struct Provider {
    mounter: Mounter,
    clock: Arc<dyn Clock>,
    metrics: Metrics,
}

impl Service for Provider {
    fn version(&self) -> VersionResponse {
        VersionResponse {
            version: "v1alpha1".to_owned(),
            runtime_name: env!("CARGO_PKG_NAME").to_owned(),
            runtime_version: env!("CARGO_PKG_VERSION").to_owned(),
        }
    }

    fn mount(&self, request: MountRequest, call: &CallContext) -> Result<Secret, Status> {
        let _running = self.metrics.mount_begins();
        let began = self.clock.now();
        let result = self.mounter.mount(&request, call);
        let elapsed = self.clock.now().saturating_duration_since(began);
        self.metrics.mount_took(result.is_ok(), elapsed);
        result
    }
}
