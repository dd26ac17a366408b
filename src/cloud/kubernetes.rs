//! Reads from the Kubernetes API which RAM role a ServiceAccount names by its annotation
//! `ack.alibabacloud.com/role-arn`. Asked with the pod's own mounted credentials, which kubelet replaces and which
//! are therefore read for each question.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;

use super::endpoint::Endpoint;
use crate::http::{self, CaFile, Client, Method, Proxies, Request, Timeouts, Trust};
use crate::limits;
use crate::metrics::{Metrics, Outcome};
use crate::os::file;
use crate::secret::Secret;

/// The annotation that names the role.
pub const ROLE_ANNOTATION: &str = "ack.alibabacloud.com/role-arn";

/// A client of the API server.
pub struct Kubernetes {
    client: Client,
    server: Option<Endpoint>,
    token: PathBuf,
}

/// Why a ServiceAccount's role is not known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Error {
    /// The answer is not a ServiceAccount.
    Answer(&'static str),
    /// RBAC does not let us read ServiceAccounts.
    Forbidden,
    /// The API server is out of reach.
    Http(http::Error),
    /// The name is not one that Kubernetes gives.
    Name,
    /// No such ServiceAccount.
    NotFound,
    /// Not in a cluster.
    NotInCluster,
    /// Any other answer.
    Status(u16),
    /// Our own token cannot be read.
    Token {
        /// The file.
        path: String,
        /// Why not.
        problem: String,
    },
    /// Our own token is not accepted.
    Unauthorized,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Answer(problem) => write!(f, "the Kubernetes API's answer cannot be used: {problem}"),
            Self::Forbidden => f.write_str(
                "the provider may not read it (403 Forbidden); grant the provider's ServiceAccount get on serviceaccounts with a ClusterRole",
            ),
            Self::Http(error) => write!(
                f,
                "cannot reach the Kubernetes API: {error}; check the API server and network policies; kubelet retries"
            ),
            Self::Name => f.write_str("the driver gave no usable namespace and name; set podInfoOnMount in the CSIDriver object"),
            Self::NotFound => f.write_str("it does not exist (404 NotFound)"),
            Self::NotInCluster => f.write_str(
                "cannot find the Kubernetes API: KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT are not set",
            ),
            Self::Status(status) => write!(f, "the Kubernetes API answered {status}"),
            Self::Token { path, problem } => write!(
                f,
                "the provider's own token {path} cannot be read: {problem}; set automountServiceAccountToken: true in the provider's pod"
            ),
            Self::Unauthorized => f.write_str("the Kubernetes API does not accept the provider's own token (401 Unauthorized)"),
        }
    }
}

impl std::error::Error for Error {}

impl Error {
    /// As metrics count it; nothing if the API was not asked at all.
    pub fn outcome(&self) -> Option<Outcome> {
        match self {
            Self::Answer(_) => Some(Outcome::Broken),
            Self::Forbidden => Some(Outcome::Denied),
            Self::Http(error) => Some(error.outcome()),
            Self::NotFound => Some(Outcome::NotFound),
            Self::Status(429) => Some(Outcome::Throttled),
            Self::Status(500..) => Some(Outcome::Unavailable),
            Self::Status(_) => Some(Outcome::Refused),
            Self::Unauthorized => Some(Outcome::Credentials),
            Self::Name | Self::NotInCluster | Self::Token { .. } => None,
        }
    }
}

impl Kubernetes {
    /// A client of `server` with the credentials that a pod has in `directory`: `token` and `ca.crt`.
    pub fn new(server: Option<Endpoint>, directory: &Path, proxies: Proxies, metrics: Metrics) -> Self {
        let trust = Trust::only(CaFile::alone(directory.join("ca.crt")));
        Self {
            client: Client::new(trust, proxies, 1, metrics),
            server,
            token: directory.join("token"),
        }
    }

