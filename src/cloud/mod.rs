//! Alibaba Cloud's APIs as far as a secrets provider needs them: one file per API, each building its request and
//! parsing its answer. [`api`] signs and sends for those behind the OpenAPI gateway.

pub mod api;
pub mod endpoint;
pub mod error;
mod hint;
pub mod kms;
pub mod kubernetes;
pub mod metadata;
pub mod oos;
pub mod region;
pub mod sts;

pub use api::{Api, Credentials, Target};
pub use endpoint::{Endpoint, EndpointError, EndpointTemplate};
pub use error::{ApiError, Error};
pub use region::NodeRegion;

use crate::secret::Secret;

/// What a backend holds under a name.
#[derive(Debug)]
pub struct Value {
    /// The bytes to mount, decoded where the backend transports binary as base64.
    pub contents: Secret,
    /// The backend's own revision: KMS `VersionId`, OOS `ParameterVersion`.
    pub version: String,
}
