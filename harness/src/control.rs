//! The control API under `/_fake/`: what a test that is not written in Rust needs. It is never logged, never struck by
//! faults, and asks for no signature; whoever reaches the port owns the cloud.
//!
//! | request | what it does |
//! |---|---|
//! | `GET /_fake/` | a page for a browser; this list for everybody else |
//! | `GET /_fake/state` | names and versions, no values |
//! | `PUT /_fake/kms/NAME`, `PUT /_fake/oos/NAME` | the body becomes the newest version; `?type=binary` for KMS |
//! | `DELETE /_fake/kms/NAME`, `DELETE /_fake/oos/NAME` | removes it at once |
//! | `GET`, `DELETE /_fake/requests` | the request log; `?after=NUMBER` leaves out older ones |
//! | `GET`, `POST`, `DELETE /_fake/faults` | rules: list, add one (JSON, as in the state file), remove all |
//! | `DELETE /_fake/faults/ID` | removes one rule and releases what it holds |
//! | `DELETE /_fake/connections` | closes all other open connections, as a load balancer does now and then |
//! | `PUT /_fake/clock` | `{"offset_seconds": N}` |
//! | `POST /_fake/tokens` | `{"namespace","service_account","audience","lifetime_seconds"}` gives a pod's token |
//! | `GET /_fake/ca` | the throw-away certificate authority |

use jiff::SignedDuration;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::fault::{FaultId, FaultRule};
use crate::gateway::Gateway;
use crate::http::message::{Request, Response};
use crate::http::percent;
use crate::state::secret::SecretValue;
use crate::state::{Account, State};

/// Answers one request.
pub fn answer(gateway: &Gateway, request: &Request) -> Response {
    let path = request.path.trim_start_matches("/_fake").trim_matches('/');
    let (first, rest) = path.split_once('/').unwrap_or((path, ""));
    match (request.method.as_str(), first, rest) {
        ("GET", "", "") if wants_html(request) && request.path == "/_fake" => {
            Response::text(302, "").with("Location", "/_fake/")
        }
        ("GET", "", "") if wants_html(request) => {
            page("text/html;charset=utf-8", include_str!("page/index.html"))
        }
        ("GET", "page.js", "") => page("text/javascript;charset=utf-8", include_str!("page/page.js")),
        ("GET", "", "") => Response::text(200, INDEX),
        ("GET", "ca", "") => Response::new(200, "application/x-pem-file", gateway.ca_pem.clone()),
        ("GET", "state", "") => ok(&summary(&gateway.world().state)),
        ("GET", "requests", "") => ok(&requests(gateway, request)),
        ("DELETE", "requests", "") => {
            gateway.log.clear();
            done()
        }
        ("GET", "faults", "") => ok(&faults(gateway)),
        ("POST", "faults", "") => read(request, |rule: FaultRule| match rule.problem() {
            None => ok(&json!({ "id": gateway.faults.inject(rule).0 })),
            Some(problem) => self::problem(400, problem),
        }),
        ("DELETE", "faults", "") => {
            gateway.faults.clear();
            done()
        }
        ("DELETE", "faults", id) => match id.parse().map(|id| gateway.faults.release(FaultId(id))) {
            Ok(true) => done(),
            Ok(false) => problem(404, "no such rule"),
            Err(_) => problem(400, "not a rule's number"),
        },
        ("DELETE", "connections", "") => {
            gateway.connections.close_all_but(Some(request.connection));
            done()
        }
        ("PUT", "clock", "") => read(request, |clock: ClockSetting| {
            gateway
                .clock
                .set_offset(SignedDuration::from_secs(clock.offset_seconds));
            done()
        }),
        ("POST", "tokens", "") => read(request, |token: TokenRequest| {
            let lifetime = SignedDuration::from_secs(token.lifetime_seconds);
            let minted = gateway.mint_token(
                &token.namespace,
                &token.service_account,
                &token.audience,
                lifetime,
            );
            Response::text(200, minted)
        }),
        (method, "kms" | "oos", name) if !name.is_empty() => {
            value(gateway, request, method, first, &percent::decode(name))
        }
        _ => problem(404, "no such control; GET /_fake/ lists them"),
    }
}

/// Whether a browser asks.
fn wants_html(request: &Request) -> bool {
    request
        .header("accept")
        .is_some_and(|accept| accept.contains("text/html"))
}

/// A part of the page. It runs its own script and nothing else.
fn page(content_type: &str, text: &str) -> Response {
    Response::new(200, content_type, text)
        .with("Content-Security-Policy", PAGE_POLICY)
        .with("Cache-Control", "no-store")
}

fn value(gateway: &Gateway, request: &Request, method: &str, service: &str, name: &str) -> Response {
    let text = || String::from_utf8(request.body.clone());
    let binary = request
        .query
        .iter()
        .any(|(name, value)| name == "type" && value == "binary");
    match (method, service) {
        ("PUT", "kms") if binary => gateway.set_kms(name, SecretValue::Binary(request.body.clone())),
        ("PUT", "kms") => match text() {
            Ok(text) => gateway.set_kms(name, SecretValue::Text(text)),
            Err(_) => return problem(400, "not UTF-8; add ?type=binary"),
        },
        ("PUT", _) => match text() {
            Ok(text) => gateway.set_oos(name, &text),
            Err(_) => return problem(400, "not UTF-8; OOS parameters are text"),
        },
        ("DELETE", "kms") => drop(gateway.world().state.home().secrets.remove(name)),
        ("DELETE", _) => drop(gateway.world().state.home().parameters.remove(name)),
        _ => return problem(405, "PUT or DELETE"),
    }
    done()
}

