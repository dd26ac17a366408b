//! The ECS instance metadata service: tokens of the hardened mode, and texts by path.

use std::collections::HashMap;

use jiff::{SignedDuration, Timestamp};

use crate::http::message::{Request, Response};
use crate::ids::Ids;
use crate::state::{MetadataTokens, State};

/// Answers one metadata request. `tokens` holds the issued tokens and their ends.
pub fn answer(
    state: &State,
    tokens: &mut HashMap<String, Timestamp>,
    request: &Request,
    now: Timestamp,
    ids: &Ids,
) -> Response {
    let path = request.path.as_str();
    if path == TOKEN_PATH {
        return token(tokens, request, now, ids);
    }
    if request.method != "GET" {
        return Response::text(405, "");
    }
    let shown = request.header("x-aliyun-ecs-metadata-token");
    let accepted = shown.is_some_and(|token| tokens.get(token).is_some_and(|end| now < *end));
    // A token that is shown must be good, even where none is needed.
    if !accepted && (shown.is_some() || state.metadata.tokens == MetadataTokens::Required) {
        return Response::text(403, "");
    }
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

fn document(state: &State) -> serde_json::Value {
    serde_json::json!({
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
const MAX_TTL_SECONDS: i64 = 21_600;
