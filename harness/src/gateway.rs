//! One request through the cloud: route, authenticate, strike with faults, perform, log.

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::api::{self, Call, kube, metadata, sts};
use crate::clock::{self, Clock};
use crate::control;
use crate::error::ApiError;
use crate::fault::effect::{Effects, Instead};
use crate::fault::{Fault, FaultId, Faults, Phase, Subject};
use crate::http::message::{Delivery, Request, Response};
use crate::http::server::{Connections, Handler};
use crate::http::tls::{Handshake, HandshakeFault, HandshakePolicy};
use crate::ids::Ids;
use crate::log::{Log, RequestRecord, recordable};
use crate::oidc::issuer::{self, PodToken};
use crate::quota::{self, Group};
use crate::route::{Route, Style, route};
use crate::service::Service;
use crate::sign;
use crate::state::State;
use crate::state::identity::Identity;
use crate::state::parameter::Parameter;
use crate::state::secret::{Secret, SecretValue};
use crate::world::World;

/// Everything behind the sockets.
#[derive(Debug)]
pub struct Gateway {
    /// The cloud's clock.
    pub clock: Clock,
    /// The source of identifiers.
    pub ids: Ids,
    /// What it knows and has issued.
    pub world: Mutex<World>,
    /// What goes wrong.
    pub faults: Faults,
    /// What happened.
    pub log: Log,
    /// The rules that came from the state file.
    pub file_faults: Mutex<Vec<FaultId>>,
    /// The server's connections.
    pub connections: Arc<Connections>,
    /// The throw-away authority's certificate, for the control API.
    pub ca_pem: String,
}

/// An answer and, for the log, who asked and the error's code.
struct Answer {
    response: Response,
    code: Option<String>,
    identity: Option<String>,
}

impl Answer {
    fn plain(response: Response) -> Self {
        Self {
            response,
            code: None,
            identity: None,
        }
    }
}

impl Handler for Gateway {
    fn handle(&self, request: Request) -> (Response, Delivery) {
        let route = route(&request);
        if route.service == Service::Control {
            return (control::answer(self, &request), Delivery::Whole);
        }
        let arrived = clock::monotonic();
        let request_id = self.ids.request_id();
        let number = self.open_record(&request, &route, &request_id);
        let now = self.time_for(&route);
        let identity = self.identity(&request, &route, now);
        let mut effects = self.strike(number, &route, identity.as_ref().ok().and_then(Option::as_ref));
        let mut answer = match effects.take_instead() {
            Some(Instead::Response(response)) => Answer::plain(response),
            Some(Instead::Error(error)) => refuse(&error, route.service, &request, &request_id),
            None => self.answer(&request, &route, identity, now, &request_id),
        };
        effects.apply(&mut answer.response);
        self.log.close(number, |record| {
            record.status = Some(answer.response.status);
            record.code = answer.code;
            record.identity = record.identity.take().or(answer.identity);
            record.latency = clock::monotonic().duration_since(arrived);
        });
        let delivery = effects.delivery(&answer.response);
        (answer.response, delivery)
    }

    fn date(&self) -> String {
        self.clock.now().strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()
    }
}

impl HandshakePolicy for Gateway {
    fn handshake(&self, port: Option<Service>, host: Option<&str>) -> Handshake {
        let service = port.or_else(|| host.and_then(Service::of_host));
        let service = service.unwrap_or(Service::Unknown);
        let subject = Subject {
            service,
            action: None,
            name: None,
            identity: None,
        };
        let mut outcome = Handshake::default();
        for (id, fault, _) in self.faults.strike(Phase::Handshake, &subject) {
            match fault {
                Fault::Certificate(fault) => outcome.certificate = outcome.certificate.or(Some(fault)),
                Fault::Handshake(HandshakeFault::Hold) => self.faults.hold(id),
                Fault::Handshake(fault) => outcome.failure = outcome.failure.or(Some(fault)),
                _ => {}
            }
        }
        outcome
    }
}

