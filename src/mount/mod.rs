//! One mount: parameters, credentials, values, files. All or nothing.
//!
//! Everything is validated before the first network call; one failed object fails the mount.

mod advice;
mod error;
mod mount_log;
mod response;
mod stale;

use std::sync::Arc;

pub use advice::Asked;
pub use error::{Error, Failed};
pub use mount_log::MountLog;

use crate::auth::{self, ResolvedIdentity};
use crate::clock::Clock;
use crate::cloud::endpoint::AllowedHosts;
use crate::cloud::{Endpoint, EndpointTemplate, NodeRegion};
use crate::fetch::{self, Engine, Fetched, Pull, Volume};
use crate::grpc::Status;
use crate::grpc::proto::MountRequest;
use crate::limits;
use crate::metrics::Denial;
use crate::params::{self, Input, Object, Options, Plan, RenderedFile, Room, Service, Unrendered};
use crate::policy::{PolicyFile, Principal, Refusal, Verdict};
use crate::secret::Secret;
use crate::sync::{CallContext, Semaphore};
use stale::OldValues;

/// Handles `Mount` calls.
pub struct Mounter {
    /// Fetches values.
    pub engine: Engine,
    /// Resolves identities.
    pub chain: auth::Chain,
    /// The access policy, if one is configured.
    pub policy: Option<Arc<PolicyFile>>,
    /// Endpoints of the services.
    pub endpoints: Endpoints,
    /// Limits how many mounts parse parameters at once; a permit is held until memory is reserved.
    pub parsing: Arc<Semaphore>,
    /// KMS endpoints that a class may name.
    pub allowed_hosts: AllowedHosts,
    /// Region of objects whose class sets none.
    pub region: Arc<NodeRegion>,
    /// Options of the parameter parser.
    pub options: Options,
    /// Maximum size of an encoded response, in bytes.
    pub max_response_bytes: usize,
    /// Source of time.
    pub clock: Arc<dyn Clock>,
    /// Log of mounts.
    pub log: MountLog,
}

/// Endpoint templates of the services.
#[derive(Clone, Debug)]
pub struct Endpoints {
    /// KMS.
    pub kms: EndpointTemplate,
    /// OOS.
    pub oos: EndpointTemplate,
}

impl Mounter {
    /// Handles one mount, from the request to the encoded `MountResponse`.
    ///
    /// # Errors
    /// A status that kubelet treats as final, with a message for the pod event.
    pub fn mount(&self, request: &MountRequest, call: &CallContext) -> Result<Secret, Status> {
        let mut mount = self.log.begin();
        let result = self.answer(request, call, &mut mount);
        if let Ok(response) = &result {
            self.log.mounted(&mount, response.len());
        }
        result.map_err(|error| self.log.failed(&mount, error.status()))
    }

    fn answer(
        &self,
        request: &MountRequest,
        call: &CallContext,
        mount: &mut mount_log::Record,
    ) -> Result<Secret, Error> {
        let input = Input {
            attributes: &request.attributes,
            permission: &request.permission,
        };
        let time = call.deadline.saturating_duration_since(self.clock.now());
        let permit = self.parsing.acquire(time).ok_or(Error::Crowded)?;
        let plan = match params::parse(&input, &self.options) {
            Ok(plan) => plan,
            Err(problems) => {
                mount.not_planned(&request.attributes);
                return Err(Error::Parameters(problems));
            }
        };
        mount.planned(&plan);
        for warning in &plan.warnings {
            self.log.warn(mount, warning);
        }
        let bytes = self.usual_memory(&plan).saturating_add(plan.memory());
        let bytes = bytes.min(self.most_memory());
        call.reserve_before(bytes, limits::MEMORY_MARGIN)
            .map_err(Error::Memory)?;
        drop(permit); // held until memory for the plan is reserved
        let volume = Volume::new(&plan.pod, &request.target_path, &plan.parameters);
        let response = self.fill(&plan, &request.secrets, volume.as_ref(), call, mount)?;
        if let Some(volume) = &volume
            && !call.cancellation.is_cancelled()
        {
            self.engine.mounted(volume);
        }
        let bytes = response.len();
        if bytes > limits::MOUNT_RESPONSE_WARN_BYTES {
            let large = format_args!(
                "the volume has {bytes} bytes: above 1 MiB the driver cannot sync it into a Kubernetes Secret"
            );
            self.log.warn(mount, &large);
        }
        Ok(response)
    }

