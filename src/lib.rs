//! Mounts Alibaba Cloud OOS encrypted parameters and KMS secrets into pods: a provider for the Kubernetes
//! Secrets Store CSI Driver.
//!
//! Modules are layered; imports point from the edge to the core only. `ARCHITECTURE.md` draws the map.

pub mod budget;
pub mod clock;
pub mod grpc;
pub mod h2;
pub mod hpack;
pub mod limits;
pub mod params;
pub mod secret;
pub mod server;