impl Gateway {
    /// The world, locked.
    pub fn world(&self) -> MutexGuard<'_, World> {
        self.world
            .lock()
            .expect("no code panics while it holds the world")
    }

    /// Takes another state; what was issued stays good.
    pub fn reload(&self, state: State) {
        let mut file_faults = self
            .file_faults
            .lock()
            .expect("no code panics while it holds the rules' ids");
        for id in file_faults.drain(..) {
            let _gone_already = self.faults.release(id);
        }
        file_faults.extend(state.faults.iter().map(|rule| self.faults.inject(rule.clone())));
        self.world().state = state;
    }

    /// Gives a KMS secret of the home region a new current version; creates the secret if need be.
    pub fn set_kms(&self, name: &str, value: SecretValue) {
        let now = self.clock.now();
        let mut world = self.world();
        match world.state.home().secrets.get_mut(name) {
            Some(secret) => secret.put_current(value, now),
            None => {
                world
                    .state
                    .home()
                    .secrets
                    .insert(name.into(), Secret::new("v1", value, now));
            }
        }
    }

    /// Gives an OOS parameter of the home region a new version; creates the parameter if need be.
    pub fn set_oos(&self, name: &str, value: &str) {
        let now = self.clock.now();
        let mut world = self.world();
        match world.state.home().parameters.get_mut(name) {
            Some(parameter) => parameter.put(value, now),
            None => {
                world
                    .state
                    .home()
                    .parameters
                    .insert(name.into(), Parameter::new(value, now));
            }
        }
    }

    /// Mints a pod's token with the home cluster's issuer.
    pub fn mint_token(
        &self,
        namespace: &str,
        service_account: &str,
        audience: &str,
        lifetime: SignedDuration,
    ) -> String {
        let world = self.world();
        let issuer = world.state.cluster_issuer().unwrap_or_default();
        let now = self.clock.now();
        let token = PodToken {
            issuer,
            namespace,
            service_account,
            audience,
            now,
            lifetime,
        };
        world
            .issuer
            .mint(&token)
            .expect("the system has randomness, as the key's making has shown")
    }

    fn open_record(&self, request: &Request, route: &Route, request_id: &str) -> u64 {
        self.log.open(RequestRecord {
            number: 0,
            time: self.clock.now(),
            connection: request.connection,
            tls: request.tls,
            method: request.method.clone(),
            host: request.host(),
            service: route.service,
            action: route.action.clone(),
            name: route.name().map(String::from),
            parameters: recordable(&route.params),
            identity: None,
            request_id: request_id.to_owned(),
            status: None,
            code: None,
            latency: Duration::ZERO,
            faults: Vec::new(),
        })
    }

    /// The time by which a request is checked: the cloud's, unless a fault shifts it.
    fn time_for(&self, route: &Route) -> Timestamp {
        let shifts = self.faults.strike(Phase::Arrival, &subject(route, None));
        let shift = shifts.iter().find_map(|(_, fault, _)| match fault {
            Fault::ClockOffset { seconds } => Some(SignedDuration::from_secs(*seconds)),
            _ => None,
        });
        let now = self.clock.now();
        shift
            .and_then(|shift| now.saturating_add(shift).ok())
            .unwrap_or(now)
    }

    /// The caller; none for services and operations that have no signatures.
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
            Some(_) if route.is_anonymous() => return Ok(None),
            Some(Style::V3) => (sign::v3::claims(request)?, sign::v3::signature),
            Some(Style::Rpc) => (
                sign::rpc::claims(&request.method, &route.params)?,
                sign::rpc::signature,
            ),
        };
        let mut world = self.world();
        let credential = world.credential(&claims.key_id);
        sign::verify(&claims, credential.as_ref(), &mut world.nonces, now, signature).map(Some)
    }

    /// Finds the faults for a request, waits as they say, and returns what is left to do.
    fn strike(&self, number: u64, route: &Route, identity: Option<&Identity>) -> Effects {
        let arn = identity.map(Identity::arn);
        let struck = self.faults.strike(Phase::Answer, &subject(route, arn.as_deref()));
        self.log.update(number, |record| {
            record.identity = arn.clone();
            record.faults = struck.iter().map(|(id, ..)| *id).collect();
        });
        let mut effects = Effects::default();
        for (id, fault, chance) in struck {
            match fault {
                Fault::Hold => self.faults.hold(id),
                Fault::Delay { ms, jitter_ms } => {
                    let jitter = Duration::from_millis(jitter_ms).mul_f64(chance);
                    self.faults.pause(Duration::from_millis(ms) + jitter);
                }
                other => effects.add(other, route.service),
            }
        }
        effects
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
        let outcome = match (route.service, identity) {
            (_, Err(error)) => Err(error),
            (Service::Metadata, Ok(_)) => {
                return Answer::plain(metadata::answer(&mut world, request, now, &self.ids));
            }
            (Service::Issuer, Ok(_)) => return Answer::plain(discovery(&world, request)),
            (Service::Kubernetes, Ok(_)) => {
                let kube::Answer {
                    response,
                    caller,
                    reason,
                } = kube::answer(&world, request, now);
                return Answer {
                    response,
                    identity: caller,
                    code: reason.map(String::from),
                };
            }
            (service, Ok(Some(identity))) => {
                self.perform(&mut world, request, route, service, &identity, now)
            }
            (Service::Sts, Ok(None)) => self.assume_role_with_oidc(&mut world, route, now),
            (_, Ok(None)) => Err(api::not_modelled()),
        };
        match outcome {
            Ok(mut body) => {
                body["RequestId"] = json!(request_id);
                Answer::plain(Response::json(200, &body).with("x-acs-request-id", request_id))
            }
            Err(error) => refuse(&error, route.service, request, request_id),
        }
    }

    fn assume_role_with_oidc(
        &self,
        world: &mut World,
        route: &Route,
        now: Timestamp,
    ) -> Result<Value, ApiError> {
        // The account that is charged is the role's: `acs:ram::<account>:role/<name>`.
        let account = route
            .name()
            .and_then(|arn| arn.split(':').nth(3))
            .unwrap_or_default();
        limit(world, route, account, "")?;
        sts::assume_role_with_oidc(world, &route.params, now, &self.ids)
    }

    fn perform(
        &self,
        world: &mut World,
        request: &Request,
        route: &Route,
        service: Service,
        identity: &Identity,
        now: Timestamp,
    ) -> Result<Value, ApiError> {
        let (host, fallback) = (request.host(), world.state.region.clone());
        let region = route.region(&host, &fallback);
        limit(world, route, &identity.account, region)?;
        let (action, params, ids) = (&route.action, &route.params, &self.ids);
        api::perform(
            world,
            service,
            &Call {
                action,
                params,
                identity,
                region,
                now,
                ids,
            },
        )
    }
}

