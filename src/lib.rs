//! Mounts Alibaba Cloud OOS encrypted parameters and KMS secrets into pods: a provider for the Kubernetes
//! Secrets Store CSI Driver.
//!
//! Modules are layered: each layer may use itself and those below. `tests/layers/` reads the comments here;
//! `ARCHITECTURE.md` describes each module.

// process
pub mod commands;
#[cfg(test)]
mod debug_texts;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
pub mod provider;
// configuration
pub mod config;
// edge
pub mod health;
pub mod server;
// use case
pub mod auth;
pub mod fetch;
pub mod mount;
// domain
pub mod policy;
// cloud
pub mod cloud;
// I/O
pub mod http;
// grammar
pub mod jmespath;
pub mod params;
pub mod yaml;
// core
pub mod grpc;
pub mod h2;
pub mod hpack;
pub mod sign;
// foundation
pub mod clock;
pub mod diagnostic;
pub mod entropy;
pub mod limits;
pub mod logger;
pub mod metrics;
pub mod os;
pub mod secret;
pub mod sync;
