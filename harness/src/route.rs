//! Which service and operation a request is for: by path, by `Host`, by the style's action and version.

use crate::api::{Params, not_modelled};
use crate::error::ApiError;
use crate::http::message::Request;
use crate::service::{Service, region_of_host};
use crate::sign::missing;

/// Where a request leads.
#[derive(Clone, Debug, PartialEq)]
pub struct Route {
    /// The service.
    pub service: Service,
    /// The operation, or the path of path-like services.
    pub action: String,
    /// How the request is signed; none for services without signatures.
    pub style: Option<Style>,
    /// Parameters of query and form.
    pub params: Params,
    /// What is wrong with it already, such as an operation on the wrong host.
    pub refusal: Option<ApiError>,
}

/// The two styles of the OpenAPI gateway.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// Action and version in headers, ACS3-HMAC-SHA256.
    V3,
    /// Action and version among the parameters, HMAC-SHA1.
    Rpc,
}

/// Finds a request's way.
pub fn route(request: &Request) -> Route {
    let host = request.host();
    let by_path = |service| Route {
        service,
        action: request.path.clone(),
        style: None,
        params: Params(request.query.clone()),
        refusal: None,
    };
    let of_host = request.service.or_else(|| Service::of_host(&host));
    match request.path.as_str() {
        path if path.starts_with("/_fake/") || path == "/_fake" => by_path(Service::Control),
        _ if let Some(service) = request.service.filter(|service| service.version().is_none()) => {
            by_path(service)
        }
        "/" => open_api(request, of_host),
        _ if request.service.is_some() => Route {
            refusal: Some(not_modelled()),
            ..by_path(of_host.unwrap_or(Service::Unknown))
        },
        path if path.starts_with("/latest/") || of_host == Some(Service::Metadata) => {
            by_path(Service::Metadata)
        }
        path if path.starts_with("/api/v1/namespaces/") => by_path(Service::Kubernetes),
        path if path.starts_with("/.well-known/") || path == "/openid/v1/jwks" => by_path(Service::Issuer),
        _ => Route {
            refusal: Some(not_modelled()),
            ..by_path(of_host.unwrap_or(Service::Unknown))
        },
    }
}

fn open_api(request: &Request, of_host: Option<Service>) -> Route {
    let mut pairs = request.query.clone();
    pairs.extend(request.form());
    let params = Params(pairs);
    // The classic SDK sends the headers of V3 beside a signature of the RPC style.
    let is_v3 = params.text("Signature").is_none()
        && (request.header("x-acs-action").is_some()
            || request
                .header("authorization")
                .is_some_and(|value| value.starts_with("ACS3-")));
    let (style, action, version) = if is_v3 {
        (
            Style::V3,
            request.header("x-acs-action"),
            request.header("x-acs-version"),
        )
    } else {
        (Style::Rpc, params.filled("Action"), params.filled("Version"))
    };
    let of_version = version.and_then(Service::of_version);
    let refusal = match (action, version) {
        _ if request.method != "GET" && request.method != "POST" => {
            let message = format!("The HTTP method {} is not supported.", request.method);
            Some(ApiError::gateway(400, "UnsupportedHTTPMethod", message))
        }
        (None, _) => Some(missing("Action")),
        (_, None) => Some(missing("Version")),
        _ if of_version.is_none() || of_host.is_some_and(|host| Some(host) != of_version) => {
            Some(not_modelled())
        }
        _ if of_host == Some(Service::Kms) && !request.tls && request.service.is_none() => {
            let message = "Your request is denied as lack of ssl protect.";
            Some(ApiError::gateway(404, "InvalidProtocol.NeedSsl", message))
        }
        _ => None,
    };
    Route {
        service: of_host.or(of_version).unwrap_or(Service::Unknown),
        action: action.unwrap_or_default().to_owned(),
        style: Some(style),
        refusal,
        params,
    }
}

impl Route {
    /// Whether the operation is proved by something else than a signature.
    pub fn is_anonymous(&self) -> bool {
        self.service == Service::Sts && self.action == "AssumeRoleWithOIDC"
    }

    /// The secret, parameter or role that the call is about.
    pub fn name(&self) -> Option<&str> {
        ["SecretName", "Name", "RoleArn"]
            .into_iter()
            .find_map(|name| self.params.filled(name))
    }

    /// The region that the call is about: its host's, else the one it names, else the fallback.
    pub fn region<'a>(&'a self, host: &'a str, fallback: &'a str) -> &'a str {
        region_of_host(host)
            .or_else(|| self.params.filled("RegionId"))
            .unwrap_or(fallback)
    }
}
