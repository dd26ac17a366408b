//! One request through the cloud: route, authenticate, strike with faults, perform, log.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::json;

use crate::api::{self, Call, metadata};
use crate::clock::{self, Clock};
use crate::error::{ApiError, Dialect};
use crate::fault::{CutPoint, Fault, Faults, Subject};
use crate::http::message::{Delivery, Request, Response};
use crate::http::server::Handler;
use crate::http::tls::{CertificateFault, CertificatePolicy};
use crate::ids::Ids;
use crate::log::{Log, RequestRecord, recordable};
use crate::route::{Route, Style, route};
use crate::service::Service;
use crate::sign;
use crate::sign::nonce::Nonces;
use crate::state::State;
use crate::state::identity::{Credential, Identity};

/// Everything behind the sockets.
#[derive(Debug)]
pub struct Gateway {
    /// The cloud's clock.
    pub clock: Clock,
    /// The source of identifiers.
    pub ids: Ids,
    /// What it knows.
    pub world: Mutex<World>,
    /// What goes wrong.
    pub faults: Faults,
    /// What happened.
    pub log: Log,
}

/// The state, and what the running cloud has issued or used up.
#[derive(Debug)]
pub struct World {
    /// What the state file described.
    pub state: State,
    /// Temporary credentials by AccessKey id.
    pub issued: HashMap<String, Credential>,
    nonces: Nonces,
    metadata_tokens: HashMap<String, Timestamp>,
}

impl World {
    /// A world that has issued nothing yet.
    pub fn new(state: State) -> Self {
        Self {
            state,
            issued: HashMap::new(),
            nonces: Nonces::default(),
            metadata_tokens: HashMap::new(),
        }
    }
}

/// An answer and, for the log, its error code.
struct Answer {
    response: Response,
    code: Option<String>,
}

/// The faults that struck a request, sorted by when they take effect.
#[derive(Default)]
struct Strikes {
    instead: Option<Fault>,
    delivery: Option<CutPoint>,
}

impl Handler for Gateway {
    fn handle(&self, request: Request) -> (Response, Delivery) {
        let arrived = clock::monotonic();
        let now = self.clock.now();
        let route = route(&request);
        let request_id = self.ids.request_id();
        let number = self.log.open(RequestRecord {
            number: 0,
            time: now,
            connection: request.connection,
            tls: request.tls,
            method: request.method.clone(),
            host: request.host(),
            service: route.service,
            action: route.action.clone(),
            name: route.name().map(String::from),
            parameters: recordable(&route.params),
            identity: None,
            request_id: request_id.clone(),
            status: None,
            code: None,
            latency: Duration::ZERO,
            faults: Vec::new(),
        });
        let identity = self.identity(&request, &route, now);
        let strikes = self.strike(number, &route, identity.as_ref().ok().and_then(Option::as_ref));
        let answer = match strikes.instead {
            Some(fault) => stand_in(&fault, &route, &request, &request_id),
            None => self.answer(&request, &route, identity, now, &request_id),
        };
        let delivery = match strikes.delivery {
            None => Delivery::Whole,
            Some(CutPoint::BeforeHead) => Delivery::CutBeforeHead,
            Some(CutPoint::BeforeBody) => Delivery::CutBeforeBody,
            Some(CutPoint::InsideBody) => Delivery::CutInsideBody(answer.response.body.len() / 2),
            Some(CutPoint::AfterBody) => Delivery::CutAfterBody,
        };
        self.log.update(number, |record| {
            record.status = Some(answer.response.status);
            record.code = answer.code;
            record.latency = clock::monotonic().duration_since(arrived);
        });
        (answer.response, delivery)
    }

    fn date(&self) -> String {
        self.clock.now().strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()
    }
}

impl CertificatePolicy for Gateway {
    fn fault(&self, _host: Option<&str>) -> Option<CertificateFault> {
        None
    }
}

impl Gateway {
    /// The caller; none for services that have no signatures.
    fn identity(
        &self,
        request: &Request,
        route: &Route,
        now: Timestamp,
    ) -> Result<Option<Identity>, ApiError> {
        if let Some(refusal) = &route.refusal {
            return Err(refusal.clone());
        }
        let (claims, signature): (_, fn(&str, &str) -> String) = match route.style {
            None => return Ok(None),
            Some(Style::V3) => (sign::v3::claims(request)?, sign::v3::signature),
            Some(Style::Rpc) => (
                sign::rpc::claims(&request.method, &route.params)?,
                sign::rpc::signature,
            ),
        };
        let mut world = self.world();
        let credential = world.state.credential(&claims.key_id, &world.issued);
        sign::verify(&claims, credential.as_ref(), &mut world.nonces, now, signature).map(Some)
    }