/// Names and versions; never values, keys or tokens.
fn summary(state: &State) -> Value {
    let mut accounts = serde_json::Map::new();
    for (id, account) in &state.accounts {
        let mut regions = serde_json::Map::new();
        for (name, region) in &account.regions {
            let secrets: serde_json::Map<_, _> = region
                .secrets
                .iter()
                .map(|(name, secret)| {
                    let versions: Vec<_> = secret
                        .versions
                        .iter()
                        .map(|v| json!({ "id": v.id, "type": v.value.data_type(), "stages": v.stages }))
                        .collect();
                    let end = secret.planned_deletion.map(crate::clock::format);
                    let summary = json!({
                        "type": secret.kind.name(), "versions": versions, "planned_deletion": end,
                    });
                    (name.clone(), summary)
                })
                .collect();
            let parameters: serde_json::Map<_, _> = region
                .parameters
                .iter()
                .map(|(name, p)| (name.clone(), json!(p.version())))
                .collect();
            regions.insert(
                name.clone(),
                json!({ "secrets": secrets, "parameters": parameters }),
            );
        }
        let summary = json!({
            "users": account.users.keys().collect::<Vec<_>>(),
            "roles": account.roles.keys().collect::<Vec<_>>(),
            "identities": identities(account),
            "regions": regions,
        });
        accounts.insert(id.clone(), summary);
    }
    json!({ "region": state.region, "account": state.account, "accounts": accounts })
}

/// Users and roles with the names of their policies.
fn identities(account: &Account) -> Vec<Value> {
    let describe = |kind, name, policies| json!({ "kind": kind, "name": name, "policies": policies });
    let users = account
        .users
        .iter()
        .map(|(name, user)| describe("user", name, &user.policies));
    let roles = account
        .roles
        .iter()
        .map(|(name, role)| describe("role", name, &role.policies));
    users.chain(roles).collect()
}

fn requests(gateway: &Gateway, request: &Request) -> Value {
    let after = request
        .query
        .iter()
        .find(|(name, _)| name == "after")
        .and_then(|(_, number)| number.parse().ok());
    let after: u64 = after.unwrap_or_default();
    let records = gateway.log.records();
    records
        .iter()
        .filter(|record| record.number > after)
        .map(crate::log::RequestRecord::to_json)
        .collect()
}

fn faults(gateway: &Gateway) -> Value {
    let active = gateway.faults.active().into_iter();
    active
        .map(|(id, rule, matched, struck)| json!({ "id": id.0, "rule": rule, "matched": matched, "struck": struck }))
        .collect()
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ClockSetting {
    offset_seconds: i64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TokenRequest {
    namespace: String,
    service_account: String,
    #[serde(default = "sts_audience")]
    audience: String,
    #[serde(default = "one_hour")]
    lifetime_seconds: i64,
}

fn read<T: for<'de> Deserialize<'de>>(request: &Request, act: impl FnOnce(T) -> Response) -> Response {
    match serde_json::from_slice(&request.body) {
        Ok(body) => act(body),
        Err(error) => problem(400, &error.to_string()),
    }
}

fn ok(body: &Value) -> Response {
    Response::new(200, "application/json", format!("{body}\n"))
}

fn done() -> Response {
    Response::text(204, "")
}

fn problem(status: u16, text: &str) -> Response {
    Response::text(status, format!("{text}\n"))
}

fn sts_audience() -> String {
    "sts.aliyuncs.com".into()
}

fn one_hour() -> i64 {
    3600
}

const PAGE_POLICY: &str =
    "default-src 'none'; connect-src 'self'; script-src 'self'; style-src 'unsafe-inline'; img-src data:";

const INDEX: &str = "\
A fake Alibaba Cloud. Its controls:
GET    /_fake/state            names and versions, no values
PUT    /_fake/kms/NAME         the body becomes the current version (?type=binary)
DELETE /_fake/kms/NAME
PUT    /_fake/oos/NAME         the body becomes the newest version
DELETE /_fake/oos/NAME
GET    /_fake/requests         the request log (?after=NUMBER)
DELETE /_fake/requests
GET    /_fake/faults           the active fault rules
POST   /_fake/faults           adds a rule: {\"service\":\"kms\",\"times\":1,\"then\":\"throttle\"}
DELETE /_fake/faults           removes all rules
DELETE /_fake/faults/ID        removes one rule and releases what it holds
DELETE /_fake/connections      closes all other open connections
PUT    /_fake/clock            {\"offset_seconds\":N}
POST   /_fake/tokens           {\"namespace\":\"NS\",\"service_account\":\"SA\"} gives a pod's token
GET    /_fake/ca               the throw-away certificate authority
";
