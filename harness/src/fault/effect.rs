//! What faults do to an answer: put another in its place, change it, or change how it leaves.

use serde_json::Value;

use super::gzip;
use super::rule::{CutPoint, Fault};
use crate::api::kube;
use crate::error::{ApiError, Dialect};
use crate::http::message::{Delivery, Response};
use crate::quota;
use crate::service::Service;

/// The faults that struck one request, in the order of their rules, waits already waited.
#[derive(Debug, Default)]
pub struct Effects {
    instead: Option<Instead>,
    changes: Vec<Fault>,
    delivery: Option<Fault>,
}

/// An answer in the place of the real one.
#[derive(Debug)]
pub enum Instead {
    /// An API error, still to be dressed for its service.
    Error(ApiError),
    /// A whole response.
    Response(Response),
}

impl Effects {
    /// Adds a fault. Of several answers, and of several ways to leave, the first counts.
    pub fn add(&mut self, fault: Fault, service: Service) {
        match fault {
            Fault::Cut(_) | Fault::Slow { .. } => self.delivery = self.delivery.take().or(Some(fault)),
            Fault::EmptyBody
            | Fault::TruncatedBody
            | Fault::SetField { .. }
            | Fault::RemoveField { .. }
            | Fault::Gzip => self.changes.push(fault),
            other => self.instead = self.instead.take().or_else(|| instead(other, service)),
        }
    }

    /// The answer to give instead of performing the operation.
    pub fn take_instead(&mut self) -> Option<Instead> {
        self.instead.take()
    }

    /// Changes a response.
    pub fn apply(&self, response: &mut Response) {
        for change in &self.changes {
            apply(change, response);
        }
    }

    /// How the response leaves.
    pub fn delivery(&self, response: &Response) -> Delivery {
        match self.delivery {
            Some(Fault::Cut(CutPoint::BeforeHead)) => Delivery::CutBeforeHead,
            Some(Fault::Cut(CutPoint::BeforeBody)) => Delivery::CutBeforeBody,
            Some(Fault::Cut(CutPoint::InsideBody)) => Delivery::CutInsideBody(response.body.len() / 2),
            Some(Fault::Cut(CutPoint::AfterBody)) => Delivery::CutAfterBody,
            Some(Fault::Slow { bytes, pause_ms }) => Delivery::Slow { bytes, pause_ms },
            _ => Delivery::Whole,
        }
    }
}

fn instead(fault: Fault, service: Service) -> Option<Instead> {
    let own = if service == Service::Kms {
        Dialect::Backend
    } else {
        Dialect::Gateway
    };
    match fault {
        Fault::Error {
            status,
            code,
            message,
            dialect,
        } => Some(match service {
            Service::Kubernetes => Instead::Response(kube::status(status, &code, &message)),
            Service::Metadata => Instead::Response(Response::text(status, message)),
            _ => Instead::Error(ApiError {
                dialect: dialect.unwrap_or(own),
                ..ApiError::gateway(status, code, message)
            }),
        }),
        Fault::Throttle => Some(match service {
            Service::Kubernetes => Instead::Response(
                kube::status(429, "TooManyRequests", "too many requests").with("Retry-After", "1"),
            ),
            Service::Metadata => Instead::Response(Response::text(429, "")),
            _ => Instead::Error(quota::throttled(service, 10, THROTTLE_HINT)),
        }),
        Fault::ThrottleByGateway => Some(Instead::Error(quota::gateway_throttled())),
        Fault::Answer {
            status,
            content_type,
            body,
        } => Some(Instead::Response(Response::new(status, &content_type, body))),
        Fault::Html { status } => Some(Instead::Response(Response::new(status, "text/html", HTML))),
        Fault::Redirect { status, location } => {
            let response = Response::text(status, "");
            Some(Instead::Response(match location {
                Some(location) => response.with("Location", location),
                None => response,
            }))
        }
        _ => None,
    }
}

fn apply(change: &Fault, response: &mut Response) {
    match change {
        Fault::EmptyBody => response.body.clear(),
        Fault::TruncatedBody => response.body.truncate(response.body.len() / 2),
        Fault::SetField { field, value } => edit(response, |json| set(json, field, value.clone())),
        Fault::RemoveField { field } => edit(response, |json| remove(json, field)),
        Fault::Gzip => {
            response.body = gzip::wrap(&response.body);
            response.headers.push(("Content-Encoding".into(), "gzip".into()));
        }
        _ => {}
    }
}

/// Edits a JSON body; others stay as they are.
fn edit(response: &mut Response, change: impl FnOnce(&mut Value)) {
    if let Ok(mut json) = serde_json::from_slice(&response.body) {
        change(&mut json);
        response.body = json.to_string().into_bytes();
    }
}

fn set(json: &mut Value, pointer: &str, value: Value) {
    if let Some(place) = json.pointer_mut(pointer) {
        *place = value;
    } else if let Some((object, key)) = parent(json, pointer) {
        object.insert(key, value);
    }
}

fn remove(json: &mut Value, pointer: &str) {
    if let Some((object, key)) = parent(json, pointer) {
        object.remove(&key);
    }
}

fn parent<'a>(
    json: &'a mut Value,
    pointer: &str,
) -> Option<(&'a mut serde_json::Map<String, Value>, String)> {
    let (path, key) = pointer.rsplit_once('/')?;
    let object = json.pointer_mut(path)?.as_object_mut()?;
    Some((object, key.replace("~1", "/").replace("~0", "~")))
}

const HTML: &str = "<html><head><title>Bad Gateway</title></head><body><h1>Bad Gateway</h1></body></html>";
const THROTTLE_HINT: std::time::Duration = std::time::Duration::from_millis(1500);

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn changed(fault: Fault) -> Value {
        let mut response = Response::json(200, &json!({ "Parameter": { "Value": "v", "Name": "n" } }));
        let mut effects = Effects::default();
        effects.add(fault, Service::Oos);
        effects.apply(&mut response);
        serde_json::from_slice(&response.body).expect("still JSON")
    }

    #[test]
    fn fields_are_set_added_and_removed() {
        let set = |field: &str| {
            changed(Fault::SetField {
                field: field.into(),
                value: json!(7),
            })
        };
        assert_eq!(
            set("/Parameter/Value"),
            json!({ "Parameter": { "Value": 7, "Name": "n" } })
        );
        assert_eq!(
            set("/Parameter/New"),
            json!({ "Parameter": { "Value": "v", "Name": "n", "New": 7 } })
        );
        assert_eq!(
            set("/No/Such"),
            json!({ "Parameter": { "Value": "v", "Name": "n" } })
        );
        assert_eq!(
            changed(Fault::RemoveField {
                field: "/Parameter/Value".into()
            }),
            json!({ "Parameter": { "Name": "n" } })
        );
        assert_eq!(
            changed(Fault::RemoveField {
                field: "/Parameter".into()
            }),
            json!({})
        );
    }

    #[test]
    fn the_first_answer_counts() {
        let mut effects = Effects::default();
        effects.add(Fault::Html { status: 502 }, Service::Kms);
        effects.add(Fault::error(500, "InternalFailure", ""), Service::Kms);
        let Some(Instead::Response(response)) = effects.take_instead() else {
            panic!("the page")
        };
        assert_eq!(response.status, 502);
    }
}