    fn fill(
        &self,
        plan: &Plan,
        secrets: &str,
        volume: Option<&Volume>,
        call: &CallContext,
        mount: &mut mount_log::Record,
    ) -> Result<Secret, Error> {
        let brings_pair = auth::brings_pair(secrets).ok();
        if let Some(expected) = expected_identity(plan, brings_pair) {
            self.judge(plan, expected)?;
        }
        let endpoints = plan.objects.iter().map(|object| self.endpoint(plan, object));
        let endpoints: Vec<Endpoint> = endpoints.collect::<Result<_, _>>()?;
        let identities = self.identities(plan, secrets, brings_pair, call, mount)?;
        let pulls: Vec<Pull<'_>> = plan
            .objects
            .iter()
            .zip(&endpoints)
            .zip(&identities.of_objects)
            .map(|((object, endpoint), identity)| Pull {
                service: object.service,
                name: &object.name,
                version: object.version.as_ref().map(ToString::to_string),
                stage: stage(object),
                endpoint,
                is_class_endpoint: object.kms_endpoint.is_some()
                    || object.region.is_some()
                    || plan.region.is_some(),
                identity,
            })
            .collect();
        let fetched = settle(plan, self.engine.fetch(&pulls, volume, call), &identities)?;
        let old = OldValues::among(plan, &fetched, &identities.of_objects);
        let values = || fetched.iter().map(|it| Some(&*it.as_ref()?.value));
        let contents: Vec<Option<&Secret>> = values().map(|value| Some(&value?.contents)).collect();
        let files = self.render(plan, &contents, call)?;
        let versions: Vec<Option<String>> = values().map(|value| Some(value?.version.clone())).collect();
        drop(fetched); // the files and the response need the memory
        let response = response::encode(&files, &versions, self.max_response_bytes)?;
        if let Some(old) = old {
            self.log.warn(mount, &old);
            mount.stale = (old.services.len(), old.age);
            for service in old.services {
                self.engine.served_stale(service);
            }
        }
        Ok(response)
    }

    /// Renders the files within the reserved memory. A plan that needs more, because a value becomes several files or
    /// an expression builds large results, first reserves as much as a volume of full size.
    fn render(
        &self,
        plan: &Plan,
        values: &[Option<&Secret>],
        call: &CallContext,
    ) -> Result<Vec<RenderedFile>, Error> {
        let taken = self.usual_memory(plan);
        let whole = self.most_memory();
        if taken < whole {
            let each = taken / limits::VOLUME_MEMORY_FACTOR;
            let room = Room {
                files: each,
                evaluation: each,
            };
            match plan.render_within(values, room) {
                Ok(files) => return Ok(files),
                Err(Unrendered::Problems(problems)) => return Err(Error::Parameters(problems)),
                Err(Unrendered::NoRoom) => {}
            }
            let held: usize = values.iter().flatten().map(|value| value.len()).sum();
            let until = self.clock.now() + limits::GROWTH_PATIENCE;
            call.exchange(taken.saturating_sub(held), whole.saturating_sub(held), until)
                .map_err(Error::Memory)?;
        }
        plan.render(values).map_err(Error::Parameters)
    }

    /// Memory that a volume usually needs, in bytes. Reserved at once and before anything is fetched, because mounts
    /// that reserve step by step could wait for each other.
    fn usual_memory(&self, plan: &Plan) -> usize {
        let bytes = plan.objects.len().saturating_mul(limits::FETCH_OBJECT_BYTES);
        bytes.min(self.most_memory())
    }

    /// The most memory that a volume may need, in bytes.
    fn most_memory(&self) -> usize {
        self.max_response_bytes
            .saturating_mul(limits::VOLUME_MEMORY_FACTOR)
    }

