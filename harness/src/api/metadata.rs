//! The ECS instance metadata service: tokens of the hardened mode, texts by path, and the keys of the instance's role.

use std::collections::{BTreeMap, HashMap};

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::clock;
use crate::http::message::{Request, Response};
use crate::ids::Ids;
use crate::state::policy::TrustedPrincipal;
use crate::state::{MetadataTokens, State};
use crate::world::{NewSession, TemporaryKeys, World};

/// Answers one metadata request.
pub fn answer(world: &mut World, request: &Request, now: Timestamp, ids: &Ids) -> Response {
    let path = request.path.as_str();
    if path == TOKEN_PATH {
        return token(&mut world.metadata_tokens, request, now, ids);
    }
    if request.method != "GET" {
        return Response::text(405, "");
    }
    let shown = request.header("x-aliyun-ecs-metadata-token");
    let accepted = shown.is_some_and(|token| world.metadata_tokens.get(token).is_some_and(|end| now < *end));
    // A token that is shown must be good, even where none is needed.
    if !accepted && (shown.is_some() || world.state.metadata.tokens == MetadataTokens::Required) {
        return Response::text(403, "");
    }
    if let Some(role) = path.strip_prefix(ROLE_PATH) {
        return role_answer(world, role, now, ids);
    }
    let state = &world.state;
    match path {
        "/latest/meta-data/region-id" => Response::text(200, state.region.clone()),
        "/latest/meta-data/zone-id" => Response::text(200, state.metadata.zone_id.clone()),
        "/latest/meta-data/instance-id" => Response::text(200, state.metadata.instance_id.clone()),
        "/latest/meta-data/owner-account-id" => Response::text(200, state.account.clone()),
        "/latest/dynamic/instance-identity/document" => Response::json(200, &document(state)),
        _ => not_found(),
    }
}

fn token(tokens: &mut HashMap<String, Timestamp>, request: &Request, now: Timestamp, ids: &Ids) -> Response {
    if request.method != "PUT" {
        return Response::text(405, "");
    }
    if request.header("x-forwarded-for").is_some() {
        return Response::text(403, "");
    }
    let ttl = request
        .header("x-aliyun-ecs-metadata-token-ttl-seconds")
        .and_then(|ttl| ttl.parse().ok());
    let Some(ttl) = ttl.filter(|ttl| (1..=MAX_TTL_SECONDS).contains(ttl)) else {
        return Response::text(400, "");
    };
    tokens.retain(|_, end| now < *end);
    let token = ids.alphanumeric(56);
    tokens.insert(
        token.clone(),
        now.saturating_add(SignedDuration::from_secs(ttl)).unwrap_or(now),
    );
    Response::text(200, token)
}

/// Below the role path: the role's name, or under that name its keys.
fn role_answer(world: &mut World, asked: &str, now: Timestamp, ids: &Ids) -> Response {
    let Some(role) = world.state.metadata.role.clone() else {
        return not_found();
    };
    match asked {
        "" => Response::text(200, role),
        asked if asked == role => Response::json(200, &credentials(world, &role, now, ids)),
        _ => not_found(),
    }
}

fn credentials(world: &mut World, role: &str, now: Timestamp, ids: &Ids) -> Value {
    let Some(keys) = instance_keys(world, role, now, ids) else {
        return json!({ "Code": "Failed" });
    };
    json!({
        "Code": "Success",
        "AccessKeyId": keys.id,
        "AccessKeySecret": keys.secret,
        "SecurityToken": keys.token,
        "Expiration": clock::format(keys.expires),
        "LastUpdated": clock::format(keys.issued),
    })
}

/// The same keys for everyone until they are about to end; none if the role does not trust instances.
fn instance_keys(world: &mut World, role: &str, now: Timestamp, ids: &Ids) -> Option<TemporaryKeys> {
    if let Some((of, keys)) = &world.instance_keys
        && of == role
        && keys.issued <= now
        && keys.expires.duration_since(now) > RENEWED_BEFORE_END
    {
        return Some(keys.clone());
    }
    let account = world.state.account.clone();
    let trust = &world.state.accounts.get(&account)?.roles.get(role)?.trust;
    let meant =
        |principal: &TrustedPrincipal| principal.service.iter().any(|name| name == "ecs.aliyuncs.com");
    if !trust.allows(meant, &BTreeMap::new()) {
        return None;
    }
    let name = world.state.metadata.instance_id.clone();
    let session = NewSession {
        account: &account,
        role,
        name: &name,
        policy: None,
        lifetime: KEYS_LAST,
    };
    let keys = world.open_session(session, now, ids);
    world.instance_keys = Some((role.to_owned(), keys.clone()));
    Some(keys)
}

fn document(state: &State) -> Value {
    json!({
        "region-id": state.region,
        "zone-id": state.metadata.zone_id,
        "instance-id": state.metadata.instance_id,
        "owner-account-id": state.account,
    })
}

fn not_found() -> Response {
    let page = "<?xml version=\"1.0\" encoding=\"iso-8859-1\"?>\n<html><head><title>404 - Not Found</title></head>\
                <body><h1>404 - Not Found</h1></body></html>";
    Response::new(404, "text/html", page)
}

const TOKEN_PATH: &str = "/latest/api/token";
const ROLE_PATH: &str = "/latest/meta-data/ram/security-credentials/";
const MAX_TTL_SECONDS: i64 = 21_600;
/// As in the documentation's example.
const KEYS_LAST: SignedDuration = SignedDuration::from_hours(6);
/// No number is published; clients refresh up to 15 minutes before the end and must find new keys then.
const RENEWED_BEFORE_END: SignedDuration = SignedDuration::from_mins(30);
