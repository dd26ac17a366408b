//! The CSI driver's side of the socket: what kubelet and the Secrets Store CSI Driver do for one volume, with a
//! gRPC client that nobody here wrote (tonic).
//!
//! [`SecretProviderClass`] and [`Volume`] make the request as the driver makes it, [`Driver`] sends it over one
//! kept connection, [`write_files`] lays the answer out on disk as the driver does.

mod client;
mod files;
mod volume;

pub use client::{
    Driver, File, HealthCheckRequest, HealthCheckResponse, MountRequest, MountResponse, ObjectVersion,
    VersionResponse,
};
pub use files::{WriteError, write_files};
pub use tonic::{Code, Status};
pub use volume::{SecretProviderClass, Volume};
