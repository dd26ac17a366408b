//! The one Kubernetes read, `GET /api/v1/namespaces/<namespace>/serviceaccounts/<name>`, with the API server's checks:
//! a known bearer token, and permission to get ServiceAccounts.

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::http::message::{Request, Response};
use crate::world::World;

/// An answer, who asked, and the `reason` of a failure.
#[derive(Debug)]
pub struct Answer {
    /// What is sent.
    pub response: Response,
    /// The caller's user name, `system:serviceaccount:<namespace>:<name>`, if the token is known.
    pub caller: Option<String>,
    /// `NotFound`, `Forbidden`, `Unauthorized`.
    pub reason: Option<&'static str>,
}

/// Answers one request.
pub fn answer(world: &World, request: &Request, now: Timestamp) -> Answer {
    let Some(caller) = authenticate(world, request, now) else {
        return failure(None, 401, "Unauthorized", "Unauthorized");
    };
    let rest = request
        .path
        .strip_prefix("/api/v1/namespaces/")
        .unwrap_or_default();
    let parts: Vec<_> = rest.split('/').collect();
    let [namespace, "serviceaccounts", name] = parts[..] else {
        return failure(
            Some(&caller),
            404,
            "NotFound",
            "the server could not find the requested resource",
        );
    };
    let user = caller.user();
    if request.method != "GET" || !caller.may_get_service_accounts {
        let verb = if request.method == "GET" { "get" } else { "change" };
        let message = format!(
            "serviceaccounts \"{name}\" is forbidden: User \"{user}\" cannot {verb} resource \"serviceaccounts\" in \
             API group \"\" in the namespace \"{namespace}\""
        );
        return failure(Some(&caller), 403, "Forbidden", &message);
    }
    let found = world
        .state
        .kubernetes
        .service_accounts
        .get(namespace)
        .and_then(|names| names.get(name));
    let Some(account) = found else {
        let message = format!("serviceaccounts \"{name}\" not found");
        return failure(Some(&caller), 404, "NotFound", &message);
    };
    let object = json!({
        "kind": "ServiceAccount",
        "apiVersion": "v1",
        "metadata": { "name": name, "namespace": namespace, "annotations": account.annotations },
    });
    Answer {
        response: json_response(200, &object),
        caller: Some(user),
        reason: None,
    }
}

struct Caller {
    namespace: String,
    name: String,
    may_get_service_accounts: bool,
}

impl Caller {
    fn user(&self) -> String {
        format!("system:serviceaccount:{}:{}", self.namespace, self.name)
    }
}

/// A token of the state file, or one that the cluster's issuer minted and that is not expired.
fn authenticate(world: &World, request: &Request, now: Timestamp) -> Option<Caller> {
    let token = request.header("authorization")?.strip_prefix("Bearer ")?;
    let kubernetes = &world.state.kubernetes;
    let known = kubernetes.tokens.iter().find(|known| known.token == token);
    let (namespace, name) = match known {
        Some(known) => (known.namespace.clone(), known.service_account.clone()),
        None => {
            let claims = world
                .issuer
                .keys()
                .verify(token)
                .ok()
                .filter(|claims| !claims.is_expired(now))?;
            let (namespace, name) = claims
                .sub
                .strip_prefix("system:serviceaccount:")?
                .split_once(':')?;
            (namespace.to_owned(), name.to_owned())
        }
    };
    let account = kubernetes
        .service_accounts
        .get(&namespace)
        .and_then(|names| names.get(&name));
    let may_get_service_accounts = account.is_some_and(|account| account.may_get_service_accounts);
    Some(Caller {
        namespace,
        name,
        may_get_service_accounts,
    })
}

/// A `Status` object, the API server's form of an error.
pub fn status(code: u16, reason: &str, message: &str) -> Response {
    let object = json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
        "message": message, "reason": reason, "code": code,
    });
    json_response(code, &object)
}

fn failure(caller: Option<&Caller>, code: u16, reason: &'static str, message: &str) -> Answer {
    Answer {
        response: status(code, reason, message),
        caller: caller.map(Caller::user),
        reason: Some(reason),
    }
}

fn json_response(status: u16, object: &Value) -> Response {
    Response::new(status, "application/json", object.to_string())
}