    /// The identity of each object, or all failures together. An identity without credentials is accepted if cached
    /// values may be served during an outage.
    fn identities(
        &self,
        plan: &Plan,
        secrets: &str,
        brings_pair: Option<bool>,
        call: &CallContext,
        mount: &mut mount_log::Record,
    ) -> Result<Identities, Error> {
        let mut deadline = call.deadline;
        if self.engine.serves_stale() {
            // Leaves time to serve cached values after a timeout.
            deadline = deadline.checked_sub(limits::FETCH_MARGIN).unwrap_or(deadline);
        }
        let remaining = || deadline.saturating_duration_since(self.clock.now());
        let request = auth::Request {
            pod: &plan.pod,
            pod_identity: plan.pod_identity,
            tokens: plan.tokens.as_ref(),
            secrets,
        };
        let base = self.chain.identify(&request, remaining()).map_err(Error::Auth)?;
        if let (false, Some(failure)) = (self.admits(&base), base.failure()) {
            return Err(Error::Auth(failure));
        }
        mount.source = Some(base.source);
        if base.source == auth::Source::Pod && brings_pair != Some(false) {
            self.log.warn(mount, &BOTH_IDENTITIES);
        }
        let identity = identity_of(base.source);
        if expected_identity(plan, brings_pair) != Some(identity) {
            self.judge(plan, identity)?;
        }
        let mut of_objects = Vec::with_capacity(plan.objects.len());
        let mut failures = Vec::new();
        let resolved = self
            .chain
            .for_objects(&base, &plan.objects, &plan.pod, &remaining);
        for (object, identity) in plan.objects.iter().zip(resolved) {
            let is_admitted = |it: &ResolvedIdentity| object.cross_account.is_none() || self.admits(it);
            match identity.and_then(|it| if is_admitted(&it) { Ok(it) } else { it.usable() }) {
                Ok(identity) => of_objects.push(identity),
                Err(error) => failures.push(Failed {
                    object: object.describe(),
                    asked: Asked::new(object, &base),
                    error: fetch::Error::Auth(error),
                }),
            }
        }
        if failures.is_empty() {
            Ok(Identities { base, of_objects })
        } else {
            Err(not_obtained(failures, &base))
        }
    }

    /// Whether objects can be read as `whom`: it has credentials, or STS is unavailable and cached values may be
    /// served. Cached values of a rejected identity are dropped.
    fn admits(&self, whom: &ResolvedIdentity) -> bool {
        if whom.is_refused {
            self.engine.refused(&whom.identity);
        }
        match &whom.credentials {
            Ok(_) => true,
            Err(error) => error.is_outage() && self.engine.serves_stale(),
        }
    }

    /// Checks the plan against the access policy, for `identity`.
    fn judge(&self, plan: &Plan, identity: Principal) -> Result<(), Error> {
        let Some(policy) = &self.policy else {
            return Ok(());
        };
        let judged = policy.judge(plan, identity, || self.region.resolve());
        match &judged {
            Err(Refusal::Rules { .. }) => self.log.denied(Denial::Rules),
            Err(Refusal::NoPolicy(_)) => self.log.denied(Denial::NoPolicy),
            _ => {}
        }
        judged.map_err(Error::from)
    }

    /// The access policy's verdict on each object of a plan for `identity`, worded as in a mount; `None` if the plan
    /// is exempt or there is no policy.
    ///
    /// # Errors
    /// The configured policy cannot be read, or it depends on the region and the region is unknown.
    pub(crate) fn verdicts(&self, plan: &Plan, identity: Principal) -> Result<Option<Vec<Verdict>>, Error> {
        match &self.policy {
            Some(policy) => Ok(policy.verdicts(plan, identity, || self.region.resolve())?),
            None => Ok(None),
        }
    }

    /// The identity of a plan without `nodePublishSecretRef`, given the resolved identity if there is one.
    pub(crate) fn identity_for(plan: &Plan, base: Option<&ResolvedIdentity>) -> Principal {
        match base {
            Some(base) => identity_of(base.source),
            None if plan.pod_identity => Principal::Pod,
            None => Principal::Provider,
        }
    }