fn subject<'a>(route: &'a Route, identity: Option<&'a str>) -> Subject<'a> {
    Subject {
        service: route.service,
        action: Some(&route.action),
        name: route.name(),
        identity,
    }
}

/// Takes the request out of its quota.
fn limit(world: &mut World, route: &Route, account: &str, region: &str) -> Result<(), ApiError> {
    let Some(group) = Group::of(route.service, &route.action) else {
        return Ok(());
    };
    let Some(rate) = world.state.quotas.per_second(group) else {
        return Ok(());
    };
    let outcome = world
        .buckets
        .take(account, region, group, rate, clock::monotonic());
    outcome.map_err(|wait| quota::throttled(route.service, rate, wait))
}

/// The issuer's discovery documents.
fn discovery(world: &World, request: &Request) -> Response {
    if request.path == "/openid/v1/jwks" {
        return Response::new(200, "application/jwk-set+json", world.issuer.jwks().to_string());
    }
    let issuer = world.state.cluster_issuer().unwrap_or_default();
    let scheme = if request.tls { "https" } else { "http" };
    let jwks_uri = format!(
        "{scheme}://{}/openid/v1/jwks",
        request.header("host").unwrap_or_default()
    );
    Response::new(
        200,
        "application/json",
        issuer::discovery(issuer, &jwks_uri).to_string(),
    )
}

fn refuse(error: &ApiError, service: Service, request: &Request, request_id: &str) -> Answer {
    let response = error
        .response(service, &request.host(), request_id)
        .with("x-acs-request-id", request_id);
    Answer {
        response,
        code: Some(error.code.clone().into_owned()),
        identity: None,
    }
}

/// Shares the gateway with the sockets.
pub fn handler(gateway: &Arc<Gateway>) -> Arc<dyn Handler> {
    let gateway: Arc<Gateway> = Arc::clone(gateway);
    gateway
}
