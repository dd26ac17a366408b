//! Mounts Alibaba Cloud OOS encrypted parameters and KMS secrets into pods: a provider for the Kubernetes
//! Secrets Store CSI Driver.
//!
//! Modules are layered; imports point from the edge to the core only. `ARCHITECTURE.md` draws the map.

// Tests share files that name the library as it is seen from outside.
#[cfg(test)]
extern crate self as csi_provider;

// process
pub mod cli;
#[cfg(test)]
mod debug_texts;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
pub mod harden;
pub mod memory_limit;
pub mod once;
pub mod prepare;
pub mod run;
pub mod whoami;
// edge
pub mod health;
pub mod server;
// use case
pub mod auth;
pub mod fetch;
pub mod mount;
pub mod validate;
// cloud
pub mod cloud;
pub mod kube;
// I/O
pub mod http;
// domain
pub mod access;
pub mod params;
// core
pub mod grpc;
pub mod h2;
pub mod hpack;
pub mod sign;
// words
pub mod budget;
pub mod cancellation;
pub mod clock;
pub mod file;
pub mod limits;
pub mod metrics;
pub mod places;
pub mod question;
pub mod secret;
