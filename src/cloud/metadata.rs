//! The ECS instance metadata service: what a node knows of itself.
//!
//! Plain HTTP on a link-local address. A session token is asked for first (hardened mode); where that is refused
//! the question is put without one (normal mode).

use super::endpoint::Endpoint;
use crate::http::{self, Client, Method, Request, Response, Timeouts};
use crate::limits;
use crate::secret::Secret;

/// How long a session token shall live, in seconds. It is used at once.
const TOKEN_TTL_SECONDS: &str = "60";

/// The region the node is in.
///
/// # Errors
/// One line that says which question got which answer.
pub fn region(client: &Client, endpoint: &Endpoint) -> Result<String, String> {
    let token = token(client, endpoint);
    let response = read(client, endpoint, "/latest/meta-data/region-id", token.as_ref())
        .map_err(|error| error.to_string())?;
    let region = response.body.expose_str().map(str::trim).unwrap_or_default();
    match response.status {
        200 if !region.is_empty() => Ok(region.to_owned()),
        200 => Err(format!("{endpoint} gave an empty region-id")),
        status => Err(format!("{endpoint} answered {status} to region-id")),
    }
}

/// A session token, where the service gives one.
fn token(client: &Client, endpoint: &Endpoint) -> Option<Secret> {
    let url = format!("{}/latest/api/token", endpoint.url());
    let headers = [("X-aliyun-ecs-metadata-token-ttl-seconds", TOKEN_TTL_SECONDS)];
    let request = Request {
        method: Method::Put,
        url: &url,
        headers: &headers,
        body: b"",
        timeouts: timeouts(),
    };
    let response = client.send(&request).ok()?;
    (response.status == 200 && !response.body.is_empty()).then_some(response.body)
}

fn read(
    client: &Client,
    endpoint: &Endpoint,
    path: &str,
    token: Option<&Secret>,
) -> Result<Response, http::Error> {
    let url = format!("{}{path}", endpoint.url());
    let headers: Vec<(&str, &str)> = token
        .and_then(Secret::expose_str)
        .map(|token| ("X-aliyun-ecs-metadata-token", token.trim()))
        .into_iter()
        .collect();
    client.send(&Request {
        method: Method::Get,
        url: &url,
        headers: &headers,
        body: b"",
        timeouts: timeouts(),
    })
}

fn timeouts() -> Timeouts {
    let step = limits::METADATA_TIMEOUT;
    Timeouts {
        connect: step,
        response: step,
        total: step,
    }
}
