//! Alibaba Cloud's APIs as far as a secrets provider needs them: one file per API, each building its request and
//! parsing its answer. [`api`] signs and sends for those behind the OpenAPI gateway.

pub mod api;
mod counted;
mod credentials;
pub mod endpoint;
pub mod error;
mod hint;
pub mod kms;
pub mod kubernetes;
pub mod metadata;
pub mod oos;
pub mod region;
pub mod sts;
mod value;

pub use api::{Api, Target};
pub use counted::counted;
pub use credentials::Credentials;
pub use endpoint::{Endpoint, EndpointError, EndpointTemplate};
pub use error::{ApiError, Error};
pub use region::NodeRegion;
pub use value::Value;