    /// The endpoint to read an object from.
    pub(crate) fn endpoint(&self, plan: &Plan, object: &Object) -> Result<Endpoint, Error> {
        let invalid = |problem: String| Error::Endpoint {
            object: object.describe(),
            problem,
        };
        if let Some(endpoint) = &object.kms_endpoint {
            return self
                .allowed_hosts
                .endpoint(endpoint.as_str())
                .map_err(|error| invalid(format!("kmsEndpoint: {error}")));
        }
        let region = match object.region.as_ref().or(plan.region.as_ref()) {
            Some(region) => region.clone(),
            None => self.region.resolve().map_err(Error::Region)?,
        };
        let template = match object.service {
            Service::Kms => &self.endpoints.kms,
            Service::Oos => &self.endpoints.oos,
        };
        template
            .in_region(region.as_str())
            .map_err(|error| invalid(error.to_string()))
    }
}

/// The stage to request. The default stage is left out: however a class names the current version of a secret, it is
/// one call, and all of its files have the same version.
fn stage(object: &Object) -> Option<&str> {
    let stage = object.stage.as_deref();
    stage.filter(|stage| *stage != DEFAULT_STAGE || object.version.is_some())
}

/// The stage that KMS returns if a request names none.
const DEFAULT_STAGE: &str = "ACSCurrent";

/// Warning about a pod that brings two identities, of which only one is used.
const BOTH_IDENTITIES: &str = "nodePublishSecretRef is not used because usePodServiceAccountToken is true: values are read as the pod's ServiceAccount; remove one of the two";

/// Identities that a volume is read with.
struct Identities {
    /// The pod's or the provider's.
    base: ResolvedIdentity,
    /// One per object: the base, or a role that the object names.
    of_objects: Vec<ResolvedIdentity>,
}

/// The identity that the plan will use, known before credentials are requested. `None` if the pod's Secret is
/// invalid: neither a pair nor empty.
fn expected_identity(plan: &Plan, brings_pair: Option<bool>) -> Option<Principal> {
    match brings_pair {
        _ if plan.pod_identity => Some(Principal::Pod),
        Some(true) => Some(Principal::NodePublishSecret),
        Some(false) => Some(Principal::Provider),
        None => None,
    }
}

fn identity_of(source: auth::Source) -> Principal {
    use auth::Source;
    match source {
        Source::NodePublishSecret => Principal::NodePublishSecret,
        Source::Pod => Principal::Pod,
        Source::AccessKey
        | Source::AssumedRole
        | Source::CrossAccount
        | Source::OidcRole
        | Source::WorkerRole => Principal::Provider,
    }
}

/// All values, or all failures. Optional objects may be missing.
fn settle(
    plan: &Plan,
    results: Vec<Result<Fetched, fetch::Error>>,
    identities: &Identities,
) -> Result<Vec<Option<Fetched>>, Error> {
    let mut values = Vec::with_capacity(results.len());
    let mut failures = Vec::new();
    let mut is_failed = false;
    for ((object, identity), result) in plan.objects.iter().zip(&identities.of_objects).zip(results) {
        let error = match result {
            Ok(value) => {
                // If the mount fails because of another object, the message also says why this value is old.
                let error = value.stale.as_ref().and_then(|stale| stale.error.clone());
                values.push(Some(value));
                error
            }
            Err(fetch::Error::TooMuch) => return Err(Error::TooMuch),
            Err(error) if object.optional && error::is_not_found(&error) => {
                values.push(None);
                None
            }
            Err(error) => {
                is_failed = true;
                Some(error)
            }
        };
        let Some(error) = error else { continue };
        let mut name = object.describe();
        if let (Some(_), Some(session)) = (&object.cross_account, &identity.session) {
            name.push_str(&format!(" (as {session})"));
        }
        failures.push(Failed {
            object: name,
            asked: Asked::new(object, identity),
            error,
        });
    }
    match identities.base.failure() {
        _ if !is_failed => Ok(values),
        Some(failure) => Err(Error::Auth(failure)),
        None => Err(not_obtained(failures, &identities.base)),
    }
}

fn not_obtained(failures: Vec<Failed>, base: &ResolvedIdentity) -> Error {
    Error::Fetch {
        failures,
        identity: base.whom(),
        skipped: base.skips().to_string(),
    }
}
