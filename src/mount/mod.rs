//! One Mount: parameters, credentials, values, files. All or nothing.
//!
//! A straight line. Everything is validated before anything is asked; one failed object fails the call.

mod access;
mod error;
mod journal;
mod region;
mod response;

use std::sync::Arc;

pub use access::PolicyFile;
pub use error::Error;
pub use journal::Journal;
pub use region::NodeRegion;

use crate::access::Identity;
use crate::auth;
use crate::clock::Clock;
use crate::cloud::{Endpoint, EndpointTemplate, Value};
use crate::fetch::{Engine, Pull, Volume};
use crate::grpc::proto::MountRequest;
use crate::grpc::{Call, Status};
use crate::limits;
use crate::params::{self, Input, Object, Options, Plan, Service};
use crate::secret::Secret;

/// Answers Mounts.
pub struct Mounter {
    /// Where values come from.
    pub engine: Engine,
    /// As whom they are read.
    pub chain: auth::Chain,
    /// Who may read what, if that is restricted.
    pub policy: Option<Arc<PolicyFile>>,
    /// Where the services are.
    pub endpoints: Endpoints,
    /// The region of those who name none.
    pub region: NodeRegion,
    /// How strictly parameters are read.
    pub options: Options,
    /// Most bytes of one response, encoded.
    pub max_response_bytes: usize,
    /// Where the time comes from.
    pub clock: Arc<dyn Clock>,
    /// Where Mounts are logged.
    pub journal: Journal,
}

/// Where the services are.
#[derive(Clone, Debug)]
pub struct Endpoints {
    /// KMS.
    pub kms: EndpointTemplate,
    /// OOS.
    pub oos: EndpointTemplate,
}

impl Mounter {
    /// One Mount, from the request to the encoded `MountResponse`.
    ///
    /// # Errors
    /// A status that kubelet takes for final, with a message for the reader of the pod's events.
    pub fn mount(&self, request: &MountRequest, call: &Call) -> Result<Secret, Status> {
        let mut mount = self.journal.begin();
        let result = self.answer(request, call, &mut mount);
        if let Ok(response) = &result {
            self.journal.mounted(&mount, response.len());
        }
        result.map_err(|status| self.journal.failed(&mount, status))
    }

    fn answer(
        &self,
        request: &MountRequest,
        call: &Call,
        mount: &mut journal::Mount,
    ) -> Result<Secret, Status> {
        let input = Input {
            attributes: &request.attributes,
            permission: &request.permission,
        };
        let plan = match params::parse(&input, &self.options) {
            Ok(plan) => plan,
            Err(problems) => {
                mount.not_planned(&request.attributes);
                return Err(Error::Parameters(problems).status());
            }
        };
        mount.planned(&plan);
        for warning in &plan.warnings {
            self.journal.warn(mount, warning);
        }
        call.reserve(memory(&plan, self.max_response_bytes))?;
        let volume = Volume::new(&plan.pod.uid, &request.target_path);
        let response = self
            .fill(&plan, &request.secrets, volume.as_ref(), call, mount)
            .map_err(|error| error.status())?;
        if let Some(volume) = &volume
            && !call.cancellation.is_cancelled()
        {
            self.engine.mounted(volume);
        }
        Ok(response)
    }

    fn fill(
        &self,
        plan: &Plan,
        secrets: &str,
        volume: Option<&Volume>,
        call: &Call,
        mount: &mut journal::Mount,
    ) -> Result<Secret, Error> {
        let expected = expected_identity(plan, secrets)?;
        self.judge(plan, expected)?;
        if plan.pod_identity {
            return Err(Error::Auth(auth::Error::PodIdentityUnsupported));
        }
        if let Some(object) = plan.objects.iter().find(|object| object.cross_account.is_some()) {
            let object = object.describe();
            return Err(Error::Auth(auth::Error::CrossAccountUnsupported { object }));
        }
        let resolved = self
            .chain
            .resolve(secrets, call.deadline.saturating_duration_since(self.clock.now()))
            .map_err(Error::Auth)?;
        mount.read_as(resolved.source);
        if identity_of(resolved.source) != expected {
            self.judge(plan, identity_of(resolved.source))?;
        }
        let endpoints: Vec<Endpoint> = plan
            .objects
            .iter()
            .map(|object| self.endpoint(plan, object))
            .collect::<Result<_, _>>()?;
        let pulls: Vec<Pull<'_>> = plan
            .objects
            .iter()
            .zip(&endpoints)
            .map(|(object, endpoint)| Pull {
                service: object.service,
                name: &object.name,
                version: object.version.as_ref().map(ToString::to_string),
                stage: object.stage.as_deref(),
                endpoint,
                identity: &resolved,
            })
            .collect();
        let values = settle(plan, self.engine.fetch(&pulls, volume, call), resolved.source)?;
        let contents: Vec<Option<&Secret>> = values
            .iter()
            .map(|value| value.as_ref().map(|value| &value.contents))
            .collect();
        let files = plan.render(&contents).map_err(Error::Parameters)?;
        response::encode(&files, &values, self.max_response_bytes)
    }

    /// Whether the access policy lets the plan be carried out as `identity`.
    fn judge(&self, plan: &Plan, identity: Identity) -> Result<(), Error> {
        match &self.policy {
            Some(policy) => policy.judge(plan, identity, &self.region),
            None => Ok(()),
        }
    }

    fn endpoint(&self, plan: &Plan, object: &Object) -> Result<Endpoint, Error> {
        let invalid = |problem: String| Error::Endpoint {
            object: object.describe(),
            problem,
        };
        if let Some(endpoint) = &object.kms_endpoint {
            return Endpoint::kms(endpoint.as_str())
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

/// As whom the plan will be carried out, told before anybody is asked for credentials.
fn expected_identity(plan: &Plan, secrets: &str) -> Result<Identity, Error> {
    if auth::brings_pair(secrets).map_err(Error::Auth)? {
        Ok(Identity::NodePublishSecret)
    } else if plan.pod_identity {
        Ok(Identity::Pod)
    } else {
        Ok(Identity::Provider)
    }
}

fn identity_of(source: auth::Source) -> Identity {
    use auth::Source;
    match source {
        Source::NodePublishSecret => Identity::NodePublishSecret,
        Source::AccessKey | Source::AssumedRole | Source::OidcRole | Source::WorkerRole => Identity::Provider,
    }
}

/// All values, or all failures. An optional object may be missing.
fn settle(
    plan: &Plan,
    results: Vec<Result<Arc<Value>, crate::fetch::Error>>,
    source: auth::Source,
) -> Result<Vec<Option<Arc<Value>>>, Error> {
    let mut values = Vec::with_capacity(results.len());
    let mut failures = Vec::new();
    for (object, result) in plan.objects.iter().zip(results) {
        match result {
            Ok(value) => values.push(Some(value)),
            Err(error) if object.optional && error::is_not_found(&error) => values.push(None),
            Err(error) => failures.push((object.describe(), error)),
        }
    }
    if failures.is_empty() {
        Ok(values)
    } else {
        Err(Error::Fetch { failures, source })
    }
}

/// How many bytes of the memory budget a volume may need. Taken at once and before anything is fetched: Mounts that
/// took more as they went could wait for each other.
fn memory(plan: &Plan, max_response_bytes: usize) -> usize {
    let most = max_response_bytes.saturating_mul(limits::VOLUME_MEMORY_FACTOR);
    plan.objects
        .len()
        .saturating_mul(limits::FETCH_OBJECT_BYTES)
        .min(most)
}
