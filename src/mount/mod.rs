//! One Mount: parameters, credentials, values, files. All or nothing.
//!
//! A straight line. Everything is validated before anything is asked; one failed object fails the call.

mod error;
mod response;

use std::sync::Arc;

pub use error::Error;

use crate::auth;
use crate::clock::Clock;
use crate::cloud::{Endpoint, EndpointTemplate, NodeRegion, Value};
use crate::fetch::{Engine, Pull};
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
    /// Where the services are.
    pub endpoints: Endpoints,
    /// The region of those who name none.
    pub region: Arc<NodeRegion>,
    /// How strictly parameters are read.
    pub options: Options,
    /// Where the time comes from.
    pub clock: Arc<dyn Clock>,
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
        let input = Input {
            attributes: &request.attributes,
            permission: &request.permission,
        };
        let plan =
            params::parse(&input, &self.options).map_err(|problems| Error::Parameters(problems).status())?;
        for warning in &plan.warnings {
            log::warn!("{}: {warning}", volume(&plan));
        }
        call.reserve(memory(&plan))?;
        let result = self.fill(&plan, &request.secrets, call);
        match &result {
            Ok(response) => log::info!("{}: mounted, {} bytes", volume(&plan), response.len()),
            Err(error) => log::error!("{}: {error}", volume(&plan)),
        }
        result.map_err(|error| error.status())
    }

    fn fill(&self, plan: &Plan, secrets: &str, call: &Call) -> Result<Secret, Error> {
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
        let values = settle(plan, self.engine.fetch(&pulls, call), resolved.source)?;
        let contents: Vec<Option<&Secret>> = values
            .iter()
            .map(|value| value.as_ref().map(|value| &value.contents))
            .collect();
        let files = plan.render(&contents).map_err(Error::Parameters)?;
        response::encode(&files, &values)
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

/// All values, or all failures. An optional object may be missing.
fn settle(
    plan: &Plan,
    results: Vec<Result<Value, crate::fetch::Error>>,
    source: auth::Source,
) -> Result<Vec<Option<Value>>, Error> {
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
fn memory(plan: &Plan) -> usize {
    let most = 4 * limits::MOUNT_RESPONSE_BYTES;
    plan.objects
        .len()
        .saturating_mul(limits::FETCH_OBJECT_BYTES)
        .min(most)
}

/// The volume, as log lines name it.
fn volume(plan: &Plan) -> String {
    format!(
        "pod {}/{} class {}",
        plan.pod.namespace, plan.pod.name, plan.class_name
    )
}
