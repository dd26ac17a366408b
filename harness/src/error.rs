//! Errors as the cloud writes them: the gateway's dialect and the KMS backend's.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::http::message::Response;
use crate::service::Service;

/// Who answers, which decides the body's shape.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Dialect {
    /// `{"RequestId","HostId","Code","Message","Recommend"}`
    Gateway,
    /// `{"HttpStatus","Code","Message","RequestId"}`
    Backend,
}

/// An error answer of a cloud API.
#[derive(Clone, Debug, PartialEq)]
pub struct ApiError {
    /// The HTTP status.
    pub status: u16,
    /// The API's code, such as `Forbidden.ResourceNotFound`.
    pub code: Cow<'static, str>,
    /// The text for people.
    pub message: String,
    /// The body's shape.
    pub dialect: Dialect,
    /// `AccessDeniedDetail`, if a policy said no.
    pub denied: Option<Value>,
    /// Further headers, such as rate limits.
    pub headers: Vec<(String, String)>,
}

impl ApiError {
    /// An error of the gateway, or of a service that speaks like it.
    pub fn gateway(status: u16, code: impl Into<Cow<'static, str>>, message: impl Into<String>) -> Self {
        Self {
            status,
            code: code.into(),
            message: message.into(),
            dialect: Dialect::Gateway,
            denied: None,
            headers: Vec::new(),
        }
    }

    /// An error of the KMS backend.
    pub fn backend(status: u16, code: impl Into<Cow<'static, str>>, message: impl Into<String>) -> Self {
        Self {
            dialect: Dialect::Backend,
            ..Self::gateway(status, code, message)
        }
    }

    /// The answer on the wire.
    pub fn response(&self, service: Service, host: &str, request_id: &str) -> Response {
        let mut body = match self.dialect {
            Dialect::Gateway => {
                let recommend = format!(
                    "https://api.aliyun.com/troubleshoot?q={}&product={}&requestId={request_id}",
                    self.code,
                    service.product()
                );
                json!({
                    "RequestId": request_id, "HostId": host, "Code": self.code, "Message": self.message,
                    "Recommend": recommend,
                })
            }
            Dialect::Backend => json!({
                "HttpStatus": self.status, "Code": self.code, "Message": self.message, "RequestId": request_id,
            }),
        };
        if let Some(denied) = &self.denied {
            body["AccessDeniedDetail"] = denied.clone();
        }
        let mut response = Response::json(self.status, &body);
        response.headers.extend(self.headers.iter().cloned());
        response
    }
}