    /// Finds the faults for a request, waits as they say, and returns what is left to do.
    fn strike(&self, number: u64, route: &Route, identity: Option<&Identity>) -> Strikes {
        let arn = identity.map(Identity::arn);
        let struck = self.faults.strike(&Subject {
            service: route.service,
            action: Some(&route.action),
            name: route.name(),
            identity: arn.as_deref(),
        });
        self.log.update(number, |record| {
            record.identity = arn.clone();
            record.faults = struck.iter().map(|(id, ..)| *id).collect();
        });
        let mut strikes = Strikes::default();
        for (id, fault, chance) in struck {
            match fault {
                Fault::Error { .. } | Fault::Answer { .. } => {
                    strikes.instead = strikes.instead.or(Some(fault));
                }
                Fault::Cut(point) => strikes.delivery = strikes.delivery.or(Some(point)),
                Fault::Hold => self.faults.hold(id),
                Fault::Delay { ms, jitter_ms } => {
                    let jitter = Duration::from_millis(jitter_ms).mul_f64(chance);
                    thread::sleep(Duration::from_millis(ms) + jitter);
                }
            }
        }
        strikes
    }

    fn answer(
        &self,
        request: &Request,
        route: &Route,
        identity: Result<Option<Identity>, ApiError>,
        now: Timestamp,
        request_id: &str,
    ) -> Answer {
        let mut world = self.world();
        let World {
            state,
            metadata_tokens,
            ..
        } = &mut *world;
        let outcome = match (route.service, identity) {
            (_, Err(error)) => Err(error),
            (Service::Metadata, Ok(_)) => {
                let response = metadata::answer(state, metadata_tokens, request, now, &self.ids);
                return Answer { response, code: None };
            }
            (service, Ok(Some(identity))) => {
                let host = request.host();
                let fallback = state.region.clone();
                let region = route.region(&host, &fallback);
                let call = Call {
                    action: &route.action,
                    params: &route.params,
                    identity: &identity,
                    region,
                    now,
                    ids: &self.ids,
                };
                api::perform(state, service, &call)
            }
            (_, Ok(None)) => Err(api::not_modelled()),
        };
        match outcome {
            Ok(mut body) => {
                body["RequestId"] = json!(request_id);
                let response = Response::json(200, &body).with("x-acs-request-id", request_id);
                Answer { response, code: None }
            }
            Err(error) => refuse(&error, route.service, request, request_id),
        }
    }

    /// The world, locked.
    pub fn world(&self) -> std::sync::MutexGuard<'_, World> {
        self.world
            .lock()
            .expect("no code panics while it holds the world")
    }
}

/// What a fault puts in the place of the real answer.
fn stand_in(fault: &Fault, route: &Route, request: &Request, request_id: &str) -> Answer {
    match fault {
        Fault::Error {
            status,
            code,
            message,
            dialect,
        } => {
            let own = if route.service == Service::Kms {
                Dialect::Backend
            } else {
                Dialect::Gateway
            };
            let error = ApiError {
                dialect: dialect.unwrap_or(own),
                ..ApiError::gateway(*status, code.clone(), message.clone())
            };
            refuse(&error, route.service, request, request_id)
        }
        Fault::Answer {
            status,
            content_type,
            body,
        } => Answer {
            response: Response::new(*status, content_type, body.as_str()),
            code: None,
        },
        Fault::Delay { .. } | Fault::Hold | Fault::Cut(_) => {
            unreachable!("only faults that replace the answer")
        }
    }
}

fn refuse(error: &ApiError, service: Service, request: &Request, request_id: &str) -> Answer {
    let response = error
        .response(service, &request.host(), request_id)
        .with("x-acs-request-id", request_id);
    Answer {
        response,
        code: Some(error.code.clone().into_owned()),
    }
}

/// Shares the gateway with the sockets.
pub fn handler(gateway: &Arc<Gateway>) -> Arc<dyn Handler> {
    let gateway: Arc<Gateway> = Arc::clone(gateway);
    gateway
}
