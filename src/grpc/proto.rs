//! The provider contract's messages and those of grpc.health.v1, as `proto/` defines them.
//!
//! Messages that carry secrets or tokens print no field in `Debug`.

use std::fmt;

/// Asked by the driver's optional health check.
#[derive(Clone, PartialEq, prost::Message)]
pub struct VersionRequest {
    /// The driver's contract version.
    #[prost(string, tag = "1")]
    pub version: String,
}

/// The provider's name and version.
#[derive(Clone, PartialEq, prost::Message)]
pub struct VersionResponse {
    /// The provider's contract version: `v1alpha1`.
    #[prost(string, tag = "1")]
    pub version: String,
    /// The provider's name.
    #[prost(string, tag = "2")]
    pub runtime_name: String,
    /// The provider's semantic version.
    #[prost(string, tag = "3")]
    pub runtime_version: String,
}

/// One volume to fill.
#[derive(Clone, PartialEq, prost::Message)]
#[prost(skip_debug)]
pub struct MountRequest {
    /// JSON object, string to string: parameters and volume context. May hold pod tokens.
    #[prost(string, tag = "1")]
    pub attributes: String,
    /// JSON object, string to string: the data of `nodePublishSecretRef`.
    #[prost(string, tag = "2")]
    pub secrets: String,
    /// Where the volume is mounted on the host.
    #[prost(string, tag = "3")]
    pub target_path: String,
    /// JSON number: the default file mode, in decimal.
    #[prost(string, tag = "4")]
    pub permission: String,
    /// Ignored: drivers from 1.6 on leave it empty.
    #[prost(message, repeated, tag = "5")]
    pub current_object_version: Vec<ObjectVersion>,
}

/// Every file of the volume.
#[derive(Clone, PartialEq, prost::Message)]
#[prost(skip_debug)]
pub struct MountResponse {
    /// At least one entry.
    #[prost(message, repeated, tag = "1")]
    pub object_version: Vec<ObjectVersion>,
    /// Never set: a gRPC status has room for a message.
    #[prost(message, optional, tag = "2")]
    pub error: Option<Error>,
    /// The complete set of files.
    #[prost(message, repeated, tag = "3")]
    pub files: Vec<File>,
}

/// One file.
#[derive(Clone, PartialEq, prost::Message)]
#[prost(skip_debug)]
pub struct File {
    /// Relative, clean path below the mount.
    #[prost(string, tag = "1")]
    pub path: String,
    /// Permission bits, 0 to 0o777.
    #[prost(int32, tag = "2")]
    pub mode: i32,
    /// The file's content.
    #[prost(bytes = "vec", tag = "3")]
    pub contents: Vec<u8>,
}

/// The backend's revision of one object.
#[derive(Clone, PartialEq, prost::Message)]
pub struct ObjectVersion {
    /// Which object.
    #[prost(string, tag = "1")]
    pub id: String,
    /// Its revision.
    #[prost(string, tag = "2")]
    pub version: String,
}

/// A failure as a metric label.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Error {
    /// A low-cardinality identifier.
    #[prost(string, tag = "1")]
    pub code: String,
}

/// A query for a service's health.
#[derive(Clone, PartialEq, prost::Message)]
pub struct HealthCheckRequest {
    /// Full service name; empty for the server as a whole.
    #[prost(string, tag = "1")]
    pub service: String,
}

/// A service's health.
#[derive(Clone, PartialEq, prost::Message)]
pub struct HealthCheckResponse {
    /// A [`ServingStatus`].
    #[prost(enumeration = "ServingStatus", tag = "1")]
    pub status: i32,
}

/// Health values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, prost::Enumeration)]
#[repr(i32)]
pub enum ServingStatus {
    /// Never sent.
    Unknown = 0,
    /// Calls are answered.
    Serving = 1,
    /// Calls are not answered, as while shutting down.
    NotServing = 2,
    /// Watch only: no such service here.
    ServiceUnknown = 3,
}

impl fmt::Debug for MountRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MountRequest(…)")
    }
}

impl fmt::Debug for MountResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MountResponse(…)")
    }
}

impl fmt::Debug for File {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("File(…)")
    }
}
