//! From a [`Config`] to a running provider, and back down again. `main` and the demo both come through here.

use std::fmt;
use std::io;
use std::sync::{Arc, Condvar, Mutex, PoisonError};

use crate::auth::{
    Chain, CredentialSource, CrossAccounts, OwnSource, PodIdentity, SecretHasher, Sessions, Sts,
};
use crate::clock::{Clock, SystemClock};
use crate::cloud::endpoint::is_kms_instance;
use crate::cloud::kubernetes::Kubernetes;
use crate::cloud::metadata::Metadata;
use crate::cloud::{Api, NodeRegion};
use crate::config::{Config, Identity, StsSetting};
use crate::entropy::Entropy;
use crate::entropy::SystemEntropy;
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
use crate::server::{self, BindError, Service, Settings};
use crate::sync::{CallContext, Semaphore};

/// The socket's name below the provider volume: the driver derives it from `provider: alibabacloud`.
pub const SOCKET_NAME: &str = "alibabacloud.sock";

/// Serves until `stop` says otherwise. The socket accepts connections before anything slow is done.
///
/// # Errors
/// Why the provider cannot start.
pub fn run(mut config: Config, stop: &Stop) -> Result<(), StartError> {
    let fitted = memory_limit::of_this_process().and_then(|limit| config.fit_memory(limit));
    config.warnings.extend(fitted);
    for warning in &config.warnings {
        log::warn!("{warning}");
    }
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let socket_path = config.provider_volume.join(SOCKET_NAME);
    let health = HealthServer::bind(&config.health).map_err(|error| StartError::Health {
        port: config.health.port,
        error,
    })?;
    let socket = server::bind(&socket_path).map_err(StartError::Socket)?;
    let settings = Settings {
        // Copies have their part for themselves, so that they never make a Mount wait.
        memory_budget: config
            .memory_budget
            .saturating_sub(config.fetch.copies_bytes)
            .saturating_sub(config.fetch.stale_bytes),
        ..Settings::default()
    };
    let grace = config.shutdown_grace;
    let metrics = Metrics::new();
    metrics.started(clock.wall().as_second());
    let policy = config
        .access_policy
        .clone()
        .map(|path| Arc::new(PolicyFile::new(path)));
    let readiness = readiness(&config.identity, policy.clone());
    let provider = Arc::new(Provider {
        mounter: mounter(config, policy, &clock, &metrics),
        clock: Arc::clone(&clock),
        metrics: metrics.clone(),
    });
    let handle = server::serve(socket, provider, clock, settings).map_err(StartError::Thread)?;
    let observed = Observed {
        server: handle.observer(),
        metrics,
        readiness,
    };
    health.spawn(observed).map_err(StartError::Thread)?;
    log::info!(
        "{} {} serves on {}",
        env!("CARGO_PKG_NAME"),
        env!("CARGO_PKG_VERSION"),
        socket_path.display()
    );
    stop.wait();
    log::info!("stopping: running Mounts have {} s", grace.as_secs());
    handle.shutdown(grace);
    log::info!("stopped");
    Ok(())
}

/// What the configuration names and every Mount as the provider itself will need.
fn readiness(identity: &Identity, policy: Option<Arc<PolicyFile>>) -> Readiness {
    let mut readiness = Readiness::new();
    if let (Some(_), Some(token)) = (&identity.role_arn, identity.token.clone()) {
        let check = move || token.check().map_err(|error| error.to_string());
        readiness = readiness.with(Box::new(check));
    }
    if let Some(policy) = policy {
        readiness = readiness.with(Box::new(move || policy.check()));
    }
    readiness
}

/// Everything that answers Mounts, as `config` and the access policy say.
pub fn mounter(
    config: Config,
    policy: Option<Arc<PolicyFile>>,
    clock: &Arc<dyn Clock>,
    metrics: &Metrics,
) -> Mounter {
    let entropy: Arc<dyn Entropy> = Arc::new(SystemEntropy::new());
    let pulls = config.fetch.kms.pulls.saturating_add(config.fetch.oos.pulls);
    let mut trust = Trust::roots(&config.roots);
    if let Some(file) = config.kms_ca {
        trust = trust.with_private(file, is_kms_instance);
    }
    let client = Client::new(trust, config.proxies.clone(), pulls);
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
    let kubernetes = Kubernetes::new(config.cluster.server, &config.cluster.credentials, config.proxies);
    let hasher = Arc::new(SecretHasher::new(&*entropy));
    Mounter {
        log: MountLog::new(Arc::clone(clock), Arc::clone(&entropy), metrics.clone()),
        policy,
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

/// What answers Mounts, for one that no driver asks for.
pub fn mounter_for(config: Config) -> Mounter {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let policy = config
        .access_policy
        .clone()
        .map(|path| Arc::new(PolicyFile::new(path)));
    mounter(config, policy, &clock, &Metrics::new())
}

/// The sources, each configured or with the reason why not.
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

/// The order to stop, from a signal or from whoever embeds the provider.
#[derive(Clone, Debug, Default)]
pub struct Stop(Arc<(Mutex<bool>, Condvar)>);

impl Stop {
    /// Not stopped.
    pub fn new() -> Self {
        Self::default()
    }

    /// Stops; later calls do nothing.
    pub fn stop(&self) {
        let (stopped, changed) = &*self.0;
        *stopped.lock().unwrap_or_else(PoisonError::into_inner) = true;
        changed.notify_all();
    }

    fn wait(&self) {
        let (stopped, changed) = &*self.0;
        let guard = stopped.lock().unwrap_or_else(PoisonError::into_inner);
        drop(changed.wait_while(guard, |stopped| !*stopped));
    }
}

/// Why the provider cannot start.
#[derive(Debug)]
pub enum StartError {
    /// The health port is not to be had.
    Health {
        /// The port.
        port: u16,
        /// Why not.
        error: io::Error,
    },
    /// The socket is not to be had.
    Socket(BindError),
    /// No thread is to be had.
    Thread(io::Error),
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Health { port, error } => {
                write!(
                    f,
                    "health port {port}: {error}; choose another with --healthz-port"
                )
            }
            Self::Socket(error) => error.fmt(f),
            Self::Thread(error) => write!(f, "cannot start a thread: {error}; raise the limit of processes"),
        }
    }
}

impl std::error::Error for StartError {}