    /// The ServiceAccount's role annotation; `None` if it has none.
    ///
    /// # Errors
    /// See [`Error`].
    pub fn role_annotation(
        &self,
        namespace: &str,
        service_account: &str,
        remaining: Duration,
    ) -> Result<Option<String>, Error> {
        if !is_name(namespace) || !is_name(service_account) {
            return Err(Error::Name);
        }
        let server = self.server.as_ref().ok_or(Error::NotInCluster)?;
        let token = read_token(&self.token).map_err(|problem| Error::Token {
            path: self.token.display().to_string(),
            problem,
        })?;
        let bearer = Secret::from(format!("Bearer {}", token.expose_str().unwrap_or_default()));
        let url = format!(
            "{}/api/v1/namespaces/{namespace}/serviceaccounts/{service_account}",
            server.url()
        );
        let response = self.client.send(&Request {
            method: Method::GET,
            url: &url,
            headers: &[
                ("authorization", bearer.expose_str().unwrap_or_default()),
                ("accept", "application/json"),
            ],
            body: b"",
            timeouts: Timeouts::all(limits::KUBERNETES_TIMEOUT.min(remaining)),
        });
        let response = response.map_err(Error::Http)?;
        match response.status {
            200 => annotation(&response.body),
            401 => Err(Error::Unauthorized),
            403 => Err(Error::Forbidden),
            404 => Err(Error::NotFound),
            status => Err(Error::Status(status)),
        }
    }
}

/// A ServiceAccount token in a file; the problem, if there is none.
///
/// # Errors
/// It cannot be read, or is not what can be sent as a token.
pub fn read_token(path: &Path) -> Result<Secret, String> {
    let bytes = file::read(path, limits::TOKEN_BYTES).map_err(|error| error.to_string())?;
    match bytes.expose_str().map(str::trim) {
        Some("") => Err("it is empty".to_owned()),
        Some(token) if token.bytes().all(|byte| byte.is_ascii_graphic()) => {
            Ok(Secret::from(token.to_owned()))
        }
        _ => Err("it is not a token".to_owned()),
    }
}

/// Names become part of a path.
fn is_name(text: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'.');
    (1..=253).contains(&text.len())
        && text.bytes().all(inner)
        && !text.starts_with(['-', '.'])
        && !text.ends_with(['-', '.'])
        && !text.contains("..")
}

fn annotation(body: &Secret) -> Result<Option<String>, Error> {
    let wrong = || Error::Answer("it is not the JSON object of a ServiceAccount");
    let account: Value = serde_json::from_slice(body.expose()).map_err(|_| wrong())?;
    let metadata = account
        .get("metadata")
        .filter(|it| it.is_object())
        .ok_or_else(wrong)?;
    match metadata
        .get("annotations")
        .and_then(|all| all.get(ROLE_ANNOTATION))
    {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(role)) => Ok(Some(role.trim().to_owned()).filter(|role| !role.is_empty())),
        Some(_) => Err(wrong()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stay_within_their_part_of_the_path() {
        for name in ["default", "a", "kube-system", "web.v2", "0"] {
            assert!(is_name(name), "{name}");
        }
        for name in [
            "", "..", "a/b", "a?b", "A", "-a", "a-", ".a", "a..b", "ä", "a b", "a%2fb",
        ] {
            assert!(!is_name(name), "{name}");
        }
    }

    #[test]
    fn annotations_as_the_api_writes_them() {
        let role = |body: &str| annotation(&Secret::from(body.to_owned()));
        let object = r#"{"metadata":{"name":"x","annotations":{"other":"1","ack.alibabacloud.com/role-arn":" acs:ram::1:role/r\n"}}}"#;
        assert_eq!(role(object), Ok(Some("acs:ram::1:role/r".to_owned())));
        for none in [
            r#"{"metadata":{}}"#,
            r#"{"metadata":{"annotations":null}}"#,
            r#"{"metadata":{"annotations":{}}}"#,
            r#"{"metadata":{"annotations":{"ack.alibabacloud.com/role-arn":""}}}"#,
        ] {
            assert_eq!(role(none), Ok(None), "{none}");
        }
        for wrong in [
            "",
            "[]",
            "{}",
            r#"{"metadata":{"annotations":{"ack.alibabacloud.com/role-arn":1}}}"#,
        ] {
            assert!(role(wrong).is_err(), "{wrong}");
        }
    }
}
